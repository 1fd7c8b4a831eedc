#include "api/rate_limiter.h"

#include <gtest/gtest.h>

#include "api/testing/time_runtime.h"

namespace drover::api {
namespace {

TEST(RateLimiter, CountsInWindowsOfAMinute) {
  TestRuntime runtime;
  RateLimiter limiter(runtime, 3);
  EXPECT_EQ(limiter.left("a"), 3);
  EXPECT_EQ(limiter.take("a"), 2);
  EXPECT_EQ(limiter.take("a"), 1);
  EXPECT_EQ(limiter.take("a"), 0);
  EXPECT_LT(limiter.take("a"), 0);
  EXPECT_EQ(limiter.take("b"), 2);
  runtime.time += std::chrono::seconds(59);
  EXPECT_LT(limiter.left("a"), 0);
  runtime.time += std::chrono::seconds(1);
  EXPECT_EQ(limiter.left("a"), 3);
  EXPECT_EQ(limiter.take("a"), 2);
}

TEST(RateLimiter, AFloodOfOthersLiftsNoLockOut) {
  TestRuntime runtime;
  RateLimiter limiter(runtime, 3);
  for (int i = 0; i < 4; ++i) limiter.take("attacker");
  for (std::size_t i = 0; i < 3 * RateLimiter::kMaxCallers; ++i) limiter.take("other " + std::to_string(i));
  EXPECT_LT(limiter.left("attacker"), 0);
  EXPECT_LT(limiter.take("attacker"), 0);
  runtime.time += std::chrono::minutes(1);
  EXPECT_EQ(limiter.left("attacker"), 3);
}

TEST(RateLimiter, WhoCameTooLateSharesAndIsBoundToo) {
  TestRuntime runtime;
  RateLimiter limiter(runtime, 3);
  for (std::size_t i = 0; i < RateLimiter::kMaxCallers; ++i) limiter.take("other " + std::to_string(i));
  int allowed = 0;
  while (limiter.take("late") >= 0 && allowed < 1000) ++allowed;
  EXPECT_EQ(allowed, 3 * RateLimiter::kSharedFactor);
  EXPECT_LT(limiter.left("late"), 0);
  // A place becomes free with the windows that end.
  runtime.time += std::chrono::minutes(1);
  EXPECT_EQ(limiter.take("late"), 2);
}

}  // namespace
}  // namespace drover::api
