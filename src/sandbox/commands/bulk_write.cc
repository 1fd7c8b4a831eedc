// bulkWrite (8.0+): inserts, updates and deletes of several collections in one command. Each is carried out by the command
// of its kind; this one groups, numbers and sums up. Source: MongoDB's bulk_write.cpp and bulk_write.idl.
#include <fmt/format.h>

#include "bson/builder.h"
#include "sandbox/commands/tables.h"
#include "sandbox/commands/write_support.h"
#include "sandbox/query/stage_memory.h"

namespace drover::sandbox {

namespace {

constexpr int kCommandNotSupported = 115;
constexpr int kOperationKinds = 3;
constexpr std::string_view kKinds[kOperationKinds] = {"insert", "update", "delete"};
constexpr std::string_view kActions[kOperationKinds] = {"insert", "update", "remove"};

// So much of the results belongs to the command.
constexpr std::size_t kUncountedItemBytes = 64 << 10;

struct NamedCollection {
  Namespace ns;
  std::optional<Uuid> uuid;
};

struct BulkOperation {
  int kind = 0;           // index into kKinds
  std::size_t target = 0;  // index into nsInfo
  bson::View document;     // an insert's
  bson::View item;         // an update's or delete's: checked, and put into its own command's form when its turn has come
  bool upsert = false;
  bool multi = false;
};

tl::unexpected<Error> unknown_field(std::string_view of, std::string_view name) {
  return server_error(code::kUnknownField, fmt::format("BSON field 'bulkWrite.{}.{}' is an unknown field.", of, name));
}

Result<std::vector<NamedCollection>> parse_targets(const CommandContext& context) {
  std::vector<NamedCollection> targets;
  for (const auto& item : TRY(batch_items(context, "nsInfo"))) {
    NamedCollection target;
    for (const auto& field : item) {
      const auto key = field.key();
      if (key == "ns") {
        const auto ns = Namespace::parse(field.to_string_view().value_or(""));
        if (!ns || !is_valid_namespace(*ns)) {
          return server_error(code::kInvalidNamespace, fmt::format("Invalid namespace specified for bulkWrite: '{}'", field.to_string_view().value_or("")));
        }
        target.ns = *ns;
      } else if (key == "collectionUUID") {
        target.uuid = field.to_uuid();
      } else if (key != "encryptionInformation" && key != "isTimeseriesNamespace") {
        return unknown_field("nsInfo", key);
      }
    }
    if (target.ns.db.empty()) return server_error(code::kMissingField, "BSON field 'bulkWrite.nsInfo.ns' is missing but a required field");
    targets.push_back(std::move(target));
  }
  return targets;
}

// The statement of an update or delete under the names that its own command has for its fields.
Result<bson::Document> to_statement(bson::View item, int kind) {
  static constexpr std::pair<std::string_view, std::string_view> kNames[] = {
      {"filter", "q"}, {"updateMods", "u"}, {"multi", "multi"}, {"upsert", "upsert"}, {"upsertSupplied", "upsertSupplied"},
      {"arrayFilters", "arrayFilters"}, {"hint", "hint"}, {"constants", "c"}, {"collation", "collation"}, {"sort", "sort"}};
  const bool is_delete = kKinds[kind] == "delete";
  bson::Builder out;
  bool first = true;
  for (const auto& field : item) {
    if (std::exchange(first, false)) continue;
    const auto key = field.key();
    const auto name = std::find_if(std::begin(kNames), std::end(kNames), [&](const auto& n) { return n.first == key; });
    const bool of_update_only = key != "filter" && key != "multi" && key != "hint" && key != "collation";
    if (name == std::end(kNames) || (is_delete && of_update_only)) return unknown_field("ops", key);
    if (is_delete && key == "multi") continue;
    out.append(name->second, field);
  }
  if (!item["filter"]) return server_error(code::kMissingField, "BSON field 'bulkWrite.ops.filter' is missing but a required field");
  if (!is_delete && !item["updateMods"]) {
    return server_error(code::kMissingField, "BSON field 'bulkWrite.ops.updateMods' is missing but a required field");
  }
  if (is_delete) out.append("limit", item["multi"].is_truthy() ? 0 : 1);
  return std::move(out).finish();
}

Result<BulkOperation> parse_operation(bson::View item, std::size_t index, std::size_t targets) {
  const auto first = item.first();
  BulkOperation operation;
  while (operation.kind < kOperationKinds && (!first || kKinds[operation.kind] != first.key())) ++operation.kind;
  if (operation.kind == kOperationKinds) return unknown_field("ops", first ? first.key() : "");
  const auto target = first.to_int64();
  if (!first.is_number() || !target) {
    return server_error(code::kTypeMismatch, fmt::format("BSON field 'bulkWrite.ops.{}' is the wrong type '{}', expected type 'int'", first.key(),
                                                         bson::type_name(first.type())));
  }
  if (*target < 0 || static_cast<std::size_t>(*target) >= targets) {
    return server_error(code::kBadValue, fmt::format("BulkWrite ops entry {} has an invalid nsInfo index.", index));
  }
  operation.target = static_cast<std::size_t>(*target);
  if (kKinds[operation.kind] != "insert") {
    TRY(to_statement(item, operation.kind));
    operation.item = item;
    operation.upsert = item["upsert"].is_truthy();
    operation.multi = item["multi"].is_truthy();
    return operation;
  }
  for (const auto& field : item) {
    if (field.key() != "insert" && field.key() != "document") return unknown_field("ops", field.key());
  }
  const auto document = item["document"].to_document();
  if (!document && item["document"].exists()) {
    return server_error(code::kTypeMismatch, fmt::format("BSON field 'bulkWrite.ops.document' is the wrong type '{}', expected type 'object'",
                                                         bson::type_name(item["document"].type())));
  }
  if (!document) return server_error(code::kMissingField, "BSON field 'bulkWrite.ops.document' is missing but a required field");
  operation.document = *document;
  return operation;
}

class BulkWrite {
 public:
  BulkWrite(CommandContext& context, std::vector<NamedCollection> targets, std::vector<BulkOperation> operations)
      : context_(context), targets_(std::move(targets)), operations_(std::move(operations)), memory_(&context.services.memory.work) {}

