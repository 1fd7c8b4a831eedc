// What administrators set and ask: the profiler, default concerns, sessions of others, parameters; and the reasons of a refused
// document.
#include <chrono>

#include <fmt/format.h>

#include "sandbox/server/client_for_tests.h"
#include "sandbox/storage/engine.h"

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
            "12 $listLocalSessions may not specify {allUsers:true} and {users:[...]} at the same time");
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

TEST_F(Administration, ParametersThatThereAreNone) {
  start(kTest44);
  EXPECT_FALSE(run("admin", R"({"getParameter": 1, "nosuch": 1})")["code"]);
  EXPECT_EQ(text(run("admin", R"({"getParameter": 1, "authenticationMechanisms": 1, "clusterAuthMode": 1, "sslMode": 1, "tlsMode": 1})")).substr(0, 146),
            R"({"authenticationMechanisms":["MONGODB-X509","SCRAM-SHA-1","SCRAM-SHA-256"],"clusterAuthMode":"undefined","sslMode":"disabled","tlsMode":"disabled")");
  EXPECT_EQ(message("admin", R"({"setParameter": 1, "tlsMode": "requireTLS"})"), "20 not allowed to change [tlsMode] at runtime");
  start(kTest80);
  EXPECT_EQ(message("admin", R"({"getParameter": 1, "nosuch": 1})"), "72 no option found to get");
  EXPECT_EQ(message("admin", R"({"setParameter": 1})"), "72 no option found to set, use help:true to see options ");
  for (const auto version : {kTest44, kTest80}) {
    start(version);
    EXPECT_EQ(code("admin", R"({"setParameter": 1, "internalQueryMaxBlockingSortMemoryUsageBytes": 20000})"), 20) << "it would have no effect";
    // One that there is is enough.
    EXPECT_EQ(text(run("admin", R"({"getParameter": 1, "nosuch": 1, "quiet": 1, "notablescan": 1})")).substr(0, 35), R"({"notablescan":false,"quiet":false,)");
    // Of those that are set, each has to be there.
    EXPECT_EQ(message("admin", R"({"setParameter": 1, "quiet": true, "nosuch": 1})"), "72 attempted to set unrecognized parameter [nosuch], use help:true to see options ");
    EXPECT_EQ(code("admin", R"({"setParameter": 1, "logLevel": 1, "authSchemaVersion": 1})"), 20);
    EXPECT_FALSE(run("admin", R"({"getParameter": 1, "quiet": 1})")["quiet"].is_truthy());
    EXPECT_EQ(run("admin", R"({"getParameter": 1, "logLevel": 1})")["logLevel"].to_int64(), 0);
  }
}

TEST_F(Administration, StatisticsOfNoDatabase) {
  start(kTest44);
  const auto begins = [&](const std::string& command, const std::string& expected) {
    const auto reply = text(run("none", command));
    EXPECT_EQ(reply.substr(0, expected.size()), expected);
  };
  begins(R"({"dbStats": 1, "scale": 1024})", R"({"db":"none","collections":0,"views":0,"objects":0,"avgObjSize":0,"dataSize":0,"storageSize":0,"totalSize":0,"indexes":0,)"
                                             R"("indexSize":0,"scaleFactor":1024.0,"fileSize":0,"fsUsedSize":0,"fsTotalSize":0,"ok":1.0)");
  start(kTest80);
  begins(R"({"dbStats": 1, "freeStorage": 1})", R"({"db":"none","collections":0,"views":0,"objects":0,"avgObjSize":0.0,"dataSize":0.0,"storageSize":0.0,"freeStorageSize":0.0,"indexes":0,)"
                                                R"("indexSize":0.0,"indexFreeStorageSize":0.0,"totalSize":0.0,"totalFreeStorageSize":0.0,"scaleFactor":1.0,"fsUsedSize":0.0,"fsTotalSize":0.0,"ok":1.0)");
  const auto there = run("admin", R"({"dbStats": 1, "freeStorage": 1})");
  EXPECT_EQ(there["freeStorageSize"].to_double(), 0.0);
  EXPECT_GT(there["collections"].to_int64(), 0);
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
  EXPECT_EQ(code("admin", R"({"_mergeAuthzCollections": 1, "db": "", "drop": true})"), 2);
  EXPECT_EQ(code("admin", R"({"_mergeAuthzCollections": 1, "tempUsersCollection": "admin.tempusers", "drop": true})"), 101);
}

