// What administrators set and ask: the profiler, default concerns, sessions of others, parameters; and the reasons of a refused
// document.
#include <chrono>

#include <fmt/format.h>

#include "sandbox/server/client_for_tests.h"

namespace drover::sandbox {
namespace {

class Administration : public SandboxClientTest {
 protected:
  std::string message(const std::string& db, const std::string& command) {
    const auto reply = run(db, command);
    return std::to_string(code_of(reply)) + " " + std::string(reply["errmsg"].to_string_view().value_or(""));
  }
  // The newest entry of a kind.
  bson::Document recorded(const std::string& op) {
    const auto found = find("d", "system.profile", R"({"op": ")" + op + R"(", "ns": "d.c"})");
    EXPECT_FALSE(found.empty()) << op;
    return found.empty() ? bson::Document() : found.back();
  }
};

TEST_F(Administration, TheProfilerRecordsWhatWasReadAndChanged) {
  start(kTest44);
  EXPECT_EQ(text(run("d", R"({"profile": -1})")).substr(0, 38), R"({"was":0,"slowms":100,"sampleRate":1.0)");
  ASSERT_EQ(code("d", R"({"profile": 2, "slowms": 50})"), 0);
  ASSERT_EQ(code("d", R"({"insert": "c", "documents": [{"_id": 1, "a": 1}, {"_id": 2, "a": 2}]})"), 0);
  ASSERT_EQ(code("d", R"({"createIndexes": "c", "indexes": [{"key": {"a": 1}, "name": "a_1"}]})"), 0);
  ASSERT_EQ(code("d", R"({"find": "c", "filter": {"a": 2}})"), 0);
  ASSERT_EQ(code("d", R"({"update": "c", "updates": [{"q": {"_id": 1}, "u": {"$set": {"b": 1}}}, {"q": {"b": 5}, "u": {"$set": {"b": 2}}}]})"), 0);
  ASSERT_EQ(code("d", R"({"delete": "c", "deletes": [{"q": {"_id": 2}, "limit": 1}]})"), 0);
  EXPECT_EQ(code("d", R"({"find": "c", "filter": {"a": {"$nope": 1}}})"), 2);

  const auto insert = recorded("insert");
  EXPECT_EQ(insert["ninserted"].to_int64(), 2);
  EXPECT_FALSE(insert.view().at_path("command.documents"));
  const auto finds = find("d", "system.profile", R"({"op": "query", "ns": "d.c"})");
  ASSERT_EQ(finds.size(), 2U);
  EXPECT_EQ(finds[0]["planSummary"].to_string_view(), "IXSCAN { a: 1 }");
  EXPECT_EQ(finds[0]["docsExamined"].to_int64(), 1);
  EXPECT_EQ(finds[0]["keysExamined"].to_int64(), 1);
  EXPECT_EQ(finds[0]["nreturned"].to_int64(), 1);
  EXPECT_TRUE(finds[0]["cursorExhausted"].is_truthy());
  EXPECT_EQ(finds[0].view().at_path("command.filter.a").to_int64(), 2);
  EXPECT_EQ(finds[1]["errCode"].to_int64(), 2);
  EXPECT_EQ(finds[0]["queryHash"].to_string_view().value_or("").size(), 8U);
  EXPECT_NE(finds[0]["planCacheKey"].to_string_view(), finds[0]["queryHash"].to_string_view());
  EXPECT_EQ(finds[1]["errName"].to_string_view(), "BadValue");
  const auto updates = find("d", "system.profile", R"({"op": "update"})");
  ASSERT_EQ(updates.size(), 2U);
  EXPECT_EQ(updates[0]["planSummary"].to_string_view(), "IDHACK");
  EXPECT_EQ(updates[0]["nModified"].to_int64(), 1);
  EXPECT_FALSE(updates[0]["queryHash"]);
  EXPECT_TRUE(updates[1]["queryHash"]);
  EXPECT_EQ(updates[1]["planSummary"].to_string_view(), "COLLSCAN");
  EXPECT_EQ(updates[1]["docsExamined"].to_int64(), 2);
  EXPECT_EQ(updates[1]["nMatched"].to_int64(), 0);
  EXPECT_EQ(recorded("remove")["ndeleted"].to_int64(), 1);

  EXPECT_EQ(message("d", R"({"drop": "system.profile"})"), "20 turn off profiling before dropping system.profile collection");
  const auto was = run("d", R"({"profile": 0})");
  EXPECT_EQ(was["was"].to_int64(), 2);
  EXPECT_EQ(was["slowms"].to_int64(), 50);
  const auto count = find("d", "system.profile").size();
  ASSERT_EQ(code("d", R"({"find": "c"})"), 0);
  EXPECT_EQ(find("d", "system.profile").size(), count);
  EXPECT_EQ(code("d", R"({"drop": "system.profile"})"), 0);
  // Nothing of it is replicated.
  for (const auto& entry : find("local", "oplog.rs")) {
    EXPECT_EQ(text(entry).find("system.profile"), std::string::npos) << text(entry);
  }
}

TEST_F(Administration, QueriesOfOneShapeHaveOneHash) {
  start(kTest44);
  ASSERT_EQ(code("d", R"({"insert": "c", "documents": [{"_id": 1, "a": 1}]})"), 0);
  ASSERT_EQ(code("d", R"({"profile": 2})"), 0);
  const auto hashes = [&](const std::string& rest) {
    EXPECT_EQ(code("d", R"({"find": "c", )" + rest + "}"), 0) << rest;
    const auto entry = recorded("query");
    return std::pair(std::string(entry["queryHash"].to_string_view().value_or("none")), std::string(entry["planCacheKey"].to_string_view().value_or("none")));
  };
  const auto one = hashes(R"("filter": {"a": {"$gt": 1}, "b": 2})");
  EXPECT_EQ(hashes(R"("filter": {"b": "x", "a": {"$gt": 7}})"), one);
  for (const char* other : {R"("filter": {"a": {"$gte": 1}, "b": 2})", R"("filter": {"a": {"$gt": 1}})", R"("filter": {"$or": [{"a": {"$gt": 1}, "b": 2}]})",
                            R"("filter": {"a": {"$gt": 1}, "b": 2}, "sort": {"a": 1})", R"("filter": {"a": {"$not": {"$gt": 1}}, "b": 2})"}) {
    EXPECT_NE(hashes(other).first, one.first) << other;
  }
  ASSERT_EQ(code("d", R"({"createIndexes": "c", "indexes": [{"key": {"a": 1}, "name": "a_1"}]})"), 0);
  const auto indexed = hashes(R"("filter": {"a": {"$gt": 1}, "b": 2})");
  EXPECT_EQ(indexed.first, one.first);
  EXPECT_NE(indexed.second, one.second);
}

TEST_F(Administration, TheProfilerRecordsWhatIsSlowOrWhatItsFilterAccepts) {
  start(kTest60);
  ASSERT_EQ(code("d", R"({"profile": 1, "slowms": 100000})"), 0);
  ASSERT_EQ(code("d", R"({"insert": "c", "documents": [{"_id": 1}]})"), 0);
  EXPECT_TRUE(find("d", "system.profile").empty());
  ASSERT_EQ(code("d", R"({"profile": 1, "filter": {"op": "insert"}})"), 0);
  ASSERT_EQ(code("d", R"({"insert": "c", "documents": [{"_id": 2}]})"), 0);
  ASSERT_EQ(code("d", R"({"find": "c"})"), 0);
  EXPECT_EQ(find("d", "system.profile").size(), 1U);
  EXPECT_TRUE(run("d", R"({"profile": -1})")["note"]);
  ASSERT_EQ(code("d", R"({"profile": 0, "filter": "unset"})"), 0);
  EXPECT_EQ(message("d", R"({"profile": 1, "sampleRate": 2})"), "2 'sampleRate' must be between 0.0 and 1.0 inclusive");
}

TEST_F(Administration, UptimeIsCountedFromTheStart) {
  start(kTest44);
  ASSERT_TRUE(runtime_->sleep(std::chrono::milliseconds(1100), {}));
  const auto status = run("admin", R"({"serverStatus": 1})");
  EXPECT_GE(status["uptimeMillis"].to_int64(), 1100) << text(status);
  EXPECT_GE(status["uptimeEstimate"].to_int64(), 1);
  EXPECT_GE(status["uptime"].to_double(), 1.0);
  EXPECT_GE(run("admin", R"({"replSetGetStatus": 1})").view().at_path("members.0.uptime").to_int64(), 1);
}

TEST_F(Administration, DefaultConcernsAreKeptAndReported) {
  start(kTest44);
  EXPECT_FALSE(run("admin", R"({"getDefaultRWConcern": 1})")["defaultWriteConcern"]);
  EXPECT_EQ(message("admin", R"({"setDefaultRWConcern": 1})"),
            "2 At least one of the \"defaultReadConcern\" or \"defaultWriteConcern\" fields must be present");
  EXPECT_EQ(message("admin", R"({"setDefaultRWConcern": 1, "defaultReadConcern": {"level": "snapshot"}})"),
            "2 level: 'snapshot' is not suitable for the default read concern");
  EXPECT_EQ(message("admin", R"({"setDefaultRWConcern": 1, "defaultWriteConcern": {"w": 0}})"),
            "2 Unacknowledged write concern is not suitable for the default write concern");
  EXPECT_EQ(message("admin", R"({"setDefaultRWConcern": 1, "defaultWriteConcern": {"w": 2}})"), "100 Not enough data-bearing nodes");
  const auto set = run("admin", R"({"setDefaultRWConcern": 1, "defaultReadConcern": {"level": "majority"}, "defaultWriteConcern": {"w": "majority"}})");
  EXPECT_EQ(text(set["defaultReadConcern"]), R"({"level":"majority"})");
  EXPECT_EQ(text(set["defaultWriteConcern"]), R"({"w":"majority","wtimeout":0})");
  EXPECT_TRUE(set["updateOpTime"] && set["updateWallClockTime"] && set["localUpdateWallClockTime"]);
  EXPECT_EQ(find("config", "settings", R"({"_id": "ReadWriteConcernDefaults"})").size(), 1U);
  // {} takes one away again, the other stays.
  const auto unset = run("admin", R"({"setDefaultRWConcern": 1, "defaultReadConcern": {}})");
  EXPECT_FALSE(unset["defaultReadConcern"]);
  EXPECT_EQ(text(unset["defaultWriteConcern"]), R"({"w":"majority","wtimeout":0})");
  // Whoever writes config.settings sets them too.
  ASSERT_EQ(code("config", R"({"delete": "settings", "deletes": [{"q": {}, "limit": 0}]})"), 0);
  EXPECT_FALSE(run("admin", R"({"getDefaultRWConcern": 1})")["defaultWriteConcern"]);
}

TEST_F(Administration, Since50WritesKeepTheirDefault) {
  start(kTest50);
  auto now = run("admin", R"({"getDefaultRWConcern": 1})");
  EXPECT_EQ(now["defaultWriteConcernSource"].to_string_view(), "implicit");
  ASSERT_EQ(code("admin", R"({"setDefaultRWConcern": 1, "defaultWriteConcern": {"w": 1}})"), 0);
  now = run("admin", R"({"getDefaultRWConcern": 1})");
  EXPECT_EQ(now["defaultWriteConcernSource"].to_string_view(), "global");
  EXPECT_EQ(now["defaultReadConcernSource"].to_string_view(), "implicit");
  EXPECT_EQ(message("admin", R"({"setDefaultRWConcern": 1, "defaultWriteConcern": {}})"),
            "20 The global default write concern cannot be unset once it is set.");
}

TEST_F(Administration, PatternsNameTheSessionsThatAreKilled) {
  start(kTest44);
  const auto find_in = [&](char digit) {
    const auto uuid = std::string("00000000-0000-0000-0000-00000000000") + digit;
    return run("d", R"({"find": "c", "batchSize": 1, "lsid": {"id": {"$uuid": ")" + uuid + "\"}}}").view().at_path("cursor.id").to_int64().value_or(0);
  };
  ASSERT_EQ(code("d", R"({"insert": "c", "documents": [{"_id": 1}, {"_id": 2}]})"), 0);
  const auto first = find_in('1'), second = find_in('2');
  ASSERT_TRUE(first != 0 && second != 0);
  ASSERT_EQ(code("admin", R"({"killAllSessionsByPattern": [{"lsid": {"id": {"$uuid": "00000000-0000-0000-0000-000000000001"}}}]})"), 0);
  const auto open = run("admin", R"({"aggregate": 1, "pipeline": [{"$currentOp": {"idleCursors": true, "allUsers": true}}, {"$match": {"type": "idleCursor"}}], "cursor": {}})");
  ASSERT_EQ(batch(open).size(), 1U);
  EXPECT_EQ(batch(open)[0].view().at_path("cursor.cursorId").to_int64(), second);
  EXPECT_EQ(message("admin", R"({"killAllSessionsByPattern": [{"nobody": 1}]})"), "40415 BSON field 'KillAllSessionsByPattern.nobody' is an unknown field.");
  EXPECT_EQ(message("admin", R"({"killAllSessions": [{"user": "u"}]})"), "40414 BSON field 'KillAllSessionsUser.db' is missing but a required field");
  ASSERT_EQ(code("admin", R"({"killAllSessions": [{"user": "nobody", "db": "admin"}]})"), 0);
  EXPECT_EQ(batch(run("admin", R"({"aggregate": 1, "pipeline": [{"$currentOp": {"idleCursors": true, "allUsers": true}}, {"$match": {"type": "idleCursor"}}], "cursor": {}})")).size(), 1U);
}

// Each is found by its key: with a walk through all of them for each this took half a minute.
TEST_F(Administration, ManySessionsAreKilledAtOnce) {
  start(kTest80);
  for (int i = 0; i < 20; ++i) {
    std::string ids;
    for (int k = 0; k < 1000; ++k) ids += fmt::format(R"({}{{"id": {{"$uuid": "00000000-0000-0000-0000-{:012}"}}}})", k == 0 ? "" : ", ", i * 1000 + k);
    ASSERT_EQ(code("admin", R"({"refreshSessions": [)" + ids + "]}"), 0);
  }
  ASSERT_EQ(code("d", R"({"create": "c"})"), 0);
  const std::string in_transaction = R"("lsid": {"id": {"$uuid": "10000000-0000-0000-0000-000000000001"}}, "txnNumber": {"$numberLong": "1"}, "autocommit": false)";
  ASSERT_EQ(code("d", R"({"insert": "c", "documents": [{"_id": 1}], "startTransaction": true, )" + in_transaction + "}"), 0);
  EXPECT_EQ(message("admin", R"({"ping": 1, "lsid": {"id": {"$uuid": "10000000-0000-0000-0000-000000000002"}, "uid": {"$binary": {"base64": "", "subType": "00"}}}})"),
            "12 Unsupported SHA256Block hash length: 0");
  const auto before = std::chrono::steady_clock::now();
  ASSERT_EQ(code("admin", R"({"killAllSessions": []})"), 0);
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(10));
  EXPECT_EQ(code("admin", R"({"commitTransaction": 1, )" + in_transaction + "}"), 251);
}

