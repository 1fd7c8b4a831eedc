// The server as a client sees it, without sockets: fail points, cursors, handshake, authorization.
#include <gtest/gtest.h>

#include <fmt/core.h>

#include "base/log.h"
#include "base/runtime.h"
#include "bson/builder.h"
#include "bson/ejson.h"
#include "sandbox/server/dispatcher.h"
#include "sandbox/server/sandbox.h"

namespace drover::sandbox {
namespace {

class ServerTest : public ::testing::Test {
 protected:
  void start(ServerVersion version = {4, 4, 1}, bool auth = false) {
    auto started = Sandbox::start({.auth = auth, .version = version, .listen = false}, *runtime_, *log_);
    ASSERT_TRUE(started) << started.error().message;
    sandbox_ = std::move(*started);
    client_ = connect(true);
  }
  std::unique_ptr<ClientConnection> connect(bool loopback) {
    auto connection = std::make_unique<ClientConnection>(sandbox_->state(), loopback);
    connection->id = ++connections_;
    return connection;
  }
  bson::Document run(ClientConnection& client, const std::string& db, const std::string& command) {
    bson::Builder out;
    out.append_all(*bson::from_ejson(command)).append("$db", db);
    const auto body = std::move(out).finish();
    auto outcome = sandbox_->dispatcher().run(client, {.body = body, .sequences = {}});
    closed_ = outcome.close;
    return outcome.reply;
  }
  bson::Document run(const std::string& db, const std::string& command) { return run(*client_, db, command); }
  static std::int64_t code(const bson::Document& reply) { return reply["ok"].is_truthy() ? 0 : reply["code"].to_int64().value_or(-1); }

  std::unique_ptr<Runtime> runtime_ = make_real_runtime();
  std::unique_ptr<Log> log_ = make_null_log();
  std::unique_ptr<Sandbox> sandbox_;
  std::unique_ptr<ClientConnection> client_;
  int connections_ = 0;
  bool closed_ = false;
};

TEST_F(ServerTest, EveryReplyCarriesTheClusterTime) {
  start();
  for (const auto& reply : {run("admin", R"({"ping": 1})"), run("admin", R"({"noSuch": 1})")}) {
    EXPECT_EQ(reply["$clusterTime"].document_value()["clusterTime"].type(), bson::Type::kTimestamp);
    EXPECT_EQ(reply["operationTime"].type(), bson::Type::kTimestamp);
  }
}

TEST_F(ServerTest, HandshakeFollowsTheVersion) {
  start();
  EXPECT_EQ(code(run("admin", R"({"hello": 1})")), 59);
  EXPECT_EQ(run("admin", R"({"isMaster": 1, "helloOk": true})")["helloOk"].type(), bson::Type::kEnd);
  start({4, 4, 2});
  EXPECT_TRUE(run("admin", R"({"isMaster": 1, "helloOk": true})")["helloOk"].is_truthy());
  EXPECT_EQ(code(run("admin", R"({"hello": 1})")), 0);
  start({8, 0, 4});
  const auto hello = run("admin", R"({"hello": 1, "helloOk": true})");
  EXPECT_TRUE(hello["isWritablePrimary"].is_truthy());
  EXPECT_TRUE(hello["helloOk"].is_truthy());
  EXPECT_EQ(hello["maxWireVersion"].to_int64(), 25);
}

TEST_F(ServerTest, FailCommandSkipsThenFails) {
  start();
  run("admin", R"({"configureFailPoint": "failCommand", "mode": {"skip": 1}, "data": {"failCommands": ["ping"], "errorCode": 10107}})");
  EXPECT_EQ(code(run("admin", R"({"ping": 1})")), 0);
  EXPECT_EQ(code(run("admin", R"({"ping": 1})")), 10107);
  EXPECT_EQ(run("admin", R"({"configureFailPoint": "failCommand", "mode": "off"})")["count"].to_int64(), 1);
  EXPECT_EQ(code(run("admin", R"({"ping": 1})")), 0);
}

TEST_F(ServerTest, FailCommandClosesTheConnectionOfOneApplicationOnly) {
  start();
  run("admin", R"({"isMaster": 1, "client": {"application": {"name": "app"}, "driver": {"name": "d", "version": "1"}, "os": {"type": "Linux"}}})");
  run("admin", R"({"configureFailPoint": "failCommand", "mode": "alwaysOn", "data": {"failCommands": ["ping"], "closeConnection": true, "appName": "app"}})");
  const auto other = connect(true);
  run(*other, "admin", R"({"ping": 1})");
  EXPECT_FALSE(closed_);
  run("admin", R"({"ping": 1})");
  EXPECT_TRUE(closed_);
}

TEST_F(ServerTest, FailCommandAddsAWriteConcernError) {
  start();
  run("admin", R"({"configureFailPoint": "failCommand", "mode": {"times": 1}, "data": {"failCommands": ["insert"],
                   "writeConcernError": {"code": 91, "errmsg": "x"}, "errorLabels": ["RetryableWriteError"]}})");
  const auto reply = run("test", R"({"insert": "t", "documents": [{"_id": 1}]})");
  EXPECT_EQ(reply["n"].to_int64(), 1);
  EXPECT_EQ(reply["writeConcernError"].document_value()["code"].to_int64(), 91);
  EXPECT_EQ(reply["errorLabels"].document_value().first().to_string_view(), "RetryableWriteError");
}

