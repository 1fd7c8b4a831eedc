// update. Facts: corpus update/*, engine/replace-batch.
#include <algorithm>
#include <span>
#include <vector>

#include <fmt/format.h>

#include "sandbox/commands/authorize.h"
#include "sandbox/commands/profiler.h"
#include "sandbox/commands/tables.h"
#include "sandbox/commands/timeseries.h"
#include "sandbox/commands/update_statement.h"
#include "sandbox/query/pipeline.h"

namespace drover::sandbox {

namespace {

// Documents of a multi update that are changed in one unit.
constexpr std::size_t kMultiUnit = 500;

Result<UpdateSpec> parse_spec(const CommandContext& context, bson::View statement) {
  UpdateSpec spec{.collation_of = statement};
  bool has_query = false;
  for (const auto& field : statement) {
    const auto key = field.key();
    const auto as_document = [&] { return statement_document("update.updates", field); };
    if (key == "q") {
      spec.query = TRY(as_document());
      has_query = true;
    } else if (key == "u") {
      if (spec.update) return server_error(40413, "BSON field 'update.updates.u' is a duplicate field");
      spec.update = field;
    }
    else if (key == "c") spec.constants = TRY(as_document());
    else if (key == "upsert") spec.upsert = TRY(statement_flag("update.updates", field));
    else if (key == "multi") spec.multi = TRY(statement_flag("update.updates", field));
    else if (key == "hint") spec.hint = TRY(statement_hint(field));
    else if (key == "collation") {
      TRY(as_document());
      TRY(check_collation_fields(context, field));
    }
    else if (key == "sort" && context.settings().at_least(8, 0)) spec.sort = TRY(as_document());
    else if (key == "arrayFilters") {
      const auto array = field.to_array();
      if (!array) return server_error(code::kTypeMismatch, fmt::format("BSON field 'update.updates.arrayFilters' is the wrong type '{}', expected type 'array'", bson::type_name(field.type())));
      for (const auto& filter : *array) {
        if (filter.is_document()) continue;
        return server_error(code::kTypeMismatch, fmt::format("BSON field 'update.updates.arrayFilters.{}' is the wrong type '{}', expected type 'object'",
                                                             filter.key(), bson::type_name(filter.type())));
      }
      spec.array_filters = *array;
    } else if (key == "upsertSupplied") {
      // What of routers is in `c` would be inserted.
      if (field.is_truthy()) return server_error(238, "'upsertSupplied' is for statements that a router makes, and not implemented by this server");
    } else if (key != "sampleId" && key != "allowShardKeyUpdatesWithoutFullShardKeyInQuery") {
      return server_error(code::kUnknownField, fmt::format("BSON field 'update.updates.{}' is an unknown field.", key));
    }
  }
  if (const auto stages = spec.update.to_array()) {
    for (const auto& stage : *stages) {
      if (!stage.is_document()) return server_error(code::kTypeMismatch, "Each element of the 'pipeline' array must be an object");
    }
  }
  if (!has_query) return server_error(code::kMissingField, "BSON field 'update.updates.q' is missing but a required field");
  if (!spec.update) return server_error(code::kMissingField, "BSON field 'update.updates.u' is missing but a required field");
  if (statement["sort"] && spec.multi) return server_error(code::kFailedToParse, "Cannot specify sort with multi=true");
  return spec;
}

struct Outcome {
  std::int64_t matched = 0;
  std::int64_t modified = 0;
  std::optional<bson::Value> upserted;
};

class Updating {
 public:
  Updating(CommandContext& context, Namespace ns, std::vector<UpdateSpec> specs, bool ordered)
      : context_(context), ns_(std::move(ns)), specs_(std::move(specs)), ordered_(ordered), retries_(context) {}
  // The collection is one of buckets, of which each counts as its measurements. `refused`: why a statement is not for them; one for each.
  void of_series(TimeseriesOptions options, std::vector<std::optional<Error>> refused) {
    series_ = std::move(options);
    refused_ = std::move(refused);
  }

