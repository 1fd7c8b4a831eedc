#include "preflight/found_migration.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "bson/builder.h"
#include "preflight/checks.h"

namespace drover::preflight {
namespace {

constexpr int kUnauthorized = 13;
// The names that they give to the server (cluster::MongoOptions::app_name).
constexpr const char* kMigratingPrograms[] = {"drover migrate", "drover sync"};

std::string text_of(bson::View identity) {
  std::vector<std::string> hosts;
  for (const auto& host : identity["hosts"].to_array().value_or(bson::View()))
    hosts.emplace_back(host.to_string_view().value_or("?"));
  return fmt::format("{} ({})", identity["set"].to_string_view().value_or("?"), fmt::join(hosts, ", "));
}

// The migration's catalog knows the source's collections by UUID, which no other deployment has.
Result<bool> knows_some_of(cluster::Deployment& destination, const std::vector<CollectionInfo>& source_collections) {
  std::set<Uuid> known;
  for (const auto& document : TRY(destination.load_state("x_catalog"))) {
    if (const auto uuid = document["_id"].to_uuid(); uuid && !document["gone"].is_truthy()) known.insert(*uuid);
  }
  return known.empty() || std::any_of(source_collections.begin(), source_collections.end(),
                                      [&](const CollectionInfo& info) { return known.contains(info.uuid); });
}

}  // namespace

bson::Document identity_of(const cluster::Facts& source) {
  bson::Builder builder;
  builder.append("set", source.set_name).append("id", source.replica_set_id);
  {
    auto hosts = builder.open_array("hosts");
    for (const auto& host : source.hosts) hosts.append(host);
  }
  return std::move(builder).finish();
}

Result<FoundMigration> find_migration(cluster::Deployment& destination, const cluster::Facts& source,
                                      const std::vector<CollectionInfo>& source_collections) {
  FoundMigration found;
  const auto load = [&](const std::string& collection) { return destination.load_state(collection); };
  if (const auto removal = TRY(unfinished_removal(load))) {
    found.half_removed = true;
    found.phase = removal->committed ? MigrationPhase::kCommitted : removal->recorded ? MigrationPhase::kBegun : MigrationPhase::kRemnant;
    return found;
  }
  const auto migrations = TRY(load("x_migration"));
  if (migrations.empty()) {
    if (!TRY(load("x_owner")).empty() || !TRY(load("x_control")).empty()) found.phase = MigrationPhase::kRemnant;
    return found;
  }
  const auto& migration = migrations.front();
  found.phase = MigrationPhase::kBegun;
  found.migration = migration["uuid"].to_uuid().value_or(Uuid{});
  for (const auto& cutover : TRY(destination.load_state("x_cutover")))
    if (cutover["step"].to_string_view() != std::string_view("intent")) found.phase = MigrationPhase::kDecided;
  if (migration["phase"].to_string_view() == std::string_view("committed")) found.phase = MigrationPhase::kCommitted;

  const auto identity = migration["source"].to_document();
  if (identity) found.source = text_of(*identity);
  const auto id = identity ? (*identity)["id"] : bson::Element();
  if (id.type() == bson::Type::kObjectId && id.object_id_value() != bson::ObjectId{} && source.replica_set_id != bson::ObjectId{}) {
    found.of_this_source = id.object_id_value() == source.replica_set_id;
  } else {
    found.of_this_source = TRY(knows_some_of(destination, source_collections));
  }
  return found;
}

Result<FoundMigration> find_migration(cluster::Deployment& source, cluster::Deployment& destination) {
  const auto facts = TRY_WITH(source.facts(), "looking at the source");
  const auto collections = TRY_WITH(list_all(source), "listing the collections of the source");
  return find_migration(destination, facts, collections);
}

Result<std::vector<std::string>> who_migrates(cluster::Deployment& destination) {
  bson::Builder command;
  command.append("aggregate", 1);
  {
    auto pipeline = command.open_array("pipeline");
    {
      auto stage = pipeline.open_document();
      stage.open_document("$currentOp").append("allUsers", true).append("idleConnections", true);
    }
    auto stage = pipeline.open_document();
    auto match = stage.open_document("$match");
    auto names = match.open_document("appName");
    auto in = names.open_array("$in");
    for (const auto* name : kMigratingPrograms) in.append(name);
  }
  command.open_document("cursor").append("batchSize", 1000);
  const auto reply = destination.run_command("admin", std::move(command).finish());
  if (!reply) {
    if (reply.error().server_code == kUnauthorized) return std::vector<std::string>();
    return tl::unexpected(reply.error());
  }
  std::set<std::string> who;
  for (const auto& item : reply->view().at_path("cursor.firstBatch").to_array().value_or(bson::View())) {
    const auto connection = item.to_document().value_or(bson::View());
    const auto name = connection["appName"].to_string_view().value_or("");
    const auto client = connection["client"].to_string_view().value_or("?");
    who.insert(fmt::format("{} from {}", name, client.substr(0, client.rfind(':'))));
  }
  return std::vector<std::string>(who.begin(), who.end());
}

}  // namespace drover::preflight