TEST_F(Administration, WhatCouldNotBeUsedIsNotRestored) {
  start(kTest80);
  EXPECT_EQ(code("admin", R"({"_mergeAuthzCollections": 1, "tempUsersCollection": "admin.temp"})"), 40414);
  const std::string user = R"({"_id": "d.u", "user": "u", "db": "d", "roles": [)", role = R"({"_id": "d.r", "role": "r", "db": "d", "roles": [)";
  const std::pair<std::string, std::string> unfit[] = {
      {"tempUsersCollection", user + R"("read"]})"},
      {"tempUsersCollection", user + R"({"role": "read"}]})"},
      {"tempUsersCollection", user + R"(], "credentials": 1})"},
      {"tempUsersCollection", user + R"(], "credentials": {"SCRAM-SHA-256": {"iterationCount": 15000}}})"},
      {"tempUsersCollection", user + R"(], "authenticationRestrictions": [{"clientSource": ["10.0.0.0/800"]}]})"},
      {"tempRolesCollection", role + "]}"},
      {"tempRolesCollection", role + R"(], "privileges": [{"resource": {"cluster": true}}]})"}};
  for (const auto& [field, document] : unfit) {
    run("admin", R"({"drop": "temp"})");
    ASSERT_EQ(code("admin", R"({"insert": "temp", "documents": [)" + document + "]}"), 0);
    EXPECT_NE(code("admin", R"({"_mergeAuthzCollections": 1, "db": "", ")" + field + R"(": "admin.temp"})"), 0) << document;
    EXPECT_EQ(find("admin", "system.users").size() + find("admin", "system.roles").size(), 0u) << document;
  }
  // However many there are.
  run("admin", R"({"drop": "temp"})");
  for (int i = 0; i < 3; ++i) {
    bson::Builder insert;
    insert.append("insert", "temp");
    auto documents = insert.open_array("documents");
    for (int j = 0; j < 1000; ++j) {
      const auto name = "u" + std::to_string(1000 * i + j);
      auto one = documents.open_document();
      one.append("_id", "d." + name).append("user", name).append("db", "d").append("x", std::string(8000, 'x'));
      one.open_array("roles");
    }
    documents.close();
    ASSERT_EQ(code("admin", std::move(insert).finish()), 0);
  }
  ASSERT_EQ(code("admin", R"({"_mergeAuthzCollections": 1, "db": "d", "tempUsersCollection": "admin.temp", "drop": true})"), 0);
  EXPECT_EQ(run("admin", R"({"count": "system.users"})")["n"].to_int64(), 3000);
  ASSERT_EQ(code("admin", R"({"delete": "temp", "deletes": [{"q": {"user": {"$ne": "u7"}}, "limit": 0}]})"), 0);
  ASSERT_EQ(code("admin", R"({"_mergeAuthzCollections": 1, "db": "d", "tempUsersCollection": "admin.temp", "drop": true})"), 0);
  EXPECT_EQ(run("admin", R"({"count": "system.users"})")["n"].to_int64(), 1);
}

