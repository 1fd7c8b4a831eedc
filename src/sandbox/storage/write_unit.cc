#include "sandbox/storage/write_unit.h"

#include <algorithm>

#include "base/check.h"
#include "bson/key_string.h"
#include "sandbox/storage/engine_impl.h"
#include "sandbox/storage/oplog_entry.h"
#include "sandbox/storage/side_collections.h"

namespace drover::sandbox {

namespace {

// Of documents that come at once: fewer are not worth a look at what lies between their _ids.
constexpr std::size_t kWorthALook = 64;
// What a batch has for an inserted document beside it and its copy in the oplog; and what is reserved for one at most.
constexpr std::size_t kEntryOverhead = 200;
constexpr std::size_t kReservedBytes = 3 << 20;

bson::Document id_of(bson::View document) {
  bson::Builder out;
  if (const auto id = document["_id"]) out.append_raw(id);
  return std::move(out).finish();
}

// A record's key, where it is only handed on.
struct ShortKey {
  ShortKey(Ident ident, RecordId id) {
    for (int i = 0; i < 8; ++i) {
      bytes[i] = static_cast<char>(ident >> (56 - 8 * i));
      bytes[8 + i] = static_cast<char>(static_cast<std::uint64_t>(id) >> (56 - 8 * i));
    }
  }
  operator std::string_view() const { return {bytes, sizeof bytes}; }
  char bytes[16];
};

}  // namespace

WriteUnit::WriteUnit(Engine& engine, Transaction* transaction, std::unique_lock<std::timed_mutex> lock)
    : engine_(engine), transaction_(transaction), lock_(std::move(lock)) {
  if (transaction_) {
    catalog_ = transaction_->catalog_;
    transaction_->batch_.set_save_point();
  } else {
    std::lock_guard lock(engine_.impl_->state);
    catalog_ = engine_.impl_->catalog;
  }
  engine_.impl_->ascending.clear();
  last_time_ = std::max(engine_.impl_->last_time, bson::Timestamp::from_value(engine_.impl_->heard_time));
}

WriteUnit::~WriteUnit() {
  if (transaction_ && !committed_) transaction_->batch_.roll_back();
  if (lock_) lock_.unlock();
}

kv::IndexedBatch& WriteUnit::batch() { return transaction_ ? transaction_->batch_ : own_batch_; }
const Catalog& WriteUnit::catalog() const { return new_catalog_ ? *new_catalog_ : *catalog_; }
std::size_t WriteUnit::bytes() const { return transaction_ ? transaction_->batch_.bytes() : own_batch_.bytes(); }

Result<std::optional<std::string>> WriteUnit::get(kv::KeySpace space, std::string_view key) const {
  if (transaction_) return engine_.store().get(space, key, transaction_->batch_, transaction_->view_->snapshot.get());
  return engine_.store().get(space, key, own_batch_);
}

std::unique_ptr<kv::Iterator> WriteUnit::iterate(kv::KeySpace space, std::string upper_bound) const {
  if (transaction_) return engine_.store().iterate(space, transaction_->batch_, transaction_->view_->snapshot, std::move(upper_bound));
  return engine_.store().iterate(space, own_batch_, nullptr, std::move(upper_bound));
}

Result<RecordId> WriteUnit::next_record(const CollectionPtr& collection) {
  auto& next = *collection->next_record;
  if (next.load() == 0) {
    auto it = engine_.store().iterate(kRecords, nullptr, big_endian(collection->ident + 1));
    it->seek_to_last();
    TRY(it->status());
    const bool any = it->valid() && it->key().starts_with(big_endian(collection->ident));
    next = any ? static_cast<RecordId>(from_big_endian(it->key().substr(8))) + 1 : 1;
  }
  return next.fetch_add(1);
}

void WriteUnit::expect_inserts(const CollectionPtr& collection, std::span<const bson::View> documents) {
  if (transaction_ || documents.empty()) return;
  std::size_t bytes = 0;
  for (const auto& document : documents) {
    bytes += 2 * document.size() + kEntryOverhead;
    if (bytes > kReservedBytes) break;
  }
  // A large document gets all the room it needs at once: what grows by doubling takes three times as much when it does.
  const auto first = 2 * documents.front().size() + kEntryOverhead;
  if (documents.size() >= kWorthALook || first > kReservedBytes) own_batch_.reserve(std::max(std::min(bytes, kReservedBytes), first));
  if (documents.size() < kWorthALook) return;
  const auto* index = collection->id_index();
  const auto first_id = documents.front()["_id"], last_id = documents.back()["_id"];
  if (!index || !first_id || !last_id) return;
  auto from = index_key(index->ident, bson::key_string(first_id, index->collator.get()));
  auto to = index_key(index->ident, bson::key_string(last_id, index->collator.get()));
  if (from >= to || !engine_.store().is_surely_empty(kIndexes, from, to + '\0')) return;
  engine_.impl_->ascending.note_free(std::move(from), std::move(to));
}

Result<RecordId> WriteUnit::insert(const CollectionPtr& collection, bson::View document, std::int32_t statement) {
  TRY(check_current(collection));
  if (replicated_) TRY(check_session_document(collection->ns, document, session_.has_value()));
  const auto id = TRY(next_record(collection));
  TRY(write_keys(collection, id, document));
  if (transaction_) TRY(claim(kRecords, record_key(collection->ident, id)));
  collection->note_size(document.size());
  batch().put(kRecords, ShortKey(collection->ident, id), bytes_of(document));
  count(collection, 1, static_cast<std::int64_t>(document.size()));
  // Since 5.3 an insert's entry names its document as an update's does.
  if (engine_.options().version >= ServerVersion{5, 3, 0}) {
    const auto o2 = id_of(document);
    TRY(log_crud('i', collection, document, &o2, statement));
  } else {
    TRY(log_crud('i', collection, document, nullptr, statement));
  }
  touch_views(collection);
  ++operations_;
  if (collection->capped) TRY(trim_capped(collection));
  return id;
}

Status WriteUnit::update(const CollectionPtr& collection, RecordId id, bson::View before, bson::View after, bson::View oplog_object,
                         std::int32_t statement) {
  TRY(check_current(collection));
  TRY(check_version_document(collection->ns, before, &after, engine_.options().version));
  if (replicated_) TRY(check_session_document(collection->ns, after, session_.has_value()));
  const auto key = record_key(collection->ident, id);
  TRY(claim(kRecords, key));
  TRY(change_keys(collection, id, before, after));
  collection->note_size(after.size());
  batch().put(kRecords, key, bytes_of(after));
  count(collection, 0, static_cast<std::int64_t>(after.size()) - static_cast<std::int64_t>(before.size()));
  const auto o2 = id_of(before);
  TRY(log_crud('u', collection, oplog_object, &o2, statement, before));
  touch_views(collection);
  ++operations_;
  return {};
}

Status WriteUnit::remove(const CollectionPtr& collection, RecordId id, bson::View document, std::int32_t statement) {
  TRY(check_current(collection));
  TRY(check_version_document(collection->ns, document, nullptr, engine_.options().version));
  if (replicated_) TRY(check_session_document(collection->ns, document, session_.has_value()));
  const auto key = record_key(collection->ident, id);
  TRY(claim(kRecords, key));
  TRY(remove_keys(collection, id, document));
  batch().remove(kRecords, key);
  count(collection, -1, -static_cast<std::int64_t>(document.size()));
  TRY(log_crud('d', collection, id_of(document), nullptr, statement, document));
  touch_views(collection);
  ++operations_;
  return {};
}

// Over its size or number, the oldest go: without entries, as every member does it by itself.
Status WriteUnit::trim_capped(const CollectionPtr& collection) {
  const auto& delta = (transaction_ ? transaction_->deltas_ : deltas_)[collection->ident];
  auto counters = collection->counters->copy();
  counters.records += delta.records;
  counters.bytes += delta.bytes;
  const auto over = [&] {
    return (collection->capped_size > 0 && counters.bytes > collection->capped_size) ||
           (collection->capped_max > 0 && counters.records > collection->capped_max);
  };
  if (!over()) return {};
  std::vector<std::pair<RecordId, bson::Document>> oldest;
  RecordCursor cursor(*this, *collection);
  while (over() && counters.records > 1) {
    const auto document = TRY(cursor.next());
    if (!document) break;
    oldest.emplace_back(cursor.id(), *document);
    counters.records -= 1;
    counters.bytes -= static_cast<std::int64_t>(document->size());
  }
  for (const auto& [id, document] : oldest) {
    TRY(remove_keys(collection, id, document));
    batch().remove(kRecords, record_key(collection->ident, id));
    count(collection, -1, -static_cast<std::int64_t>(document.size()));
  }
  return {};
}

void WriteUnit::count(const CollectionPtr& collection, std::int64_t records, std::int64_t bytes) {
  auto& delta = (transaction_ ? transaction_->deltas_ : deltas_)[collection->ident];
  if (!delta.collection) delta.collection = collection;
  delta.records += records;
  delta.bytes += bytes;
}

// Strictly increasing, near the wall clock, never behind what was given out before or heard of. An increment has 31 bits.
bson::Timestamp WriteUnit::upcoming_time() const {
  const auto now = std::chrono::duration_cast<std::chrono::seconds>(engine_.runtime().wall_time().time_since_epoch()).count();
  const auto seconds = static_cast<std::uint32_t>(now);
  if (seconds > last_time_.seconds) return {seconds, 1};
  if (last_time_.increment >= INT32_MAX) return {last_time_.seconds + 1, 1};
  return {last_time_.seconds, last_time_.increment + 1};
}

bson::Timestamp WriteUnit::next_time() { return last_time_ = upcoming_time(); }

bool WriteUnit::any_transaction_writes() const { return !engine_.impl_->locks.empty(); }

Result<bson::Timestamp> WriteUnit::commit() {
  CHECK(lock_.owns_lock() && !committed_, "a write unit is committed once");
  auto& engine = *engine_.impl_;
  if (transaction_) {
    committed_ = true;
    transaction_->batch_.drop_save_point();
    if (new_catalog_) transaction_->catalog_ = new_catalog_;
    lock_.unlock();
    return transaction_->view_->ts;
  }
  if (!last_entry_.is_zero() && !engine.primary) {
    return fail(ErrorCode::kTemporary, "operation was interrupted", code::kInterruptedDueToReplStateChange);
  }
  TRY(save_retry_image());
  TRY(save_session());
  for (const auto& db : view_databases_) TRY(refresh_views(db));
  std::vector<std::pair<CollectionPtr, CollectionCounters>> counters;
  for (const auto& [ident, delta] : deltas_) {
    auto now = delta.collection->counters->copy();
    now.records += delta.records;
    now.bytes += delta.bytes;
    std::string stored = big_endian(static_cast<std::uint64_t>(now.records));
    append_big_endian(stored, static_cast<std::uint64_t>(now.bytes));
    own_batch_.put_blind(kMeta, meta_key('n', ident), stored);
    counters.emplace_back(delta.collection, now);
  }
  for (const auto& [ident, bits] : multikeys_) own_batch_.put_blind(kMeta, meta_key('m', ident), big_endian(bits->load()));
  if (new_idents_) own_batch_.put_blind(kMeta, "ident", big_endian(engine.next_ident));
  if (own_batch_.count() > 0) {
    TRY(engine.write(own_batch_, first_entry_, last_entry_, new_catalog_, {oplog_bytes_, oplog_entries_}));
    for (const auto& [collection, now] : counters) collection->counters->with([&](auto& c) { c = now; });
    engine.last_time = last_time_;
  }
  committed_ = true;
  lock_.unlock();
  return last_entry_.is_zero() ? engine_.last_committed() : last_entry_;
}

}  // namespace drover::sandbox
