// find. Facts: corpus find/*, engine/id-ranges, engine/by-uuid, engine/oplog-tail.
#include <algorithm>

#include <fmt/format.h>

#include "bson/ejson.h"
#include "sandbox/commands/aggregate.h"
#include "sandbox/commands/covered.h"
#include "sandbox/commands/find_request.h"
#include "sandbox/commands/scan.h"
#include "sandbox/commands/support.h"
#include "sandbox/commands/tables.h"
#include "sandbox/query/projection.h"
#include "sandbox/query/stage_memory.h"

namespace drover::sandbox {

namespace {

// A sort that no index delivers keeps at most this much in memory.
constexpr std::size_t kMaxSortBytes = 104857600;
// Interrupts are looked for once in so many documents.
constexpr std::int64_t kCheckEvery = 256;

struct FindParts {
  std::shared_ptr<const query::Matcher> filter;
  query::SortPattern sort;
  query::Projection projection;
  std::shared_ptr<const query::EvaluationContext> evaluation;
  std::int64_t skip = 0;
  std::int64_t limit = 0;
  bool tailable = false;
  bool await_data = false;
  bool show_record_id = false;
  bool return_key = false;
  std::optional<CoveredProjection> covered;  // shows what the projection does
  bool fixed_view = false;  // snapshot reads and transactions stay at one time
  bool is_oplog = false;
  bool tells_position = false;  // $_requestResumeToken
  std::optional<RecordId> position;  // of the record given last, or $_resumeAfter's
};

class FindCursor : public CommandCursor {
 public:
  FindCursor(Scan scan, FindParts parts, bson::Timestamp seen, MemoryBudget& memory)
      : scan_(std::move(scan)), parts_(std::move(parts)), seen_(seen), sort_memory_(&memory) {
    by_distance_ = parts_.sort.empty() && parts_.filter->has_near();
    needs_sort_ = by_distance_ || (!parts_.sort.empty() && parts_.sort.natural() == 0 && !scan_.plan().sorted);
  }

  Status next_batch(CommandContext& context, CursorBatch& batch) override {
    auto filled = fill(context, batch);
    if (filled && parts_.tells_position) {
      batch.post_batch_resume_token = parts_.position ? bson::make_document({{"$recordId", std::int64_t{*parts_.position}}}) : bson::make_document({{"$recordId", bson::Null{}}});
    }
    return filled;
  }
  bool exhausted() const override { return exhausted_; }
  void rest() override { scan_.rest(); }
  bool awaits_data() const override { return parts_.await_data; }

 private:
  Status fill(CommandContext& context, CursorBatch& batch) {
    if (batch.request().max_documents == 0) return {};
    if (std::exchange(begun_, true)) TRY(catch_up(context));
    if (needs_sort_) {
      TRY(sort_all(context));
      return sorted_batch(batch);
    }
    TRY(scan_batch(context, batch));
    const auto deadline = context.services.runtime.now() + batch.request().await;
    while (parts_.tailable && parts_.await_data && batch.count() == 0 && !exhausted_) {
      const auto left = deadline - context.services.runtime.now();
      if (left <= Duration::zero()) break;
      const auto& stop = batch.request().stop;
      if (!context.wait_aside(stop, [&] { return context.engine().wait_for_oplog(seen_, left, stop); })) break;
      TRY(catch_up(context));
      TRY(scan_batch(context, batch));
    }
    return {};
  }

  // Between batches the cursor goes on in the newest state, as a local or majority read does.
  Status catch_up(CommandContext& context) {
    if (parts_.fixed_view || (needs_sort_ && sorted_)) {
      // A transaction's own later writes are seen.
      if (context.transaction && !(needs_sort_ && sorted_)) return scan_.move_to(context.transaction->reader());
      return {};
    }
    auto view = context.engine().view();
    if (view->ts == seen_) return {};
    seen_ = view->ts;
    return scan_.move_to(make_reader(context.engine(), std::move(view)));
  }