// Sums of the greatest numbers are none.
TEST_F(Administration, TheGreatestLimitIsAsGoodAsNone) {
  start(kTest80);
  for (int i = 0; i < 3; ++i) {
    bson::Builder insert;
    insert.append("insert", "c");
    auto documents = insert.open_array("documents");
    for (int j = 0; j < 1000; ++j) documents.open_document().append("_id", 1000 * i + j).append("a", -j);
    documents.close();
    ASSERT_EQ(code("d", std::move(insert).finish()), 0);
  }
  const std::string most = R"({"$numberLong": "9223372036854775807"})", least = R"({"$numberLong": "-9223372036854775808"})";
  for (const std::string& more : {"\"limit\": " + most, "\"skip\": 5, \"limit\": " + most}) {
    EXPECT_EQ(batch(run("d", R"({"find": "c", "sort": {"a": 1}, "batchSize": 10, )" + more + "}")).size(), 10u) << more;
    EXPECT_EQ(code("d", R"({"explain": {"find": "c", "sort": {"a": 1}, )" + more + R"(}, "verbosity": "executionStats"})"), 0) << more;
  }
  EXPECT_EQ(batch(run("d", R"({"find": "c", "sort": {"a": 1}, "limit": 5, "skip": )" + most + "}")).size(), 0u);
  EXPECT_EQ(run("d", R"({"count": "c", "query": {"a": {"$lte": 0}}, "skip": 5, "limit": )" + most + "}")["n"].to_int64(), 2995);
  EXPECT_EQ(run("d", R"({"count": "c", "query": {"a": {"$lte": 0}}, "limit": )" + least + "}")["n"].to_int64(), 3000);
  EXPECT_EQ(batch(run("d", R"({"aggregate": "c", "pipeline": [{"$sort": {"a": 1}}, {"$limit": )" + most + R"(}], "cursor": {"batchSize": 10}})")).size(), 10u);
}

TEST_F(Administration, TheOplogKeepsASizeThatItCanHave) {
  start(kTest80);
  for (const char* size : {R"({"$numberDouble": "NaN"})", "989", "2e9", R"({"$numberLong": "17592186044416"})", R"({"$numberDouble": "Infinity"})"}) {
    EXPECT_EQ(code("admin", std::string(R"({"replSetResizeOplog": 1, "size": )") + size + "}"), 2) << size;
  }
  EXPECT_EQ(code("admin", R"({"replSetResizeOplog": 1, "size": 1000, "minRetentionHours": 2})"), 238);
  EXPECT_EQ(code("admin", R"({"replSetResizeOplog": 1, "size": 1000, "other": 2})"), 40415);
  EXPECT_EQ(code("admin", R"({"replSetResizeOplog": 1, "size": 1000})"), 0);
  EXPECT_EQ(sandbox_->state().services.engine.oplog_max_bytes(), 1000u << 20);
}

// Its entries are no documents of a collection; it is asked for all the same.
TEST_F(Administration, TheOplogIsCounted) {
  start(kTest44);
  for (int i = 0; i < 30; ++i) ASSERT_EQ(code("d", R"({"insert": "c", "documents": [{"_id": )" + std::to_string(i) + "}]}"), 0);
  const auto entries = static_cast<std::int64_t>(find("local", "oplog.rs").size());
  EXPECT_GT(entries, 30);
  EXPECT_EQ(run("local", R"({"count": "oplog.rs"})")["n"].to_int64(), entries);
  EXPECT_EQ(run("local", R"({"collStats": "oplog.rs"})")["count"].to_int64(), entries);
  EXPECT_EQ(batch(run("local", R"({"aggregate": "oplog.rs", "pipeline": [{"$collStats": {"count": {}}}], "cursor": {}})")).at(0)["count"].to_int64(), entries);
  EXPECT_EQ(run("local", R"({"dbStats": 1})")["objects"].to_int64(), entries + 2);  // and the configuration and this start
  bson::Builder insert;
  insert.append("insert", "many");
  auto documents = insert.open_array("documents");
  for (int i = 0; i < 3000; ++i) documents.open_document().append("_id", i);
  documents.close();
  ASSERT_EQ(code("d", std::move(insert).finish()), 0);
  EXPECT_EQ(run("local", R"({"collStats": "oplog.rs"})")["count"].to_int64(), entries + 3001);
}

