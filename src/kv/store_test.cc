#include "kv/store.h"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace drover::kv {
namespace {

std::unique_ptr<Store> open_store() {
  auto store = Store::open({.path = "x", .key_spaces = {"a", "b"}, .in_memory = true});
  EXPECT_TRUE(store) << store.error().message;
  return std::move(*store);
}
std::vector<std::string> keys(Iterator& it) {
  std::vector<std::string> result;
  for (it.seek(""); it.valid(); it.next()) result.emplace_back(it.key());
  return result;
}

TEST(Store, BatchesAreSeenWholeAndSnapshotsKeepTheOld) {
  auto store = open_store();
  Batch batch;
  batch.put(0, "k1", "v1");
  batch.put(1, "k1", "other");
  ASSERT_TRUE(store->write(batch, false));
  auto snapshot = store->snapshot();
  Batch second;
  second.put(0, "k1", "v2");
  second.put(0, "k2", "v");
  second.remove_range(1, "a", "z");
  ASSERT_TRUE(store->write(second, true));
  EXPECT_EQ(*store->get(0, "k1"), "v2");
  EXPECT_EQ(*store->get(0, "k1", snapshot.get()), "v1");
  EXPECT_EQ(*store->get(1, "k1"), std::nullopt);
  EXPECT_EQ(*store->get(1, "k1", snapshot.get()), "other");
  EXPECT_THAT(keys(*store->iterate(0, snapshot)), testing::ElementsAre("k1"));
  EXPECT_THAT(keys(*store->iterate(0)), testing::ElementsAre("k1", "k2"));
}

TEST(Store, IndexedBatchIsReadOverTheSnapshot) {
  auto store = open_store();
  Batch batch;
  for (const char* key : {"a", "c", "e"}) batch.put(0, key, "old");
  ASSERT_TRUE(store->write(batch, false));
  IndexedBatch over;
  over.put(0, "b", "new");
  over.set_save_point();
  over.remove(0, "c");
  over.put_blind(1, "n", "blind");
  over.put(0, "e", "new");
  EXPECT_EQ(*store->get(0, "c", over), std::nullopt);
  EXPECT_EQ(*store->get(0, "e", over), "new");
  EXPECT_EQ(*store->get(0, "a", over), "old");
  EXPECT_THAT(keys(*store->iterate(0, over, nullptr, "e")), testing::ElementsAre("a", "b"));
  auto backward = store->iterate(0, over, nullptr, "e");
  backward->seek_to_last();
  ASSERT_TRUE(backward->valid());
  EXPECT_EQ(backward->key(), "b");
  backward->seek_for_prev("z");
  EXPECT_EQ(backward->key(), "b");
  over.roll_back();
  EXPECT_THAT(keys(*store->iterate(0, over)), testing::ElementsAre("a", "b", "c", "e"));
  ASSERT_TRUE(store->write(over, false));
  EXPECT_EQ(*store->get(1, "n"), std::nullopt);
  EXPECT_EQ(*store->get(0, "b"), "new");
}

// The same operations, read by key before and after the batch was first iterated, are what a plain map says.
TEST(Store, IndexedBatchGivesTheLastOperationOnEachKey) {
  auto store = open_store();
  Batch batch;
  for (int i = 0; i < 300; i += 3) batch.put(0, "key" + std::to_string(i), "old");
  ASSERT_TRUE(store->write(batch, false));
  std::map<std::string, std::string> wanted;
  for (int i = 0; i < 300; i += 3) wanted["key" + std::to_string(i)] = "old";
  IndexedBatch over;
  for (int i = 0; i < 5000; ++i) {
    const auto key = "key" + std::to_string(i * 7919 % 400);
    if (i % 5 == 0) {
      over.remove(0, key);
      wanted.erase(key);
    } else {
      const auto value = std::string(i % 300, 'v') + std::to_string(i);
      over.put(0, key, value);
      over.put(1, key, "of the other space");
      wanted[key] = value;
    }
  }
  over.put_blind(0, "blind", "x");
  const auto check = [&] {
    for (int i = 0; i < 400; ++i) {
      const auto key = "key" + std::to_string(i);
      const auto found = store->get(0, key, over);
      ASSERT_TRUE(found);
      const auto expected = wanted.find(key);
      EXPECT_EQ(*found, expected == wanted.end() ? std::nullopt : std::optional(expected->second)) << key;
    }
  };
  check();
  EXPECT_GE(keys(*store->iterate(0, over)).size(), wanted.size());
  check();
  ASSERT_TRUE(store->write(over, false));
  wanted["blind"] = "x";
  EXPECT_EQ(keys(*store->iterate(0)).size(), wanted.size());
}

TEST(Store, UpperBoundHoldsInBothDirections) {
  auto store = open_store();
  Batch batch;
  for (const char* key : {"a", "b", "c"}) batch.put(0, key, "");
  ASSERT_TRUE(store->write(batch, false));
  auto it = store->iterate(0, nullptr, "c");
  it->seek_to_last();
  ASSERT_TRUE(it->valid());
  EXPECT_EQ(it->key(), "b");
  it->next();
  EXPECT_FALSE(it->valid());
}

}  // namespace
}  // namespace drover::kv
