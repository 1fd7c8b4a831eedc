#include "kv/indexed_batch.h"

#include <algorithm>
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

// Records what the batch has already.
class KeyTable::Filling : public rocksdb::WriteBatch::Handler {
 public:
  Filling(KeyTable& table, const rocksdb::WriteBatch& batch) : table_(table), batch_(batch) {}
  rocksdb::Status PutCF(std::uint32_t family, const rocksdb::Slice& key, const rocksdb::Slice& value) override {
    table_.record_put(batch_, family - 1, {key.data(), key.size()}, {value.data(), value.size()});
    return {};
  }
  rocksdb::Status DeleteCF(std::uint32_t family, const rocksdb::Slice& key) override {
    table_.record_removal(batch_, family - 1, {key.data(), key.size()});
    return {};
  }
  rocksdb::Status DeleteRangeCF(std::uint32_t, const rocksdb::Slice&, const rocksdb::Slice&) override { return {}; }  // not read back

 private:
  KeyTable& table_;
  const rocksdb::WriteBatch& batch_;
};

void KeyTable::put(rocksdb::WriteBatch& batch, KeySpace space, std::string_view key, std::string_view value) {
  batch.Put(family_number(space), slice(key), slice(value));
  if (!made_) return;
  // The operation was put at the end of the batch's bytes: ... key, size of the value, value.
  const auto* end = batch.Data().data() + batch.GetDataSize();
  const auto* key_at = end - value.size() - varint_size(value.size()) - key.size();
  record_put(batch, space, {key_at, key.size()}, {end - value.size(), value.size()});
}

void KeyTable::remove(rocksdb::WriteBatch& batch, KeySpace space, std::string_view key) {
  batch.Delete(family_number(space), slice(key));
  if (made_) record_removal(batch, space, {batch.Data().data() + batch.GetDataSize() - key.size(), key.size()});
}

std::optional<KeyTable::Found> KeyTable::find(const rocksdb::WriteBatch& batch, KeySpace space, std::string_view key) {
  if (!made_) {
    made_ = true;
    Filling filling(*this, batch);
    const auto status = batch.Iterate(&filling);
    CHECK(status.ok(), "a batch's own operations are read back");
  }
  if (entries_.empty()) return std::nullopt;
  const auto slot = slots_[slot_of(batch, space, key, std::hash<std::string_view>()(key))];
  if (slot == 0) return std::nullopt;
  const auto& entry = entries_[slot - 1];
  return Found{entry.removed, {batch.Data().data() + entry.value_at, entry.value_size}};
}

void KeyTable::record_put(const rocksdb::WriteBatch& batch, KeySpace space, std::string_view key, std::string_view value) {
  const auto* bytes = batch.Data().data();
  record(batch, {.key_at = static_cast<std::size_t>(key.data() - bytes), .value_at = static_cast<std::size_t>(value.data() - bytes),
                 .key_size = static_cast<std::uint32_t>(key.size()), .value_size = static_cast<std::uint32_t>(value.size()), .space = space});
}

void KeyTable::record_removal(const rocksdb::WriteBatch& batch, KeySpace space, std::string_view key) {
  record(batch, {.key_at = static_cast<std::size_t>(key.data() - batch.Data().data()), .key_size = static_cast<std::uint32_t>(key.size()),
                 .space = space, .removed = true});
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
void IndexedBatch::put_blind(KeySpace space, std::string_view key, std::span<const std::string_view> parts) {
  std::array<rocksdb::Slice, 8> slices;
  CHECK(parts.size() <= slices.size(), "a value of more parts than there is room for");
  std::transform(parts.begin(), parts.end(), slices.begin(), slice);
  const auto whole_key = slice(key);
  impl_->native().Put(family_number(space), rocksdb::SliceParts(&whole_key, 1), rocksdb::SliceParts(slices.data(), static_cast<int>(parts.size())));
}
void IndexedBatch::reserve(std::size_t bytes) {
  if (!impl_->ordered && impl_->plain.Count() == 0) impl_->plain = rocksdb::WriteBatch(bytes);
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
