#include "sandbox/auth/builtin_roles.h"

#include <array>
#include <span>

#include "sandbox/commands/support.h"

namespace drover::sandbox::auth {

namespace {

using Actions = std::span<const std::string_view>;
using R = ResourcePattern;

constexpr std::string_view kRead[] = {"changeStream", "collStats", "dbHash", "dbStats", "find",
                                      "killCursors", "listCollections", "listIndexes", "planCacheRead"};
constexpr std::string_view kWrite[] = {"convertToCapped", "createCollection", "createIndex", "dropCollection", "dropIndex", "emptycapped",
                                       "insert", "remove", "renameCollectionSameDB", "update"};
constexpr std::string_view kProfile[] = {"convertToCapped", "createCollection", "dropCollection"};  // and kRead
constexpr std::string_view kIndexes[] = {"createIndex", "dropIndex"};
constexpr std::string_view kDbAdmin[] = {
    "bypassDocumentValidation", "collMod", "collStats", "compact", "convertToCapped", "createCollection", "createIndex",
    "dbStats", "dropCollection", "dropDatabase", "dropIndex", "enableProfiler", "indexStats", "listCollections",
    "listIndexes", "planCacheIndexFilter", "planCacheRead", "planCacheWrite", "reIndex", "renameCollectionSameDB",
    "storageDetails", "validate"};
constexpr std::string_view kUserAdmin[] = {"changeCustomData", "changePassword", "createRole", "createUser", "dropRole",
                                           "dropUser", "grantRole", "revokeRole", "setAuthenticationRestriction",
                                           "viewRole", "viewUser"};
constexpr std::string_view kMonitorCluster[] = {
    "checkFreeMonitoringStatus", "connPoolStats", "getCmdLineOpts", "getDefaultRWConcern", "getLog", "getParameter",
    "getShardMap", "hostInfo", "inprog", "listDatabases", "listSessions", "listShards", "netstat", "replSetGetConfig",
    "replSetGetStatus", "serverStatus", "shardingState", "top", "useUUID"};
constexpr std::string_view kMonitorDatabase[] = {"collStats", "dbStats", "getDatabaseVersion", "getShardVersion", "indexStats"};
constexpr std::string_view kHostCluster[] = {
    "applicationMessage", "closeAllDatabases", "connPoolSync", "cpuProfiler", "dropConnections", "flushRouterConfig", "fsync",
    "invalidateUserCache", "killAnyCursor", "killAnySession", "killop", "logRotate", "replSetResizeOplog", "resync", "rotateCertificates",
    "setParameter", "shutdown", "touch", "trafficRecord", "unlock"};
constexpr std::string_view kManagerCluster[] = {
    "addShard", "appendOplogNote", "applicationMessage", "cleanupOrphaned", "flushRouterConfig", "getDefaultRWConcern",
    "listSessions", "listShards", "removeShard", "replSetConfigure", "replSetGetConfig", "replSetGetStatus",
    "replSetStateChange", "resync", "setDefaultRWConcern", "setFeatureCompatibilityVersion", "setFreeMonitoring"};
constexpr std::string_view kManagerDatabase[] = {"clearJumboFlag", "enableSharding", "moveChunk", "refineCollectionShardKey",
                                                 "reshardCollection", "splitChunk", "splitVector"};
constexpr std::string_view kConfigWrites[] = {"insert", "remove", "update"};
constexpr std::string_view kQueryableBackupCluster[] = {"getParameter", "listDatabases", "useUUID"};
constexpr std::string_view kQueryableBackupAny[] = {"collStats", "listCollections", "listIndexes"};
constexpr std::string_view kBackupCluster[] = {"appendOplogNote", "serverStatus"};
constexpr std::string_view kRestoreCluster[] = {"forceUUID", "getParameter", "useUUID"};
constexpr std::string_view kRestoreCollection[] = {"bypassDocumentValidation", "collMod", "convertToCapped",
                                                   "createCollection", "createIndex", "dropCollection", "insert"};
constexpr std::string_view kEditUsers[] = {"find", "remove", "update"};  // and kRestoreCollection

class RoleBuilder {
 public:
  explicit RoleBuilder(ServerVersion version) : version_(version) {}

