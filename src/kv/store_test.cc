#include "kv/store.h"

#include <filesystem>
#include <map>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <rocksdb/perf_context.h>

#include "kv/rocks_options.h"

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

// A batch that is read for the first time when it has operations of every kind.
TEST(Store, IndexedBatchIsReadAfterItWasFilled) {
  auto store = open_store();
  Batch batch;
  batch.put(0, "stored", "old");
  batch.put(0, "gone", "old");
  ASSERT_TRUE(store->write(batch, false));
  IndexedBatch over;
  over.put(0, "twice", "first");
  over.put(1, "twice", "of the other space");
  over.put_blind(1, "blind", "x");
  over.remove_range(1, "m", "n");
  over.put(0, "large", std::string(70'000, 'l'));
  over.put(0, "empty", "");
  over.remove(0, "gone");
  over.put(0, "twice", "second");
  EXPECT_EQ(*store->get(0, "twice", over), "second");
  EXPECT_EQ(*store->get(1, "twice", over), "of the other space");
  EXPECT_EQ(*store->get(0, "large", over), std::string(70'000, 'l'));
  EXPECT_EQ(*store->get(0, "empty", over), "");
  EXPECT_EQ(*store->get(0, "gone", over), std::nullopt);
  EXPECT_EQ(*store->get(0, "stored", over), "old");
  over.put(0, "gone", "again");
  over.remove(0, "twice");
  EXPECT_EQ(*store->get(0, "gone", over), "again");
  EXPECT_EQ(*store->get(0, "twice", over), std::nullopt);
}

TEST(Store, PartsOfAValueAreOneValue) {
  auto store = open_store();
  IndexedBatch batch;
  batch.reserve(1000);
  batch.put(0, "first", "1");
  batch.reserve(2000);  // too late: nothing happens
  const std::string_view parts[] = {"head", "", "tail"};
  batch.put_blind(0, "parts", parts);
  EXPECT_EQ(batch.count(), 2u);
  EXPECT_EQ(*store->get(0, "first", batch), "1");
  ASSERT_TRUE(store->write(batch, false));
  EXPECT_EQ(*store->get(0, "parts"), "headtail");
  EXPECT_EQ(*store->get(0, "first"), "1");
}

TEST(Store, WhatIsSurelyEmptyHasNoKey) {
  auto store = open_store();
  Batch batch;
  for (const char* key : {"a", "m"}) batch.put(0, key, "");
  for (int i = 0; i < 1000; ++i) batch.put(1, "key" + std::to_string(i), "");
  ASSERT_TRUE(store->write(batch, false));
  EXPECT_TRUE(store->is_surely_empty(0, "b", "m"));
  EXPECT_FALSE(store->is_surely_empty(0, "b", std::string_view("m\0", 2)));
  EXPECT_FALSE(store->is_surely_empty(0, "a", "b"));
  EXPECT_TRUE(store->is_surely_empty(0, "n", "z"));
  Batch removals;
  for (int i = 0; i < 1000; ++i) removals.remove(1, "key" + std::to_string(i));
  ASSERT_TRUE(store->write(removals, false));
  EXPECT_FALSE(store->is_surely_empty(1, "key", "kez")) << "it walked over a thousand removed keys to find out";
  EXPECT_TRUE(store->is_surely_empty(1, "l", "z"));
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

TEST(Store, BoundedIteratorsOverABatchWalkBothWays) {
  auto store = open_store();
  const auto key = [](int n) { return "k" + std::to_string(10 + n); };
  std::map<std::string, std::string> wanted;
  Batch written;
  IndexedBatch batch;
  for (int n = 0; n < 60; ++n) {
    if (n % 3 != 0) written.put(0, key(n), "base");
    if (n % 3 != 0) wanted[key(n)] = "base";
    if (n % 4 == 0) batch.put(0, key(n), "batch");
    if (n % 4 == 0) wanted[key(n)] = "batch";
    if (n % 5 == 0) batch.remove(0, key(n));
    if (n % 5 == 0) wanted.erase(key(n));
  }
  ASSERT_TRUE(store->write(written, false));
  for (int bound = 0; bound < 62; ++bound) {
    const std::map<std::string, std::string> below(wanted.begin(), wanted.lower_bound(key(bound)));
    auto it = store->iterate(0, batch, nullptr, key(bound));
    auto forward = below.begin();
    for (it->seek(""); it->valid(); it->next(), ++forward) {
      ASSERT_NE(forward, below.end());
      ASSERT_EQ(it->key(), forward->first);
      ASSERT_EQ(it->value(), forward->second);
    }
    EXPECT_EQ(forward, below.end());
    auto backward = below.rbegin();
    for (it->seek_to_last(); it->valid(); it->prev(), ++backward) {
      ASSERT_NE(backward, below.rend());
      ASSERT_EQ(it->key(), backward->first);
    }
    EXPECT_EQ(backward, below.rend());
    for (int from = 0; from < 62; ++from) {
      it->seek(key(from));
      const auto next = below.lower_bound(key(from));
      ASSERT_EQ(it->valid(), next != below.end()) << bound << " " << from;
      if (it->valid()) {
        ASSERT_EQ(it->key(), next->first);
        it->prev();
        ASSERT_EQ(it->valid(), next != below.begin());
        if (it->valid()) {
          ASSERT_EQ(it->key(), std::prev(next)->first);
          it->next();
          ASSERT_TRUE(it->valid());
          ASSERT_EQ(it->key(), next->first);
        }
      }
      it->seek_for_prev(key(from));
      const auto after = below.upper_bound(key(from));
      ASSERT_EQ(it->valid(), after != below.begin()) << bound << " " << from;
      if (it->valid()) {
        ASSERT_EQ(it->key(), std::prev(after)->first);
      }
    }
  }
}

// A look for one key must not walk through all the removed ones behind it: each insert into a unique index is such a look.
TEST(Store, BoundedIteratorsPassNoRemovedKeysBehindTheirBound) {
  auto store = open_store();
  const auto key = [](int n) { return "k" + std::to_string(10000 + n); };
  Batch written, removed;
  for (int n = 0; n < 1000; ++n) {
    written.put(0, key(n), "v");
    removed.remove(0, key(n));
  }
  ASSERT_TRUE(store->write(written, false));
  ASSERT_TRUE(store->write(removed, false));
  IndexedBatch batch;
  batch.put(0, key(5), "new");
  rocksdb::get_perf_context()->Reset();
  auto over = store->iterate(0, batch, nullptr, key(6));
  over->seek(key(3));
  ASSERT_TRUE(over->valid());
  EXPECT_EQ(over->key(), key(5));
  over->next();
  EXPECT_FALSE(over->valid());
  auto plain = store->iterate(0, nullptr, key(6));
  plain->seek(key(3));
  EXPECT_FALSE(plain->valid());
  EXPECT_LT(rocksdb::get_perf_context()->internal_delete_skipped_count, 20u);
}

// Of a file whose keys all lie behind the bound a merge would read the first block, and keep it: as large as its value is.
TEST(Store, BoundedIteratorsReadNothingOfFilesBehindTheirBound) {
  constexpr std::size_t kLarge = 100'000, kLargeValues = 200;
  const auto opened = Store::open({.path = "x", .key_spaces = {"a", "b"}, .memory_bytes = 12 << 20, .in_memory = true});
  ASSERT_TRUE(opened);
  auto& store = **opened;
  Batch small;
  for (int n = 0; n < 10; ++n) small.put(0, "a" + std::to_string(n), "v");
  ASSERT_TRUE(store.write(small, false));
  ASSERT_TRUE(store.compact(0, "a", "b", {}));
  for (std::size_t n = 0; n < kLargeValues; ++n) {
    Batch large;
    large.put(0, "z" + std::to_string(n), std::string(kLarge, static_cast<char>(n)));
    ASSERT_TRUE(store.write(large, false));
  }
  const auto bytes_read = [&](const std::string& bound) {
    rocksdb::get_perf_context()->Reset();
    const auto it = store.iterate(0, nullptr, bound);
    EXPECT_EQ(keys(*it).size(), 10u);
    it->seek_to_last();
    EXPECT_TRUE(it->valid() && it->key() == "a9");
    return rocksdb::get_perf_context()->block_read_byte;
  };
  EXPECT_LT(bytes_read("b"), kLarge);
  auto all = store.iterate(0);
  EXPECT_EQ(keys(*all).size(), 10 + kLargeValues);
}

// An iterator that merges many files keeps none of their large values but the one that it shows; and what was overwritten takes no space for ever.
TEST(Store, LargeValuesLieBesideTheKeys) {
  constexpr std::size_t kLarge = 300'000;
  constexpr int kKeys = 60;
  const auto opened = Store::open({.path = "x", .key_spaces = {"a", "b"}, .memory_bytes = 12 << 20, .in_memory = true});
  ASSERT_TRUE(opened);
  auto& store = **opened;
  const auto key = [](int n) { return "k" + std::to_string(10 + n); };
  const auto value = [&](int n, int round) {
    std::mt19937 random(static_cast<unsigned>(n * 10 + round));
    std::string bytes(kLarge, 0);
    for (auto& byte : bytes) byte = static_cast<char>(random());
    return bytes;
  };
  const auto write = [&](int round) {
    for (int n = 0; n < kKeys; ++n) {
      Batch batch;
      batch.put(0, key(n), value(n, round));
      ASSERT_TRUE(store.write(batch, false));
    }
    ASSERT_TRUE(store.compact(0, "k", "l", {}));
  };
  write(0);
  const auto once = store.large_value_bytes(0);
  EXPECT_GE(once, kLarge * kKeys);
  EXPECT_LT(store.approximate_bytes(0, "k", "l"), kLarge);
  write(1);
  EXPECT_LT(store.large_value_bytes(0), once + once / 4);
  rocksdb::get_perf_context()->Reset();
  IndexedBatch over;
  over.put(0, key(5), "of the batch");
  int n = 0;
  auto it = store.iterate(0);
  for (it->seek("k"); it->valid(); it->next(), ++n) ASSERT_EQ(it->value(), value(n, 1)) << n;
  EXPECT_EQ(n, kKeys);
  auto merged = store.iterate(0, over, nullptr, key(7));
  for (merged->seek_to_last(), n = 6; merged->valid(); merged->prev(), --n) ASSERT_EQ(merged->value(), n == 5 ? "of the batch" : value(n, 1)) << n;
  EXPECT_EQ(n, -1);
  EXPECT_EQ(*store.get(0, key(3)), value(3, 1));
  EXPECT_LT(rocksdb::get_perf_context()->block_read_byte, kLarge);
}

// A data directory that was made when large values lay in the files of the keys, which did not yet say which key is their first.
TEST(Store, OpensWhatHasLargeValuesAmongItsKeys) {
  constexpr std::size_t kLarge = 300'000;
  constexpr int kKeys = 20;
  const auto path = (std::filesystem::temp_directory_path() / ("drover-store-" + std::to_string(std::random_device()()))).string();
  std::filesystem::create_directories(path);
  const auto key = [](int n) { return "k" + std::to_string(10 + n); };
  const auto value = [&](int n, int round) { return std::to_string(n * 10 + round) + std::string(kLarge, static_cast<char>('a' + n % 26)); };
  const Options options{.path = path, .key_spaces = {"a", "b"}, .memory_bytes = 12 << 20};
  {
    const auto cache = make_cache(options.memory_bytes);
    auto family = family_options(options, cache, Reading::kOneByOne);
    family.enable_blob_files = false;
    family.table_properties_collector_factories.clear();
    std::vector<rocksdb::ColumnFamilyDescriptor> families{{rocksdb::kDefaultColumnFamilyName, family}, {"a", family}, {"b", family}};
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* db = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open(database_options(options, cache), path, families, &handles, &db).ok());
    for (int n = 0; n < kKeys; ++n) ASSERT_TRUE(db->Put({}, handles[1], key(n), value(n, 0)).ok());
    ASSERT_TRUE(db->Flush({}, handles[1]).ok());
    ASSERT_TRUE(db->Put({}, handles[1], key(0), value(0, 1)).ok());  // in the journal alone
    for (auto* handle : handles) db->DestroyColumnFamilyHandle(handle);
    ASSERT_TRUE(db->Close().ok());
    delete db;
  }
  int round_of_even = 1;
  const auto check = [&](Store& store) {
    int n = 0;
    const auto it = store.iterate(0, nullptr, key(kKeys - 1));
    const auto wanted = [&](int at) { return value(at, at % 2 == 0 && (at == 0 || round_of_even == 2) ? round_of_even : 0); };
    for (it->seek("k"); it->valid(); it->next(), ++n) ASSERT_EQ(it->value(), wanted(n)) << n;
    EXPECT_EQ(n, kKeys - 1);
    for (n = 0; n < kKeys; ++n) EXPECT_EQ(*store.get(0, key(n)), wanted(n)) << n;
  };
  {
    const auto store = Store::open(options);
    ASSERT_TRUE(store) << store.error().message;
    check(**store);
    const auto of_the_journal = (*store)->large_value_bytes(0);
    for (int n = 0; n < kKeys; n += 2) {
      Batch batch;
      batch.put(0, key(n), value(n, 2));
      ASSERT_TRUE((*store)->write(batch, false));
    }
    round_of_even = 2;
    check(**store);
    ASSERT_TRUE((*store)->compact(0, "k", "l", {}));
    check(**store);
    EXPECT_GT((*store)->large_value_bytes(0), of_the_journal);
  }
  const auto again = Store::open(options);
  ASSERT_TRUE(again) << again.error().message;
  check(**again);
  std::filesystem::remove_all(path);
}

TEST(Store, CompactingARangeDropsWhatWasRemovedAndKeepsTheRest) {
  auto store = open_store();
  Batch written, removed;
  for (int n = 0; n < 1000; ++n) {
    const auto key = "k" + std::to_string(10000 + n);
    written.put(0, key, std::string(1000, static_cast<char>('a' + n % 26)));
    if (n % 10 != 0) removed.remove(0, key);
  }
  ASSERT_TRUE(store->write(written, false));
  ASSERT_TRUE(store->compact(0, "k", "l", {}));
  const auto before = store->approximate_bytes(0, "k", "l");
  ASSERT_TRUE(store->write(removed, false));
  ASSERT_TRUE(store->compact(0, "k", "l", {}));
  EXPECT_LT(store->approximate_bytes(0, "k", "l"), before / 2);
  EXPECT_TRUE(store->get(0, "k10000").value());
  EXPECT_FALSE(store->get(0, "k10001").value());
  std::stop_source stop;
  stop.request_stop();
  EXPECT_FALSE(store->compact(0, "k", "l", stop.get_token()));
}

}  // namespace
}  // namespace drover::kv
