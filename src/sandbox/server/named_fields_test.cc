// Fields that say what a command is to do, or not to do: they are followed or refused, never passed over.
#include "sandbox/server/client_for_tests.h"

namespace drover::sandbox {
namespace {

class NamedFieldsTest : public SandboxClientTest {
 protected:
  std::string uuid_of(const std::string& name) {
    const auto found = batch(run("t", R"({"listCollections": 1, "filter": {"name": ")" + name + "\"}}"));
    return bson::to_canonical_ejson(bson::make_document({{"u", found.at(0).view().at_path("info.uuid")}}));
  }
  // {"u": ...} as the field of a command.
  static std::string as_field(const std::string& uuid) { return "\"collectionUUID\"" + uuid.substr(uuid.find(':'), uuid.rfind('}') - uuid.find(':')); }
  void begin(ServerVersion version) {
    start(version);
    run("t", R"({"insert": "c", "documents": [{"_id": 1}, {"_id": 2}]})");
    run("t", R"({"insert": "other", "documents": [{"_id": 1}]})");
  }
  const std::vector<std::string> commands_{R"("insert": "c", "documents": [{"_id": 9}, {"_id": 10}])",
                                           R"("update": "c", "updates": [{"q": {"_id": 1}, "u": {"$set": {"x": 1}}}])",
                                           R"("update": "c", "updates": [{"q": {"_id": 5}, "u": {"$set": {"x": 1}}, "upsert": true}])",
                                           R"("delete": "c", "deletes": [{"q": {}, "limit": 0}])",
                                           R"("findAndModify": "c", "query": {"_id": 2}, "remove": true)",
                                           R"("aggregate": "c", "pipeline": [], "cursor": {})",
                                           R"("find": "c")",
                                           R"("renameCollection": "t.c", "to": "t.d")"};
};

TEST_F(NamedFieldsTest, NothingIsDoneToAnother) {
  for (const auto version : {kTest60, kTest80}) {
    begin(version);
    const auto own = as_field(uuid_of("c")), other = as_field(uuid_of("other"));
    const std::string nobody = R"("collectionUUID": {"$binary": {"base64": "AAECAwQFBgcICQoLDA0ODw==", "subType": "04"}})";
    for (const auto& command : commands_) {
      const bool on_admin = command.find("renameCollection") != std::string::npos;
      for (const auto& [uuid, actual] : {std::pair(other, std::string("other")), std::pair(nobody, std::string())}) {
        const auto reply = run(on_admin ? "admin" : "t", "{" + command + ", " + uuid + "}");
        const auto in_statement = reply.view().at_path("writeErrors.0");
        const auto error = in_statement ? in_statement.document_value() : reply.view();
        EXPECT_EQ(error["code"].to_int64(), 361) << command << text(reply);
        EXPECT_EQ(error["db"].to_string_view(), "t") << command;
        EXPECT_EQ(error["expectedCollection"].to_string_view(), "c") << command;
        EXPECT_EQ(error["actualCollection"].to_string_view().value_or(""), actual) << command;
        EXPECT_TRUE(error["collectionUUID"].to_uuid()) << command;
        if (in_statement) EXPECT_EQ(reply["n"].to_int64(), 0);
      }
    }
    EXPECT_EQ(run("t", "{" R"("insert": "c", "ordered": false, "documents": [{"_id": 9}, {"_id": 10}], )" + other + "}")["writeErrors"].document_value().field_count(), 2u);
    EXPECT_EQ(find("t", "c").size(), 2u);
    EXPECT_NE(run("t", R"({"insert": "new", "documents": [{"_id": 9}], )" + own + "}").view().at_path("writeErrors.0.code").to_int64(), std::nullopt);
    EXPECT_EQ(find("t", "new").size(), 0u);
    for (const auto& command : commands_) {
      const bool on_admin = command.find("renameCollection") != std::string::npos;
      const auto reply = run(on_admin ? "admin" : "t", "{" + command + ", " + own + "}");
      EXPECT_TRUE(code_of(reply) == 0 && !reply["writeErrors"]) << command << text(reply);
    }
  }
}

TEST_F(NamedFieldsTest, Before60ThereIsNoSuchField) {
  for (const auto version : {kTest44, kTest50}) {
    begin(version);
    const auto own = as_field(uuid_of("c"));
    for (const auto& command : commands_) {
      const bool on_admin = command.find("renameCollection") != std::string::npos;
      const auto refused = code(on_admin ? "admin" : "t", "{" + command + ", " + own + "}");
      EXPECT_TRUE(refused == 40415 || refused == 9) << command << refused;
    }
    EXPECT_EQ(find("t", "c").size(), 2u);
  }
}

// {$natural: 1} with tokens: each batch says behind which record the next one begins.
TEST_F(NamedFieldsTest, ScansAreTakenUpAgain) {
  for (const auto version : {kTest44, kTest80}) {
    start(version);
    run("t", R"({"insert": "c", "documents": [{"_id": 1}, {"_id": 2}, {"_id": 3}, {"_id": 4}, {"_id": 5}]})");
    const std::string scan = R"("find": "c", "hint": {"$natural": 1}, "$_requestResumeToken": true)";
    const auto first = run("t", "{" + scan + R"(, "batchSize": 2})");
    ASSERT_EQ(batch(first).size(), 2u);
    const auto token = [](const bson::Document& reply) { return reply.view().at_path("cursor.postBatchResumeToken.$recordId").to_int64().value_or(-1); };
    EXPECT_EQ(token(first), 2);
    const auto more = run("t", R"({"getMore": {"$numberLong": ")" + std::to_string(first.view().at_path("cursor.id").to_int64().value_or(0)) + R"("}, "collection": "c", "batchSize": 2})");
    EXPECT_EQ(batch(more).size(), 2u);
    EXPECT_EQ(token(more), 4);
    const auto resumed = run("t", "{" + scan + R"(, "$_resumeAfter": {"$recordId": {"$numberLong": "3"}}})");
    ASSERT_EQ(batch(resumed).size(), 2u);
    EXPECT_EQ(batch(resumed)[0]["_id"].to_int64(), 4);
    EXPECT_EQ(token(resumed), 5);
    EXPECT_FALSE(run("t", R"({"find": "c", "hint": {"$natural": 1}})").view().at_path("cursor.postBatchResumeToken"));
    EXPECT_EQ(code("t", "{" + scan + R"(, "$_resumeAfter": {"$recordId": {"$numberLong": "9"}}})"), 140);
    EXPECT_EQ(code("t", "{" + scan + R"(, "$_resumeAfter": {"$recordId": "x"}})"), 2);
    EXPECT_EQ(code("t", "{" + scan + R"(, "sort": {"_id": 1}})"), 2);
    EXPECT_EQ(code("t", R"({"find": "c", "$_requestResumeToken": true})"), 2);
    EXPECT_EQ(code("t", R"({"find": "c", "hint": {"$natural": -1}, "$_requestResumeToken": true})"), 2);
    EXPECT_EQ(code("t", R"({"find": "c", "hint": {"$natural": 1}, "$_resumeAfter": {"$recordId": {"$numberLong": "3"}}})"), 2);
  }
}

// Fields with a dollar are a list, too.
TEST_F(NamedFieldsTest, WhatNoServerKnowsIsRefused) {
  for (const auto version : {kTest44, kTest80}) {
    begin(version);
    for (const std::string command : {R"({"find": "c", "$orderby": {"a": -1}})", R"({"insert": "c", "documents": [{"_id": 9}], "$foo": 1})", R"({"count": "c", "$maxTimeMS": 1})",
                                      R"({"aggregate": "c", "pipeline": [], "cursor": {}, "$foo": 1})"}) {
      const auto refused = code("t", command);
      EXPECT_TRUE(refused == 40415 || refused == 9) << command << refused;
    }
    EXPECT_EQ(code("t", R"({"find": "c", "$readPreference": {"mode": "primary"}, "$clusterTime": {"clusterTime": {"$timestamp": {"t": 1, "i": 1}}, )"
                        R"("signature": {"hash": {"$binary": {"base64": "AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "subType": "00"}}, "keyId": {"$numberLong": "0"}}}})"), 0);
    // Concerns.
    for (const std::string level : {"available", "linearizable"}) {
      EXPECT_EQ(code("t", R"({"find": "c", "readConcern": {"level": ")" + level + R"(", "afterClusterTime": {"$timestamp": {"t": 1, "i": 1}}}})"), 72);
    }
    EXPECT_EQ(code("t", R"({"find": "c", "readConcern": {"provenance": "foo"}})"), 2);
    EXPECT_EQ(code("t", R"({"find": "c", "readConcern": {"provenance": "clientSupplied"}})"), 0);
    EXPECT_EQ(code("t", R"({"createUser": "z", "pwd": "x"})"), version < kTest50 ? 2 : 40414);
    EXPECT_EQ(code("t", R"({"createRole": "z", "roles": []})"), version < kTest50 ? 2 : 40414);
    // Indexes.
    EXPECT_EQ(code("t", R"({"createIndexes": "c", "indexes": [{"key": {"f": ""}, "name": "f"}]})"), 67);
    ASSERT_EQ(code("t", R"({"create": "capped", "capped": true, "size": 4096})"), 0);
    EXPECT_EQ(code("t", R"({"createIndexes": "capped", "indexes": [{"key": {"t": 1}, "name": "t", "expireAfterSeconds": 1}]})"), version < kTest60 ? 0 : 67);
    const std::string old = R"("indexes": [{"v": 2, "key": {"b": 1}, "name": "b_1", "safe": true}])";
    EXPECT_EQ(code("t", R"({"createIndexes": "c", )" + old + "}"), 197);
    EXPECT_EQ(code("t", R"({"createIndexes": "c", "ignoreUnknownIndexOptions": "x", )" + old + "}"), 14);
    EXPECT_EQ(code("t", R"({"createIndexes": "c", "ignoreUnknownIndexOptions": true, )" + old + "}"), 0);
    EXPECT_EQ(text(batch(run("t", R"({"listIndexes": "c"})")).at(1)), R"({"v":2,"key":{"b":1},"name":"b_1"})");
  }
}

