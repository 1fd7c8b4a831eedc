#include "sandbox/changestream/change_stream.h"

#include <array>

#include <fmt/core.h>

#include "bson/ejson.h"
#include "bson/validate.h"
#include "sandbox/changestream/event_source.h"
#include "sandbox/query/pipeline.h"

namespace drover::sandbox::changestream {

namespace {

// A getMore that finds nothing to deliver reports its progress at least this often, whatever there is to read.
constexpr Duration kMaxScan = std::chrono::milliseconds(500);

constexpr ServerVersion kSplitSince{6, 0, 9};  // $changeStreamSplitLargeEvent

constexpr std::array<std::string_view, 8> kAllowedStages = {"$match",       "$project", "$addFields", "$set",
                                                            "$replaceRoot", "$unset",   "$replaceWith", "$redact"};

// What the client's stages read from. It ends whenever the oplog does, and goes on when asked again.
class StageSource final : public query::DocumentSource {
 public:
  explicit StageSource(EventSource& events) : events_(events) {}

  Result<std::optional<bson::Document>> next() override {
    if (held_) {
      auto event = std::move(*held_);
      held_.reset();
      return give(std::move(event));
    }
    auto event = TRY(events_.next(scan_until));
    if (!event) return std::optional<bson::Document>();
    // The server waits for a majority of the collections' drops before it logs that the database is gone; a stream of
    // that database has nearly always answered with the drops by then.
    if (event->is_drop_database && event->invalidates && given_in_batch > 0) {
      held_ = std::move(*event);
      return std::optional<bson::Document>();
    }
    return give(std::move(*event));
  }
  bool holds() const { return held_.has_value(); }

  SteadyTime scan_until{};
  int given_in_batch = 0;
  ResumeToken given;  // of the event last given

 private:
  std::optional<bson::Document> give(Event event) {
    ++given_in_batch;
    given = std::move(event.token);
    return std::move(event.document);
  }

  EventSource& events_;
  std::optional<Event> held_;
};

class ChangeStreamCursor final : public CommandCursor {
 public:
  ChangeStreamCursor(std::unique_ptr<EventSource> events, query::Pipeline stages)
      : events_(std::move(events)) {
    auto source = std::make_unique<StageSource>(*events_);
    source_ = source.get();
    output_ = std::move(stages).run(std::move(source));
  }

  bool awaits_data() const override { return true; }
  bool exhausted() const override { return events_->ended() && !kept_; }

  Status next_batch(CommandContext& context, CursorBatch& batch) override {
    auto& engine = context.engine();
    const auto deadline = engine.runtime().now() + batch.request().await;
    source_->given_in_batch = 0;
    for (;;) {
      source_->scan_until = engine.runtime().now() + kMaxScan;
      TRY(fill(batch));
      const bool scanned = source_->scan_until <= engine.runtime().now();
      if (batch.count() > 0 || batch.request().max_documents == 0 || events_->ended() || scanned) break;
      const auto left = deadline - engine.runtime().now();
      if (left <= Duration::zero() || batch.request().stop.stop_requested()) break;
      if (!engine.wait_for_oplog(events_->oplog_position(), left, batch.request().stop)) break;
    }
    batch.post_batch_resume_token = token_after(batch).to_document();
    return {};
  }

 private:
  // Larger ones cannot be sent; the server would split them when the client has asked for it, this one does not.
  static Status check_size(const bson::Document& event) {
    if (event.size() <= bson::kMaxInternalBytes) return {};
    return server_error(10334, fmt::format("BSONObj size: {} is invalid. Size must be between 0 and {}; large change events are not split by "
                                           "this server: leave images out of the stream", event.size(), bson::kMaxInternalBytes));
  }

  Status fill(CursorBatch& batch) {
    while (!batch.full()) {
      std::optional<bson::Document> event;
      if (kept_) {
        event = std::move(kept_);
        kept_.reset();
      } else {
        event = TRY(output_->next());
        if (!event) return {};
        TRY(check_token(*event));
        TRY(check_size(*event));
      }
      if (!batch.append(*event)) {
        kept_ = std::move(event);
        return {};
      }
      delivered_ = source_->given;
    }
    return {};
  }

