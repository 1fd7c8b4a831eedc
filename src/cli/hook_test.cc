#include "cli/hook.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace drover::cli {
namespace {

using ::testing::HasSubstr;

TEST(Hook, KnowsTheFacts) {
  EXPECT_TRUE(run_hook("test \"$DROVER_PHASE\" = 'a phase'", {{"PHASE", "a phase"}}, {}));
}

TEST(Hook, AFailureNamesTheCommandAndItsStatus) {
  const auto status = run_hook("exit 3", {}, {});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kFailure);
  EXPECT_THAT(status.error().message, HasSubstr("'exit 3' ended with exit status 3"));
}

TEST(Hook, AStopRequestEndsItWithWhatItStarted) {
  std::stop_source stop;
  stop.request_stop();
  const auto status = run_hook("sleep 1000 | sleep 1000", {}, stop.get_token());
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().message, HasSubstr("was ended by signal"));
}

TEST(Hook, WhatItPrintsDoesNotMixWithJson) {
  ::testing::internal::CaptureStdout();
  EXPECT_TRUE(run_hook("echo words", {}, {}));
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "");
}

}  // namespace
}  // namespace drover::cli
