// Databases, collections and indexes: listed on both sides, changed on the destination. Changes wait for a majority; they are
// not repeated here.
#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "bson/builder.h"
#include "cluster/commands.h"
#include "cluster/mongo_deployment_impl.h"
#include "cluster/server_cursor.h"

namespace drover::cluster {
namespace {

constexpr int kNamespaceNotFound = 26;
constexpr std::int64_t kFirstWithCollation = 2;  // version of an index
constexpr int kIndexNotFound = 27;
constexpr int kCollectionUuidMismatch = 361;

bool is_name(const bson::Element& name) {
  const auto text = name.to_string_view().value_or("");
  return !text.empty() && text.find('\0') == std::string_view::npos;
}

// Of one that is not read as what it is, nothing would be copied. The error is what is wrong with it.
Result<CollectionInfo> parse_info(const std::string& db, bson::View entry) {
  if (!is_name(entry["name"])) return fail(ErrorCode::kFailure, "holds a collection without a name");
  CollectionInfo info;
  info.ns = Namespace{db, std::string(entry["name"].string_value())};
  const auto wrong = [&](std::string_view what) { return fail(ErrorCode::kFailure, fmt::format("tells of the collection '{}' {}", info.ns.to_string(), what)); };
  const auto type = entry["type"].to_string_view().value_or("");
  if (type == "collection") info.kind = CollectionKind::kCollection;
  else if (type == "view") info.kind = CollectionKind::kView;
  else if (type == "timeseries") info.kind = CollectionKind::kTimeseries;
  else return wrong(fmt::format("with the type '{}', which is none", type));
  const auto uuid = entry.at_path("info.uuid").to_uuid();
  if (!uuid && info.kind == CollectionKind::kCollection) return wrong("without its UUID");
  info.uuid = uuid.value_or(Uuid{});
  const auto options = entry["options"];
  if (!options.is_document()) return wrong("without its options");
  info.options = bson::Document(options.document_value());
  return info;
}

// "" when an index can be read as one.
std::string_view wrong_index(bson::View spec) {
  if (!is_name(spec["name"])) return "tells of an index without a name";
  return spec["key"].is_document() ? "" : "tells of an index without its key";
}

// `ns` names the place, not the index; servers before 4.4 have it. `safe` was an old driver's own; servers list it where it
// is, but refuse it in a new index.
bson::Document portable(bson::View spec) {
  bson::Builder builder;
  for (const auto& field : spec) {
    if (field.key() != "ns" && field.key() != "safe") builder.append_raw(field);
  }
  return std::move(builder).finish();
}

// Servers keep no collation for an index of the simple one, and give the collection's default to one that is created without.
bson::Document with_own_collation(bson::Document spec) {
  const auto version = spec["v"].to_int64().value_or(2);
  if (spec["collation"].exists() || version < kFirstWithCollation) return spec;
  bson::Builder builder;
  builder.append_all(spec);
  builder.open_document("collation").append("locale", "simple");
  return std::move(builder).finish();
}

Status missing_is_fine(Status status, std::initializer_list<int> codes) {
  if (!status && std::find(codes.begin(), codes.end(), status.error().server_code) != codes.end()) return {};
  return status;
}

}  // namespace

Result<std::vector<std::string>> MongoDeployment::list_databases() {
  const auto reply =
      TRY(run("admin", bson::make_document({{"listDatabases", 1}, {"nameOnly", true}}), "the deployment"));
  const auto databases = reply["databases"].to_array();
  if (!databases) return tl::unexpected(malformed("listDatabases", "the deployment", "lists no databases"));
  std::vector<std::string> names;
  for (const auto& database : *databases) {
    const auto name = database.to_document().value_or(bson::View())["name"];
    if (!is_name(name)) return tl::unexpected(malformed("listDatabases", "the deployment", "holds a database without a name"));
    names.emplace_back(name.string_value());
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::vector<CollectionInfo>> MongoDeployment::list_collections(const std::string& db) {
  return list_matching(db, bson::View());
}

Result<std::optional<CollectionInfo>> MongoDeployment::find_collection(const Namespace& ns) {
  auto found = TRY(list_matching(ns.db, bson::make_document({{"name", ns.collection}})));
  return found.empty() ? std::nullopt : std::optional(std::move(found.front()));
}

Result<std::optional<CollectionInfo>> MongoDeployment::find_collection(const std::string& db, const Uuid& uuid) {
  auto found = TRY(list_matching(db, bson::make_document({{"info.uuid", uuid}})));
  return found.empty() ? std::nullopt : std::optional(std::move(found.front()));
}

Result<std::vector<CollectionInfo>> MongoDeployment::list_matching(const std::string& db, bson::View filter) {
  bson::Builder list;
  list.append("listCollections", 1);
  if (!filter.empty()) list.append("filter", filter);
  list.open_document("cursor");
  std::vector<CollectionInfo> infos;
  const auto entries = TRY(read_all(*pool_, std::move(list).finish(), {.db = db, .on = db}));
  for (const auto& entry : entries) {
    if (is_server_owned_collection(entry["name"].to_string_view().value_or(""))) continue;
    auto parsed = parse_info(db, entry);
    if (!parsed) return tl::unexpected(malformed("listCollections", db, parsed.error().message));
    auto info = std::move(*parsed);
    if (info.kind == CollectionKind::kCollection) {
      bson::Builder command;
      // By UUID: of this very collection, not of another that took its name since.
      command.append("listIndexes", info.uuid);
      command.open_document("cursor");
      command.append("includeBuildUUIDs", true);
      auto specs = read_all(*pool_, std::move(command).finish(), {.db = db, .on = info.ns.to_string()});
      if (!specs) {
        if (specs.error().server_code == kNamespaceNotFound) continue;  // dropped since: as if listed later
        return tl::unexpected(std::move(specs).error());
      }
      // One that is still being built may yet be given up: it does not exist.
      for (const auto& spec : *specs) {
        if (spec["buildUUID"] || spec["indexBuildInfo"]) continue;
        if (const auto wrong = wrong_index(spec); !wrong.empty()) return tl::unexpected(malformed("listIndexes", info.ns.to_string(), wrong));
        info.indexes.push_back(portable(spec));
      }
      std::stable_partition(info.indexes.begin(), info.indexes.end(),
                            [](const auto& spec) { return spec["name"].to_string_view() == "_id_"; });
    }
    infos.push_back(std::move(info));
  }
  std::sort(infos.begin(), infos.end(), [](const auto& a, const auto& b) { return a.ns < b.ns; });
  return infos;
}

// The feature compatibility version is what decides, and nobody changes it during a migration.
Result<bool> MongoDeployment::has_features_of(int major, int minor) {
  if (features_of_ < 0) {
    const auto fcv = TRY(facts()).fcv;
    features_of_ = 100 * fcv.major + fcv.minor;
  }
  return features_of_ >= 100 * major + minor;
}

Status MongoDeployment::change_catalog(std::string_view db, bson::View command, std::string_view on, const CatalogCall& call,
                                       std::optional<std::chrono::milliseconds> limit) {
  bson::Builder full;
  full.append_all(command);
  if (!call.collection.is_nil() && TRY(has_features_of(6, 0))) full.append("collectionUUID", call.collection);
  append_majority_write(full);
  TRY(pool_->run({.db = db,
                  .command = std::move(full).finish(),
                  .on = on,
                  .session = catalog_session_ && !call.detached ? &*catalog_session_ : nullptr,
                  .stop = call.stop,
                  .reply_limit = limit}));
  return {};
}

Status MongoDeployment::create_collection(const Namespace& ns, bson::View options, const bson::Document* id_index) {
  bson::Builder command;
  command.append("create", ns.collection).append_all(options);
  if (id_index != nullptr) command.append("idIndex", portable(*id_index));
  return change_catalog(ns.db, std::move(command).finish(), ns.to_string());
}

Status MongoDeployment::drop_collection(const Namespace& ns, const CatalogCall& call) {
  return missing_is_fine(change_catalog(ns.db, bson::make_document({{"drop", ns.collection}}), ns.to_string(), call),
                         {kNamespaceNotFound});
}

Status MongoDeployment::rename_collection(const Namespace& from, const Namespace& to, bool drop_target,
                                          const CatalogCall& call) {
  return change_catalog("admin",
                        bson::make_document({{"renameCollection", from.to_string()},
                                             {"to", to.to_string()},
                                             {"dropTarget", drop_target}}),
                        from.to_string(), call);
}

Status MongoDeployment::create_indexes(const Namespace& ns, std::span<const bson::Document> specs, const CatalogCall& call) {
  if (specs.empty()) return {};
  bson::Builder command;
  command.append("createIndexes", ns.collection);
  {
    auto indexes = command.open_array("indexes");
    for (const auto& spec : specs) indexes.append(with_own_collation(portable(spec)));
  }
  // As the writes do, a build waits for a majority: not for a member that is down, as it would by default.
  if (TRY(has_features_of(4, 4))) command.append("commitQuorum", "majority");
  return change_catalog(ns.db, std::move(command).finish(), ns.to_string(), call, kLongReply);
}

Status MongoDeployment::drop_index(const Namespace& ns, const std::string& name, const CatalogCall& call) {
  return missing_is_fine(
      change_catalog(ns.db, bson::make_document({{"dropIndexes", ns.collection}, {"index", name}}), ns.to_string(), call),
      {kNamespaceNotFound, kIndexNotFound});
}

Status MongoDeployment::coll_mod(const Namespace& ns, bson::View fields, const CatalogCall& call) {
  bson::Builder command;
  command.append("collMod", ns.collection).append_all(fields);
  return change_catalog(ns.db, std::move(command).finish(), ns.to_string(), call, kLongReply);
}

// A build is given up by dropping all of its indexes in one command.
Status MongoDeployment::abort_index_builds(const Namespace& ns, const Uuid& collection) {
  bson::Builder list;
  list.append("listIndexes", collection);
  list.open_document("cursor");
  list.append("includeBuildUUIDs", true);
  const auto specs = read_all(*pool_, std::move(list).finish(), {.db = ns.db, .on = ns.to_string()});
  if (!specs) return missing_is_fine(tl::unexpected(specs.error()), {kNamespaceNotFound});
  std::map<Uuid, std::vector<std::string>> builds;
  for (const auto& entry : *specs) {
    const auto build = entry["buildUUID"].to_uuid();
    if (build) builds[*build].emplace_back(entry.view().at_path("spec.name").to_string_view().value_or(""));
  }
  for (const auto& [build, names] : builds) {
    bson::Builder command;
    command.append("dropIndexes", ns.collection);
    {
      auto array = command.open_array("index");
      for (const auto& name : names) array.append(name);
    }
    TRY(missing_is_fine(change_catalog(ns.db, std::move(command).finish(), ns.to_string(), {.collection = collection}),
                        {kNamespaceNotFound, kIndexNotFound, kCollectionUuidMismatch}));
  }
  return {};
}

}  // namespace drover::cluster
