// listCollections, listDatabases. Facts: corpus catalog/create-list-drop, catalog/options, admin/list-databases.
#include <algorithm>

#include <fmt/format.h>

#include "bson/builder.h"
#include "sandbox/commands/authorize.h"
#include "sandbox/commands/collection_stats.h"
#include "sandbox/commands/support.h"
#include "sandbox/commands/tables.h"
#include "sandbox/query/matcher.h"

namespace drover::sandbox {

namespace {

Result<query::Matcher> filter_of(const CommandContext& context) {
  const auto filter = context.body["filter"];
  if (filter && !filter.is_document()) {
    return server_error(code::kTypeMismatch, fmt::format("BSON field '{}.filter' is the wrong type '{}', expected type 'object'",
                                                         context.command->name, bson::type_name(filter.type())));
  }
  return query::Matcher::parse(filter ? filter.document_value() : bson::View(), nullptr, context.settings().version, nullptr,
                               {.text = false, .near = false});
}

bson::Document describe(const CollectionInfo& collection, bool name_only) {
  bson::Builder out;
  out.append("name", collection.ns.collection);
  out.append("type", collection.is_timeseries() ? "timeseries" : collection.is_view() ? "view" : "collection");
  if (name_only) return std::move(out).finish();
  out.append("options", collection.options);
  {
    auto info = out.open_document("info");
    info.append("readOnly", collection.is_view() && !collection.is_timeseries());
    if (!collection.is_view()) info.append("uuid", collection.uuid);
  }
  if (const auto* id_index = collection.id_index(); id_index && !collection.is_clustered()) out.append("idIndex", id_index->spec);
  return std::move(out).finish();
}

Result<bson::Document> list_collections(CommandContext& context) {
  TRY(check_fields(context, {"filter", "nameOnly", "authorizedCollections", "cursor", "includePendingDrops"}));
  const auto filter = TRY(filter_of(context));
  const bool name_only = TRY(bool_field(context, "nameOnly"));
  const bool authorized_only = TRY(bool_field(context, "authorizedCollections"));
  TRY(bool_field(context, "includePendingDrops"));  // none is ever pending
  const std::string db(context.database);
  const bool sees_all = context.internal || !context.authorization.enabled() || !authorized_only;
  CursorReplyOptions options{.list_order = true};
  options.request.stop = context.stop;
  options.request.max_documents = TRY(first_batch_size(context));
  std::vector<bson::Document> found;
  const auto catalog = context.engine().view()->catalog;
  TRY(check_views(*catalog, Namespace{db, ""}, nullptr));
  for (const auto& collection : catalog->of_database(db)) {
    if (!sees_all && !context.authorization.may_anything_on(collection->ns)) continue;
    auto description = describe(*collection, name_only);
    if (TRY(filter.try_matches(description))) found.push_back(std::move(description));
  }
  return first_batch_reply(context, make_list_cursor(std::move(found)), {db, "$cmd.listCollections"}, options);
}

// Of documents: what the store needs for them is not known per collection.
std::int64_t bytes_of(const Engine& engine, const Catalog& catalog, const std::string& db) {
  std::int64_t bytes = 0;
  for (const auto& collection : catalog.of_database(db)) bytes += collection->is_oplog() ? static_cast<std::int64_t>(engine.oplog_bytes()) : collection->counters->copy().bytes;
  return bytes;
}

Result<bson::Document> list_databases(CommandContext& context) {
  TRY(check_fields(context, {"filter", "nameOnly", "authorizedDatabases"}));
  const auto filter = TRY(filter_of(context));
  const bool name_only = TRY(bool_field(context, "nameOnly"));
  const bool privileged = context.internal || !context.authorization.enabled() ||
                          context.authorization.is_allowed("listDatabases", {Resource::Kind::kCluster, {}});
  const auto asked = context.body["authorizedDatabases"];
  const auto authorized_only = asked.is_null() ? bson::Element() : asked;
  if (authorized_only.exists() && authorized_only.type() != bson::Type::kBool) {
    return server_error(code::kTypeMismatch, fmt::format("BSON field 'listDatabases.authorizedDatabases' is the wrong type '{}', expected type 'bool'", bson::type_name(authorized_only.type())));
  }
  if (authorized_only.exists() && !authorized_only.is_truthy()) TRY(context.authorize("listDatabases", {Resource::Kind::kCluster, {}}));
  const bool sees_all = privileged && !authorized_only.is_truthy();
  const bool newer = context.settings().at_least(5, 0);
  const auto view = context.engine().view();
  std::int64_t total = 0;
  bson::Builder reply;
  {
    auto list = reply.open_array("databases");
    for (const auto& db : view->catalog->databases()) {
      if (!sees_all && !context.authorization.may_anything_in(db)) continue;
      bson::Builder entry;
      entry.append("name", db);
      const auto bytes = name_only ? 0 : bytes_of(context.engine(), *view->catalog, db);
      if (!name_only) {
        if (newer) entry.append("sizeOnDisk", bytes);
        else entry.append("sizeOnDisk", static_cast<double>(bytes));
        entry.append("empty", false);
      }
      const auto description = std::move(entry).finish();
      if (!TRY(filter.try_matches(description))) continue;
      total += bytes;
      list.append(description);
    }
  }
  if (name_only) return std::move(reply).finish();
  if (newer) reply.append("totalSize", total).append("totalSizeMb", total >> 20);
  else reply.append("totalSize", static_cast<double>(total));
  return std::move(reply).finish();
}

}  // namespace

std::span<const Command> list_commands() {
  static const Command kRows[] = {
      {.name = "listCollections", .resource = ResourceKind::kCustom, .also = authorize_list_collections, .handler = list_collections, .help = "collections and views of a database"},
      {.name = "listDatabases", .flags = kAdminOnly, .resource = ResourceKind::kCustom, .handler = list_databases, .help = "databases and their sizes"},
  };
  return kRows;
}

}  // namespace drover::sandbox