  Status scan_batch(CommandContext& context, CursorBatch& batch) {
    while (!batch.full()) {
      if (++steps_ % kCheckEvery == 0) TRY(check_interrupt(context));
      const auto document = TRY(scan_.next());
      if (!document) {
        exhausted_ = !parts_.tailable;
        return {};
      }
      if (skipped_ < parts_.skip) {
        ++skipped_;
        continue;
      }
      if (!TRY(give(*document, scan_.record_id(), scan_.plan().index.get(), batch))) {
        scan_.give_again();
        return {};
      }
      parts_.position = scan_.record_id();
      ++returned_;
      if (limit_reached()) return {};
    }
    return {};
  }
  bool limit_reached() {
    if (parts_.limit == 0 || returned_ < parts_.limit) return false;
    return exhausted_ = true;
  }
  // `index`: that it was found by, may be null. False: the batch is full.
  Result<bool> give(bson::View document, RecordId id, const IndexInfo* index, CursorBatch& batch) {
    if (parts_.projection.is_identity() && !parts_.show_record_id && !parts_.return_key) {
      return batch.append(document);
    }
    if (parts_.evaluation->origin_asked.any()) TRY(note_origin(document, id, index));
    auto shown = parts_.return_key ? TRY(key_of(document, index)) : parts_.covered && index && index->multikey->load() == 0 ? parts_.covered->apply(document) : TRY(parts_.projection.apply(document));
    if (parts_.show_record_id && !parts_.return_key) {
      bson::Builder with_id;
      with_id.append_all(shown).append("$recordId", id);
      shown = std::move(with_id).finish();
    }
    return batch.append(shown);
  }

  Status note_origin(bson::View document, RecordId id, const IndexInfo* index) const {
    const auto& evaluation = *parts_.evaluation;
    evaluation.origin = TRY(origin_of(evaluation.origin_asked, index, id, document));
    if (evaluation.origin_asked.sort_key) evaluation.origin.sort_key = TRY(parts_.sort.values(document));
    return {};
  }

  // The fields of the index that was used; nothing when none was. They stand for the document, whatever else of it is asked for.
  static Result<bson::Document> key_of(bson::View document, const IndexInfo* index) {
    return index == nullptr ? bson::Document() : index_key_of(*index, document);
  }

  struct Sorted {
    std::string key;
    bson::Document document;
    RecordId id;
    std::shared_ptr<const IndexInfo> index;
  };
  // Before 5.0 only failures of sorting are said to be the executor's; since then all are, by who makes the reply.
  static tl::unexpected<Error> failed_sort(const CommandContext& context, Error error) {
    if (context.settings().at_least(5, 0)) return tl::unexpected(std::move(error));
    return tl::unexpected(caused_by("Executor error during find command", std::move(error)));
  }
  // All documents, or with a limit the first of them.
  Status sort_all(CommandContext& context) {
    if (std::exchange(sorted_, true)) return {};
    constexpr std::int64_t kMost = std::int64_t{1} << 40;  // more than there can be: as if there were no limit
    const auto asked = saturating_sum(parts_.limit, parts_.skip);
    const std::size_t wanted = parts_.limit > 0 && asked < kMost ? static_cast<std::size_t>(asked) : 0;
    const auto by_key = [](const Sorted& a, const Sorted& b) { return a.key != b.key ? a.key < b.key : a.id < b.id; };
    std::size_t bytes = 0;
    while (const auto document = TRY(scan_.next())) {
      if (++steps_ % kCheckEvery == 0) TRY(check_interrupt(context));
      auto key = by_distance_ ? distance_key(*parts_.filter, *document) : parts_.sort.key(*document);
      if (!key) return failed_sort(context, std::move(key).error());
      ordered_.push_back({std::move(*key), bson::Document(*document), scan_.record_id(), scan_.plan().index});
      bytes += document->size() + ordered_.back().key.size() + sizeof(Sorted);
      if (wanted > 0 && ordered_.size() >= 2 * wanted + 1000) {
        std::nth_element(ordered_.begin(), ordered_.begin() + static_cast<std::ptrdiff_t>(wanted), ordered_.end(), by_key);
        ordered_.resize(wanted);
        bytes = 0;
        for (const auto& item : ordered_) bytes += item.document.size() + item.key.size() + sizeof(Sorted);
      }
      if (bytes > kMaxSortBytes) {
        return failed_sort(context, {ErrorCode::kFailure, fmt::format("Sort exceeded memory limit of {} bytes, but did not opt in to external sorting.{}", kMaxSortBytes,
                                                                      context.settings().at_least(7, 0) ? "" : " Aborting operation. Pass allowDiskUse:true to opt in."), 292, {}});
      }
      TRY(sort_memory_.hold(bytes));
    }
    std::sort(ordered_.begin(), ordered_.end(), by_key);
    if (wanted > 0 && ordered_.size() > wanted) ordered_.resize(wanted);
    next_sorted_ = std::min<std::size_t>(static_cast<std::size_t>(parts_.skip), ordered_.size());
    return {};
  }
  Status sorted_batch(CursorBatch& batch) {
    while (!batch.full() && next_sorted_ < ordered_.size()) {
      auto& item = ordered_[next_sorted_];
      if (!TRY(give(item.document, item.id, item.index.get(), batch))) return {};
      item.document = bson::Document();
      ++next_sorted_;
    }
    exhausted_ = next_sorted_ >= ordered_.size();
    return {};
  }

