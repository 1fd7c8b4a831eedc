// Commands that wait: for memory, for a place, for another's transaction. What ends the wait, and what they have meanwhile.
#include <malloc.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "sandbox/commands/fail_points.h"
#include "sandbox/commands/in_hand.h"
#include "sandbox/server/client_for_tests.h"
#include "sandbox/storage/write_unit.h"

namespace drover::sandbox {
namespace {

using namespace std::chrono_literals;

constexpr auto kLsid = R"("lsid": {"id": {"$uuid": "00000000-0000-4000-8000-000000000011"}}, "txnNumber": {"$numberLong": "1"}, "autocommit": false)";

// Ends what would otherwise wait for ever, so that a failure is one.
class Rescue {
 public:
  explicit Rescue(std::function<void()> release) : thread_([release = std::move(release)](const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    never.wait_for(lock, stop, 20s, [] { return false; });
    if (!stop.stop_requested()) release();
  }) {}

 private:
  std::jthread thread_;
};

class WaitingTest : public SandboxClientTest {
 protected:
  void SetUp() override {
    start(kTest80);
    ASSERT_EQ(code("d", R"({"insert": "c", "documents": [{"_id": 1}, {"_id": 2}]})"), 0);
    for (int i = 0; i < 4; ++i) ASSERT_EQ(insert_padded("large", i, 2 * kLargeInHand), 0);
  }
  std::int64_t insert_padded(const std::string& collection, int id, std::size_t bytes) {
    bson::Builder insert;
    insert.append("insert", collection);
    insert.open_array("documents").open_document().append("_id", id).append("k", 1).append("x", std::string(bytes, 'x'));
    return code("d", std::move(insert).finish());
  }
  MemoryPools& pools() { return sandbox_->state().services.memory; }
  // All memory for documents.
  MemoryShare all_documents() {
    MemoryShare all(&pools().documents);
    EXPECT_TRUE(all.try_grow_to(pools().documents.limit()));
    return all;
  }
};

TEST_F(WaitingTest, WhoIsBlockedByAFailPointCanBeKilled) {
  constexpr auto kSession = R"("lsid": {"id": {"$uuid": "00000000-0000-4000-8000-000000000012"}})";
  ASSERT_EQ(code("admin", R"({"configureFailPoint": "failCommand", "mode": "alwaysOn", "data": {"failCommands": ["find"], "blockConnection": true, "blockTimeMS": 600000}})"), 0);
  // When it is there.
  const auto blocked = [&] {
    while (true) {
      for (const auto& operation : batch(run("admin", R"({"aggregate": 1, "pipeline": [{"$currentOp": {}}, {"$match": {"command.find": "c"}}], "cursor": {}})"))) {
        return operation["opid"].to_int64().value_or(0);
      }
      std::this_thread::sleep_for(1ms);
    }
  };
  const auto ended_by = [&](const std::function<void(std::int64_t, std::stop_source&)>& end) {
    std::stop_source closing;
    std::int64_t ended = 0;
    std::jthread other([&] {
      ClientConnection client(sandbox_->state(), true);
      const auto body = bson::from_ejson(R"({"find": "c", )" + std::string(kSession) + R"(, "$db": "d"})");
      ended = code_of(sandbox_->dispatcher().run(client, {.body = body->view(), .sequences = {}, .stop = closing.get_token()}).reply);
    });
    end(blocked(), closing);
    other.join();
    return ended;
  };
  EXPECT_EQ(ended_by([&](std::int64_t id, auto&) { run("admin", bson::make_document({{"killOp", 1}, {"op", id}})); }), 11601);
  EXPECT_EQ(ended_by([&](std::int64_t, auto&) { run("d", R"({"killSessions": [{"id": {"$uuid": "00000000-0000-4000-8000-000000000012"}}]})"); }), 11601);
  EXPECT_EQ(ended_by([&](std::int64_t, auto& closing) { closing.request_stop(); }), 11601) << "the server's end, or the client's";
}

TEST_F(WaitingTest, MaxTimeRunsWhileACommandWaitsForMemory) {
  const auto opened = run("d", R"({"find": "large", "batchSize": 1, "maxTimeMS": 3000})");
  const auto cursor = opened.view().at_path("cursor.id").to_int64().value_or(0);
  ASSERT_NE(cursor, 0) << text(opened);
  auto all = all_documents();
  const Rescue rescue([&] { all.release(); });
  for (const auto& command : {std::string(R"({"find": "large", "maxTimeMS": 100})"), std::string(R"({"update": "large", "updates": [{"q": {}, "u": {"$set": {"y": 1}}}], "maxTimeMS": 100})"),
                              R"({"find": "large", "maxTimeMS": 100, "startTransaction": true, )" + std::string(kLsid) + "}"}) {
    EXPECT_EQ(code("d", command), 50) << command;
  }
  // A cursor's command has an amount of time for all its batches.
  EXPECT_EQ(code("d", bson::make_document({{"getMore", cursor}, {"collection", "large"}})), 50);
  EXPECT_FALSE(pools().documents.is_short());
  all.release();
  EXPECT_EQ(code("d", R"({"find": "large", "maxTimeMS": 10000})"), 0);
}

TEST_F(WaitingTest, MaxTimeRunsWhileACommandWaitsForAPlace) {
  int places = 0;
  while (pools().running.enter({}, 0ns)) ++places;
  {
    const Rescue rescue([&] {
      for (; places > 0; --places) pools().running.leave();
    });
    EXPECT_EQ(code("d", R"({"find": "c", "maxTimeMS": 100})"), 50);
    EXPECT_EQ(code("d", R"({"insert": "c", "documents": [{"_id": 3}], "maxTimeMS": 100})"), 50);
  }
  for (; places > 0; --places) pools().running.leave();
  EXPECT_EQ(find("d", "c").size(), 2u);
}

// What has come together by then is not an answer.
TEST_F(WaitingTest, MaxTimeRunsWhileABatchWaitsForMemory) {
  const auto opened = run("d", R"({"find": "large", "batchSize": 0, "maxTimeMS": 3000})");
  const auto cursor = opened.view().at_path("cursor.id").to_int64().value_or(0);
  ASSERT_NE(cursor, 0) << text(opened);
  MemoryShare all(&pools().replies), over(&pools().replies);
  ASSERT_TRUE(all.try_grow_to(pools().replies.limit() - 3 * kReplyCopies * kLargeInHand));
  EXPECT_EQ(code("d", R"({"find": "large", "singleBatch": true, "batchSize": 1})"), 0);
  ASSERT_TRUE(over.grow_to(pools().replies.limit(), {}));  // the one that may go over
  const Rescue rescue([&] {
    over.release();
    all.release();
  });
  EXPECT_EQ(code("d", R"({"find": "large", "singleBatch": true, "maxTimeMS": 100})"), 50);
  EXPECT_EQ(code("d", R"({"aggregate": "large", "pipeline": [], "cursor": {}, "maxTimeMS": 100})"), 50);
  EXPECT_EQ(code("d", bson::make_document({{"getMore", cursor}, {"collection", "large"}})), 50);
}

TEST_F(WaitingTest, WhoIsKilledOrGoneDoesNotWait) {
  auto all = all_documents();
  const Rescue rescue([&] { all.release(); });
  auto& operations = sandbox_->state().services.operations;
  const auto lsid = Uuid::random(*runtime_);
  bson::Builder command;
  command.append("find", "large").append("$db", "d");
  command.open_document("lsid").append("id", lsid);
  const auto body = std::move(command).finish();
  const auto kill = [&] {
    for (const auto& operation : operations.describe(false)) operations.kill(operation["opid"].to_int64().value_or(0));
  };
  std::stop_source connection;
  for (const auto& end : {std::function<void()>(kill), std::function<void()>([&] { operations.kill_of_sessions([&](const SessionId& session) { return session.id == lsid; }); }), std::function<void()>([&] { connection.request_stop(); })}) {
    std::atomic<std::int64_t> ended = -1;
    std::jthread client([&] { ended = code_of(sandbox_->dispatcher().run(*client_, {.body = body, .sequences = {}, .stop = connection.get_token()}).reply); });
    while (!pools().documents.is_short() && ended < 0) std::this_thread::yield();
    end();
    client.join();
    EXPECT_EQ(ended.load(), 11601);
  }
}

// Others wait for what it has written, and what it waits for may take long.
TEST_F(WaitingTest, ATransactionThatHasWrittenDoesNotWaitLong) {
  const auto in_transaction = [&](const std::string& command, const std::string& start = "") { return run("d", "{" + command + ", " + start + kLsid + "}"); };
  ASSERT_EQ(code_of(in_transaction(R"("update": "c", "updates": [{"q": {"_id": 1}, "u": {"$set": {"by": "transaction"}}}])", R"("startTransaction": true, )")), 0);
  auto all = all_documents();
  const Rescue rescue([&] { all.release(); });
  std::atomic<bool> written = false;
  std::jthread writer([&] {
    EXPECT_EQ(code("d", R"({"update": "c", "updates": [{"q": {"_id": 1}, "u": {"$set": {"by": "another"}}}]})"), 0);
    written = true;
  });
  const auto reply = in_transaction(R"("find": "large")");
  EXPECT_EQ(code_of(reply), 24) << text(reply);
  EXPECT_EQ(reply.view().at_path("errorLabels.0").to_string_view(), "TransientTransactionError") << text(reply);
  writer.join();  // although the memory is still not there
  EXPECT_EQ(find("d", "c", R"({"by": "another"})").size(), 1u);
  EXPECT_EQ(code_of(in_transaction(R"("find": "c")")), 251);
}

// 24 writers of a document of 8 MB: it is in nobody's hand while another's transaction is waited for.
TEST_F(WaitingTest, WritersThatWaitKeepNoDocuments) {
  constexpr std::size_t kBytes = 8 << 20, kWriters = 24;
  ASSERT_EQ(insert_padded("huge", 1, kBytes), 0);
  ASSERT_EQ(code("d", R"({"update": "huge", "updates": [{"q": {"_id": 1}, "u": {"$set": {"by": 0}}}], "startTransaction": true, )" + std::string(kLsid) + "}"), 0);
  const char* commands[] = {R"({"update": "huge", "updates": [{"q": {"k": 1}, "u": {"$inc": {"n": 1}}}]})",
                            R"({"update": "huge", "updates": [{"q": {"k": 1}, "u": {"$inc": {"n": 1}}, "multi": true}]})",
                            R"({"findAndModify": "huge", "query": {"k": 1}, "update": {"$inc": {"n": 1}}, "fields": {"n": 1}})",
                            R"({"delete": "huge", "deletes": [{"q": {"k": 1, "n": {"$lt": 0}}, "limit": 0}, {"q": {"k": 1, "other": null}, "limit": 1}]})"};
  const auto used = [] {
    const auto info = mallinfo2();
    return info.uordblks + info.hblkhd;
  };
  const auto before = used();
  std::atomic<int> done = 0;
  std::vector<std::jthread> writers;
  for (std::size_t i = 0; i < kWriters; ++i) {
    writers.emplace_back([&, i] {
      // The last kind once only: it leaves nothing for the others.
      EXPECT_EQ(code("d", commands[i == 0 ? 3 : i % 3]), 0);
      ++done;
    });
  }
  auto& operations = sandbox_->state().services.operations;
  while (operations.running() < static_cast<std::int64_t>(kWriters)) std::this_thread::sleep_for(1ms);
  std::this_thread::sleep_for(1s);  // they have all met it, again and again
  auto least = used();
  for (int i = 0; i < 100; ++i) {
    std::this_thread::sleep_for(5ms);
    least = std::min(least, used());
  }
  EXPECT_EQ(done.load(), 0);
  EXPECT_LT(least, before + kWriters * kBytes * 5 / 8);  // two at a time look at it
  EXPECT_EQ(code("admin", R"({"abortTransaction": 1, )" + std::string(kLsid) + "}"), 0);
  writers.clear();
  EXPECT_EQ(done.load(), static_cast<int>(kWriters));
}

// It is not there before that build is done; and it may still fail.
TEST_F(WaitingTest, WhoWantsAnIndexThatAnotherBuildsWaitsForTheBuild) {
  auto& engine = sandbox_->state().services.engine;
  const auto change = [&](const std::function<bool(WriteUnit&, const CollectionPtr&)>& body) {
    auto unit = engine.begin_write();
    ASSERT_TRUE(body(*unit, unit->catalog().find(Namespace{"d", "c"})));
    ASSERT_TRUE(unit->commit());
  };
  const std::string command = R"("createIndexes": "c", "indexes": [{"key": {"a": 1}, "name": "a"}])";
  for (const bool fails : {false, true}) {
    const auto build = Uuid::random(*runtime_);
    auto carried = engine.carry_on(build);
    change([&](WriteUnit& unit, const CollectionPtr& c) {
      return unit.start_index_build(c, build, {bson::from_ejson(R"({"v": 2, "key": {"a": 1}, "name": "a"})").value()}).has_value();
    });
    EXPECT_EQ(code("d", "{" + command + R"(, "maxTimeMS": 100})"), 50);
    EXPECT_EQ(code("d", R"({"createIndexes": "c", "indexes": [{"key": {"a": 1}, "name": "b"}]})"), 85);
    bson::Document reply;
    std::atomic<bool> ended = false;
    std::jthread client([&] {
      reply = run("d", "{" + command + "}");
      ended = true;
    });
    std::this_thread::sleep_for(100ms);
    EXPECT_FALSE(ended);
    change([&](WriteUnit& unit, const CollectionPtr& c) {
      if (fails) return unit.abort_index_build(c, build, Error{ErrorCode::kFailure, "killed", 11601, {}}).has_value();
      return unit.add_index_entries(c, build, {}, 100).has_value() && unit.commit_index_build(c, build).has_value();
    });
    client.join();
    EXPECT_EQ(code_of(reply), 0) << text(reply);
    EXPECT_EQ(reply["note"].exists(), !fails) << text(reply);
    EXPECT_EQ(run("d", R"({"validate": "c"})").view().at_path("keysPerIndex.a").to_int64(), 2);
    ASSERT_EQ(code("d", R"({"dropIndexes": "c", "index": "a"})"), 0);
  }
}

// Its command is over and could not abort it: nobody waits for what nobody does.
TEST_F(WaitingTest, ABuildThatNobodyCarriesOnIsNotWaitedFor) {
  auto& engine = sandbox_->state().services.engine;
  const auto leave_build = [&](const std::string& name) {
    const auto build = Uuid::random(*runtime_);
    const auto carried = engine.carry_on(build);
    auto unit = engine.begin_write();
    ASSERT_TRUE(unit->start_index_build(unit->catalog().find(Namespace{"d", "c"}), build,
                                        {bson::from_ejson(R"({"v": 2, "unique": true, "key": {")" + name + R"(": 1}, "name": ")" + name + "\"}").value()}));
    ASSERT_TRUE(unit->commit());
  };
  const auto has = [&](const std::string& name) { return engine.view()->catalog->find(Namespace{"d", "c"})->index(name) != nullptr; };
  leave_build("a");
  // Another definition under the same name: the one that is left stands in nobody's way.
  EXPECT_EQ(code("d", R"({"createIndexes": "c", "indexes": [{"key": {"a": -1}, "name": "a"}]})"), 0);
  EXPECT_TRUE(engine.view()->catalog->find(Namespace{"d", "c"})->index("a")->ready);
  leave_build("b");
  EXPECT_EQ(code("d", R"({"dropIndexes": "c", "index": "a"})"), 0);
  EXPECT_FALSE(has("b"));
  leave_build("b");
  EXPECT_EQ(code("admin", R"({"renameCollection": "d.c", "to": "d.moved"})"), 0);
  EXPECT_EQ(code("admin", R"({"renameCollection": "d.moved", "to": "d.c"})"), 0);
  // And without anybody's help, soon.
  for (int i = 0; i < 1000 && has("b"); ++i) std::this_thread::sleep_for(10ms);
  EXPECT_FALSE(has("b"));
}

// One unit writes at a time; who waits for it can be killed, and his time runs.
TEST_F(WaitingTest, WaitingForAnothersWriteEndsWithTheCommand) {
  auto& operations = sandbox_->state().services.operations;
  const char* commands[] = {R"({"insert": "c", "documents": [{"_id": 9}])", R"({"update": "c", "updates": [{"q": {"_id": 1}, "u": {"$set": {"a": 1}}}])",
                            R"({"create": "other")", R"({"createIndexes": "c", "indexes": [{"key": {"w": 1}, "name": "w"}])"};
  auto writing = sandbox_->state().services.engine.begin_write();
  for (const std::string command : commands) {
    EXPECT_EQ(code("d", command + R"(, "maxTimeMS": 50})"), 50) << command;
    std::atomic<std::int64_t> ended = -1;
    std::jthread client([&] { ended = code("d", command + "}"); });
    while (operations.running() == 0) std::this_thread::yield();
    std::this_thread::sleep_for(20ms);
    EXPECT_EQ(ended.load(), -1);
    for (const auto& operation : operations.describe(false)) operations.kill(operation["opid"].to_int64().value_or(0));
    client.join();
    EXPECT_EQ(ended.load(), 11601) << command;
  }
  EXPECT_EQ(code("admin", R"({"appendOplogNote": 1, "data": {"a": 1}, "maxTimeMS": 50})"), 50);
  writing.reset();
  EXPECT_EQ(code("d", R"({"insert": "c", "documents": [{"_id": 9}]})"), 0);
}

// Nothing came, but that is not why it was answered.
TEST_F(WaitingTest, WhoAwaitsDataIsToldOfItsEnd) {
  auto& operations = sandbox_->state().services.operations;
  for (const bool by_cursor : {false, true}) {
    const auto stream = watch("d", "c", "{}");
    bson::Document reply;
    std::jthread client([&] { reply = run("d", bson::make_document({{"getMore", stream}, {"collection", "c"}, {"maxTimeMS", 200'000}}).view()); });
    while (operations.running() == 0) std::this_thread::yield();
    std::this_thread::sleep_for(20ms);
    if (by_cursor) {
      const auto killed = run("d", R"({"killCursors": "c", "cursors": [{"$numberLong": ")" + std::to_string(stream) + "\"}]}");
      EXPECT_EQ(killed.view().at_path("cursorsKilled.0").to_int64(), stream) << text(killed);
    } else {
      for (const auto& operation : operations.describe(false)) operations.kill(operation["opid"].to_int64().value_or(0));
    }
    client.join();
    EXPECT_EQ(code_of(reply), by_cursor ? 237 : 11601) << text(reply);
    EXPECT_EQ(code("d", bson::make_document({{"getMore", stream}, {"collection", "c"}})), 43);
  }
}

// Each waits until those before have left the fail point, or until it is killed.
TEST_F(WaitingTest, WhoConfiguresAFailPointCanBeKilled) {
  auto& operations = sandbox_->state().services.operations;
  auto& point = sandbox_->state().services.fail_points.dummy;
  ASSERT_EQ(code("admin", R"({"configureFailPoint": "dummy", "mode": "alwaysOn"})"), 0);
  FailPoint::Stay stay;
  ASSERT_TRUE(point.hit({}, &stay));
  std::atomic<int> killed = 0;
  {
    std::vector<std::jthread> clients;
    for (int i = 0; i < 3; ++i) {
      clients.emplace_back([&] {
        if (code("admin", R"({"configureFailPoint": "dummy", "mode": "off"})") == 11601) ++killed;
      });
    }
    while (operations.running() < 3) std::this_thread::yield();
    EXPECT_EQ(code("admin", R"({"configureFailPoint": "dummy", "mode": "off", "maxTimeMS": 50})"), 50);
    for (const auto& operation : operations.describe(false)) operations.kill(operation["opid"].to_int64().value_or(0));
  }
  EXPECT_EQ(killed.load(), 3);
  stay.leave();
  EXPECT_EQ(run("admin", R"({"configureFailPoint": "dummy", "mode": "off"})")["count"].to_int64(), 1);
}

// What a transaction has written was checked by what the collection was then.
TEST_F(WaitingTest, ACollectionIsNotChangedUnderATransaction) {
  ASSERT_EQ(code("d", R"({"createIndexes": "c", "indexes": [{"key": {"k": 1}, "name": "k"}]})"), 0);
  ASSERT_EQ(code("d", R"({"collMod": "c", "index": {"name": "k", "prepareUnique": true}})"), 0);
  ASSERT_EQ(code("d", R"({"collMod": "c", "index": {"name": "k", "prepareUnique": false}})"), 0);
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(code("d", R"({"update": "c", "updates": [{"q": {"_id": )" + std::to_string(i + 1) + R"(}, "u": {"$set": {"k": 1}}}], )" + (i == 0 ? R"("startTransaction": true, )" : "") +
                            kLsid + "}"), 0);
  }
  for (const std::string change : {R"("index": {"name": "k", "prepareUnique": true})", R"("validator": {"k": {"$exists": false}})"}) {
    EXPECT_EQ(code("d", R"({"collMod": "c", "maxTimeMS": 100, )" + change + "}"), 50) << change;
  }
  ASSERT_EQ(code("admin", R"({"commitTransaction": 1, )" + std::string(kLsid) + "}"), 0);
  EXPECT_EQ(code("d", R"({"collMod": "c", "index": {"name": "k", "prepareUnique": true}})"), 0);
  EXPECT_EQ(code("d", R"({"collMod": "c", "index": {"name": "k", "unique": true}})"), 359);
}

// Whatever way a command comes to documents, they are counted before.
TEST_F(WaitingTest, WhatIsReadBesideTheNamedCollectionIsCounted) {
  ASSERT_EQ(code("d", R"({"create": "both", "viewOn": "c", "pipeline": [{"$unionWith": "large"}]})"), 0);
  const auto stream = watch("d", "c", "{}");
  const auto joined = run("d", R"({"aggregate": "c", "pipeline": [{"$lookup": {"from": "large", "localField": "_id", "foreignField": "_id", "as": "l"}}], "cursor": {"batchSize": 0},
                                   "maxTimeMS": 3000})");
  const auto joining = joined.view().at_path("cursor.id").to_int64().value_or(0);
  ASSERT_NE(joining, 0) << text(joined);
  auto all = all_documents();
  const Rescue rescue([&] { all.release(); });
  const std::pair<const char*, std::string> reading[] = {
      {"d", R"("aggregate": "c", "pipeline": [{"$lookup": {"from": "large", "localField": "_id", "foreignField": "_id", "as": "l"}}], "cursor": {})"},
      {"d", R"("aggregate": "c", "pipeline": [{"$facet": {"a": [{"$lookup": {"from": "c", "pipeline": [{"$unionWith": {"coll": "large"}}], "as": "l"}}]}}], "cursor": {})"},
      {"d", R"("aggregate": "c", "pipeline": [{"$graphLookup": {"from": "large", "startWith": "$_id", "connectFromField": "_id", "connectToField": "_id", "as": "l"}}], "cursor": {})"},
      {"d", R"("aggregate": "c", "pipeline": [{"$merge": {"into": "large"}}], "cursor": {})"},
      {"e", R"("aggregate": 1, "pipeline": [{"$documents": [{"a": 1}]}, {"$merge": {"into": {"db": "d", "coll": "large"}}}], "cursor": {})"},
      {"d", R"("find": "both")"},
      {"d", R"("explain": {"find": "large"}, "verbosity": "executionStats")"},
      {"d", R"("dbHash": 1)"},
      {"admin", R"("bulkWrite": 1, "ops": [{"update": 0, "filter": {"_id": 1}, "updateMods": {"$set": {"y": 1}}}], "nsInfo": [{"ns": "d.large"}])"}};
  for (const auto& [db, command] : reading) EXPECT_EQ(code(db, "{" + command + R"(, "maxTimeMS": 100})"), 50) << command;
  EXPECT_EQ(code("d", bson::make_document({{"getMore", joining}, {"collection", "c"}})), 50);
  for (const auto& [db, command] : {std::pair("d", R"("aggregate": "c", "pipeline": [{"$unionWith": "c"}], "cursor": {})"), std::pair("d", R"("explain": {"find": "c"})"),
                                    std::pair("admin", R"("bulkWrite": 1, "ops": [{"update": 0, "filter": {"_id": 1}, "updateMods": {"$set": {"y": 1}}}], "nsInfo": [{"ns": "d.c"}])")}) {
    EXPECT_EQ(code(db, "{" + std::string(command) + R"(, "maxTimeMS": 10000})"), 0) << command;
  }
  // A stream reads the oplog, whose entries are those of all collections.
  std::atomic<bool> done = false;
  std::jthread client([&] {
    EXPECT_TRUE(more("d", "c", stream)["ok"].is_truthy());
    done = true;
  });
  while (!pools().documents.is_short() && !done) std::this_thread::yield();
  EXPECT_FALSE(done);
  all.release();
}

// The results of many operations, each with a large key.
TEST_F(WaitingTest, ResultsOfABulkWriteAreCounted) {
  ASSERT_EQ(code("d", R"({"create": "u"})"), 0);
  const auto key = std::string(100'000, 'k');
  bson::Builder command;
  command.append("bulkWrite", 1).append("ordered", false);
  command.open_array("nsInfo").open_document().append("ns", "d.u");
  {
    auto ops = command.open_array("ops");
    for (int i = 0; i < 20; ++i) {
      auto op = ops.open_document();
      op.append("insert", 0);
      op.open_document("document").append("_id", key);
    }
  }
  const auto bulk = std::move(command).finish();
  {
    MemoryShare work(&pools().work);
    ASSERT_TRUE(work.try_grow_to(pools().work.limit()));
    EXPECT_EQ(code("admin", bulk), 292);
  }
  EXPECT_EQ(run("admin", bulk)["nErrors"].to_int64(), 20);
  EXPECT_EQ(pools().work.used(), 0u);
}

// A stream that cannot keep what is left of a split event begins anew behind the fragment that its client has.
TEST_F(WaitingTest, ASplitEventGoesOnWhereItWas) {
  constexpr std::size_t kBytes = 10 << 20;
  const auto options = R"({"fullDocument": "whenAvailable", "fullDocumentBeforeChange": "whenAvailable"})";
  const auto split = R"({"$changeStreamSplitLargeEvent": {}})";
  ASSERT_EQ(code("d", R"({"create": "huge", "changeStreamPreAndPostImages": {"enabled": true}})"), 0);
  ASSERT_EQ(insert_padded("huge", 1, kBytes), 0);
  const auto stream = watch("d", "huge", options, split);
  bson::Builder update;
  update.append("update", "huge");
  {
    auto statement = update.open_array("updates");
    auto one = statement.open_document();
    one.open_document("q").append("_id", 1);
    one.open_document("u").open_document("$set").append("x", std::string(kBytes, 'y'));
  }
  ASSERT_EQ(code("d", std::move(update).finish()), 0);
  ASSERT_EQ(code("d", R"({"insert": "huge", "documents": [{"_id": 2}]})"), 0);
  MemoryShare work(&pools().work);
  ASSERT_TRUE(work.try_grow_to(pools().work.limit() - pools().work.used()));
  const auto number = [](const bson::Document& event) { return event.view().at_path("splitEvent.fragment").to_int64().value_or(0); };
  std::vector<bson::Document> tokens;
  // One fragment for each reply; what comes behind the last fits beside it.
  for (const int wanted : {1, 2, 3}) {
    const auto reply = more("d", "huge", stream);
    const auto events = batch(reply);
    ASSERT_EQ(events.size(), wanted == 3 ? 2u : 1u) << wanted;
    EXPECT_EQ(number(events[0]), wanted);
    EXPECT_TRUE(reply.view().at_path("cursor.postBatchResumeToken").document_value().same_bytes(events.back()["_id"].document_value())) << wanted;
    for (const auto& event : events) tokens.emplace_back(event["_id"].document_value());
  }
  work.release();
  // As a client does that opens another from any of them.
  for (std::size_t had = 0; had < 3; ++had) {
    bson::Builder command;
    command.append("aggregate", "huge");
    {
      auto pipeline = command.open_array("pipeline");
      {
        auto first = pipeline.open_document();
        first.open_document("$changeStream").append("fullDocument", "whenAvailable").append("fullDocumentBeforeChange", "whenAvailable").append("resumeAfter", tokens[had]);
      }
      pipeline.open_document().open_document("$changeStreamSplitLargeEvent");
    }
    command.open_document("cursor").append("batchSize", 0);
    const auto opened = run("d", std::move(command).finish());
    const auto again = opened.view().at_path("cursor.id").to_int64().value_or(0);
    ASSERT_NE(again, 0) << text(opened);
    std::vector<bson::Document> rest;
    for (int tries = 0; tries < 20 && rest.size() < tokens.size() - had - 1; ++tries) {
      for (auto& event : batch(more("d", "huge", again))) rest.push_back(std::move(event));
    }
    ASSERT_EQ(rest.size(), tokens.size() - had - 1);
    for (std::size_t i = 0; i < rest.size(); ++i) EXPECT_TRUE(rest[i]["_id"].document_value().same_bytes(tokens[had + 1 + i])) << had << " " << i;
  }
}

}  // namespace
}  // namespace drover::sandbox
