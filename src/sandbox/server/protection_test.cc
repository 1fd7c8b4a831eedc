// What clients may not do to a server's own collections, nor learn of it, and what is refused where it used to be passed over.
#include "sandbox/server/client_for_tests.h"

namespace drover::sandbox {
namespace {

class ProtectionTest : public SandboxClientTest, public ::testing::WithParamInterface<ServerVersion> {
 protected:
  void SetUp() override { start(GetParam()); }
  bool at_least(int major) const { return GetParam() >= ServerVersion{major, 0, 0}; }
};

TEST_P(ProtectionTest, SystemCollectionsAreNotDropped) {
  run("d", R"({"insert": "system.js", "documents": [{"_id": "f", "value": 1}]})");
  run("d", R"({"create": "v", "viewOn": "c"})");
  EXPECT_EQ(code("d", R"({"drop": "system.js"})"), 20);
  EXPECT_EQ(code("admin", R"({"drop": "system.version"})"), 20);
  EXPECT_EQ(code("d", R"({"drop": "system.views"})"), 0);
  EXPECT_EQ(code("d", R"({"dropDatabase": 1})"), 0);
}

TEST_P(ProtectionTest, TheFeatureCompatibilityVersionStays) {
  constexpr auto kOwn = R"({"_id": "featureCompatibilityVersion"})";
  const auto before = find("admin", "system.version", kOwn);
  ASSERT_EQ(before.size(), 1U);
  const auto removed = run("admin", std::string(R"({"delete": "system.version", "deletes": [{"q": )") + kOwn + R"(, "limit": 1}]})");
  EXPECT_EQ(removed.view().at_path("writeErrors.0.code").to_int64(), 40670) << text(removed);
  const auto changed = run("admin", std::string(R"({"update": "system.version", "updates": [{"q": )") + kOwn + R"(, "u": {"$set": {"version": "3.0"}}}]})");
  EXPECT_EQ(changed.view().at_path("writeErrors.0.code").to_int64(), 2) << text(changed);
  EXPECT_EQ(find("admin", "system.version", kOwn), before);
}

TEST_P(ProtectionTest, TransactionsDoNotWriteToSystemCollections) {
  run("d", R"({"create": "system.js"})");
  const auto refused = run("d", R"({"insert": "system.js", "documents": [{"_id": "f"}], "lsid": {"id": {"$binary": {"base64": "AAAAAAAAAAAAAAAAAAAAAA==", "subType": "04"}}},
                                    "txnNumber": {"$numberLong": "1"}, "startTransaction": true, "autocommit": false})");
  EXPECT_EQ(code_of(refused), 50791) << text(refused);
  const auto modified = run("d", R"({"findAndModify": "system.js", "query": {"_id": "f"}, "update": {"a": 1}, "upsert": true, "lsid": {"id": {"$binary": {"base64": "AAAAAAAAAAAAAAAAAAAAAA==", "subType": "04"}}},
                                    "txnNumber": {"$numberLong": "2"}, "startTransaction": true, "autocommit": false})");
  EXPECT_EQ(code_of(modified), 50781) << text(modified);
  EXPECT_TRUE(find("d", "system.js").empty());
}

TEST_P(ProtectionTest, AViewIsNotReadByWhatAPipelineHasNot) {
  run("d", R"({"insert": "c", "documents": [{"_id": 1, "x": 1}, {"_id": 2, "x": 5}]})");
  run("d", R"({"createIndexes": "c", "indexes": [{"key": {"x": 1}, "name": "x_1"}]})");
  run("d", R"({"create": "v", "viewOn": "c"})");
  for (const auto* option : {R"("min": {"x": 3}, "hint": {"x": 1})", R"("max": {"x": 3}, "hint": {"x": 1})", R"("returnKey": true)", R"("showRecordId": true)",
                             R"("noCursorTimeout": true)", R"("allowPartialResults": true)", R"("singleBatch": true)", R"("sort": {"$natural": 1})"}) {
    EXPECT_EQ(code("d", std::string(R"({"find": "v", )") + option + "}"), 168) << option;
  }
  EXPECT_EQ(batch(run("d", R"({"find": "v", "singleBatch": true, "limit": 1})")).size(), 1U);
  EXPECT_EQ(batch(run("d", R"({"find": "v", "returnKey": false})")).size(), 2U);
}

