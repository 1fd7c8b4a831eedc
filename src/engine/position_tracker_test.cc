#include "engine/position_tracker.h"

#include <gtest/gtest.h>

namespace drover::engine {
namespace {

TEST(PositionTracker, IsTheEndOfAContiguousPrefix) {
  PositionTracker tracker(ClusterTime{1, 0});
  const auto a = tracker.dispatched({2, 0});
  tracker.routed({2, 0});
  const auto b = tracker.dispatched({3, 0});
  tracker.routed({3, 0});
  tracker.routed({4, 0});
  EXPECT_EQ(tracker.settled(), (ClusterTime{1, 0}));
  tracker.done(b);
  EXPECT_EQ(tracker.settled(), (ClusterTime{1, 0}));
  tracker.done(a);
  EXPECT_EQ(tracker.settled(), (ClusterTime{4, 0}));
}

TEST(PositionTracker, ATransactionCountsOnlyAsAWhole) {
  PositionTracker tracker(ClusterTime{1, 0});
  const auto a = tracker.dispatched({2, 0});
  tracker.done(a);
  EXPECT_EQ(tracker.settled(), (ClusterTime{1, 0}));
  const auto b = tracker.dispatched({2, 0});
  tracker.routed({2, 0});
  EXPECT_EQ(tracker.settled(), (ClusterTime{1, 0}));
  tracker.done(b);
  EXPECT_EQ(tracker.settled(), (ClusterTime{2, 0}));
}

TEST(PositionTracker, WithNothingOutstandingItIsTheHighWaterMark) {
  PositionTracker tracker(ClusterTime{1, 0});
  for (std::uint32_t t = 2; t < 1000; ++t) tracker.routed({t, 0});
  EXPECT_EQ(tracker.settled(), (ClusterTime{999, 0}));
  EXPECT_EQ(tracker.outstanding(), 0u);
}

}  // namespace
}  // namespace drover::engine
