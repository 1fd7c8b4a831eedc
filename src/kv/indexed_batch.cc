#include "kv/indexed_batch.h"

#include <array>
#include <functional>

#include "base/check.h"

namespace drover::kv {

namespace {

rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }

class FamilyNumber : public rocksdb::ColumnFamilyHandle {
 public:
  explicit FamilyNumber(std::uint32_t id) : id_(id) {}
  const std::string& GetName() const override { return name_; }
  std::uint32_t GetID() const override { return id_; }
  rocksdb::Status GetDescriptor(rocksdb::ColumnFamilyDescriptor*) override { return rocksdb::Status::NotSupported(); }
  const rocksdb::Comparator* GetComparator() const override { return rocksdb::BytewiseComparator(); }

 private:
  std::uint32_t id_;
  std::string name_;
};

// Puts a batch's operations into an ordered one, in their order.
class Replay : public rocksdb::WriteBatch::Handler {
 public:
  explicit Replay(rocksdb::WriteBatchWithIndex& to) : to_(to) {}
  rocksdb::Status PutCF(std::uint32_t family, const rocksdb::Slice& key, const rocksdb::Slice& value) override {
    return to_.Put(family_number(family - 1), key, value);
  }
  rocksdb::Status DeleteCF(std::uint32_t family, const rocksdb::Slice& key) override { return to_.Delete(family_number(family - 1), key); }
  rocksdb::Status DeleteRangeCF(std::uint32_t family, const rocksdb::Slice& begin, const rocksdb::Slice& end) override {
    return to_.GetWriteBatch()->DeleteRange(family_number(family - 1), begin, end);
  }

 private:
  rocksdb::WriteBatchWithIndex& to_;
};

std::size_t varint_size(std::size_t value) {
  std::size_t size = 1;
  while (value >= 128) {
    value >>= 7;
    ++size;
  }
  return size;
}

}  // namespace

rocksdb::ColumnFamilyHandle* family_number(KeySpace space) {
  static std::array<FamilyNumber, 8> numbers{FamilyNumber(1), FamilyNumber(2), FamilyNumber(3), FamilyNumber(4),
                                             FamilyNumber(5), FamilyNumber(6), FamilyNumber(7), FamilyNumber(8)};
  CHECK(space < numbers.size(), "a key space that no store has");
  return &numbers[space];
}

void KeyTable::put(rocksdb::WriteBatch& batch, KeySpace space, std::string_view key, std::string_view value) {
  batch.Put(family_number(space), slice(key), slice(value));
  // The operation was put at the end of the batch's bytes: ... key, size of the value, value.
  const auto value_at = batch.GetDataSize() - value.size();
  record(batch, {.key_at = value_at - varint_size(value.size()) - key.size(), .value_at = value_at,
                 .key_size = static_cast<std::uint32_t>(key.size()), .value_size = static_cast<std::uint32_t>(value.size()), .space = space});
}

void KeyTable::remove(rocksdb::WriteBatch& batch, KeySpace space, std::string_view key) {
  batch.Delete(family_number(space), slice(key));
  record(batch, {.key_at = batch.GetDataSize() - key.size(), .key_size = static_cast<std::uint32_t>(key.size()), .space = space, .removed = true});
}

std::optional<KeyTable::Found> KeyTable::find(const rocksdb::WriteBatch& batch, KeySpace space, std::string_view key) const {
  if (entries_.empty()) return std::nullopt;
  const auto slot = slots_[slot_of(batch, space, key, std::hash<std::string_view>()(key))];
  if (slot == 0) return std::nullopt;
  const auto& entry = entries_[slot - 1];
  return Found{entry.removed, {batch.Data().data() + entry.value_at, entry.value_size}};
}

void KeyTable::record(const rocksdb::WriteBatch& batch, Entry entry) {
  const std::string_view key(batch.Data().data() + entry.key_at, entry.key_size);
  entry.hash = std::hash<std::string_view>()(key);
  if (slots_.size() < 2 * (entries_.size() + 1)) grow();
  auto& slot = slots_[slot_of(batch, entry.space, key, entry.hash)];
  if (slot != 0) {
    entries_[slot - 1] = entry;
    return;
  }
  entries_.push_back(entry);
  slot = static_cast<std::uint32_t>(entries_.size());
}

// The slot of the key, or the free one where it belongs.
std::size_t KeyTable::slot_of(const rocksdb::WriteBatch& batch, KeySpace space, std::string_view key, std::uint64_t hash) const {
  const auto mask = slots_.size() - 1;
  for (auto at = (hash + space) & mask;; at = (at + 1) & mask) {
    if (slots_[at] == 0) return at;
    const auto& entry = entries_[slots_[at] - 1];
    if (entry.hash == hash && entry.space == space && std::string_view(batch.Data().data() + entry.key_at, entry.key_size) == key) return at;
  }
}

void KeyTable::grow() {
  slots_.assign(std::max<std::size_t>(64, slots_.size() * 2), 0);
  const auto mask = slots_.size() - 1;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    auto at = (entries_[i].hash + entries_[i].space) & mask;
    while (slots_[at] != 0) at = (at + 1) & mask;
    slots_[at] = static_cast<std::uint32_t>(i + 1);
  }
}

rocksdb::WriteBatchWithIndex& IndexedBatch::Impl::make_ordered() {
  if (ordered) return *ordered;
  ordered.emplace(rocksdb::BytewiseComparator(), 0, /*overwrite_key=*/true);
  Replay replay(*ordered);
  const auto status = plain.Iterate(&replay);
  CHECK(status.ok(), "a batch's own operations are read back");
  plain.Clear();
  table = {};
  return *ordered;
}

IndexedBatch::IndexedBatch() : impl_(std::make_unique<Impl>()) {}
IndexedBatch::~IndexedBatch() = default;
IndexedBatch::IndexedBatch(IndexedBatch&&) noexcept = default;
IndexedBatch& IndexedBatch::operator=(IndexedBatch&&) noexcept = default;
void IndexedBatch::put(KeySpace space, std::string_view key, std::string_view value) {
  if (impl_->ordered) {
    impl_->ordered->Put(family_number(space), slice(key), slice(value));
  } else {
    impl_->table.put(impl_->plain, space, key, value);
  }
}
void IndexedBatch::remove(KeySpace space, std::string_view key) {
  if (impl_->ordered) {
    impl_->ordered->Delete(family_number(space), slice(key));
  } else {
    impl_->table.remove(impl_->plain, space, key);
  }
}
void IndexedBatch::put_blind(KeySpace space, std::string_view key, std::string_view value) {
  impl_->native().Put(family_number(space), slice(key), slice(value));
}
void IndexedBatch::remove_range(KeySpace space, std::string_view begin, std::string_view end) {
  impl_->native().DeleteRange(family_number(space), slice(begin), slice(end));
}
std::size_t IndexedBatch::count() const { return impl_->native().Count(); }
std::size_t IndexedBatch::bytes() const { return impl_->native().GetDataSize(); }
void IndexedBatch::set_save_point() { impl_->make_ordered().SetSavePoint(); }
void IndexedBatch::roll_back() { impl_->make_ordered().RollbackToSavePoint(); }
void IndexedBatch::drop_save_point() { impl_->make_ordered().PopSavePoint(); }

}  // namespace drover::kv
