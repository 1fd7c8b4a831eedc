// The change-over as a durable log of idempotent steps (blueprint rule 9). Before the decision a crash, the deadline or a
// failure restores the source as it was found; after it there is only forward, and the source stays blocked.
//
//   intent → (hook) → block → fence F → caught up with F → catalogs equal → last changed documents compared
//   → second note F2, nothing written in (F, F2] → decision → writes allowed on the destination → committed
#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <string>

#include "base/log.h"
#include "cluster/deployment.h"
#include "engine/change_router.h"
#include "engine/state_store.h"

namespace drover::engine {

inline constexpr std::chrono::seconds kCutoverDeadline{60};
// How long the destination is asked who owns the migration before the source's block is lifted. Whoever ends the process'
// connections, once told to stop, leaves it longer than this.
inline constexpr std::chrono::seconds kOwnerAnswer{3};

class Cutover {
 public:
  struct Options {
    std::function<Status()> before;  // the operator's hook or answer: the application no longer writes to the source
    bool unblock_destination = false;  // this migration blocked it at its start
    Duration deadline = kCutoverDeadline;  // from the end of the operator's hook to the decision, whose own record is not counted
    // Compares what is not compared yet, while nobody writes; says what was found, for the log. May be empty.
    std::function<Result<bson::Document>(const std::stop_token&)> verify;
    std::function<bson::Document()> figures;  // of the run so far, to be told by one that finds it finished. May be empty
    std::function<std::optional<std::string>()> incomplete;  // why_not_complete
    int connections = 0;  // to the destination that `decided` uses at once
    std::function<Status()> decided;       // ends everything that still applies changes of the source, late requests too
    std::function<Status(const std::stop_token&)> put_right;  // catalogs that differ by what late commands left
    // Told when an attempt has ended for what only the operator can mend, so that no other one follows for the same order: a writer that was seen,
    // the deadline, a block that somebody lifted. As early as it can be, for this process may die: before all else where nothing is blocked. May be empty
    std::function<void(const Error& why)> given_up;
    ClusterTime quiet_since;  // of the order, or of an earlier attempt for it: since when the writers of a source that is not blocked had stopped; none: from this one's fence on
  };

  Cutover(cluster::Deployment& source, cluster::Deployment& destination, Runtime& runtime, Log& log, Catalog& catalog,
          ChangeRouter& router, StateStore& state, const NamespaceFilter& filter, Options options)
      : source_(source),
        destination_(destination),
        runtime_(runtime),
        log_(log),
        catalog_(catalog),
        router_(router),
        state_(state),
        filter_(filter),
        options_(std::move(options)) {}

  // Ends after the decision with everything done, or before it with the source as it was found.
  Status run(const std::stop_token& stop);
  // Whether its decision may be recorded: after a failure only another look at the log tells.
  bool may_be_decided() const { return decision_sent_; }
  // Since when nobody should write to a source that is not blocked; nothing: it is, or the attempt has not come that far.
  ClusterTime unblocked_fence() const { return blocks_ ? ClusterTime{} : fence_; }

 private:
  Status until_decision(const std::stop_token& stop);
  Status under_block(const std::stop_token& stop);
  Status still_owns(const std::stop_token& stop);
  Status block_source(const std::stop_token& stop);
  Status block_stands(const std::stop_token& stop);
  Status await_equal_catalogs(const std::stop_token& stop);
  Status await_short_transactions(const std::stop_token& stop);
  Status stop_writes(const std::stop_token& stop);
  Status no_open_transaction(const std::stop_token& stop);
  Status record(std::string_view step, const std::stop_token& stop);
  Result<ClusterTime> note(std::string_view name, const std::stop_token& stop);
  Status catalogs_equal(const std::stop_token& stop);
  Status all_is_copied() const;
  Status source_is_quiet();
  bool ends_the_order(const Error& error, const std::stop_token& stop) const;
  Duration remaining() const;

  cluster::Deployment& source_;
  cluster::Deployment& destination_;
  Runtime& runtime_;
  Log& log_;
  Catalog& catalog_;
  ChangeRouter& router_;
  StateStore& state_;
  const NamespaceFilter& filter_;
  const Options options_;
  SteadyTime begun_{};
  ClusterTime owned_at_;    // of the source, before the owner was last confirmed: a successor's announcement is later
  SteadyTime owned_{};      // when that was
  std::string destination_name_;
  bool may_have_blocked_ = false;
  bool decision_sent_ = false;
  ClusterTime fence_;
  bool writer_seen_ = false;
  ClusterTime compared_;  // the catalogs were equal at a listing after this time
  std::int64_t stopped_millis_ = 0;  // wall clock: the writes' end
  bson::Document verified_;
  std::string waiting_for_;  // what stop_writes waits for, to be told when the deadline comes first
  bool blocks_ = false;
  bool found_blocked_ = false;
};

// What a restart finds in the log: nothing, a cutover to undo (done here), or one to finish.
enum class CutoverFound { kNone, kUndone, kDecided };
Result<CutoverFound> recover_cutover(cluster::Deployment& source, Runtime& runtime, Log& log, StateStore& state,
                                     const std::stop_token& stop);
// The steps after the decision. Idempotent.
Status finish_cutover(cluster::Deployment& destination, Runtime& runtime, StateStore& state, bool unblock_destination,
                      const std::stop_token& stop);
// The first difference between the catalogs, in words; nothing when they are equal in everything wanted.
// Collections of `catalog` must also be the very ones that this migration made on the destination.
Result<std::optional<std::string>> catalog_difference(cluster::Deployment& source, cluster::Deployment& destination,
                                                      const NamespaceFilter& filter, const Catalog& catalog,
                                                      Runtime::Monitor& lock);

}  // namespace drover::engine
