#include "engine/byte_budget.h"

#include <gtest/gtest.h>

namespace drover::engine {
namespace {

// A stopped wait tells what would have had to wait.
std::stop_token stopped() {
  std::stop_source source;
  source.request_stop();
  return source.get_token();
}

TEST(ByteBudget, TriesWithoutWaiting) {
  const auto runtime = make_real_runtime();
  ByteBudget copy(*runtime, 300);
  ByteBudget budget(*runtime, 100, &copy);
  auto alone = budget.try_admit(200);  // larger than the share, and nothing is in it
  ASSERT_TRUE(alone);
  auto spare = budget.try_admit(200);
  ASSERT_TRUE(spare);
  EXPECT_FALSE(budget.try_admit(200));  // the other one's room does not hold it too
  alone.resize(10);
  EXPECT_FALSE(budget.try_admit(200));
  EXPECT_TRUE(budget.try_admit(90));
  alone.release();
  EXPECT_TRUE(budget.try_admit(200));
}

TEST(ByteBudget, AdmitsUpToItsCapacityAndOneThatIsLarger) {
  const auto runtime = make_real_runtime();
  ByteBudget budget(*runtime, 100);
  auto large = budget.admit(1000, {});
  ASSERT_TRUE(large);
  EXPECT_FALSE(budget.admit(1, stopped()));
  large.release();
  const auto half = budget.admit(50, {});
  const auto rest = budget.admit(50, {});
  EXPECT_TRUE(half && rest);
  EXPECT_FALSE(budget.admit(1, stopped()));
}

TEST(ByteBudget, TakesSpareRoomThatHoldsAllOfIt) {
  const auto runtime = make_real_runtime();
  ByteBudget spare(*runtime, 100);
  ByteBudget budget(*runtime, 50, &spare);
  const auto own = budget.admit(80, {});
  EXPECT_FALSE(budget.admit(101, stopped()));
  auto borrowed = budget.admit(80, {});
  ASSERT_TRUE(own && borrowed);
  EXPECT_FALSE(budget.admit(30, stopped()));
  EXPECT_FALSE(spare.admit(30, stopped()));
  borrowed.resize(60);
  EXPECT_TRUE(spare.admit(30, stopped()));
  borrowed.release();
  EXPECT_TRUE(spare.admit(100, stopped()));
}

}  // namespace
}  // namespace drover::engine
