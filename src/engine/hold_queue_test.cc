#include "engine/hold_queue.h"

#include <filesystem>

#include <sys/stat.h>

#include <gtest/gtest.h>

#include "base/local_disk.h"
#include "bson/builder.h"

namespace drover::engine {
namespace {

ChangeEvent event(std::uint32_t at) {
  ChangeEvent result;
  result.kind = at % 3 == 0 ? ChangeKind::kDelete : ChangeKind::kInsert;
  result.ts = {at, at % 5};
  result.txn_index = at % 7;
  result.document = bson::make_document({{"_id", static_cast<std::int32_t>(at)}, {"text", std::string(at % 50, 'x')}});
  result.key = bson::Value(result.document["_id"]);
  return result;
}

void expect_same(const ChangeEvent& got, const ChangeEvent& wanted) {
  EXPECT_EQ(got.kind, wanted.kind);
  EXPECT_EQ(got.ts, wanted.ts);
  EXPECT_EQ(got.txn_index, wanted.txn_index);
  EXPECT_EQ(got.document, wanted.document);
  EXPECT_TRUE(got.key.element().same_value_bytes(wanted.key.element()));
}

TEST(HoldQueue, KeepsOrderFromMemoryToDiskAndBack) {
  HoldUsage usage;
  usage.directory = testing::TempDir();
  usage.memory_limit = 4000;
  HoldQueue queue(usage);
  std::uint32_t next_in = 1, next_out = 1;
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(queue.push(event(next_in++)));
    EXPECT_LE(usage.memory_bytes, usage.memory_limit);
    auto some = queue.pop(round % 2 == 0 ? 37 : 150);
    ASSERT_TRUE(some);
    for (const auto& got : *some) expect_same(got, event(next_out++));
  }
  EXPECT_GT(usage.disk_bytes, 0u);
  while (!queue.empty()) {
    auto some = queue.pop(64);
    ASSERT_TRUE(some);
    for (const auto& got : *some) expect_same(got, event(next_out++));
  }
  EXPECT_EQ(next_out, next_in);
  EXPECT_EQ(usage.memory_bytes, 0u);
  EXPECT_EQ(usage.disk_bytes, 0u);
  EXPECT_EQ(usage.events, 0u);
}

// Room on the disk that the temporary files of this process take.
std::int64_t room_taken() {
  std::int64_t bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    struct stat info {};
    if (std::filesystem::read_symlink(entry, gone).string().find("/drover-held-") == std::string::npos) continue;
    if (::stat(entry.path().c_str(), &info) == 0) bytes += info.st_blocks * 512;
  }
  return bytes;
}

TEST(HoldQueue, GivesBackTheRoomOfWhatWasReadWhileMoreIsWritten) {
  HoldUsage usage;
  usage.directory = testing::TempDir();
  usage.memory_limit = 0;
  HoldQueue queue(usage);
  const auto large = [](std::uint32_t at) {
    auto one = event(at);
    one.document = bson::make_document({{"_id", static_cast<std::int32_t>(at)}, {"text", std::string(100'000, 'x')}});
    return one;
  };
  std::uint32_t next_in = 1, next_out = 1;
  while (next_in <= 20) ASSERT_TRUE(queue.push(large(next_in++)));
  for (int i = 0; i < 300; ++i) {  // 30 MB go through
    ASSERT_TRUE(queue.push(large(next_in++)));
    const auto some = queue.pop(1);
    ASSERT_TRUE(some);
    expect_same(some->front(), large(next_out++));
  }
  EXPECT_EQ(usage.events, 20u);
  EXPECT_GE(room_taken(), 1'500'000);
  EXPECT_LT(room_taken(), 8'000'000);
}

// The temporary file of this process, which has no name any more.
std::string open_file() {
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (std::filesystem::read_symlink(entry, gone).string().find("/drover-held-") != std::string::npos) return entry.path();
  }
  return "";
}

TEST(HoldQueue, WhatADiskMakesOfItIsAnError) {
  const auto with = [](long at, std::vector<std::uint8_t> bytes) {
    HoldUsage usage;
    usage.directory = testing::TempDir();
    usage.memory_limit = 0;
    HoldQueue queue(usage);
    for (std::uint32_t i = 1; i < 1000; ++i) EXPECT_TRUE(queue.push(event(i)));
    if (!bytes.empty()) {
      std::FILE* file = std::fopen(open_file().c_str(), "r+b");
      EXPECT_NE(file, nullptr);
      std::fseek(file, at, SEEK_SET);
      std::fwrite(bytes.data(), 1, bytes.size(), file);
      std::fclose(file);
    }
    auto some = queue.pop(1);
    return some ? Status() : Status(tl::unexpected(some.error()));
  };
  ASSERT_TRUE(with(0, {}));
  const std::pair<long, std::vector<std::uint8_t>> damages[] = {
      {0, {0, 0, 0, 0}},                // its length: none
      {0, {3, 0, 0, 0}},                // shorter than itself
      {0, {0xff, 0xff, 0xff, 0x7f}},    // more than there is
      {0, {6, 0, 0, 0}},                // cut
      {4, {0}},                         // its end
      {4, {0x02}},                      // another type, which reaches past it
      {5, {'z'}},                       // another name
  };
  for (const auto& [at, bytes] : damages) {
    const auto status = with(at, bytes);
    ASSERT_FALSE(status) << at;
    EXPECT_TRUE(status.error().has_label(kLocalDisk));
    EXPECT_NE(status.error().message.find("something else than was written"), std::string::npos) << status.error().message;
  }
}

TEST(HoldQueue, QueuesShareTheMemoryAndGiveItBack) {
  HoldUsage usage;
  usage.directory = testing::TempDir();
  usage.memory_limit = 2000;
  {
    HoldQueue first(usage), second(usage);
    for (std::uint32_t i = 1; i < 40; ++i) {
      ASSERT_TRUE(first.push(event(i)));
      ASSERT_TRUE(second.push(event(i)));
    }
    EXPECT_LE(usage.memory_bytes, usage.memory_limit);
    EXPECT_EQ(usage.events, 78u);
    EXPECT_EQ(first.oldest(), event(1).ts);
    first.clear();
    EXPECT_TRUE(first.empty());
    EXPECT_EQ(usage.events, 39u);
  }
  EXPECT_EQ(usage.memory_bytes, 0u);
  EXPECT_EQ(usage.disk_bytes, 0u);
}

TEST(HoldQueue, AFullOrMissingDiskIsAnError) {
  HoldUsage usage;
  usage.directory = "/nonexistent/place";
  usage.memory_limit = 0;
  HoldQueue queue(usage);
  const auto pushed = queue.push(event(1));
  ASSERT_FALSE(pushed);
  EXPECT_NE(pushed.error().message.find("/nonexistent/place"), std::string::npos);
  EXPECT_TRUE(pushed.error().has_label(kLocalDisk));
}

}  // namespace
}  // namespace drover::engine