TEST_F(Administration, ListsHaveBatches) {
  start(kTest80);
  ASSERT_EQ(code("d", R"({"insert": "c", "documents": [{"_id": 1}]})"), 0);
  for (const std::string list : {R"("listCollections": 1)", R"("listIndexes": "c")"}) {
    EXPECT_EQ(batch(run("d", "{" + list + R"(, "cursor": {"batchSize": 1}})")).size(), 1u);
    EXPECT_EQ(batch(run("d", "{" + list + R"(, "cursor": {"batchSize": 0}})")).size(), 0u);
    EXPECT_EQ(code("d", "{" + list + R"(, "cursor": {"batchSize": -1}})"), 51024);
    EXPECT_EQ(code("d", "{" + list + R"(, "cursor": {"batchSize": "x"}})"), 14);
    EXPECT_EQ(code("d", "{" + list + R"(, "cursor": 1})"), 14);
  }
  EXPECT_EQ(code("admin", R"({"bulkWrite": 1, "nsInfo": [{"ns": "d.c"}], "ops": [{"insert": 0, "document": {"_id": 2}}], "cursor": {"batchSize": -1}})"), 51024);
  EXPECT_EQ(find("d", "c").size(), 1u);
}

TEST_F(Administration, ARangeOfDocumentsIsMeasured) {
  start(kTest80);
  ASSERT_EQ(code("d", R"({"insert": "c", "documents": [{"_id": 1}, {"_id": 2}, {"_id": 3}]})"), 0);
  const auto measured = run("d", R"({"dataSize": "d.c", "keyPattern": {"_id": 1}, "min": {"_id": 1}, "max": {"_id": 3}})");
  EXPECT_EQ(measured["numObjects"].to_int64(), 2) << text(measured);
  EXPECT_EQ(code("d", R"({"dataSize": "d.c", "min": {"_id": 1}})"), 2);
  EXPECT_EQ(code("d", R"({"dataSize": "d.c", "min": {"_id": 1}, "max": {"_id": 1}})"), 51175);
  EXPECT_EQ(code("d", R"({"dataSize": "d.c", "keyPattern": {"x": 1}, "min": {"x": 1}, "max": {"x": 2}})"), 2);
}

// There are 3^18 ways from the topmost to the collection. Nobody goes them one by one, under the writer's lock or before a command begins.
TEST_F(Administration, ViewsThatReadAViewSeveralTimesAreLookedAtOnce) {
  start(kTest80);
  ASSERT_EQ(code("d", R"({"insert": "c", "documents": [{"_id": 1}]})"), 0);
  std::string below = "c";
  const auto began = std::chrono::steady_clock::now();
  for (int i = 1; i <= 20; ++i) {
    const auto name = "v" + std::to_string(i);
    const auto stage = R"({"$unionWith": ")" + below + "\"}";
    ASSERT_EQ(code("d", R"({"create": ")" + name + R"(", "viewOn": ")" + below + R"(", "pipeline": [)" + stage + ", " + stage + "]}"), 0) << i;
    below = name;
  }
  EXPECT_EQ(code("d", R"({"create": "v21", "viewOn": "v20", "pipeline": []})"), 165);
  EXPECT_EQ(code("d", R"({"collMod": "v1", "viewOn": "v20", "pipeline": []})"), 5);
  EXPECT_EQ(code("d", R"({"find": "v19", "limit": 1})"), 0);
  // Who wants all of it can be stopped, also where there is nothing.
  ASSERT_EQ(code("d", R"({"drop": "c"})"), 0);
  EXPECT_EQ(code("d", R"({"find": "v20", "maxTimeMS": 200})"), 50);
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(60));
}

TEST_F(Administration, ServersInOneProcessHaveParametersOfTheirOwn) {
  start(kTest44);
  const auto other = Sandbox::start({.version = kTest44, .listen = false}, *runtime_, *log_);
  ASSERT_TRUE(other);
  ASSERT_EQ(code("admin", R"({"setParameter": 1, "notablescan": true, "cursorTimeoutMillis": 5})"), 0);
  ClientConnection client((*other)->state(), true);
  const auto body = bson::from_ejson(R"({"getParameter": 1, "notablescan": 1, "cursorTimeoutMillis": 1, "$db": "admin"})").value();
  const auto reply = (*other)->dispatcher().run(client, {.body = body, .sequences = {}}).reply;
  EXPECT_FALSE(reply["notablescan"].is_truthy());
  EXPECT_EQ(reply["cursorTimeoutMillis"].to_int64(), 600000);
}

