#include "sandbox/auth/privileges.h"

#include <algorithm>
#include <iterator>
#include <optional>

#include <fmt/core.h>

namespace drover::sandbox::auth {

namespace {

using Kind = ResourcePattern::Kind;

bool is_system(std::string_view collection) { return collection.starts_with("system."); }
// The time-series collection that buckets belong to.
std::optional<std::string_view> of_buckets(std::string_view collection) {
  constexpr std::string_view kPrefix = "system.buckets.";
  return collection.starts_with(kPrefix) ? std::optional(collection.substr(kPrefix.size())) : std::nullopt;
}
bool is_normal(std::string_view db) { return db != "local" && db != "config"; }

Result<ResourcePattern> parse_resource(bson::View resource) {
  if (resource["anyResource"].is_truthy()) return ResourcePattern::any();
  if (resource["cluster"].is_truthy()) return ResourcePattern::cluster();
  const auto db = resource["db"].to_string_view();
  const auto collection = resource["collection"].to_string_view();
  if (const auto buckets = resource["system_buckets"].to_string_view(); buckets && !collection) {
    return ResourcePattern{ResourcePattern::Kind::kBuckets, std::string(db.value_or("")), std::string(*buckets)};
  }
  if (!db || !collection) {
    return server_error(9, "resource must have exactly 'db' and 'collection' set, or 'cluster' or 'anyResource'");
  }
  if (db->empty()) {
    return collection->empty() ? ResourcePattern::any_normal() : ResourcePattern::collection_name(std::string(*collection));
  }
  if (collection->empty()) return ResourcePattern::database(std::string(*db));
  return ResourcePattern::exact(std::string(*db), std::string(*collection));
}

// Every action that a server from 4.4 to 8.0 has; sorted.
constexpr std::string_view kActions[] = {
    "addShard", "advanceClusterTime", "advanceLogicalTime", "allCollectionStats", "analyze", "analyzeShardKey", "anyAction",
    "appendOplogNote", "applicationMessage", "applyOps", "auditConfigure", "auditLogRotate", "authCheck", "authSchemaUpgrade",
    "authenticate", "bypassDefaultMaxTimeMS", "bypassDocumentValidation", "bypassWriteBlockingMode", "changeCustomData", "changeOwnCustomData", "changeOwnPassword",
    "changePassword", "changeStream", "checkFreeMonitoringStatus", "checkMetadataConsistency", "cleanupOrphaned",
    "cleanupStructuredEncryptionData", "clearJumboFlag", "closeAllDatabases", "collMod", "collStats", "compact",
    "compactStructuredEncryptionData", "configureQueryAnalyzer", "connPoolStats", "connPoolSync", "convertToCapped", "cpuProfiler",
    "createCollection", "createDatabase", "createIndex", "createRole", "createSearchIndexes", "createUser", "dbCheck", "dbHash", "dbStats",
    "dropAllRolesFromDatabase", "dropAllUsersFromDatabase", "dropCollection", "dropConnections", "dropDatabase", "dropIndex", "dropRole",
    "dropSearchIndex", "dropUser", "emptycapped", "enableProfiler", "enableSharding", "exportCollection", "find", "flushRouterConfig",
    "forceUUID", "fsync", "fsyncUnlock", "getChangeStreamState", "getClusterParameter", "getCmdLineOpts", "getDatabaseVersion",
    "getDefaultRWConcern", "getLog", "getParameter", "getShardMap", "getShardVersion", "grantPrivilegesToRole", "grantRole",
    "grantRolesToRole", "grantRolesToUser", "hostInfo", "impersonate", "importCollection", "indexStats", "inprog", "insert", "internal",
    "invalidateUserCache", "issueDirectShardOperations", "killAnyCursor", "killAnySession", "killCursors", "killop",
    "listCachedAndActiveUsers", "listCollections", "listCursors", "listDatabases", "listIndexes", "listSampledQueries", "listSearchIndexes",
    "listSessions", "listShards", "logRotate", "moveChunk", "moveCollection", "netstat", "oidReset", "oidcListKeys", "oidcRefreshKeys",
    "operationMetrics", "planCacheIndexFilter", "planCacheRead", "planCacheWrite", "querySettings", "queryStatsRead",
    "queryStatsReadTransformed", "reIndex", "refineCollectionShardKey", "remove", "removeShard", "renameCollection",
    "renameCollectionSameDB", "repairDatabase", "replSetConfigure", "replSetGetConfig", "replSetGetStatus", "replSetHeartbeat",
    "replSetReconfig", "replSetResizeOplog", "replSetStateChange", "reshardCollection", "resync", "revokePrivilegesFromRole", "revokeRole",
    "revokeRolesFromRole", "revokeRolesFromUser", "rotateCertificates", "runAsLessPrivilegedUser", "runTenantMigration", "serverStatus",
    "setAuthenticationRestriction", "setChangeStreamState", "setClusterParameter", "setDefaultRWConcern", "setFeatureCompatibilityVersion",
    "setFreeMonitoring", "setParameter", "setUserWriteBlockMode", "shardCollection", "shardedDataDistribution", "shardingState", "shutdown",
    "splitChunk", "splitVector", "storageDetails", "top", "touch", "trafficRecord", "transitionFromDedicatedConfigServer",
    "transitionToDedicatedConfigServer", "unlock", "update", "updateRole", "updateSearchIndex", "updateUser", "useTenant", "useUUID",
    "validate", "viewDefaultRWConcern", "viewRole", "viewUser"};

void append_resource(bson::Builder& out, const ResourcePattern& pattern) {
  auto resource = out.open_document("resource");
  switch (pattern.kind) {
    case Kind::kCluster: resource.append("cluster", true); return;
    case Kind::kAny: resource.append("anyResource", true); return;
    case Kind::kBuckets: resource.append("db", pattern.db).append("system_buckets", pattern.collection); return;
    default: resource.append("db", pattern.db).append("collection", pattern.collection);
  }
}

}  // namespace

void PrivilegeSet::remove(const ResourcePattern& resource, std::string_view action) {
  const auto found = actions_.find(resource);
  if (found == actions_.end()) return;
  if (const auto at = found->second.find(action); at != found->second.end()) found->second.erase(at);
  if (found->second.empty()) actions_.erase(found);
}

void PrivilegeSet::merge(const PrivilegeSet& other) {
  for (const auto& [resource, actions] : other.actions_) actions_[resource].insert(actions.begin(), actions.end());
}

bool PrivilegeSet::has(const ResourcePattern& resource, std::string_view action) const {
  const auto found = actions_.find(resource);
  return found != actions_.end() && (found->second.contains(action) || found->second.contains(kAnyAction));
}

bool PrivilegeSet::allows(std::string_view action, const Resource& resource) const {
  if (has(ResourcePattern::any(), action)) return true;
  const auto& [db, collection] = resource.ns;
  switch (resource.kind) {
    case Resource::Kind::kCluster: return has(ResourcePattern::cluster(), action);
    case Resource::Kind::kAnyNormal: return has(ResourcePattern::any_normal(), action);
    case Resource::Kind::kDatabase:
      return (is_normal(db) && has(ResourcePattern::any_normal(), action)) || has(ResourcePattern::database(db), action);
    case Resource::Kind::kCollection:
      if (!is_system(collection)) {
        if (is_normal(db) && has(ResourcePattern::any_normal(), action)) return true;
        if (has(ResourcePattern::database(db), action)) return true;
      } else if (const auto name = of_buckets(collection)) {
        for (const auto& pattern_db : {std::string(), db}) {
          for (const auto& pattern_name : {std::string(), std::string(*name)}) {
            if (has({Kind::kBuckets, pattern_db, pattern_name}, action)) return true;
          }
        }
      }
      return has(ResourcePattern::collection_name(collection), action) ||
             has(ResourcePattern::exact(db, collection), action);
  }
  return false;
}

bool PrivilegeSet::any_on(const Namespace& ns) const {
  const auto given = [&](const ResourcePattern& pattern) { return actions_.contains(pattern); };
  if (given(ResourcePattern::any()) || given(ResourcePattern::collection_name(ns.collection)) || given(ResourcePattern::exact(ns.db, ns.collection))) return true;
  if (is_system(ns.collection)) return false;
  return given(ResourcePattern::database(ns.db)) || (is_normal(ns.db) && given(ResourcePattern::any_normal()));
}

bool PrivilegeSet::any_in(std::string_view db) const {
  for (const auto& [pattern, actions] : actions_) {
    switch (pattern.kind) {
      case Kind::kAny:
      case Kind::kBuckets:
      case Kind::kCollectionName: return true;
      case Kind::kAnyNormal:
        if (is_normal(db)) return true;
        break;
      case Kind::kDatabase:
      case Kind::kCollection:
        if (pattern.db == db) return true;
        break;
      case Kind::kCluster: break;
    }
  }
  return false;
}

bson::Document PrivilegeSet::to_bson() const {
  bson::ArrayBuilder out;
  for (const auto& [resource, actions] : actions_) {
    auto privilege = out.open_document();
    append_resource(privilege, resource);
    auto list = privilege.open_array("actions");
    for (const auto& action : actions) list.append(action);
  }
  return std::move(out).finish();
}

Result<PrivilegeSet> PrivilegeSet::parse(bson::View array) {
  PrivilegeSet set;
  for (const auto& item : array) {
    const auto privilege = item.to_document();
    if (!privilege) return server_error(9, "privilege must be an object");
    const auto resource = (*privilege)["resource"].to_document();
    const auto actions = (*privilege)["actions"].to_array();
    if (!resource || !actions) return server_error(9, "privilege must have 'resource' and 'actions' fields");
    const auto pattern = TRY(parse_resource(*resource));
    for (const auto& action : *actions) {
      const auto name = action.to_string_view();
      if (!name) return server_error(9, "privilege actions must be strings");
      if (!std::binary_search(std::begin(kActions), std::end(kActions), *name)) {
        return server_error(9, fmt::format("Unrecognized action privilege strings: {}", *name));
      }
      set.add(pattern, *name);
    }
  }
  return set;
}

}  // namespace drover::sandbox::auth