TEST_F(Administration, SessionsAreListedWhereTheyAre) {
  start(kTest44);
  EXPECT_EQ(message("d", R"({"aggregate": "c", "pipeline": [{"$listSessions": {}}], "cursor": {}})"),
            "73 $listSessions may only be run against config.system.sessions");
  EXPECT_EQ(message("d", R"({"aggregate": "c", "pipeline": [{"$listLocalSessions": {}}], "cursor": {}})"),
            "73 $listLocalSessions must be run against the database with {aggregate: 1}, not a collection");
  EXPECT_EQ(message("d", R"({"aggregate": 1, "pipeline": [{"$listLocalSessions": {"allUsers": true, "users": [{"user": "a", "db": "b"}]}}], "cursor": {}})"),
            "115 $listLocalSessions may not specify {allUsers:true} and {users:[...]} at the same time");
}

TEST_F(Administration, IterationsOfPasswordsCanBeSet) {
  start(kTest44);
  EXPECT_EQ(message("admin", R"({"setParameter": 1, "scramIterationCount": 100})"),
            "2 Invalid value for parameter scramIterationCount: 100 is not greater than or equal to 5000");
  ASSERT_EQ(code("admin", R"({"setParameter": 1, "scramIterationCount": 6000})"), 0);
  ASSERT_EQ(code("admin", R"({"createUser": "u", "pwd": "p", "roles": []})"), 0);
  const auto user = find("admin", "system.users", R"({"user": "u"})").at(0);
  EXPECT_EQ(user.view().at_path("credentials.SCRAM-SHA-1.iterationCount").to_int64(), 6000);
  ASSERT_EQ(code("admin", R"({"setParameter": 1, "scramIterationCount": 10000})"), 0);
}

