#include "engine/change_router.h"

#include <gtest/gtest.h>

#include "bson/builder.h"
#include "engine/catalog_store.h"

namespace drover::engine {
namespace {

// Routes events by hand; the lanes are looked into instead of run.
class RouterTest : public testing::Test {
 protected:
  RouterTest() {
    lanes_.push_back(std::make_unique<BoundedQueue<LaneEvent>>(*runtime_, 1000));
    CollectionInfo info;
    info.ns = {"a", "b"};
    info.uuid = *Uuid::parse("11111111-2222-4333-8444-555555555555");
    collection_ = std::make_shared<Collection>(*runtime_, std::move(info));
    set_partitions(*collection_, {bson::Value(bson::make_document({{"", 100}}).view().first())});
    catalog_.collections[collection_->info.uuid] = collection_;
  }
  ~RouterTest() override {
    if (running_) {
      running_->request_stop();
      in_.close();
      running_->join();
    }
  }

  void start() {
    running_ = runtime_->spawn("router", [this](std::stop_token stop) {
      (void)router_.run(in_, [](const ChangeEvent&, const std::stop_token&) { return Status(); }, stop);
    });
  }
  void feed(ChangeKind kind, int id, std::uint32_t ts) {
    ChangeEvent event;
    event.kind = kind;
    event.ts = {ts, 0};
    event.uuid = collection_->info.uuid;
    event.ns = collection_->info.ns;
    event.document = bson::make_document({{"_id", id}});
    event.key = bson::Value(event.document["_id"]);
    ChangeBatch batch;
    batch.upto = event.ts;
    batch.events.push_back(std::move(event));
    ASSERT_TRUE(in_.push(std::move(batch), {}));
  }
  void settle(std::uint32_t ts) { ASSERT_TRUE(router_.await_applied({ts, 0}, std::chrono::seconds(10), {})); }

  std::unique_ptr<Runtime> runtime_ = make_real_runtime();
  Catalog catalog_;
  ChangeRouter::Lanes lanes_;
  PositionTracker tracker_{ClusterTime{1, 0}};
  NamespaceFilter filter_;
  ChangeRouter router_{*runtime_, catalog_, lanes_, tracker_, filter_, {.memory_limit = 1 << 20, .directory = testing::TempDir()}, ClusterTime{1, 0}};
  BoundedQueue<ChangeBatch> in_{*runtime_, 16};
  std::shared_ptr<Collection> collection_;
  std::unique_ptr<Runtime::Thread> running_;
};

TEST_F(RouterTest, PlannedPartitionsDropTheirChanges) {
  start();
  feed(ChangeKind::kInsert, 5, 2);
  settle(2);
  EXPECT_FALSE(lanes_[0]->try_pop());
}

TEST_F(RouterTest, CopyingPartitionsHoldAndReleaseByTime) {
  Partition& low = *collection_->partitions[0];
  EXPECT_EQ(router_.begin_copying(low), (ClusterTime{1, 0}));
  start();
  feed(ChangeKind::kInsert, 5, 2);    // before r is known: held, sorted out at the release
  feed(ChangeKind::kInsert, 200, 3);  // the other partition is planned: dropped
  while (tracker_.settled() < ClusterTime{3, 0}) runtime_->sleep(std::chrono::milliseconds(1), {});
  router_.timed(low, {4, 0});
  feed(ChangeKind::kUpdate, 6, 4);  // at r: in the copy
  feed(ChangeKind::kUpdate, 7, 5);  // held, within (r, f]
  feed(ChangeKind::kDelete, 8, 9);  // held, after f
  while (tracker_.settled() < ClusterTime{9, 0}) runtime_->sleep(std::chrono::milliseconds(1), {});
  EXPECT_EQ(router_.applied_until(), (ClusterTime::from_value(ClusterTime{2, 0}.value() - 1)));  // held ones count
  auto releasing = runtime_->spawn("copier", [&](std::stop_token stop) {
    EXPECT_TRUE(router_.release(collection_, low, {6, 0}, stop));
  });
  auto first = lanes_[0]->pop({});
  auto second = lanes_[0]->pop({});
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->change.ts, (ClusterTime{5, 0}));
  EXPECT_EQ(first->mode, ApplyMode::kByState);
  EXPECT_EQ(second->change.ts, (ClusterTime{9, 0}));
  EXPECT_EQ(second->mode, ApplyMode::kByKind);
  EXPECT_FALSE(lanes_[0]->try_pop());
  router_.applied(std::span(&*first, 1));
  router_.applied(std::span(&*second, 1));
  releasing->join();
  EXPECT_EQ(low.state, PartitionState::kCopied);
  EXPECT_EQ(router_.applied_until(), (ClusterTime{9, 0}));
}

TEST_F(RouterTest, CopiedPartitionsApplyByTheTimesOfTheirCopy) {
  Partition& low = *collection_->partitions[0];
  low.state = PartitionState::kCopied;
  low.r = {4, 0};
  low.f = {6, 0};
  start();
  feed(ChangeKind::kInsert, 1, 4);
  feed(ChangeKind::kInsert, 2, 6);
  feed(ChangeKind::kInsert, 3, 7);
  auto by_state = lanes_[0]->pop({});
  auto by_kind = lanes_[0]->pop({});
  EXPECT_EQ(by_state->change.ts, (ClusterTime{6, 0}));
  EXPECT_EQ(by_state->mode, ApplyMode::kByState);
  EXPECT_EQ(by_kind->mode, ApplyMode::kByKind);
  EXPECT_EQ(tracker_.settled(), (ClusterTime{4, 0}));
  router_.applied(std::span(&*by_kind, 1));
  EXPECT_EQ(tracker_.settled(), (ClusterTime{4, 0}));  // the older one is outstanding
  router_.applied(std::span(&*by_state, 1));
  settle(7);
  EXPECT_EQ(router_.last_change().ts, (ClusterTime{7, 0}));
}

}  // namespace
}  // namespace drover::engine
