// What an IndexedBatch is made of. For the kv module alone.
//
// Most batches are only asked for single keys (is this _id taken? what did the statement before write?), which a hash
// table over the batch's own bytes answers at a fraction of what an ordered index costs. RocksDB's ordered index takes
// over when the batch is iterated or has a save point.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include <rocksdb/db.h>
#include <rocksdb/utilities/write_batch_with_index.h>

#include "kv/store.h"

namespace drover::kv {

// RocksDB's batches want a column family handle where all they use of it is its number and comparator. Key space n is
// column family n + 1: number 0 is RocksDB's default one.
rocksdb::ColumnFamilyHandle* family_number(KeySpace space);

// The last operation on each key of a WriteBatch, found by hash. Keys and values stay in the batch's bytes. It is made when
// a key is first asked for: many batches are only written.
class KeyTable {
 public:
  // What the batch says of a key: nothing, or that it was put or removed.
  struct Found {
    bool removed = false;
    std::string_view value;
  };
  void put(rocksdb::WriteBatch& batch, KeySpace space, std::string_view key, std::string_view value);
  void remove(rocksdb::WriteBatch& batch, KeySpace space, std::string_view key);
  std::optional<Found> find(const rocksdb::WriteBatch& batch, KeySpace space, std::string_view key);

 private:
  class Filling;
  struct Entry {
    std::uint64_t hash = 0;
    std::size_t key_at = 0, value_at = 0;  // in the batch's bytes
    std::uint32_t key_size = 0, value_size = 0;
    KeySpace space = 0;
    bool removed = false;
  };
  void record_put(const rocksdb::WriteBatch& batch, KeySpace space, std::string_view key, std::string_view value);  // in its bytes
  void record_removal(const rocksdb::WriteBatch& batch, KeySpace space, std::string_view key);
  void record(const rocksdb::WriteBatch& batch, Entry entry);
  std::size_t slot_of(const rocksdb::WriteBatch& batch, KeySpace space, std::string_view key, std::uint64_t hash) const;
  void grow();

  bool made_ = false;
  std::vector<Entry> entries_;
  std::vector<std::uint32_t> slots_;  // 1 + index of the entry; 0: free. A power of two of them
};

struct IndexedBatch::Impl {
  // One of the two is in use: `plain` with `table` until `ordered` is made from them.
  rocksdb::WriteBatch plain;
  KeyTable table;
  std::optional<rocksdb::WriteBatchWithIndex> ordered;

  rocksdb::WriteBatch& native() { return ordered ? *ordered->GetWriteBatch() : plain; }
  rocksdb::WriteBatchWithIndex& make_ordered();
};

}  // namespace drover::kv
