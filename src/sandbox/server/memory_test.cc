// What happens when a part of --memory is used up.
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "sandbox/commands/in_hand.h"
#include "sandbox/commands/sessions.h"
#include "sandbox/server/client_for_tests.h"
#include "sandbox/server/memory_plan.h"

namespace drover::sandbox {
namespace {

constexpr std::size_t kMegabyte = 1 << 20;

TEST(MemoryPlan, ThePartsLeaveRoom) {
  for (const std::size_t megabytes : {512, 768, 1024, 8192}) {
    const auto total = megabytes * kMegabyte;
    const auto plan = plan_memory(total);
    const auto parts = plan.store_bytes + plan.connections * kConnectionBytes + plan.pools.request_bytes + plan.pools.reply_bytes + plan.pools.work_bytes +
                       plan.pools.document_bytes;
    EXPECT_LT(parts, total / 10 * 9) << megabytes;
    EXPECT_GE(plan.connections, 1000u) << megabytes;
    EXPECT_GE(plan.pools.request_bytes, net::kMaxWireMessageBytes);
    EXPECT_GE(plan.pools.reply_bytes, kReplyCopies * kMaxBatchBytes);
    EXPECT_GE(plan.pools.document_bytes, kDocumentsInHand * kMaxBatchBytes);
  }
  EXPECT_EQ(plan_memory(1).store_bytes, plan_memory(kMinServerMemory).store_bytes);
}

class MemoryTest : public SandboxClientTest {
 protected:
  void SetUp() override {
    start(kTest80);
    bson::Builder insert;
    insert.append("insert", "c");
    {
      auto documents = insert.open_array("documents");
      for (int i = 0; i < 100; ++i) documents.open_document().append("_id", i).append("x", std::string(4000, 'x'));
    }
    ASSERT_EQ(code("d", std::move(insert).finish()), 0);
  }
  MemoryPools& pools() { return sandbox_->state().services.memory; }
  // Ten documents of several hundred kilobytes.
  void insert_large() {
    for (int i = 0; i < 10; ++i) {
      bson::Builder insert;
      insert.append("insert", "large");
      insert.open_array("documents").open_document().append("_id", i).append("x", std::string(2 * kLargeInHand, 'x'));
      ASSERT_EQ(code("d", std::move(insert).finish()), 0);
    }
  }
  // Of the memory for replies: what is left is enough for a batch of one of these, not for two.
  std::size_t but_for_one_document() { return pools().replies.limit() - kReplyCopies * 3 * kLargeInHand; }
  bson::Document more(std::int64_t cursor) { return run("d", bson::make_document({{"getMore", cursor}, {"collection", "c"}})); }
};

TEST_F(MemoryTest, BatchesEndEarlyAndNothingIsLost) {
  MemoryShare everything(&pools().replies);
  ASSERT_TRUE(everything.try_grow_to(pools().replies.limit()));
  auto reply = run("d", R"({"find": "c", "batchSize": 1000})");
  std::vector<bson::Document> found = batch(reply);
  EXPECT_GE(found.size(), 1u);
  EXPECT_LT(found.size(), 100u);
  for (auto cursor = reply.view().at_path("cursor.id").to_int64().value_or(0); cursor != 0;
       cursor = reply.view().at_path("cursor.id").to_int64().value_or(0)) {
    reply = more(cursor);
    ASSERT_TRUE(reply["ok"].is_truthy()) << text(reply);
    for (auto& document : batch(reply)) found.push_back(std::move(document));
  }
  ASSERT_EQ(found.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(found[static_cast<std::size_t>(i)]["_id"].to_int64(), i);
}

TEST_F(MemoryTest, WhatHasNoSecondBatchIsWhole) {
  MemoryShare everything(&pools().replies);
  ASSERT_TRUE(everything.try_grow_to(pools().replies.limit()));
  EXPECT_EQ(batch(run("d", R"({"find": "c", "batchSize": 1000, "singleBatch": true})")).size(), 100u);
}

TEST_F(MemoryTest, SortsAndGroupsAreRefusedAndMayTryAgain) {
  const auto sort = R"({"find": "c", "sort": {"x": 1}})";
  const auto group = R"({"aggregate": "c", "pipeline": [{"$group": {"_id": "$_id", "all": {"$push": "$$ROOT"}}}], "cursor": {}})";
  {
    MemoryShare everything(&pools().work);
    ASSERT_TRUE(everything.try_grow_to(pools().work.limit()));
    for (const char* command : {sort, group}) EXPECT_EQ(code("d", command), 292) << command;
  }
  for (const char* command : {sort, group}) EXPECT_EQ(code("d", command), 0) << command;
}

TEST_F(MemoryTest, AFinishedSortGivesItsMemoryBack) {
  EXPECT_EQ(batch(run("d", R"({"find": "c", "sort": {"x": 1}, "batchSize": 1000})")).size(), 100u);
  EXPECT_EQ(pools().work.used(), 0u);
  EXPECT_EQ(pools().replies.used(), 0u);
}

TEST_F(MemoryTest, WhatAScanOfAnArrayIndexHasGivenIsCounted) {
  // Ids so far from each other that each has a page of its own: documents of other lists lie between.
  ASSERT_EQ(code("d", R"({"createIndexes": "a", "indexes": [{"key": {"t": 1}, "name": "t_1"}]})"), 0);
  constexpr int kLists = 100, kBetween = 256;
  for (int i = 0; i < kLists; ++i) {
    bson::Builder insert;
    insert.append("insert", "a");
    {
      auto documents = insert.open_array("documents");
      documents.open_document().append("_id", i).open_array("t").append(1).append(2);
      for (int j = 1; j < kBetween; ++j) documents.open_document();
    }
    ASSERT_EQ(code("d", std::move(insert).finish()), 0);
  }
  const auto few = R"({"find": "a", "filter": {"t": {"$gte": 1}}, "limit": 10})";
  const char* all[] = {R"({"find": "a", "filter": {"t": {"$gte": 1}}, "batchSize": 1000})",
                       R"({"count": "a", "query": {"t": {"$gte": 1}}})",
                       R"({"aggregate": "a", "pipeline": [{"$match": {"t": {"$gte": 1}}}], "cursor": {}})",
                       R"({"distinct": "a", "key": "_id", "query": {"t": {"$gte": 1}}})"};
  {
    MemoryShare everything(&pools().work);
    ASSERT_TRUE(everything.try_grow_to(pools().work.limit()));
    EXPECT_EQ(code("d", few), 0);
    for (const char* command : all) EXPECT_EQ(code("d", command), 292) << command;
    const auto removed = run("d", R"({"delete": "a", "deletes": [{"q": {"t": {"$gte": 1}}, "limit": 0}]})");
    EXPECT_EQ(removed.view().at_path("writeErrors.0.code").to_int64(), 292) << text(removed);
  }
  for (const char* command : all) EXPECT_EQ(code("d", command), 0) << command;
  EXPECT_EQ(find("d", "a", R"({"t": {"$gte": 1}})").size(), static_cast<std::size_t>(kLists));
  EXPECT_EQ(pools().work.used(), 0u);
}

TEST_F(MemoryTest, ATransactionThatIsTooLargeIsAborted) {
  const auto in_transaction = [&](const std::string& start, const std::string& command) {
    return code("d", "{" + command + R"(, "lsid": {"id": {"$uuid": "00000000-0000-4000-8000-000000000007"}}, "txnNumber": {"$numberLong": "1"}, "autocommit": false)" + start + "}");
  };
  EXPECT_EQ(in_transaction(R"(, "startTransaction": true)", R"("insert": "c", "documents": [{"_id": 1000}])"), 0);
  EXPECT_GT(pools().work.used(), 0u);
  MemoryShare rest(&pools().work);
  ASSERT_TRUE(rest.try_grow_to(pools().work.limit() - pools().work.used()));
  EXPECT_EQ(in_transaction("", R"("insert": "c", "documents": [{"_id": 1001, "x": "some more"}])"), 146);
  rest.release();
  EXPECT_EQ(pools().work.used(), 0u);
  EXPECT_EQ(in_transaction("", R"("insert": "c", "documents": [{"_id": 1002}])"), 251);
  EXPECT_EQ(find("d", "c").size(), 100u);
}

TEST_F(MemoryTest, OpenCursorsAreCounted) {
  std::vector<std::int64_t> open;
  std::int64_t refused = 0;
  for (std::size_t i = 0; i < pools().work.limit() / kCursorBytes + 1 && refused == 0; ++i) {
    const auto reply = run("d", R"({"find": "c", "batchSize": 1})");
    refused = code_of(reply);
    open.push_back(reply.view().at_path("cursor.id").to_int64().value_or(0));
  }
  EXPECT_EQ(refused, 146);
  ASSERT_EQ(more(open.front())["ok"].is_truthy(), true);
  EXPECT_EQ(code("d", R"({"find": "c", "batchSize": 1})"), 0);
}

// Commands on large documents wait for memory for them, in transactions and outside; those on small ones do not.
TEST_F(MemoryTest, LargeDocumentsWaitForTheirTurn) {
  insert_large();
  MemoryShare everything(&pools().documents);
  ASSERT_TRUE(everything.try_grow_to(pools().documents.limit()));
  EXPECT_EQ(find("d", "c").size(), 100u);
  EXPECT_EQ(code("d", R"({"insert": "large", "documents": [{"_id": 100}]})"), 0);
  const auto in_transaction = R"(, "lsid": {"id": {"$uuid": "00000000-0000-4000-8000-000000000009"}}, "txnNumber": {"$numberLong": "1"}, "autocommit": false, "startTransaction": true})";
  for (const auto& command : {std::string(R"({"find": "large"})"), std::string(R"({"update": "large", "updates": [{"q": {"_id": 1}, "u": {"$set": {"y": 1}}}]})"),
                              R"({"find": "large")" + std::string(in_transaction)}) {
    std::atomic<bool> done = false;
    std::jthread client([&] {
      EXPECT_EQ(code("d", command), 0) << command;
      done = true;
    });
    while (!pools().documents.is_short() && !done) std::this_thread::yield();
    EXPECT_FALSE(done) << command;
    everything.release();
    client.join();
    ASSERT_TRUE(everything.try_grow_to(pools().documents.limit())) << "not given back";
  }
  // However many of them wait, what needs no such memory runs.
  {
    std::vector<std::jthread> clients;
    for (int i = 0; i < 24; ++i) clients.emplace_back([&] { EXPECT_EQ(code("d", R"({"find": "large"})"), 0); });
    while (!pools().documents.is_short()) std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    EXPECT_EQ(find("d", "c").size(), 100u);
    everything.release();
    clients.clear();
    ASSERT_TRUE(everything.try_grow_to(pools().documents.limit())) << "not given back";
  }
  // As does what is itself large, and becomes larger when it is parsed.
  bson::Builder filter;
  filter.append("count", "c");
  {
    auto query = filter.open_document("query");
    auto list = query.open_document("k");
    auto items = list.open_array("$in");
    for (std::int32_t i = 0; i < 20'000; ++i) items.append(i);
  }
  const auto count = std::move(filter).finish();
  std::atomic<bool> done = false;
  std::jthread client([&] {
    EXPECT_EQ(code("d", count), 0);
    done = true;
  });
  while (!pools().documents.is_short() && !done) std::this_thread::yield();
  EXPECT_FALSE(done);
  everything.release();
}

// What did not fit into a batch is read again, or it is counted.
TEST_F(MemoryTest, CursorsKeepNoDocumentsUncounted) {
  insert_large();
  const auto find_some = R"({"find": "large", "batchSize": 1000})";
  const auto pipeline = R"({"aggregate": "large", "pipeline": [{"$addFields": {"y": 1}}], "cursor": {"batchSize": 1000}})";
  const auto before = pools().work.used();
  bson::Document found, made;
  {
    MemoryShare everything(&pools().replies);
    ASSERT_TRUE(everything.try_grow_to(but_for_one_document()));
    found = run("d", find_some);
    EXPECT_EQ(batch(found).size(), 1u);
    EXPECT_LT(pools().work.used(), before + 2 * kLargeInHand);
    made = run("d", pipeline);
    EXPECT_EQ(batch(made).size(), 1u);
    EXPECT_GT(pools().work.used(), before + 2 * kLargeInHand);
    MemoryShare all_work(&pools().work);
    ASSERT_TRUE(all_work.try_grow_to(pools().work.limit() - pools().work.used() - 100'000));
    EXPECT_EQ(code("d", pipeline), 146);
  }
  for (auto reply : {found, made}) {
    auto documents = batch(reply);
    const auto cursor = reply.view().at_path("cursor.id").to_int64().value_or(0);
    reply = run("d", bson::make_document({{"getMore", cursor}, {"collection", "large"}}));
    for (auto& document : batch(reply)) documents.push_back(std::move(document));
    ASSERT_EQ(documents.size(), 10u) << text(reply);
    for (int i = 0; i < 10; ++i) EXPECT_EQ(documents[static_cast<std::size_t>(i)]["_id"].to_int64(), i);
  }
  EXPECT_EQ(pools().work.used(), before);
}

// After the second batch as after the first.
TEST_F(MemoryTest, WhatACursorKeepsIsCountedAfterEachBatch) {
  insert_large();
  const auto before = pools().work.used();
  MemoryShare everything(&pools().replies);
  ASSERT_TRUE(everything.try_grow_to(but_for_one_document()));
  const auto made = run("d", R"({"aggregate": "large", "pipeline": [{"$addFields": {"y": 1}}], "cursor": {"batchSize": 1000}})");
  const auto cursor = made.view().at_path("cursor.id").to_int64().value_or(0);
  const auto get_more = bson::make_document({{"getMore", cursor}, {"collection", "large"}});
  EXPECT_EQ(batch(made).size(), 1u);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(batch(run("d", get_more)).size(), 1u);
    EXPECT_GT(pools().work.used(), before + 2 * kLargeInHand) << i;
    EXPECT_LT(pools().work.used(), before + 4 * kLargeInHand) << i;
  }
  EXPECT_EQ(code("d", bson::make_document({{"killCursors", "large"}, {"cursors", bson::ArrayView{bson::make_document({{"0", cursor}})}}})), 0);
  EXPECT_EQ(pools().work.used(), before);
}

// What did not fit into a batch comes with the next as it was seen, as a server gives it: whoever has been there all the time is not left out, and
// what is in an index's order stays so.
TEST_F(MemoryTest, ADocumentThatIsReadAgainIsAsItWasSeen) {
  insert_large();
  bson::Document reply;
  for (const char* sort : {"{}", R"({"_id": 1})"}) {
    {
      MemoryShare everything(&pools().replies);
      ASSERT_TRUE(everything.try_grow_to(but_for_one_document()));
      reply = run("d", R"({"find": "large", "filter": {"gone": null}, "batchSize": 1000, "sort": )" + std::string(sort) + "}");
      ASSERT_EQ(batch(reply).size(), 1u);
    }
    ASSERT_EQ(code("d", R"({"update": "large", "updates": [{"q": {"_id": 1}, "u": {"$set": {"gone": true}}}]})"), 0);
    const auto cursor = reply.view().at_path("cursor.id").to_int64().value_or(0);
    const auto rest = batch(run("d", bson::make_document({{"getMore", cursor}, {"collection", "large"}})));
    ASSERT_EQ(rest.size(), 9u) << sort;
    for (int i = 0; i < 9; ++i) EXPECT_EQ(rest[static_cast<std::size_t>(i)]["_id"].to_int64(), i + 1) << sort;
    EXPECT_FALSE(rest[0]["gone"].exists());
    ASSERT_EQ(code("d", R"({"update": "large", "updates": [{"q": {"_id": 1}, "u": {"$unset": {"gone": 1}}}]})"), 0);
  }
  // Removed and inserted again; moved to another place in the order.
  const char* changes[][2] = {{R"({"_id": 1})", R"({"delete": "large", "deletes": [{"q": {"_id": 1}, "limit": 1}]})"},
                              {R"({"n": 1})", R"({"update": "large", "updates": [{"q": {"n": 1}, "u": {"$set": {"n": -1}}}]})"}};
  ASSERT_EQ(code("d", R"({"createIndexes": "large", "indexes": [{"key": {"n": 1}, "name": "n_1"}]})"), 0);
  ASSERT_EQ(code("d", R"({"update": "large", "updates": [{"q": {}, "u": [{"$set": {"n": "$_id"}}], "multi": true}]})"), 0);
  for (const auto& [sort, change] : changes) {
    {
      MemoryShare everything(&pools().replies);
      ASSERT_TRUE(everything.try_grow_to(but_for_one_document()));
      reply = run("d", R"({"find": "large", "batchSize": 1000, "sort": )" + std::string(sort) + "}");
      ASSERT_EQ(batch(reply).size(), 1u);
    }
    ASSERT_EQ(code("d", change), 0);
    if (change == changes[0][1]) {
      bson::Builder insert;
      insert.append("insert", "large");
      insert.open_array("documents").open_document().append("_id", 1).append("n", 1).append("x", std::string(2 * kLargeInHand, 'x'));
      ASSERT_EQ(code("d", std::move(insert).finish()), 0);
    }
    const auto cursor = reply.view().at_path("cursor.id").to_int64().value_or(0);
    const auto rest = batch(run("d", bson::make_document({{"getMore", cursor}, {"collection", "large"}})));
    ASSERT_EQ(rest.size(), 9u) << change;
    for (int i = 0; i < 9; ++i) EXPECT_EQ(rest[static_cast<std::size_t>(i)]["n"].to_int64(), i + 1) << change;
  }
}

TEST_F(MemoryTest, AChangeStreamReadsAgainWhatItCannotKeep) {
  for (const auto version : {kTest44, kTest80}) {
    start(version);
    ASSERT_EQ(code("d", R"({"create": "large"})"), 0);
    const auto stream = watch("d", "large", "{}");
    insert_large();
    MemoryShare all_replies(&pools().replies), all_work(&pools().work);
    ASSERT_TRUE(all_replies.try_grow_to(but_for_one_document()));
    ASSERT_TRUE(all_work.try_grow_to(pools().work.limit() - pools().work.used()));
    for (int i = 0; i < 10; ++i) {
      const auto events = batch(SandboxClientTest::more("d", "large", stream));
      ASSERT_EQ(events.size(), 1u) << i;
      EXPECT_EQ(events[0].view().at_path("documentKey._id").to_int64(), i);
    }
    EXPECT_EQ(batch(SandboxClientTest::more("d", "large", stream)).size(), 0u);
  }
}

TEST_F(MemoryTest, DistinctValuesAreCounted) {
  const auto distinct = R"({"distinct": "c", "key": "_id"})";
  {
    MemoryShare everything(&pools().work);
    ASSERT_TRUE(everything.try_grow_to(pools().work.limit()));
    EXPECT_EQ(code("d", distinct), 292);
  }
  EXPECT_EQ(code("d", distinct), 0);
  EXPECT_EQ(pools().work.used(), 0u);
}

TEST_F(MemoryTest, CopiesOfCollectionsAreCounted) {
  const auto convert = R"({"convertToCapped": "c", "size": 1000000})";
  {
    MemoryShare everything(&pools().work);
    ASSERT_TRUE(everything.try_grow_to(pools().work.limit()));
    EXPECT_EQ(code("d", convert), 146);
    EXPECT_EQ(find("d", "c").size(), 100u);
  }
  EXPECT_EQ(code("d", convert), 0);
  EXPECT_EQ(find("d", "c").size(), 100u);
  EXPECT_EQ(pools().work.used(), 0u);
}

TEST_F(MemoryTest, SessionsAreForgottenBeforeThereAreTooMany) {
  auto& sessions = sandbox_->state().services.sessions;
  for (std::size_t i = 0; i < kMaxSessions + 500; ++i) {
    sessions.touch(bson::make_document({{"id", Uuid::random(*runtime_)}, {"uid", bson::Binary{0, {}}}}));
  }
  EXPECT_LE(sessions.list().size(), kMaxSessions);
}

TEST_F(MemoryTest, AForgottenStatementIsStillNotRepeated) {
  bson::Builder insert;
  insert.append("insert", "many");
  {
    auto documents = insert.open_array("documents");
    for (std::size_t i = 0; i < kKeptStatements + 10; ++i) documents.open_document().append("_id", static_cast<std::int32_t>(i));
  }
  insert.open_document("lsid").append("id", Uuid::random(*runtime_));
  insert.append("txnNumber", std::int64_t{1});
  const auto command = std::move(insert).finish();
  for (int i = 0; i < 2; ++i) {
    const auto reply = run("d", command);
    EXPECT_EQ(reply["n"].to_int64(), static_cast<std::int64_t>(kKeptStatements + 10)) << text(reply);
    EXPECT_FALSE(reply["writeErrors"].exists());
  }
}

}  // namespace
}  // namespace drover::sandbox