TEST_F(Administration, TheLastLinesOfTheLogAreKept) {
  start(kTest80);
  EXPECT_EQ(text(run("admin", R"({"getLog": "*"})")["names"]), R"({"0":"global","1":"startupWarnings"})");
  EXPECT_EQ(code("admin", R"({"getLog": "rs"})"), 96);
  EXPECT_EQ(code("admin", R"({"getLog": 1})"), 14);
  auto& log = sandbox_->state().services.log;
  for (int i = 0; i < 2000; ++i) log.warn("line", {{"number", i}});
  log.error(std::string(100'000, 'x'), {{"field", std::string(100'000, 'y')}});
  log.debug("not one of them");
  const auto reply = run("admin", R"({"getLog": "global"})");
  const auto lines = reply["log"].to_array().value_or(bson::View());
  EXPECT_EQ(lines.field_count(), 1024u);
  EXPECT_GE(reply["totalLinesWritten"].to_int64().value_or(0), 2002);
  const auto first = bson::from_ejson(lines.first().string_value());
  ASSERT_TRUE(first);
  EXPECT_EQ((*first)["msg"].to_string_view(), "line");
  EXPECT_EQ((*first)["s"].to_string_view(), "W");
  EXPECT_EQ((*first)["t"].type(), bson::Type::kDateTime);
  EXPECT_EQ(first->view().at_path("attr.number").to_int64(), 2001 - 1024);
  EXPECT_LT(reply.size(), 1024u * 1200);
  EXPECT_EQ(run("admin", R"({"getLog": "startupWarnings"})")["totalLinesWritten"].to_int64(), 0);
}

TEST_F(Administration, AClientMayEndTheServerThatIsItsOwnProcess) {
  start(kTest44);
  EXPECT_EQ(code("admin", R"({"shutdown": 1, "force": true})"), 20);
  int asked = 0;
  start(SandboxOptions{.version = kTest80, .on_shutdown = [&] { ++asked; }});
  EXPECT_EQ(code("admin", R"({"shutdown": 1, "timeoutSecs": 0})"), 262);
  EXPECT_EQ(code("admin", R"({"shutdown": 1, "timeoutSecs": -1})"), 2);
  EXPECT_EQ(code("admin", R"({"shutdown": 1, "other": 1})"), 40415);
  EXPECT_EQ(code("d", R"({"shutdown": 1, "force": true})"), 13);
  EXPECT_EQ(asked, 0);
  const auto body = bson::from_ejson(R"({"shutdown": 1, "force": true, "$db": "admin"})").value();
  EXPECT_TRUE(sandbox_->dispatcher().run(*client_, {.body = body, .sequences = {}}).close);
  EXPECT_EQ(asked, 1);
}