  Result<bson::Document> run() {
    while (at_ < specs_.size() && !stopped_) {
      TRY(check_interrupt(context_));
      if (series_ && refused_[at_]) {
        refuse(*refused_[at_], {});
        continue;
      }
      if (TRY(was_done())) continue;
      if (is_by_id(specs_[at_])) {
        TRY(run_by_id());
      } else {
        TRY(run_by_scan());
      }
    }
    note_system_write(context_, ns_);
    bson::Builder reply;
    const bool five = context_.settings().at_least(5, 0);
    append_count(reply, "n", matched_);
    if (!five) append_count(reply, "nModified", modified_);
    if (five) {
      errors_.append_to(reply);
      retries_.append_to(reply);
    }
    append_upserted(reply);
    if (five) append_count(reply, "nModified", modified_);
    if (!five) errors_.append_to(reply);
    return std::move(reply).finish();
  }

 private:
  static bool is_by_id(const UpdateSpec& spec) {
    return !spec.multi && !spec.hint && spec.sort.empty() && spec.query["_id"] && !spec.query["_id"].is_document() &&
           spec.query["_id"].type() != bson::Type::kRegex;
  }

  void append_upserted(bson::Builder& reply) const {
    if (upserted_.empty()) return;
    auto array = reply.open_array("upserted");
    for (const auto& item : upserted_) array.append(item);
  }

  // A repeated statement answers what it answered when it was done.
  Result<bool> was_done() {
    const auto entry = TRY(retries_.done(at_));
    if (!entry) return false;
    retries_.repeated(at_);
    Outcome outcome{.matched = 1};
    if ((*entry)["op"].to_string_view() == "i") {
      outcome.upserted = bson::Value((*entry)["o"].document_value()["_id"]);
    } else {
      outcome.modified = 1;
    }
    finish(outcome);
    return true;
  }

  // Statements that name their document by _id: as many in one unit as come in a row.
  Status run_by_id() {
    std::vector<Outcome> done;
    std::optional<std::pair<Error, std::optional<DuplicateKey>>> failed;
    TRY(in_write_unit(context_, [&](WriteUnit& unit) -> Status {
      done.clear();
      failed.reset();
      retries_.enter(unit);
      const auto limit = unit.bytes() + kMaxUnitBytes;
      for (std::size_t i = at_; i < specs_.size() && is_by_id(specs_[i]) && done.size() < kMaxUnitOperations && unit.bytes() < limit; ++i) {
        if (i > at_ && TRY(retries_.done(i))) break;
        if (i > at_ && context_.profiled) break;  // each is recorded by itself
        auto outcome = by_id(unit, i);
        if (outcome) {
          done.push_back(std::move(*outcome));
          continue;
        }
        if (is_conflict(outcome.error()) || is_interruption(outcome.error())) {
          // What this unit has done so far is committed; the statement comes again.
          if (context_.transaction || done.empty()) return tl::unexpected(outcome.error());
          break;
        }
        failed.emplace(outcome.error(), unit.duplicate());
        break;
      }
      return {};
    }, [&](const WriteUnit& unit) { retries_.committed(unit); }));
    for (const auto& outcome : done) finish(outcome);
    if (failed) refuse(failed->first, failed->second);
    return {};
  }

  Result<Outcome> by_id(WriteUnit& unit, std::size_t index) {
    const auto& spec = specs_[index];
    auto collection = TRY(collection_for_write(context_, unit, ns_, spec.upsert));
    TRY(check_transactional(context_, collection));
    const auto statement = TRY(UpdateStatement::parse(context_, spec, collection.get()));
    if (!collection) return Outcome{};
    std::optional<Found> found;
    const auto id = statement.filter().id_equality();
    if (id && same_collation(statement, *collection)) {
      auto record = TRY(unit.find_by_id(*collection, *id));
      count_id_lookup(*collection, record.has_value());
      if (record) {
        Found candidate{record->id, std::move(record->document), {}};
        if (TRY(statement.filter().try_matches(candidate.document, &candidate.details))) found = std::move(candidate);
      }
    } else {
      found = TRY(find_one(context_, unit, collection, {.filter = &statement.filter(), .sort = &statement.sort(), .collator = statement.collator()}));
    }
    return change(unit, collection, statement, std::move(found), index);
  }

  static bool same_collation(const UpdateStatement& statement, const CollectionInfo& collection) {
    return bson::same_collation(statement.collator().get(), collection.collator.get());
  }