  void read(const std::string& db) {
    set_.add_all(R::database(db), kRead);
    set_.add_all(R::exact(db, "system.js"), kRead);
  }
  void read_write(const std::string& db) {
    read(db);
    set_.add_all(R::database(db), kWrite);
    set_.add_all(R::exact(db, "system.js"), kWrite);
  }
  void user_admin(const std::string& db) { set_.add_all(R::database(db), kUserAdmin); }
  void db_admin(const std::string& db) {
    set_.add_all(R::database(db), kDbAdmin);
    set_.add_all(R::exact(db, "system.profile"), kRead);
    set_.add_all(R::exact(db, "system.profile"), kProfile);
  }
  void enable_sharding(const std::string&) {
    set_.add_all(R::any_normal(), std::array<std::string_view, 2>{"enableSharding", "refineCollectionShardKey"});
    if (at_least(5)) set_.add(R::any_normal(), "reshardCollection");
  }
  void db_owner(const std::string& db) {
    read_write(db);
    user_admin(db);
    db_admin(db);
  }
  void read_any() {
    set_.add_all(R::any_normal(), kRead);
    set_.add_all(R::collection_name("system.js"), kRead);
    buckets(kRead);
    set_.add(R::cluster(), "listDatabases");
  }
  void read_write_any() {
    read_any();
    set_.add_all(R::any_normal(), kWrite);
    set_.add_all(R::collection_name("system.js"), kWrite);
    buckets(kWrite);
  }
  void user_admin_any() {
    set_.add_all(R::any_normal(), kUserAdmin);
    set_.add_all(R::database("config"), kUserAdmin);
    set_.add_all(R::database("local"), kUserAdmin);
    set_.add_all(R::cluster(), std::array<std::string_view, 4>{"listDatabases", "authSchemaUpgrade", "invalidateUserCache", "viewUser"});
    set_.add_all(R::collection_name("system.users"), kRead);
    for (const char* name : {"system.users", "system.roles", "system.new_users", "system.backup_users", "system.version"}) {
      set_.add_all(R::exact("admin", name), kRead);
    }
    for (const char* name : {"system.users", "system.roles"}) set_.add_all(R::exact("admin", name), kIndexes);
  }
  void db_admin_any() {
    set_.add_all(R::any_normal(), kDbAdmin);
    set_.add_all(R::collection_name("system.profile"), kRead);
    set_.add_all(R::collection_name("system.profile"), kProfile);
    buckets(kDbAdmin);
    set_.add_all(R::cluster(), std::array<std::string_view, 2>{"listDatabases", "applyOps"});
  }
  void cluster_monitor() {
    set_.add_all(R::cluster(), kMonitorCluster);
    set_.add_all(R::any_normal(), kMonitorDatabase);
    for (const char* db : {"config", "local"}) {
      set_.add_all(R::database(db), kMonitorDatabase);
      read(db);
    }
    set_.add(R::collection_name("system.profile"), "find");
    set_.add(R::exact("local", "system.replset"), "find");
    set_.add_all(R::exact("config", "system.sessions"), std::array<std::string_view, 2>{"collStats", "indexStats"});
  }
  void host_manager() {
    set_.add_all(R::cluster(), kHostCluster);
    write_block();
    set_.add(R::any_normal(), "killCursors");
  }
  void cluster_manager() {
    set_.add_all(R::cluster(), kManagerCluster);
    write_block();
    set_.add_all(R::any_normal(), kManagerDatabase);
    buckets(kManagerDatabase);
    read("config");
    for (const char* db : {"config", "local"}) {
      set_.add_all(R::database(db), kManagerDatabase);
      set_.add_all(R::database(db), kConfigWrites);
    }
    set_.add_all(R::exact("local", "system.replset"), kRead);
  }
  void cluster_admin() {
    cluster_monitor();
    host_manager();
    cluster_manager();
    set_.add(R::any_normal(), "dropDatabase");
  }
  void backup() {
    queryable_backup();
    set_.add_all(R::cluster(), kBackupCluster);
    set_.add_all(R::exact("admin", "mms.backup"), std::array<std::string_view, 2>{"insert", "update"});
    set_.add_all(R::exact("config", "settings"), std::array<std::string_view, 2>{"insert", "update"});
  }
  void queryable_backup() {
    set_.add_all(R::cluster(), kQueryableBackupCluster);
    set_.add_all(R::any(), kQueryableBackupAny);
    for (const auto& resource : {R::any_normal(), R::database("config"), R::database("local"), R::exact("config", "settings")}) set_.add(resource, "find");
    buckets(std::array<std::string_view, 1>{"find"});
    for (const char* name : {"system.js", "system.users", "system.profile", "system.views"}) set_.add(R::collection_name(name), "find");
    for (const char* name : {"system.users", "system.roles", "system.version", "system.new_users", "system.backup_users"}) {
      set_.add(R::exact("admin", name), "find");
    }
  }
  void restore() {
    set_.add_all(R::cluster(), kRestoreCluster);
    if (at_least(6)) set_.add(R::cluster(), "bypassWriteBlockingMode");
    set_.add(R::any(), "listCollections");
    for (const auto& resource : {R::any_normal(), R::database("config"), R::database("local"), R::collection_name("system.js"),
                                 R::collection_name("system.users"), R::exact("local", "system.replset"), R::exact("admin", "system.version"),
                                 R::exact("admin", "system.new_users"), R::exact("admin", "system.backup_users")}) {
      set_.add_all(resource, kRestoreCollection);
    }
    buckets(kRestoreCollection);
    set_.add_all(R::any_normal(), kUserAdmin);
    set_.add_all(R::collection_name("system.users"), kEditUsers);
    set_.add(R::exact("admin", "system.version"), "find");
    set_.add(R::exact("admin", "system.roles"), "createIndex");
    for (const char* name : {"tempusers", "temproles"}) set_.add(R::exact("admin", name), "find");
    set_.add_all(R::collection_name("system.views"), std::array<std::string_view, 3>{"createCollection", "insert", "find"});
  }
  void root() {
    cluster_admin();
    user_admin_any();
    db_admin_any();
    read_write_any();
    backup();
    restore();
    set_.add(R::any(), "validate");
  }
  void system() { set_.add(R::any(), kAnyAction); }

