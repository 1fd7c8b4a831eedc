// Catalog commands as a client sees them, where the corpus is silent: the oplog behind them, versions after 4.4, refusals.
#include <array>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/log.h"
#include "base/runtime.h"
#include "bson/builder.h"
#include "bson/ejson.h"
#include "sandbox/server/dispatcher.h"
#include "sandbox/server/sandbox.h"

namespace drover::sandbox {
namespace {

class CatalogTest : public ::testing::Test {
 protected:
  void start(ServerVersion version = {4, 4, 1}) {
    auto started = Sandbox::start({.version = version, .listen = false}, *runtime_, *log_);
    ASSERT_TRUE(started) << started.error().message;
    sandbox_ = std::move(*started);
    client_ = std::make_unique<ClientConnection>(sandbox_->state(), true);
    client_->id = 1;
  }
  bson::Document run(const std::string& db, const std::string& command) {
    bson::Builder out;
    out.append_all(*bson::from_ejson(command)).append("$db", db);
    const auto body = std::move(out).finish();
    return sandbox_->dispatcher().run(*client_, {.body = body, .sequences = {}}).reply;
  }
  std::int64_t code(const std::string& db, const std::string& command) {
    const auto reply = run(db, command);
    return reply["ok"].is_truthy() ? 0 : reply["code"].to_int64().value_or(-1);
  }
  // The newest entry of the oplog.
  bson::Document last_entry() {
    const auto reply = run("local", R"({"find": "oplog.rs", "sort": {"$natural": -1}, "limit": 1})");
    return bson::Document(reply.view().at_path("cursor.firstBatch.0").document_value());
  }
  bson::Document options_of(const std::string& name) {
    const auto reply = run("t", R"({"listCollections": 1, "filter": {"name": ")" + name + R"("}})");
    return bson::Document(reply.view().at_path("cursor.firstBatch.0.options").document_value());
  }

