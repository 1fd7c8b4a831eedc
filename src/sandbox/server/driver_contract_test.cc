// What drivers rely on beside data: labels, the versioned API, compression, fail points, sessions.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "base/log.h"
#include "base/runtime.h"
#include "bson/builder.h"
#include "bson/ejson.h"
#include "sandbox/server/dispatcher.h"
#include "sandbox/server/sandbox.h"

namespace drover::sandbox {
namespace {

class DriverContract : public ::testing::Test {
 protected:
  void start(ServerVersion version = {8, 0, 4}) {
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
    auto outcome = sandbox_->dispatcher().run(*client_, {.body = body, .sequences = {}});
    closed_ = outcome.close;
    return outcome.reply;
  }
  static std::int64_t code(const bson::Document& reply) { return reply["ok"].is_truthy() ? 0 : reply["code"].to_int64().value_or(-1); }
  static std::vector<std::string> labels(const bson::Document& reply) {
    std::vector<std::string> out;
    const auto array = reply["errorLabels"].to_array();
    if (!array) return out;
    for (const auto& label : *array) out.emplace_back(*label.to_string_view());
    return out;
  }
  void fail_next(const std::string& data) {
    ASSERT_EQ(code(run("admin", R"({"configureFailPoint": "failCommand", "mode": {"times": 1}, "data": )" + data + "}")), 0);
  }

