#include <sys/statvfs.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <thread>

#include <fmt/format.h>
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/table_properties.h>
#include <rocksdb/write_buffer_manager.h>

#include "kv/indexed_batch.h"
#include "kv/rocks_options.h"
#include "kv/store.h"

namespace drover::kv {

namespace {

constexpr std::uint64_t kRemovedKeysWalkedOver = 64;
// A writer that waits for room in the write buffers looks so often; when no flush is under way, what fills them is kept by iterators, and
// it waits no longer than this.
constexpr auto kLookAtBuffers = std::chrono::milliseconds(1);
constexpr auto kPatienceWithReaders = std::chrono::milliseconds(500);
// The space of a disk below which it may be full at any moment.
constexpr std::uint64_t kLittleSpace = 256 << 20;

// Unknown counts as little.
bool has_little_space(const std::string& path) {
  struct statvfs disk{};
  return ::statvfs(path.c_str(), &disk) != 0 || static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize < kLittleSpace;
}

rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }
std::string_view text(const rocksdb::Slice& bytes) { return {bytes.data(), bytes.size()}; }

Status to_status(const rocksdb::Status& status, std::string_view doing) {
  if (status.ok()) return {};
  const bool full = status.IsNoSpace();
  return fail(full ? ErrorCode::kTemporary : ErrorCode::kFailure,
              fmt::format("{}: {}{}", doing, status.ToString(), full ? " (free some disk space and try again)" : ""),
              full ? 14031 : 0);  // OutOfDiskSpace
}

// A file of before there was the property may.
bool may_hold_keys_before(const rocksdb::TableProperties& table, const std::string& end) {
  const auto first = table.user_collected_properties.find(kFirstKeyProperty);
  return first == table.user_collected_properties.end() || first->second < end;
}

class RocksIterator : public Iterator {
 public:
  RocksIterator(std::shared_ptr<const Snapshot> snapshot, std::string upper) : snapshot_(std::move(snapshot)), upper_(std::move(upper)) {
    upper_slice_ = upper_;
  }
  // Of files that lie behind the bound not even a block is read: a merge would keep the first one of each, as large as a document may be.
  void bound(rocksdb::ReadOptions& options) const {
    if (upper_.empty()) return;
    options.iterate_upper_bound = &upper_slice_;
    options.table_filter = [this](const rocksdb::TableProperties& table) { return may_hold_keys_before(table, upper_); };
  }
  void set(rocksdb::Iterator* iterator) { iterator_.reset(iterator); }

  bool valid() const override {
    return iterator_->Valid() && (upper_.empty() || iterator_->key().compare(upper_slice_) < 0);
  }
  void seek(std::string_view key) override { iterator_->Seek(slice(key)); }
  void seek_for_prev(std::string_view key) override {
    // RocksDB's iterators with an upper bound may be positioned at it: nothing at or over the bound is ever shown.
    if (!upper_.empty() && key >= upper_) return seek_to_last();
    iterator_->SeekForPrev(slice(key));
  }
  void seek_to_last() override {
    if (upper_.empty()) return iterator_->SeekToLast();
    iterator_->SeekForPrev(upper_slice_);
    if (iterator_->Valid() && iterator_->key() == upper_slice_) iterator_->Prev();
  }
  void next() override { iterator_->Next(); }
  void prev() override { iterator_->Prev(); }
  std::string_view key() const override { return text(iterator_->key()); }
  std::string_view value() const override { return text(iterator_->value()); }
  Status status() const override { return to_status(iterator_->status(), "reading the store"); }

 private:
  std::shared_ptr<const Snapshot> snapshot_;
  std::string upper_;
  rocksdb::Slice upper_slice_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
};

}  // namespace

class Snapshot {
 public:
  explicit Snapshot(rocksdb::DB* db) : db_(db), snapshot_(db->GetSnapshot()) {}
  ~Snapshot() { db_->ReleaseSnapshot(snapshot_); }
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;
  const rocksdb::Snapshot* get() const { return snapshot_; }

