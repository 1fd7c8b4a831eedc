#include "sandbox/commands/apply_ops_entry.h"

#include <algorithm>
#include <functional>

#include <fmt/format.h>

#include "bson/compare.h"
#include "bson/ejson.h"
#include "sandbox/commands/authorize.h"
#include "sandbox/commands/write_support.h"
#include "sandbox/query/oplog_diff.h"
#include "sandbox/query/update.h"

namespace drover::sandbox {

namespace {

constexpr int kNoSuchKey = 4;
constexpr int kImmutableField = 66;
constexpr int kUpdateOperationFailed = 218;
constexpr int kCommandNotSupported = 115;
constexpr int kIndexAlreadyExists = 68;

std::string_view text(bson::View document, std::string_view field) { return document[field].to_string_view().value_or(""); }

Result<Namespace> namespace_of(bson::View entry) {
  const auto name = text(entry, "ns");
  const auto ns = Namespace::parse(name);
  if (!ns || !is_valid_namespace(*ns)) return server_error(code::kInvalidNamespace, fmt::format("invalid ns: {}", name));
  return *ns;
}

// By its `ui`, where the entry has one, whatever the name says.
Result<CollectionPtr> collection_of(const Reader& state, bson::View entry) {
  const auto uuid = entry["ui"].to_uuid();
  if (!uuid) return state.catalog().find(TRY(namespace_of(entry)));
  const auto found = state.catalog().find(*uuid);
  if (found) return found;
  return server_error(code::kNamespaceNotFound, fmt::format("Failed to apply operation due to missing collection ({}): {}", uuid->to_string(), bson::to_shell(entry)));
}

Result<bson::View> object_of(bson::View entry, std::string_view field) {
  const auto object = entry[field].to_document();
  if (object) return *object;
  return server_error(entry[field] ? code::kTypeMismatch : code::kMissingField,
                      entry[field] ? fmt::format("BSON field 'OplogEntryBase.{}' is the wrong type '{}', expected type 'object'", field, bson::type_name(entry[field].type()))
                                   : fmt::format("BSON field 'OplogEntryBase.{}' is missing but a required field", field));
}

// The document of that _id, when all the rest of `criteria` holds for it.
Result<std::optional<Record>> find_target(const CommandContext& context, const WriteUnit& unit, const CollectionInfo& collection, bson::View criteria) {
  auto record = TRY(unit.find_by_id(collection, criteria["_id"]));
  if (!record || criteria.field_count() == 1) return record;
  const auto filter = TRY(query::Matcher::parse(criteria, collection.collator, context.settings().version));
  if (!TRY(filter.try_matches(record->document))) record.reset();
  return record;
}

Status put(CommandContext& context, WriteUnit& unit, const CollectionPtr& collection, const Record* before, bson::View after, bson::View oplog_object) {
  const auto old = before ? std::optional(before->document.view()) : std::nullopt;
  TRY(query::check_insertable(after, context.settings().version));
  TRY(check_document(context, *collection, after, old ? &*old : nullptr));
  if (before) return unit.update(collection, before->id, before->document, after, oplog_object);
  TRY(unit.insert(collection, after));
  return {};
}

Status apply_insert(CommandContext& context, WriteUnit& unit, const CollectionPtr& collection, bson::View entry) {
  const auto document = TRY(object_of(entry, "o"));
  if (!document["_id"]) return server_error(kNoSuchKey, "Failed to apply insert due to missing _id: " + bson::to_shell(entry));
  bson::Builder in_order;
  in_order.append_raw(document["_id"]);
  for (const auto& field : document) {
    if (field.key() != "_id") in_order.append_raw(field);
  }
  const auto after = std::move(in_order).finish();
  const auto before = TRY(unit.find_by_id(*collection, document["_id"]));
  if (before && before->document.view().same_bytes(after)) return {};
  return put(context, unit, collection, before ? &*before : nullptr, after, after);
}

// `o` is modifiers ($v: 1), a difference ($v: 2) or a whole document.
Result<query::Applied> changed_by(const CommandContext& context, bson::View before, bson::View o) {
  if (const auto diff = o["diff"].to_document(); diff && o["$v"].to_int64() == 2) {
    if (!context.settings().at_least(5, 0)) return server_error(code::kFailedToParse, "update entries of $v: 2 are read from server version 5.0 on");
    query::Applied applied{.document = TRY(query::apply_diff(before, *diff)), .oplog_object = bson::Document(o)};
    applied.modified = !before.same_bytes(applied.document);
    return applied;
  }
  bson::Builder update;
  {
    auto inner = update.open_document("u");
    for (const auto& field : o) {
      if (field.key() != "$v") inner.append_raw(field);
    }
  }
  const auto spec = std::move(update).finish();
  const auto parsed = TRY(query::Update::parse(spec["u"], {.version = context.settings().version}));
  return parsed.apply(before, {});
}

Status apply_update(CommandContext& context, WriteUnit& unit, const CollectionPtr& collection, bson::View entry, bool upsert) {
  const auto criteria = TRY(object_of(entry, "o2"));
  const auto o = TRY(object_of(entry, "o"));
  if (!criteria["_id"]) return server_error(kNoSuchKey, "Failed to apply update due to missing _id: " + bson::to_shell(entry));
  const auto before = TRY(find_target(context, unit, *collection, criteria));
  if (!before && !upsert && !entry["b"].is_truthy()) {
    return server_error(kUpdateOperationFailed, "failed to apply update: " + bson::to_shell(entry));
  }
  bson::Builder alone;
  alone.append_raw(criteria["_id"]);
  const auto made_of = before ? bson::Document() : std::move(alone).finish();
  const auto changed = TRY(changed_by(context, before ? before->document.view() : made_of.view(), o));
  if (before && !changed.modified) return {};
  const auto id = before ? before->document["_id"] : criteria["_id"];
  if (const auto now = changed.document["_id"]; !now || bson::compare_values(id, now) != 0) {
    return server_error(kImmutableField, "Performing an update on the path '_id' would modify the immutable field '_id'");
  }
  return put(context, unit, collection, before ? &*before : nullptr, changed.document, changed.oplog_object);
}

Status apply_delete(CommandContext& context, WriteUnit& unit, const CollectionPtr& collection, bson::View entry) {
  const auto criteria = TRY(object_of(entry, "o"));
  if (!criteria["_id"]) return server_error(kNoSuchKey, "Failed to apply delete due to missing _id: " + bson::to_shell(entry));
  const auto found = TRY(find_target(context, unit, *collection, criteria));
  return found ? unit.remove(collection, found->id, found->document) : Status();
}

// A command's oplog form, and as what it is run here.
struct OplogCommand {
  std::string_view name;
  std::string_view command;
  std::initializer_list<int> tolerated;  // it was done before
};
const OplogCommand kCommands[] = {
    {"create", "create", {code::kNamespaceExists}},
    {"createIndexes", "createIndexes", {kIndexAlreadyExists, code::kNamespaceNotFound}},
    {"collMod", "collMod", {code::kIndexNotFound, code::kNamespaceNotFound}},
    {"dropDatabase", "dropDatabase", {code::kNamespaceNotFound}},
    {"drop", "drop", {code::kNamespaceNotFound}},
    {"dropIndexes", "dropIndexes", {code::kNamespaceNotFound, code::kIndexNotFound}},
    {"dropIndex", "dropIndexes", {code::kNamespaceNotFound, code::kIndexNotFound}},
    {"deleteIndexes", "dropIndexes", {code::kNamespaceNotFound, code::kIndexNotFound}},
    {"deleteIndex", "dropIndexes", {code::kNamespaceNotFound, code::kIndexNotFound}},
    {"renameCollection", "renameCollection", {code::kNamespaceNotFound, code::kNamespaceExists}},
    {"convertToCapped", "convertToCapped", {code::kNamespaceNotFound}},
    {"applyOps", "applyOps", {}},
};

Result<const OplogCommand*> oplog_command(bson::View o) {
  const auto name = o.first().key();
  for (const auto& known : kCommands) {
    if (known.name == name) return &known;
  }
  for (const std::string_view part : {"startIndexBuild", "commitIndexBuild", "abortIndexBuild"}) {
    if (name == part) return server_error(kCommandNotSupported, fmt::format("The {} operation is not supported in applyOps mode", name));
  }
  return server_error(code::kBadValue, fmt::format("Unknown oplog entry command type: {} Object field: {}", name, bson::to_shell(o)));
}

// As a client would send it, for `$db`.
bson::Document as_command(const OplogCommand& known, bson::View o, std::string_view db) {
  bson::Builder out;
  const auto first = o.first();
  if (known.name == "createIndexes" && !o["indexes"]) {
    out.append(known.command, first);
    {
      auto indexes = out.open_array("indexes");
      auto spec = indexes.open_document();
      for (const auto& field : o) {
        if (field.key() != "createIndexes" && field.key() != "ns") spec.append_raw(field);
      }
    }
  } else {
    for (bool at_first = true; const auto& field : o) {
      if (std::exchange(at_first, false)) {
        out.append(known.command, field);
      } else if (field.key() == "dropTarget") {
        out.append("dropTarget", field.is_truthy() || field.to_uuid().has_value());  // a UUID: of what is dropped
      } else {
        out.append_raw(field);
      }
    }
  }
  out.append("$db", db);
  return std::move(out).finish();
}

// Of the namespace "db.$cmd".
std::string database_of(bson::View entry) {
  const auto ns = text(entry, "ns");
  return std::string(ns.substr(0, ns.find('.')));
}

// --- what has to be allowed

Status wrong_type(const bson::Element& element, std::string_view expected) {
  return server_error(code::kTypeMismatch, fmt::format("Wrong type for '{}'. Expected a {}, got a {}.", element.key(), expected, bson::type_name(element.type())));
}

bool has_uuid(bson::View object) {
  return std::any_of(object.begin(), object.end(), [](const bson::Element& field) { return field.to_uuid().has_value(); });
}

Resource cluster() { return {Resource::Kind::kCluster, {}}; }

Status authorize_entry(CommandContext& context, bson::View entry, bool always_upsert) {
  const auto op = text(entry, "op");
  if (op == "n") return context.authorize("appendOplogNote", cluster());
  const auto o = entry["o"].to_document().value_or(bson::View());
  if (has_uuid(entry) || (op == "c" && has_uuid(o))) {
    TRY(context.authorize("useUUID", cluster()));
    if (op == "c" && o.first().key() == "create") TRY(context.authorize("forceUUID", cluster()));
  }
  if (op == "c") {
    const auto* known = TRY(oplog_command(o));
    const auto db = database_of(entry);
    const auto body = as_command(*known, o, db);
    CommandContext sub = context;
    sub.database = db;
    sub.sequences = {};
    const auto* command = context.services.commands.find(known->command, context.settings().version);
    auto allowed = command ? authorize_command(sub, *command, body) : Status();
    if (allowed || allowed.error().server_code != code::kUnauthorized) return allowed;
    // What is refused is the whole command, where it was sent.
    const auto& message = allowed.error().message;
    const auto rest = message.find(" to execute command ");
    return server_error(code::kUnauthorized, rest == std::string::npos ? message : fmt::format("not authorized on {}{}", context.database, message.substr(rest)));
  }
  const auto found = collection_of(*make_reader(context.engine(), context.engine().view()), entry);
  const Resource target{Resource::Kind::kCollection, found && *found ? (*found)->ns : TRY(namespace_of(entry))};
  if (op == "i") return context.authorize("insert", target);
  if (op == "d") return context.authorize("remove", target);
  if (op != "u") return server_error(code::kFailedToParse, "Unrecognized opType");
  TRY(context.authorize("update", target));
  return always_upsert || entry["b"].is_truthy() ? context.authorize("insert", target) : Status();
}

}  // namespace

Status check_operations(const bson::Element& operations) {
  const auto array = operations.to_array();
  if (!array) return server_error(code::kFailedToParse, "ops has to be an array");
  for (const auto& item : *array) {
    const auto bad = [&](int code, std::string_view why) { return server_error(code, fmt::format("{}: {}", why, item.key())); };
    const auto entry = item.to_document();
    if (!entry) return bad(code::kFailedToParse, "op not an object");
    const auto op = (*entry)["op"], ns = (*entry)["ns"];
    if (!op) return bad(code::kFailedToParse, "op does not contain required \"op\" field");
    if (!op.is_string()) return bad(code::kFailedToParse, "\"op\" field is not a string");
    if (op.string_value().empty()) return bad(code::kFailedToParse, "\"op\" field value cannot be empty");
    if (!ns) return bad(code::kFailedToParse, "op does not contain required \"ns\" field");
    if (!ns.is_string()) return bad(code::kFailedToParse, "\"ns\" field is not a string");
    if (ns.string_value().find('\0') != std::string_view::npos) return bad(code::kFailedToParse, "namespaces cannot have embedded null characters");
    if (ns.string_value().empty() && op.string_value() != "n") return bad(code::kFailedToParse, "\"ns\" field value cannot be empty when op type is not 'n'");
  }
  return {};
}

bool are_crud_only(bson::View operations) {
  return std::all_of(operations.begin(), operations.end(), [](const bson::Element& item) {
    const auto op = text(item.document_value(), "op");
    return op == "i" || op == "u" || op == "d" || op == "n";
  });
}

Status apply_crud(CommandContext& context, WriteUnit& unit, bson::View entry, const ApplyOptions& options) {
  const auto op = text(entry, "op");
  const auto ns = TRY(namespace_of(entry));
  const auto collection = TRY(collection_of(unit, entry));
  if (op != "i" && op != "u" && op != "d") return server_error(14825, fmt::format("error in applyOperation : unknown opType {}", op));
  if (!collection) {
    if (op == "d") return {};
    return server_error(code::kNamespaceNotFound, fmt::format("cannot apply insert or update operation on a non-existent namespace {}: {}", ns.to_string(), bson::to_shell(entry)));
  }
  if (collection->is_view()) return server_error(code::kCommandNotSupportedOnView, fmt::format("applyOps not supported on view: {}", ns.to_string()));
  if (collection->is_oplog()) return server_error(code::kInvalidNamespace, "cannot write to the oplog");
  TRY(check_writable(context, collection->ns));
  TRY(check_write_allowed(context, unit, collection->ns));
  if (op == "i") return apply_insert(context, unit, collection, entry);
  if (op == "d") return apply_delete(context, unit, collection, entry);
  return apply_update(context, unit, collection, entry, options.always_upsert);
}

Status apply_command(CommandContext& context, bson::View entry, const ApplyOptions& options) {
  const auto o = TRY(object_of(entry, "o"));
  const auto* known = TRY(oplog_command(o));
  if (known->name == "applyOps" && options.depth >= kMaxApplyOpsDepth) return server_error(code::kFailedToParse, "Too many nested applyOps");
  const auto db = database_of(entry);
  const auto body = as_command(*known, o, db);
  CommandContext sub = context;
  sub.command = context.services.commands.find(known->command, context.settings().version);
  sub.database = db;
  sub.body = body;
  sub.sequences = {};
  sub.apply_depth = options.depth + 1;
  if (known->name == "create") sub.wanted_uuid = entry["ui"].to_uuid();
  const auto reply = sub.command->handler(sub);
  if (sub.last_op) context.last_op = sub.last_op;
  context.writes_in_term = sub.writes_in_term;
  // A collection of that name with another UUID is not what was asked for.
  const bool may_be_done = !sub.wanted_uuid;
  if (!reply && !(may_be_done && std::find(known->tolerated.begin(), known->tolerated.end(), reply.error().server_code) != known->tolerated.end())) {
    return tl::unexpected(reply.error());
  }
  if (reply && (*reply)["ok"] && !(*reply)["ok"].is_truthy()) {
    return server_error(static_cast<int>((*reply)["code"].to_int64().value_or(8)), std::string(text(*reply, "errmsg")));
  }
  return {};
}

Status authorize_apply_ops(CommandContext& context, bson::View body) {
  const auto operations = body.first().to_array();
  if (!operations) return wrong_type(body.first(), "array");
  if (!context.authorization.enabled()) return {};
  // Only a superuser may do nothing, or make and rename collections among other entries.
  if (operations->empty()) return context.authorize("anyAction", cluster());
  const bool upsert = !body["alwaysUpsert"] || body["alwaysUpsert"].is_truthy();
  const bool alone = operations->field_count() == 1;
  for (const auto& item : *operations) {
    const auto entry = item.to_document();
    if (!entry) return wrong_type(item, "object");
    if (!(*entry)["op"].is_string()) return wrong_type((*entry)["op"], "string");
    const auto o = (*entry)["o"].to_document().value_or(bson::View());
    const auto name = text(*entry, "op") == "c" ? o.first().key() : std::string_view();
    if (!alone && (name == "create" || name == "renameCollection")) TRY(context.authorize("anyAction", cluster()));
    TRY(authorize_entry(context, *entry, upsert));
  }
  return {};
}

}  // namespace drover::sandbox
