// Ordered storage: the narrow interface to RocksDB that the sandbox stands on. Keys are byte strings in memcmp order,
// in a few named key spaces (column families). Thread-safe.
//
// Durability: a write is in the log file when `write` returns; with `sync` it is on disk. A killed process loses nothing
// (the page cache survives it); a machine that loses power loses at most the last `sync` interval.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace drover::kv {

using KeySpace = std::uint32_t;  // index into Options::key_spaces

struct Options {
  std::string path;
  std::vector<std::string> key_spaces;
  // Those of which keys are read in their order and hardly ever one by one: they have no filters, which every write pays for.
  std::vector<KeySpace> scanned;
  std::size_t memory_bytes = 256 << 20;  // block cache and write buffers together
  bool in_memory = false;                // unit tests
};

// A consistent view of all key spaces. Holding one keeps old versions: release soon.
class Snapshot;

class Iterator {
 public:
  virtual ~Iterator() = default;
  virtual bool valid() const = 0;
  virtual void seek(std::string_view key) = 0;           // first key >= key
  virtual void seek_for_prev(std::string_view key) = 0;  // last key <= key
  virtual void seek_to_last() = 0;
  virtual void next() = 0;
  virtual void prev() = 0;
  virtual std::string_view key() const = 0;
  virtual std::string_view value() const = 0;
  virtual Status status() const = 0;
};

// Writes applied together or not at all.
class Batch {
 public:
  Batch();
  ~Batch();
  Batch(Batch&&) noexcept;
  Batch& operator=(Batch&&) noexcept;
  void put(KeySpace space, std::string_view key, std::string_view value);
  void remove(KeySpace space, std::string_view key);
  void remove_range(KeySpace space, std::string_view begin, std::string_view end);  // [begin, end)
  void append(const Batch& other);
  std::size_t count() const;
  std::size_t bytes() const;
  void clear();

 private:
  friend class RocksStore;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// As Batch, and readable before it is written: Store's get and iterate see its writes over the stored ones. What is put
// with put_blind and remove_range is written with the rest, but not read back. Used by one thread.
class IndexedBatch {
 public:
  IndexedBatch();
  ~IndexedBatch();
  IndexedBatch(IndexedBatch&&) noexcept;
  IndexedBatch& operator=(IndexedBatch&&) noexcept;
  void put(KeySpace space, std::string_view key, std::string_view value);
  void remove(KeySpace space, std::string_view key);
  void put_blind(KeySpace space, std::string_view key, std::string_view value);
  void put_blind(KeySpace space, std::string_view key, std::span<const std::string_view> parts);  // of the value
  // Room for so much, before the first write.
  void reserve(std::size_t bytes);
  void remove_range(KeySpace space, std::string_view begin, std::string_view end);  // [begin, end)
  std::size_t count() const;
  std::size_t bytes() const;
  // A point to return to; they nest. Either ends the last one.
  void set_save_point();
  void roll_back();
  void drop_save_point();

 private:
  friend class RocksStore;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class Store {
 public:
  virtual ~Store() = default;
  // Repairs nothing: a damaged store is an error that names the file. A second process on the same path is refused.
  static Result<std::unique_ptr<Store>> open(const Options& options);

  virtual std::shared_ptr<const Snapshot> snapshot() = 0;
  // A null snapshot reads the newest.
  virtual Result<std::optional<std::string>> get(KeySpace space, std::string_view key,
                                                 const Snapshot* snapshot = nullptr) = 0;
  // The iterator keeps the snapshot alive. `upper_bound` (exclusive, may be empty) lets it stop early.
  virtual std::unique_ptr<Iterator> iterate(KeySpace space, std::shared_ptr<const Snapshot> snapshot = nullptr,
                                            std::string upper_bound = {}) = 0;
  virtual Result<std::optional<std::string>> get(KeySpace space, std::string_view key, const IndexedBatch& over,
                                                 const Snapshot* snapshot = nullptr) = 0;
  // Not to be used after `over` was changed or destroyed.
  virtual std::unique_ptr<Iterator> iterate(KeySpace space, const IndexedBatch& over,
                                            std::shared_ptr<const Snapshot> snapshot = nullptr,
                                            std::string upper_bound = {}) = 0;
  // True: nothing is stored in [begin, end). False: something may be; traces of removed keys are not walked over to find out.
  virtual bool is_surely_empty(KeySpace space, std::string_view begin, std::string_view end) = 0;
  // Disk full and I/O errors come back as errors; nothing of the batch is then visible.
  virtual Status write(Batch& batch, bool sync) = 0;
  virtual Status write(IndexedBatch& batch, bool sync) = 0;
  virtual Status sync() = 0;
  // Large values (128 KB and more) lie beside the keys in files of their own, which are counted for a whole key space.
  virtual std::uint64_t approximate_bytes(KeySpace space, std::string_view begin, std::string_view end) = 0;
  virtual std::uint64_t large_value_bytes(KeySpace space) = 0;
  // Writes the files that [begin, end) is in anew, without what was removed or overwritten. Universal compaction takes all files of the
  // key space with them: it takes as long as reading and writing them does, and as much free disk. Others read and write meanwhile.
  // Stopped early, it is an error, and nothing is lost.
  virtual Status compact(KeySpace space, std::string_view begin, std::string_view end, const std::stop_token& stop) = 0;
};

}  // namespace drover::kv
