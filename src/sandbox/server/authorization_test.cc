// Every command of the table, run by a user who holds exactly what it needs, and by one who lacks one of it. The privileges
// are MongoDB's: the manual's "Privilege Actions" and "Built-In Roles", and what the server's own test of its commands'
// authorization asks for. A command without a row here fails.
#include <set>

#include "sandbox/server/client_for_tests.h"

namespace drover::sandbox {
namespace {

constexpr const char* kDb = R"({"db": "d", "collection": ""})";
constexpr const char* kC = R"({"db": "d", "collection": "c"})";
constexpr const char* kOther = R"({"db": "d", "collection": "other"})";
constexpr const char* kView = R"({"db": "d", "collection": "v"})";
constexpr const char* kElsewhere = R"({"db": "e", "collection": "c"})";
constexpr const char* kCluster = R"({"cluster": true})";
constexpr const char* kAnyNormal = R"({"db": "", "collection": ""})";
constexpr const char* kAdminDb = R"({"db": "admin", "collection": ""})";

struct Need {
  const char* resource;
  const char* action;
};
struct Row {
  const char* db;
  const char* command;
  std::vector<Need> needs;  // all of them
};

const std::vector<Row>& rows() {
  static const std::vector<Row> kRows = {
      // reading
      {"d", R"({"find": "c"})", {{kC, "find"}}},
      {"d", R"({"find": "system.js"})", {{R"({"db": "d", "collection": "system.js"})", "find"}}},
      {"d", R"({"count": "c"})", {{kC, "find"}}},
      {"d", R"({"mapReduce": "c"})", {{kC, "find"}}},
      {"d", R"({"distinct": "c", "key": "a"})", {{kC, "find"}}},
      {"d", R"({"aggregate": "c", "pipeline": [], "cursor": {}})", {{kC, "find"}}},
      {"d", R"({"aggregate": "c", "pipeline": [{"$lookup": {"from": "other", "localField": "a", "foreignField": "b", "as": "x"}}], "cursor": {}})", {{kC, "find"}, {kOther, "find"}}},
      {"d", R"({"aggregate": "c", "pipeline": [{"$facet": {"f": [{"$unionWith": "other"}]}}], "cursor": {}})", {{kC, "find"}, {kOther, "find"}}},
      {"d", R"({"aggregate": "c", "pipeline": [{"$unionWith": {"coll": "c", "pipeline": [{"$graphLookup": {"from": "other", "startWith": "$a", "connectFromField": "a", "connectToField": "b", "as": "x"}}]}}], "cursor": {}})", {{kC, "find"}, {kOther, "find"}}},
      {"d", R"({"aggregate": "c", "pipeline": [{"$out": "other"}], "cursor": {}})", {{kC, "find"}, {kOther, "insert"}, {kOther, "remove"}}},
      {"d", R"({"aggregate": "c", "pipeline": [{"$out": "other"}], "cursor": {}, "bypassDocumentValidation": true})", {{kC, "find"}, {kOther, "insert"}, {kOther, "remove"}, {kOther, "bypassDocumentValidation"}}},
      {"d", R"({"aggregate": "c", "pipeline": [{"$merge": {"into": {"db": "e", "coll": "c"}}}], "cursor": {}})", {{kC, "find"}, {kElsewhere, "insert"}, {kElsewhere, "update"}}},
      {"d", R"({"aggregate": "c", "pipeline": [{"$merge": {"into": "other", "whenMatched": "keepExisting"}}], "cursor": {}})", {{kC, "find"}, {kOther, "insert"}}},
      {"d", R"({"aggregate": "c", "pipeline": [{"$merge": {"into": "other", "whenNotMatched": "discard"}}], "cursor": {}})", {{kC, "find"}, {kOther, "update"}}},
      {"d", R"({"aggregate": "c", "pipeline": [{"$collStats": {"count": {}}}], "cursor": {}})", {{kC, "collStats"}}},
      {"d", R"({"aggregate": "c", "pipeline": [{"$indexStats": {}}], "cursor": {}})", {{kC, "indexStats"}}},
      {"d", R"({"aggregate": "c", "pipeline": [{"$planCacheStats": {}}], "cursor": {}})", {{kC, "planCacheRead"}}},
      {"d", R"({"aggregate": "c", "pipeline": [{"$changeStream": {}}], "cursor": {}})", {{kC, "changeStream"}, {kC, "find"}}},
      {"d", R"({"aggregate": 1, "pipeline": [{"$changeStream": {}}], "cursor": {}})", {{kDb, "changeStream"}, {kDb, "find"}}},
      {"admin", R"({"aggregate": 1, "pipeline": [{"$changeStream": {"allChangesForCluster": true}}], "cursor": {}})", {{kAnyNormal, "changeStream"}, {kAnyNormal, "find"}}},
      {"admin", R"({"aggregate": 1, "pipeline": [{"$currentOp": {"allUsers": true}}], "cursor": {}})", {{kCluster, "inprog"}}},
      {"admin", R"({"aggregate": 1, "pipeline": [{"$currentOp": {}}], "cursor": {}})", {}},
      {"admin", R"({"aggregate": 1, "pipeline": [{"$listLocalSessions": {"allUsers": true}}], "cursor": {}})", {{kCluster, "listSessions"}}},
      {"admin", R"({"aggregate": 1, "pipeline": [{"$listLocalSessions": {}}], "cursor": {}})", {}},
      {"d", R"({"explain": {"find": "c"}})", {{kC, "find"}}},
      {"d", R"({"explain": {"aggregate": "c", "pipeline": [{"$lookup": {"from": "other", "localField": "a", "foreignField": "b", "as": "x"}}], "cursor": {}}})", {{kC, "find"}, {kOther, "find"}}},
      {"d", R"({"explain": {"update": "c", "updates": [{"q": {}, "u": {"$set": {"a": 1}}, "upsert": true}]}})", {{kC, "update"}, {kC, "insert"}}},
      {"d", R"({"explain": {"delete": "c", "deletes": [{"q": {}, "limit": 0}]}})", {{kC, "remove"}}},
      {"d", R"({"getMore": {"$numberLong": "77"}, "collection": "c"})", {}},
      {"d", R"({"killCursors": "c", "cursors": [{"$numberLong": "77"}]})", {}},
      {"d", R"({"dataSize": "d.c"})", {{kC, "find"}}},
      // writing
      {"d", R"({"insert": "c", "documents": [{"a": 1}]})", {{kC, "insert"}}},
      {"d", R"({"insert": "c", "documents": [{"a": 1}], "bypassDocumentValidation": true})", {{kC, "insert"}, {kC, "bypassDocumentValidation"}}},
      {"d", R"({"update": "c", "updates": [{"q": {"a": 9}, "u": {"$set": {"a": 1}}}]})", {{kC, "update"}}},
      {"d", R"({"update": "c", "updates": [{"q": {"a": 9}, "u": {"$set": {"a": 1}}}, {"q": {"a": 8}, "u": {"a": 8}, "upsert": true}]})", {{kC, "update"}, {kC, "insert"}}},
      {"d", R"({"update": "c", "updates": [{"q": {}, "u": {"$set": {"a": 1}}}], "bypassDocumentValidation": true})", {{kC, "update"}, {kC, "bypassDocumentValidation"}}},
      {"d", R"({"delete": "c", "deletes": [{"q": {}, "limit": 0}]})", {{kC, "remove"}}},
      {"d", R"({"findAndModify": "c", "query": {}, "update": {"$set": {"a": 1}}})", {{kC, "find"}, {kC, "update"}}},
      {"d", R"({"findAndModify": "c", "query": {"a": 7}, "update": {"a": 7}, "upsert": true})", {{kC, "find"}, {kC, "update"}, {kC, "insert"}}},
      {"d", R"({"findAndModify": "c", "query": {}, "remove": true})", {{kC, "find"}, {kC, "remove"}}},
      {"d", R"({"findAndModify": "c", "query": {}, "update": {"a": 1}, "bypassDocumentValidation": true})", {{kC, "find"}, {kC, "update"}, {kC, "bypassDocumentValidation"}}},
      {"admin", R"({"bulkWrite": 1, "ops": [{"insert": 0, "document": {"a": 1}}, {"update": 0, "filter": {"a": 6}, "updateMods": {"a": 6}, "upsert": true}, {"delete": 1, "filter": {}}], "nsInfo": [{"ns": "d.c"}, {"ns": "d.other"}]})", {{kC, "insert"}, {kC, "update"}, {kOther, "remove"}}},
      {"admin", R"({"applyOps": [{"op": "i", "ns": "d.c", "o": {"_id": 1}}, {"op": "d", "ns": "d.other", "o": {"_id": 1}}]})", {{kC, "insert"}, {kOther, "remove"}}},
      {"admin", R"({"applyOps": [{"op": "u", "ns": "d.c", "o2": {"_id": 1}, "o": {"$set": {"a": 1}}}]})", {{kC, "update"}, {kC, "insert"}}},
      {"admin", R"({"applyOps": [{"op": "u", "ns": "d.c", "o2": {"_id": 1}, "o": {"$set": {"a": 1}}}], "alwaysUpsert": false})", {{kC, "update"}}},
      {"admin", R"({"applyOps": [{"op": "c", "ns": "d.$cmd", "o": {"drop": "c"}}, {"op": "n", "ns": "", "o": {}}]})", {{kC, "dropCollection"}, {kCluster, "appendOplogNote"}}},
      {"admin", R"({"applyOps": [{"op": "c", "ns": "d.$cmd", "o": {"applyOps": [{"op": "i", "ns": "d.c", "o": {"_id": 1}}]}}]})", {{kC, "insert"}}},
      // catalog
      {"d", R"({"create": "c"})", {{kC, "createCollection"}}},
      {"d", R"({"create": "c"})", {{kC, "insert"}}},  // enough as well
      {"d", R"({"create": "c", "capped": true, "size": 4096})", {{kC, "createCollection"}, {kC, "convertToCapped"}}},
      {"d", R"({"create": "v", "viewOn": "c", "pipeline": []})", {{kView, "createCollection"}}},  // it may not read it
      {"d", R"({"collMod": "c", "validationLevel": "off"})", {{kC, "collMod"}}},
      {"d", R"({"convertToCapped": "c", "size": 4096})", {{kC, "convertToCapped"}}},
      {"d", R"({"cloneCollectionAsCapped": "c", "toCollection": "other", "size": 4096})", {{kC, "find"}, {kOther, "insert"}, {kOther, "createIndex"}, {kOther, "convertToCapped"}}},
      {"d", R"({"drop": "c"})", {{kC, "dropCollection"}}},
      {"d", R"({"dropDatabase": 1})", {{kDb, "dropDatabase"}}},
      {"d", R"({"createIndexes": "c", "indexes": [{"key": {"a": 1}, "name": "a"}]})", {{kC, "createIndex"}}},
      {"d", R"({"dropIndexes": "c", "index": "a"})", {{kC, "dropIndex"}}},
      {"d", R"({"listIndexes": "c"})", {{kC, "listIndexes"}}},
      {"d", R"({"listCollections": 1})", {{kDb, "listCollections"}}},
      {"d", R"({"listCollections": 1, "nameOnly": true, "authorizedCollections": true})", {{kC, "find"}}},
      {"admin", R"({"listDatabases": 1, "authorizedDatabases": false})", {{kCluster, "listDatabases"}}},
      {"admin", R"({"listDatabases": 1})", {}},
      {"admin", R"({"renameCollection": "d.c", "to": "d.other"})", {{kDb, "renameCollectionSameDB"}}},
      {"admin", R"({"renameCollection": "d.c", "to": "d.other", "dropTarget": true})", {{kDb, "renameCollectionSameDB"}, {kOther, "dropCollection"}}},
      {"admin", R"({"renameCollection": "d.c", "to": "e.c"})", {{kC, "find"}, {kC, "dropCollection"}, {kElsewhere, "insert"}, {kElsewhere, "createIndex"}}},
      {"d", R"({"collStats": "c"})", {{kC, "collStats"}}},
      {"d", R"({"dbStats": 1})", {{kDb, "dbStats"}}},
      {"d", R"({"dbHash": 1})", {{kDb, "dbHash"}}},
      {"d", R"({"validate": "c"})", {{kC, "validate"}}},
      {"d", R"({"compact": "c", "force": true})", {{kC, "compact"}}},
      {"d", R"({"reIndex": "c"})", {{kC, "reIndex"}}},
      {"d", R"({"validateDBMetadata": 1, "db": "d", "apiParameters": {"version": "1"}})", {{kDb, "validate"}}},
      {"d", R"({"planCacheClear": "c"})", {{kC, "planCacheWrite"}}},
      {"d", R"({"planCacheListFilters": "c"})", {{kC, "planCacheIndexFilter"}}},
      {"d", R"({"planCacheSetFilter": "c", "query": {}, "indexes": ["a"]})", {{kC, "planCacheIndexFilter"}}},
      {"d", R"({"planCacheClearFilters": "c"})", {{kC, "planCacheIndexFilter"}}},
      {"admin", R"({"logRotate": 1})", {{kCluster, "logRotate"}}},
      {"admin", R"({"lockInfo": 1})", {{kCluster, "serverStatus"}}},
      {"admin", R"({"replSetMaintenance": true})", {{kCluster, "replSetStateChange"}}},
      {"d", R"({"profile": 0})", {{kDb, "enableProfiler"}}},
      {"d", R"({"profile": -1})", {{R"({"db": "d", "collection": "system.profile"})", "find"}}},
      // users and roles
      {"d", R"({"createUser": "new", "pwd": "secret", "roles": ["read"]})", {{kDb, "createUser"}, {kDb, "grantRole"}}},
      {"admin", R"({"_mergeAuthzCollections": 1, "tempUsersCollection": "d.c", "db": ""})", {{kAnyNormal, "createUser"}, {kAnyNormal, "dropUser"}, {kAnyNormal, "createRole"},
          {kAnyNormal, "dropRole"}, {kAnyNormal, "grantRole"}, {kAnyNormal, "revokeRole"}, {kC, "find"}}},
      {"admin", R"({"shutdown": 1, "timeoutSecs": 0})", {{kCluster, "shutdown"}}},
      {"d", R"({"updateUser": "old", "pwd": "secret"})", {{kDb, "changePassword"}}},
      {"d", R"({"updateUser": "old", "customData": {"a": 1}})", {{kDb, "changeCustomData"}}},
      {"d", R"({"updateUser": "old", "roles": ["read"]})", {{kAnyNormal, "revokeRole"}, {kDb, "grantRole"}}},
      {"d", R"({"dropUser": "nobody"})", {{kDb, "dropUser"}}},
      {"d", R"({"dropAllUsersFromDatabase": 1})", {{kDb, "dropUser"}}},
      {"d", R"({"grantRolesToUser": "old", "roles": ["read"]})", {{kDb, "grantRole"}}},
      {"d", R"({"revokeRolesFromUser": "old", "roles": ["read"]})", {{kDb, "revokeRole"}}},
      {"d", R"({"usersInfo": 1})", {{kDb, "viewUser"}}},
      {"d", R"({"usersInfo": {"user": "x", "db": "e"}})", {{R"({"db": "e", "collection": ""})", "viewUser"}}},
      {"d", R"({"usersInfo": [{"user": "x", "db": "e"}, "y"]})", {{R"({"db": "e", "collection": ""})", "viewUser"}, {kDb, "viewUser"}}},
      {"admin", R"({"usersInfo": {"forAllDBs": true}})", {{kCluster, "viewUser"}}},
      {"admin", R"({"usersInfo": "u"})", {}},  // itself
      {"d", R"({"createRole": "new", "privileges": [{"resource": {"db": "d", "collection": "c"}, "actions": ["find"]}], "roles": []})", {{kDb, "createRole"}, {kDb, "grantRole"}}},
      {"d", R"({"createRole": "newer", "privileges": [{"resource": {"cluster": true}, "actions": ["inprog"]}], "roles": []})", {{kDb, "createRole"}, {kAdminDb, "grantRole"}}},
      {"d", R"({"updateRole": "old", "privileges": [{"resource": {"db": "d", "collection": "c"}, "actions": ["find"]}]})", {{kAnyNormal, "revokeRole"}, {kDb, "grantRole"}}},
      {"d", R"({"dropRole": "nosuch"})", {{kDb, "dropRole"}}},
      {"d", R"({"dropAllRolesFromDatabase": 1})", {{kDb, "dropRole"}}},
      {"d", R"({"grantPrivilegesToRole": "old", "privileges": [{"resource": {"db": "d", "collection": "c"}, "actions": ["find"]}]})", {{kDb, "grantRole"}}},
      {"d", R"({"revokePrivilegesFromRole": "old", "privileges": [{"resource": {"db": "d", "collection": "c"}, "actions": ["find"]}]})", {{kDb, "revokeRole"}}},
      {"d", R"({"grantRolesToRole": "old", "roles": ["read"]})", {{kDb, "grantRole"}}},
      {"d", R"({"revokeRolesFromRole": "old", "roles": ["read"]})", {{kDb, "revokeRole"}}},
      {"d", R"({"rolesInfo": 1})", {{kDb, "viewRole"}}},
      {"d", R"({"rolesInfo": {"role": "x", "db": "e"}})", {{R"({"db": "e", "collection": ""})", "viewRole"}}},
      {"admin", R"({"rolesInfo": "r"})", {}},  // its own
      {"admin", R"({"invalidateUserCache": 1})", {{kCluster, "invalidateUserCache"}}},
      // sessions
      {"d", R"({"startSession": 1})", {}},
      {"d", R"({"refreshSessions": []})", {}},
      {"d", R"({"killSessions": []})", {}},
      {"d", R"({"killAllSessions": []})", {{kCluster, "killAnySession"}}},
      {"d", R"({"killAllSessionsByPattern": []})", {{kCluster, "killAnySession"}}},
      {"admin", R"({"commitTransaction": 1})", {}},
      {"admin", R"({"abortTransaction": 1})", {}},
      // the server
      {"admin", R"({"serverStatus": 1})", {{kCluster, "serverStatus"}}},
      {"admin", R"({"hostInfo": 1})", {{kCluster, "hostInfo"}}},
      {"admin", R"({"getCmdLineOpts": 1})", {{kCluster, "getCmdLineOpts"}}},
      {"admin", R"({"getLog": "global"})", {{kCluster, "getLog"}}},
      {"admin", R"({"getParameter": "*"})", {{kCluster, "getParameter"}}},
      {"admin", R"({"setParameter": 1, "quiet": false})", {{kCluster, "setParameter"}}},
      {"admin", R"({"getClusterParameter": "changeStreamOptions"})", {{kCluster, "getClusterParameter"}}},
      {"admin", R"({"setClusterParameter": {"changeStreamOptions": {"preAndPostImages": {"expireAfterSeconds": "off"}}}})", {{kCluster, "setClusterParameter"}}},
      {"admin", R"({"setFeatureCompatibilityVersion": "1.0"})", {{kCluster, "setFeatureCompatibilityVersion"}}},
      {"admin", R"({"setUserWriteBlockMode": 1, "global": false})", {{kCluster, "setUserWriteBlockMode"}}},
      {"admin", R"({"getDefaultRWConcern": 1})", {{kCluster, "getDefaultRWConcern"}}},
      {"admin", R"({"setDefaultRWConcern": 1})", {{kCluster, "setDefaultRWConcern"}}},
      {"admin", R"({"getFreeMonitoringStatus": 1})", {{kCluster, "checkFreeMonitoringStatus"}}},
      {"admin", R"({"currentOp": 1})", {{kCluster, "inprog"}}},
      {"admin", R"({"currentOp": 1, "$ownOps": true})", {}},
      {"admin", R"({"killOp": 1, "op": 123456})", {{kCluster, "killop"}}},
      {"admin", R"({"fsync": 1})", {{kCluster, "fsync"}}},
      {"admin", R"({"fsyncUnlock": 1})", {{kCluster, "unlock"}}},
      {"admin", R"({"top": 1})", {{kCluster, "top"}}},
      {"admin", R"({"connPoolStats": 1})", {{kCluster, "connPoolStats"}}},
      {"admin", R"({"appendOplogNote": 1, "data": {}})", {{kCluster, "appendOplogNote"}}},
      {"admin", R"({"replSetGetStatus": 1})", {{kCluster, "replSetGetStatus"}}},
      {"admin", R"({"replSetGetConfig": 1})", {{kCluster, "replSetGetConfig"}}},
      {"admin", R"({"replSetInitiate": {}})", {{kCluster, "replSetConfigure"}}},
      {"admin", R"({"replSetResizeOplog": 1, "size": 990.0})", {{kCluster, "replSetResizeOplog"}}},
      {"admin", R"({"replSetStepDown": 1})", {{kCluster, "replSetStateChange"}}},
      {"admin", R"({"replSetStepUp": 1})", {{kCluster, "replSetStateChange"}}},
      {"admin", R"({"replSetFreeze": 1})", {{kCluster, "replSetStateChange"}}},
      {"admin", R"({"configureFailPoint": "nosuch", "mode": "off"})", {}},
      {"d", R"({"listCommands": 1})", {}},
      {"d", R"({"getLastError": 1})", {}},
      {"d", R"({"resetError": 1})", {}},
      {"d", R"({"createSearchIndexes": "c", "indexes": []})", {}},
      {"d", R"({"dropSearchIndex": "c"})", {}},
      {"d", R"({"listSearchIndexes": "c"})", {}},
      {"d", R"({"updateSearchIndex": "c"})", {}},
      {"d", R"({"features": 1})", {}},
      {"d", R"({"testDeprecation": 1})", {}},
      {"d", R"({"testVersion2": 1})", {}},
  };
  return kRows;
}

// What answers before anybody has said who it is: what a driver needs to say so, and no more.
const std::set<std::string> kWithoutAuthentication = {"authenticate", "buildInfo", "buildinfo", "connectionStatus", "endSessions", "getnonce", "hello",
                                                      "isMaster", "ismaster", "logout", "ping", "saslContinue", "saslStart", "whatsmyuri"};

class AuthorizationTest : public SandboxClientTest, public ::testing::WithParamInterface<ServerVersion> {
 protected:
  void SetUp() override {
    start(SandboxOptions{.auth = true, .version = GetParam()});
    root_ = std::move(client_);
    as_root([&] {
      ASSERT_EQ(code("admin", R"({"createUser": "root", "pwd": "pw", "roles": ["root"], "mechanisms": ["SCRAM-SHA-1"]})"), 0);
      log_in("root");
      ASSERT_EQ(code("admin", R"({"createRole": "r", "privileges": [], "roles": []})"), 0);
      ASSERT_EQ(code("admin", R"({"createUser": "u", "pwd": "pw", "roles": ["r"], "mechanisms": ["SCRAM-SHA-1"]})"), 0);
      ASSERT_EQ(code("d", R"({"createUser": "old", "pwd": "pw", "roles": [], "mechanisms": ["SCRAM-SHA-1"]})"), 0);
      ASSERT_EQ(code("d", R"({"createRole": "old", "privileges": [], "roles": []})"), 0);
      ASSERT_EQ(code("d", R"({"insert": "c", "documents": [{"a": 1}]})"), 0);
    });
    client_ = std::make_unique<ClientConnection>(sandbox_->state(), true);
    client_->id = 2;
    log_in("u");
  }

