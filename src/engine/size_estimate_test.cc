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

TEST(SizeEstimate, RepliesWithoutDocumentsCountAsSmall) {
  SizeEstimate estimate;
  estimate.note(0);
  EXPECT_EQ(estimate.bytes(), 1u);  // known, at least
  estimate.note(12 << 20);
  for (int i = 0; i < 60; ++i) estimate.note(0);
  EXPECT_LT(estimate.bytes(), 1000u);
}

TEST(SizeEstimate, RaisesTheHighest) {
  std::atomic<std::size_t> highest{5};
  raise<std::size_t>(highest, 3);
  EXPECT_EQ(highest, 5u);
  raise<std::size_t>(highest, 9);
  EXPECT_EQ(highest, 9u);
}

}  // namespace
}  // namespace drover::engine
