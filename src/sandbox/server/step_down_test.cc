// The one member steps down, is a secondary for a while, and is elected again.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "sandbox/commands/fail_points.h"
#include "sandbox/commands/member.h"
#include "sandbox/server/client_for_tests.h"
#include "sandbox/storage/write_unit.h"

namespace drover::sandbox {
namespace {

using namespace std::chrono_literals;

class StepDownTest : public SandboxClientTest {
 protected:
  bson::Document hello() { return run("admin", R"({"isMaster": 1})"); }
  static std::int64_t counter(const bson::Document& reply) { return reply.view().at_path("topologyVersion.counter").to_int64().value_or(-1); }
  template <typename Condition>
  static bool await(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (std::chrono::steady_clock::now() < deadline) {
      if (condition()) return true;
      std::this_thread::sleep_for(1ms);
    }
    return false;
  }
  // Of an index build, from its start on; null when there is no such index.
  const IndexInfo* index(const std::string& name) {
    const auto view = engine().view();
    seen_ = view->catalog->find(Namespace{"d", "c"});
    return seen_ ? seen_->index(name) : nullptr;
  }
  // Enough for a $out that takes many units.
  void insert_many() {
    for (int i = 0; i < 40; ++i) {
      bson::Builder insert;
      insert.append("insert", "many");
      auto documents = insert.open_array("documents");
      for (int j = 0; j < 1000; ++j) documents.open_document().append("_id", i * 1000 + j);
      documents.close();
      ASSERT_EQ(code("d", std::move(insert).finish()), 0);
    }
  }
  bool has_temporary() {
    const auto collections = engine().view()->catalog->of_database("d");
    return std::ranges::any_of(collections, [](const auto& collection) { return collection->ns.collection.starts_with("tmp.agg_out."); });
  }
  bool seen(const std::string& name) { return engine().view()->catalog->find(Namespace{"d", name}) != nullptr; }
  Engine& engine() { return sandbox_->state().services.engine; }
  // A build that has filled its index and has not committed it.
  std::jthread start_build(const std::string& command, std::atomic<std::int64_t>& ended) {
    EXPECT_EQ(code("admin", R"({"configureFailPoint": "hangIndexBuildBeforeCommit", "mode": "alwaysOn"})"), 0);
    std::jthread client([this, command, &ended] { ended = code("d", command); });
    EXPECT_TRUE(await([&] { return sandbox_->state().services.fail_points.hang_index_build_before_commit.has_guests(); }));
    return client;
  }
  void let_builds_go() { EXPECT_EQ(code("admin", R"({"configureFailPoint": "hangIndexBuildBeforeCommit", "mode": "off"})"), 0); }
  std::string numbered(int number, const std::string& more) {
    return R"(, "lsid": {"id": {"$uuid": "00000000-0000-4000-8000-000000000021"}}, "txnNumber": {"$numberLong": ")" + std::to_string(number) + "\"}" + more + "}";
  }