TEST_F(Administration, StagesAreKnownFromTheirVersionOn) {
  struct Case {
    std::string stage;
    ServerVersion before;
  };
  const Case cases[] = {{R"({"$densify": {"field": "a", "range": {"step": 1, "bounds": "full"}}})", kTest50}, {R"({"$fill": {"output": {}}})", kTest50},
                        {R"({"$setWindowFields": {"output": {}}})", kTest44}, {R"({"$listCatalog": {}})", kTest50}, {R"({"$documents": []})", kTest50},
                        {R"({"$changeStreamSplitLargeEvent": {}})", kTest50}, {R"({"$vectorSearch": {}})", kTest60}};
  for (const auto& one : cases) {
    start(one.before);
    const auto name = one.stage.substr(2, one.stage.find('"', 2) - 2);
    const auto unknown = "40324 Unrecognized pipeline stage name: '" + name + "'";
    const auto aggregate = [&](const std::string& stages) { return message("d", R"({"aggregate": "c", "pipeline": [)" + stages + R"(], "cursor": {}})"); };
    EXPECT_EQ(aggregate(one.stage), unknown);
    EXPECT_EQ(aggregate(R"({"$match": {"$nope": 1}}, )" + one.stage), unknown);
    EXPECT_EQ(aggregate(R"({"$facet": {"a": [)" + one.stage + "]}}"), unknown);
    EXPECT_EQ(aggregate(R"({"$lookup": {"from": "c", "pipeline": [)" + one.stage + R"(], "as": "x"}})"), unknown);
    EXPECT_EQ(aggregate(R"({"$unionWith": {"coll": "c", "pipeline": [)" + one.stage + "]}}"), unknown);
    EXPECT_EQ(message("d", R"({"explain": {"aggregate": "c", "pipeline": [)" + one.stage + R"(], "cursor": {}}})"), unknown);
    EXPECT_EQ(message("d", R"({"update": "c", "updates": [{"q": {}, "u": [)" + one.stage + "]}]}"), unknown);
  }
  start(kTest80);
  EXPECT_EQ(message("d", R"({"aggregate": "c", "pipeline": [{"$documents": [{"a": 1}]}], "cursor": {}})"), "73 '$documents' can only be run with {aggregate: 1}");
  EXPECT_EQ(batch(run("d", R"({"aggregate": 1, "pipeline": [{"$documents": [{"a": 1}]}], "cursor": {}})")).size(), 1u);
}

TEST_F(Administration, WithNotablescanFiltersNeedAnIndex) {
  start(kTest44);
  ASSERT_EQ(code("d", R"({"insert": "c", "documents": [{"_id": 1, "a": 1, "b": 1}]})"), 0);
  ASSERT_EQ(code("d", R"({"createIndexes": "c", "indexes": [{"key": {"a": 1}, "name": "a_1"}]})"), 0);
  ASSERT_EQ(code("admin", R"({"setParameter": 1, "notablescan": true})"), 0);
  EXPECT_EQ(message("d", R"({"find": "c", "filter": {"b": 1}})"),
            "291 error processing query: ns=d.cTree: b $eq 1\nSort: {}\nProj: {}\n planner returned error :: caused by :: No indexed plans available, and running with "
            "'notablescan'");
  EXPECT_EQ(code("d", R"({"find": "c", "filter": {"b": 1}, "hint": {"$natural": 1}})"), 291);
  EXPECT_EQ(code("d", R"({"find": "c", "filter": {"a": 1}, "sort": {"$natural": 1}})"), 291);
  EXPECT_EQ(code("d", R"({"find": "c", "sort": {"$natural": 1}})"), 0);
  EXPECT_EQ(code("d", R"({"find": "c", "filter": {"a": 1}})"), 0);
  EXPECT_EQ(code("d", R"({"find": "c"})"), 0);
  EXPECT_EQ(code("admin", R"({"find": "system.version", "filter": {"x": 1}})"), 0);
  ASSERT_EQ(code("admin", R"({"setParameter": 1, "notablescan": false})"), 0);
  EXPECT_EQ(code("d", R"({"find": "c", "filter": {"b": 1}})"), 0);
}

