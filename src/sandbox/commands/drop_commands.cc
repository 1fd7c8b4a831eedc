// drop and dropDatabase. Facts: corpus catalog/create-list-drop, admin/list-databases.
#include <algorithm>

#include <fmt/format.h>

#include "bson/builder.h"
#include "sandbox/commands/local_records.h"
#include "sandbox/commands/profiler.h"
#include "sandbox/commands/support.h"
#include "sandbox/commands/tables.h"
#include "sandbox/commands/views.h"

namespace drover::sandbox {

namespace {

// What is left of system collections for clients to drop. Facts: MongoDB's database_impl.cpp.
Status check_droppable(const Namespace& ns) {
  static constexpr std::string_view kEverywhere[] = {"system.profile", "system.views"};
  static constexpr std::string_view kOfOne[] = {"config.system.sessions", "config.system.preimages", "admin.system.keys", "local.system.healthlog"};
  const bool droppable = !ns.collection.starts_with("system.") || ns.collection.starts_with("system.buckets.") ||
                         std::ranges::find(kEverywhere, ns.collection) != std::end(kEverywhere) || std::ranges::find(kOfOne, ns.to_string()) != std::end(kOfOne);
  return droppable ? Status() : Status(server_error(code::kIllegalOperation, fmt::format("can't drop system collection {}", ns.to_string())));
}

Result<bson::Document> drop(CommandContext& context) {
  TRY(check_fields(context, {"collectionUUID"}));
  bson::Document reply;
  TRY(in_write_unit(context, [&](WriteUnit& unit) -> Status {
    const auto target = TRY(target_collection(context, unit.catalog()));
    if (!target.collection) {
      if (context.settings().at_least(7, 0)) return {};
      return server_error(code::kNamespaceNotFound, "ns not found");
    }
    TRY(check_write_allowed(context, unit, target.ns));
    if (!context.internal) TRY(check_droppable(target.ns));
    if (target.collection->is_oplog()) return server_error(code::kIllegalOperation, "can't drop live oplog while replicating");
    if (target.ns == configuration_namespace()) return server_error(code::kIllegalOperation, "can't drop system collection " + target.ns.to_string());
    if (target.ns.collection == kProfileCollection && context.services.profiler.of(target.ns.db).level > 0) {
      return server_error(code::kIllegalOperation, "turn off profiling before dropping system.profile collection");
    }
    if (target.collection->is_timeseries()) {
      const auto buckets = unit.catalog().find(Namespace{target.ns.db, target.collection->view_on});
      reply = bson::make_document({{"nIndexesWas", static_cast<std::int32_t>(buckets->indexes.size()) - 1}, {"ns", target.ns.to_string()}});
      TRY(drop_view(unit, target.ns));
      return unit.drop_collection(buckets);
    }
    if (target.collection->is_view()) {
      reply = bson::make_document({{"ns", target.ns.to_string()}});
      return drop_view(unit, target.ns);
    }
    reply = bson::make_document({{"nIndexesWas", static_cast<std::int32_t>(target.collection->indexes.size())}, {"ns", target.ns.to_string()}});
    return unit.drop_collection(target.collection);
  }));
  return reply;
}

Result<bson::Document> drop_database(CommandContext& context) {
  TRY(check_fields(context, {}));
  const std::string db(context.database);
  if (db == "admin" || db == "local" || db == "config") {
    return server_error(code::kIllegalOperation, fmt::format("Dropping the '{}' database is prohibited.", db));
  }
  const auto one = context.body.first();
  if (!one.is_number() && context.settings().at_least(5, 0)) {
    return server_error(code::kTypeMismatch, fmt::format("BSON field 'dropDatabase.dropDatabase' is the wrong type '{}', expected types '[int, decimal, double, long']",
                                                         bson::type_name(one.type())));
  }
  if (one.to_double() != 1.0) {
    return context.settings().at_least(5, 0) ? server_error(5255100, "Have to pass 1 as 'drop' parameter")
                                             : server_error(code::kIllegalOperation, "have to pass 1 as db parameter");
  }
  bool existed = false;
  TRY(in_write_unit(context, [&](WriteUnit& unit) -> Status {
    existed = unit.catalog().has_database(db);
    if (!existed) return {};
    TRY(check_write_allowed(context, unit, Namespace{db, ""}));
    for (const auto& collection : unit.catalog().of_database(db))
      if (!collection->is_view()) TRY(unit.drop_collection(collection));
    return unit.log_drop_database(db);
  }));
  if (!existed) return bson::Document();
  return bson::make_document({{"dropped", db}});
}

}  // namespace

std::span<const Command> drop_commands() {
  static const Command kRows[] = {
      {.name = "drop", .flags = kWrite | kUserBlocked, .resource = ResourceKind::kCollection, .action = "dropCollection", .handler = drop,
       .help = "removes a collection or a view"},
      {.name = "dropDatabase", .flags = kWrite | kUserBlocked, .resource = ResourceKind::kDatabase, .action = "dropDatabase", .handler = drop_database,
       .help = "removes every collection of a database"},
  };
  return kRows;
}

}  // namespace drover::sandbox