  template <typename F>
  void as_root(F&& f) {
    std::swap(client_, root_);
    f();
    std::swap(client_, root_);
  }
  void log_in(const char* user) {
    const auto found = sandbox_->state().users.user({user, "admin"});
    ASSERT_TRUE(found && *found);
    EXPECT_TRUE(client_->auth.log_in(*found));
  }
  // The user's one role has these and nothing else.
  void hold(const std::vector<Need>& needs, std::size_t but = SIZE_MAX) {
    std::string list;
    for (std::size_t i = 0; i < needs.size(); ++i) {
      if (i == but) continue;
      list += std::string(list.empty() ? "" : ", ") + R"({"resource": )" + needs[i].resource + R"(, "actions": [")" + needs[i].action + R"("]})";
    }
    as_root([&] { ASSERT_EQ(code("admin", R"({"updateRole": "r", "privileges": [)" + list + "]}"), 0) << list; });
  }
  bool exists(const std::string& command) const { return sandbox_->state().services.commands.find(command, GetParam()) != nullptr; }

  std::unique_ptr<ClientConnection> root_;
};

std::string name_of(const Row& row) { return std::string(bson::from_ejson(row.command)->view().first().key()); }

TEST_P(AuthorizationTest, EveryCommandHasARuleAndARow) {
  std::set<std::string> tested;
  for (const auto& row : rows()) tested.insert(name_of(row));
  for (const auto& [name, command] : sandbox_->state().services.commands.all()) {
    const std::string text(name);
    if ((command->flags & kNoAuth) != 0) {
      EXPECT_TRUE(kWithoutAuthentication.contains(text)) << text << " answers without authentication";
      continue;
    }
    EXPECT_NE(command->resource, ResourceKind::kNone) << text << " has no rule of who may run it";
    EXPECT_TRUE(tested.contains(std::string(command->name))) << text << " has no row in this test";
  }
}

TEST_P(AuthorizationTest, NobodyIsRefusedByName) {
  client_ = std::make_unique<ClientConnection>(sandbox_->state(), true);
  for (const auto& row : rows()) {
    if (!exists(name_of(row))) continue;
    const auto reply = run(row.db, row.command);
    EXPECT_EQ(reply["code"].to_int64(), 13) << row.command << text(reply);
    EXPECT_EQ(reply["codeName"].to_string_view(), "Unauthorized");
    EXPECT_EQ(reply["errmsg"].to_string_view(), "command " + name_of(row) + " requires authentication");
  }
}

TEST_P(AuthorizationTest, WhoLacksOnePrivilegeIsRefusedAndWhoHoldsAllIsNot) {
  for (const auto& row : rows()) {
    if (!exists(name_of(row))) continue;
    for (std::size_t i = 0; i < row.needs.size(); ++i) {
      hold(row.needs, i);
      const auto reply = run(row.db, row.command);
      EXPECT_EQ(reply["code"].to_int64(), 13) << row.command << " without " << row.needs[i].action << ": " << text(reply);
      const auto message = std::string(reply["errmsg"].to_string_view().value_or(""));
      EXPECT_TRUE(message.starts_with(std::string("not authorized on ") + row.db + " to execute command { " + name_of(row) + ": ")) << message;
    }
    hold(row.needs);
    EXPECT_NE(code(row.db, row.command), 13) << row.command << text(run(row.db, row.command));
    as_root([&] {  // what the commands changed
      for (const char* collection : {"c", "other", "v"}) (void)code("d", std::string(R"({"drop": ")") + collection + "\"}");
      (void)code("e", R"({"drop": "c"})");
      (void)code("d", R"({"createUser": "old", "pwd": "pw", "roles": [], "mechanisms": ["SCRAM-SHA-1"]})");
      (void)code("d", R"({"createRole": "old", "privileges": [], "roles": []})");
      ASSERT_EQ(code("d", R"({"insert": "c", "documents": [{"a": 1}]})"), 0);
    });
  }
}

TEST_P(AuthorizationTest, ARefusalShowsTheCommandAsTheServerDoes) {
  const auto message = [&](const char* db, const char* command) { return std::string(run(db, command)["errmsg"].to_string_view().value_or("")); };
  EXPECT_EQ(message("d", R"({"find": "c", "filter": {"a": 1}})"),
            R"(not authorized on d to execute command { find: "c", filter: { a: 1 }, $db: "d" })");
  EXPECT_EQ(message("d", R"({"insert": "c", "documents": [{"_id": 1}]})"),
            R"(not authorized on d to execute command { insert: "c", documents: [ { _id: 1 } ], $db: "d" })");
  EXPECT_EQ(message("d", R"({"insert": "c", "documents": [{"_id": 1}, {"_id": 2}]})"),
            R"(not authorized on d to execute command { insert: "c", documents: 2, $db: "d" })");
  EXPECT_EQ(message("d", R"({"createUser": "x", "pwd": "secret", "roles": []})"),
            R"(not authorized on d to execute command { createUser: "x", pwd: "xxx", roles: [], $db: "d" })");
}

TEST_P(AuthorizationTest, ViewsAreMadeByWhoMayReadWhatTheyShow) {
  const std::vector<Need> reader = {{kView, "createCollection"}, {kView, "find"}};
  const auto create = R"({"create": "v", "viewOn": "c", "pipeline": []})";
  hold(reader);
  EXPECT_EQ(code("d", create), 13);
  hold({{kView, "createCollection"}, {kView, "find"}, {kC, "find"}});
  EXPECT_EQ(code("d", create), 0);
  hold({{kView, "find"}});  // reading it needs nothing of what it stands on
  EXPECT_EQ(code("d", R"({"find": "v"})"), 0);
  hold({{kView, "collMod"}, {kView, "find"}});
  EXPECT_EQ(code("d", R"({"collMod": "v", "viewOn": "other", "pipeline": []})"), 13);
  EXPECT_EQ(code("d", R"({"collMod": "v", "viewOn": "other"})"), 72);
}

TEST_P(AuthorizationTest, ACursorIsItsUsersAndOnlyWhileTheyMayRead) {
  as_root([&] { ASSERT_EQ(code("d", R"({"insert": "c", "documents": [{"a": 2}, {"a": 3}]})"), 0); });
  hold({{kC, "find"}});
  const auto open = [&] { return run("d", R"({"find": "c", "batchSize": 1})").view().at_path("cursor.id").to_int64().value_or(0); };
  const auto more = [&](std::int64_t id) { return code_of(run("d", bson::make_document({{"getMore", id}, {"collection", "c"}, {"batchSize", 1}}))); };
  const auto first = open(), second = open();
  EXPECT_EQ(more(first), 0);
  as_root([&] { EXPECT_EQ(more(second), 13); });  // root may do much, but it is not its cursor
  hold({});
  EXPECT_EQ(more(first), 13);
  as_root([&] {
    const bson::Document kill = *bson::from_ejson(R"({"killCursors": "c", "cursors": [{"$numberLong": ")" + std::to_string(second) + R"("}]})");
    EXPECT_EQ(code("d", kill), 0);
  });
  // Another's cursor.
  std::int64_t of_root = 0;
  as_root([&] { of_root = open(); });
  const bson::Document kill = *bson::from_ejson(R"({"killCursors": "c", "cursors": [{"$numberLong": ")" + std::to_string(of_root) + R"("}]})");
  EXPECT_EQ(code("d", kill), 13);
  hold({{kC, "killAnyCursor"}});
  EXPECT_EQ(code("d", kill), 0);
}

TEST_P(AuthorizationTest, NobodyTakesAnothersSession) {
  const auto lsid = [](const std::string& more) {
    return R"("lsid": {"id": {"$uuid": "00000000-0000-4000-8000-000000000001"})" + more + "}";
  };
  hold({{kC, "find"}});
  const std::string digest = R"(, "uid": {"$binary": {"base64": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "subType": "00"}})";
  EXPECT_EQ(code("d", R"({"find": "c", )" + lsid("") + "}"), 0);
  EXPECT_EQ(code("d", R"({"find": "c", )" + lsid(digest) + "}"), 13);
  hold({{kC, "find"}, {kCluster, "impersonate"}});
  EXPECT_EQ(code("d", R"({"find": "c", )" + lsid(digest) + "}"), 0);
}

TEST_P(AuthorizationTest, NamesAreShownToWhoMayDoSomethingThere) {
  as_root([&] { ASSERT_EQ(code("e", R"({"insert": "c", "documents": [{"a": 1}]})"), 0); });
  hold({{kC, "collStats"}});
  const auto databases = text(run("admin", R"({"listDatabases": 1, "nameOnly": true})")["databases"]);
  EXPECT_NE(databases.find(R"("d")"), std::string::npos) << databases;
  EXPECT_EQ(databases.find(R"("e")"), std::string::npos) << databases;
  const auto names = text(run("d", R"({"listCollections": 1, "nameOnly": true, "authorizedCollections": true})"));
  EXPECT_NE(names.find(R"("c")"), std::string::npos) << names;
  EXPECT_EQ(code("e", R"({"listCollections": 1, "nameOnly": true, "authorizedCollections": true})"), 13);
}

INSTANTIATE_TEST_SUITE_P(Versions, AuthorizationTest, ::testing::Values(kTest44, kTest80), [](const auto& info) { return "V" + std::to_string(info.param.major); });

}  // namespace
}  // namespace drover::sandbox
