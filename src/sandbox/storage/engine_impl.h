// The engine's state, for the few source files that are the engine. Grouped by what protects it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <unordered_map>

#include "base/log.h"
#include "sandbox/storage/ascending_keys.h"
#include "sandbox/storage/engine.h"
#include "sandbox/storage/keys.h"
#include "sandbox/storage/oplog_entry.h"
#include "sandbox/storage/write_unit.h"

namespace drover::sandbox {

struct Engine::Impl {
  Impl(EngineOptions o, Runtime& r, Log& l) : options(std::move(o)), runtime(r), log(l) {}

  const EngineOptions options;
  Runtime& runtime;
  Log& log;
  std::unique_ptr<kv::Store> store;

  // Held by the one write unit.
  std::timed_mutex writer;
  std::atomic<std::int64_t> write_locks = 0;  // of fsync; raised by who holds `writer`
  // Protected by `writer`.
  std::unordered_map<std::string, Transaction*> locks;  // key space number + key -> who holds it
  std::unordered_map<Ident, int> locked_collections;    // how many locks on documents of each
  Ident next_ident = 1;
  bson::Timestamp last_time;                            // last ts given out
  AscendingKeys ascending;                              // of the unit
  // The largest entry of the oplog that was written or read since the start: that of its collection. Set before there is a second thread.
  std::shared_ptr<std::atomic<std::size_t>> largest_entry = std::make_shared<std::atomic<std::size_t>>(0);
  std::string key_buffer, name_buffer;                  // of the unit, kept to be used again
  std::map<bson::Timestamp, std::int64_t> term_starts;  // the first entry of each term since the start
  std::atomic<std::uint64_t> heard_time = 0;            // the newest that clients have told; it only grows
  // Written by who holds `writer`, read by all.
  std::atomic<bool> primary{true};
  std::atomic<std::int64_t> term{kFirstTerm};

  // Protects what follows; a leaf.
  mutable std::mutex state;
  std::condition_variable_any changed;  // a commit, the end of a transaction
  std::condition_variable_any overflowing;  // the oplog is to be cut before housekeeping's time
  ReadViewPtr current;                  // null: made when asked for
  CatalogPtr catalog;
  bson::Timestamp last_committed;
  std::optional<HandOut> handed_out;    // how last_committed was given to a client, if it was
  // The state at every time in [key, until). By kind.
  struct Pin {
    ReadViewPtr view;
    bson::Timestamp until;
    SteadyTime made;
  };
  std::map<bson::Timestamp, Pin> pins[2];
  struct OplogAmount {
    std::uint64_t bytes = 0, entries = 0;
    std::string stored(const OplogAmount& removed) const;
  };
  OplogAmount oplog_written;            // since ever
  OplogAmount oplog_removed;
  std::uint64_t oplog_looked_at = 0;    // what was written when it was last cut, or could not be
  bson::Timestamp oldest_oplog;
  // Where it may be cut without a look at what is there: after the entry at `last` so much had been written since ever.
  struct OplogMark {
    bson::Timestamp last;
    OplogAmount written;
  };
  std::deque<OplogMark> oplog_marks;    // of this start, at most kMarksOfOplog and those of an excess
  std::uint64_t oplog_marked = 0;       // what was written at the last of them, or at the start
  bson::Timestamp oplog_removed_to;     // of the last entry that was removed; {0,0}: none ever was
  std::uint64_t oplog_max = 0;
  std::uint64_t transactions_ended = 0;
  // Index builds and outputs that are carried on, and why the builds have been aborted.
  std::map<Uuid, std::optional<Error>> carried;
  bson::Timestamp elected;              // the first entry of this term, or of this start
  bool some_left = false;               // some may have been left as they were

  // Group commit of fsync.
  std::mutex durable;
  std::condition_variable durable_changed;
  std::uint64_t sync_wanted = 0, sync_done = 0;
  bool syncing = false;
  Status sync_result;
  std::atomic<bool> dirty{false};

  std::vector<std::unique_ptr<Runtime::Thread>> threads;  // last: stopped first

  Status recover();
  enum class WriteLocks { kWaitedFor, kJoined };  // of fsync
  Result<std::unique_lock<std::timed_mutex>> lock_writer(const Patience& patience, WriteLocks locks = WriteLocks::kWaitedFor);
  void note_aborted(const Uuid& build, const Error& cause);
  std::int64_t term_at(bson::Timestamp entry) const;  // `writer` is held
  ReadViewPtr view_locked();
  // Commits: `first` and `last` are the times of its entries ({0,0} when it has none).
  Status write(kv::IndexedBatch& batch, bson::Timestamp first, bson::Timestamp last, CatalogPtr new_catalog,
               OplogAmount logged);
  void run_journal(const std::stop_token& stop);
  void run_housekeeping(const std::stop_token& stop);
  bool oplog_overflows() const;
  std::optional<OplogMark> mark_behind(std::uint64_t written, bson::Timestamp newest);
  Status truncate_oplog();
  void drop_old_pins();
};

}  // namespace drover::sandbox