  Scan scan_;
  FindParts parts_;
  bson::Timestamp seen_;
  bool needs_sort_ = false;
  bool by_distance_ = false;
  bool sorted_ = false;
  query::StageMemory sort_memory_;
  std::vector<Sorted> ordered_;
  std::size_t next_sorted_ = 0;
  std::int64_t skipped_ = 0, returned_ = 0, steps_ = 0;
  bool begun_ = false;
  bool exhausted_ = false;
};

CursorReplyOptions reply_options(CommandContext& context, const FindRequest& request) {
  CursorReplyOptions options;
  options.request.max_documents = request.batch_size.value_or(kDefaultFirstBatch);
  options.request.stop = context.stop;
  options.single_batch = request.single_batch;
  options.no_timeout = request.no_timeout;
  options.failing = "Executor error during find command";
  return options;
}

std::string shown_limits(const FindRequest& request) {
  std::string text;
  if (request.batch_size) text += fmt::format(" batchSize={}", *request.batch_size);
  if (request.limit > 0) text += fmt::format(" limit={}", request.limit);
  if (request.skip > 0) text += fmt::format(" skip={}", request.skip);
  return text;
}

Result<bson::Document> find_on_view(CommandContext& context, const FindRequest& request, const Target& target) {
  TRY(check_aggregable(context, request));
  auto opened = TRY(open_aggregate(context, {.ns = target.ns,
                                             .pipeline = pipeline_of_find(request.filter, request.sort, request.skip, request.limit, request.projection),
                                             .let = request.let, .hint = request.hint, .statement = context.body}));
  auto options = reply_options(context, request);
  options.failing = failing_aggregate(context, target.ns);
  options.at_cluster_time = opened.at;
  return first_batch_reply(context, std::move(opened.cursor), target.ns, options);
}

Status check_sort_key(const FindRequest& request) {
  if (!request.sort.empty()) return {};
  for (const auto& field : request.projection) {
    const auto inner = field.to_document().value_or(bson::View());
    const auto meta = inner["$meta"];
    if (meta.is_string() && meta.string_value() == "sortKey") return server_error(code::kBadValue, "cannot use sortKey $meta projection without a sort");
  }
  return {};
}

Result<bson::Document> find(CommandContext& context) {
  const auto request = TRY(parse_find(context, context.body));
  auto scope = TRY(read_scope(context));
  const auto target = TRY(target_collection(context, scope.reader->catalog()));
  if (context.body.first().to_uuid()) {
    TRY(context.authorize("find", {Resource::Kind::kCollection, target.ns}));
    TRY(context.authorize("useUUID", {Resource::Kind::kCluster, {}}));
  }
  if (context.transaction && request.tailable) return server_error(code::kInvalidOptions, "It is illegal to open a tailable cursor in a transaction");
  if (context.transaction && context.body["readOnce"].is_truthy()) {
    return server_error(code::kOperationNotSupportedInTransaction, "The 'readOnce' option is not supported within a transaction.");
  }
  if (target.collection && target.collection->is_view()) return find_on_view(context, request, target);

  auto collator = TRY(effective_collation(context.body, target.collection.get()));
  FindParts parts{.skip = request.skip, .limit = request.limit, .tailable = request.tailable, .await_data = request.await_data,
                  .show_record_id = request.show_record_id, .return_key = request.return_key};
  const auto let = request.let.empty() ? bson::Document() : TRY(query::evaluate_let(request.let, *evaluation_context(context)));
  const auto evaluation = evaluation_context(context, let, collator);
  parts.filter = std::make_shared<query::Matcher>(TRY(query::Matcher::parse(request.filter, collator, context.settings().version, evaluation)));
  query::read_text_score(*parts.filter, *evaluation);
  parts.sort = TRY(query::SortPattern::parse(request.sort, collator, context.settings().version, evaluation));
  if (!request.projection.empty()) {
    TRY(check_sort_key(request));
    evaluation->origin_state = query::EvaluationContext::OriginState::kKnown;
    parts.projection = TRY(query::Projection::parse(request.projection, parts.filter.get(), context.settings().version, evaluation));
  }
  parts.evaluation = evaluation;
  TRY(evaluation->literals());
  auto options = reply_options(context, request);
  if (context.settings().at_least(7, 0)) options.failing += ": " + target.ns.to_string();
  options.at_cluster_time = scope.at;
  if (!target.collection) {
    TRY(check_special(nullptr, {.filter = parts.filter.get()}));
    options.list_order = true;
    return first_batch_reply(context, make_list_cursor({}), target.ns, options);
  }
  const PlanRequest plan_request{.rules = plan_rules(context), .filter = parts.filter.get(), .sort = &parts.sort, .collator = collator, .hint = request.hint, .min = request.min,
                                 .max = request.max, .sort_spec = request.sort, .projection = request.projection,
                                 .collation = context.body["collation"].to_document().value_or(bson::View()), .limits = shown_limits(request)};
  if (request.tailable && !target.collection->capped) {
    return planner_error(*target.collection, plan_request, "tailable cursor requested on non capped collection");
  }
  auto plan = TRY(make_plan(*target.collection, plan_request));
  if (request.tailable && (plan.index || plan.nothing)) plan = Plan{};
  parts.tells_position = request.request_resume_token;
  if (request.request_resume_token && target.collection->is_clustered()) {
    return server_error(238, "$_requestResumeToken is not supported by this server with a clustered collection");
  }
  if (request.resume_after) {
    if (!TRY(scope.reader->find_record(*target.collection, *request.resume_after))) {
      return server_error(140, fmt::format("Failed to resume collection scan: the recordId from which we are attempting to resume no longer exists in the collection. "
                                           "recordId: RecordId({})", *request.resume_after));
    }
    plan.after = parts.position = *request.resume_after;
  }
  // Nothing can be followed where there is nothing yet: such a cursor ends at once.
  if (request.tailable && !target.collection->is_oplog() && target.collection->counters->copy().records == 0) {
    return first_batch_reply(context, make_list_cursor({}), target.ns, options);
  }
  if (!parts.show_record_id && !parts.return_key) parts.covered = CoveredProjection::of(plan, *parts.filter, parts.sort, parts.projection);
  parts.fixed_view = scope.at.has_value() || context.transaction != nullptr;
  Scan scan(scope.reader, target.collection, std::move(plan), *parts.filter, context.services.memory.work);
  return first_batch_reply(context, std::make_unique<FindCursor>(std::move(scan), std::move(parts), scope.time, context.services.memory.work), target.ns, options);
}

}  // namespace

std::span<const Command> find_commands() {
  static const Command kRows[] = {
      {.name = "find", .flags = kInTransaction | kReadConcern | kSnapshotRead, .resource = ResourceKind::kCollection, .action = "find", .handler = find,
       .help = "documents that match a filter"},
  };
  return kRows;
}

}  // namespace drover::sandbox