TEST_F(Administration, Since50TheReasonsOfARefusedDocumentAreTold) {
  const std::string create = R"({"create": "c", "validator": {"x": {"$in": ["s"]}}})";
  start(kTest50);
  ASSERT_EQ(code("d", create), 0);
  const auto insert = run("d", R"({"insert": "c", "documents": [{"_id": 1, "x": 1}]})");
  const auto error = insert.view().at_path("writeErrors.0");
  EXPECT_EQ(text(error), R"({"index":0,"code":121,"errInfo":{"failingDocumentId":1,"details":{"operatorName":"$in","specifiedAs":{"x":{"$in":["s"]}},)"
                         R"("reason":"nomatchingvaluefoundinarray","consideredValue":1}},"errmsg":"Documentfailedvalidation"})");
  ASSERT_EQ(code("d", R"({"insert": "c", "documents": [{"_id": 1, "x": "s"}]})"), 0);
  const auto update = run("d", R"({"update": "c", "updates": [{"q": {"_id": 1}, "u": {"$set": {"x": 2}}}]})");
  EXPECT_EQ(update.view().at_path("writeErrors.0.errInfo.details.consideredValue").to_int64(), 2);
  const auto modify = run("d", R"({"findAndModify": "c", "query": {"_id": 1}, "update": {"$set": {"x": 3}}})");
  EXPECT_EQ(code_of(modify), 121);
  EXPECT_EQ(modify.view().at_path("errInfo.details.consideredValue").to_int64(), 3);

  start(kTest80);
  ASSERT_EQ(code("d", create), 0);
  const auto newer = text(run("d", R"({"insert": "c", "documents": [{"_id": 1, "x": 1}]})").view().at_path("writeErrors.0"));
  EXPECT_LT(newer.find("errmsg"), newer.find("errInfo"));
  const auto bulk = run("admin", R"({"bulkWrite": 1, "ops": [{"insert": 0, "document": {"_id": 1, "x": 1}}], "nsInfo": [{"ns": "d.c"}]})");
  EXPECT_EQ(bulk.view().at_path("cursor.firstBatch.0.errInfo.failingDocumentId").to_int64(), 1);

  start(kTest44);
  ASSERT_EQ(code("d", create), 0);
  EXPECT_EQ(text(run("d", R"({"insert": "c", "documents": [{"_id": 1, "x": 1}]})").view().at_path("writeErrors.0")),
            R"({"index":0,"code":121,"errmsg":"Documentfailedvalidation"})");
}

