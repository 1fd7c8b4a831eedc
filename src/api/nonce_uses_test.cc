#include "api/nonce_uses.h"

#include <gtest/gtest.h>

namespace drover::api {
namespace {

TEST(NonceUses, EachCountIsTakenOnce) {
  NonceUses uses(1000);
  EXPECT_TRUE(uses.take("a", 1000, 1, 0));
  EXPECT_FALSE(uses.take("a", 1000, 1, 0));
  EXPECT_TRUE(uses.take("a", 1000, 2, 0));
  EXPECT_FALSE(uses.take("a", 1000, 1, 0));
  EXPECT_TRUE(uses.take("b", 1000, 1, 0));
}

TEST(NonceUses, SideBySideTheyMayComeInAnyOrder) {
  NonceUses uses(1000);
  EXPECT_TRUE(uses.take("a", 1000, 7, 0));
  for (const std::uint32_t count : {3u, 9u, 1u, 8u, 2u}) {
    EXPECT_TRUE(uses.take("a", 1000, count, 0)) << count;
    EXPECT_FALSE(uses.take("a", 1000, count, 0)) << count;
  }
  EXPECT_FALSE(uses.take("a", 1000, 7, 0));
  // Too far behind to be told from one that was used.
  EXPECT_TRUE(uses.take("a", 1000, 9 + NonceUses::kWindow, 0));
  EXPECT_FALSE(uses.take("a", 1000, 4, 0));
  EXPECT_FALSE(uses.take("a", 1000, 9, 0));
  EXPECT_TRUE(uses.take("a", 1000, 10, 0));
  EXPECT_TRUE(uses.take("a", 1000, 0xffffffff, 0));
  EXPECT_FALSE(uses.take("a", 1000, 0xffffffff, 0));
  EXPECT_FALSE(uses.take("a", 1000, 10, 0));
}

TEST(NonceUses, WhatWasMadeBeforeTheProcessMayHaveBeenUsed) {
  NonceUses uses(1000);
  EXPECT_FALSE(uses.take("a", 999, 1, 0));
  EXPECT_TRUE(uses.take("b", 1000, 1, 0));
}

TEST(NonceUses, WhatWasForgottenIsNotTakenWhenTheClockIsSetBack) {
  NonceUses uses(0);
  EXPECT_TRUE(uses.take("a", 1000, 1, 900));
  EXPECT_TRUE(uses.take("b", 2000, 1, 1500));
  EXPECT_FALSE(uses.take("a", 1000, 1, 900));
  EXPECT_TRUE(uses.take("b", 2000, 2, 900));
}

TEST(NonceUses, WithTooManyTheOldestAreNotTakenAnyMore) {
  NonceUses uses(0, 3);
  for (int i = 1; i <= 4; ++i) EXPECT_TRUE(uses.take(std::to_string(i), i, 1, 0));
  EXPECT_FALSE(uses.take("1", 1, 1, 0)) << "forgotten, and yet not taken twice";
  EXPECT_FALSE(uses.take("1", 1, 2, 0));
  EXPECT_FALSE(uses.take("2", 2, 1, 0)) << "known";
  EXPECT_TRUE(uses.take("2", 2, 2, 0));
  EXPECT_TRUE(uses.take("5", 5, 1, 0));
}

TEST(NonceUses, ThoseThatAreTooOldLeaveTheirPlace) {
  NonceUses uses(0, 3);
  for (int i = 1; i <= 3; ++i) EXPECT_TRUE(uses.take(std::to_string(i), i, 1, 0));
  EXPECT_TRUE(uses.take("late", 2, 1, 2)) << "the first had gone: there was room";
  EXPECT_TRUE(uses.take("2", 2, 2, 2));
}

}  // namespace
}  // namespace drover::api
