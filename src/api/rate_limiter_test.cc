#include "api/rate_limiter.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace drover::api {
namespace {

// Only time, as the test has it.
class TestRuntime final : public Runtime {
 public:
  SteadyTime time{std::chrono::hours(1)};
  SteadyTime now() override { return time; }
  std::chrono::system_clock::time_point wall_time() override { return {}; }
  std::uint64_t random() override { return 7; }
  bool sleep(Duration, const std::stop_token&) override { return true; }
  std::unique_ptr<Thread> spawn(std::string, std::function<void(std::stop_token)>) override { throw std::logic_error("no threads here"); }
  std::unique_ptr<Monitor> make_monitor() override { throw std::logic_error("no monitors here"); }
  void reached(std::string_view) override {}
};

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