TEST_F(Administration, UsersLoseMechanismsAndRolesAreShownAsTheirVersionShowsThem) {
  start(kTest44);
  ASSERT_EQ(code("d", R"({"createUser": "u", "pwd": "p", "roles": []})"), 0);
  EXPECT_EQ(message("d", R"({"createUser": "v", "pwd": 5, "roles": []})"), "14 \"pwd\" had the wrong type. Expected string, found int");
  EXPECT_EQ(message("d", R"({"grantRolesToUser": "u", "roles": []})"), "2 grantRolesToUser command requires a non-empty \"roles\" array");
  EXPECT_EQ(message("d", R"({"grantRolesToUser": "u"})"), "4 Missing expected field \"roles\"");
  EXPECT_EQ(message("d", R"({"usersInfo": 1, "showPrivileges": true})"), "20 Privilege or restriction details require exact-match usersInfo queries.");
  EXPECT_FALSE(run("d", R"({"usersInfo": 1, "filter": {"user": "other"}})").view().at_path("users.0"));
  EXPECT_EQ(message("d", R"({"createRole": "s", "roles": [], "privileges": [{"resource": {"db": "d", "collection": ""}, "actions": ["fly"]}]})"),
            "9 Unrecognized action privilege strings: fly");
  EXPECT_EQ(message("d", R"({"createRole": "s", "privileges": [], "roles": ["none"]})"), "31 Cannot grant nonexistent role none@d");
  EXPECT_EQ(message("d", R"({"createUser": "v", "pwd": "p", "roles": [], "digestPassword": false})"),
            "2 Use of SCRAM-SHA-256 requires undigested passwords");
  ASSERT_EQ(code("d", R"({"updateUser": "u", "mechanisms": ["SCRAM-SHA-256"]})"), 0);
  EXPECT_EQ(message("d", R"({"updateUser": "u", "mechanisms": ["SCRAM-SHA-1"]})"), "2 mechanisms field must be a subset of previously set mechanisms");
  const auto users = run("d", R"({"usersInfo": "u"})");
  EXPECT_EQ(users.view().at_path("users.0.mechanisms.0").to_string_view(), "SCRAM-SHA-256");
  EXPECT_FALSE(users.view().at_path("users.0.mechanisms.1"));
  ASSERT_EQ(code("d", R"({"createRole": "r", "privileges": [], "roles": []})"), 0);
  const auto roles = run("d", R"({"rolesInfo": "r"})");
  EXPECT_EQ(text(roles.view().at_path("roles.0")),
            R"({"role":"r","db":"d","isBuiltin":false,"roles":[],"inheritedRoles":[]})");
}