  std::unique_ptr<Runtime> runtime_ = make_real_runtime();
  std::unique_ptr<Log> log_ = make_null_log();
  std::unique_ptr<Sandbox> sandbox_;
  std::unique_ptr<ClientConnection> client_;
};

// What text, geo and wildcard indexes want of their definitions.
TEST_F(CatalogTest, DefinitionsOfSpecialIndexesAreLookedAt) {
  const auto create = [&](const std::string& key, const std::string& options) {
    const auto reply = run("t", R"({"createIndexes": "c", "indexes": [{"name": "n", "key": )" + key + (options.empty() ? "" : ", " + options) + "}]}");
    return reply["ok"].is_truthy() ? "ok" : fmt::format("{} {}", reply["code"].to_int64().value_or(0), reply["errmsg"].string_value());
  };
  start();
  for (const auto& [key, options, answer] : std::vector<std::array<std::string, 3>>{
           {R"({"t": "text"})", R"("default_language": "klingon")", "67 default_language is not valid"},
           {R"({"t": "text"})", R"("default_language": 1)", "67 default_language needs a string type"},
           {R"({"t": "text"})", R"("language_override": 1)", "67 language_override must be a string"},
           {R"({"t": "text"})", R"("language_override": "")", "67 language_override is not valid"},
           {R"({"t": "text"})", R"("language_override": "a.b")", "67 language_override is not valid"},
           {R"({"t": "text"})", R"("weights": 1)", "67 text index option 'weights' must be an object"},
           {R"({"t": "text"})", R"("weights": {"t": "a"})", "67 weight for text index needs numeric type"},
           {R"({"t": "text"})", R"("weights": {"t": 0.5})", "67 text index weight must be in the exclusive interval (0,1000000000) but found: 0"},
           {R"({"t": "text"})", R"("weights": {"t": 1e10})", "67 text index weight must be in the exclusive interval (0,1000000000) but found: 2147483647"},
           {R"({"t": "text"})", R"("weights": {"a.$x": 1})", "67 weight cannot have path component with $ prefix"},
           {R"({"t": "text"})", R"("weights": {"a..x": 1})", "67 weight cannot have empty path component"},
           {R"({"t": "text"})", R"("textIndexVersion": 9)", "67 bad textIndexVersion: 9"},
           {R"({"t": "text", "a": 1, "u": "text"})", "", "67 'text' fields in index must all be adjacent"},
           {R"({"_fts": "text", "_ftsx": 1})", "", "67 text index option 'weights' must specify fields or the wildcard"},
           {R"({"g": "2dsphere"})", R"("2dsphereIndexVersion": 9)",
            "67 unsupported geo index version { 2dsphereIndexVersion : 2dsphereIndexVersion: 9 }, only support versions: [1,2,3]"},
           {R"({"g": "2d"})", R"("min": 5, "max": 1)", "72 region for hash must be valid and have positive area, but [5, 1] was specified"}}) {
    EXPECT_EQ(create(key, options), answer) << key << options;
  }
  EXPECT_EQ(create(R"({"a": 1, "t": "text", "u": "text", "b": 1})", R"("weights": {"t": 5.7, "x.y": 2}, "default_language": "french")"), "ok");
  const auto listed = run("t", R"({"listIndexes": "c"})");
  EXPECT_EQ(bson::to_shell(listed.view().at_path("cursor.firstBatch.1.weights").document_value()), "{ t: 5, u: 1, x.y: 2 }");
  start({7, 0, 0});
  EXPECT_TRUE(create(R"({"a": 1, "b.$**": 1, "c.$**": 1})", "").starts_with("67 "));
  EXPECT_TRUE(create(R"({"a": 1, "a.$**": 1})", "").starts_with("67 "));
  EXPECT_EQ(create(R"({"a": 1, "b.$**": 1})", ""), "ok");
}

// One command's definitions stand beside each other as those of two commands would.
TEST_F(CatalogTest, DefinitionsOfOneCommandMayNotContradictEachOther) {
  for (const auto version : {ServerVersion{4, 4, 1}, ServerVersion{5, 0, 0}, ServerVersion{8, 0, 4}}) {
    start(version);
    EXPECT_EQ(code("t", R"({"createIndexes": "c", "indexes": [{"key": {"r": 1}, "name": "r1"}, {"key": {"r": 1}, "name": "r2"}]})"), 85);
    EXPECT_EQ(code("t", R"({"createIndexes": "c", "indexes": [{"key": {"r": 1}, "name": "same"}, {"key": {"q": 1}, "name": "same"}]})"), 86);
    EXPECT_EQ(code("t", R"({"createIndexes": "c", "indexes": [{"key": {"t": "text"}, "name": "t"}, {"key": {"u": "text"}, "name": "u"}]})"), 85) << "both are {_fts, _ftsx}";
    EXPECT_EQ(code("t", R"({"createIndexes": "c", "indexes": [{"key": {"t": "text"}, "name": "t"}, {"key": {"a": 1, "u": "text"}, "name": "u"}]})"), 67);
    EXPECT_EQ(code("t", R"({"listIndexes": "c"})"), 26) << "nothing was made";
  }
}

TEST_F(CatalogTest, IndexesMayExpireAsLateAsTheVersionSays) {
  const auto* never = R"({"createIndexes": "c", "indexes": [{"key": {"a": 1}, "name": "a", "expireAfterSeconds": 2147483647}]})";
  start();
  EXPECT_EQ(code("t", never), 67);
  start({6, 0, 0});
  EXPECT_EQ(code("t", never), 0);
  EXPECT_EQ(code("t", R"({"collMod": "c", "index": {"name": "a", "expireAfterSeconds": 2147483647}})"), 0);
  EXPECT_EQ(code("t", R"({"createIndexes": "c", "indexes": [{"key": {"b": 1}, "name": "b", "expireAfterSeconds": 2147483648}]})"), 67);
  EXPECT_EQ(code("t", R"({"createIndexes": "c", "indexes": [{"key": {"c": 1}, "name": "c", "expireAfterSeconds": {"$numberDouble": "NaN"}}]})"), 0);
  const auto listed = run("t", R"({"listIndexes": "c"})");
  EXPECT_EQ(listed.view().at_path("cursor.firstBatch.2.expireAfterSeconds").to_int64(), 2147483647);
}

TEST_F(CatalogTest, NamesOfDatabasesDifferInMoreThanCase) {
  start();
  ASSERT_EQ(code("Camel", R"({"insert": "c", "documents": [{"_id": 1}]})"), 0);
  const auto refused = run("camel", R"({"create": "c"})");
  EXPECT_EQ(refused["code"].to_int64(), 13297);
  EXPECT_EQ(refused["errmsg"].string_value(), "db already exists with different case already have: [Camel] trying to create [camel]");
  EXPECT_EQ(run("cAMEL", R"({"insert": "c", "documents": [{"_id": 1}]})").view().at_path("writeErrors.0.code").to_int64(), 13297);
  EXPECT_EQ(code("cameL", R"({"create": "v", "viewOn": "c", "pipeline": []})"), 13297);
  EXPECT_EQ(code("camel", R"({"find": "c"})"), 0) << "nothing is made by reading";
  ASSERT_EQ(code("Camel", R"({"dropDatabase": 1})"), 0);
  EXPECT_EQ(code("camel", R"({"create": "c"})"), 0);
}

TEST_F(CatalogTest, FlagsAreTrueOrFalse) {
  start();
  EXPECT_EQ(code("t", R"({"create": "c", "capped": "yes", "size": 4096})"), 14);
  EXPECT_EQ(code("t", R"({"insert": "c", "documents": [{"_id": 1}], "bypassDocumentValidation": "x"})"), 14);
  EXPECT_EQ(code("t", R"({"insert": "c", "documents": [{"_id": 1}], "bypassDocumentValidation": 1})"), 0);
  EXPECT_EQ(code("t", R"({"update": "c", "updates": [], "bypassDocumentValidation": {}})"), 14);
  EXPECT_EQ(code("t", R"({"findAndModify": "none", "query": {}, "remove": "x"})"), 0) << "as 4.4 takes it";
  start({5, 0, 0});
  ASSERT_EQ(code("t", R"({"insert": "c", "documents": [{"_id": 1}]})"), 0);
  for (const auto* flag : {"remove", "new", "upsert", "bypassDocumentValidation"}) {
    EXPECT_EQ(code("t", std::string(R"({"findAndModify": "c", "query": {}, "update": {"$set": {"a": 1}}, ")") + flag + R"(": "x"})"), 14) << flag;
  }
  EXPECT_EQ(code("t", R"({"findAndModify": "c", "query": {}, "remove": 1.0})"), 0);
}

TEST_F(CatalogTest, StatisticsOfWhatIsNotThere) {
  start();
  EXPECT_EQ(code("t", R"({"aggregate": "none", "pipeline": [{"$collStats": {}}], "cursor": {}})"), 0);
  EXPECT_EQ(code("t", R"({"aggregate": "none", "pipeline": [{"$collStats": {"latencyStats": {}}}], "cursor": {}})"), 0);
  const auto reply = run("t", R"({"aggregate": "none", "pipeline": [{"$collStats": {"count": {}}}], "cursor": {}})");
  EXPECT_EQ(reply["errmsg"].string_value(), "Unable to retrieve count in $collStats stage :: caused by :: Collection [t.none] not found.");
  ASSERT_EQ(code("t", R"({"create": "k", "capped": true, "size": 4096})"), 0);
  EXPECT_EQ(run("t", R"({"collStats": "k"})")["max"].to_int64(), -1);
}

TEST_F(CatalogTest, CollModSaysWhatAnIndexWasAndLogsItsName) {
  start();
  ASSERT_EQ(code("t", R"({"createIndexes": "c", "indexes": [{"key": {"a": 1}, "name": "a", "expireAfterSeconds": 5}]})"), 0);
  const auto reply = run("t", R"({"collMod": "c", "index": {"keyPattern": {"a": 1}, "expireAfterSeconds": 60, "hidden": true}})");
  EXPECT_EQ(reply["expireAfterSeconds_old"].to_int64(), 5);
  EXPECT_EQ(reply["expireAfterSeconds_new"].to_int64(), 60);
  EXPECT_FALSE(reply["hidden_old"].is_truthy());
  EXPECT_TRUE(reply["hidden_new"].is_truthy());
  const auto entry = last_entry();
  EXPECT_EQ(entry.view().at_path("o.index.name").to_string_view(), "a");
  EXPECT_EQ(entry.view().at_path("o2.indexOptions_old.expireAfterSeconds").to_int64(), 5);
  EXPECT_EQ(code("t", R"({"collMod": "c", "index": {"name": "none", "hidden": true}})"), 27);
  EXPECT_EQ(code("t", R"({"collMod": "c", "index": {"name": "_id_", "hidden": true}})"), 2);
}

TEST_F(CatalogTest, OptionsStandInTheServersOrder) {
  start();
  ASSERT_EQ(code("t", R"({"create": "c", "validationAction": "warn", "validator": {"a": 1}, "size": 9000, "capped": true})"), 0);
  std::string names;
  for (const auto& option : options_of("c")) names += std::string(option.key()) + " ";
  EXPECT_EQ(names, "capped size validator validationAction ");
  ASSERT_EQ(code("t", R"({"collMod": "c", "validator": {"a": 2}})"), 0);
  EXPECT_EQ(options_of("c")["validationLevel"].to_string_view(), "strict");
}

TEST_F(CatalogTest, ViewsAreCheckedWhenTheyAreDefined) {
  start();
  EXPECT_EQ(code("t", R"({"create": "v", "viewOn": "c", "pipeline": [{"$bogus": 1}]})"), 40324);
  EXPECT_EQ(code("t", R"({"create": "v", "viewOn": "c", "pipeline": [{"$out": "x"}]})"), 167);
  EXPECT_EQ(code("t", R"({"create": "a", "viewOn": "b", "pipeline": []})"), 0);
  EXPECT_EQ(code("t", R"({"create": "b", "viewOn": "c", "pipeline": [{"$lookup": {"from": "a", "localField": "x", "foreignField": "y", "as": "z"}}]})"), 5);
  EXPECT_EQ(code("t", R"({"collMod": "a", "viewOn": "a", "pipeline": []})"), 5);
}

TEST_F(CatalogTest, SeveralIndexesAreDroppedByName) {
  start();
  ASSERT_EQ(code("t", R"({"createIndexes": "c", "indexes": [{"key": {"a": 1}, "name": "a"}, {"key": {"b": 1}, "name": "b"}, {"key": {"c": 1}, "name": "c"}]})"), 0);
  EXPECT_EQ(run("t", R"({"dropIndexes": "c", "index": ["a", "b"]})")["nIndexesWas"].to_int64(), 4);
  EXPECT_EQ(code("t", R"({"dropIndexes": "c", "index": ["c", "none"]})"), 27);
  const auto left = run("t", R"({"listIndexes": "c"})");
  EXPECT_EQ(left.view().at_path("cursor.firstBatch.1.name").to_string_view(), "c");
}

TEST_F(CatalogTest, AnIndexOverDocumentsIsBuiltInStepsAndFailsWhole) {
  start();
  ASSERT_EQ(code("t", R"({"insert": "c", "documents": [{"_id": 1, "a": 1}, {"_id": 2, "a": 1}]})"), 0);
  const auto reply = run("t", R"({"createIndexes": "c", "indexes": [{"key": {"a": 1}, "name": "a", "unique": true}]})");
  EXPECT_EQ(reply["code"].to_int64(), 11000);
  EXPECT_EQ(reply.view().at_path("keyValue.a").to_int64(), 1);
  EXPECT_TRUE(last_entry().view().at_path("o.abortIndexBuild").exists());
  EXPECT_FALSE(run("t", R"({"listIndexes": "c"})").view().at_path("cursor.firstBatch.1").exists());
  EXPECT_EQ(code("t", R"({"insert": "c", "documents": [{"_id": 3, "a": 1}]})"), 0);
}

TEST_F(CatalogTest, ARenameDropsItsTargetOnlyWhenItIsToldTo) {
  for (const auto version : {ServerVersion{4, 4, 1}, ServerVersion{8, 0, 4}}) {
    start(version);
    run("t", R"({"insert": "a", "documents": [{"_id": "a"}]})");
    run("t", R"({"insert": "b", "documents": [{"_id": "b"}]})");
    for (const auto* value : {"{}", "[]", R"("x")", R"({"$uuid": "01234567-89ab-cdef-0123-456789abcdef"})"}) {
      EXPECT_EQ(code("admin", std::string(R"({"renameCollection": "t.a", "to": "t.b", "dropTarget": )") + value + "}"), 14) << value;
    }
    EXPECT_EQ(code("admin", R"({"renameCollection": "t.a", "to": "t.c", "stayTemp": "x"})"), 14);
    EXPECT_EQ(code("admin", R"({"renameCollection": "t.a", "to": "t.b", "dropTarget": null})"), 48);
    EXPECT_EQ(run("t", R"({"find": "b"})").view().at_path("cursor.firstBatch.0._id").to_string_view(), "b") << "it is still there";
    EXPECT_EQ(code("admin", R"({"renameCollection": "t.a", "to": "t.b", "dropTarget": 1})"), 0);
  }
}

TEST_F(CatalogTest, TheIdIndexOfANewCollectionIsOne) {
  start();
  const auto made = [&](const char* index) { return code("t", std::string(R"({"create": "c", "idIndex": )") + index + "}"); };
  EXPECT_EQ(made("1"), 14);
  EXPECT_EQ(made("{}"), 9);
  EXPECT_EQ(made(R"({"key": {"_id": 1}})"), 9) << "it has no name";
  EXPECT_EQ(made(R"({"key": {"a": 1}, "name": "_id_"})"), 2);
  EXPECT_EQ(made(R"({"key": {"_id": -1}, "name": "_id_"})"), 2);
  EXPECT_EQ(made(R"({"key": {"_id": 1}, "name": "_id_", "sparse": true})"), 197);
  EXPECT_EQ(made(R"({"key": {"_id": 1}, "name": "_id_", "colour": true})"), 197);
  EXPECT_EQ(made(R"({"v": 2, "key": {"_id": 1}, "name": "_id_", "ns": "t.c"})"), 0);
}

TEST_F(CatalogTest, FlagsOfAnIndexAreFlags) {
  start({8, 0, 4});
  for (const auto* flag : {R"("unique": {})", R"("unique": "x")", R"("sparse": {})", R"("background": "y")", R"("unique": null)"}) {
    const auto refused = run("t", std::string(R"({"createIndexes": "c", "indexes": [{"key": {"a": 1}, "name": "n", )") + flag + "}]}");
    EXPECT_EQ(refused["code"].to_int64(), 14) << flag;
    EXPECT_NE(refused["errmsg"].to_string_view().value_or("").find("which is not convertible to bool"), std::string_view::npos) << flag;
  }
  EXPECT_EQ(code("t", R"({"createIndexes": "c", "indexes": [{"key": {"a": 1}, "name": "n", "unique": 1, "sparse": {"$numberDouble": "0.0"}, "background": true}]})"), 0);
}

TEST_F(CatalogTest, ARenameToAnotherDatabaseTakesIndexesAlong) {
  start();
  ASSERT_EQ(code("t", R"({"insert": "c", "documents": [{"_id": 1, "a": 1}, {"_id": 2, "a": 2}]})"), 0);
  ASSERT_EQ(code("t", R"({"createIndexes": "c", "indexes": [{"key": {"a": 1}, "name": "a"}]})"), 0);
  ASSERT_EQ(code("admin", R"({"renameCollection": "t.c", "to": "u.d"})"), 0);
  EXPECT_EQ(run("u", R"({"count": "d"})")["n"].to_int64(), 2);
  EXPECT_EQ(run("u", R"({"validate": "d"})").view().at_path("keysPerIndex.a").to_int64(), 2);
  EXPECT_EQ(code("t", R"({"listIndexes": "c"})"), 26);
}

TEST_F(CatalogTest, WhatLaterVersionsChanged) {
  start({8, 0, 4});
  EXPECT_EQ(code("t", R"({"drop": "none"})"), 0);
  EXPECT_EQ(code("t", R"({"create": "c", "changeStreamPreAndPostImages": {"enabled": true}})"), 0);
  EXPECT_TRUE(options_of("c").view().at_path("changeStreamPreAndPostImages.enabled").is_truthy());
  EXPECT_EQ(code("t", R"({"collMod": "c", "bogus": 1})"), 40415);
  EXPECT_EQ(run("admin", R"({"listDatabases": 1})")["totalSize"].type(), bson::Type::kInt64);
}

TEST_F(CatalogTest, ExplainNamesTheIndex) {
  start();
  ASSERT_EQ(code("t", R"({"createIndexes": "c", "indexes": [{"key": {"a": 1}, "name": "a"}]})"), 0);
  const auto reply = run("t", R"({"explain": {"find": "c", "filter": {"a": 1}}})");
  EXPECT_EQ(reply.view().at_path("queryPlanner.winningPlan.inputStage.indexName").to_string_view(), "a");
  EXPECT_EQ(code("t", R"({"explain": {"update": "c", "updates": []}})"), 16);
  const auto update = run("t", R"({"explain": {"update": "c", "updates": [{"q": {"a": 1}, "u": {"$set": {"b": 1}}}]}})");
  EXPECT_EQ(update.view().at_path("queryPlanner.winningPlan.stage").to_string_view(), "UPDATE");
  const auto grouped = run("t", R"({"explain": {"aggregate": "c", "pipeline": [{"$match": {"a": 1}}, {"$group": {"_id": "$b"}}], "cursor": {}}})");
  EXPECT_EQ(grouped.view().at_path("stages.0.$cursor.queryPlanner.winningPlan.inputStage.indexName").to_string_view(), "a");
  EXPECT_TRUE(grouped.view().at_path("stages.1.$group"));
  EXPECT_EQ(code("t", R"({"explain": {"nothing": 1}})"), 59);
}

TEST_F(CatalogTest, ListsRefuseWhatTheyDoNotKnow) {
  for (const auto version : {ServerVersion{4, 4, 1}, ServerVersion{8, 0, 4}}) {
    start(version);
    const bool idl = version > ServerVersion{5, 0, 0};
    run("d", R"({"create": "c"})");
    for (const auto* command : {R"({"listCollections": 1, "cursor": {"foo": 1}})", R"({"listCollections": 1, "cursor": {"batchSize": 2, "foo": 1}})",
                                R"({"listIndexes": "c", "cursor": {"foo": 1}})"}) {
      EXPECT_EQ(code("d", command), idl ? 40415 : 2) << command;
    }
    EXPECT_EQ(code("d", R"({"listCollections": 1, "cursor": {"batchSize": 2}, "includePendingDrops": true})"), 0);
    EXPECT_EQ(code("d", R"({"listCollections": 1, "includePendingDrops": {}})"), 14);
    EXPECT_EQ(code("d", R"({"listCollections": 1, "filter": {"$expr": {"$abs": "$name"}}})"), 28765);
    EXPECT_EQ(code("admin", R"({"listDatabases": 1, "filter": {"$expr": {"$abs": "$name"}}})"), 28765);
    EXPECT_EQ(code("admin", R"({"listDatabases": 1, "filter": {"$expr": {"$eq": ["$name", "d"]}}})"), 0);
  }
}

}  // namespace
}  // namespace drover::sandbox
