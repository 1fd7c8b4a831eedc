#include "cli/migration_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/migrate_report.h"

namespace drover::cli {
namespace {

using std::chrono::seconds;

engine::Progress copying(std::int64_t bytes) {
  engine::Progress progress;
  progress.state = "RUNNING";
  progress.phase = "collection copy";
  progress.bytes = bytes;
  progress.documents = bytes / 100;
  progress.bytes_expected = 100'000;
  progress.collections = {{Namespace{"a", "b"}, bytes / 100, 1000, bytes, 100'000, false, 1}};
  return progress;
}

TEST(MigrationView, RatesAreThoseOfTheLastSeconds) {
  MigrationView view;
  for (int second = 0; second <= 100; ++second) view.update(copying(second * 100), seconds(second));
  const auto shown = view.update(copying(101 * 100), seconds(101));
  EXPECT_NEAR(shown.bytes_per_second, 100, 0.1);
  EXPECT_NEAR(shown.documents_per_second, 1, 0.1);
}

TEST(MigrationView, WhatAnEarlierRunCopiedIsNoRateOfThisOne) {
  MigrationView view;
  auto starting = engine::Progress();
  starting.state = "INITIALIZING";
  view.update(starting, seconds(0));
  view.update(starting, seconds(1));
  auto resumed = copying(50'000);
  resumed.change_events_applied = 7000;
  const auto first = view.update(resumed, seconds(2));
  EXPECT_EQ(first.bytes_per_second, 0);
  EXPECT_EQ(first.events_per_second, 0);
  EXPECT_NEAR(view.update(copying(50'100), seconds(3)).bytes_per_second, 100, 0.1);
}

TEST(MigrationView, EtaNeedsTimeAndAnEvenRate) {
  MigrationView view;
  EXPECT_FALSE(view.update(copying(0), seconds(0)).eta_seconds);
  EXPECT_FALSE(view.update(copying(1000), seconds(1)).eta_seconds);
  for (int second = 2; second < 10; ++second) view.update(copying(second * 1000), seconds(second));
  const auto even = view.update(copying(10'000), seconds(10)).eta_seconds;
  ASSERT_TRUE(even);
  EXPECT_NEAR(*even, 90, 1);
  for (int second = 11; second < 16; ++second) view.update(copying(10'000 + (second - 10) * 10), seconds(second));
  EXPECT_FALSE(view.update(copying(10'070), seconds(16)).eta_seconds);
}

TEST(MigrationView, NothingIsEstimatedOutsideTheCopy) {
  MigrationView view;
  auto progress = copying(100'000);
  progress.phase = "change event application";
  progress.cannot_commit_because = "2 indexes of a.b are still to be built";
  for (int second = 0; second < 20; ++second) view.update(progress, seconds(second));
  const auto shown = view.update(progress, seconds(20));
  EXPECT_FALSE(shown.eta_seconds);
  EXPECT_EQ(shown.note, "2 indexes of a.b are still to be built");
}

TEST(MigrationView, ACollectionIsDoneWhenItsIndexesAre) {
  MigrationView view;
  auto progress = copying(10);
  using State = terminal::CollectionProgress::State;
  EXPECT_EQ(view.update(progress, seconds(0)).collections[0].state, State::kWaiting);
  progress = copying(1000);
  EXPECT_EQ(view.update(progress, seconds(1)).collections[0].state, State::kCopying);
  progress.collections[0].copied = true;
  EXPECT_EQ(view.update(progress, seconds(2)).collections[0].state, State::kIndexing);
  progress.collections[0].missing_indexes = 0;
  EXPECT_EQ(view.update(progress, seconds(3)).collections[0].state, State::kDone);
}

TEST(StoppedMessage, SaysHowFarItHadCome) {
  using ::testing::AllOf;
  using ::testing::HasSubstr;
  using ::testing::Not;
  using ::testing::StartsWith;
  EXPECT_THAT(stopped_message(false, "INITIALIZING"), AllOf(StartsWith("stopped"), HasSubstr("changed nothing"), Not(HasSubstr("recorded"))));
  EXPECT_THAT(stopped_message(true, "INITIALIZING"), AllOf(StartsWith("stopped"), HasSubstr("run the same command again to go on")));
  EXPECT_THAT(stopped_message(true, "RUNNING"), AllOf(StartsWith("stopped"), HasSubstr("run the same command again to continue")));
  EXPECT_THAT(stopped_message(true, "COMMITTING"), AllOf(StartsWith("stopped"), HasSubstr("decided"), HasSubstr("to finish it")));
  EXPECT_THAT(stopped_message(true, "COMMITTED"), AllOf(StartsWith("stopped"), HasSubstr("is done"), HasSubstr("run the same command again")));
}

}  // namespace
}  // namespace drover::cli