  Result<Outcome> change(WriteUnit& unit, const CollectionPtr& collection, const UpdateStatement& statement, std::optional<Found> found, std::size_t index) {
    Outcome outcome;
    if (found) {
      const auto changed = TRY(statement.apply(context_, unit, collection, *found, retries_.statement(index)));
      outcome = {1, changed.modified ? 1 : 0, std::nullopt};
      if (changed.modified) retries_.wrote(unit, index);
    } else if (statement.spec().upsert) {
      const auto document = TRY(statement.insert(context_, unit, collection, retries_.statement(index)));
      outcome = {1, 0, bson::Value(document["_id"])};
      retries_.wrote(unit, index);
    }
    return outcome;
  }

  Status run_by_scan() {
    auto outcome = specs_[at_].multi ? update_many() : update_one();
    if (outcome) {
      finish(*outcome);
      return {};
    }
    if (is_conflict(outcome.error()) || is_interruption(outcome.error())) {
      return tl::unexpected(outcome.error());
    }
    refuse(outcome.error(), duplicate_);
    return {};
  }

  // Found in a view, without holding up other writers; changed in a unit, if it is still what it was.
  Result<Outcome> update_one() {
    while (true) {
      auto scope = TRY(read_scope(context_));
      const auto collection = scope.reader->catalog().find(ns_);
      const auto statement = TRY(UpdateStatement::parse(context_, specs_[at_], collection.get()));
      if (collection && collection->is_view()) return refuse_on_view(*collection, "an update");
      TRY(check_transactional(context_, collection));
      const FindOne request{.filter = &statement.filter(), .sort = &statement.sort(), .collator = statement.collator(), .hint = specs_[at_].hint};
      auto found = collection ? TRY(find_one(context_, *scope.reader, collection, request)) : std::nullopt;
      if (!found && !specs_[at_].upsert) return Outcome{};
      std::optional<Outcome> outcome;
      TRY(in_write_unit(context_, [&](WriteUnit& unit) -> Status {
        retries_.enter(unit);
        duplicate_.reset();
        const auto current = TRY(collection_for_write(context_, unit, ns_, specs_[at_].upsert));
        if (!current) return {};
        auto now = found && collection && current->uuid == collection->uuid ? TRY(still_there(unit, current, statement.filter(), *found)) : std::nullopt;
        if (!now && found) return {};  // it changed meanwhile: look again
        if (!now) now = TRY(find_one(context_, unit, current, request));  // before an upsert, in the newest state
        auto changed = change(unit, current, statement, std::move(now), at_);
        if (!changed) {
          duplicate_ = unit.duplicate();
          return tl::unexpected(changed.error());
        }
        outcome = std::move(*changed);
        return {};
      }, [&](const WriteUnit& unit) { retries_.committed(unit); }, [&] { forget_document(found); }));
      if (outcome) return *outcome;
      if (!TRY(read_scope(context_)).reader->catalog().find(ns_)) return Outcome{};
      TRY(check_interrupt(context_));
    }
  }

  Result<Outcome> update_many() {
    if (context_.retryable) return server_error(code::kInvalidOptions, "Cannot use (or request) retryable writes with multi=true");
    auto scope = TRY(read_scope(context_));
    const auto collection = scope.reader->catalog().find(ns_);
    const auto statement = TRY(UpdateStatement::parse(context_, specs_[at_], collection.get()));
    if (collection && collection->is_view()) return refuse_on_view(*collection, "an update");
    TRY(check_transactional(context_, collection));
    Outcome total;
    if (collection) {
      auto plan = TRY(make_plan(*collection, {.rules = plan_rules(context_), .filter = &statement.filter(), .collator = statement.collator(), .hint = specs_[at_].hint}));
      Scan scan(scope.reader, collection, std::move(plan), statement.filter(), context_.services.memory.work);
      while (true) {
        TRY(check_interrupt(context_));
        auto chunk = TRY(next_chunk(scan));
        if (chunk.empty()) break;
        TRY(update_chunk(statement, collection->uuid, chunk, total, scan));
      }
    }
    if (total.matched == 0 && specs_[at_].upsert) {
      const auto multi = std::exchange(specs_[at_].multi, false);
      auto outcome = update_one();
      specs_[at_].multi = multi;
      return outcome;
    }
    return total;
  }