TEST_F(NamedFieldsTest, ReadPreferencesHaveToBeSome) {
  start(kTest80);
  const auto pinged = [&](const std::string& preference) { return code("admin", R"({"ping": 1, "$readPreference": )" + preference + "}"); };
  for (const std::string taken : {R"({"mode": "primary"})", R"({"mode": "primary", "tags": []})", R"({"mode": "nearest", "tags": [{"a": "b"}, {}], "maxStalenessSeconds": 90})",
                                  R"({"mode": "secondaryPreferred", "hedge": {"enabled": true}})", R"({"mode": "primary", "maxStalenessSeconds": 0})"}) {
    EXPECT_EQ(pinged(taken), 0) << taken;
  }
  const std::pair<const char*, int> refused[] = {{R"({"mode": "foo"})", 9}, {"{}", 4}, {R"({"mode": 5})", 14}, {"5", 14}, {R"({"mode": "primary", "tags": [{"a": "b"}]})", 2},
                                                 {R"({"mode": "secondary", "maxStalenessSeconds": 5})", 160}, {R"({"mode": "primary", "maxStalenessSeconds": 100})", 2},
                                                 {R"({"mode": "secondary", "tags": 5})", 14}, {R"({"mode": "secondary", "maxStalenessSeconds": -1})", 2},
                                                 {R"({"mode": "primary", "hedge": {"enabled": true}})", 72}};
  for (const auto& [preference, expected] : refused) EXPECT_EQ(pinged(preference), expected) << preference;
}

