#include "sandbox/changestream/change_stream.h"

#include <array>
#include <deque>

#include <fmt/core.h>

#include "bson/ejson.h"
#include "bson/validate.h"
#include "sandbox/changestream/event_source.h"
#include "sandbox/changestream/event_splitter.h"
#include "sandbox/query/matcher.h"
#include "sandbox/query/pipeline.h"

namespace drover::sandbox::changestream {

namespace {

// A getMore that finds nothing to deliver reports its progress at least this often, whatever there is to read.
constexpr Duration kMaxScan = std::chrono::milliseconds(500);

constexpr std::string_view kSplitStage = "$changeStreamSplitLargeEvent";
constexpr ServerVersion kSplitSince{6, 0, 9};

constexpr std::array<std::string_view, 8> kAllowedStages = {"$match",       "$project", "$addFields", "$set",
                                                            "$replaceRoot", "$unset",   "$replaceWith", "$redact"};

// What the client's stages read from. It ends whenever the oplog does, and goes on when asked again.
class StageSource final : public query::DocumentSource {
 public:
  explicit StageSource(EventSource& events) : events_(&events) {}
  void read_from(EventSource& events) {
    events_ = &events;
    held_.reset();
  }

  Result<std::optional<bson::Document>> next() override {
    if (held_) {
      auto event = std::move(*held_);
      held_.reset();
      return give(std::move(event));
    }
    auto event = TRY(events_->next(scan_until));
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
  std::size_t kept_bytes() const { return held_ ? held_->document.size() : 0; }

  SteadyTime scan_until{};
  int given_in_batch = 0;
  ResumeToken given;  // of the event last given

 private:
  std::optional<bson::Document> give(Event event) {
    ++given_in_batch;
    given = std::move(event.token);
    return std::move(event.document);
  }

  EventSource* events_;
  std::optional<Event> held_;
};

class ChangeStreamCursor final : public CommandCursor {
 public:
  ChangeStreamCursor(std::unique_ptr<EventSource> events, query::Pipeline stages, std::optional<EventSplitter> splitter)
      : events_(std::move(events)), splitter_(std::move(splitter)) {
    auto source = std::make_unique<StageSource>(*events_);
    source_ = source.get();
    output_ = std::move(stages).run(std::move(source));
  }

  bool awaits_data() const override { return true; }
  bool is_change_stream() const override { return true; }
  void rest() override { events_->rest(); }
  bool exhausted() const override { return events_->ended() && waiting_.empty(); }
  std::size_t kept_bytes() const override {
    std::size_t bytes = events_->kept_bytes() + source_->kept_bytes();
    for (const auto& fragment : waiting_) bytes += fragment.document.size();
    return bytes;
  }
  // As a client would resume it from what it was told last.
  bool give_up_kept() override {
    if (!told_) return false;
    auto again = events_->again_after(*told_);
    if (!again) return false;
    source_->read_from(**again);
    events_ = *std::move(again);
    waiting_.clear();
    delivered_.reset();
    if (splitter_) splitter_ = EventSplitter(told_->fragment ? told_ : std::nullopt);
    return true;
  }

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
      const auto& stop = batch.request().stop;
      if (!context.wait_aside(stop, [&] { return engine.wait_for_oplog(events_->oplog_position(), left, stop); })) break;
    }
    told_ = token_after(batch);
    batch.post_batch_resume_token = told_->to_document();
    return {};
  }

 private:
  // Larger ones cannot be sent, and are not split unless the client has asked for it.
  static Status check_size(const bson::Document& event) {
    if (event.size() <= bson::kMaxInternalBytes) return {};
    bson::Builder first;
    first.append_raw(event.view().first());
    const auto shown = bson::to_shell(std::move(first).finish());
    return server_error(10334, fmt::format("BSONObj size: {} (0x{:X}) is invalid. Size must be between 0 and {}(16MB) First element: {}",
                                           event.size(), event.size(), bson::kMaxInternalBytes, shown.substr(2, shown.size() - 4)));
  }

  Status fill(CursorBatch& batch) {
    while (!batch.full()) {
      if (waiting_.empty()) {
        auto event = TRY(output_->next());
        if (!event) return {};
        TRY(check_token(*event));
        TRY(prepare(std::move(*event)));
        continue;
      }
      if (!batch.append(waiting_.front().document)) return {};
      delivered_ = std::move(waiting_.front().token);
      waiting_.pop_front();
    }
    return {};
  }