TEST_P(ProtectionTest, DefaultReadConcernsAreNotForChangeStreams) {
  ASSERT_EQ(code("admin", R"({"setDefaultRWConcern": 1, "defaultReadConcern": {"level": "local"}})"), 0);
  EXPECT_NE(watch("d", "c", "{}"), 0);
  EXPECT_EQ(code("d", R"({"aggregate": "c", "pipeline": [{"$changeStream": {}}], "cursor": {}, "readConcern": {"level": "local"}})"), 72);
}

TEST_P(ProtectionTest, AStreamBeginsBeforeAFreshOplog) {
  const auto cursor = watch("d", "c", R"({"startAtOperationTime": {"$timestamp": {"t": 1, "i": 1}}})");
  ASSERT_NE(cursor, 0);
  run("d", R"({"insert": "c", "documents": [{"_id": 1}]})");
  EXPECT_EQ(batch(more("d", "c", cursor)).size(), 1U);
}

TEST_P(ProtectionTest, ThePreImagesOfADroppedCollectionOfThemAreKeptAgain) {
  if (!at_least(6)) return;
  ASSERT_EQ(code("config", R"({"drop": "system.preimages"})"), 0);
  run("d", R"({"create": "c", "changeStreamPreAndPostImages": {"enabled": true}})");
  run("d", R"({"insert": "c", "documents": [{"_id": 1}]})");
  const auto cursor = watch("d", "c", R"({"fullDocumentBeforeChange": "required"})");
  ASSERT_EQ(code("d", R"({"delete": "c", "deletes": [{"q": {}, "limit": 0}]})"), 0);
  const auto events = batch(more("d", "c", cursor));
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(text(events[0]["fullDocumentBeforeChange"]), R"({"_id":1})");
}

TEST_P(ProtectionTest, AnIdIndexHasItsCollectionsCollation) {
  const auto create = [&](const char* name, const char* own, const char* of_index) {
    return code("d", std::string(R"({"create": ")") + name + R"(", "collation": {"locale": ")" + own +
                         R"("}, "idIndex": {"key": {"_id": 1}, "name": "_id_", "collation": {"locale": ")" + of_index + R"("}}})");
  };
  EXPECT_EQ(create("a", "en", "fr"), 2);
  EXPECT_EQ(create("b", "en", "en"), 0);
}

TEST_P(ProtectionTest, RangesAndNamesThatComeTwiceEndNoProcess) {
  run("d", R"({"insert": "c", "documents": [{"_id": 1}, {"_id": 2}, {"_id": 3}, {"_id": 9}]})");
  const auto size = run("d", R"({"dataSize": "d.c", "min": {"_id": 2}, "max": {"_id": 5}})");
  EXPECT_EQ(size["numObjects"].to_int64(), 2) << text(size);
  run("d", R"({"createIndexes": "c", "indexes": [{"key": {"a": 1}, "name": "a_1"}]})");
  run("d", R"({"dropIndexes": "c", "index": ["a_1", "a_1"]})");
  EXPECT_EQ(batch(run("d", R"({"listIndexes": "c"})")).size(), 1U);
}

TEST_P(ProtectionTest, FsyncLocksWrites) {
  run("d", R"({"insert": "c", "documents": [{"_id": 1}]})");
  const auto locked = run("admin", R"({"fsync": 1, "lock": true})");
  EXPECT_EQ(locked["lockCount"].to_int64(), 1) << text(locked);
  EXPECT_EQ(run("admin", R"({"fsync": 1, "lock": true})")["lockCount"].to_int64(), 2);
  EXPECT_TRUE(run("admin", R"({"currentOp": 1})")["fsyncLock"].is_truthy());
  EXPECT_EQ(code("d", R"({"insert": "c", "documents": [{"_id": 2}], "maxTimeMS": 50})"), 50);
  EXPECT_EQ(code("d", R"({"create": "other", "maxTimeMS": 50})"), 50);
  EXPECT_EQ(find("d", "c").size(), 1U);
  EXPECT_EQ(run("admin", R"({"fsyncUnlock": 1})")["lockCount"].to_int64(), 1);
  EXPECT_EQ(code("d", R"({"insert": "c", "documents": [{"_id": 2}], "maxTimeMS": 50})"), 50);
  EXPECT_EQ(run("admin", R"({"fsyncUnlock": 1})")["lockCount"].to_int64(), 0);
  EXPECT_EQ(code("admin", R"({"fsyncUnlock": 1})"), 20);
  EXPECT_FALSE(run("admin", R"({"currentOp": 1})")["fsyncLock"]);
  EXPECT_EQ(code("d", R"({"insert": "c", "documents": [{"_id": 2}], "maxTimeMS": 20000})"), 0);
}