TEST_F(NamedFieldsTest, CommitsTakeNoOthers) {
  for (const auto version : {kTest44, kTest80}) {
    begin(version);
    std::int64_t number = 0;
    for (const auto& [field, expected] : {std::pair(R"("foo": 1)", 40415), std::pair(R"("commitTimestamp": 1)", 14), std::pair(R"("commitTimestamp": {"$timestamp": {"t": 1, "i": 1}})", 72),
                                          std::pair(R"("recoveryToken": 1)", 14), std::pair(R"("recoveryToken": {"x": 1})", 40415), std::pair(R"("recoveryToken": {})", 0)}) {
      const std::string session = R"("lsid": {"id": {"$binary": {"base64": "AAECAwQFBgcICQoLDA0ODw==", "subType": "04"}}}, "txnNumber": {"$numberLong": ")" + std::to_string(++number) +
                                  R"("}, "autocommit": false)";
      ASSERT_EQ(code("t", R"({"insert": "c", "documents": [{"in": ")" + std::to_string(number) + R"("}], "startTransaction": true, )" + session + "}"), 0);
      EXPECT_EQ(code("admin", R"({"commitTransaction": 1, )" + std::string(field) + ", " + session + "}"), expected) << field;
    }
    EXPECT_EQ(find("t", "c", R"({"in": {"$exists": true}})").size(), 1u) << "the last alone";
  }
}