  Status authorize() const {
    const bool bypass = context_.body["bypassDocumentValidation"].is_truthy();
    for (const auto& operation : operations_) {
      const Resource resource{Resource::Kind::kCollection, targets_[operation.target].ns};
      TRY(context_.authorize(kActions[operation.kind], resource));
      if (operation.upsert) TRY(context_.authorize("insert", resource));
      if (bypass) TRY(context_.authorize("bypassDocumentValidation", resource));
    }
    return {};
  }

  Result<bson::Document> run() {
    TRY(first_batch_size(context_));  // before anything is written
    ordered_ = TRY(bool_field(context_, "ordered", true));
    errors_only_ = TRY(bool_field(context_, "errorsOnly"));
    const auto base = context_.body["stmtId"].to_int64().value_or(0);
    const auto given = context_.body["stmtIds"].to_array();
    for (std::size_t i = 0; i < operations_.size(); ++i) numbers_.push_back(static_cast<std::int32_t>(base + static_cast<std::int64_t>(i)));
    if (given) {
      numbers_.clear();
      for (const auto& number : *given) numbers_.push_back(static_cast<std::int32_t>(number.to_int64().value_or(0)));
      if (numbers_.size() != operations_.size()) {
        return server_error(code::kInvalidOptions, "Number of statement ids must match the number of batch entries. Got " +
                                                       fmt::format("{} statement ids but {} operations", numbers_.size(), operations_.size()));
      }
    }
    for (std::size_t at = 0; at < operations_.size() && !stopped_;) {
      const auto count = group_at(at);
      TRY(run_group(at, count));
      at += count;
    }
    return reply();
  }

 private:
  // Inserts of one collection in a row are one command; other statements go alone, for each has an answer of its own.
  std::size_t group_at(std::size_t at) const {
    std::size_t end = at + 1;
    if (kKinds[operations_[at].kind] != "insert") return 1;
    while (end < operations_.size() && operations_[end].kind == operations_[at].kind && operations_[end].target == operations_[at].target) ++end;
    return end - at;
  }

