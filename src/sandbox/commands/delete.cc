// delete. Facts: corpus delete/basic, insert/capped.
#include <unordered_set>

#include <fmt/format.h>

#include "sandbox/commands/measurements.h"
#include "sandbox/commands/profiler.h"
#include "sandbox/commands/tables.h"
#include "sandbox/commands/timeseries.h"
#include "sandbox/commands/write_support.h"
#include "sandbox/query/bucket_walk.h"

namespace drover::sandbox {

namespace {

constexpr std::size_t kManyUnit = 500;

struct DeleteSpec {
  bson::View query;
  bool many = false;
  bson::Element hint;
  bson::View statement;
  bool by_measurement = false;  // of a time-series collection: `query` is about measurements, not about buckets
  std::optional<Error> refused = {};  // it is not for a time-series collection
};

Result<DeleteSpec> parse_spec(const CommandContext& context, bson::View statement) {
  DeleteSpec spec{.statement = statement};
  bool has_query = false, has_limit = false;
  for (const auto& field : statement) {
    const auto key = field.key();
    if (key == "q") {
      spec.query = TRY(statement_document("delete.deletes", field));
      has_query = true;
    } else if (key == "limit") {
      const double limit = field.to_double().value_or(0);  // what is no number counts as 0
      if (limit != 0 && limit != 1) return server_error(code::kFailedToParse, fmt::format("The limit field in delete objects must be 0 or 1. Got {}", limit));
      spec.many = limit == 0;
      has_limit = true;
    } else if (key == "hint") {
      spec.hint = TRY(statement_hint(field));
    } else if (key == "collation") {
      TRY(statement_document("delete.deletes", field));
      TRY(check_collation_fields(context, field));
    } else if (key != "sampleId") {
      return server_error(code::kUnknownField, fmt::format("BSON field 'delete.deletes.{}' is an unknown field.", key));
    }
  }
  if (!has_query) return server_error(code::kMissingField, "BSON field 'delete.deletes.q' is missing but a required field");
  if (!has_limit) return server_error(code::kMissingField, "BSON field 'delete.deletes.limit' is missing but a required field");
  return spec;
}

class Deleting {
 public:
  // `series`: from buckets, of which each counts as its measurements.
  Deleting(CommandContext& context, Namespace ns, std::vector<DeleteSpec> specs, bool ordered, std::optional<TimeseriesOptions> series = {})
      : context_(context), ns_(std::move(ns)), specs_(std::move(specs)), ordered_(ordered), series_(std::move(series)), retries_(context) {}

  Result<bson::Document> run() {
    while (at_ < specs_.size() && !stopped_) {
      TRY(check_interrupt(context_));
      if (TRY(retries_.done(at_))) {
        retries_.repeated(at_);
        ++deleted_;
        ++at_;
        continue;
      }
      const auto count = delete_statement(specs_[at_]);
      if (count) {
        if (context_.profiled) record(*count, nullptr);
        deleted_ += *count;
        ++at_;
      } else if (is_conflict(count.error()) || is_interruption(count.error())) {
        return tl::unexpected(count.error());
      } else {
        refuse(count.error());
      }
    }
    note_system_write(context_, ns_);
    bson::Builder reply;
    append_count(reply, "n", deleted_);
    errors_.append_to(reply);
    retries_.append_to(reply);
    return std::move(reply).finish();
  }

 private:
  Result<std::int64_t> delete_statement(const DeleteSpec& spec) {
    if (spec.many && context_.retryable) return server_error(code::kInvalidOptions, "Cannot use (or request) retryable writes with limit=0");
    if (spec.refused) return tl::unexpected(*spec.refused);
    while (true) {
      auto scope = TRY(read_scope(context_));
      const auto collection = scope.reader->catalog().find(ns_);
      auto collator = TRY(effective_collation(spec.statement, collection.get()));
      const auto let = context_.body["let"].to_document();
      const auto constants = let ? TRY(query::evaluate_let(*let, *evaluation_context(context_))) : bson::Document();
      const auto evaluation = evaluation_context(context_, constants, collator);
      const auto filter = TRY(query::Matcher::parse(spec.query, collator, context_.settings().version, evaluation));
      TRY(evaluation->literals());
      if (!collection) return 0;
      if (collection->is_view()) return refuse_on_view(*collection, "a delete");
      if (spec.by_measurement) {
        const auto count = TRY(delete_by_measurement(spec, filter, collator, scope.reader, collection));
        if (count) return *count;
        TRY(check_interrupt(context_));  // it changed meanwhile: look again
        continue;
      }
      TRY(check_transactional(context_, collection));
      if (collection->capped && !context_.settings().at_least(5, 0)) {
        return server_error(code::kIllegalOperation, fmt::format("cannot remove from a capped collection: {}", ns_.to_string()));
      }
      auto plan = TRY(make_plan(*collection, {.rules = plan_rules(context_), .filter = &filter, .collator = collator, .hint = spec.hint}));
      Scan scan(scope.reader, collection, std::move(plan), filter, context_.services.memory.work);
      if (spec.many) return delete_many(scan, filter, collection->uuid);
      const auto document = TRY(scan.next());
      if (!document) return 0;
      std::vector<Found> one;
      one.push_back({scan.record_id(), bson::Document(*document), {}});
      if (const auto count = TRY(delete_found(one, filter, collection->uuid, scan)); count > 0) return count;
      TRY(check_interrupt(context_));  // it changed meanwhile: look again
    }
  }

