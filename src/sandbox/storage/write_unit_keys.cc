// Index entries of a write unit: what they are, whether they may be, and who else has written them.
#include <algorithm>

#include <fmt/format.h>

#include "bson/ejson.h"
#include "bson/key_string.h"
#include "sandbox/storage/engine_impl.h"
#include "sandbox/storage/index_keys.h"

namespace drover::sandbox {

namespace {

Error write_conflict(ServerVersion version) {
  const auto* message = version >= ServerVersion{7, 0, 0}
                            ? "Caused by :: Write conflict during plan execution and yielding is disabled. :: Please retry your operation or multi-document transaction."
                            : "WriteConflict error: this operation conflicted with another operation. Please retry your operation or multi-document transaction.";
  return Error{ErrorCode::kTemporary, message, code::kWriteConflict, {}};
}

// Where a lock on a key is kept in the table.
std::string lock_name(kv::KeySpace space, std::string_view key) {
  std::string name(1, static_cast<char>(space));
  name.append(key);
  return name;
}

}  // namespace

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
    const bool may_be_stored = !ascending.put(index.ident, key) || transaction_
                                   ? TRY(get(kIndexes, key)).has_value()
                                   : !ascending.is_stored_nowhere(key) && TRY(engine_.store().get(kIndexes, key));
    // Says what it meets; it is free where this unit has removed it before.
    if (may_be_stored) TRY(check_unique(collection, index, key.substr(sizeof index.ident), id, document));
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

}  // namespace drover::sandbox