 private:
  rocksdb::DB* db_;
  const rocksdb::Snapshot* snapshot_;
};

// Operations are recorded with the number of their key space and put into RocksDB's form at once: the column families of
// the one store of a process are known to its batches through this table.
struct Batch::Impl {
  struct Operation {
    enum class Kind { kPut, kRemove, kRemoveRange } kind;
    KeySpace space;
    std::string key, value;
  };
  std::vector<Operation> operations;
  std::size_t bytes = 0;
};
Batch::Batch() : impl_(std::make_unique<Impl>()) {}
Batch::~Batch() = default;
Batch::Batch(Batch&&) noexcept = default;
Batch& Batch::operator=(Batch&&) noexcept = default;
void Batch::put(KeySpace space, std::string_view key, std::string_view value) {
  impl_->operations.push_back({Impl::Operation::Kind::kPut, space, std::string(key), std::string(value)});
  impl_->bytes += key.size() + value.size();
}
void Batch::remove(KeySpace space, std::string_view key) {
  impl_->operations.push_back({Impl::Operation::Kind::kRemove, space, std::string(key), {}});
  impl_->bytes += key.size();
}
void Batch::remove_range(KeySpace space, std::string_view begin, std::string_view end) {
  impl_->operations.push_back({Impl::Operation::Kind::kRemoveRange, space, std::string(begin), std::string(end)});
  impl_->bytes += begin.size() + end.size();
}
void Batch::append(const Batch& other) {
  impl_->operations.insert(impl_->operations.end(), other.impl_->operations.begin(), other.impl_->operations.end());
  impl_->bytes += other.impl_->bytes;
}
std::size_t Batch::count() const { return impl_->operations.size(); }
std::size_t Batch::bytes() const { return impl_->bytes; }
void Batch::clear() {
  impl_->operations.clear();
  impl_->bytes = 0;
}

class RocksStore : public Store {
 public:
  static Result<std::unique_ptr<Store>> open(const Options& options);
  ~RocksStore() override {
    for (auto* family : families_) db_->DestroyColumnFamilyHandle(family);
    if (db_) {
      db_->Close();
      delete db_;
    }
  }