TEST_F(Administration, WhatNoServerOfOneMemberTakesIsRefused) {
  start(kTest44);
  ASSERT_EQ(code("d", R"({"insert": "c", "documents": [{"_id": 1}]})"), 0);
  EXPECT_EQ(message("admin", R"({"renameCollection": "d.c", "to": 5})"),
            "14 BSON field 'renameCollection.to' is the wrong type 'int', expected type 'string'");
  EXPECT_EQ(message("d", R"({"aggregate": "c", "pipeline": [{"$collStats": {"nope": {}}}], "cursor": {}})"), "40168 unrecognized option to $collStats: nope");
  EXPECT_EQ(code("d", R"({"aggregate": "c", "pipeline": [{"$indexStats": {"a": 1}}], "cursor": {}})"), 28803);
  EXPECT_EQ(message("d", R"({"find": "c", "projection": {"k": {"$meta": "sortKey"}}})"), "2 cannot use sortKey $meta projection without a sort");
  ASSERT_EQ(code("admin", R"({"setParameter": 1, "notablescan": 0, "syncdelay": 30})"), 0);
  const auto got = run("admin", R"({"getParameter": 1, "notablescan": 1, "syncdelay": 1})");
  EXPECT_EQ(got["notablescan"].type(), bson::Type::kBool);
  EXPECT_EQ(got["syncdelay"].type(), bson::Type::kDouble);
  ASSERT_EQ(code("admin", R"({"setParameter": 1, "syncdelay": 60})"), 0);
}