  Result<std::vector<Found>> next_chunk(Scan& scan) {
    std::vector<Found> chunk;
    std::size_t bytes = 0;
    query::MatchDetails details;
    while (chunk.size() < kMultiUnit && bytes < kMaxUnitBytes) {
      const auto document = TRY(scan.next(&details));
      if (!document) break;
      bytes += document->size();
      chunk.push_back({scan.record_id(), bson::Document(*document), details});
    }
    return chunk;
  }

  Status update_chunk(const UpdateStatement& statement, const Uuid& uuid, std::vector<Found>& chunk, Outcome& total, Scan& scan) {
    for (std::size_t done = 0; done < chunk.size();) TRY(update_some(statement, uuid, chunk, done, total, scan));
    return {};
  }

  // From `done` on, which is moved: as many as one unit has the time for.
  Status update_some(const UpdateStatement& statement, const Uuid& uuid, std::vector<Found>& chunk, std::size_t& done, Outcome& total, Scan& scan) {
    Outcome part;
    std::optional<Error> failed;
    std::size_t next = done;
    TRY(in_write_unit(context_, [&](WriteUnit& unit) -> Status {
      part = {};
      failed.reset();
      next = done;
      const auto began = context_.services.runtime.now();
      const auto current = unit.catalog().find(uuid);
      if (!current) return server_error(175, fmt::format("collection dropped. UUID {}", uuid.to_string()));
      TRY(check_write_allowed(context_, unit, ns_));
      for (; next < chunk.size(); ++next) {
        if (next > done && context_.services.runtime.now() - began > kLongInUnit) break;
        const auto& item = chunk[next];
        const auto found = TRY(still_there(unit, current, statement.filter(), item));
        if (!found) continue;
        const auto changed = statement.apply(context_, unit, current, *found, 0);
        if (!changed) {
          if (is_conflict(changed.error())) return tl::unexpected(changed.error());
          failed = changed.error();  // the documents before it stay changed
          duplicate_ = unit.duplicate();
          return {};
        }
        const auto documents = series_ ? measurements_in(*series_, found->document) : 1;
        part.matched += documents;
        part.modified += changed->modified ? documents : 0;
      }
      return {};
    }, {}, [&] {
      forget_documents(chunk);
      scan.rest();
    }));
    total.matched += part.matched;
    total.modified += part.modified;
    done = next;
    if (failed) return tl::unexpected(*failed);
    return {};
  }

  void finish(const Outcome& outcome) {
    if (context_.profiled) record(outcome, nullptr);
    matched_ += outcome.matched;
    modified_ += outcome.modified;
    if (outcome.upserted) {
      bson::Builder item;
      item.append("index", static_cast<std::int32_t>(at_)).append("_id", *outcome.upserted);
      upserted_.push_back(std::move(item).finish());
    }
    ++at_;
  }
  // For the profiler.
  void record(const Outcome& outcome, const Error* error) {
    bson::Builder counts;
    append_count(counts, "nMatched", outcome.upserted ? 0 : outcome.matched);
    append_count(counts, "nModified", outcome.modified);
    if (outcome.upserted) append_count(counts, "nUpserted", 1);
    context_.profiled->statement("update", specs_[at_].collation_of, std::move(counts).finish(), error);
  }
  void refuse(const Error& error, const std::optional<DuplicateKey>& duplicate) {
    if (context_.profiled) record({}, &error);
    errors_.add(context_, at_++, error, duplicate);
    if (ordered_ || context_.transaction) stopped_ = true;
    if (context_.transaction) context_.abort_transaction = true;
  }