  // What is sent of an event: itself, or its fragments.
  Status prepare(bson::Document event) {
    if (splitter_) {
      waiting_ = TRY(splitter_->split(std::move(event), source_->given));
      return {};
    }
    TRY(check_size(event));
    waiting_.push_back({std::move(event), source_->given});
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
    if (delivered_ && (!waiting_.empty() || (batch.full() && batch.count() > 0))) return *delivered_;
    auto position = events_->position();
    // The last of an event's fragments, not the event as a whole, which would be before it.
    if (delivered_ && delivered_->fragment && !position.fragment && position.is_event && position.time == delivered_->time &&
        position.txn_index == delivered_->txn_index) {
      return *delivered_;
    }
    return position;
  }

  std::unique_ptr<EventSource> events_;
  StageSource* source_ = nullptr;  // owned by output_
  query::DocumentSourcePtr output_;
  std::optional<EventSplitter> splitter_;
  std::deque<Fragment> waiting_;  // did not fit into the last batch
  std::optional<ResumeToken> delivered_;
  std::optional<ResumeToken> told_;  // with the last batch: where the client would resume
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

struct ClientStages {
  query::Pipeline pipeline;
  bool split_large_events = false;  // the last of them is $changeStreamSplitLargeEvent
};

Status check_split_stage(const bson::Element& spec, bool seen_before) {
  if (seen_before) return server_error(40602, fmt::format("{} can only appear once in a pipeline", kSplitStage));
  if (!spec.is_document() || !spec.document_value().empty()) {
    return server_error(7182800, fmt::format("{} spec should be an empty object", kSplitStage));
  }
  return {};
}

// Only the first stage of a pipeline is answered by an index.
Status check_no_text(const CommandContext& context, bson::View filter) {
  const auto matcher = query::Matcher::parse(filter, nullptr, context.settings().version);
  if (!matcher || !matcher->has_text()) return {};  // refused in its turn
  return server_error(17313, "$match with $text is only allowed as the first pipeline stage");
}

// The client's stages behind $changeStream.
Result<ClientStages> parse_stages(CommandContext& context, bson::View pipeline) {
  bson::ArrayBuilder rest;
  bool first = true;
  bool splits = false;
  for (const auto& stage : pipeline) {
    if (!std::exchange(first, false)) {
      const auto named = stage.to_document() ? stage.document_value().first() : bson::Element();
      const auto name = named ? named.key() : std::string_view();
      if (name == kSplitStage && context.settings().version >= kSplitSince) {
        TRY(check_split_stage(named, splits));
        splits = true;
        continue;
      }
      if (splits) return server_error(7182802, fmt::format("{} must be the last stage in the pipeline", kSplitStage));
      if (std::find(kAllowedStages.begin(), kAllowedStages.end(), name) == kAllowedStages.end() && name.starts_with('$')) {
        if (!query::is_pipeline_stage(name, context.settings().version)) {
          return server_error(40324, fmt::format("Unrecognized pipeline stage name: '{}'", name));
        }
        return server_error(20, fmt::format("{} is not permitted in a $changeStream pipeline", name));
      }
      if (name == "$match" && named.is_document()) TRY(check_no_text(context, named.document_value()));
      rest.append(stage);
    }
  }
  auto evaluation = std::make_shared<query::EvaluationContext>();
  evaluation->version = context.settings().version;
  const auto now = context.services.runtime.wall_time().time_since_epoch();
  evaluation->now = {std::chrono::duration_cast<std::chrono::milliseconds>(now).count()};
  query::PipelineContext stages;
  stages.evaluation = std::move(evaluation);
  const auto array = std::move(rest).finish();
  return ClientStages{TRY(query::Pipeline::parse(array, stages)), splits};
}

// A stream that is resumed from a fragment has to split as the one before did.
Result<std::optional<EventSplitter>> make_splitter(const Options& options) {
  const bool from_fragment = options.resume && options.resume->fragment;
  if (options.splits_large_events) return std::optional(EventSplitter(from_fragment ? options.resume : std::nullopt));
  if (!from_fragment) return std::optional<EventSplitter>();
  return server_error(280, "To resume from a split event, the $changeStream pipeline must include a $changeStreamSplitLargeEvent stage");
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
  options.splits_large_events = stages.split_large_events;
  // Only tokens of version 2 can number fragments.
  if (options.splits_large_events) options.token_version = 2;
  auto splitter = TRY(make_splitter(options));
  auto events = TRY(EventSource::open(context.engine(), std::move(options)));
  return std::unique_ptr<CommandCursor>(std::make_unique<ChangeStreamCursor>(std::move(events), std::move(stages.pipeline), std::move(splitter)));
}

}  // namespace drover::sandbox::changestream