TEST_P(ProtectionTest, UsersAreMadeOnceNothingIsLocked) {
  ASSERT_EQ(code("admin", R"({"fsync": 1, "lock": true})"), 0);
  EXPECT_EQ(code("admin", R"({"createUser": "u", "pwd": "p", "roles": [], "maxTimeMS": 50})"), 50);
  ASSERT_EQ(code("admin", R"({"fsyncUnlock": 1})"), 0);
  EXPECT_EQ(code("admin", R"({"createUser": "u", "pwd": "p", "roles": []})"), 0);
}

TEST_P(ProtectionTest, IterationsAreAsManyAsAreCounted) {
  for (const auto* name : {"scramIterationCount", "scramSHA256IterationCount"}) {
    EXPECT_EQ(code("admin", std::string(R"({"setParameter": 1, ")") + name + R"(": {"$numberLong": "4294967296"}})"), 2);
  }
  EXPECT_EQ(code("admin", R"({"createUser": "u", "pwd": "p", "roles": []})"), 0);
  // So many take an hour: whoever makes a user of them can be stopped.
  for (const auto* name : {"scramIterationCount", "scramSHA256IterationCount"}) {
    ASSERT_EQ(code("admin", std::string(R"({"setParameter": 1, ")") + name + R"(": 2147483647})"), 0);
    EXPECT_EQ(code("admin", R"({"createUser": "v", "pwd": "p", "roles": [], "maxTimeMS": 100})"), 50);
    EXPECT_EQ(code("admin", R"({"updateUser": "u", "pwd": "q", "maxTimeMS": 100})"), 50);
    ASSERT_EQ(code("admin", std::string(R"({"setParameter": 1, ")") + name + R"(": 5000})"), 0);
  }
}

TEST_P(ProtectionTest, WhatTakesThePlaceOfBucketsEndsNoProcess) {
  if (!at_least(5)) return;
  ASSERT_EQ(code("d", R"({"create": "ts", "timeseries": {"timeField": "t"}})"), 0);
  ASSERT_EQ(code("d", R"({"insert": "x", "documents": [{"_id": 1}]})"), 0);
  run("admin", R"({"renameCollection": "d.x", "to": "d.system.buckets.ts", "dropTarget": true})");
  run("d", R"({"insert": "ts", "documents": [{"t": {"$date": "2026-11-30T00:00:00Z"}}]})");
  run("d", R"({"drop": "ts"})");
  EXPECT_EQ(code("admin", R"({"ping": 1})"), 0);
}

INSTANTIATE_TEST_SUITE_P(Versions, ProtectionTest, ::testing::Values(kTest44, kTest60, kTest80));

class NamesTest : public SandboxClientTest {
 protected:
  void SetUp() override { start({.auth = true, .version = kTest80}); }
};

TEST_F(NamesTest, TheLocalhostExceptionMakesNoRoles) {
  EXPECT_EQ(code("admin", R"({"createRole": "x", "privileges": [], "roles": []})"), 13);
  EXPECT_EQ(code("admin", R"({"createUser": "root", "pwd": "p", "roles": ["root"]})"), 0);
}

TEST_F(NamesTest, WhoMayNotIsNotToldWhoIsThere) {
  ASSERT_EQ(code("admin", R"({"createUser": "reader", "pwd": "p", "roles": ["read", "root"]})"), 0);
  const auto log_in = [&] {
    const auto found = client_->auth.directory().user({"reader", "admin"});
    ASSERT_TRUE(found && *found);
    ASSERT_TRUE(client_->auth.log_in(*found));
  };
  log_in();
  ASSERT_EQ(code("admin", R"({"createRole": "there", "privileges": [], "roles": []})"), 0);
  ASSERT_EQ(code("admin", R"({"revokeRolesFromUser": "reader", "roles": ["root"]})"), 0);
  client_->auth.log_out("admin");
  log_in();
  for (const auto* command : {R"({"grantRolesToUser": "nobody", "roles": ["read"]})", R"({"revokeRolesFromUser": "nobody", "roles": ["read"]})",
                              R"({"grantRolesToUser": "reader", "roles": ["nothing"]})", R"({"grantRolesToRole": "nothing", "roles": ["read"]})",
                              R"({"grantRolesToRole": "there", "roles": ["nothing"]})", R"({"revokeRolesFromRole": "nothing", "roles": ["read"]})"}) {
    EXPECT_EQ(code("admin", command), 13) << command;
  }
}

}  // namespace
}  // namespace drover::sandbox