  // Streams can be resumed only while the client's stages leave the token alone.
  Status check_token(const bson::Document& event) const {
    const auto token = source_->given.to_document();
    const auto found = event["_id"].to_document();
    if (found && found->same_bytes(token)) return {};
    bson::Builder shown;
    if (event["_id"]) shown.append_raw(event["_id"]);
    Error error{ErrorCode::kFailure,
                fmt::format("Encountered an event whose _id field, which contains the resume token, was modified by the pipeline. "
                            "Modifying the _id field of an event makes it impossible to resume the stream from that point. Only "
                            "transformations that retain the unmodified _id field are allowed. Expected: {{ _id: {} }} but found: {}",
                            bson::to_shell(token), bson::to_shell(std::move(shown).finish())),
                280, {}};
    error.labels = {"NonResumableChangeStreamError"};
    return tl::unexpected(std::move(error));
  }

  ResumeToken token_after(const CursorBatch& batch) const {
    if (source_->holds()) return source_->given;
    if (delivered_ && (kept_ || (batch.full() && batch.count() > 0))) return *delivered_;
    return events_->position();
  }

  std::unique_ptr<EventSource> events_;
  StageSource* source_ = nullptr;  // owned by output_
  query::DocumentSourcePtr output_;
  std::optional<bson::Document> kept_;  // did not fit into the last batch
  std::optional<ResumeToken> delivered_;
};

Status authorize(CommandContext& context, const Options& options) {
  Resource resource{Resource::Kind::kCollection, options.ns};
  if (options.scope == Options::Scope::kDatabase) resource = {Resource::Kind::kDatabase, {options.ns.db, ""}};
  if (options.scope == Options::Scope::kCluster) resource = {Resource::Kind::kDatabase, {"", ""}};  // any database
  TRY(context.authorize("changeStream", resource));
  return context.authorize("find", resource);
}

Status check_context(CommandContext& context) {
  if (context.transaction != nullptr) {
    return server_error(263, "Operation not permitted in transaction :: caused by :: Aggregation stage $changeStream cannot run within a "
                             "multi-document transaction");
  }
  const auto level = context.read_concern.level;
  if (level && *level != ReadConcern::Level::kMajority) {
    return server_error(72, "$changeStream cannot run with a readConcern other than 'majority'");
  }
  return {};
}

// The client's stages behind $changeStream.
Result<query::Pipeline> parse_stages(CommandContext& context, bson::View pipeline) {
  bson::ArrayBuilder rest;
  bool first = true;
  bool last_seen = false;
  for (const auto& stage : pipeline) {
    if (!first) {
      const auto name = stage.to_document() ? stage.document_value().first().key() : std::string_view();
      if (last_seen) return server_error(7182802, "$changeStreamSplitLargeEvent must be the last stage in the pipeline");
      if (name == "$changeStreamSplitLargeEvent" && context.settings().version >= kSplitSince) {
        last_seen = true;
        continue;
      }
      if (std::find(kAllowedStages.begin(), kAllowedStages.end(), name) == kAllowedStages.end() && name.starts_with('$')) {
        return server_error(20, fmt::format("{} is not permitted in a $changeStream pipeline", name));
      }
      rest.append(stage);
    }
    first = false;
  }
  auto evaluation = std::make_shared<query::EvaluationContext>();
  evaluation->version = context.settings().version;
  const auto now = context.services.runtime.wall_time().time_since_epoch();
  evaluation->now = {std::chrono::duration_cast<std::chrono::milliseconds>(now).count()};
  query::PipelineContext stages;
  stages.evaluation = std::move(evaluation);
  const auto array = std::move(rest).finish();
  return query::Pipeline::parse(array, stages);
}

}  // namespace

Result<std::unique_ptr<CommandCursor>> open_change_stream(CommandContext& context, const Namespace& ns, bson::View pipeline) {
  TRY(check_context(context));
  const auto stage = pipeline.first().to_document().value_or(bson::View()).first();
  auto options = TRY(Options::parse(ns, stage, context.settings().version));
  TRY(authorize(context, options));
  const auto collection = context.engine().view()->catalog->find(options.ns);
  if (collection && collection->is_view()) return server_error(166, fmt::format("Namespace {} is a view, not a collection", ns.to_string()));
  auto stages = TRY(parse_stages(context, pipeline));
  auto events = TRY(EventSource::open(context.engine(), std::move(options)));
  return std::unique_ptr<CommandCursor>(std::make_unique<ChangeStreamCursor>(std::move(events), std::move(stages)));
}

}  // namespace drover::sandbox::changestream
