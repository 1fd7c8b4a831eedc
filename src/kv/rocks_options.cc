#include "kv/rocks_options.h"

#include <algorithm>
#include <optional>
#include <string>

#include <rocksdb/cache.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/write_buffer_manager.h>

namespace drover::kv {

namespace {

constexpr std::size_t kJournalBytes = 256 << 20;
// Few, for what is charged to a small cache must not fill one of its parts.
constexpr int kCacheShardBits = 2;
// Values of so many bytes lie in files of their own, beside those of the keys. In these they would be a block each, and an iterator keeps a
// block of every file that it merges: with documents of many megabytes that was all the memory there is. It reads the one that it shows.
constexpr std::uint64_t kLargeValueBytes = 128 << 10;
constexpr std::uint64_t kLargeValuesFileBytes = 64 << 20;
// Merges of keys do not copy them, but of the oldest files, by whose number space that was overwritten comes back.
constexpr double kLargeValuesCopied = 0.5;

// Every file says which key is its first.
class FirstKeyCollector : public rocksdb::TablePropertiesCollector {
 public:
  const char* Name() const override { return "drover.FirstKeyCollector"; }
  // In order but for the beginnings of removed ranges.
  rocksdb::Status AddUserKey(const rocksdb::Slice& key, const rocksdb::Slice&, rocksdb::EntryType, rocksdb::SequenceNumber, std::uint64_t) override {
    if (!first_ || key.compare(*first_) < 0) first_ = key.ToString();
    return rocksdb::Status::OK();
  }
  rocksdb::Status Finish(rocksdb::UserCollectedProperties* properties) override {
    if (first_) properties->insert({kFirstKeyProperty, *first_});
    return rocksdb::Status::OK();
  }
  rocksdb::UserCollectedProperties GetReadableProperties() const override { return {}; }

 private:
  std::optional<std::string> first_;
};

class FirstKeyCollectors : public rocksdb::TablePropertiesCollectorFactory {
 public:
  const char* Name() const override { return "drover.FirstKeyCollectors"; }
  rocksdb::TablePropertiesCollector* CreateTablePropertiesCollector(Context) override { return new FirstKeyCollector; }
};

}  // namespace

std::shared_ptr<rocksdb::Cache> make_cache(std::size_t bytes) { return rocksdb::NewLRUCache(bytes, kCacheShardBits); }

// A flush begins when write buffers have half of the memory, and writers wait when those that are not flushed yet have all of it. They are
// charged to the cache, which has the rest.
rocksdb::Options database_options(const Options& options, const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::Options result;
  result.create_if_missing = true;
  result.create_missing_column_families = true;
  result.write_buffer_manager = std::make_shared<rocksdb::WriteBufferManager>(options.memory_bytes / 2, cache);
  // A flush waits for the disk at its end; meanwhile the next one has the processor.
  result.max_background_flushes = 2;
  result.max_background_compactions = 1;
  result.max_open_files = 512;
  // Over it the buffers of all key spaces are flushed, full or not: a small one would be flushed at each turn of the large ones. What
  // lies in the journal takes no memory, but is read again after a crash.
  result.max_total_wal_size = std::max<std::size_t>(kJournalBytes, options.memory_bytes / 2);
  result.keep_log_file_num = 2;
  result.max_log_file_size = 8 << 20;
  result.info_log_level = rocksdb::WARN_LEVEL;
  result.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  result.bytes_per_sync = 1 << 20;
  return result;
}

rocksdb::ColumnFamilyOptions family_options(const Options& options, const std::shared_ptr<rocksdb::Cache>& cache, Reading reading) {
  rocksdb::ColumnFamilyOptions result;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  if (reading == Reading::kOneByOne) table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10, false));
  // In small blocks of their own: a file's whole filter may be larger than what the cache has left, and would be read for each key.
  table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  table.partition_filters = reading == Reading::kOneByOne;
  // What filters are made from is as large as a file has keys.
  table.cache_usage_options.options_overrides[rocksdb::CacheEntryRole::kFilterConstruction].charged = rocksdb::CacheEntryRoleOptions::Decision::kEnabled;
  table.block_size = 16 << 10;
  result.table_properties_collector_factories.push_back(std::make_shared<FirstKeyCollectors>());
  table.format_version = 5;
  result.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  // Writers wait when one buffer of a key space is full while the one before is still being written out: so two of each, and
  // what the manager allows of them together, are all there is.
  result.write_buffer_size = std::clamp<std::size_t>(options.memory_bytes / 6, 2 << 20, 64 << 20);
  result.max_write_buffer_number = 2;
  // Records and entries of the oplog come in the order of their keys: files that do not overlap are moved, not merged.
  // Levelled compaction would write each of them again as soon as the snapshot that was open at its flush is released.
  result.compaction_style = rocksdb::kCompactionStyleUniversal;
  result.compaction_options_universal.allow_trivial_move = true;
  result.level0_file_num_compaction_trigger = 8;
  result.compression = rocksdb::kLZ4Compression;
  // What is new is written as it is, which costs a third less of the server's CPU; the older half is compressed when merged.
  result.compaction_options_universal.compression_size_percent = 50;
  result.enable_blob_files = true;
  result.min_blob_size = kLargeValueBytes;
  result.blob_file_size = kLargeValuesFileBytes;
  result.blob_compression_type = rocksdb::kLZ4Compression;
  result.enable_blob_garbage_collection = true;
  result.blob_garbage_collection_age_cutoff = kLargeValuesCopied;
  // Most keys are asked for to learn that they are free: the answer is a bit, not a walk through each write buffer.
  if (reading == Reading::kOneByOne) {
    result.memtable_prefix_bloom_size_ratio = 0.05;
    result.memtable_whole_key_filtering = true;
  }
  return result;
}

}  // namespace drover::kv
