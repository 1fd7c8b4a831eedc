#include "engine/size_estimate.h"

#include <gtest/gtest.h>

namespace drover::engine {
namespace {

TEST(SizeEstimate, ALargeDocumentCountsAtOnceAndIsForgottenWithinAFewReplies) {
  SizeEstimate estimate;
  EXPECT_EQ(estimate.bytes(), 0u);
  estimate.note(1000);
  EXPECT_EQ(estimate.bytes(), 1000u);
  estimate.note(16 << 20);
  EXPECT_EQ(estimate.bytes(), 16u << 20);
  int replies = 0;
  for (; estimate.bytes() > 2000; ++replies) estimate.note(1000);
  EXPECT_LT(replies, 50);
  EXPECT_GT(replies, 5);  // not by the next one: it may be read again soon
  for (int i = 0; i < 100; ++i) estimate.note(1000);
  EXPECT_EQ(estimate.bytes(), 1000u);
}

TEST(SizeEstimate, AReplyWithoutDocumentsTellsNothing) {
  SizeEstimate estimate;
  estimate.note(500);
  estimate.note(0);
  EXPECT_EQ(estimate.bytes(), 500u);
}

}  // namespace
}  // namespace drover::engine
