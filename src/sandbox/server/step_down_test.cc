// The one member steps down, is a secondary for a while, and is elected again.
#include <chrono>
#include <thread>

#include "sandbox/server/client_for_tests.h"

namespace drover::sandbox {
namespace {

using namespace std::chrono_literals;

class StepDownTest : public SandboxClientTest {
 protected:
  bson::Document hello() { return run("admin", R"({"isMaster": 1})"); }
  static std::int64_t counter(const bson::Document& reply) { return reply.view().at_path("topologyVersion.counter").to_int64().value_or(-1); }
  void await_election() {
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (!hello()["ismaster"].is_truthy() && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(10ms);
    ASSERT_TRUE(hello()["ismaster"].is_truthy());
  }
  std::string numbered(int number, const std::string& more) {
    return R"(, "lsid": {"id": {"$uuid": "00000000-0000-4000-8000-000000000021"}}, "txnNumber": {"$numberLong": ")" + std::to_string(number) + "\"}" + more + "}";
  }
};

TEST_F(StepDownTest, ASecondaryServesReadersAlone) {
  for (const auto version : {kTest44, kTest80}) {
    start(version);
    ASSERT_EQ(code("d", R"({"insert": "c", "documents": [{"_id": 1}])" + numbered(1, "")), 0);
    ASSERT_EQ(code("d", R"({"insert": "c", "documents": [{"_id": "never"}])" + numbered(2, R"(, "autocommit": false, "startTransaction": true)")), 0);
    const auto stream = watch("d", "c", "{}");
    const auto before = hello();
    ASSERT_EQ(code("admin", R"({"replSetStepDown": 2, "force": true})"), 0);
    const auto after = hello();
    EXPECT_FALSE(after["ismaster"].is_truthy());
    EXPECT_TRUE(after["secondary"].is_truthy());
    EXPECT_FALSE(after["primary"].exists());
    EXPECT_FALSE(after["electionId"].exists());
    EXPECT_EQ(counter(after), counter(before) + 1);
    const auto refused = run("d", R"({"insert": "c", "documents": [{"_id": 2}])" + numbered(3, ""));
    EXPECT_EQ(code_of(refused), 10107) << text(refused);
    EXPECT_EQ(counter(refused), counter(after));
    EXPECT_EQ(refused.view().at_path("errorLabels.0").to_string_view(), "RetryableWriteError");
    EXPECT_EQ(code("d", R"({"find": "c"})"), 13435);
    EXPECT_EQ(code("d", R"({"aggregate": "c", "pipeline": [{"$out": "d"}], "cursor": {}, "$readPreference": {"mode": "secondary"}})"), 10107);
    EXPECT_EQ(code("admin", R"({"appendOplogNote": 1, "data": {}})"), 10107);
    EXPECT_EQ(batch(run("d", R"({"find": "c", "$readPreference": {"mode": "secondaryPreferred"}})")).size(), 1u);
    EXPECT_TRUE(more("d", "c", stream)["ok"].is_truthy());
    EXPECT_EQ(code("admin", R"({"commitTransaction": 1)" + numbered(2, R"(, "autocommit": false)")), 10107);
    EXPECT_EQ(run("admin", R"({"replSetGetStatus": 1})")["myState"].to_int64(), 2);
    EXPECT_EQ(code("admin", R"({"replSetStepDown": 1, "force": true})"), 10107);
    await_election();
    const auto again = hello();
    EXPECT_EQ(counter(again), counter(before) + 2);
    EXPECT_LT(before["electionId"].object_id_value().bytes, again["electionId"].object_id_value().bytes);
    EXPECT_EQ(last_entry()["t"].to_int64(), 2);
    EXPECT_EQ(text(last_entry()["o"]), R"({"msg":"newprimary"})");
    EXPECT_EQ(run("admin", R"({"replSetGetStatus": 1})")["term"].to_int64(), 2);
    EXPECT_EQ(code("admin", R"({"commitTransaction": 1)" + numbered(2, R"(, "autocommit": false)")), 251);
    // The chain of a session's writes goes through both terms.
    ASSERT_EQ(code("d", R"({"insert": "c", "documents": [{"_id": 2}, {"_id": 3}])" + numbered(3, "")), 0);
    EXPECT_EQ(last_entry()["t"].to_int64(), 2);
    EXPECT_EQ(last_entry().view().at_path("prevOpTime.t").to_int64(), 2);
    EXPECT_EQ(find("d", "c").size(), 3u);
    int events = 0;
    for (int tries = 0; tries < 20 && events < 2; ++tries) events += static_cast<int>(batch(more("d", "c", stream)).size());
    EXPECT_EQ(events, 2);
  }
}

TEST_F(StepDownTest, ItStaysForAsLongAsItIsFrozen) {
  start(kTest80);
  EXPECT_EQ(code("admin", R"({"replSetFreeze": 1})"), 95);
  EXPECT_EQ(code("admin", R"({"replSetStepUp": 1})"), 0);
  ASSERT_EQ(code("admin", R"({"replSetStepDown": 1, "force": true})"), 0);
  EXPECT_EQ(code("admin", R"({"replSetFreeze": 3600})"), 0);
  std::this_thread::sleep_for(2500ms);
  EXPECT_FALSE(hello()["ismaster"].is_truthy());
  EXPECT_EQ(code("admin", R"({"replSetStepUp": 1})"), 125);
  const auto unfrozen = run("admin", R"({"replSetFreeze": 0})");
  EXPECT_EQ(unfrozen["info"].to_string_view(), "unfreezing") << text(unfrozen);
  EXPECT_TRUE(hello()["ismaster"].is_truthy());
}

TEST_F(StepDownTest, NobodyElseCouldTakeOver) {
  start(kTest80);
  const auto refused = run("admin", R"({"replSetStepDown": 5, "secondaryCatchUpPeriodSecs": 0})");
  EXPECT_EQ(code_of(refused), 262);
  EXPECT_TRUE(refused["errmsg"].to_string_view().value_or("").starts_with("No electable secondaries caught up as of ")) << text(refused);
  EXPECT_EQ(code("admin", R"({"replSetStepDown": 60, "maxTimeMS": 50})"), 50);
  EXPECT_EQ(code("admin", R"({"replSetStepDown": -1})"), 2);
  EXPECT_EQ(code("admin", R"({"replSetStepDown": 5, "secondaryCatchUpPeriodSecs": 6})"), 2);
  EXPECT_EQ(code("admin", R"({"replSetStepDown": 5, "secondaryCatchUpPeriodSecs": -1})"), 2);
  EXPECT_EQ(code("admin", R"({"replSetStepDown": 5, "other": 1})"), 40415);
  EXPECT_TRUE(hello()["ismaster"].is_truthy());
}

TEST_F(StepDownTest, WhoAwaitsAChangeIsTold) {
  start(kTest80);
  const auto version = bson::Document(hello()["topologyVersion"].document_value());
  bson::Builder command;
  command.append("hello", 1).append("topologyVersion", version).append("maxAwaitTimeMS", std::int64_t{30000});
  const auto awaiting = std::move(command).finish();
  const auto began = std::chrono::steady_clock::now();
  std::jthread client([&] { EXPECT_FALSE(run("admin", awaiting)["isWritablePrimary"].is_truthy()); });
  auto& operations = sandbox_->state().services.operations;
  while (operations.running() == 0) std::this_thread::sleep_for(1ms);
  ASSERT_EQ(code("admin", R"({"replSetStepDown": 30, "force": true})"), 0);
  client.join();
  EXPECT_LT(std::chrono::steady_clock::now() - began, 20s);
}

}  // namespace
}  // namespace drover::sandbox