  Status run_group(std::size_t at, std::size_t count) {
    const auto& first = operations_[at];
    const auto& target = targets_[first.target];
    const auto* command = context_.services.commands.find(kKinds[first.kind], context_.settings().version);
    DocumentSequence sequence{.name = kKinds[first.kind] == "insert" ? "documents" : kKinds[first.kind] == "update" ? "updates" : "deletes", .documents = {}};
    bson::Builder body;
    body.append(command->name, target.ns.collection).append("ordered", ordered_);
    for (const auto name : {"let", "bypassDocumentValidation", "bypassEmptyTsReplacement"}) {
      const bool known = kKinds[first.kind] == "delete" ? name == std::string_view("let") : kKinds[first.kind] != "insert" || name != std::string_view("let");
      if (known && context_.body[name]) body.append_raw(context_.body[name]);
    }
    const bool inserts = kKinds[first.kind] == "insert";
    const auto statement = inserts ? bson::Document() : TRY(to_statement(first.item, first.kind));
    {
      auto ids = body.open_array("stmtIds");
      for (std::size_t i = at; i < at + count; ++i) {
        ids.append(numbers_[i]);
        sequence.documents.push_back(inserts ? operations_[i].document : statement.view());
      }
    }
    body.append("$db", target.ns.db);
    const auto document = std::move(body).finish();
    CommandContext sub = context_;
    sub.command = command;
    sub.database = target.ns.db;
    sub.body = document;
    sub.sequences = {&sequence, 1};
    auto result = check_uuid(target);
    auto answer = result ? command->handler(sub) : Result<bson::Document>(tl::unexpected(result.error()));
    if (sub.last_op) context_.last_op = sub.last_op;
    context_.writes_in_term = sub.writes_in_term;
    context_.abort_transaction |= sub.abort_transaction;
    if (answer) {
      note(at, count, *answer);
      return count_items();
    }
    const auto& error = answer.error();
    if (context_.transaction || is_conflict(error) || is_interruption(error)) {
      return tl::unexpected(error);
    }
    for (std::size_t i = at; i < at + count && !stopped_; ++i) refuse(i, error.server_code, error.message, {});
    return count_items();
  }

  // The results of 100,000 operations are kept until the last is done, and each may show a key of megabytes.
  Status count_items() {
    for (; counted_ < items_.size(); ++counted_) item_bytes_ += items_[counted_].size() + sizeof(bson::Document);
    return item_bytes_ > kUncountedItemBytes ? memory_.hold(item_bytes_) : Status();
  }

  Status check_uuid(const NamedCollection& target) const {
    if (!target.uuid) return {};
    const auto view = context_.engine().view();
    const auto collection = view->catalog->find(target.ns);
    if (collection && collection->uuid == *target.uuid) return {};
    return server_error(code::kCollectionUuidMismatch, "Collection UUID does not match that specified");
  }

  // Carries an answer of insert, update or delete over to its operations.
  void note(std::size_t at, std::size_t count, const bson::Document& answer) {
    std::map<std::int64_t, bson::View> refused;
    for (const auto& error : answer["writeErrors"].to_array().value_or(bson::View())) {
      refused[error.document_value()["index"].to_int64().value_or(0)] = error.document_value();
    }
    for (const auto& number : answer["retriedStmtIds"].to_array().value_or(bson::View())) {
      retried_.push_back(static_cast<std::int32_t>(number.to_int64().value_or(0)));
    }
    const auto& first = operations_[at];
    for (std::size_t i = 0; i < count && !stopped_; ++i) {
      if (const auto error = refused.find(static_cast<std::int64_t>(i)); error != refused.end()) {
        const auto why = error->second;
        refuse(at + i, static_cast<int>(why["code"].to_int64().value_or(0)), why["errmsg"].to_string_view().value_or(""), why);
        continue;
      }
      bson::Builder item;
      const auto n = kKinds[first.kind] == "insert" ? std::int64_t{1} : answer["n"].to_int64().value_or(0);
      item.append("ok", 1.0).append("idx", static_cast<std::int32_t>(at + i));
      append_count(item, "n", n);
      if (kKinds[first.kind] == "insert") {
        inserted_ += n;
      } else if (kKinds[first.kind] == "delete") {
        deleted_ += n;
      } else {
        const auto modified = answer["nModified"].to_int64().value_or(0);
        append_count(item, "nModified", modified);
        modified_ += modified;
        if (const auto upserted = answer.view().at_path("upserted.0._id")) {
          item.open_document("upserted").append("_id", upserted);
          ++upserted_;
        } else {
          matched_ += n;
        }
      }
      if (!errors_only_) items_.push_back(std::move(item).finish());
    }
  }