TEST_F(NamedFieldsTest, StrictCommandsAreOfTheirVersion) {
  for (const auto version : {kTest50, kTest80}) {
    begin(version);
    const auto strict = [&](const std::string& command) { return code("t", "{" + command + R"(, "apiVersion": "1", "apiStrict": true})"); };
    const auto pipeline = [](const std::string& stages) { return R"("aggregate": "c", "cursor": {}, "pipeline": [)" + stages + "]"; };
    EXPECT_EQ(strict(pipeline(R"({"$collStats": {}})")), 0);
    EXPECT_EQ(strict(pipeline(R"({"$collStats": {"count": {}}})")), 0);
    for (const std::string refused : {R"({"$collStats": {"storageStats": {}}})", R"({"$indexStats": {}})", R"({"$unionWith": {"coll": "c", "pipeline": [{"$indexStats": {}}]}})",
                                      R"({"$lookup": {"from": "c", "as": "x", "pipeline": [{"$collStats": {"latencyStats": {}}}]}})", R"({"$facet": {"f": [{"$indexStats": {}}]}})"}) {
      EXPECT_EQ(strict(pipeline(refused)), 323) << refused;
    }
    EXPECT_EQ(strict(R"("create": "v", "viewOn": "c", "pipeline": [{"$indexStats": {}}])"), 323);
    EXPECT_EQ(strict(R"("create": "plain", "capped": false)"), 0);
    EXPECT_EQ(strict(R"("create": "cap", "capped": true, "size": 4096)"), 323);
    EXPECT_EQ(strict(R"("find": "c", "readOnce": true)"), 323);
    EXPECT_EQ(strict(R"("insert": "system.js", "documents": [{"_id": "f", "value": 1}])"), 323);
    EXPECT_EQ(code("t", R"({"find": "c", "apiVersion": "1", "apiStrict": "true"})"), 14);
    EXPECT_EQ(code("t", R"({"find": "c", "apiVersion": "1", "apiDeprecationErrors": "false"})"), 14);
  }
}

TEST_F(NamedFieldsTest, OptionsHaveTheirTypes) {
  for (const auto version : {kTest60, kTest80}) {
    begin(version);
    run("t", R"({"createIndexes": "c", "indexes": [{"key": {"a": 1}, "name": "a"}]})");
    const auto modified = [&](const std::string& index) { return code("t", R"({"collMod": "c", "index": {"name": "a", )" + index + "}}"); };
    EXPECT_EQ(modified(R"("unique": "100")"), 14);
    EXPECT_EQ(modified(R"("expireAfterSeconds": "100")"), 14);
    EXPECT_EQ(modified(R"("unique": false)"), 2);
    const auto watched = [&](const std::string& options, const std::string& more) {
      return code("t", R"({"aggregate": "c", "cursor": {}, "pipeline": [{"$changeStream": {)" + options + "}}" + more + "]}");
    };
    EXPECT_EQ(watched(R"("showExpandedEvents": 5)", ""), 14);
    EXPECT_EQ(watched(R"("showExpandedEvents": true)", ""), 0);
    EXPECT_EQ(watched("", R"(, {"$match": {"$text": {"$search": "a"}}})"), 17313);
    EXPECT_EQ(watched("", R"(, {"$match": {"operationType": "insert"}})"), 0);
    EXPECT_EQ(code("t", R"({"update": "c", "updates": [{"q": {"_id": 7}, "u": {"x": 1}, "upsert": true, "upsertSupplied": true, "c": {"new": {"_id": 8}}}]})"), 238);
    EXPECT_EQ(find("t", "c").size(), 2u);
  }
}

