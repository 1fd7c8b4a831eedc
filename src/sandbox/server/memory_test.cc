// What happens when a part of --memory is used up.
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
    const auto parts = plan.store_bytes + plan.connections * kConnectionBytes + plan.pools.request_bytes + plan.pools.reply_bytes + plan.pools.work_bytes;
    EXPECT_LT(parts, total / 10 * 9) << megabytes;
    EXPECT_GE(plan.connections, 1000u) << megabytes;
    EXPECT_GE(plan.pools.request_bytes, net::kMaxWireMessageBytes);
    EXPECT_GE(plan.pools.reply_bytes, kReplyCopies * kMaxBatchBytes);
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
