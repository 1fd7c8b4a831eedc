#include "sandbox/commands/support.h"

#include <algorithm>
#include <atomic>
#include <limits>

#include <fmt/format.h>

#include "base/check.h"
#include "bson/ejson.h"
#include "sandbox/commands/fsync_lock.h"
#include "sandbox/commands/parameters.h"
#include "sandbox/commands/plan.h"
#include "sandbox/commands/script_session.h"
#include "sandbox/commands/timeseries.h"
#include "sandbox/commands/write_block.h"
#include "sandbox/commands/write_support.h"
#include "sandbox/storage/side_collections.h"

namespace drover::sandbox {

namespace {

using namespace std::chrono_literals;

// How long a write waits for the transaction in its way before it looks again.
constexpr Duration kLockWait = 100ms;

}  // namespace

bool is_generic_field(std::string_view name) {
  static constexpr std::string_view kNames[] = {"lsid", "txnNumber", "autocommit", "startTransaction", "readConcern", "writeConcern",
                                                "maxTimeMS", "maxTimeMSOpOnly", "comment", "apiVersion", "apiStrict",
                                                "apiDeprecationErrors", "stmtId", "stmtIds", "coordinator", "databaseVersion",
                                                "shardVersion", "tracking_info", "mayBypassWriteBlocking", "clientOperationKey",
                                                "$db", "$clusterTime", "$readPreference", "$queryOptions", "$audit", "$client", "$configServerState",
                                                "$oplogQueryData", "$replData", "$gleStats", "$configTime", "$topologyTime", "$tenant"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

// Since 5.0 what a collation holds is parsed as any struct is; who opens it says the rest.
Status check_collation_fields(const CommandContext& context, const bson::Element& given) {
  if (!given.is_document() || given.document_value().empty() || !context.settings().at_least(5, 0)) return {};
  struct Known {
    std::string_view name, type;
    std::initializer_list<std::string_view> values;
  };
  static const Known kFields[] = {{"locale", "string", {}}, {"caseLevel", "bool", {}}, {"caseFirst", "string", {"upper", "lower", "off"}}, {"strength", "", {}},
                                  {"numericOrdering", "bool", {}}, {"alternate", "string", {"non-ignorable", "shifted"}}, {"maxVariable", "string", {"punct", "space"}},
                                  {"normalization", "bool", {}}, {"backwards", "bool", {}}, {"version", "string", {}}};
  for (const auto& field : given.document_value()) {
    const auto* const known = std::ranges::find(kFields, field.key(), &Known::name);
    if (known == std::end(kFields)) return server_error(code::kUnknownField, fmt::format("BSON field 'collation.{}' is an unknown field.", field.key()));
    if (!known->type.empty() && bson::type_name(field.type()) != known->type) {
      return server_error(code::kTypeMismatch, fmt::format("BSON field 'collation.{}' is the wrong type '{}', expected type '{}'", field.key(), bson::type_name(field.type()), known->type));
    }
    if (known->values.size() == 0 || std::ranges::find(known->values, field.string_value()) != known->values.end()) continue;
    return server_error(code::kBadValue, fmt::format("Enumeration value '{}' for field 'collation.{}' is not a valid value.", field.string_value(), field.key()));
  }
  if (given.document_value()["locale"]) return {};
  return server_error(code::kMissingField, "BSON field 'collation.locale' is missing but a required field");
}

namespace {

// Of commands that are parsed as structs, null is as nothing.
Status check_collation_type(const CommandContext& context, const bson::Element& given) {
  if (given.is_document()) return {};
  const auto& name = context.command->name;
  if (name == "findAndModify" && !context.settings().at_least(5, 0)) {
    return server_error(code::kTypeMismatch, fmt::format("\"collation\" had the wrong type. Expected object, found {}", bson::type_name(given.type())));
  }
  static constexpr std::string_view kOfStruct[] = {"count", "distinct", "create", "findAndModify"};
  if (given.is_null() || std::ranges::find(kOfStruct, name) == std::end(kOfStruct)) return {};
  return server_error(code::kTypeMismatch, fmt::format("BSON field '{}.collation' is the wrong type '{}', expected type 'object'", name, bson::type_name(given.type())));
}

}  // namespace

Status check_fields(const CommandContext& context, std::initializer_list<std::string_view> known) {
  bool first = true;
  for (const auto& field : context.body) {
    if (std::exchange(first, false) || is_generic_field(field.key())) continue;
    if (field.key() == "collectionUUID" && !context.settings().at_least(6, 0)) {
      return server_error(code::kUnknownField, fmt::format("BSON field '{}.collectionUUID' is an unknown field.", context.command->name));
    }
    if (std::find(known.begin(), known.end(), field.key()) == known.end()) {
      return server_error(code::kUnknownField, fmt::format("BSON field '{}.{}' is an unknown field.", context.command->name, field.key()));
    }
    if (field.key() != "collation") continue;
    TRY(check_collation_type(context, field));
    TRY(check_collation_fields(context, field));
  }
  return {};
}

Status check_newer_fields(const CommandContext& context) {
  if (context.settings().at_least(5, 0)) return {};
  for (const std::string_view name : {"let", "bypassEmptyTsReplacement"}) {
    if (!context.body[name]) continue;
    // findAndModify had a parser of its own then.
    if (context.command->name == "findAndModify") return server_error(51177, fmt::format("BSON field '{}' is an unknown field.", name));
    return server_error(code::kUnknownField, fmt::format("BSON field '{}.{}' is an unknown field.", context.command->name, name));
  }
  return {};
}

Status check_comment(const CommandContext& context) {
  const auto comment = context.body["comment"];
  if (!comment || comment.is_string() || context.settings().at_least(5, 0)) return {};
  return server_error(code::kTypeMismatch, fmt::format("BSON field '{}.comment' is the wrong type '{}', expected type 'string'", context.command->name,
                                                       bson::type_name(comment.type())));
}

Status check_object_field(const CommandContext& context, std::string_view name) {
  const auto field = context.body[name];
  if (!field || field.is_null() || field.is_document()) return {};
  return server_error(code::kTypeMismatch, fmt::format("BSON field '{}.{}' is the wrong type '{}', expected type 'object'", context.command->name, name, bson::type_name(field.type())));
}

Result<bool> bool_field(const CommandContext& context, std::string_view name, bool otherwise) {
  const auto field = context.body[name];
  if (!field || field.is_null() || field.type() == bson::Type::kUndefined) return otherwise;
  if (field.type() != bson::Type::kBool && !field.is_number()) {
    return server_error(code::kTypeMismatch,
                        fmt::format("BSON field '{}.{}' is the wrong type '{}', expected types '[bool, long, int, decimal, double']",
                                    context.command->name, name, bson::type_name(field.type())));
  }
  return field.is_truthy();
}

bool is_valid_database(std::string_view db) {
  return !db.empty() && db.size() < 64 && db.find_first_of(std::string_view("\0 \"\\/", 5)) == std::string_view::npos;
}

bool is_valid_namespace(const Namespace& ns) {
  return is_valid_database(ns.db) && !ns.collection.empty() && ns.collection.front() != '.' && ns.collection.find('\0') == std::string::npos;
}

Status check_collection_name(const CommandContext& context, const Namespace& ns) {
  const auto& name = ns.collection;
  if (name.starts_with('.')) {
    return server_error(code::kInvalidNamespace, "Collection names cannot start with '.'" + (context.settings().at_least(5, 0) ? ": " + name : std::string()));
  }
  if (name.find('\0') != std::string::npos) return server_error(code::kInvalidNamespace, "namespaces cannot have embedded null characters");
  if (name.empty()) return server_error(code::kInvalidNamespace, fmt::format("Invalid namespace specified '{}.'", ns.db));
  return {};
}

namespace {

// Parsers of structs say 2 of a name that is none, parsers by hand 73. Which command has which is the version's.
int no_name_code(const CommandContext& context) {
  if (context.command == nullptr) return code::kInvalidNamespace;
  static constexpr std::string_view kAlways[] = {"insert", "update", "delete"};
  static constexpr std::string_view kSince50[] = {"create", "createIndexes", "findAndModify", "drop", "dropIndexes", "collMod", "listIndexes"};
  const auto& name = context.command->name;
  const bool of_struct = std::ranges::find(kAlways, name) != std::end(kAlways) ||
                         (context.settings().at_least(5, 0) && std::ranges::find(kSince50, name) != std::end(kSince50)) ||
                         (name == "find" && context.settings().at_least(5, 0) && !context.settings().at_least(7, 0));
  return of_struct ? code::kBadValue : code::kInvalidNamespace;
}

bool takes_uuid(const CommandContext& context) {
  static constexpr std::string_view kReads[] = {"find", "count", "distinct", "listIndexes"};
  return context.command == nullptr || std::ranges::find(kReads, context.command->name) != std::end(kReads);
}

}  // namespace

Result<Namespace> named_collection(const CommandContext& context) {
  const auto first = context.body.first();
  if (first.to_uuid()) return server_error(no_name_code(context), "Collection name must be provided. UUID is not valid in this context");
  if (!first.is_string()) {
    return server_error(no_name_code(context), fmt::format("collection name has invalid type {}", bson::type_name(first.type())));
  }
  Namespace ns{std::string(context.database), std::string(first.string_value())};
  TRY(check_collection_name(context, ns));
  return ns;
}

Status check_full_name(const CommandContext& context) {
  const auto first = context.body.first();
  if (first.is_string()) return {};
  if (!context.settings().at_least(5, 0)) return server_error(code::kBadValue, fmt::format("collection name has invalid type {}", bson::type_name(first.type())));
  return server_error(code::kTypeMismatch, fmt::format("BSON field '{0}.{0}' is the wrong type '{1}', expected type 'string'", context.command->name, bson::type_name(first.type())));
}

Status check_collection_uuid(CommandContext& context, const Catalog& catalog, const Namespace& ns, const CollectionInfo* found) {
  const auto wanted = context.body["collectionUUID"];
  if (!wanted || !context.settings().at_least(6, 0)) return {};
  const auto uuid = wanted.to_uuid();
  if (!uuid) return server_error(code::kTypeMismatch, "BSON field 'collectionUUID' is the wrong type, expected type 'binData'");
  if (found != nullptr && found->uuid == *uuid) return {};
  const auto actual = catalog.find(*uuid);
  bson::Builder extra;
  extra.append("db", ns.db).append("collectionUUID", *uuid).append("expectedCollection", ns.collection);
  if (actual && actual->ns.db == ns.db) {
    extra.append("actualCollection", actual->ns.collection);
  } else {
    extra.append("actualCollection", bson::Null{});
  }
  context.error_extra = std::move(extra).finish();
  return server_error(code::kCollectionUuidMismatch, "Collection UUID does not match that specified");
}

Result<Target> target_collection(CommandContext& context, const Catalog& catalog) {
  Target target;
  const auto first = context.body.first();
  if (const auto uuid = first.to_uuid(); uuid && takes_uuid(context)) {
    target.collection = catalog.find(*uuid);
    if (!target.collection || target.collection->ns.db != context.database) {
      return server_error(code::kNamespaceNotFound, fmt::format("Unable to resolve {}", uuid->to_string()));
    }
    target.ns = target.collection->ns;
    return target;
  }
  target.ns = TRY(named_collection(context));
  target.collection = catalog.find(target.ns);
  TRY(check_views(catalog, target.ns, target.collection));
  TRY(check_collection_uuid(context, catalog, target.ns, target.collection.get()));
  return target;
}

Result<ReadScope> read_scope(CommandContext& context) {
  auto& engine = context.engine();
  if (context.transaction) return ReadScope{context.transaction->reader(), std::nullopt, context.transaction->view()->ts};
  if (context.read_concern.level == ReadConcern::Level::kSnapshot) {
    const auto wanted = context.read_concern.at_cluster_time;
    auto view = TRY(engine.view_at(wanted.value_or(engine.last_committed())));
    const auto at = wanted.value_or(view->ts);
    const auto time = view->ts;
    return ReadScope{make_reader(engine, std::move(view)), at, time};
  }
  auto view = engine.view();
  const auto time = view->ts;
  return ReadScope{make_reader(engine, std::move(view)), std::nullopt, time};
}

Status check_interrupt(const CommandContext& context) {
  if (context.stop.stop_requested()) return server_error(code::kInterrupted, "operation was interrupted");
  if (context.deadline && context.services.runtime.now() > *context.deadline) {
    return server_error(code::kMaxTimeMsExpired, "operation exceeded time limit");
  }
  return {};
}

bool is_interruption(const Error& error) {
  return error.server_code == code::kInterrupted || error.server_code == code::kMaxTimeMsExpired || error.server_code == code::kInterruptedDueToReplStateChange;
}

tl::unexpected<Error> interrupted_wait(const CommandContext& context) {
  if (context.stop.stop_requested()) return server_error(code::kInterrupted, "operation was interrupted");
  return server_error(code::kMaxTimeMsExpired, "operation exceeded time limit");
}

void wait_for_transaction(CommandContext& context, std::uint64_t ended) {
  const auto wait = std::min(kLockWait, context.patience());
  context.wait_aside(context.stop, [&] { return wait > Duration::zero() && context.engine().wait_for_transaction_end(ended, wait, context.stop); });
}

constexpr std::chrono::milliseconds kLookForUnlock{20};

Status wait_for_unlock(CommandContext& context) {
  while (context.engine().write_locks() > 0) {
    context.wait_aside(context.stop, [&] { context.services.runtime.sleep(kLookForUnlock, context.stop); });
    TRY(check_interrupt(context));
  }
  return {};
}

std::unique_ptr<WriteUnit> begin_own_unit(Engine& engine) {
  auto unit = engine.begin_write();
  return engine.write_locks() > 0 ? nullptr : std::move(unit);
}

Result<std::unique_ptr<WriteUnit>> begin_unit(CommandContext& context) {
  if (!context.internal) TRY(wait_for_unlock(context));
  if (!context.internal) TRY(ScriptOperation::ready_for_unit());
  const Patience patience{context.patience(), context.stop};
  if (context.transaction) return context.transaction->begin_statement(patience);
  // The server's own: the command that it is part of has waited, and nobody could end its wait.
  auto unit = context.internal ? context.engine().begin_write() : TRY(context.engine().begin_write(patience));
  const auto term = context.engine().term();
  if (!context.outlives_elections && context.writes_in_term.value_or(term) != term) {
    return server_error(code::kInterruptedDueToReplStateChange, "operation was interrupted");
  }
  context.writes_in_term = term;
  return unit;
}

CommandContext tidying(const CommandContext& context) {
  CommandContext out = context;
  out.stop = context.closing;
  out.deadline.reset();
  out.outlives_elections = true;
  return out;
}

Status in_write_unit(CommandContext& context, const std::function<Status(WriteUnit&)>& body,
                     const std::function<void(const WriteUnit&)>& committed, const std::function<void()>& waits) {
  auto& engine = context.engine();
  while (true) {
    const auto ended = engine.transactions_ended();
    Status result;
    {
      auto unit = TRY(begin_unit(context));
      {
        const ScriptOperation::InUnit scripts(context.services.runtime.now());
        result = body(*unit);
      }
      if (result && context.retryable && unit->operations() > 0) result = hit_transactional_write(context);
      if (result) {
        const auto ts = unit->commit();
        if (ts && !unit->last_entry().is_zero()) context.last_op = unit->last_entry();
        if (!ts) result = tl::unexpected(ts.error());
        if (ts && committed) committed(*unit);
      }
    }
    if (result || result.error().server_code != code::kWriteConflict) return result;
    if (ScriptOperation::was_without_process()) {  // it takes one now, and begins anew
      TRY(check_interrupt(context));
      if (waits) waits();
      continue;
    }
    if (context.transaction) return result;
    TRY(check_interrupt(context));
    if (waits) waits();
    wait_for_transaction(context, ended);
    TRY(check_interrupt(context));
  }
}

bson::Document default_id_index(const bson::Collator* collator) {
  auto index = plain_id_index();
  return collator ? bson::append_fields(std::move(index), bson::make_document({{"collation", collator->spec()}})) : index;
}

Status check_creatable(const CommandContext& context, const Namespace& ns) {
  const bool five = context.settings().at_least(5, 0);
  if (ns.db.find('$') != std::string::npos) return server_error(code::kInvalidNamespace, five ? "Invalid namespace: " + ns.to_string() : "invalid db name");
  if (ns.collection.find('$') != std::string::npos || ns.collection.empty() || ns.collection.front() == '.') {
    return server_error(code::kInvalidNamespace, five ? fmt::format("Invalid collection name: {}", ns.collection) : "invalid collection name");
  }
  if (ns.db == "system" && !five) return server_error(code::kInvalidNamespace, "cannot use 'system' database");
  if (!ns.collection.starts_with("system.") && ns.collection.find(".system.") != std::string::npos) {
    const bool of_sharding = five ? ns.db == "config" && ns.collection.starts_with("cache.chunks.") : ns.collection.find(".system.sessions") != std::string::npos;
    if (!of_sharding) return server_error(code::kBadValue, fmt::format(fmt::runtime(five ? "Invalid namespace: {}" : "cannot write to '{}'"), ns.to_string()));
  }
  // Facts: MongoDB's NamespaceString::isLegalClientSystemNS.
  static constexpr std::string_view kEverywhere[] = {"system.js", "system.profile", "system.users", "system.roles", "system.views"};
  static constexpr std::string_view kOfOne[] = {
      "admin.system.version", "admin.system.keys", "admin.system.new_users", "admin.system.backup_users", "config.system.sessions", "config.system.indexBuilds",
      "config.system.preimages", "config.system.sharding_ddl_coordinators", "local.system.replset", "local.system.healthlog"};
  if (!ns.collection.starts_with("system.") || ns.collection.starts_with("system.buckets.") || std::ranges::find(kEverywhere, ns.collection) != std::end(kEverywhere)) return {};
  if (std::ranges::find(kOfOne, ns.to_string()) != std::end(kOfOne)) return {};
  return server_error(code::kInvalidNamespace, fmt::format(fmt::runtime(five ? "Invalid system namespace: {}" : "cannot write to '{}'"), ns.to_string()));
}

Status check_writable(const CommandContext& context, const Namespace& ns) {
  if (context.internal) return {};
  const bool holds_privileges = ns.db == "admin" && (ns.collection == "system.users" || ns.collection == "system.roles");
  if (context.transaction != nullptr && ns.collection.starts_with("system.") && !holds_privileges && !ns.collection.starts_with("system.buckets.")) {
    const bool modifies = context.command != nullptr && context.command->name == "findAndModify";
    return server_error(modifies ? code::kSystemModifyInTransaction : code::kSystemWriteInTransaction, fmt::format("Cannot write to system collection {} within a transaction.", ns.to_string()));
  }
  const bool five = context.settings().at_least(5, 0);
  if (ns.collection == "system.profile" || (five && ns.collection == "system.views")) {
    return server_error(code::kInvalidNamespace, fmt::format(fmt::runtime(five ? "cannot write to {}" : "cannot write to '{}'"), ns.to_string()));
  }
  return check_creatable(context, ns);
}

Result<CollectionPtr> collection_for_write(CommandContext& context, WriteUnit& unit, const Namespace& ns, bool create) {
  TRY(check_write_allowed(context, unit, ns));
  auto collection = unit.catalog().find(ns);
  TRY(check_views(unit.catalog(), ns, collection));
  if (collection && collection->is_view()) return refuse_on_view(*collection, "this");
  if (collection && collection->is_oplog()) return server_error(code::kInvalidNamespace, "cannot write to the oplog");
  // Of what the command itself names: an aggregate's is what it reads.
  if ((context.command->flags & kWrite) != 0 && context.body.first().to_string_view() == ns.collection && context.database == ns.db) {
    TRY(check_collection_uuid(context, unit.catalog(), ns, collection.get()));
  }
  if (collection || !create) return collection;
  if (ns.to_string().size() > kMaxNamespaceBytes) {
    return server_error(code::kInvalidNamespace,
                        fmt::format("Fully qualified namespace is too long. Namespace: {} Max: {}", ns.to_string(), kMaxNamespaceBytes));
  }
  if (ns.collection.find('$') != std::string::npos) {
    return server_error(code::kInvalidNamespace, fmt::format("Invalid collection name: {}", ns.collection));
  }
  return unit.create_collection(ns, bson::View(), default_id_index(nullptr));
}

Status check_views(const Catalog& catalog, const Namespace& ns, const CollectionPtr& found) {
  const auto* invalid = found && !found->is_view() ? nullptr : catalog.invalid_view(ns.db);
  if (invalid == nullptr) return {};
  return server_error(182, fmt::format("found invalid view definition {} while reading '{}.system.views'", *invalid, ns.db));
}

Status check_transactional(const CommandContext& context, const CollectionPtr& collection) {
  if (!context.transaction || !collection || !collection->capped) return {};
  return server_error(code::kOperationNotSupportedInTransaction,
                      fmt::format("Collection '{}' is a capped collection. Writes in transactions are not allowed on capped collections.", collection->ns.to_string()));
}

Status check_write_allowed(const CommandContext& context, const Reader& state, const Namespace& ns) {
  if (context.internal || context.bypass_write_block || ns.db == "admin" || ns.db == "local" || ns.db == "config") return {};
  // A transaction's view may be older than the block: it is asked in the newest state.
  const auto newest = context.transaction ? make_reader(context.engine(), context.engine().view()) : nullptr;
  if (!TRY(user_writes_blocked(newest ? *newest : state))) return {};
  return server_error(kUserWritesBlocked, "User writes blocked");
}

Result<std::int64_t> first_batch_size(const CommandContext& context) {
  const bool idl = context.settings().at_least(5, 0);
  const auto cursor = context.body["cursor"];
  if (cursor && !cursor.is_document() && !idl) return server_error(code::kTypeMismatch, "cursor field must be missing or an object");
  if (cursor && !cursor.is_document()) {
    return server_error(code::kTypeMismatch, fmt::format("BSON field '{}.cursor' is the wrong type '{}', expected type 'object'", context.command->name,
                                                         bson::type_name(cursor.type())));
  }
  for (const auto& option : cursor ? cursor.document_value() : bson::View()) {
    if (option.key() == "batchSize") continue;
    if (!idl) return server_error(code::kBadValue, "cursor object can't contain fields other than batchSize");
    return server_error(code::kUnknownField, fmt::format("BSON field '{}.cursor.{}' is an unknown field.", context.command->name, option.key()));
  }
  const auto size = cursor ? cursor.document_value()["batchSize"] : bson::Element();
  if (!size) return std::numeric_limits<std::int32_t>::max();
  if (!size.is_number() && !idl) return server_error(code::kTypeMismatch, "cursor.batchSize field must be a number");
  if (!size.is_number()) {
    return server_error(code::kTypeMismatch, fmt::format("BSON field '{}.cursor.batchSize' is the wrong type '{}', expected types '[long, int, decimal, double']",
                                                         context.command->name, bson::type_name(size.type())));
  }
  const auto number = size.to_int64().value_or(0);
  if (number < 0 && !idl) return server_error(code::kBadValue, "cursor.batchSize must not be negative");
  if (number < 0) return server_error(51024, fmt::format("BSON field 'batchSize' value must be >= 0, actual value '{}'", number));
  return number;
}

std::int64_t saturating_sum(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? std::numeric_limits<std::int64_t>::max() : sum;
}

PlanRules plan_rules(const CommandContext& context) {
  return {.refuses_scans = context.services.parameters.refuses_table_scans(), .stable_only = context.api.is_strict()};
}

std::shared_ptr<const query::EvaluationContext> evaluation_context(CommandContext& context, bson::View let,
                                                                   std::shared_ptr<const bson::Collator> collator) {
  auto result = std::make_shared<query::EvaluationContext>();
  result->version = context.settings().version;
  result->now = {wall_millis(context.services.runtime)};
  result->cluster_time = context.engine().last_committed();
  result->collator = std::move(collator);
  result->let = bson::Document(let);
  if (context.services.scripts != nullptr) result->scripts = make_command_scripts();
  result->random = [&runtime = context.services.runtime] { return static_cast<double>(runtime.random() >> 11) * 0x1.0p-53; };
  return result;
}

std::shared_ptr<const query::EvaluationContext> validator_context(const CommandContext& context) {
  auto result = std::make_shared<query::EvaluationContext>();
  result->version = context.settings().version;
  result->now = {wall_millis(context.services.runtime)};
  result->in_validator = true;
  return result;
}

Result<std::shared_ptr<const bson::Collator>> effective_collation(bson::View statement, const CollectionInfo* collection) {
  const auto given = statement["collation"];
  if (given.is_null()) return collection ? collection->collator : nullptr;
  if (given && !given.is_document()) {
    return server_error(code::kTypeMismatch, fmt::format("\"collation\" had the wrong type. Expected object, found {}", bson::type_name(given.type())));
  }
  if (given && !given.document_value().empty()) return bson::Collator::open(given.document_value());
  return collection ? collection->collator : nullptr;
}

void append_duplicate(bson::Builder& out, const DuplicateKey& duplicate) {
  out.append("keyPattern", duplicate.key_pattern).append("keyValue", duplicate.key_value);
}

std::int64_t wall_millis(Runtime& runtime) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(runtime.wall_time().time_since_epoch()).count();
}

bson::ObjectId new_object_id(Runtime& runtime) {
  static const std::uint64_t process = runtime.random();
  static std::atomic<std::uint32_t> counter{static_cast<std::uint32_t>(runtime.random())};
  bson::ObjectId id;
  const auto seconds = static_cast<std::uint32_t>(wall_millis(runtime) / 1000);
  const auto count = counter.fetch_add(1);
  for (int i = 0; i < 4; ++i) id.bytes[i] = static_cast<std::uint8_t>(seconds >> (24 - 8 * i));
  for (int i = 0; i < 5; ++i) id.bytes[4 + i] = static_cast<std::uint8_t>(process >> (8 * i));
  for (int i = 0; i < 3; ++i) id.bytes[9 + i] = static_cast<std::uint8_t>(count >> (16 - 8 * i));
  return id;
}

}  // namespace drover::sandbox