TEST_F(Administration, CommandsAreParsedInTheWordsOfTheirVersion) {
  start(kTest44);
  EXPECT_EQ(message("d", R"({"find": "c", "foo": 1})"), R"(9 Failed to parse: { find: "c", foo: 1, $db: "d" }. Unrecognized field 'foo'.)");
  EXPECT_EQ(message("d", R"({"aggregate": "c", "pipeline": [], "cursor": {}, "foo": 1})"), "9 unrecognized field 'foo'");
  start(kTest60);
  EXPECT_EQ(message("d", R"({"find": "c", "foo": 1})"), "40415 BSON field 'FindCommandRequest.foo' is an unknown field.");
  EXPECT_EQ(message("d", R"({"find": "c", "filter": 1})"), "14 Expected field filterto be of type object");
  EXPECT_EQ(message("d", R"({"find": "c", "limit": "x"})"),
            "14 BSON field 'FindCommandRequest.limit' is the wrong type 'string', expected types '[long, int, decimal, double']");
  EXPECT_EQ(message("d", R"({"find": "c", "skip": -1})"), "51024 BSON field 'skip' value must be >= 0, actual value '-1'");
  EXPECT_EQ(message("d", R"({"find": "c", "singleBatch": "x"})"), "14 Field 'singleBatch' should be a boolean value, but found: string");
  EXPECT_EQ(message("d", R"({"aggregate": "c", "pipeline": [], "cursor": {}, "foo": 1})"), "40415 BSON field 'aggregate.foo' is an unknown field.");
  EXPECT_EQ(message("d", R"({"aggregate": "c", "pipeline": [], "cursor": {"batchSize": -1}})"), "51024 BSON field 'batchSize' value must be >= 0, actual value '-1'");
  EXPECT_EQ(message("d", R"({"getMore": 1, "collection": "c"})"), "14 BSON field 'getMore.getMore' is the wrong type 'int', expected type 'long'");
  EXPECT_EQ(message("d", R"({"getMore": {"$numberLong": "1"}})"), "40414 BSON field 'getMore.collection' is missing but a required field");
  EXPECT_EQ(message("d", R"({"getMore": {"$numberLong": "1"}, "collection": "c", "foo": 1})"), "40415 BSON field 'getMore.foo' is an unknown field.");
}

