#include "control/database_roles.h"

#include <algorithm>
#include <array>

namespace drover::control {
namespace {

constexpr std::array<std::string_view, 7> kAdminRoles{"atlasAdmin", "backup", "clusterMonitor", "dbAdminAnyDatabase", "enableSharding", "readAnyDatabase",
                                                      "readWriteAnyDatabase"};
constexpr std::array<std::string_view, 3> kDatabaseRoles{"dbAdmin", "read", "readWrite"};
constexpr std::array<std::string_view, 4> kAtlasAdmin{"readWriteAnyDatabase", "dbAdminAnyDatabase", "clusterMonitor", "enableSharding"};
// Those of servers that Atlas does not give.
constexpr std::array<std::string_view, 12> kServerRoles{"__queryableBackup", "__system", "clusterAdmin", "clusterManager", "dbOwner", "directShardOperations",
                                                        "hostManager", "restore", "root", "searchCoordinator", "userAdmin", "userAdminAnyDatabase"};

constexpr PrivilegeAction kActions[] = {
    {"FIND", "find"}, {"INSERT", "insert"}, {"REMOVE", "remove"}, {"UPDATE", "update"}, {"BYPASS_DOCUMENT_VALIDATION", "bypassDocumentValidation"},
    {"USE_UUID", "useUUID", true}, {"KILL_OP", "killop", true}, {"BYPASS_DEFAULT_MAX_TIME_MS", "bypassDefaultMaxTimeMS", true},
    {"CREATE_COLLECTION", "createCollection"}, {"CREATE_INDEX", "createIndex"}, {"DROP_COLLECTION", "dropCollection"}, {"ENABLE_PROFILER", "enableProfiler"},
    {"KILL_ANY_CURSOR", "killAnyCursor", true}, {"CHANGE_STREAM", "changeStream"}, {"COLL_MOD", "collMod"}, {"COMPACT", "compact"},
    {"CONVERT_TO_CAPPED", "convertToCapped"}, {"DROP_DATABASE", "dropDatabase"}, {"DROP_INDEX", "dropIndex"}, {"RE_INDEX", "reIndex"},
    {"RENAME_COLLECTION_SAME_DB", "renameCollectionSameDB"}, {"SET_USER_WRITE_BLOCK", "setUserWriteBlockMode", true},
    {"BYPASS_USER_WRITE_BLOCK", "bypassWriteBlockingMode", true}, {"LIST_SESSIONS", "listSessions", true}, {"KILL_ANY_SESSION", "killAnySession", true},
    {"COLL_STATS", "collStats"}, {"CONN_POOL_STATS", "connPoolStats", true}, {"DB_HASH", "dbHash"}, {"DB_STATS", "dbStats"},
    {"GET_CMD_LINE_OPTS", "getCmdLineOpts", true}, {"GET_LOG", "getLog", true}, {"GET_PARAMETER", "getParameter", true}, {"GET_SHARD_MAP", "getShardMap", true},
    {"HOST_INFO", "hostInfo", true}, {"IN_PROG", "inprog", true}, {"LIST_DATABASES", "listDatabases", true}, {"LIST_COLLECTIONS", "listCollections"},
    {"LIST_INDEXES", "listIndexes"}, {"LIST_SHARDS", "listShards", true}, {"NET_STAT", "netstat", true}, {"REPL_SET_GET_CONFIG", "replSetGetConfig", true},
    {"REPL_SET_GET_STATUS", "replSetGetStatus", true}, {"SERVER_STATUS", "serverStatus", true}, {"VALIDATE", "validate"}, {"SHARDING_STATE", "shardingState", true},
    {"TOP", "top", true}, {"FLUSH_ROUTER_CONFIG", "flushRouterConfig", true}, {"ENABLE_SHARDING", "enableSharding"},
    {"CHECK_METADATA_CONSISTENCY", "checkMetadataConsistency"}, {"MOVE_CHUNK", "moveChunk"}, {"SPLIT_CHUNK", "splitChunk"}, {"ANALYZE_SHARD_KEY", "analyzeShardKey"},
    {"REFINE_COLLECTION_SHARD_KEY", "refineCollectionShardKey"}, {"CLEAR_JUMBO_FLAG", "clearJumboFlag"}, {"RESHARD_COLLECTION", "reshardCollection"},
    {"SHARDED_DATA_DISTRIBUTION", "shardedDataDistribution", true},
    {"SQL_GET_SCHEMA", ""}, {"SQL_SET_SCHEMA", ""}, {"VIEW_ALL_HISTORY", ""}, {"OUT_TO_S3", ""}, {"OUT_TO_AZURE", ""}, {"OUT_TO_GCS", ""}, {"STORAGE_GET_CONFIG", ""},
    {"STORAGE_SET_CONFIG", ""}, {"GET_STREAM_PROCESSOR", ""}, {"CREATE_STREAM_PROCESSOR", ""}, {"PROCESS_STREAM_PROCESSOR", ""}, {"START_STREAM_PROCESSOR", ""},
    {"STOP_STREAM_PROCESSOR", ""}, {"DROP_STREAM_PROCESSOR", ""}, {"SAMPLE_STREAM_PROCESSOR", ""}, {"LIST_STREAM_PROCESSORS", ""}, {"LIST_CONNECTIONS", ""},
    {"STREAM_PROCESSOR_STATS", ""},
};

template <std::size_t N>
bool in(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

bool is_database_role(const DatabaseUserRole& role) {
  if (in(kAdminRoles, role.name)) return role.database == "admin";
  return in(kDatabaseRoles, role.name) && is_database_name(role.database);
}

std::vector<DatabaseUserRole> server_roles_of(const DatabaseUserRole& role) {
  if (role.name != "atlasAdmin") return {role};
  std::vector<DatabaseUserRole> parts;
  for (const auto part : kAtlasAdmin) parts.push_back({std::string(part), "admin"});
  return parts;
}

bool is_builtin_role_name(std::string_view name) { return in(kAdminRoles, name) || in(kDatabaseRoles, name) || in(kServerRoles, name); }

bool is_database_name(std::string_view name) {
  return !name.empty() && name.size() < 64 && name.find_first_of(std::string_view("/\\. \"$*<>:|?\0", 13)) == std::string_view::npos;
}

const PrivilegeAction* privilege_action(std::string_view name) {
  const auto found = std::find_if(std::begin(kActions), std::end(kActions), [&](const PrivilegeAction& action) { return action.name == name; });
  return found == std::end(kActions) ? nullptr : found;
}

}  // namespace drover::control
