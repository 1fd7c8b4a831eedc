#include "base/memory_budget.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace drover {
namespace {

TEST(MemoryBudget, SharesAreCountedAndGivenBack) {
  MemoryBudget budget(100);
  {
    MemoryShare a(&budget), b(&budget);
    EXPECT_TRUE(a.try_grow_to(60));
    EXPECT_FALSE(b.try_grow_to(50));
    EXPECT_TRUE(b.try_grow_to(40));
    EXPECT_EQ(budget.used(), 100u);
    MemoryShare c(std::move(a));
    EXPECT_EQ(c.bytes(), 60u);
    b = std::move(c);
    EXPECT_EQ(budget.used(), 60u);
  }
  EXPECT_EQ(budget.used(), 0u);
}

TEST(MemoryBudget, NoBudgetIsNoLimit) {
  MemoryShare share;
  EXPECT_TRUE(share.try_grow_to(1ull << 40));
  EXPECT_TRUE(share.grow_to(1ull << 41, {}));
}

TEST(MemoryBudget, WhatIsMoreThanAllTakesAll) {
  MemoryBudget budget(100);
  MemoryShare share(&budget);
  EXPECT_TRUE(share.take(1000, {}));
  EXPECT_EQ(share.bytes(), 100u);
}

TEST(MemoryBudget, OneAtATimeGoesOverIt) {
  MemoryBudget budget(100);
  MemoryShare holder(&budget), over(&budget), later(&budget);
  ASSERT_TRUE(holder.try_grow_to(90));
  EXPECT_TRUE(over.grow_to(50, {}));
  EXPECT_TRUE(over.grow_to(70, {}));
  EXPECT_EQ(budget.used(), 160u);
  std::atomic<bool> granted = false;
  std::jthread waiter([&](const std::stop_token& stop) { granted = later.grow_to(20, stop); });
  while (!budget.is_short()) std::this_thread::yield();
  EXPECT_FALSE(granted);
  over.release();
  waiter.join();
  EXPECT_TRUE(granted);
  EXPECT_EQ(budget.used(), 110u);
}

TEST(MemoryBudget, NoWaitIsLongerThanItMayBe) {
  using std::chrono::milliseconds;
  MemoryBudget budget(100);
  MemoryShare holder(&budget), over(&budget), waiting(&budget);
  ASSERT_TRUE(holder.try_grow_to(100));
  EXPECT_FALSE(waiting.take(1, {}, milliseconds(20)));
  EXPECT_FALSE(waiting.take(1, {}, milliseconds(0)));
  EXPECT_FALSE(budget.is_short()) << "nobody waits any more";
  ASSERT_TRUE(over.grow_to(10, {}, milliseconds(20)));
  EXPECT_FALSE(waiting.grow_to(1, {}, milliseconds(20)));
  EXPECT_EQ(waiting.bytes(), 0u);
  over.release();
  holder.release();
  EXPECT_TRUE(waiting.take(1, {}, milliseconds(0)));
  Admission one(1);
  ASSERT_TRUE(one.enter({}, milliseconds(0)));
  EXPECT_FALSE(one.enter({}, milliseconds(20)));
  one.leave();
  EXPECT_TRUE(one.enter({}, milliseconds(20)));
}

TEST(MemoryBudget, AStopEndsTheWait) {
  MemoryBudget budget(100);
  MemoryShare holder(&budget), waiting(&budget);
  ASSERT_TRUE(holder.try_grow_to(100));
  std::atomic<bool> granted = true;
  std::jthread waiter([&](const std::stop_token& stop) { granted = waiting.take(10, stop); });
  while (!budget.is_short()) std::this_thread::yield();
  EXPECT_FALSE(holder.try_grow_to(101));
  waiter.request_stop();
  waiter.join();
  EXPECT_FALSE(granted);
  EXPECT_FALSE(budget.is_short());
}

TEST(MemoryBudget, ManyThreadsNeverGoOverItTogether) {
  MemoryBudget budget(1000);
  std::atomic<bool> broken = false;
  std::vector<std::jthread> threads;
  for (std::size_t n = 0; n < 8; ++n) {
    threads.emplace_back([&, n] {
      for (int i = 0; i < 500; ++i) {
        MemoryShare share(&budget);
        if (!share.take(100 + 90 * n, {})) broken = true;
        if (budget.used() > 1000) broken = true;
      }
    });
  }
  threads.clear();
  EXPECT_FALSE(broken);
  EXPECT_EQ(budget.used(), 0u);
}

TEST(Admission, HasSoManyPlaces) {
  Admission admission(1);
  ASSERT_TRUE(admission.enter({}));
  std::stop_source stop;
  stop.request_stop();
  EXPECT_FALSE(admission.enter(stop.get_token()));
  admission.leave();
  EXPECT_TRUE(admission.enter({}));
}

// A process of which more is resident than it may have.
TEST(MemoryBudget, WithoutRoomInTheProcessOneShareGoesOn) {
  ResidentLimit full(1);
  MemoryBudget budget(1000, &full);
  MemoryShare first(&budget), second(&budget), over(&budget);
  EXPECT_TRUE(first.try_grow_to(100));
  EXPECT_FALSE(first.try_grow_to(200));
  EXPECT_FALSE(second.try_grow_to(1));
  EXPECT_TRUE(over.grow_to(50, {}));
  EXPECT_EQ(budget.used(), 150u);
  std::jthread waiter([&](const std::stop_token& stop) { EXPECT_TRUE(second.take(30, stop)); });
  while (!budget.is_short()) std::this_thread::yield();
  over.release();
  EXPECT_EQ(budget.used(), 100u);
  first.release();
  waiter.join();
  EXPECT_EQ(budget.used(), 30u);
}

TEST(MemoryBudget, ARoomyProcessIsNoLimit) {
  ResidentLimit roomy(std::size_t{1} << 50);
  MemoryBudget budget(1000, &roomy);
  MemoryShare first(&budget), second(&budget);
  EXPECT_TRUE(first.try_grow_to(500));
  EXPECT_TRUE(second.try_grow_to(500));
  EXPECT_FALSE(second.try_grow_to(501));
}

TEST(Admission, WithoutRoomInTheProcessOneIsInside) {
  ResidentLimit full(1);
  Admission admission(8, &full);
  ASSERT_TRUE(admission.enter({}));
  std::stop_source stop;
  std::atomic<bool> inside = false;
  std::jthread waiter([&] { inside = admission.enter(stop.get_token()); });
  std::this_thread::sleep_for(3 * kLookForRoom);
  EXPECT_FALSE(inside);
  admission.leave();
  waiter.join();
  EXPECT_TRUE(inside);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // their allocators keep what they like
// However long nobody has looked.
TEST(ResidentLimit, FreeMemoryIsGivenBackBeforeItAnswers) {
  constexpr std::size_t kBlock = 4096, kBytes = 64 << 20, kKeptOf = 1000;
  ResidentLimit limit(resident_bytes() + kBytes);
  std::vector<std::vector<char>> blocks;
  for (std::size_t i = 0; i < kBytes / kBlock; ++i) blocks.emplace_back(kBlock, 'x');
  EXPECT_FALSE(limit.has_room(kBytes / 10));
  // Here and there one is left, so that what was free above the others would not do.
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (i % kKeptOf != kKeptOf - 1) std::vector<char>().swap(blocks[i]);
  }
  // Not at once: giving back takes its time, and is not done at every question.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!limit.has_room(kBytes / 10) && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(kLookForRoom);
  EXPECT_TRUE(limit.has_room(kBytes / 10));
}
#endif

TEST(ResidentLimit, WhatWasGrantedCountsUntilTheNextLook) {
  const auto now = resident_bytes();
  ASSERT_GT(now, 0u);
  ResidentLimit limit(now * 4);
  EXPECT_TRUE(limit.has_room(1000));
  EXPECT_FALSE(limit.has_room(now * 4));
  EXPECT_TRUE(limit.has_room(1000));
}

}  // namespace
}  // namespace drover