 private:
  CollectionPtr seen_;
};

TEST_F(StepDownTest, ASecondaryServesReadersAlone) {
  for (const auto version : {kTest44, kTest80}) {
    start(version);
    ASSERT_EQ(code("d", R"({"insert": "c", "documents": [{"_id": 1}])" + numbered(1, "")), 0);
    ASSERT_EQ(code("d", R"({"insert": "c", "documents": [{"_id": "never"}])" + numbered(2, R"(, "autocommit": false, "startTransaction": true)")), 0);
    const auto stream = watch("d", "c", "{}");
    const auto before = hello();
    ASSERT_EQ(code("admin", R"({"replSetStepDown": 3600, "force": true})"), 0);
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
    ASSERT_EQ(code("admin", R"({"replSetFreeze": 0})"), 0);
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
  // It may have been elected again before it was asked to stay.
  ASSERT_TRUE(await([&] { return code("admin", R"({"replSetStepDown": 1, "force": true})") == 0 && code("admin", R"({"replSetFreeze": 3600})") == 0; }));
  std::this_thread::sleep_for(2500ms);
  EXPECT_FALSE(hello()["ismaster"].is_truthy());
  EXPECT_FALSE(run("admin", R"({"replSetGetStatus": 1})").view().at_path("members.0.electionTime"));
  EXPECT_EQ(code("admin", R"({"replSetStepUp": 1})"), 125);
  const auto unfrozen = run("admin", R"({"replSetFreeze": 0})");
  EXPECT_EQ(unfrozen["info"].to_string_view(), "unfreezing") << text(unfrozen);
  EXPECT_EQ(run("admin", R"({"replSetGetStatus": 1})").view().at_path("members.0.electionTime").to_timestamp(), last_entry()["ts"].to_timestamp());
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
  ASSERT_TRUE(await([&] { return sandbox_->state().services.member.waiting() == 1; }));
  ASSERT_EQ(code("admin", R"({"replSetStepDown": 3600, "force": true})"), 0);
  client.join();
  EXPECT_LT(std::chrono::steady_clock::now() - began, 20s);
}

// Whoever is refused is told the topology's version with it: drivers take an older one for yesterday's news.
TEST_F(StepDownTest, NobodyIsRefusedWithTheVersionBefore) {
  start(kTest80);
  // Of so many sessions each is looked at when it steps down, which takes its time.
  for (int i = 0; i < 3000; ++i) {
    bson::Builder insert;
    insert.append("insert", "c").append("txnNumber", std::int64_t{1});
    insert.open_array("documents").open_document().append("_id", i);
    insert.open_document("lsid").append("id", Uuid::random(*runtime_));
    ASSERT_EQ(code("d", std::move(insert).finish()), 0);
  }
  for (int round = 0; round < 50; ++round) {
    const auto before = counter(hello());
    bson::Document refused;
    std::atomic<bool> asks = false;
    std::jthread client([&] {
      do {
        refused = run("d", R"({"find": "none"})");
        asks = true;
      } while (refused["ok"].is_truthy());
    });
    ASSERT_TRUE(await([&] { return asks.load(); }));
    ASSERT_EQ(code("admin", R"({"replSetStepDown": 3600, "force": true})"), 0);
    client.join();
    EXPECT_EQ(counter(refused), before + 1) << text(refused);
    ASSERT_EQ(code("admin", R"({"replSetFreeze": 0})"), 0);
  }
}

// It has filled its index and cannot commit it for a while: it does so when it is primary again, or gives it up then.
TEST_F(StepDownTest, AnIndexBuildGoesOnAfterTheElection) {
  for (const bool fails : {false, true}) {
    start(kTest80);
    ASSERT_EQ(code("d", fails ? R"({"insert": "c", "documents": [{"_id": 1, "a": 1}, {"_id": 2, "a": 1}]})" : R"({"insert": "c", "documents": [{"_id": 1, "a": 1}]})"), 0);
    std::atomic<std::int64_t> ended = -1;
    const auto command = R"({"createIndexes": "c", "indexes": [{"key": {"a": 1}, "name": "a", "unique": true}]})";
    auto client = start_build(command, ended);
    ASSERT_EQ(code("admin", R"({"replSetStepDown": 3600, "force": true})"), 0);
    let_builds_go();
    std::this_thread::sleep_for(100ms);
    EXPECT_EQ(ended.load(), -1);
    ASSERT_EQ(code("admin", R"({"replSetFreeze": 0})"), 0);
    client.join();
    EXPECT_EQ(ended.load(), fails ? 11000 : 0);
    ASSERT_EQ(index("a") != nullptr, !fails);
    EXPECT_TRUE(fails || index("a")->ready);
  }
}

// What a build fails of is told, though its time is over as well.
TEST_F(StepDownTest, AFailedBuildSaysWhyThoughItsTimeIsOver) {
  start(kTest80);
  ASSERT_EQ(code("d", R"({"insert": "c", "documents": [{"_id": 1, "a": 1}, {"_id": 2, "a": 1}]})"), 0);
  std::atomic<std::int64_t> ended = -1;
  auto client = start_build(R"({"createIndexes": "c", "indexes": [{"key": {"a": 1}, "name": "a", "unique": true}], "maxTimeMS": 500})", ended);
  std::this_thread::sleep_for(600ms);
  let_builds_go();
  client.join();
  EXPECT_EQ(ended.load(), 11000);
}

// It waits for who writes; nobody who asks how things stand waits with it.
TEST_F(StepDownTest, HelloAnswersWhileItWaitsForAWriter) {
  start(kTest80);
  const auto before = hello();
  auto writing = engine().begin_write();
  std::atomic<std::int64_t> ended = -1;
  std::jthread client([&] { ended = code("admin", R"({"replSetStepDown": 3600, "force": true})"); });
  ASSERT_TRUE(await([&] { return sandbox_->state().services.operations.running() == 1; }));
  std::this_thread::sleep_for(50ms);
  const auto began = std::chrono::steady_clock::now();
  const auto meanwhile = hello();
  EXPECT_LT(std::chrono::steady_clock::now() - began, 60s);
  EXPECT_TRUE(meanwhile["ismaster"].is_truthy());
  EXPECT_EQ(counter(meanwhile), counter(before));
  EXPECT_EQ(ended.load(), -1);
  writing.reset();
  client.join();
  EXPECT_EQ(ended.load(), 0);
  EXPECT_EQ(counter(hello()), counter(before) + 1);
}

// It began in one term, and is not continued in another, where others may have written meanwhile.
TEST_F(StepDownTest, AnOutputDoesNotGoOnInAnotherTerm) {
  start(kTest80);
  insert_many();
  std::int64_t ended = 0;
  for (int tries = 0; tries < 50 && ended == 0; ++tries) {
    std::jthread client([&] { ended = code("d", R"({"aggregate": "many", "pipeline": [{"$out": "copy"}], "cursor": {}})"); });
    ASSERT_TRUE(await([&] { return has_temporary(); }));
    EXPECT_EQ(code("admin", R"({"replSetStepDown": 3600, "force": true})"), 0);
    EXPECT_EQ(code("admin", R"({"replSetFreeze": 0})"), 0);
    client.join();
  }
  EXPECT_EQ(ended, 11602);
  EXPECT_TRUE(await([&] { return !has_temporary(); }));
}

// Facts: MongoDB's drop_indexes.cpp, rename_collection.cpp, drop_collection.cpp.
TEST_F(StepDownTest, WhatBecomesOfABuildWhenItsIndexIsDropped) {
  struct Case {
    std::string db, command;
    std::int64_t in44, in80, build;  // what the command and the build end with
  };
  const Case cases[] = {{"d", R"({"dropIndexes": "c", "index": ["b", "a"]})", 0, 0, 276},
                        {"d", R"({"dropIndexes": "c", "index": "*"})", 0, 0, 276},
                        {"d", R"({"drop": "c"})", 0, 0, 276},
                        {"d", R"({"dropDatabase": 1})", 0, 0, 276},
                        {"d", R"({"dropIndexes": "c", "index": "a"})", 12587, 27, 0},
                        {"d", R"({"dropIndexes": "c", "index": "ready"})", 12587, 0, 0},
                        {"d", R"({"convertToCapped": "c", "size": 4096})", 12587, 12587, 0},
                        {"d", R"({"collMod": "c", "index": {"name": "a", "hidden": true}})", 27, 27, 0},
                        {"admin", R"({"renameCollection": "d.c", "to": "d.other"})", 12587, 12587, 0},
                        {"admin", R"({"renameCollection": "d.c", "to": "e.c"})", 12587, 12587, 0},
                        {"admin", R"({"renameCollection": "d.from", "to": "d.c", "dropTarget": true})", 12587, 12587, 0},
                        {"d", R"({"aggregate": "from", "pipeline": [{"$out": "c"}], "cursor": {}})", 12587, 12587, 0}};
  for (const auto version : {kTest44, kTest80}) {
    for (const auto& one : cases) {
      start(version);
      ASSERT_EQ(code("d", R"({"insert": "c", "documents": [{"_id": 1, "a": 1}]})"), 0);
      ASSERT_EQ(code("d", R"({"insert": "from", "documents": [{"_id": 1}]})"), 0);
      ASSERT_EQ(code("d", R"({"createIndexes": "c", "indexes": [{"key": {"r": 1}, "name": "ready"}]})"), 0);
      std::atomic<std::int64_t> ended = -1;
      auto client = start_build(R"({"createIndexes": "c", "indexes": [{"key": {"a": 1}, "name": "a"}, {"key": {"b": 1}, "name": "b"}]})", ended);
      EXPECT_EQ(code(one.db, one.command), version == kTest44 ? one.in44 : one.in80) << one.command;
      let_builds_go();
      client.join();
      EXPECT_EQ(ended.load(), one.build) << one.command;
      if (one.build == 0) {
        EXPECT_TRUE(index("a") != nullptr && index("a")->ready) << one.command;
      } else if (seen("c")) {
        EXPECT_EQ(index("a"), nullptr) << one.command;
        EXPECT_TRUE(run("d", R"({"validate": "c"})")["valid"].is_truthy());
      }
    }
  }
}

TEST_F(StepDownTest, ABuildIsListedAsWhatItIs) {
  start(kTest80);
  ASSERT_EQ(code("d", R"({"insert": "c", "documents": [{"_id": 1, "a": 1}]})"), 0);
  std::atomic<std::int64_t> ended = -1;
  auto client = start_build(R"({"createIndexes": "c", "indexes": [{"key": {"a": 1}, "name": "a"}]})", ended);
  const auto listed = [&](const std::string& more) { return batch(run("d", R"({"listIndexes": "c")" + more + "}")); };
  const auto build = index("a")->build.to_string();
  ASSERT_EQ(listed("").size(), 2u);
  EXPECT_EQ(text(listed("")[1]), R"({"v":2,"key":{"a":1},"name":"a"})");
  const auto uuids = listed(R"(, "includeBuildUUIDs": true)");
  EXPECT_EQ(text(uuids[0]), R"({"v":2,"key":{"_id":1},"name":"_id_"})");
  EXPECT_EQ(text(uuids[1]["spec"]), R"({"v":2,"key":{"a":1},"name":"a"})");
  EXPECT_EQ(uuids[1]["buildUUID"].to_uuid()->to_string(), build);
  EXPECT_EQ(listed(R"(, "includeIndexBuildInfo": true)")[1].view().at_path("indexBuildInfo.buildUUID").to_uuid()->to_string(), build);
  EXPECT_EQ(code("d", R"({"listIndexes": "c", "includeBuildUUIDs": true, "includeIndexBuildInfo": true})"), 72);
  // It is read by nobody, and answers no hint.
  EXPECT_EQ(code("d", R"({"find": "c", "filter": {"a": 1}, "hint": "a"})"), 2);
  let_builds_go();
  client.join();
  EXPECT_EQ(ended.load(), 0);
  EXPECT_EQ(text(listed(R"(, "includeBuildUUIDs": true)")[1]), R"({"v":2,"key":{"a":1},"name":"a"})");
}

// What is made of the target meanwhile would be gone without a word.
TEST_F(StepDownTest, AnOutputReplacesOnlyWhatItHasSeen) {
  start(kTest80);
  ASSERT_EQ(code("d", R"({"insert": "from", "documents": [{"_id": 1}]})"), 0);
  ASSERT_EQ(code("d", R"({"insert": "c", "documents": [{"_id": 1, "a": 1}]})"), 0);
  std::atomic<std::int64_t> ended = -1;
  auto client = start_build(R"({"createIndexes": "c", "indexes": [{"key": {"a": 1}, "name": "a"}]})", ended);
  // With the build's index, which it finds ready when it is done.
  std::int64_t out = -1;
  auto& operations = sandbox_->state().services.operations;
  {
    auto writing = engine().begin_write();
    std::jthread output([&] { out = code("d", R"({"aggregate": "from", "pipeline": [{"$out": "c"}], "cursor": {}})"); });
    ASSERT_TRUE(await([&] { return operations.running() >= 2; }));
    writing.reset();
  }
  EXPECT_EQ(out, 12587);
  let_builds_go();
  client.join();
  EXPECT_EQ(ended.load(), 0);
  EXPECT_EQ(code("d", R"({"aggregate": "from", "pipeline": [{"$out": "c"}], "cursor": {}})"), 0);
  EXPECT_TRUE(index("a") != nullptr && index("a")->ready);
  // An index that comes while it fills.
  insert_many();
  std::int64_t ended_with = 0;
  for (int tries = 0; tries < 50 && ended_with == 0; ++tries) {
    std::jthread output([&] { ended_with = code("d", R"({"aggregate": "many", "pipeline": [{"$out": "c"}], "cursor": {}})"); });
    ASSERT_TRUE(await([&] { return has_temporary(); }));
    EXPECT_EQ(code("d", R"({"createIndexes": "c", "indexes": [{"key": {"t)" + std::to_string(tries) + R"(": 1}, "name": "t)" + std::to_string(tries) + "\"}]}"), 0);
    output.join();
  }
  EXPECT_EQ(ended_with, 125);
  EXPECT_FALSE(has_temporary());
}

// Nobody waits for it any more, but the index is not left behind for ever.
TEST_F(StepDownTest, AKilledIndexBuildIsAbortedAfterTheElection) {
  start(kTest80);
  ASSERT_EQ(code("d", R"({"insert": "c", "documents": [{"_id": 1, "a": 1}]})"), 0);
  std::atomic<std::int64_t> ended = -1;
  auto client = start_build(R"({"createIndexes": "c", "indexes": [{"key": {"a": 1}, "name": "a"}]})", ended);
  ASSERT_EQ(code("admin", R"({"replSetStepDown": 3600, "force": true})"), 0);
  auto& operations = sandbox_->state().services.operations;
  for (const auto& operation : operations.describe(false)) operations.kill(operation["opid"].to_int64().value_or(0));
  let_builds_go();
  std::this_thread::sleep_for(100ms);
  EXPECT_NE(index("a"), nullptr);
  ASSERT_EQ(code("admin", R"({"replSetFreeze": 0})"), 0);
  client.join();
  EXPECT_EQ(ended.load(), 11601);
  EXPECT_EQ(index("a"), nullptr);
}

}  // namespace
}  // namespace drover::sandbox