TEST_F(Administration, HowMuchIsLoggedOfWhatIsKeptAndTold) {
  start(kTest80);
  const auto told = [&](const std::string& path) { return run("admin", R"({"getParameter": 1, "logComponentVerbosity": 1})").view().at_path("logComponentVerbosity." + path).to_int64(); };
  EXPECT_EQ(told("verbosity"), 0);
  EXPECT_EQ(told("replication.election.verbosity"), -1);
  EXPECT_EQ(told("network.asio.verbosity"), -1);
  const auto set = run("admin", R"({"setParameter": 1, "logComponentVerbosity": {"verbosity": 1, "query": {"verbosity": 2}, "replication": {"election": 3}, "write": 4}})");
  EXPECT_EQ(set.view().at_path("was.query.verbosity").to_int64(), -1);
  EXPECT_EQ(told("query.verbosity"), 2);
  EXPECT_EQ(told("replication.verbosity"), -1);
  EXPECT_EQ(told("replication.election.verbosity"), 3);
  EXPECT_EQ(told("write.verbosity"), 4);
  // The whole's is logLevel.
  EXPECT_EQ(run("admin", R"({"getParameter": 1, "logLevel": 1})")["logLevel"].to_int64(), 1);
  EXPECT_EQ(run("admin", R"({"setParameter": 1, "logLevel": 2})")["was"].to_int64(), 1);
  EXPECT_EQ(told("verbosity"), 2);
  EXPECT_EQ(message("admin", R"({"setParameter": 1, "logLevel": -1})"), "2 Invalid value for logLevel: -1");
  EXPECT_EQ(message("admin", R"({"setParameter": 1, "logComponentVerbosity": {"query": 5, "nothing": 1}})"), "2 Invalid component name default.nothing");
  EXPECT_EQ(message("admin", R"({"setParameter": 1, "logComponentVerbosity": {"query": 5, "replication": {"query": 1}}})"), "2 Invalid component name replication.query");
  EXPECT_EQ(message("admin", R"({"setParameter": 1, "logComponentVerbosity": {"query": {"verbosity": "x"}}})"), "2 Expected query.verbosity to be a number, but found string");
  EXPECT_EQ(code("admin", R"({"setParameter": 1, "logComponentVerbosity": 1})"), 14);
  EXPECT_EQ(told("query.verbosity"), 2);  // of what is refused nothing is done
  ASSERT_EQ(code("admin", R"({"setParameter": 1, "logComponentVerbosity": {"verbosity": 0, "query": -1, "write": -1, "replication": {"election": {"verbosity": -1}}}})"), 0);
  EXPECT_EQ(told("query.verbosity"), -1);
  EXPECT_EQ(run("admin", R"({"getParameter": 1, "logLevel": 1})")["logLevel"].to_int64(), 0);
  EXPECT_TRUE(run("admin", R"({"getParameter": "*"})")["logComponentVerbosity"].is_document());
  EXPECT_TRUE(told("query.rejected.verbosity"));
  start(kTest44);
  EXPECT_FALSE(told("query.rejected.verbosity"));
  EXPECT_TRUE(told("storage.journal.verbosity"));
}

