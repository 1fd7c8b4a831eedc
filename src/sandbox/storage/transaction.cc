#include <algorithm>

#include <fmt/format.h>

#include "base/check.h"
#include "sandbox/storage/engine_impl.h"
#include "sandbox/storage/oplog_entry.h"

namespace drover::sandbox {

namespace {

// The operations of one applyOps entry stay below this, so that the entry is a document of at most 16 MB.
constexpr std::size_t kMaxApplyOpsBytes = 16 * 1024 * 1024;

class TransactionReader : public Reader {
 public:
  TransactionReader(kv::Store& store, ReadViewPtr view, CatalogPtr catalog, const kv::IndexedBatch& over)
      : store_(store), view_(std::move(view)), catalog_(std::move(catalog)), over_(over) {}
  const Catalog& catalog() const override { return *catalog_; }
  Result<std::optional<std::string>> get(kv::KeySpace space, std::string_view key) const override {
    return store_.get(space, key, over_, view_->snapshot.get());
  }
  std::unique_ptr<kv::Iterator> iterate(kv::KeySpace space, std::string upper_bound) const override {
    return store_.iterate(space, over_, view_->snapshot, std::move(upper_bound));
  }

 private:
  kv::Store& store_;
  ReadViewPtr view_;
  CatalogPtr catalog_;
  const kv::IndexedBatch& over_;
};

}  // namespace

Transaction::Transaction(Engine& engine, ReadViewPtr view) : engine_(engine), view_(std::move(view)), catalog_(view_->catalog) {}

Transaction::~Transaction() { abort(); }

std::unique_ptr<Reader> Transaction::reader() {
  return std::make_unique<TransactionReader>(engine_.store(), view_, catalog_, batch_);
}

std::unique_ptr<WriteUnit> Transaction::begin_statement() {
  CHECK(!ended_, "no statement after the end of a transaction");
  return std::unique_ptr<WriteUnit>(new WriteUnit(engine_, this, std::unique_lock(engine_.impl_->writer)));
}

Result<std::unique_ptr<WriteUnit>> Transaction::begin_statement(const Patience& patience) {
  CHECK(!ended_, "no statement after the end of a transaction");
  auto lock = TRY(engine_.impl_->lock_writer(patience));
  return std::unique_ptr<WriteUnit>(new WriteUnit(engine_, this, std::move(lock)));
}

bool Transaction::has_writes() const { return !operations_.empty(); }

// An entry of the ordered batch has a node of its own beside its bytes, a lock its name and place in a table.
std::size_t Transaction::memory_bytes() const {
  constexpr std::size_t kNodeBytes = 96, kLockBytes = 128;
  return batch_.bytes() + batch_.count() * kNodeBytes + locks_.size() * kLockBytes + operation_bytes_;
}

// The writer's lock is held.
void Transaction::release_locks() {
  auto& engine = *engine_.impl_;
  for (const auto& name : locks_) {
    engine.locks.erase(name);
    if (name[0] != static_cast<char>(kRecords)) continue;
    const auto it = engine.locked_collections.find(from_big_endian(std::string_view(name).substr(1)));
    if (--it->second == 0) engine.locked_collections.erase(it);
  }
  locks_.clear();
  ended_ = true;
  std::lock_guard lock(engine.state);
  ++engine.transactions_ended;
  engine.changed.notify_all();
}

void Transaction::abort() {
  if (ended_) return;
  std::lock_guard lock(engine_.impl_->writer);
  release_locks();
}

// One ordinary write unit carries what the transaction has gathered.
Result<bson::Timestamp> Transaction::commit(bson::View lsid, std::int64_t txn_number, const Patience& patience) {
  CHECK(!ended_, "a transaction ends once");
  auto unit = TRY(engine_.begin_write(patience));
  for (const auto& collection : created_) {
    if (!unit->catalog().find(collection->ns)) {
      unit->writable_catalog().put(collection);
      unit->new_idents_ = true;
      continue;
    }
    release_locks();
    return fail(ErrorCode::kTemporary, fmt::format("Collection namespace '{}' is already in use.", collection->ns.to_string()),
                code::kWriteConflict);
  }
  std::swap(unit->own_batch_, batch_);
  engine_.impl_->ascending.distrust();
  unit->deltas_ = std::move(deltas_);
  unit->multikeys_ = std::move(multikeys_);
  unit->session_ = SessionStamp{bson::Document(lsid), txn_number, {}};
  unit->session_committed_ = true;
  const auto logged = log_operations(*unit);
  for (const auto& ns : view_databases_) unit->view_databases_.push_back(ns);
  // Under the same writer's lock: nobody can come between.
  release_locks();
  TRY(logged);
  auto result = unit->commit();
  return result;
}

Status Transaction::log_operations(WriteUnit& unit) {
  if (operations_.empty()) return {};
  std::size_t at = 0;
  bson::Timestamp previous;
  bool split = false;
  std::size_t next_image = 0;
  while (at < operations_.size()) {
    const auto first = at;
    bson::Builder o;
    {
      auto list = o.open_array("applyOps");
      std::size_t bytes = 0;
      while (at < operations_.size() && (bytes == 0 || bytes + operations_[at].size() <= kMaxApplyOpsBytes)) {
        bytes += operations_[at].size();
        list.append(operations_[at++]);
      }
    }
    if (at < operations_.size()) {
      o.append("partialTxn", true);
      split = true;
    } else if (split) {
      o.append("count", static_cast<std::int64_t>(operations_.size()));
    }
    const auto object = std::move(o).finish();
    unit.log({.lsid = &unit.session_->lsid, .txn_number = unit.session_->txn_number, .op = "c", .ns = "admin.$cmd", .o = object,
              .previous = previous});
    previous = unit.last_entry_;
    TRY(save_pre_images(unit, first, at, next_image));
  }
  unit.session_->previous = previous;
  unit.session_wrote_ = true;
  return {};
}

// Those of the operations [first, last), which stand in the unit's last entry.
Status Transaction::save_pre_images(WriteUnit& unit, std::size_t first, std::size_t last, std::size_t& next) {
  for (; next < pre_images_.size() && pre_images_[next].operation < last; ++next) {
    const auto& image = pre_images_[next];
    TRY(unit.save_pre_image(image.collection, unit.last_entry_, static_cast<std::int64_t>(image.operation - first), image.image));
  }
  return {};
}

}  // namespace drover::sandbox