  std::shared_ptr<const Snapshot> snapshot() override { return std::make_shared<const Snapshot>(db_); }
  Result<std::optional<std::string>> get(KeySpace space, std::string_view key, const Snapshot* snapshot) override {
    rocksdb::PinnableSlice value;
    return found(db_->Get(read_options(snapshot), family(space), slice(key), &value), value);
  }
  Result<std::optional<std::string>> get(KeySpace space, std::string_view key, const IndexedBatch& over,
                                         const Snapshot* snapshot) override {
    auto& batch = *over.impl_;
    rocksdb::PinnableSlice value;
    if (batch.ordered) {
      return found(batch.ordered->GetFromBatchAndDB(db_, read_options(snapshot), family(space), slice(key), &value), value);
    }
    if (const auto written = batch.table.find(batch.plain, space, key)) {
      if (written->removed) return std::optional<std::string>();
      return std::optional<std::string>(written->value);
    }
    return get(space, key, snapshot);
  }
  std::unique_ptr<Iterator> iterate(KeySpace space, std::shared_ptr<const Snapshot> snapshot, std::string upper_bound) override {
    auto options = read_options(snapshot.get());
    auto iterator = std::make_unique<RocksIterator>(std::move(snapshot), std::move(upper_bound));
    iterator->bound(options);
    iterator->set(db_->NewIterator(options, family(space)));
    return iterator;
  }
  std::unique_ptr<Iterator> iterate(KeySpace space, const IndexedBatch& over, std::shared_ptr<const Snapshot> snapshot,
                                    std::string upper_bound) override {
    auto options = read_options(snapshot.get());
    auto iterator = std::make_unique<RocksIterator>(std::move(snapshot), std::move(upper_bound));
    iterator->bound(options);
    // The merged iterator knows no bound of the batch; RocksIterator checks it.
    auto* base = db_->NewIterator(options, family(space));
    iterator->set(over.impl_->make_ordered().NewIteratorWithBase(family(space), base));
    return iterator;
  }
  bool is_surely_empty(KeySpace space, std::string_view begin, std::string_view end) override {
    const auto upper = slice(end);
    auto options = read_options(nullptr);
    options.iterate_upper_bound = &upper;
    options.max_skippable_internal_keys = kRemovedKeysWalkedOver;
    const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options, family(space)));
    it->Seek(slice(begin));
    return !it->Valid() && it->status().ok();
  }
  Status write(Batch& batch, bool sync) override {
    rocksdb::WriteBatch native(batch.bytes() + batch.count() * 16);
    await_flushes(batch.bytes());
    for (const auto& operation : batch.impl_->operations) {
      auto* handle = family(operation.space);
      using Kind = Batch::Impl::Operation::Kind;
      switch (operation.kind) {
        case Kind::kPut: native.Put(handle, operation.key, operation.value); break;
        case Kind::kRemove: native.Delete(handle, operation.key); break;
        case Kind::kRemoveRange: native.DeleteRange(handle, operation.key, operation.value); break;
      }
    }
    return write_native(&native, sync);
  }
  Status write(IndexedBatch& batch, bool sync) override {
    await_flushes(batch.bytes());
    return write_native(&batch.impl_->native(), sync);
  }
  // There is nothing to sync in memory. SyncWAL goes beside the writes, but ends the process when one of them has failed in the same
  // file; a write of nothing waits for the others and looks first. So it is done where a write has failed, and where one may fail for want of space.
  Status sync() override {
    if (memory_env_) return {};
    rocksdb::WriteBatch nothing;
    rocksdb::WriteOptions synced;
    synced.sync = true;
    const auto status = failed_ || has_little_space(path_) ? db_->Write(synced, &nothing) : db_->SyncWAL();
    return to_status(status, "writing the journal to disk");
  }
  std::uint64_t approximate_bytes(KeySpace space, std::string_view begin, std::string_view end) override {
    rocksdb::SizeApproximationOptions options;
    options.include_memtables = true;
    rocksdb::Range range(slice(begin), slice(end));
    std::uint64_t size = 0;
    db_->GetApproximateSizes(options, family(space), &range, 1, &size);
    return size;
  }
  std::uint64_t large_value_bytes(KeySpace space) override {
    std::uint64_t size = 0;
    db_->GetIntProperty(family(space), rocksdb::DB::Properties::kLiveBlobFileSize, &size);
    return size;
  }
  Status compact(KeySpace space, std::string_view begin, std::string_view end, const std::stop_token& stop) override {
    std::atomic<bool> canceled = false;
    const std::stop_callback cancel(stop, [&] { canceled = true; });
    rocksdb::CompactRangeOptions options;
    options.exclusive_manual_compaction = false;
    options.blob_garbage_collection_policy = rocksdb::BlobGarbageCollectionPolicy::kForce;
    options.blob_garbage_collection_age_cutoff = 1;
    options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
    options.canceled = &canceled;
    const auto from = slice(begin), to = slice(end);
    return to_status(db_->CompactRange(options, family(space), &from, &to), "compacting a range of keys");
  }

 private:
  rocksdb::ColumnFamilyHandle* family(KeySpace space) const { return families_[space + 1]; }
  static rocksdb::ReadOptions read_options(const Snapshot* snapshot) {
    rocksdb::ReadOptions options;
    options.snapshot = snapshot ? snapshot->get() : nullptr;
    return options;
  }
  static Result<std::optional<std::string>> found(const rocksdb::Status& status, const rocksdb::PinnableSlice& value) {
    if (status.IsNotFound()) return std::optional<std::string>();
    TRY(to_status(status, "reading the store"));
    return std::optional<std::string>(std::in_place, value.data(), value.size());
  }
  // RocksDB begins a flush when write buffers come to their limit, but takes more writes meanwhile, up to two buffers of each key space
  // and a batch on top; and a flushed buffer stays as long as an iterator reads it. Here the writer waits while a flush is under way.
  // For iterators alone, and for a flush that cannot go on (its disk is full), it waits a little and no more.
  void await_flushes(std::size_t more) {
    if (failed_) return;
    auto idle_since = std::chrono::steady_clock::now();
    while (buffers_->memory_usage() + more > buffers_limit_ && buffers_->memory_usage() > buffers_->mutable_memtable_memory_usage()) {
      const auto now = std::chrono::steady_clock::now();
      if (is_flushing()) idle_since = now;
      if (now - idle_since >= kPatienceWithReaders) return;
      std::this_thread::sleep_for(kLookAtBuffers);
    }
  }
  bool is_flushing() {
    std::uint64_t running = 0;
    return db_->GetIntProperty(rocksdb::DB::Properties::kNumRunningFlushes, &running) && running > 0;
  }
  Status write_native(rocksdb::WriteBatch* batch, bool sync) {
    rocksdb::WriteOptions options;
    options.sync = sync;
    auto status = db_->Write(options, batch);
    // A full disk stops RocksDB's background work; once there is space again it goes on from here.
    if (!status.ok()) {
      failed_ = true;
      if (db_->Resume().ok()) status = db_->Write(options, batch);
    }
    if (failed_ && status.ok()) failed_ = false;
    return to_status(status, "writing to the store");
  }

  std::string path_;
  std::atomic<bool> failed_ = false;  // the last write
  std::unique_ptr<rocksdb::Env> memory_env_;
  rocksdb::DB* db_ = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> families_;
  std::shared_ptr<rocksdb::WriteBufferManager> buffers_;
  std::size_t buffers_limit_ = 0;  // of all write buffers, those that are being flushed included
};

