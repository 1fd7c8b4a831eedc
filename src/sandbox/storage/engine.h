// The storage engine: catalog, documents, indexes, oplog, read views and transactions over one kv::Store.
//
// Time. Every commit gets a timestamp, strictly increasing over restarts, and is one atomic batch of the store: documents,
// index entries, counters and oplog entries together. With one member the last commit is also the majority time.
//
// Reading. A ReadView is the state after exactly the commits with ts <= view.ts, catalog included. Views are cheap, shared
// between readers, and hold old versions in the store while they live. A view whose time was handed out to a client
// (hand_out_time) can be had again by view_at() for a while: kSnapshotWindow when the client asked for the time (majority
// and snapshot reads, notes), kCasualSnapshotWindow when it was on any other reply.
//
// Writing. One WriteUnit at a time holds the writer's lock, reads the newest state and its own writes, and commits.
// Multi-document transactions read at one view with their own writes over it, and hold document locks from their first
// write to their end: whoever meets such a lock, or a document changed since the view, gets 112 WriteConflict.
//
// After a crash: what commit() returned is there; what it did not is there wholly or not at all.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/memory_budget.h"
#include "base/runtime.h"
#include "bson/builder.h"
#include "bson/document.h"
#include "bson/types.h"
#include "kv/store.h"
#include "model/namespace.h"
#include "model/server_version.h"
#include "sandbox/storage/catalog.h"

namespace drover {
class Log;
}

namespace drover::sandbox {

inline constexpr std::chrono::seconds kSnapshotWindow{300};
inline constexpr std::size_t kMaxPinnedViews = 4096;         // of each kind of HandOut
inline constexpr std::chrono::seconds kCasualSnapshotWindow{10};

class Engine;
class WriteUnit;
class Transaction;

// How long a wait may take.
struct Patience {
  Duration timeout = kNoTimeout;
  std::stop_token stop = {};
};

struct EngineOptions {
  std::string dbpath;
  std::size_t memory_bytes = 256 << 20;
  bool in_memory = false;  // unit tests
  bool background = true;  // journal and housekeeping threads
  Duration housekeeping_interval = std::chrono::seconds(1);
  ServerVersion version{4, 4, 1};
  std::uint64_t oplog_bytes = 1ull << 30;
};

// The state after exactly the commits with ts <= ts.
struct ReadView {
  std::shared_ptr<const kv::Snapshot> snapshot;
  bson::Timestamp ts;
  CatalogPtr catalog;
};
using ReadViewPtr = std::shared_ptr<const ReadView>;

struct Record {
  RecordId id = 0;
  bson::Document document;
};

// Where documents are read: a view, or a view with a transaction's own writes over it, or a write unit's newest state.
class Reader {
 public:
  virtual ~Reader() = default;
  virtual const Catalog& catalog() const = 0;
  virtual Result<std::optional<std::string>> get(kv::KeySpace space, std::string_view key) const = 0;
  virtual std::unique_ptr<kv::Iterator> iterate(kv::KeySpace space, std::string upper_bound = {}) const = 0;

  Result<std::optional<bson::Document>> find_record(const CollectionInfo& collection, RecordId id) const;
  // By _id, through the _id index and the collection's collation.
  Result<std::optional<Record>> find_by_id(const CollectionInfo& collection, const bson::Element& id) const;
};
// Keeps the view alive.
std::unique_ptr<Reader> make_reader(Engine& engine, ReadViewPtr view);

// The documents of a collection in record order (insertion order). The view of next() is good until the next call. This and IndexCursor
// make their iterators of the store anew now and then: the reader outlives them.
class RecordCursor {
 public:
  RecordCursor(const Reader& reader, const CollectionInfo& collection, bool forward = true,
               std::optional<RecordId> after = {});
  ~RecordCursor();
  RecordCursor(RecordCursor&&) noexcept;
  // Nothing at the end.
  Result<std::optional<bson::View>> next();
  RecordId id() const;  // of the document last returned

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Entries of an index between two encoded bounds, as record ids.
class IndexCursor {
 public:
  // Bounds are encoded keys without the ident: [lower, upper).
  IndexCursor(const Reader& reader, const IndexInfo& index, std::string lower, std::string upper, bool forward = true);
  ~IndexCursor();
  IndexCursor(IndexCursor&&) noexcept;
  Result<std::optional<RecordId>> next();
  std::string_view key() const;  // encoded key of the entry last returned, without ident and record id

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// local.oplog.rs, forward. Not bound to a view: it sees entries as they are committed, never one before all earlier
// ones are visible. Used by one thread.
class OplogCursor {
 public:
  ~OplogCursor();
  // The next committed entry, or nothing for now. The bytes are good until the next call. 136 CappedPositionLost when entries
  // behind the position (or from the start on, before the first) have left the oplog: never a gap.
  Result<std::optional<bson::View>> next();
  // Timestamp of the entry last returned (or the start, before the first).
  bson::Timestamp position() const;
  // Gives up what it holds of the store until the next call, which goes on from the same place.
  void rest();

