// renameCollection. Within a database it is one change; to another it is a copy into a temporary collection, which takes the
// name, and a drop, as the server does it. Facts: corpus catalog/rename.
#include <fmt/format.h>

#include "sandbox/commands/authorize.h"
#include "sandbox/commands/copy_collection.h"
#include "sandbox/commands/tables.h"

namespace drover::sandbox {

namespace {

struct Names {
  Namespace from, to;
  bool drop_target = false;
};

// What the server keeps its own facts in: not to be found elsewhere, nor to be replaced. Facts: MongoDB's rename_collection.cpp. Of users and roles it
// says so since 7.1; this server never gives them another name.
Status check_own(const CommandContext& context, const Namespace& from, const Namespace& to) {
  const auto refused = [](std::string_view text) { return server_error(code::kIllegalOperation, std::string(text)); };
  if (from.to_string() == "admin.system.version") return refused("renaming the server configuration collection (admin.system.version) is not allowed");
  const auto either = [&](std::string_view name) { return from.collection == name || to.collection == name; };
  for (const std::string_view name : {"system.views", "system.js", "system.users", "system.roles"}) {
    if (!either(name) || (name == "system.js" && !context.settings().at_least(6, 0))) continue;
    const bool of_admin = name == "system.users" || name == "system.roles";
    if (of_admin && from.db != "admin" && to.db != "admin") continue;
    return refused(fmt::format("renaming {0} collection or renaming to {0} is not allowed", name));
  }
  const bool buckets = from.collection.starts_with("system.buckets."), to_buckets = to.collection.starts_with("system.buckets.");
  if (!context.settings().at_least(5, 0)) return {};
  if (buckets) return refused("Renaming system.buckets collections is not allowed");
  if (to_buckets) {
    return refused(fmt::format("Cannot rename non timeseries buckets collection '{}' to a timeseries buckets namespace '{}'.", from.to_string(), to.to_string()));
  }
  return {};
}

Result<Names> parse(CommandContext& context) {
  TRY(check_fields(context, {"to", "dropTarget", "stayTemp", "collectionUUID"}));
  TRY(check_full_name(context));
  Names names;
  names.drop_target = TRY(bool_field(context, "dropTarget"));
  TRY(bool_field(context, "stayTemp"));
  const bson::Element target = context.body["to"];
  if (target && !target.is_string()) {
    return server_error(code::kTypeMismatch, fmt::format("BSON field 'renameCollection.to' is the wrong type '{}', expected type 'string'", bson::type_name(target.type())));
  }
  const auto first = context.body.first().to_string_view();
  const auto second = target.to_string_view();
  if (!target) return server_error(code::kMissingField, "BSON field 'renameCollection.to' is missing but a required field");
  const auto from = Namespace::parse(first.value_or(""));
  const auto to = Namespace::parse(second.value_or(""));
  if (!from || !is_valid_namespace(*from)) return server_error(code::kInvalidNamespace, fmt::format("Invalid source namespace: {}", first.value_or("")));
  if (!to || !is_valid_namespace(*to) || to->collection.find('$') != std::string::npos) {
    return server_error(code::kInvalidNamespace, fmt::format("Invalid target namespace: {}", second.value_or("")));
  }
  if (*from == *to && context.settings().at_least(5, 0)) return server_error(code::kIllegalOperation, "Can't rename a collection to itself");
  if ((from->db == "local") != (to->db == "local")) {
    return server_error(code::kIllegalOperation, "Cannot rename collections between a replicated and an unreplicated database");
  }
  if (from->db == "local" && from->collection.starts_with("oplog.")) return server_error(code::kIllegalOperation, "can't rename live oplog while replicating");
  if (from->db == "local" && from->collection == "system.replset") {
    return server_error(code::kIllegalOperation, "error with source namespace: cannot rename the replica set's configuration");
  }
  if (to->to_string().size() > kMaxNamespaceBytes) {
    return server_error(code::kInvalidNamespace, fmt::format("Fully qualified namespace is too long. Namespace: {} Max: 255", to->to_string()));
  }
  if (auto creatable = check_creatable(context, *to); !creatable) {
    return server_error(code::kIllegalOperation, "error with target namespace: " + creatable.error().message);
  }
  TRY(check_own(context, *from, *to));
  names.from = *from;
  names.to = *to;
  return names;
}

Result<CollectionPtr> source_of(WriteUnit& unit, const Names& names) {
  const auto collection = unit.catalog().find(names.from);
  if (!collection) return server_error(code::kNamespaceNotFound, fmt::format("Source collection {} does not exist", names.from.to_string()));
  if (collection->is_view()) return server_error(code::kCommandNotSupportedOnView, fmt::format("cannot rename view: {}", names.from.to_string()));
  return collection;
}

Status check_target(WriteUnit& unit, const Names& names) {
  const auto target = unit.catalog().find(names.to);
  if (!target) return {};
  if (target->is_view()) return server_error(code::kNamespaceExists, fmt::format("a view already exists with that name: {}", names.to.to_string()));
  if (!names.drop_target || names.from == names.to) return server_error(code::kNamespaceExists, "target namespace exists");
  return {};
}

Status copy_to_other_database(CommandContext& context, WriteUnit& unit, const CollectionPtr& collection, const Names& names) {
  TRY(unit.check_no_build(*collection));
  const auto copy = TRY(copy_collection(context, unit, collection, {.ns = temporary_name(context, names.to.db, "renameCollection"),
                                                                    .options = with_temp(collection->options)}));
  TRY(unit.rename_collection(copy, names.to, false));
  return unit.drop_collection(collection);
}

Result<bson::Document> rename(CommandContext& context) {
  const auto names = TRY(parse(context));
  TRY(in_write_unit(context, [&](WriteUnit& unit) -> Status {
    TRY(check_write_allowed(context, unit, names.from));
    TRY(check_collection_uuid(context, unit.catalog(), names.from, unit.catalog().find(names.from).get()));
    const auto collection = TRY(source_of(unit, names));
    TRY(check_target(unit, names));
    if (names.from.db != names.to.db) return copy_to_other_database(context, unit, collection, names);
    TRY(unit.rename_collection(collection, names.to, context.body["stayTemp"].is_truthy()));
    return {};
  }));
  return bson::Document();
}

}  // namespace

std::span<const Command> rename_commands() {
  static const Command kRows[] = {
      {.name = "renameCollection", .flags = kAdminOnly | kWrite | kUserBlocked, .resource = ResourceKind::kCustom, .also = authorize_rename, .handler = rename,
       .help = "gives a collection another name, or another database"},
  };
  return kRows;
}

}  // namespace drover::sandbox