  Result<std::int64_t> delete_many(Scan& scan, const query::Matcher& filter, const Uuid& uuid) {
    std::int64_t total = 0;
    while (true) {
      TRY(check_interrupt(context_));
      std::vector<Found> chunk;
      std::size_t bytes = 0;
      while (chunk.size() < kManyUnit && bytes < kMaxUnitBytes) {
        const auto document = TRY(scan.next());
        if (!document) break;
        bytes += document->size();
        chunk.push_back({scan.record_id(), bson::Document(*document), {}});
      }
      if (chunk.empty()) return total;
      total += TRY(delete_found(chunk, filter, uuid, scan));
    }
  }

  Result<std::int64_t> delete_found(std::vector<Found>& chunk, const query::Matcher& filter, const Uuid& uuid, Scan& scan) {
    return delete_in_units(chunk.size(), uuid, [&](WriteUnit& unit, const CollectionPtr& current, std::size_t i) -> Result<std::int64_t> {
      const auto found = TRY(still_there(unit, current, filter, chunk[i]));
      if (!found) return 0;
      TRY(unit.remove(current, found->id, found->document, retries_.statement(at_)));
      return series_ ? measurements_in(*series_, found->document) : 1;
    }, [&] {
      forget_documents(chunk);
      scan.rest();
    });
  }

  // `one` deletes the item of a number, and says of how many documents; as many items go into a unit as it has the time for.
  template <typename One, typename Between>
  Result<std::int64_t> delete_in_units(std::size_t items, const Uuid& uuid, const One& one, const Between& before_waiting) {
    std::int64_t total = 0;
    for (std::size_t done = 0; done < items;) {
      std::int64_t count = 0;
      std::size_t next = done;
      TRY(in_write_unit(context_, [&](WriteUnit& unit) -> Status {
        count = 0;
        next = done;
        const auto began = context_.services.runtime.now();
        retries_.enter(unit);
        const auto current = unit.catalog().find(uuid);
        if (!current) {
          next = items;
          return {};
        }
        TRY(check_write_allowed(context_, unit, ns_));
        for (; next < items; ++next) {
          if (next > done && context_.services.runtime.now() - began > kLongInUnit) break;
          const auto deleted = TRY(one(unit, current, next));
          if (deleted == 0) continue;
          retries_.wrote(unit, at_);
          count += deleted;
        }
        return {};
      }, [&](const WriteUnit& unit) { retries_.committed(unit); }, before_waiting));
      total += count;
      done = next;
    }
    return total;
  }

  // Nothing: the one measurement that was found is no more to be deleted.
  Result<std::optional<std::int64_t>> delete_by_measurement(const DeleteSpec& spec, const query::Matcher& filter, const std::shared_ptr<const bson::Collator>& collator,
                                                            const std::shared_ptr<const Reader>& reader, const CollectionPtr& buckets) {
    if (filter.has_text() || filter.has_near()) return server_error(code::kInvalidOptions, "$text and $near cannot say what is deleted of a time-series collection");
    auto series = TRY(query::Matcher::parse(series_part(*series_, spec.query), collator, context_.settings().version));
    auto plan = TRY(make_plan(*buckets, {.rules = plan_rules(context_), .filter = &series, .collator = collator, .hint = spec.hint}));
    Scan scan(reader, buckets, std::move(plan), series, context_.services.memory.work);
    std::int64_t total = 0;
    while (true) {
      TRY(check_interrupt(context_));
      std::vector<RecordId> chunk;
      std::size_t bytes = 0;
      bool ended = false;
      while (chunk.size() < (spec.many ? kManyUnit : 1) && bytes < kMaxUnitBytes) {
        const auto bucket = TRY(scan.next());
        ended = !bucket;
        if (ended) break;
        TRY(check_interrupt(context_));
        if (TRY(matching(*bucket, filter, false)).empty()) continue;
        bytes += bucket->size();
        chunk.push_back(scan.record_id());
      }
      if (!chunk.empty()) total += TRY(delete_from_buckets(chunk, filter, buckets->uuid, spec.many, scan));
      if (!spec.many) return total > 0 || chunk.empty() ? std::optional(total) : std::nullopt;
      if (ended) return std::optional(total);
    }
  }

  // The numbers of the measurements of a bucket that match, or of the first that does.
  Result<std::unordered_set<std::string>> matching(bson::View stored, const query::Matcher& filter, bool many) const {
    std::unordered_set<std::string> numbers;
    auto walk = TRY(query::BucketWalk::over(stored, series_->time_field, series_->meta_field));
    while (many || numbers.empty()) {
      const auto measurement = walk.next();
      if (!measurement) break;
      if (TRY(filter.try_matches(*measurement))) numbers.emplace(walk.number());
    }
    return numbers;
  }

