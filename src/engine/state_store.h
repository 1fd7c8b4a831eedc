// The migration's durable truth, on the destination in kStateDatabase (blueprint section 3, last part). Every document holds
// the owner's epoch; a write or removal under an older epoch than the document's own is refused. That alone tells little, for a
// successor need not have written that document: before each write the owner is confirmed. Whoever is refused must stop. Writes
// go through one session of our own, one at a time; the owner's document through another. Thread-safe. After a crash each document is as its last acknowledged write left it, or
// as the unacknowledged one did.
//
//   x_owner       {_id: "owner", epoch, restarts, sessions: [{id: uuid, user}], removing: {job, committed}} (preflight/removal.h)
//   x_migration   {_id: "migration", epoch, uuid, phase, t0, filter, source: {set, id, hosts}, listed: [{db, at}], listedDefault}
//   x_catalog     {_id: uuid on S, epoch, db, coll, options and indexes (bytes), destinationUuid, ddlTime, gone, documents, bytes}
//   x_plans       {_id: uuid on S, epoch, bounds: [min of each partition but the first]}
//   x_partitions  {_id: "uuid.n", epoch, uuid, n, state: "copying"|"copied", r, f, documents, bytes, largest (document of the collection, in bytes)}
//   x_checkpoint  {_id: "checkpoint", epoch, ts, applied, maxLagSeconds, lastChange, lastChangeDb, lastChangeColl: of migrated data, up to ts at least}
//   x_control     {_id: "control", epoch, job?, ...} of the front that started it (sync_control.h); job: job_state.h
//   x_cutover     {_id: "cutover", epoch, step, stoppedMillis, writeUnavailableMillis, verification: {...}, figures: {...}, ...}
//   x_differences {_id: "documents", epoch, count} that a comparison found: counts alone are no proof until a whole one finds none
//   x_hooks       {_id: "after", epoch, done} of the operator's command after the cutover: begun, and ended well
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/deployment.h"
#include "engine/write_session.h"
#include "preflight/removal.h"

namespace drover::engine {

inline constexpr std::chrono::minutes kOwnerConfirmedFor{5};
// How long the sessions of another user are waited for: a predecessor confirms itself at least every kOwnerConfirmedFor, the
// rest is for what it had sent by then.
inline constexpr std::chrono::minutes kOtherUserGoneAfter = kOwnerConfirmedFor + std::chrono::minutes(1);

class StateStore {
 public:
  static constexpr int kSessions = 2;
  // Its sessions are the first kSessions of those that take_over is given.
  StateStore(cluster::Deployment& destination, Runtime& runtime, std::span<const Uuid> sessions)
      : destination_(destination),
        runtime_(runtime),
        monitor_(runtime.make_monitor()),
        session_(destination, runtime, sessions[0], [this](const auto& stop, bool again) { return confirm_owner(stop, again); }),
        owner_session_(destination, runtime, sessions[1]) {}

  // Becomes the only writer (blueprint rule 8): raises the epoch, shuts out every session of earlier owners, waits for
  // their commands to end. `sessions` are all that this process will write in, as `user` (preflight::user_of). A server keeps
  // one session per id and user: those of another user cannot be shut out, so their owner is waited for until it must have
  // noticed, kOtherUserGoneAfter; `waiting` is told first. (A request that was held back on its way for longer is not refused
  // then, as it would be in a session that is shut out: dropping that user does refuse it.)
  Status take_over(std::span<const Uuid> sessions, std::string_view user, const std::function<void()>& waiting,
                   const std::stop_token& stop);
  // Recorded before the first document is removed; every later owner keeps it. Nothing: none has begun after all.
  Status record_removal(const std::optional<preflight::Removal>& removal, const std::stop_token& stop);
  // Once everything is done: no later owner has to wait for this one.
  Status release(const std::stop_token& stop);
  // Higher than that of every earlier owner, those of migrations whose state was removed included: the first epoch is a time
  // of the destination.
  std::int64_t epoch() const { return epoch_; }
  std::int64_t restarts() const { return restarts_; }  // owners of this migration before this one
  // kWrongState when another process has taken over: the owner's document, which must be there under our epoch, is written again. Asked of
  // the destination only when it has not been for kOwnerConfirmedFor, and whenever an attempt is made `again`: a process that stood
  // still for long, or whose machine was suspended, must not write in sessions whose fence the destination may have forgotten,
  // which it does no earlier than half an hour after they were last used. One attempt; kTemporary when there is no answer.
  Status confirm_owner(const std::stop_token& stop, bool again = false);

  Result<std::vector<bson::Document>> load(const std::string& collection, const std::stop_token& stop);
  // `fields` without _id and epoch, which are added. kWrongState when another process has taken over.
  Status save(const std::string& collection, const bson::Value& id, bson::View fields, const std::stop_token& stop);
  Status save(const std::string& collection, std::string_view id, bson::View fields, const std::stop_token& stop);
  Status remove(const std::string& collection, std::span<const bson::Value> ids, const std::stop_token& stop);

 private:
  class Turn;
  struct Owned {  // a session, and whose it is
    Uuid id;
    std::string user;
  };
  Status shut_out(std::span<const Owned> earlier, std::string_view user, const std::function<void()>& waiting,
                  const std::stop_token& stop);
  Result<std::vector<Owned>> next_epoch(const std::stop_token& stop);
  bson::Document owner_document(std::span<const Owned> sessions) const;

  cluster::Deployment& destination_;
  Runtime& runtime_;
  std::unique_ptr<Runtime::Monitor> monitor_;
  bool busy_ = false, owner_busy_ = false;
  WriteSession session_, owner_session_;
  std::int64_t epoch_ = 0;
  std::int64_t restarts_ = 0;
  std::vector<Owned> ours_;
  std::optional<preflight::Removal> removal_;
  bson::Document owner_;                     // as we have recorded it last
  std::atomic<Duration::rep> confirmed_{0};  // when that was last begun to be written with success
};

bson::Value value_of(std::string_view text);
bson::Value value_of(const Uuid& uuid);

}  // namespace drover::engine