TEST_F(Administration, UsersAndRolesOfARestoreTakeTheirPlace) {
  start(kTest44);
  EXPECT_EQ(run("admin", R"({"getParameter": 1, "authSchemaVersion": 1})")["authSchemaVersion"].to_int64(), 5);
  for (const char* user : {"kept", "old"}) {
    ASSERT_EQ(code("d", std::string(R"({"createUser": ")") + user + R"(", "pwd": "p", "roles": ["read"]})"), 0);
  }
  ASSERT_EQ(code("other", R"({"createUser": "elsewhere", "pwd": "p", "roles": ["read"]})"), 0);
  const auto names = [&] {
    std::string out;
    for (const auto& user : find("admin", "system.users")) out += std::string(user["_id"].to_string_view().value_or("")) + ":" + text(user["roles"]) + " ";
    return out;
  };
  // As mongorestore leaves them: a changed user, a new one, a role.
  const auto copy = find("admin", "system.users", R"({"user": "kept"})").at(0);
  for (const char* name : {"kept", "new"}) {
    bson::Builder user;
    user.append("_id", std::string("d.") + name).append("userId", copy["userId"]).append("user", name).append("db", "d").append("credentials", copy["credentials"]);
    {
      auto roles = user.open_array("roles");
      roles.open_document().append("role", "readWrite").append("db", "d");
    }
    bson::ArrayBuilder documents;
    documents.append(std::move(user).finish());
    ASSERT_EQ(code("admin", bson::make_document({{"insert", "tempusers"}, {"documents", bson::ArrayView{std::move(documents).finish()}}}).view()), 0);
  }
  ASSERT_EQ(code("admin", R"({"insert": "temproles", "documents": [{"_id": "d.r", "role": "r", "db": "d", "privileges": [], "roles": []}]})"), 0);

  ASSERT_EQ(code("admin", R"({"_mergeAuthzCollections": 1, "tempUsersCollection": "admin.tempusers", "tempRolesCollection": "admin.temproles", "db": "d", "drop": false})"), 0);
  const std::string write = R"({"0":{"role":"readWrite","db":"d"}})";
  EXPECT_EQ(names(), "d.kept:" + write + R"( d.old:{"0":{"role":"read","db":"d"}} other.elsewhere:{"0":{"role":"read","db":"other"}} d.new:)" + write + " ");
  EXPECT_EQ(find("admin", "system.roles").size(), 1U);
  // With drop the others of that database go; and again, for nothing changes.
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(code("admin", R"({"_mergeAuthzCollections": 1, "tempUsersCollection": "admin.tempusers", "db": "d", "drop": true})"), 0);
    EXPECT_EQ(names(), "d.kept:" + write + R"( other.elsewhere:{"0":{"role":"read","db":"other"}} d.new:)" + write + " ");
  }
  EXPECT_EQ(find("admin", "system.roles").size(), 1U);
  // A document that is no user changes nothing.
  ASSERT_EQ(code("admin", R"({"insert": "tempusers", "documents": [{"_id": "d.bad", "user": "other", "db": "d", "roles": []}]})"), 0);
  EXPECT_EQ(code("admin", R"({"_mergeAuthzCollections": 1, "tempUsersCollection": "admin.tempusers", "db": "", "drop": true})"), 2);
  EXPECT_EQ(find("admin", "system.users").size(), 3U);
  EXPECT_EQ(code("admin", R"({"_mergeAuthzCollections": 1, "drop": true})"), 2);
}