  Result<std::int64_t> delete_from_buckets(const std::vector<RecordId>& chunk, const query::Matcher& filter, const Uuid& uuid, bool many, Scan& scan) {
    return delete_in_units(chunk.size(), uuid, [&](WriteUnit& unit, const CollectionPtr& current, std::size_t i) -> Result<std::int64_t> {
      const auto stored = TRY(unit.find_record(*current, chunk[i]));
      if (!stored) return 0;
      const auto numbers = TRY(matching(*stored, filter, many));
      if (numbers.empty()) return 0;
      const auto bucket = TimeseriesBucket::parse(*series_, *stored);
      if (!bucket) return server_error(238, "a bucket that is not as time-series collections write them, of which this server deletes nothing");
      const auto rest = TRY(bucket->without(numbers));
      if (rest.count() == 0) {
        TRY(unit.remove(current, chunk[i], *stored, retries_.statement(at_)));
      } else {
        const auto after = rest.to_document();
        TRY(unit.update(current, chunk[i], *stored, after, bucket_update(*stored, after), retries_.statement(at_)));
      }
      return static_cast<std::int64_t>(numbers.size());
    }, [&] { scan.rest(); });
  }

  // For the profiler.
  void record(std::int64_t count, const Error* error) {
    bson::Builder counts;
    append_count(counts, "ndeleted", count);
    context_.profiled->statement("remove", specs_[at_].statement, std::move(counts).finish(), error);
  }
  void refuse(const Error& error) {
    if (context_.profiled) record(0, &error);
    errors_.add(context_, at_++, error);
    if (ordered_ || context_.transaction) stopped_ = true;
    if (context_.transaction) context_.abort_transaction = true;
  }

  CommandContext& context_;
  const Namespace ns_;
  const std::vector<DeleteSpec> specs_;
  const bool ordered_;
  const std::optional<TimeseriesOptions> series_;
  Retries retries_;
  std::size_t at_ = 0;
  std::int64_t deleted_ = 0;
  bool stopped_ = false;
  WriteErrors errors_;
};

// Whole series: their buckets, by the metaField. Since 7.0 by anything, and one alone. Source: the manual's "Time Series Collection Limitations".
Result<bson::Document> delete_series(CommandContext& context, const CollectionInfo& view, std::vector<DeleteSpec> specs, bool ordered) {
  const auto options = TimeseriesOptions::of(view.timeseries);
  if (context.transaction) {
    return server_error(code::kOperationNotSupportedInTransaction, fmt::format("Cannot perform a multi-document transaction on a time-series collection: {}", view.ns.to_string()));
  }
  std::vector<bson::Document> filters, hints;
  filters.reserve(specs.size());
  hints.reserve(specs.size());
  const bool anything = context.settings().at_least(7, 0);
  for (auto& spec : specs) {
    if (spec.hint) spec.hint = hints.emplace_back(bucket_hint(context, options, spec.hint)).view().first();
    if (!spec.many && !anything) {
      spec.refused = Error{ErrorCode::kFailure, "Cannot perform a non-multi delete on a time-series collection", code::kIllegalOperation, {}};
      continue;
    }
    auto of_buckets = bucket_filter(options, spec.query);
    if (!of_buckets && !anything) {
      spec.refused = std::move(of_buckets).error();
      continue;
    }
    spec.by_measurement = !spec.many || !of_buckets;
    if (spec.by_measurement) continue;
    filters.push_back(std::move(*of_buckets));
    spec.query = filters.back();
  }
  return Deleting(context, {view.ns.db, view.view_on}, std::move(specs), ordered, options).run();
}

Result<bson::Document> delete_documents(CommandContext& context) {
  TRY(check_fields(context, {"deletes", "ordered", "let", "collectionUUID"}));
  TRY(check_newer_fields(context));
  TRY(check_object_field(context, "let"));
  std::vector<DeleteSpec> specs;
  for (const auto& item : TRY(batch_items(context, "deletes"))) specs.push_back(TRY(parse_spec(context, item)));
  auto ns = TRY(named_collection(context));
  TRY(check_writable(context, ns));
  if (auto refused = TRY(refuse_other_collection(context, ns, specs.size()))) return std::move(*refused);
  const bool ordered = TRY(bool_field(context, "ordered", true));
  const auto view = context.engine().view()->catalog->find(ns);
  if (view && view->is_timeseries()) return delete_series(context, *view, std::move(specs), ordered);
  return Deleting(context, std::move(ns), std::move(specs), ordered).run();
}

}  // namespace

std::span<const Command> delete_commands() {
  static const Command kRows[] = {
      {.name = "delete", .flags = kWrite | kInTransaction | kRetryable | kUserBlocked, .resource = ResourceKind::kCollection, .action = "remove",
       .handler = delete_documents, .help = "removes documents"},
  };
  return kRows;
}

}  // namespace drover::sandbox