  PrivilegeSet take() { return std::move(set_); }

 private:
  bool at_least(int major) const { return version_ >= ServerVersion{major, 0, 0}; }
  // What time-series collections are stored in (5.0+).
  template <typename Actions>
  void buckets(const Actions& actions) {
    if (at_least(5)) set_.add_all(R::any_buckets(), actions);
  }
  void write_block() {
    if (!at_least(6)) return;
    set_.add(R::cluster(), "setUserWriteBlockMode");
    set_.add(R::cluster(), "getClusterParameter");
    set_.add(R::cluster(), "setClusterParameter");
  }

  ServerVersion version_;
  PrivilegeSet set_;
};

struct DatabaseRole {
  std::string_view name;
  void (RoleBuilder::*grant)(const std::string&);
};
struct AdminRole {
  std::string_view name;
  void (RoleBuilder::*grant)();
};

constexpr DatabaseRole kDatabaseRoles[] = {{"dbAdmin", &RoleBuilder::db_admin},
                                           {"dbOwner", &RoleBuilder::db_owner},
                                           {"enableSharding", &RoleBuilder::enable_sharding},
                                           {"read", &RoleBuilder::read},
                                           {"readWrite", &RoleBuilder::read_write},
                                           {"userAdmin", &RoleBuilder::user_admin}};
constexpr AdminRole kAdminRoles[] = {{"__queryableBackup", &RoleBuilder::queryable_backup},
                                     {"__system", &RoleBuilder::system},
                                     {"backup", &RoleBuilder::backup},
                                     {"clusterAdmin", &RoleBuilder::cluster_admin},
                                     {"clusterManager", &RoleBuilder::cluster_manager},
                                     {"clusterMonitor", &RoleBuilder::cluster_monitor},
                                     {"dbAdminAnyDatabase", &RoleBuilder::db_admin_any},
                                     {"hostManager", &RoleBuilder::host_manager},
                                     {"readAnyDatabase", &RoleBuilder::read_any},
                                     {"readWriteAnyDatabase", &RoleBuilder::read_write_any},
                                     {"restore", &RoleBuilder::restore},
                                     {"root", &RoleBuilder::root},
                                     {"userAdminAnyDatabase", &RoleBuilder::user_admin_any}};

}  // namespace

std::optional<PrivilegeSet> builtin_role(std::string_view role, const std::string& db, ServerVersion version) {
  RoleBuilder builder(version);
  if (!is_valid_database(db)) return std::nullopt;
  for (const auto& [name, grant] : kDatabaseRoles) {
    if (name != role) continue;
    (builder.*grant)(db);
    return builder.take();
  }
  if (db != "admin") return std::nullopt;
  for (const auto& [name, grant] : kAdminRoles) {
    if (name != role) continue;
    (builder.*grant)();
    return builder.take();
  }
  return std::nullopt;
}

std::vector<std::string> builtin_role_names(std::string_view db) {
  std::vector<std::string> names;
  if (db == "admin") {
    for (const auto& role : kAdminRoles) names.emplace_back(role.name);
  }
  for (const auto& role : kDatabaseRoles) names.emplace_back(role.name);
  return names;
}

}  // namespace drover::sandbox::auth
