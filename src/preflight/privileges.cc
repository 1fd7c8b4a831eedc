// What the user of a side must be allowed, action by action, and the role that brings it (docs/operations/permissions.md).
#include <map>
#include <optional>
#include <set>
#include <string>

#include <fmt/format.h>

#include "preflight/checks.h"

namespace drover::preflight {
namespace {

enum class On { kCluster, kEveryCollection, kOplog };

struct Need {
  Side side;
  On on;
  std::string_view action;
  std::string_view role;
  ServerVersion since = {0, 0, 0};
};

constexpr ServerVersion kWithWriteBlock{6, 0, 0};

constexpr Need kNeeds[] = {
    {Side::kSource, On::kCluster, "appendOplogNote", "backup"},
    {Side::kSource, On::kCluster, "getParameter", "clusterMonitor"},
    {Side::kSource, On::kCluster, "listDatabases", "clusterMonitor"},
    {Side::kSource, On::kCluster, "useUUID", "clusterMonitor"},
    {Side::kSource, On::kCluster, "inprog", "clusterMonitor"},
    {Side::kSource, On::kCluster, "serverStatus", "clusterMonitor"},
    {Side::kSource, On::kCluster, "setUserWriteBlockMode", "droverWriteBlock", kWithWriteBlock},
    {Side::kSource, On::kEveryCollection, "find", "backup"},
    {Side::kSource, On::kEveryCollection, "listCollections", "backup"},
    {Side::kSource, On::kEveryCollection, "listIndexes", "backup"},
    {Side::kSource, On::kEveryCollection, "collStats", "clusterMonitor"},
    {Side::kSource, On::kOplog, "find", "backup"},
    {Side::kDestination, On::kCluster, "getParameter", "clusterMonitor"},
    {Side::kDestination, On::kCluster, "listDatabases", "clusterMonitor"},
    {Side::kDestination, On::kCluster, "useUUID", "clusterMonitor"},
    {Side::kDestination, On::kCluster, "inprog", "clusterMonitor"},
    {Side::kDestination, On::kCluster, "serverStatus", "clusterMonitor"},
    {Side::kDestination, On::kCluster, "setUserWriteBlockMode", "droverWriteBlock", kWithWriteBlock},
    {Side::kDestination, On::kCluster, "bypassWriteBlockingMode", "droverWriteBlock", kWithWriteBlock},
    {Side::kDestination, On::kEveryCollection, "find", "readWriteAnyDatabase"},
    {Side::kDestination, On::kEveryCollection, "insert", "readWriteAnyDatabase"},
    {Side::kDestination, On::kEveryCollection, "update", "readWriteAnyDatabase"},
    {Side::kDestination, On::kEveryCollection, "remove", "readWriteAnyDatabase"},
    {Side::kDestination, On::kEveryCollection, "createCollection", "readWriteAnyDatabase"},
    {Side::kDestination, On::kEveryCollection, "dropCollection", "readWriteAnyDatabase"},
    {Side::kDestination, On::kEveryCollection, "createIndex", "readWriteAnyDatabase"},
    {Side::kDestination, On::kEveryCollection, "dropIndex", "readWriteAnyDatabase"},
    {Side::kDestination, On::kEveryCollection, "renameCollectionSameDB", "readWriteAnyDatabase"},
    {Side::kDestination, On::kEveryCollection, "listCollections", "readWriteAnyDatabase"},
    {Side::kDestination, On::kEveryCollection, "listIndexes", "readWriteAnyDatabase"},
    {Side::kDestination, On::kEveryCollection, "collStats", "readWriteAnyDatabase"},
    {Side::kDestination, On::kEveryCollection, "collMod", "restore"},
    {Side::kDestination, On::kEveryCollection, "bypassDocumentValidation", "restore"},
};

// Held actions, by the resources that matter here.
struct Held {
  std::set<std::string, std::less<>> cluster, every_collection, oplog;
};

void add_actions(bson::View privilege, std::set<std::string, std::less<>>& held) {
  for (const auto& action : privilege["actions"].to_array().value_or(bson::View())) {
    if (const auto name = action.to_string_view()) held.emplace(*name);
  }
}

Held read_privileges(bson::View privileges) {
  Held held;
  for (const auto& item : privileges) {
    const auto privilege = item.to_document().value_or(bson::View());
    const auto resource = privilege["resource"].to_document().value_or(bson::View());
    const bool any = resource["anyResource"].is_truthy();
    const auto db = resource["db"].to_string_view();
    const auto collection = resource["collection"].to_string_view();
    if (any || resource["cluster"].is_truthy()) add_actions(privilege, held.cluster);
    if (any || (db == "" && collection == "")) add_actions(privilege, held.every_collection);
    if (any || (db == "local" && (collection == "" || collection == "oplog.rs"))) add_actions(privilege, held.oplog);
  }
  return held;
}

bool holds(const Held& held, const Need& need) {
  switch (need.on) {
    case On::kCluster: return held.cluster.contains(need.action);
    case On::kEveryCollection: return held.every_collection.contains(need.action);
    case On::kOplog: return held.oplog.contains(need.action);
  }
  return false;
}

std::string place(On on) {
  switch (on) {
    case On::kCluster: return "the cluster";
    case On::kEveryCollection: return "every collection";
    case On::kOplog: return "local.oplog.rs";
  }
  return {};
}

}  // namespace

void check_privileges(Side side, bson::View privileges, const cluster::Facts& facts, Findings& findings) {
  const auto held = read_privileges(privileges);
  std::map<std::string_view, std::string> missing;  // role → actions
  for (const auto& need : kNeeds) {
    if (need.side != side || facts.version < need.since || holds(held, need)) continue;
    auto& text = missing[need.role];
    if (!text.empty()) text += ", ";
    text += fmt::format("{} on {}", need.action, place(need.on));
  }
  for (const auto& [role, actions] : missing) {
    findings.push_back({fmt::format("{}-privileges", side_name(side)), side, Severity::kRefuse,
                        side == Side::kSource ? ErrorCode::kSource : ErrorCode::kDestination,
                        fmt::format("its user lacks {}", actions),
                        fmt::format("grant the role {} (docs/operations/permissions.md)", role)});
  }
}

}  // namespace drover::preflight