TEST_F(ServerTest, ACursorBelongsToItsSession) {
  start();
  run("test", R"({"insert": "t", "documents": [{"_id": 1}, {"_id": 2}]})");
  const auto lsid = R"("lsid": {"id": {"$binary": {"base64": "AAAAAAAAAAAAAAAAAAAAAQ==", "subType": "04"}}})";
  const auto found = run("test", fmt::format(R"({{"find": "t", "batchSize": 1, {}}})", lsid));
  const auto id = found.view().at_path("cursor.id").to_int64().value_or(0);
  ASSERT_NE(id, 0);
  const auto get_more = fmt::format(R"({{"getMore": {{"$numberLong": "{}"}}, "collection": "t")", id);
  EXPECT_EQ(code(run("test", get_more + "}")), 50737);
  EXPECT_EQ(code(run("test", get_more + ", " + lsid + "}")), 0);
}

TEST_F(ServerTest, AGetMoreHasTheTimeThatItsCommandLeft) {
  start();
  run("test", R"({"insert": "t", "documents": [{"_id": 1}, {"_id": 2}, {"_id": 3}, {"_id": 4}]})");
  const auto open = [&](const std::string& command) { return run("test", command).view().at_path("cursor.id").to_int64().value_or(0); };
  const auto more = [&](std::int64_t id) {
    return code(run("test", fmt::format(R"({{"getMore": {{"$numberLong": "{}"}}, "collection": "t", "batchSize": 1}})", id)));
  };
  const auto limited = open(R"({"find": "t", "batchSize": 1, "maxTimeMS": 60000})");
  const auto pipeline = open(R"({"aggregate": "t", "pipeline": [], "cursor": {"batchSize": 1}, "maxTimeMS": 60000})");
  const auto unlimited = open(R"({"find": "t", "batchSize": 1})");
  EXPECT_EQ(more(limited), 0);
  EXPECT_EQ(more(pipeline), 0);
  EXPECT_EQ(code(run("admin", R"({"configureFailPoint": "maxTimeAlwaysTimeOut", "mode": "alwaysOn"})")), 0);
  EXPECT_EQ(more(unlimited), 0);  // there is no limit that could be over
  EXPECT_EQ(more(limited), 50);
  EXPECT_EQ(more(pipeline), 50);
  run("admin", R"({"configureFailPoint": "maxTimeAlwaysTimeOut", "mode": "off"})");
  EXPECT_EQ(more(limited), 43);  // it ended
  EXPECT_EQ(more(unlimited), 0);

  // The time that is used up stays so; the time between the batches is not used.
  const auto entry_of = [&](std::int64_t id) {
    auto entry = sandbox_->state().services.cursors.check_out(id);
    EXPECT_TRUE(entry);
    return std::move(*entry);
  };
  const auto id = open(R"({"find": "t", "batchSize": 1, "maxTimeMS": 60000})");
  auto entry = entry_of(id);
  ASSERT_TRUE(entry.time_left);
  const auto left = *entry.time_left;
  EXPECT_GT(left, std::chrono::seconds(1));
  sandbox_->state().services.cursors.check_in(id, std::move(entry));
  EXPECT_EQ(more(id), 0);
  entry = entry_of(id);
  EXPECT_LT(*entry.time_left, left);
  entry.time_left = Duration::zero();
  sandbox_->state().services.cursors.check_in(id, std::move(entry));
  EXPECT_EQ(more(id), 50);
}

