#include "sandbox/storage/write_unit.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/check.h"
#include "bson/ejson.h"
#include "bson/key_string.h"
#include "sandbox/storage/engine_impl.h"
#include "sandbox/storage/index_keys.h"
#include "sandbox/storage/oplog_entry.h"
#include "sandbox/storage/side_collections.h"

namespace drover::sandbox {

namespace {

// Of documents that come at once: fewer are not worth a look at what lies between their _ids.
constexpr std::size_t kWorthALook = 64;
// What a batch has for an inserted document beside it and its copy in the oplog; and what is reserved for one at most.
constexpr std::size_t kEntryOverhead = 200;
constexpr std::size_t kReservedBytes = 3 << 20;

Error write_conflict(ServerVersion version) {
  const auto* message = version >= ServerVersion{7, 0, 0}
                            ? "Caused by :: Write conflict during plan execution and yielding is disabled. :: Please retry your operation or multi-document transaction."
                            : "WriteConflict error: this operation conflicted with another operation. Please retry your operation or multi-document transaction.";
  return Error{ErrorCode::kTemporary, message, code::kWriteConflict, {}};
}

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

// Where a lock on a key is kept in the table.
std::string lock_name(kv::KeySpace space, std::string_view key) {
  std::string name(1, static_cast<char>(space));
  name.append(key);
  return name;
}

}  // namespace

WriteUnit::WriteUnit(Engine& engine, Transaction* transaction) : engine_(engine), transaction_(transaction) {
  engine_.impl_->writer.lock();
  holds_lock_ = true;
  if (transaction_) {
    catalog_ = transaction_->catalog_;
    transaction_->batch_.set_save_point();
  } else {
    std::lock_guard lock(engine_.impl_->state);
    catalog_ = engine_.impl_->catalog;
  }
  engine_.impl_->ascending.clear();
  last_time_ = engine_.impl_->last_time;
}

WriteUnit::~WriteUnit() {
  if (transaction_ && !committed_) transaction_->batch_.roll_back();
  release();
}

void WriteUnit::release() {
  if (!holds_lock_) return;
  holds_lock_ = false;
  engine_.impl_->writer.unlock();
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

// Makes `key` this unit's to write: nobody else's transaction holds it, and (in a transaction) it is as the view has it.
Status WriteUnit::claim(kv::KeySpace space, const std::string& key) {
  auto& locks = engine_.impl_->locks;
  if (!transaction_ && locks.empty()) return {};
  const auto name = lock_name(space, key);
  if (const auto it = locks.find(name); it != locks.end()) {
    if (it->second != transaction_) return tl::unexpected(write_conflict(engine_.options().version));
    return {};
  }
  if (!transaction_) return {};
  if (transaction_->view_->ts != engine_.last_committed()) {
    const auto now = TRY(engine_.store().get(space, key));
    const auto then = TRY(engine_.store().get(space, key, transaction_->view_->snapshot.get()));
    if (now != then) return tl::unexpected(write_conflict(engine_.options().version));
  }
  locks.emplace(name, transaction_);
  if (space == kRecords) ++engine_.impl_->locked_collections[from_big_endian(key)];
  transaction_->locks_.push_back(name);
  return {};
}

// A transaction may not write to a collection that DDL changed since its view.
Status WriteUnit::check_current(const CollectionPtr& collection) const {
  if (!transaction_) return {};
  CollectionPtr now;
  {
    std::lock_guard lock(engine_.impl_->state);
    now = engine_.impl_->catalog->find(collection->uuid);
  }
  const auto& created = transaction_->created_;
  if (now == collection || std::find(created.begin(), created.end(), collection) != created.end()) return {};
  return fail(ErrorCode::kTemporary,
              fmt::format("Unable to read from a snapshot due to pending collection catalog changes; please retry the operation. "
                          "Snapshot timestamp is Timestamp({}, {}).", transaction_->view_->ts.seconds, transaction_->view_->ts.increment),
              code::kSnapshotUnavailable);
}

Status WriteUnit::check_unique(const CollectionPtr& collection, const IndexInfo& index, const std::string& encoded, RecordId self,
                               bson::View document) {
  const auto key = index_key(index.ident, encoded);
  TRY(claim(kIndexes, key));
  bool taken = false;
  if (index.is_id()) {
    taken = TRY(get(kIndexes, key)).has_value();
  } else {
    const auto other = [&](std::unique_ptr<kv::Iterator> it) {
      for (it->seek(key); it->valid() && it->key().starts_with(key) && it->key().size() == key.size() + 8; it->next()) {
        if (static_cast<RecordId>(from_big_endian(it->key().substr(key.size()))) != self) return true;
      }
      return false;
    };
    // Bounded, for what lies behind may be the traces of any number of removed keys.
    const auto end = key + std::string(9, '\xff');
    taken = other(iterate(kIndexes, end));
    // Committed after the transaction's view: not a duplicate that it could see, but a conflict.
    if (!taken && transaction_ && transaction_->view_->ts != engine_.last_committed() &&
        other(engine_.store().iterate(kIndexes, nullptr, end)) &&
        !other(engine_.store().iterate(kIndexes, transaction_->view_->snapshot, end))) {
      return tl::unexpected(write_conflict(engine_.options().version));
    }
  }
  if (!taken) return {};
  duplicate_ = DuplicateKey{index.name, bson::Document(index.key_pattern()), index_key_value(index, document, encoded)};
  const auto collation = index.collator ? fmt::format(" collation: {}", bson::to_shell(index.collator->spec())) : std::string();
  return fail(ErrorCode::kFailure,
              fmt::format("E11000 duplicate key error collection: {} index: {}{} dup key: {}", collection->ns.to_string(), index.name,
                          collation, bson::to_shell(duplicate_->key_value)), code::kDuplicateKey);
}

void WriteUnit::put_key(const IndexInfo& index, const std::string& encoded, RecordId id) {
  if (index.is_id()) {
    const auto key = index_key(index.ident, encoded);
    engine_.impl_->ascending.put(index.ident, key);
    batch().put(kIndexes, key, big_endian(static_cast<std::uint64_t>(id)));
  } else {
    batch().put(kIndexes, index_entry(index.ident, encoded, id), {});
  }
}

void WriteUnit::remove_key(const IndexInfo& index, const std::string& encoded, RecordId id) {
  batch().remove(kIndexes, index.is_id() ? index_key(index.ident, encoded) : index_entry(index.ident, encoded, id));
}

void WriteUnit::note_multikey(const IndexInfo& index, std::uint64_t bits) {
  if (bits == 0 || (index.multikey->fetch_or(bits) & bits) == bits) return;
  (transaction_ ? transaction_->multikeys_ : multikeys_)[index.ident] = index.multikey;
}

// All checks come before the first write, so that a refused document leaves nothing behind.
Status WriteUnit::write_keys(const CollectionPtr& collection, RecordId id, bson::View document) {
  // Most collections have this index alone: its key is made once, in memory that is there already.
  if (const auto value = document["_id"]; value && collection->indexes.size() == 1 && collection->indexes.front()->is_id()) {
    const auto& index = *collection->indexes.front();
    auto& key = engine_.impl_->key_buffer;
    key.clear();
    append_big_endian(key, index.ident);
    bson::append_key_string(key, value, index.collator.get());
    TRY(claim(kIndexes, key));
    auto& ascending = engine_.impl_->ascending;
    if (!ascending.put(index.ident, key) || transaction_) {
      if (TRY(get(kIndexes, key))) return check_unique(collection, index, key.substr(sizeof index.ident), id, document);  // says how
    } else if (!ascending.is_stored_nowhere(key)) {
      if (TRY(engine_.store().get(kIndexes, key))) return check_unique(collection, index, key.substr(sizeof index.ident), id, document);
    }
    batch().put(kIndexes, key, big_endian(static_cast<std::uint64_t>(id)));
    return {};
  }
  std::vector<IndexKeys> keys;
  keys.reserve(collection->indexes.size());
  for (const auto& index : collection->indexes) {
    keys.push_back(TRY(index_keys(*index, document)));
    if (!index->unique || !index->ready) continue;
    for (const auto& key : keys.back().keys) TRY(check_unique(collection, *index, key, id, document));
  }
  for (std::size_t i = 0; i < keys.size(); ++i) {
    note_multikey(*collection->indexes[i], keys[i].multikey);
    for (const auto& key : keys[i].keys) put_key(*collection->indexes[i], key, id);
  }
  return {};
}

Status WriteUnit::remove_keys(const CollectionPtr& collection, RecordId id, bson::View document) {
  for (const auto& index : collection->indexes) {
    const auto keys = index_keys(*index, document);
    if (!keys) continue;  // it could not have been indexed
    for (const auto& key : keys->keys) {
      if (index->unique) TRY(claim(kIndexes, index_key(index->ident, key)));
      remove_key(*index, key, id);
    }
  }
  return {};
}

Status WriteUnit::change_keys(const CollectionPtr& collection, RecordId id, bson::View before, bson::View after) {
  struct Change {
    const IndexInfo* index;
    std::vector<std::string> gone, added;
    std::uint64_t multikey;
  };
  std::vector<Change> changes;
  for (const auto& index : collection->indexes) {
    if (index->is_id()) continue;  // _id never changes
    auto old_keys = index_keys(*index, before);
    auto new_keys = TRY(index_keys(*index, after));
    Change change{index.get(), {}, {}, new_keys.multikey};
    const std::vector<std::string> none;
    const auto& old_list = old_keys ? old_keys->keys : none;
    std::set_difference(old_list.begin(), old_list.end(), new_keys.keys.begin(), new_keys.keys.end(), std::back_inserter(change.gone));
    std::set_difference(new_keys.keys.begin(), new_keys.keys.end(), old_list.begin(), old_list.end(), std::back_inserter(change.added));
    if (index->unique && index->ready) {
      for (const auto& key : change.added) TRY(check_unique(collection, *index, key, id, after));
      for (const auto& key : change.gone) TRY(claim(kIndexes, index_key(index->ident, key)));
    }
    changes.push_back(std::move(change));
  }
  for (const auto& change : changes) {
    note_multikey(*change.index, change.multikey);
    for (const auto& key : change.gone) remove_key(*change.index, key, id);
    for (const auto& key : change.added) put_key(*change.index, key, id);
  }
  return {};
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
  const auto id = TRY(next_record(collection));
  TRY(write_keys(collection, id, document));
  if (transaction_) TRY(claim(kRecords, record_key(collection->ident, id)));
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
  const auto key = record_key(collection->ident, id);
  TRY(claim(kRecords, key));
  TRY(change_keys(collection, id, before, after));
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

bool WriteUnit::is_logged(const Namespace& ns) const {
  return replicated_ && ns.db != "local" && ns.collection != "system.profile";
}

// Strictly increasing, near the wall clock, never behind what was given out before.
bson::Timestamp WriteUnit::upcoming_time() const {
  const auto now = std::chrono::duration_cast<std::chrono::seconds>(engine_.runtime().wall_time().time_since_epoch()).count();
  const auto seconds = static_cast<std::uint32_t>(now);
  return seconds > last_time_.seconds ? bson::Timestamp{seconds, 1} : bson::Timestamp{last_time_.seconds, last_time_.increment + 1};
}

bson::Timestamp WriteUnit::next_time() { return last_time_ = upcoming_time(); }

void WriteUnit::log(OplogEntry entry) {
  if (transaction_) {
    transaction_->operations_.push_back(to_operation(entry));
    transaction_->operation_bytes_ += transaction_->operations_.back().size() + sizeof(bson::Document);
    return;
  }
  entry.ts = next_time();
  entry.wall = {std::chrono::duration_cast<std::chrono::milliseconds>(engine_.runtime().wall_time().time_since_epoch()).count()};
  // The document itself goes from the message into the batch.
  const auto frame = frame_of(entry, engine_.options().version);
  const std::string_view around(reinterpret_cast<const char*>(frame.bytes.data()), frame.bytes.size());
  const std::string_view parts[] = {around.substr(0, frame.o_at), bytes_of(entry.o), around.substr(frame.o_at)};
  batch().put_blind(kOplog, big_endian(entry.ts.value()), parts);
  oplog_bytes_ += parts[0].size() + parts[1].size() + parts[2].size();
  if (first_entry_.is_zero()) first_entry_ = entry.ts;
  last_entry_ = entry.ts;
}

bool WriteUnit::any_transaction_writes() const { return !engine_.impl_->locks.empty(); }

void WriteUnit::log_note(bson::View object) { log({.op = "n", .ns = "", .o = object}); }

void WriteUnit::log_command(std::string_view db, std::optional<Uuid> uuid, bson::View o, const bson::Document* o2) {
  if (!is_logged({std::string(db), ""})) return;
  const auto ns = std::string(db) + ".$cmd";
  log({.op = "c", .ns = ns, .uuid = uuid, .o = o, .o2 = o2});
}

void WriteUnit::set_image(bson::View image, Image which) {
  if (!session_) return;
  pending_image_ = bson::Document(image);
  image_kind_ = which;
}

Status WriteUnit::log_crud(char op, const CollectionPtr& collection, bson::View o, const bson::Document* o2, std::int32_t statement,
                           bson::View before) {
  if (!is_logged(collection->ns)) return {};
  auto& ns = engine_.impl_->name_buffer;
  ns.assign(collection->ns.db).append(1, '.').append(collection->ns.collection);
  const auto version = engine_.options().version;
  const auto note_image = [&](bson::View image) {
    OplogEntry note{.op = "n", .ns = ns, .uuid = collection->uuid, .o = image};
    if (session_) {
      note.lsid = &session_->lsid;
      note.txn_number = session_->txn_number;
      note.statement = statement;
    }
    log(note);
    return last_entry_;
  };
  OplogEntry entry{.op = std::string_view(&op, 1), .ns = ns, .uuid = collection->uuid, .o = o, .o2 = o2};
  const bool wants_pre_image = op != 'i' && collection->record_pre_images;
  const auto image = std::exchange(pending_image_, std::nullopt);
  const bool image_aside = image && version >= kRetryImagesSince;
  if (!transaction_) {
    if (image_aside) {
      entry.retry_image = image_kind_ == Image::kBefore ? "preImage" : "postImage";
    } else if (image) {
      (image_kind_ == Image::kBefore ? entry.pre_image : entry.post_image) = note_image(*image);
    }
    if (wants_pre_image && version < kPreImagesSince && !entry.pre_image) entry.pre_image = note_image(before);
    if (session_) {
      entry.lsid = &session_->lsid;
      entry.txn_number = session_->txn_number;
      entry.statement = statement;
      entry.previous = session_->previous;
    }
  }
  const auto statements = std::exchange(statements_, {});
  if (entry.statement && statements.size() > 1) entry.statements = statements;
  log(entry);
  if (wants_pre_image && version >= kPreImagesSince) {
    if (transaction_) {
      transaction_->pre_images_.push_back({transaction_->operations_.size() - 1, collection->uuid, bson::Document(before)});
      transaction_->operation_bytes_ += before.size();
    }
    else TRY(save_pre_image(collection->uuid, last_entry_, 0, before));
  }
  if (session_ && !transaction_) {
    if (image_aside) retry_image_ = retry_image(session_->lsid, session_->txn_number, last_entry_, entry.retry_image, *image);
    session_->previous = last_entry_;
    session_wrote_ = true;
  }
  return {};
}

Status WriteUnit::put_aside(const Namespace& ns, const bson::Document& document) {
  const auto collection = catalog().find(ns);
  if (!collection) return {};
  const auto session = std::exchange(session_, std::nullopt);
  const bool replicated = std::exchange(replicated_, false);
  const auto operations = operations_;
  const auto existing = TRY(find_by_id(*collection, document["_id"]));
  auto result = existing ? update(collection, existing->id, existing->document, document, document)
                         : insert(collection, document).map([](RecordId) {});
  operations_ = operations;
  replicated_ = replicated;
  session_ = session;
  return result;
}

Status WriteUnit::save_pre_image(const Uuid& collection, bson::Timestamp entry, std::int64_t apply_ops_index, bson::View before) {
  const auto wall = std::chrono::duration_cast<std::chrono::milliseconds>(engine_.runtime().wall_time().time_since_epoch()).count();
  return put_aside(pre_images_namespace(), pre_image(pre_image_id(collection, entry, apply_ops_index), {wall}, before));
}

Status WriteUnit::save_retry_image() {
  if (!retry_image_) return {};
  const auto image = std::exchange(retry_image_, std::nullopt);
  return put_aside(retry_images_namespace(), *image);
}

// config.transactions remembers the session's last write, in the same commit, unreplicated.
Status WriteUnit::save_session() {
  if (!session_ || !session_wrote_) return {};
  const auto collection = catalog().find(Namespace{"config", "transactions"});
  if (!collection) return {};
  bson::Builder out;
  out.append("_id", session_->lsid).append("txnNum", session_->txn_number);
  {
    auto time = out.open_document("lastWriteOpTime");
    time.append("ts", session_->previous).append("t", kTerm);
  }
  const auto wall = std::chrono::duration_cast<std::chrono::milliseconds>(engine_.runtime().wall_time().time_since_epoch()).count();
  out.append("lastWriteDate", bson::DateTime{wall});
  if (session_committed_) out.append("state", "committed");
  return put_aside(collection->ns, std::move(out).finish());
}

Result<bson::Timestamp> WriteUnit::commit() {
  CHECK(holds_lock_ && !committed_, "a write unit is committed once");
  auto& engine = *engine_.impl_;
  if (transaction_) {
    committed_ = true;
    transaction_->batch_.drop_save_point();
    if (new_catalog_) transaction_->catalog_ = new_catalog_;
    release();
    return transaction_->view_->ts;
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
    TRY(engine.write(own_batch_, first_entry_, last_entry_, new_catalog_, oplog_bytes_));
    for (const auto& [collection, now] : counters) collection->counters->with([&](auto& c) { c = now; });
    engine.last_time = last_time_;
  }
  committed_ = true;
  release();
  return last_entry_.is_zero() ? engine_.last_committed() : last_entry_;
}

}  // namespace drover::sandbox