  static constexpr const char* kSession = R"("lsid": {"id": {"$uuid": "00112233-4455-6677-8899-aabbccddeeff"}})";
  std::unique_ptr<Runtime> runtime_ = make_real_runtime();
  std::unique_ptr<Log> log_ = make_null_log();
  std::unique_ptr<Sandbox> sandbox_;
  std::unique_ptr<ClientConnection> client_;
  bool closed_ = false;
};

using Labels = std::vector<std::string>;

TEST_F(DriverContract, FailPointsKnowTheFirstHelloByTheNameThatItTells) {
  const auto hello = [](const std::string& name) {
    return R"({"isMaster": 1, "client": {"application": {"name": ")" + name + R"("}, "driver": {"name": "x", "version": "1"}, "os": {"type": "x"}}})";
  };
  for (const ServerVersion version : {ServerVersion{4, 4, 1}, ServerVersion{4, 4, 7}, ServerVersion{8, 0, 4}}) {
    start(version);
    fail_next(R"({"failCommands": ["isMaster"], "closeConnection": true, "appName": "wanted"})");
    client_ = std::make_unique<ClientConnection>(sandbox_->state(), true);
    run("admin", hello("other"));
    EXPECT_FALSE(closed_);
    client_ = std::make_unique<ClientConnection>(sandbox_->state(), true);
    run("admin", hello("wanted"));
    EXPECT_EQ(closed_, version != ServerVersion(4, 4, 1));  // earlier servers know a client once it has been answered
  }
}

TEST_F(DriverContract, AFailPointChangesWhenAllHaveLeftIt) {
  start();
  fail_next(R"({"failCommands": ["insert"], "blockConnection": true, "blockTimeMS": 1000})");
  auto& point = sandbox_->state().services.fail_points.fail_command;
  ClientConnection other(sandbox_->state(), true);
  other.id = 2;
  std::jthread blocked([&] {
    const auto body = bson::from_ejson(R"({"insert": "c", "documents": [{"_id": 2}], "$db": "d"})");
    sandbox_->dispatcher().run(other, {.body = *body, .sequences = {}});
  });
  for (int i = 0; i < 10'000 && !point.has_guests(); ++i) runtime_->sleep(std::chrono::milliseconds(1), {});
  ASSERT_TRUE(point.has_guests());
  EXPECT_EQ(run("admin", R"({"configureFailPoint": "failCommand", "mode": "never"})")["code"].to_int64(), 2);
  EXPECT_TRUE(point.has_guests());
  EXPECT_EQ(run("admin", R"({"configureFailPoint": "failCommand", "mode": "off"})")["count"].to_int64(), 1);
  EXPECT_FALSE(point.has_guests());
}

TEST_F(DriverContract, LabelsFollowFromCommandAndCode) {
  start();
  const std::string numbered = std::string(kSession) + R"(, "txnNumber": {"$numberLong": "1"})";
  const std::string commit = R"({"commitTransaction": 1, "autocommit": false, )" + numbered + "}";
  fail_next(R"({"failCommands": ["commitTransaction"], "errorCode": 24})");
  EXPECT_EQ(labels(run("admin", commit)), Labels{"TransientTransactionError"});
  fail_next(R"({"failCommands": ["commitTransaction"], "errorCode": 10107})");
  EXPECT_EQ(labels(run("admin", commit)), Labels{"RetryableWriteError"});
  const std::string insert = R"({"insert": "c", "documents": [{"_id": 1}], )" + numbered + "}";
  fail_next(R"({"failCommands": ["insert"], "errorCode": 91})");
  EXPECT_EQ(labels(run("d", insert)), Labels{"RetryableWriteError"});
  fail_next(R"({"failCommands": ["insert"], "errorCode": 11000})");
  EXPECT_EQ(labels(run("d", insert)), Labels{});
  fail_next(R"({"failCommands": ["insert"], "errorCode": 11000, "errorLabels": ["Chosen"]})");
  EXPECT_EQ(labels(run("d", insert)), Labels{"Chosen"});
  fail_next(R"({"failCommands": ["insert"], "writeConcernError": {"code": 91, "errmsg": "no"}})");
  EXPECT_EQ(labels(run("d", insert)), Labels{"RetryableWriteError"});
}

TEST_F(DriverContract, TheReplyOfAWriteIsLostAndItsRepetitionFindsIt) {
  start();
  const std::string insert = R"({"insert": "c", "documents": [{"_id": 1}], "txnNumber": {"$numberLong": "7"}, )" + std::string(kSession) + "}";
  ASSERT_EQ(code(run("admin", R"({"configureFailPoint": "onPrimaryTransactionalWrite", "mode": {"times": 1}})")), 0);
  run("d", insert);
  EXPECT_TRUE(closed_);
  const auto again = run("d", insert);
  EXPECT_EQ(again["n"].to_int64(), 1);
  EXPECT_FALSE(again["writeErrors"]);
  ASSERT_EQ(code(run("admin", R"({"configureFailPoint": "onPrimaryTransactionalWrite", "mode": {"times": 1},
                                  "data": {"closeConnection": false, "failBeforeCommitExceptionCode": 6}})")), 0);
  run("d", R"({"insert": "c", "documents": [{"_id": 2}], "txnNumber": {"$numberLong": "8"}, )" + std::string(kSession) + "}");
  EXPECT_EQ(run("d", R"({"count": "c"})")["n"].to_int64(), 1);
}

TEST_F(DriverContract, StrictClientsAreRefusedWhatIsUnstable) {
  start();
  const std::string strict = R"("apiVersion": "1", "apiStrict": true})";
  EXPECT_EQ(code(run("d", R"({"find": "c", )" + strict)), 0);
  EXPECT_EQ(code(run("d", R"({"distinct": "c", "key": "a", )" + strict)), 323);
  EXPECT_EQ(code(run("d", R"({"find": "c", "returnKey": true, )" + strict)), 323);
  EXPECT_EQ(code(run("admin", R"({"aggregate": 1, "cursor": {}, "pipeline": [{"$listLocalSessions": {}}], )" + strict)), 323);
  EXPECT_EQ(code(run("d", R"({"aggregate": "c", "cursor": {}, "pipeline": [{"$collStats": {"count": {}}}], )" + strict)), 26);
  EXPECT_EQ(code(run("d", R"({"ping": 1, "apiVersion": "2"})")), 322);
  EXPECT_EQ(code(run("d", R"({"ping": 1, "apiStrict": true})")), 4886600);
  EXPECT_EQ(code(run("d", R"({"testDeprecation": 1, "apiVersion": "1", "apiDeprecationErrors": true})")), 324);
}

TEST_F(DriverContract, StrictClientsAreRefusedWhatIsUnstableWithin) {
  start({7, 0, 16});
  run("d", R"({"insert": "c", "documents": [{"_id": 1, "a": "foo", "b": 1}]})");
  run("d", R"({"createIndexes": "c", "indexes": [{"key": {"a": "text"}, "name": "t"}, {"key": {"b": 1}, "name": "b", "sparse": true}]})");
  const auto refused = [&](const std::string& command) {
    const auto reply = run("d", command + R"(, "apiVersion": "1", "apiStrict": true})");
    return std::pair(code(reply), std::string(reply["errmsg"].to_string_view().value_or("")));
  };
  EXPECT_EQ(refused(R"({"find": "c", "filter": {"$text": {"$search": "foo"}})").first, 291);
  EXPECT_EQ(refused(R"({"find": "c", "hint": "b")").first, 2);
  EXPECT_EQ(refused(R"({"find": "c", "filter": {"b": 1})").first, 0);
  const auto planned = [&](const std::string& more) {
    const auto shown = run("d", R"({"explain": {"find": "c", "filter": {"$or": [{"b": 1}, {"b": {"$gt": 7}}]}}, "verbosity": "queryPlanner")" + more + "}");
    return std::string(shown.view().at_path("queryPlanner.winningPlan.stage").to_string_view().value_or("none"));
  };
  EXPECT_EQ(planned(""), "SUBPLAN");
  EXPECT_EQ(planned(R"(, "apiVersion": "1", "apiStrict": true)"), "COLLSCAN");
  EXPECT_EQ(refused(R"({"aggregate": "c", "cursor": {}, "pipeline": [{"$collStats": {}}])").first, 0);
  EXPECT_EQ(refused(R"({"aggregate": "c", "cursor": {}, "pipeline": [{"$collStats": {"storageStats": {}}}])"),
            std::pair(std::int64_t{323}, std::string("only the 'count' option to $collStats is supported in API Version 1")));
  EXPECT_EQ(refused(R"({"aggregate": "c", "cursor": {}, "pipeline": [{"$indexStats": {}}])").second, "$indexStats is not allowed with 'apiStrict: true' in API Version 1");
  EXPECT_EQ(refused(R"({"aggregate": "c", "cursor": {}, "pipeline": [{"$facet": {"x": [{"$indexStats": {}}]}}])").first, 323);
  EXPECT_EQ(refused(R"({"aggregate": "c", "cursor": {}, "pipeline": [{"$unionWith": {"coll": "c", "pipeline": [{"$listCatalog": {}}]}}])").first, 323);
  EXPECT_EQ(refused(R"({"create": "v", "viewOn": "c", "pipeline": [{"$planCacheStats": {}}])").first, 323);
  EXPECT_EQ(refused(R"({"create": "plain", "capped": false)").first, 0);
  EXPECT_EQ(refused(R"({"create": "round", "capped": true)").first, 72);
  EXPECT_EQ(refused(R"({"createIndexes": "x", "indexes": [{"key": {"a": "text"}, "name": "t"}])").first, 323);
  EXPECT_EQ(refused(R"({"collMod": "c", "index": {"name": "b", "prepareUnique": true})").first, 323);
  EXPECT_EQ(refused(R"({"insert": "system.js", "documents": [{"_id": "f", "value": 1}])").first, 323);
  EXPECT_EQ(code(run("d", R"({"ping": 1, "apiVersion": "1", "apiStrict": "true"})")), 14);
}

// What a cursor's or a transaction's first command declared, the others declare too.
TEST_F(DriverContract, WhatGoesOnDeclaresTheSameApi) {
  start({5, 0, 0});
  run("d", R"({"insert": "c", "documents": [{"_id": 1}, {"_id": 2}, {"_id": 3}]})");
  const std::string declared = R"(, "apiVersion": "1", "apiStrict": true})";
  const auto found = run("d", R"({"find": "c", "batchSize": 1)" + declared);
  const auto more = R"({"getMore": {"$numberLong": ")" + std::to_string(found.view().at_path("cursor.id").to_int64().value_or(0)) + R"("}, "collection": "c", "batchSize": 1)";
  const auto plain = run("d", more + "}");
  EXPECT_EQ(code(plain), 347);
  EXPECT_EQ(plain["errmsg"].to_string_view(), "API parameter mismatch: getMore used params {}, the cursor-creating command used { apiVersion: \"1\", apiStrict: true }");
  EXPECT_EQ(code(run("d", more + R"(, "apiVersion": "1"})")), 347);
  EXPECT_EQ(code(run("d", more + declared)), 0);

  const std::string number = R"("autocommit": false, "txnNumber": {"$numberLong": "1"}, )" + std::string(kSession);
  EXPECT_EQ(code(run("d", R"({"insert": "c", "documents": [{"_id": 4}], "startTransaction": true, )" + number + declared)), 0);
  EXPECT_EQ(code(run("d", R"({"insert": "c", "documents": [{"_id": 5}], )" + number + "}")), 347);
  EXPECT_EQ(code(run("admin", R"({"commitTransaction": 1, )" + number + "}")), 347);
  EXPECT_EQ(code(run("admin", R"({"commitTransaction": 1, )" + number + declared)), 0);
  EXPECT_EQ(run("d", R"({"count": "c"})")["n"].to_int64(), 4);
}

TEST_F(DriverContract, CompressorsInTheClientsOrder) {
  start();
  const auto reply = run("admin", R"({"hello": 1, "compression": ["zstd", "noop", "other", "zlib"]})");
  EXPECT_EQ(reply.view().at_path("compression.0").to_string_view(), "zstd");
  EXPECT_EQ(reply.view().at_path("compression.1").to_string_view(), "zlib");
  EXPECT_FALSE(reply.view().at_path("compression.2"));
  EXPECT_FALSE(run("admin", R"({"hello": 1, "compression": ["other"]})")["compression"]);
}

TEST_F(DriverContract, CountIsNoCommandOfATransaction) {
  start();
  const std::string begin = R"("autocommit": false, "startTransaction": true, "txnNumber": {"$numberLong": "1"}, )" + std::string(kSession) + "}";
  EXPECT_EQ(code(run("d", R"({"count": "c", )" + begin)), 263);
}

TEST_F(DriverContract, SnapshotReadsAreForFindAggregateAndDistinct) {
  start();
  run("d", R"({"insert": "c", "documents": [{"_id": 1}]})");
  const std::string snapshot = R"("readConcern": {"level": "snapshot"}})";
  EXPECT_EQ(code(run("d", R"({"find": "c", )" + snapshot)), 0);
  EXPECT_EQ(code(run("d", R"({"distinct": "c", "key": "_id", )" + snapshot)), 0);
  EXPECT_EQ(code(run("d", R"({"listCollections": 1, )" + snapshot)), 72);
  EXPECT_EQ(code(run("d", R"({"count": "c", )" + snapshot)), 72);
}

TEST_F(DriverContract, CurrentOpTakesAFilter) {
  start();
  EXPECT_EQ(run("admin", R"({"currentOp": 1, "command.currentOp": 1})")["inprog"].document_value().field_count(), 1u);
  EXPECT_EQ(run("admin", R"({"currentOp": 1, "op": "insert"})")["inprog"].document_value().field_count(), 0u);
}

TEST_F(DriverContract, BeforeFiveZeroWritesHaveNoLet) {
  start({4, 4, 1});
  EXPECT_EQ(code(run("d", R"({"delete": "c", "let": {"id": 2}, "deletes": [{"q": {}, "limit": 1}]})")), 40415);
  EXPECT_EQ(code(run("d", R"({"findAndModify": "c", "let": {"id": 2}, "remove": true})")), 51177);
  EXPECT_EQ(code(run("d", R"({"count": "c", "comment": {"a": 1}})")), 14);
}

TEST_F(DriverContract, EmptyTimesAreKeptByWhoeverAsksForIt) {
  for (const ServerVersion version : {ServerVersion{5, 0, 31}, ServerVersion{8, 0, 4}}) {
    start(version);
    run("d", R"({"insert": "c", "documents": [{"_id": 1}]})");
    const auto replaced = [this](const std::string& more) {
      const auto reply = run("d", R"({"findAndModify": "c", "query": {"_id": 1}, "new": true, "update": {"t": {"$timestamp": {"t": 0, "i": 0}}})" + more + "}");
      return reply["value"].document_value()["t"].timestamp_value().is_zero();
    };
    const auto updated = [this](const std::string& more) {
      run("d", R"({"update": "c", "updates": [{"q": {"_id": 1}, "u": {"t": {"$timestamp": {"t": 0, "i": 0}}}}])" + more + "}");
      const auto reply = run("d", R"({"find": "c"})");
      return reply.view().at_path("cursor.firstBatch.0.t").timestamp_value().is_zero();
    };
    EXPECT_FALSE(updated(""));
    EXPECT_TRUE(updated(R"(, "bypassEmptyTsReplacement": true)"));
    EXPECT_FALSE(replaced(""));
    EXPECT_TRUE(replaced(R"(, "bypassEmptyTsReplacement": true)"));
    EXPECT_FALSE(replaced(R"(, "bypassEmptyTsReplacement": false)"));
  }
  start({4, 4, 1});
  EXPECT_EQ(code(run("d", R"({"insert": "c", "documents": [{"_id": 1}], "bypassEmptyTsReplacement": true})")), 40415);
  EXPECT_EQ(code(run("d", R"({"update": "c", "updates": [{"q": {}, "u": {"a": 1}}], "bypassEmptyTsReplacement": true})")), 40415);
  EXPECT_EQ(code(run("d", R"({"findAndModify": "c", "query": {}, "update": {"a": 1}, "bypassEmptyTsReplacement": true})")), 51177);
}

TEST_F(DriverContract, LetIsForFiltersToo) {
  start();
  run("d", R"({"insert": "c", "documents": [{"_id": 1}, {"_id": 2}]})");
  const auto update = run("d", R"({"update": "c", "let": {"id": 2}, "updates": [{"q": {"$expr": {"$eq": ["$_id", "$$id"]}}, "u": {"x": 1}}]})");
  EXPECT_EQ(update["nModified"].to_int64(), 1);
  const auto removed = run("d", R"({"findAndModify": "c", "remove": true, "let": {"id": 2}, "query": {"$expr": {"$eq": ["$_id", "$$id"]}}})");
  EXPECT_EQ(removed["value"].document_value()["x"].to_int64(), 1);
}

}  // namespace
}  // namespace drover::sandbox