TEST_F(NamedFieldsTest, WhoAsksForNoAnswerIsToldNothing) {
  for (const auto version : {kTest44, kTest80}) {
    begin(version);
    for (const std::string command : {R"("insert": "c", "documents": [{"_id": 1}])", R"("update": "c", "updates": [{"q": {}, "u": {"$set": {"x": 1}}, "multi": true}])",
                                      R"("delete": "c", "deletes": [{"q": {"_id": 1}, "limit": 1}])"}) {
      const auto reply = run("t", "{" + command + R"(, "writeConcern": {"w": 0}})");
      EXPECT_EQ(code_of(reply), 0) << text(reply);
      EXPECT_FALSE(reply["n"]) << text(reply);
      EXPECT_FALSE(reply["writeErrors"]) << text(reply);
    }
    EXPECT_EQ(find("t", "c", R"({"x": 1})").size(), 1u);
  }
}

TEST_F(NamedFieldsTest, SectionsAreOfKnownFields) {
  begin(kTest80);
  const auto document = bson::from_ejson(R"({"_id": 7})");
  const auto with_section = [&](const std::string& command, const std::string& name) {
    DocumentSequence sequence{.name = name};
    sequence.documents.push_back(document->view());
    bson::Builder out;
    out.append_all(bson::from_ejson(command)->view()).append("$db", "t");
    const auto body = std::move(out).finish();
    return code_of(sandbox_->dispatcher().run(*client_, {.body = body, .sequences = {&sequence, 1}}).reply);
  };
  EXPECT_EQ(with_section(R"({"insert": "c"})", "documents"), 0);
  EXPECT_EQ(with_section(R"({"insert": "c", "documents": [{"_id": 8}]})", "foo"), 40415);
  EXPECT_EQ(with_section(R"({"find": "c"})", "foo"), 40472);
  EXPECT_EQ(with_section(R"({"ping": 1})", "documents"), 40472);
  EXPECT_EQ(find("t", "c").size(), 3u);
}

TEST_F(NamedFieldsTest, TransactionsDoNotTakeEverything) {
  for (const auto version : {kTest50, kTest80}) {
    begin(version);
    ASSERT_EQ(code("t", R"({"create": "capped", "capped": true, "size": 4096})"), 0);
    ASSERT_EQ(code("t", R"({"create": "series", "timeseries": {"timeField": "t", "metaField": "m"}})"), 0);
    std::int64_t number = 0;
    const auto in_transaction = [&](const std::string& command) {
      return code("t", "{" + command + R"(, "lsid": {"id": {"$binary": {"base64": "AAECAwQFBgcICQoLDA0ODw==", "subType": "04"}}}, "txnNumber": {"$numberLong": ")" +
                           std::to_string(++number) + R"("}, "startTransaction": true, "autocommit": false})");
    };
    EXPECT_EQ(in_transaction(R"("find": "capped", "tailable": true)"), 72);
    EXPECT_EQ(in_transaction(R"("find": "c", "readOnce": true)"), 263);
    EXPECT_EQ(in_transaction(R"("create": "another", "timeseries": {"timeField": "t"})"), 263);
    EXPECT_EQ(in_transaction(R"("delete": "series", "deletes": [{"q": {"m": 1}, "limit": 0}])"), 263);
    EXPECT_EQ(in_transaction(R"("find": "c")"), 0);
  }
}

}  // namespace
}  // namespace drover::sandbox