TEST_F(ServerTest, StagesThatGatherEndInTime) {
  start({8, 0, 4});
  for (int batch = 0; batch < 20; ++batch) {
    std::string documents;
    for (int i = 0; i < 1000; ++i) documents += fmt::format(R"({}{{"_id": {}}})", i == 0 ? "" : ", ", batch * 1000 + i);
    ASSERT_EQ(code(run("test", R"({"insert": "t", "documents": [)" + documents + "]}")), 0);
  }
  const auto limited = [&](const std::string& stage, int millis) {
    return code(run("test", fmt::format(R"({{"aggregate": "t", "pipeline": [{}], "cursor": {{}}, "maxTimeMS": {}}})", stage, millis)));
  };
  // Nothing comes out before all is read.
  EXPECT_EQ(limited(R"({"$group": {"_id": null, "n": {"$sum": "$_id"}}})", 1), 50);
  EXPECT_EQ(limited(R"({"$group": {"_id": null, "n": {"$sum": "$_id"}}}, {"$out": "u"})", 1), 50);
  EXPECT_EQ(limited(R"({"$sort": {"x": 1}})", 1), 50);
  // All of a window anew for every document: two hundred million of them.
  EXPECT_EQ(limited(R"({"$setWindowFields": {"sortBy": {"_id": 1}, "output": {"n": {"$maxN": {"n": 1, "input": "$_id"}, "window": {"documents": ["current", "unbounded"]}}}}},
                       {"$group": {"_id": null, "n": {"$max": "$n"}}})", 500), 50);
  EXPECT_EQ(limited(R"({"$group": {"_id": null, "n": {"$sum": "$_id"}}})", 60000), 0);
}

TEST_F(ServerTest, AChangeStreamResumesWhereItWas) {
  start();
  run("test", R"({"create": "t"})");
  const auto opened = run("test", R"({"aggregate": "t", "pipeline": [{"$changeStream": {}}], "cursor": {}})");
  run("test", R"({"insert": "t", "documents": [{"_id": 1}, {"_id": 2}, {"_id": 3}]})");
  const auto id = opened.view().at_path("cursor.id").to_int64().value_or(0);
  const auto more = run("test", fmt::format(R"({{"getMore": {{"$numberLong": "{}"}}, "collection": "t", "batchSize": 2}})", id));
  const auto first = more.view().at_path("cursor.nextBatch.0._id._data").to_string_view();
  const auto token = more.view().at_path("cursor.postBatchResumeToken._data").to_string_view();
  ASSERT_TRUE(first && token);
  const auto resume = [&](std::string_view data) {
    return run("test", fmt::format(R"({{"aggregate": "t", "pipeline": [{{"$changeStream": {{"resumeAfter": {{"_data": "{}"}}}}}}], "cursor": {{}}}})", data));
  };
  const auto after_first = resume(*first);
  EXPECT_EQ(after_first.view().at_path("cursor.firstBatch.0.documentKey._id").to_int64(), 2);
  const auto after_batch = resume(*token);
  EXPECT_EQ(after_batch.view().at_path("cursor.firstBatch.0.documentKey._id").to_int64(), 3);
  EXPECT_FALSE(after_batch.view().at_path("cursor.firstBatch.1"));
}

TEST_F(ServerTest, WithoutUsersOnlyThisMachineMayCreateTheFirst) {
  start({4, 4, 1}, true);
  const auto create = R"({"createUser": "root", "pwd": "secret", "roles": ["root"]})";
  const auto far = connect(false);
  EXPECT_EQ(code(run(*far, "admin", create)), 13);
  EXPECT_EQ(code(run("test", R"({"find": "t"})")), 13);
  EXPECT_EQ(code(run("admin", create)), 0);
  EXPECT_EQ(code(run("admin", R"({"createUser": "second", "pwd": "secret", "roles": ["root"]})")), 13);
  EXPECT_EQ(code(run("admin", R"({"isMaster": 1})")), 0);
}

TEST_F(ServerTest, DatabaseNames) {
  start();
  EXPECT_EQ(code(run("a.b", R"({"ping": 1})")), 73);
  EXPECT_EQ(code(run("a b", R"({"ping": 1})")), 73);
  EXPECT_EQ(code(run("a$b", R"({"ping": 1})")), 0);
}

}  // namespace
}  // namespace drover::sandbox