 private:
  friend class Engine;
  struct Impl;
  explicit OplogCursor(std::unique_ptr<Impl> impl);
  bool is_lost() const;
  std::unique_ptr<Impl> impl_;
};

// Held from before the work's first unit is committed to its end, by who carries it on.
class CarriedWork {
 public:
  ~CarriedWork();
  CarriedWork(const CarriedWork&) = delete;
  CarriedWork& operator=(const CarriedWork&) = delete;
  // Of an index build that is gone: why somebody else has aborted it. Nothing: nobody has.
  std::optional<Error> aborted() const;

 private:
  friend class Engine;
  CarriedWork(Engine& engine, const Uuid& work) : engine_(engine), work_(work) {}
  Engine& engine_;
  const Uuid work_;
};

class Engine {
 public:
  static Result<std::unique_ptr<Engine>> open(EngineOptions options, Runtime& runtime, Log& log);
  ~Engine();

  // --- reading
  ReadViewPtr view();
  // The newest view when `ts` has not come yet (wait_for it first), 239 SnapshotTooOld when it cannot be had any more.
  Result<ReadViewPtr> view_at(bson::Timestamp ts);
  bson::Timestamp last_committed() const;
  // The set's clock: the newest time that was committed or heard of. What is written from now on is later. Not kept over a restart beyond the oplog.
  bson::Timestamp cluster_time() const;
  void advance_cluster_time(bson::Timestamp heard);
  // last_committed(), for a reply: view_at() of it works from now on, for the kind's window.
  enum class HandOut { kCasual, kAskedFor };
  bson::Timestamp hand_out_time(HandOut kind);
  // Waits until last_committed() >= ts. False: the deadline or a stop came first. Timeout 0: none.
  bool wait_for(bson::Timestamp ts, Duration timeout, const std::stop_token& stop);

  // --- oplog
  // From the first entry with ts >= start. With {0,0}: from the oldest.
  std::unique_ptr<OplogCursor> oplog(bson::Timestamp start);
  bson::Timestamp oldest_oplog_time() const;
  // Waits until an entry after `position` is committed. False: timeout or stop.
  bool wait_for_oplog(bson::Timestamp position, Duration timeout, const std::stop_token& stop);
  std::uint64_t oplog_max_bytes() const;
  std::uint64_t oplog_bytes() const;
  std::int64_t oplog_entries() const;
  Status resize_oplog(std::uint64_t bytes);

  // --- writing
  // Takes the writer's lock until the unit is committed or destroyed. Never call it twice in one thread.
  std::unique_ptr<WriteUnit> begin_write();
  // The same, for who waits no longer than he is asked to: 11601 when stopped, 50 when it took longer than `patience`. Waits for write locks, too.
  Result<std::unique_ptr<WriteUnit>> begin_write(const Patience& patience);
  // fsync with lock: when it returns nothing is being committed, and from then on clients' units wait until each lock has been taken back.
  // Not kept over a restart. How many locks there are; nothing when there was none to take back.
  Result<std::int64_t> lock_writes(const Patience& patience);
  std::optional<std::int64_t> unlock_writes();
  std::int64_t write_locks() const;
  // {op: "n", o: note}. Returns its ts.
  Result<bson::Timestamp> append_note(bson::View note, const Patience& patience = {});
  // All commits so far are on disk (fsync) on return.
  Status make_durable();

  // --- the member's part in its set. Of what is logged a primary alone commits: others get 11602 InterruptedDueToReplStateChange.
  bool is_primary() const;
  std::int64_t term() const;
  // When it was elected last; the start counts.
  bson::Timestamp election_time() const;
  // Both wait for the writer's lock, and change the member while they have it: `at_once`, when there is one, is called then with the change
  // that it makes, to make another together with it.
  using Change = std::function<void()>;
  using AtOnce = std::function<void(const Change&)>;
  // Nothing is being committed any more when it returns.
  void step_down(const AtOnce& at_once = {});
  // In a new term, whose first entry says so. Nothing when it is primary already.
  Status be_elected(const AtOnce& at_once = {});

  // --- work of many units: index builds, and what $out fills. It is waited for, and left alone, as long as its command carries it on.
  std::unique_ptr<CarriedWork> carry_on(const Uuid& work);
  bool is_carried_on(const Uuid& work) const;
  // What its command could not put in order, as on a full disk, is aborted or dropped. Cheap when there is none; running it twice is once.
  Status tidy_abandoned();

  std::unique_ptr<Transaction> begin_transaction(ReadViewPtr view);
  // How many transactions have ended; wait_for_transaction_end waits for one more. What a write does that met a lock.
  std::uint64_t transactions_ended() const;
  bool wait_for_transaction_end(std::uint64_t seen, Duration timeout, const std::stop_token& stop);

  const EngineOptions& options() const;
  Runtime& runtime();
  kv::Store& store();

 private:
  friend class WriteUnit;
  friend class Transaction;
  friend class OplogCursor;
  friend class CarriedWork;
  struct Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  Status prepare();
  // True when a client's transaction holds some of it: another time.
  Result<bool> tidy(WriteUnit& unit) const;
  std::unique_ptr<Impl> impl_;
};

}  // namespace drover::sandbox
