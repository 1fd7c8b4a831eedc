#include "sandbox/commands/write_support.h"

#include <limits>

#include <fmt/format.h>

#include "base/log.h"
#include "bson/validate.h"
#include "sandbox/commands/concern_defaults.h"
#include "sandbox/commands/fail_points.h"
#include "sandbox/query/update.h"
#include "sandbox/query/validation_failure.h"
#include "sandbox/storage/keys.h"

namespace drover::sandbox {

namespace {

constexpr int kInvalidLength = 16;

// One number for each statement.
Status check_statement_ids(const CommandContext& context, std::size_t statements) {
  const auto field = context.body["stmtIds"];
  if (!field) return {};
  const auto ids = field.to_array();
  if (!ids) {
    return server_error(code::kTypeMismatch, fmt::format("BSON field '{}.stmtIds' is the wrong type '{}', expected type 'array'", context.command->name,
                                                         bson::type_name(field.type())));
  }
  if (const auto count = ids->field_count(); count != statements) {
    return server_error(kInvalidLength, fmt::format("Number of statement ids must match the number of batch entries. Got {} statement ids but {} operations.",
                                                    count, statements));
  }
  if (context.body["stmtId"]) return server_error(code::kInvalidOptions, "May not specify both stmtId and stmtIds in write command");
  return {};
}

}  // namespace

Result<std::vector<bson::View>> batch_items(const CommandContext& context, std::string_view name) {
  std::vector<bson::View> items;
  std::size_t count = 0;
  bool present = false;
  for (const auto& sequence : context.sequences) {
    if (sequence.name != name) continue;
    present = true;
    count += sequence.documents.size() + sequence.left_out;
    if (count <= kMaxBatchItems) items.insert(items.end(), sequence.documents.begin(), sequence.documents.end());
  }
  if (const auto field = context.body[name]) {
    if (present) return server_error(40433, fmt::format("Duplicate field between body and document sequence {}", name));
    const auto array = field.to_array();
    if (!array) {
      return server_error(code::kTypeMismatch, fmt::format("BSON field '{}.{}' is the wrong type '{}', expected type 'array'", context.command->name,
                                                           name, bson::type_name(field.type())));
    }
    present = true;
    for (const auto& item : *array) {
      if (!item.is_document()) {
        return server_error(code::kTypeMismatch, fmt::format("BSON field '{}.{}.{}' is the wrong type '{}', expected type 'object'", context.command->name,
                                                             name, item.key(), bson::type_name(item.type())));
      }
      if (++count <= kMaxBatchItems) items.push_back(item.document_value());
    }
  }
  if (!present) return server_error(code::kMissingField, fmt::format("BSON field '{}.{}' is missing but a required field", context.command->name, name));
  if (count == 0 || count > kMaxBatchItems) {
    return server_error(kInvalidLength, fmt::format("Write batch sizes must be between 1 and {}. Got {} operations.", kMaxBatchItems, count));
  }
  if (context.command->name != "bulkWrite") TRY(check_statement_ids(context, count));
  return items;
}

Result<bool> statement_flag(std::string_view where, const bson::Element& field) {
  if (field.type() == bson::Type::kBool) return field.bool_value();
  return server_error(code::kTypeMismatch, fmt::format("BSON field '{}.{}' is the wrong type '{}', expected type 'bool'", where, field.key(),
                                                       bson::type_name(field.type())));
}

Result<bson::View> statement_document(std::string_view where, const bson::Element& field) {
  if (const auto document = field.to_document()) return *document;
  return server_error(code::kTypeMismatch, fmt::format("BSON field '{}.{}' is the wrong type '{}', expected type 'object'", where, field.key(),
                                                       bson::type_name(field.type())));
}

Result<bson::Element> statement_hint(const bson::Element& field) {
  if (field.is_string() || field.is_document()) return field;
  return server_error(code::kFailedToParse, "Hint must be a string or an object");
}

void append_count(bson::Builder& out, std::string_view key, std::int64_t value) {
  if (value <= std::numeric_limits<std::int32_t>::max()) {
    out.append(key, static_cast<std::int32_t>(value));
  } else {
    out.append(key, value);
  }
}

void WriteErrors::add(CommandContext& context, std::size_t index, const Error& error, const std::optional<DuplicateKey>& duplicate) {
  bson::Builder details;
  if (error.server_code == code::kDuplicateKey && duplicate) append_duplicate(details, *duplicate);
  if (const auto extra = std::exchange(context.error_extra, std::nullopt)) details.append_all(*extra);
  bson::Builder out;
  out.append("index", static_cast<std::int32_t>(index)).append("code", error.server_code == 0 ? 1 : error.server_code);
  const auto more = std::move(details).finish();
  const bool message_first = context.settings().at_least(5, 1);
  if (message_first) out.append("errmsg", error.message);
  out.append_all(more);
  if (!message_first) out.append("errmsg", error.message);
  errors_.push_back(std::move(out).finish());
}

void WriteErrors::append_to(bson::Builder& out) const {
  if (errors_.empty()) return;
  auto array = out.open_array("writeErrors");
  for (const auto& error : errors_) array.append(error);
}

Result<std::optional<bson::Document>> refuse_other_collection(CommandContext& context, const Namespace& ns, std::size_t statements) {
  if (!context.body["collectionUUID"]) return std::optional<bson::Document>();
  const auto catalog = context.transaction ? nullptr : context.engine().view()->catalog;
  const auto reader = context.transaction ? context.transaction->reader() : nullptr;
  const Catalog& known = reader ? reader->catalog() : *catalog;
  WriteErrors errors;
  const bool ordered = TRY(bool_field(context, "ordered", true)) || context.transaction != nullptr;
  for (std::size_t at = 0; at < statements && (at == 0 || !ordered); ++at) {
    const auto same = check_collection_uuid(context, known, ns, known.find(ns).get());
    if (same) return std::optional<bson::Document>();
    if (same.error().server_code != code::kCollectionUuidMismatch) return tl::unexpected(same.error());
    errors.add(context, at, same.error());
  }
  if (context.transaction) context.abort_transaction = true;
  bson::Builder out;
  out.append("n", 0);
  if (context.command->name == "update") out.append("nModified", 0);
  errors.append_to(out);
  return std::optional(std::move(out).finish());
}

Status hit_transactional_write(CommandContext& context) {
  const auto data = context.services.fail_points.on_primary_transactional_write.hit();
  if (!data) return {};
  const auto close = (*data)["closeConnection"];
  if (!close || close.is_truthy()) context.close_connection = true;
  const auto code = (*data)["failBeforeCommitExceptionCode"].to_int64();
  if (!code) return {};
  return server_error(static_cast<int>(*code), fmt::format("Failing write for {}:{} due to failpoint. The write must not be reflected.",
                                                           context.session->to_string(), context.txn_number.value_or(-1)));
}

Retries::Retries(CommandContext& context) : context_(context) {
  if (!context.retryable) return;
  if (const auto ids = context.body["stmtIds"].to_array()) {
    for (const auto& id : *ids) numbers_.push_back(static_cast<std::int32_t>(id.to_int64().value_or(0)));
  } else {
    numbers_.push_back(static_cast<std::int32_t>(context.body["stmtId"].to_int64().value_or(0)));
  }
}

std::int32_t Retries::statement(std::size_t index) const {
  if (numbers_.empty()) return 0;
  if (numbers_.size() > 1) return index < numbers_.size() ? numbers_[index] : static_cast<std::int32_t>(index);
  return numbers_.front() + static_cast<std::int32_t>(index);
}

Result<std::optional<bson::Document>> Retries::done(std::size_t index) const {
  if (!context_.retryable) return std::optional<bson::Document>();
  const auto& statements = context_.session_state->statements;
  const auto it = statements.find(statement(index));
  if (it == statements.end()) return std::optional<bson::Document>();
  auto entry = TRY(oplog_entry_at(context_.engine(), it->second));
  if (!entry) {
    return server_error(217, fmt::format("Incomplete history detected for transaction {} on session {}.", context_.session_state->txn_number,
                                         context_.session_state->name()));
  }
  return entry;
}

void Retries::enter(WriteUnit& unit) {
  pending_.clear();
  if (!context_.retryable) return;
  const auto& session = *context_.session_state;
  unit.set_session({session.lsid, session.txn_number, session.last_write});
}

void Retries::wrote(const WriteUnit& unit, std::size_t index) {
  if (context_.retryable) pending_.emplace_back(statement(index), unit.last_entry());
}

void Retries::committed(const WriteUnit& unit) {
  if (!context_.retryable || pending_.empty()) return;
  auto& session = *context_.session_state;
  session.last_write = unit.session_position().value_or(session.last_write);
  for (const auto& [number, ts] : pending_) session.statements[number] = ts;
  pending_.clear();
}

void Retries::repeated(std::size_t index) {
  context_.services.sessions.count_retried(repeated_.empty());
  repeated_.push_back(statement(index));
}

void Retries::append_to(bson::Builder& out) const {
  if (repeated_.empty() || !context_.settings().at_least(5, 0)) return;
  auto list = out.open_array("retriedStmtIds");
  for (const auto number : repeated_) list.append(number);
}

Result<std::optional<bson::Document>> oplog_entry_at(Engine& engine, bson::Timestamp ts) {
  const auto bytes = TRY(engine.store().get(kOplog, big_endian(ts.value())));
  if (!bytes) return std::optional<bson::Document>();
  return std::optional(document_of(*bytes));
}

Result<std::optional<Found>> find_one(CommandContext& context, const Reader& reader, const CollectionPtr& collection, const FindOne& request) {
  const auto failing = [&](Error error) { return request.failing.empty() ? error : caused_by(request.failing, std::move(error)); };
  const bool by_distance = request.filter->has_near() && (!request.sort || request.sort->empty());
  const bool natural = !by_distance && (!request.sort || request.sort->empty() || request.sort->natural() != 0);
  auto plan = TRY(make_plan(*collection, {.rules = plan_rules(context), .filter = request.filter, .sort = request.sort, .collator = request.collator, .hint = request.hint,
                                          .sort_spec = request.sort_spec, .projection = request.projection}));
  const bool first_is_best = natural || (plan.sorted && !by_distance);
  // The reader outlives the scan; it is not shared further.
  Scan scan(std::shared_ptr<const Reader>(std::shared_ptr<void>(), &reader), collection, std::move(plan), *request.filter, context.services.memory.work);
  std::optional<Found> best;
  std::string best_key;
  query::MatchDetails details;
  for (std::int64_t n = 0;; ++n) {
    if (n % 256 == 0) TRY(check_interrupt(context));
    auto next = scan.next(&details);
    if (!next) return tl::unexpected(context.settings().at_least(5, 0) ? failing(std::move(next).error()) : std::move(next).error());
    const auto document = *next;
    if (!document) return best;
    if (first_is_best) return std::optional(Found{scan.record_id(), bson::Document(*document), details});
    auto key = by_distance ? distance_key(*request.filter, *document) : request.sort->key(*document);
    if (!key) return tl::unexpected(failing(std::move(key).error()));
    if (best && *key >= best_key) continue;
    best = Found{scan.record_id(), bson::Document(*document), details};
    best_key = std::move(*key);
  }
}

void forget_documents(std::vector<Found>& found) {
  for (auto& item : found) item.document = bson::Document();
}

Result<std::optional<Found>> still_there(const WriteUnit& unit, const CollectionPtr& collection, const query::Matcher& filter, Found found) {
  auto now = TRY(unit.find_record(*collection, found.id));
  if (!now) return std::optional<Found>();
  if (*now == found.document) return std::optional(std::move(found));
  found.document = std::move(*now);
  found.details = {};
  if (!TRY(filter.try_matches(found.document, &found.details))) return std::optional<Found>();
  return std::optional(std::move(found));
}

namespace {

// Before 5.0 an expression that fails is the write's error.
Result<bool> satisfies(const CommandContext& context, const query::Matcher& validator, bson::View document) {
  if (context.settings().at_least(5, 0)) return validator.matches(document);
  return validator.try_matches(document);
}

}  // namespace

Status check_document(CommandContext& context, const CollectionInfo& collection, bson::View document, const bson::View* before) {
  if (document.size() > bson::kMaxDocumentBytes) {
    if (!before) {
      return server_error(code::kBadValue, fmt::format("object to insert too large. size in bytes: {}, max size: {}", document.size(), bson::kMaxDocumentBytes));
    }
    return server_error(17419, fmt::format("Resulting document after update is larger than {}", bson::kMaxDocumentBytes));
  }
  if (before && collection.capped && before->size() != document.size()) {
    return server_error(10003, fmt::format("Cannot change the size of a document in a capped collection: {} != {}", before->size(), document.size()));
  }
  if (!before && collection.capped && collection.capped_size > 0 && static_cast<std::int64_t>(document.size()) > collection.capped_size) {
    return server_error(code::kBadValue, "object to insert exceeds cappedMaxSize");
  }
  if (!collection.validator || context.body["bypassDocumentValidation"].is_truthy() || context.internal) return {};
  if (collection.options["validationAction"].to_string_view() == "warn" || collection.options["validationLevel"].to_string_view() == "off") return {};
  if (TRY(satisfies(context, *collection.validator, document))) return {};
  const bool moderate = collection.options["validationLevel"].to_string_view() == "moderate";
  if (moderate && before && !TRY(satisfies(context, *collection.validator, *before))) return {};
  if (context.settings().at_least(5, 0)) {
    const auto reasons = query::explain_validation_failure(collection.validator->filter(), document, collection.collator, evaluation_context(context, {}, collection.collator));
    context.error_extra = bson::make_document({{"errInfo", reasons}});
  }
  return server_error(code::kDocumentValidationFailure, "Document failed validation");
}

std::optional<bson::Document> fix_document(CommandContext& context, bson::View document, const WriteUnit& unit) {
  bool id_first = !document.empty() && document.first().key() == "_id";
  const bool keep_empty_times = context.body["bypassEmptyTsReplacement"].is_truthy();
  bool empty_times = false;
  for (const auto& field : document) {
    if (!keep_empty_times && field.type() == bson::Type::kTimestamp && field.timestamp_value().is_zero() && field.key() != "_id") empty_times = true;
  }
  if (id_first && !empty_times) return std::nullopt;
  bson::Builder out;
  if (const auto id = document["_id"]) {
    out.append_raw(id);
  } else {
    out.append("_id", new_object_id(context.services.runtime));
  }
  bool id_seen = false;
  for (const auto& field : document) {
    if (field.key() == "_id" && !std::exchange(id_seen, true)) continue;
    if (!keep_empty_times && field.type() == bson::Type::kTimestamp && field.timestamp_value().is_zero()) {
      out.append(field.key(), unit.upcoming_time());
    } else {
      out.append_raw(field);
    }
  }
  return std::move(out).finish();
}

bool is_conflict(const Error& error) {
  return error.server_code == code::kWriteConflict || error.server_code == code::kSnapshotUnavailable;
}

void note_system_write(const CommandContext& context, const Namespace& ns) {
  if (ns == kSettings) {
    const auto loaded = context.services.concern_defaults.load(context.engine(), context.services.runtime);
    if (!loaded) context.services.log.warn("default concerns could not be read", {{"reason", loaded.error().message}});
  }
  if (ns.db == "admin" && ns.collection.starts_with("system.") && context.services.auth_data_changed) context.services.auth_data_changed();
}

}  // namespace drover::sandbox