Result<std::unique_ptr<Store>> RocksStore::open(const Options& options) {
  auto store = std::make_unique<RocksStore>();
  const auto cache = make_cache(options.memory_bytes);
  auto database = database_options(options, cache);
  store->buffers_ = database.write_buffer_manager;
  store->buffers_limit_ = options.memory_bytes;
  if (options.in_memory) {
    store->memory_env_.reset(rocksdb::NewMemEnv(rocksdb::Env::Default()));
    database.env = store->memory_env_.get();
  } else {
    store->path_ = options.path;
    std::error_code error;
    std::filesystem::create_directories(options.path, error);
    if (error) return fail(ErrorCode::kUnsupported, fmt::format("creating the data directory '{}': {}", options.path, error.message()));
  }
  std::vector<rocksdb::ColumnFamilyDescriptor> families{{rocksdb::kDefaultColumnFamilyName, family_options(options, cache, Reading::kOneByOne)}};
  for (KeySpace space = 0; space < options.key_spaces.size(); ++space) {
    const bool scanned = std::find(options.scanned.begin(), options.scanned.end(), space) != options.scanned.end();
    families.emplace_back(options.key_spaces[space], family_options(options, cache, scanned ? Reading::kInOrder : Reading::kOneByOne));
  }
  const auto status = rocksdb::DB::Open(database, options.in_memory ? "/memory" : options.path, families, &store->families_, &store->db_);
  if (!status.ok()) {
    return fail(ErrorCode::kUnsupported, fmt::format("opening the store in '{}': {} (is another process using it?)", options.path, status.ToString()));
  }
  for (std::size_t i = 0; i < store->families_.size(); ++i) {
    // Batches know families by number (IndexedBatch); families are only ever made in this order.
    if (store->families_[i]->GetID() != i) return fail(ErrorCode::kUnsupported, fmt::format("the store in '{}' has other key spaces", options.path));
  }
  return store;
}

Result<std::unique_ptr<Store>> Store::open(const Options& options) { return RocksStore::open(options); }

}  // namespace drover::kv