  CommandContext& context_;
  const Namespace ns_;
  std::vector<UpdateSpec> specs_;
  const bool ordered_;
  std::optional<TimeseriesOptions> series_;
  std::vector<std::optional<Error>> refused_;
  Retries retries_;
  std::size_t at_ = 0;
  std::int64_t matched_ = 0, modified_ = 0;
  std::vector<bson::Document> upserted_;
  WriteErrors errors_;
  std::optional<DuplicateKey> duplicate_;
  bool stopped_ = false;
};

// The server counts the stages of pipelines by their names once the statements are done; one that no server knows fails the command there.
Status check_known_stages(const CommandContext& context, std::span<const bson::View> pipelines) {
  for (const auto& stages : pipelines) {
    for (const auto& stage : stages) {
      if (stage.document_value().field_count() != 1) return server_error(40323, "A pipeline stage specification object must contain exactly one field.");
      const auto name = stage.document_value().first().key();
      if (!query::is_pipeline_stage(name, context.settings().version)) return server_error(40324, fmt::format("Unrecognized pipeline stage name: '{}'", name));
    }
  }
  return {};
}

// The same statement about buckets. 72 for what is about anything but series.
Status translate(const TimeseriesOptions& options, UpdateSpec& spec, bson::Document& filter, bson::Document& change) {
  const auto refused = [](const char* why) { return server_error(code::kInvalidOptions, why); };
  if (!spec.multi) return refused("Cannot perform a non-multi update on a time-series collection");
  if (spec.upsert) return refused("Cannot perform an upsert on a time-series collection");
  if (options.meta_field.empty()) return refused("Cannot perform an update on a time-series collection that does not have a metaField");
  filter = TRY(bucket_filter(options, spec.query));
  change = TRY(bucket_change(options, spec.update));
  spec.query = filter;
  spec.update = change["u"];
  return {};
}

// Whole series of a time-series collection. Source: MongoDB's updateRequestCheckFunction.
Result<bson::Document> update_series(CommandContext& context, const CollectionInfo& view, std::vector<UpdateSpec> specs, bool ordered) {
  if (context.transaction) {
    return server_error(code::kOperationNotSupportedInTransaction, fmt::format("Cannot perform a multi-document transaction on a time-series collection: {}", view.ns.to_string()));
  }
  const auto options = TimeseriesOptions::of(view.timeseries);
  std::vector<bson::Document> filters(specs.size()), changes(specs.size()), hints(specs.size());
  std::vector<std::optional<Error>> refused(specs.size());
  for (std::size_t i = 0; i < specs.size(); ++i) {
    if (specs[i].hint) {
      hints[i] = bucket_hint(context, options, specs[i].hint);
      specs[i].hint = hints[i].view().first();
    }
    if (const auto translated = translate(options, specs[i], filters[i], changes[i]); !translated) refused[i] = translated.error();
  }
  Updating updating(context, {view.ns.db, view.view_on}, std::move(specs), ordered);
  updating.of_series(options, std::move(refused));
  return updating.run();
}

Result<bson::Document> update(CommandContext& context) {
  TRY(check_fields(context, {"updates", "ordered", "bypassDocumentValidation", "let", "collectionUUID", "bypassEmptyTsReplacement"}));
  TRY(bool_field(context, "bypassDocumentValidation"));
  TRY(check_newer_fields(context));
  TRY(check_object_field(context, "let"));
  std::vector<UpdateSpec> specs;
  std::vector<bson::View> pipelines;  // of documents alone
  for (const auto& item : TRY(batch_items(context, "updates"))) {
    specs.push_back(TRY(parse_spec(context, item)));
    if (const auto stages = specs.back().update.to_array()) pipelines.push_back(*stages);
    if (const auto let = context.body["let"].to_document(); let) specs.back().let = *let;
  }
  auto ns = TRY(named_collection(context));
  TRY(check_writable(context, ns));
  if (auto refused = TRY(refuse_other_collection(context, ns, specs.size()))) return std::move(*refused);
  const bool ordered = TRY(bool_field(context, "ordered", true));
  const auto view = context.engine().view()->catalog->find(ns);
  if (view && view->is_timeseries()) return update_series(context, *view, std::move(specs), ordered);
  auto reply = TRY(Updating(context, std::move(ns), std::move(specs), ordered).run());
  TRY(check_known_stages(context, pipelines));
  return reply;
}

}  // namespace

std::span<const Command> update_commands() {
  static const Command kRows[] = {
      {.name = "update", .flags = kWrite | kInTransaction | kRetryable | kUserBlocked, .resource = ResourceKind::kCollection, .action = "update", .also = authorize_update, .handler = update, .help = "changes documents"},
  };
  return kRows;
}

}  // namespace drover::sandbox