  // `why` is the error of insert, update or delete: its keyPattern, keyValue and errInfo are told too.
  void refuse(std::size_t index, int code, std::string_view message, bson::View why) {
    bson::Builder item;
    item.append("ok", 0.0).append("idx", static_cast<std::int32_t>(index)).append("code", code).append("errmsg", message);
    for (const auto& field : why) {
      if (field.key() != "index" && field.key() != "code" && field.key() != "errmsg") item.append_raw(field);
    }
    item.append("n", 0);
    if (kKinds[operations_[index].kind] == "update") item.append("nModified", 0);
    items_.push_back(std::move(item).finish());
    ++errors_;
    if (!ordered_ && !context_.transaction) return;
    stopped_ = true;
    context_.statements_tried = index + 1;
  }

  Result<bson::Document> reply() {
    CursorReplyOptions options;
    options.request.stop = context_.stop;
    options.request.max_documents = TRY(first_batch_size(context_));
    bson::Builder out;
    out.append_all(TRY(first_batch_reply(context_, make_list_cursor(std::move(items_)), {"admin", "$cmd.bulkWrite"}, options)));
    append_count(out, "nErrors", errors_);
    append_count(out, "nInserted", inserted_);
    append_count(out, "nMatched", matched_);
    append_count(out, "nModified", modified_);
    append_count(out, "nUpserted", upserted_);
    append_count(out, "nDeleted", deleted_);
    if (!retried_.empty()) {
      auto list = out.open_array("retriedStmtIds");
      for (const auto number : retried_) list.append(number);
    }
    return std::move(out).finish();
  }

  CommandContext& context_;
  const std::vector<NamedCollection> targets_;
  const std::vector<BulkOperation> operations_;
  std::vector<std::int32_t> numbers_;
  std::vector<std::int32_t> retried_;
  bool ordered_ = true;
  bool errors_only_ = false;
  bool stopped_ = false;
  std::vector<bson::Document> items_;
  query::StageMemory memory_;
  std::size_t counted_ = 0, item_bytes_ = 0;
  std::int64_t errors_ = 0, inserted_ = 0, matched_ = 0, modified_ = 0, upserted_ = 0, deleted_ = 0;
};

Result<bson::Document> bulk_write(CommandContext& context) {
  const auto newest = make_reader(context.engine(), context.engine().view());
  if (TRY(feature_compatibility_version(*newest, context.settings().version)) < "8.0") {
    return server_error(kCommandNotSupported, "BulkWrite may not be run without featureFlagBulkWriteCommand enabled");
  }
  TRY(check_fields(context, {"ops", "nsInfo", "ordered", "errorsOnly", "bypassDocumentValidation", "let", "cursor", "bypassEmptyTsReplacement"}));
  if (context.body["stmtId"] && context.body["stmtIds"]) {
    return server_error(code::kInvalidOptions, "May not specify both stmtId and stmtIds in bulkWrite command");
  }
  const auto items = TRY(batch_items(context, "ops"));
  auto targets = TRY(parse_targets(context));
  std::vector<BulkOperation> operations;
  for (std::size_t i = 0; i < items.size(); ++i) operations.push_back(TRY(parse_operation(items[i], i, targets.size())));
  for (const auto& operation : operations) {
    if (operation.multi && context.retryable) return server_error(code::kInvalidOptions, "Cannot use retryable writes with multi=true");
  }
  BulkWrite bulk(context, std::move(targets), std::move(operations));
  TRY(bulk.authorize());
  return bulk.run();
}

}  // namespace

std::span<const Command> bulk_write_commands() {
  static constexpr Command kRows[] = {
      {.name = "bulkWrite", .flags = kAdminOnly | kWrite | kInTransaction | kRetryable, .resource = ResourceKind::kCustom, .handler = bulk_write,
       .help = "inserts, updates and deletes of several collections", .since = {8, 0, 0}},
  };
  return kRows;
}

}  // namespace drover::sandbox