TEST_F(Administration, IndexFiltersSayWhatPlansAreOf) {
  for (const auto version : {kTest44, kTest80}) {
    start(version);
    const auto listed = [&] { return text(bson::Document(run("d", R"({"planCacheListFilters": "c"})"))); };
    const std::string none = R"({"filters":[],)";
    EXPECT_EQ(listed().substr(0, none.size()), none);
    EXPECT_EQ(message("d", R"({"planCacheSetFilter": "c", "query": {"a": 1}, "indexes": [{"a": 1}]})"), "2 no such collection");
    run("d", R"({"insert": "c", "documents": [{"_id": 1, "a": 1, "b": 1}]})");
    run("d", R"({"createIndexes": "c", "indexes": [{"key": {"a": 1}, "name": "a_1"}, {"key": {"b": 1}, "name": "b_1"}]})");
    const auto plan_of = [&](const std::string& find) {
      const auto planner = bson::Document(run("d", R"({"explain": {"find": "c", )" + find + "}}")["queryPlanner"].document_value());
      auto stage = planner.view().at_path("winningPlan").document_value();
      while (stage["inputStage"]) stage = stage["inputStage"].document_value();
      return std::string(stage["indexName"] ? stage["indexName"].string_value() : stage["stage"].to_string_view().value_or("")) + (planner["indexFilterSet"].is_truthy() ? " filtered" : "");
    };
    EXPECT_EQ(plan_of(R"("filter": {"a": 1, "b": 1})"), "a_1");
    for (const std::string_view refused : {R"("query": {"a": 1})", R"("query": {"a": 1}, "indexes": 1)", R"("query": {"a": 1}, "indexes": [])", R"("query": {"a": 1}, "indexes": [{}])",
                                           R"("query": {"a": 1}, "indexes": [""])", R"("query": {"a": 1}, "indexes": [5])", R"("indexes": ["a_1"])", R"("query": 1, "indexes": ["a_1"])"}) {
      EXPECT_EQ(code("d", R"({"planCacheSetFilter": "c", )" + std::string(refused) + "}"), 2) << refused;
    }
    EXPECT_EQ(message("d", R"({"planCacheSetFilter": "c", "query": {"a": 1}, "indexes": []})"), "2 required field indexes must contain at least one index");
    ASSERT_EQ(code("d", R"({"planCacheSetFilter": "c", "query": {"a": 5, "b": 7}, "indexes": [{"b": 1}, "nothing"]})"), 0);
    const std::string one = R"({"filters":[{"query":{"a":5,"b":7},"sort":{},"projection":{},"indexes":[{"b":1},"nothing"]}],)";
    EXPECT_EQ(listed().substr(0, one.size()), one);
    // The shape is meant, not the values; hints are not looked at beside it.
    EXPECT_EQ(plan_of(R"("filter": {"a": 1, "b": 1})"), "b_1 filtered");
    EXPECT_EQ(plan_of(R"("filter": {"a": 1, "b": 1}, "hint": "a_1")"), "b_1 filtered");
    EXPECT_EQ(plan_of(R"("filter": {"a": 1})"), "a_1");
    EXPECT_EQ(plan_of(R"("filter": {"a": 1, "b": 1}, "sort": {"a": 1})"), "a_1");
    EXPECT_EQ(find("d", "c", R"({"a": 1, "b": 1})").size(), 1u);
    // One that names nothing leaves no index.
    ASSERT_EQ(code("d", R"({"planCacheSetFilter": "c", "query": {"a": 1}, "indexes": ["nothing"]})"), 0);
    EXPECT_EQ(plan_of(R"("filter": {"a": 9})"), "COLLSCAN filtered");
    ASSERT_EQ(code("d", R"({"planCacheClearFilters": "c", "query": {"a": 3}})"), 0);
    EXPECT_EQ(plan_of(R"("filter": {"a": 9})"), "a_1");
    EXPECT_EQ(listed().substr(0, one.size()), one);
    ASSERT_EQ(code("d", R"({"planCacheClearFilters": "c"})"), 0);
    EXPECT_EQ(listed().substr(0, none.size()), none);
    for (const std::string command : {"planCacheClear", "planCacheClearFilters"}) {
      EXPECT_EQ(code("d", R"({")" + command + R"(": "c"})"), 0);
      EXPECT_EQ(code("d", R"({")" + command + R"(": "c", "query": {"a": 1}, "sort": {"b": 1}})"), 0);
      EXPECT_EQ(message("d", R"({")" + command + R"(": "c", "sort": {"b": 1}})"), "2 sort or projection provided without query");
      EXPECT_EQ(message("d", R"({")" + command + R"(": "c", "query": 1})"), "2 required field query must be an object");
      EXPECT_EQ(code("d", R"({")" + command + R"(": "c", "query": {"a": {"$nothing": 1}}})"), 2);
      EXPECT_EQ(code("d", R"({")" + command + R"(": 1})"), 73);
    }
    EXPECT_EQ(code("admin", R"({"logRotate": 1})"), 0) << "there is no file";
    EXPECT_EQ(message("admin", R"({"logRotate": "audit"})").substr(0, 4), "238 ");
    EXPECT_EQ(text(run("admin", R"({"lockInfo": 1})")).substr(0, 14), R"({"lockInfo":[])");
    EXPECT_EQ(message("admin", R"({"replSetMaintenance": true})"), "95 primaries can't modify maintenance mode");
    ASSERT_EQ(code("admin", R"({"replSetStepDown": 60, "force": true})"), 0);
    EXPECT_EQ(message("admin", R"({"replSetMaintenance": false})"), "96 already out of maintenance mode");
    EXPECT_EQ(message("admin", R"({"replSetMaintenance": true})").substr(0, 4), "238 ");
  }
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