TEST_F(Administration, WithNotablescanFiltersNeedAnIndex) {
  start(kTest44);
  ASSERT_EQ(code("d", R"({"insert": "c", "documents": [{"_id": 1, "a": 1, "b": 1}]})"), 0);
  ASSERT_EQ(code("d", R"({"createIndexes": "c", "indexes": [{"key": {"a": 1}, "name": "a_1"}]})"), 0);
  ASSERT_EQ(code("admin", R"({"setParameter": 1, "notablescan": true})"), 0);
  EXPECT_EQ(message("d", R"({"find": "c", "filter": {"b": 1}})"),
            "291 error processing query: ns=d.cTree: b $eq 1\nSort: {}\nProj: {}\n planner returned error :: caused by :: No indexed plans available, and running with "
            "'notablescan'");
  EXPECT_EQ(code("d", R"({"find": "c", "filter": {"b": 1}, "hint": {"$natural": 1}})"), 2);
  EXPECT_EQ(code("d", R"({"find": "c", "filter": {"a": 1}})"), 0);
  EXPECT_EQ(code("d", R"({"find": "c"})"), 0);
  EXPECT_EQ(code("admin", R"({"find": "system.version", "filter": {"x": 1}})"), 0);
  ASSERT_EQ(code("admin", R"({"setParameter": 1, "notablescan": false})"), 0);
  EXPECT_EQ(code("d", R"({"find": "c", "filter": {"b": 1}})"), 0);
}

TEST_F(Administration, WhatIsNotThereIsRefusedInTheServersWords) {
  start(kTest44);
  EXPECT_EQ(message("d", R"({"mapReduce": "c", "map": "f", "reduce": "g", "out": {"inline": 1}})"), "31264 Cannot run server-side javascript without the javascript engine enabled");
  EXPECT_EQ(message("admin", R"({"fsyncUnlock": 1})"), "20 fsyncUnlock called when not locked");
  ASSERT_EQ(code("d", R"({"insert": "c", "documents": [{"_id": 1}]})"), 0);
  EXPECT_EQ(code("d", R"({"insert": "c", "documents": [{"_id": 1}]})"), 0);
  EXPECT_EQ(code("d", R"({"resetError": 1})"), 0);
  EXPECT_FALSE(run("d", R"({"getLastError": 1})")["code"]);
  start(kTest60);
  EXPECT_EQ(code("d", R"({"resetError": 1})"), 59);
  EXPECT_EQ(code("d", R"({"getLastError": 1})"), 59);
}

}  // namespace
}  // namespace drover::sandbox
