#include "api/login_guard.h"

#include <gtest/gtest.h>

#include "api/testing/time_runtime.h"

namespace drover::api {
namespace {

TEST(LoginGuard, WhoGuessesShutsOutStrangersOnly) {
  TestRuntime runtime;
  LoginGuard guard(runtime, 3);
  guard.succeeded("here", "owner");
  for (int i = 0; i < 5; ++i) guard.failed("here", "guess " + std::to_string(i));
  EXPECT_FALSE(guard.admits("here", "guess 9"));
  EXPECT_FALSE(guard.admits("here", "another with the right key"));
  EXPECT_TRUE(guard.admits("here", "owner"));
  EXPECT_TRUE(guard.admits("there", "guess 9"));
  // It is known from where it has logged in.
  for (int i = 0; i < 5; ++i) guard.failed("there", "guess");
  EXPECT_FALSE(guard.admits("there", "owner"));
  runtime.time += std::chrono::minutes(1);
  EXPECT_TRUE(guard.admits("here", "guess 9"));
}

TEST(LoginGuard, GuessesAtAKnownNameAreCountedToo) {
  TestRuntime runtime;
  LoginGuard guard(runtime, 3);
  guard.succeeded("here", "owner");
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(guard.admits("here", "owner"));
    guard.failed("here", "owner");
  }
  EXPECT_FALSE(guard.admits("here", "owner"));
  runtime.time += std::chrono::minutes(1);
  EXPECT_TRUE(guard.admits("here", "owner"));
}

TEST(LoginGuard, NobodyIsKnownForEver) {
  TestRuntime runtime;
  LoginGuard guard(runtime, 3);
  guard.succeeded("here", "owner");
  runtime.time += LoginGuard::kKnownFor;
  for (int i = 0; i < 3; ++i) guard.failed("here", "guess");
  EXPECT_FALSE(guard.admits("here", "owner"));
}

TEST(LoginGuard, KeepsNoMoreThanItMay) {
  TestRuntime runtime;
  LoginGuard guard(runtime, 3);
  for (std::size_t i = 0; i < LoginGuard::kMaxKnown; ++i) guard.succeeded("here", std::to_string(i));
  guard.succeeded("here", "late");
  for (int i = 0; i < 3; ++i) guard.failed("here", "guess");
  EXPECT_TRUE(guard.admits("here", "0"));
  EXPECT_FALSE(guard.admits("here", "late"));
  runtime.time += LoginGuard::kKnownFor;
  guard.succeeded("here", "late");
  for (int i = 0; i < 3; ++i) guard.failed("here", "guess");
  EXPECT_TRUE(guard.admits("here", "late"));
}

}  // namespace
}  // namespace drover::api
