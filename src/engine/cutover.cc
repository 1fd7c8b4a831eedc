#include "engine/cutover.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "bson/builder.h"
#include "cluster/thread_stop.h"
#include "engine/planner.h"
#include "engine/retry.h"
#include "engine/server_codes.h"
#include "engine/state_fields.h"

namespace drover::engine {
namespace {

inline constexpr std::chrono::milliseconds kWritersPoll{10};
inline constexpr std::chrono::milliseconds kBlockChangesPoll{100};
inline constexpr Duration kAnswerAgain = std::chrono::milliseconds(200);
inline constexpr std::string_view kBlockNote = "block";
// Balancers and firewalls between close what is idle, after minutes; a connection is opened and logged in on for a noticeable time.
inline constexpr std::chrono::minutes kConnectionsStayFor{1};
inline constexpr std::chrono::seconds kOwnedFor{1};  // a block that is sent later than this after the owner was asked asks again
// How long commands that write on the source are waited for, in all namespaces.
inline constexpr std::chrono::seconds kWritersGrace{5};
// A block waits for every open transaction, and everything else on the source behind it: it is not asked for while one has been
// open for longer than this, unless none ends for kTransactionsWait.
inline constexpr std::chrono::seconds kLongTransaction{1};
inline constexpr std::chrono::seconds kTransactionsWait{20};
// The source's catalog may change all the time, and the destination trails: how long equality is waited for.
inline constexpr std::chrono::seconds kCatalogsWait{20};
inline constexpr std::chrono::milliseconds kCatalogsPoll{100};

// Without a block nothing but what is seen tells that nobody writes, and two notes may lie a millisecond apart: whoever writes
// a few times a second must be seen between them.
inline constexpr std::chrono::milliseconds kQuietWithoutBlock{300};

// Nothing where this user may not list operations (inprog is missing).
Result<std::optional<cluster::RunningWrites>> running_writes(cluster::Deployment& source, Runtime& runtime, const std::stop_token& stop) {
  auto running = retry_temporary(runtime, stop, [&] { return source.running_writes(); });
  if (!running && running.error().server_code == kServerUnauthorized) return std::optional<cluster::RunningWrites>();
  return TRY(std::move(running));
}

// What a process that has blocked the source, or may have, knows of who may have done so after it.
struct OwnBlock {
  std::string destination;  // what others of the same destination name in their announcements
  ClusterTime since;        // whoever took over has announced a block of its own after this
};

Status another_has_taken_over() {
  return fail(ErrorCode::kWrongState, "another drover process has taken over this migration; the source's write block is left to it");
}

bool is_refusal(const Error& error) {
  return error.code == ErrorCode::kWrongState || error.server_code == kServerTransactionTooOld;
}

// Nobody with a higher epoch has announced a block for this destination.
Status check_announcements(cluster::Deployment& source, const StateStore& state, const OwnBlock& own) {
  const ClusterTime until = TRY(source.majority_time());
  const auto cursor = TRY(source.tail_oplog(own.since));
  for (ClusterTime seen; seen < until;) {
    const auto entries = TRY(cursor->next(std::chrono::milliseconds(1), {}));
    if (entries.empty()) return {};
    for (const auto& entry : entries) {
      seen = entry["ts"].type() == bson::Type::kTimestamp ? entry["ts"].timestamp_value() : seen;
      if (entry["op"].to_string_view() != std::string_view("n")) continue;
      const auto message = entry["o"].to_document().value_or(bson::View());
      if (message["drover"].to_string_view() != kBlockNote || message["epoch"].to_int64().value_or(0) <= state.epoch()) continue;
      if (message["destination"].to_string_view() == own.destination || mutant("foreign_announcement_read")) return another_has_taken_over();
    }
  }
  return {};
}

// Who owns the migration, asked of the destination on threads of its own: a connection that is being made cannot be hurried.
class OwnerQuestion {
 public:
  OwnerQuestion(Runtime& runtime, StateStore& state) : runtime_(runtime), state_(state) {}

  // kTemporary without an answer within kOwnerAnswer.
  Status ask() {
    struct Answer {
      std::unique_ptr<Runtime::Monitor> lock;
      std::optional<Status> owner;
      std::stop_source limit;
    };
    auto answer = std::make_shared<Answer>();
    answer->lock = runtime_.make_monitor();
    asking_.push_back(runtime_.spawn("asking for the owner", [this, answer](std::stop_token) {
      const auto limit = answer->limit.get_token();
      const cluster::ThreadStop scope(limit);
      auto owner = retry_temporary(runtime_, limit, [&] { return state_.confirm_owner(limit, true); });
      MonitorLock lock(*answer->lock);
      answer->owner = std::move(owner);
      answer->lock->notify_all();
    }));
    std::optional<Status> owner;
    {
      MonitorLock lock(*answer->lock);
      // One that was silent is given little time again: a lift asks more than once, and who is told to stop has only seconds.
      answer->lock->wait({}, unanswered_ ? kAnswerAgain : kOwnerAnswer, [&] { return answer->owner.has_value(); });
      owner = answer->owner;
    }
    answer->limit.request_stop();
    if (owner) asking_.pop_back();  // it has ended
    unanswered_ = !owner;
    return owner.value_or(fail(ErrorCode::kTemporary, "the destination does not say who owns the migration"));
  }

 private:
  Runtime& runtime_;
  StateStore& state_;
  std::vector<std::unique_ptr<Runtime::Thread>> asking_;
  bool unanswered_ = false;  // the last one
};

// The block of a process that died: nothing tells who has blocked since but the destination, which is waited for.
Status check_nobody_took_over(StateStore& state, const std::stop_token& stop) {
  if (mutant("recovery_unasked")) return {};
  const Status owner = state.confirm_owner(stop, true);
  if (owner || !is_refusal(owner.error())) return owner;
  const auto owners = TRY(state.load("x_owner", stop));
  return owners.empty() ? Status() : another_has_taken_over();  // or the state was removed, with nobody to lift the block
}

// Fails with kWrongState when the source's block is a successor's. While the destination cannot be asked, or says that there
// is one, the source's oplog tells whether it has announced a block: one that nobody has announced is ours.
Status check_block_is_ours(cluster::Deployment& source, StateStore& state, OwnerQuestion& question, const OwnBlock& own) {
  if (mutant("successor_unblocked")) return {};
  if (mutant("release_awaits_answer")) return check_nobody_took_over(state, {});
  const Status owner = question.ask();
  if (owner || mutant("announcement_unread")) return {};
  const Status announced = check_announcements(source, state, own);
  if (announced || announced.error().code == ErrorCode::kWrongState || announced.error().code == ErrorCode::kTemporary) return announced;
  // An oplog that has lost that time, or that this user may not read any more: better an open source than one blocked for ever.
  return is_refusal(owner.error()) ? another_has_taken_over() : Status();
}

// The owner is asked before each attempt: meanwhile a successor may have blocked the source for its own cutover. And a command
// that blocks may still wait for its lock after whoever sent it has gone, while the one that lifts the block finds nothing to
// lift: until none of them runs, it is repeated.
Status unblock_source(cluster::Deployment& source, Runtime& runtime, StateStore& state, const std::optional<OwnBlock>& own,
                      const std::stop_token& stop) {
  bool asked = false;
  OwnerQuestion question(runtime, state);
  const auto lift = [&] {
    return retry_temporary(runtime, stop, [&]() -> Status {
      if (!(std::exchange(asked, true) && mutant("lift_unasked")))
        TRY(own ? check_block_is_ours(source, state, question, *own) : check_nobody_took_over(state, stop));
      return source.set_write_block(false);
    });
  };
  TRY(lift());
  for (;;) {
    const auto running = TRY(running_writes(source, runtime, stop));
    if (!running || running->block_changes == 0 || mutant("block_commands_unawaited")) return running ? lift() : Status();
    if (!runtime.sleep(kBlockChangesPoll, stop)) return tl::unexpected(stopped_error());
    TRY(lift());
  }
}

}  // namespace

Status Cutover::run(const std::stop_token& stop) {
  const Status decided = until_decision(stop);
  if (decided) {
    TRY(options_.decided());  // a change of the source that comes after the decision must not overwrite the destination's own
    return finish_cutover(destination_, runtime_, state_, options_.unblock_destination, {});
  }
  if (decision_sent_) return decided;  // whether it was written only another look at the log may tell
  log_.warn("the cutover is given up before its decision", {{"reason", decided.error().message}});
  const auto give_up = [&] {
    if (options_.given_up && ends_the_order(decided.error(), stop)) options_.given_up(decided.error());
  };
  // Without the operator's stop request: the source must not stay blocked. But a successor's block is not ours to lift.
  const bool to_lift = (may_have_blocked_ || (blocks_ && mutant("unblocked_unblocked"))) && !found_blocked_;
  if (!to_lift) give_up();
  if (to_lift) {
    const Status lifted = unblock_source(source_, runtime_, state_, OwnBlock{destination_name_, owned_at_}, {});
    if (lifted || lifted.error().code != ErrorCode::kWrongState) give_up();
    if (!lifted && lifted.error().code != ErrorCode::kWrongState) {
      return fail(ErrorCode::kWrongState,
                  fmt::format("the cutover was given up ({}), but the source's write block may still be there: {}; start the same command "
                              "again, or lift it with setUserWriteBlockMode and global: false",
                              decided.error().message, lifted.error().message));
    }
    if (!lifted) return lifted;
    log_.info("the source takes writes again");
  }
  if (decided.error().code == ErrorCode::kWrongState) return decided;  // another process' log
  const std::vector<bson::Value> log{value_of("cutover")};
  TRY(state_.remove("x_cutover", log, {}));
  return decided;
}

Status Cutover::until_decision(const std::stop_token& stop) {
  {
    const cluster::ThreadStop scope(stop);
    TRY(await_equal_catalogs(stop));  // slow work is done before the block
    const auto block = TRY(retry_temporary(runtime_, stop, [&] { return source_.write_block(); }));
    const auto facts = TRY(retry_temporary(runtime_, stop, [&] { return destination_.facts(); }));
    destination_name_ = facts.replica_set_id.to_string() + "/" + facts.set_name;
    blocks_ = block.supported && block.effective;
    found_blocked_ = block.enabled;
    if (blocks_ && !found_blocked_) TRY(await_short_transactions(stop));
    destination_.warm_connections(options_.connections, stop);
    TRY(record("intent", stop));
  }
  runtime_.reached("cutover.after_intent");
  const SteadyTime warmed = runtime_.now();
  if (options_.before) TRY_WITH(options_.before(), "stopping the application's writes before the cutover");
  runtime_.reached("cutover.after_hook");

  // From here the application waits: whatever takes longer than the deadline is stopped, and the source released.
  begun_ = runtime_.now();
  stopped_millis_ = std::chrono::duration_cast<std::chrono::milliseconds>(runtime_.wall_time().time_since_epoch()).count();
  std::stop_source limit;
  std::stop_callback outer(stop, [&] { limit.request_stop(); });
  auto timer = runtime_.spawn("cutover deadline", [&](std::stop_token done) {
    if (runtime_.sleep(options_.deadline, done)) limit.request_stop();
  });
  if (begun_ - warmed > kConnectionsStayFor) destination_.warm_connections(options_.connections, limit.get_token());
  Status ready = under_block(limit.get_token());
  // Whatever else has failed: a writer that was seen meanwhile is the reason, and another attempt might miss it.
  if (!ready && unblocked_fence() > ClusterTime{} && (options_.given_up || !stop.stop_requested()))
    if (Status quiet = source_is_quiet(); !quiet) ready = std::move(quiet);
  if (ready && remaining() <= Duration(1)) ready = fail(ErrorCode::kTimedOut, "");
  timer->request_stop();
  timer->join();
  if (!ready && !writer_seen_ && !stop.stop_requested() && remaining() <= Duration(1)) {
    return fail(ErrorCode::kTimedOut,
                fmt::format("the cutover did not reach its decision within {} s of the writers' end{}; see what is slow and commit again",
                            std::chrono::duration_cast<std::chrono::seconds>(options_.deadline).count(),
                            waiting_for_.empty() ? "" : ", waiting for " + waiting_for_));
  }
  TRY(ready);
  if (stop.stop_requested()) return tl::unexpected(stopped_error());
  if (mutant("opened_before_decision") && options_.unblock_destination) (void)destination_.set_write_block(false);
  // From here a failure leaves it open whether the decision was written: only another look at the log may tell.
  decision_sent_ = true;
  const Status decision = record("decided", {});
  if (!decision) {
    return tl::unexpected(Error(decision.error())
                              .with_context("recording the decision; start the same command again to go on")
                              .with_code(ErrorCode::kWrongState));
  }
  runtime_.reached("cutover.after_decision");
  return {};
}

Status Cutover::under_block(const std::stop_token& stop) {
  const cluster::ThreadStop scope(stop);
  // The hook may have taken long: whoever has been replaced meanwhile must not block a source that its successor has released.
  owned_at_ = TRY(retry_temporary(runtime_, stop, [&] { return source_.majority_time(); }));
  TRY(retry_temporary(runtime_, stop, [&] { return still_owns(stop); }));
  if (!mutant("block_without_owning")) TRY(record("intent", stop));
  TRY(stop_writes(stop));
  runtime_.reached("cutover.after_block");
  fence_ = TRY(note("fence", stop));
  const SteadyTime fenced = runtime_.now();
  runtime_.reached("cutover.after_fence");
  if (!mutant("fences_not_awaited")) TRY_WITH(router_.await_applied(fence_, remaining(), stop), "applying the last changes");
  TRY(all_is_copied());
  // The stream shows every catalog change: without one since they were compared, the catalogs are still equal.
  if (router_.last_catalog_change() > compared_) TRY(catalogs_equal(stop));
  runtime_.reached("cutover.after_catalogs");
  if (options_.verify) verified_ = TRY_WITH(options_.verify(stop), "comparing the last changed documents");
  if (const auto left = kQuietWithoutBlock - (runtime_.now() - fenced); !blocks_ && left.count() > 0 && !runtime_.sleep(left, stop))
    return tl::unexpected(stopped_error());
  const ClusterTime second = TRY(note("second fence", stop));
  if (!mutant("fences_not_awaited"))
    TRY_WITH(router_.await_applied(second, remaining(), stop), "waiting for the proof that the source is quiet");
  TRY(source_is_quiet());
  if (!blocks_ && !mutant("late_transaction_ignored")) TRY(no_open_transaction(stop));
  TRY(all_is_copied());
  if (blocks_ && !mutant("lifted_block_unseen")) TRY(block_stands(stop));
  runtime_.reached("cutover.before_decision");
  return {};
}

// Before the source is blocked, with its applications still writing.
Status Cutover::await_short_transactions(const std::stop_token& stop) {
  const SteadyTime since = runtime_.now();
  for (;;) {
    const auto running = TRY(running_writes(source_, runtime_, stop));
    if (!running) return {};
    const auto open = std::ranges::count_if(running->transactions, [](const auto& one) { return one.open > kLongTransaction; });
    if (open == 0) return {};
    if (runtime_.now() - since > kTransactionsWait) {
      log_.warn("transactions stay open on the source; blocking its writes waits for them", {{"open", static_cast<std::int64_t>(open)}});
      return {};
    }
    if (!runtime_.sleep(kCatalogsPoll, stop)) return tl::unexpected(stopped_error());
  }
}

Status Cutover::still_owns(const std::stop_token& stop) {
  if (mutant("block_without_owning")) return {};
  const SteadyTime asked = runtime_.now();
  TRY(state_.confirm_owner(stop, true));
  owned_ = asked;
  return {};
}

// Announced first, for a predecessor that cannot reach the destination. Where an attempt comes late the owner is asked again: a
// successor that took over meanwhile has found nothing to lift.
Status Cutover::block_source(const std::stop_token& stop) {
  const auto owning = [&](auto&& call) {
    return retry_temporary(runtime_, stop, [&]() -> Status {
      if (runtime_.now() - owned_ > kOwnedFor && !mutant("block_unasked")) TRY(still_owns(stop));
      return call();
    });
  };
  const auto message = bson::make_document({{"drover", kBlockNote}, {"destination", destination_name_}, {"epoch", state_.epoch()}});
  TRY(owning([&]() -> Status {
    TRY(source_.append_note(message));
    return {};
  }));
  runtime_.reached("cutover.after_announcement");
  may_have_blocked_ = true;
  waiting_for_ = "the source to take the block: transactions that are open there hold it up";
  TRY(owning([&] { return source_.set_write_block(true); }));
  waiting_for_.clear();
  // Whoever was replaced in that moment has set a block that its successor does not know of.
  return mutant("late_block_kept") ? Status() : retry_temporary(runtime_, stop, [&] { return still_owns(stop); });
}

// The second fence proves that nobody has written, not that nobody will.
Status Cutover::block_stands(const std::stop_token& stop) {
  const auto block = TRY(retry_temporary(runtime_, stop, [&] { return source_.write_block(); }));
  if (block.enabled) return {};
  return fail(ErrorCode::kSource, "the source's write block was lifted by somebody else before the decision; see who did, and commit again");
}

// What runs is waited for: a transaction that was open when the writers were stopped for as long as it takes, since nothing of
// it is seen before its commit; others for a while, then the second fence is the proof. They may be of namespaces that are not
// migrated.
Status Cutover::stop_writes(const std::stop_token& stop) {
  if (blocks_) TRY_WITH(block_source(stop), "blocking the source's writes");
  if (mutant("running_writes_ignored")) return {};
  const SteadyTime waiting_since = runtime_.now();
  std::optional<std::set<std::string>> open;  // those of the beginning that still are
  for (;;) {
    const auto running = TRY(running_writes(source_, runtime_, stop));
    if (!running) {
      log_.info("running writes of the source cannot be listed (inprog is missing); the second fence is the proof");
      return {};
    }
    std::set<std::string> now;
    for (const auto& transaction : running->transactions)
      if (!open || open->contains(transaction.id)) now.insert(transaction.id);
    open = std::move(now);
    waiting_for_ = open->empty() ? "" : fmt::format("{} open transaction{} of the source", open->size(), open->size() == 1 ? "" : "s");
    if (running->others == 0 && running->transactions.empty()) return {};
    if (open->empty() && runtime_.now() - waiting_since > kWritersGrace && !(blocks_ && mutant("block_awaits_all"))) {
      log_.warn("writes still run on the source after they should have stopped",
                {{"commands", running->others}, {"transactions", static_cast<std::int64_t>(running->transactions.size())}});
      return {};
    }
    if (!runtime_.sleep(kWritersPoll, stop)) return tl::unexpected(stopped_error());
  }
}

// Without a block one may have begun since, and nothing of it is in the oplog before its commit. Where a part of the source is
// migrated, it may well be another part's.
Status Cutover::no_open_transaction(const std::stop_token& stop) {
  const auto running = TRY(running_writes(source_, runtime_, stop));
  if (!running || running->transactions.empty()) return {};
  if (!filter_.selects_everything()) {
    log_.warn("transactions are open on the source; they are taken for those of what is not migrated",
              {{"open", static_cast<std::int64_t>(running->transactions.size())}});
    return {};
  }
  return fail(ErrorCode::kSource, fmt::format("{} transaction{} open on the source after its writers should have stopped; stop that "
                                              "writer and commit again",
                                              running->transactions.size(), running->transactions.size() == 1 ? " is" : "s are"));
}

Status Cutover::record(std::string_view step, const std::stop_token& stop) {
  bson::Builder fields;
  fields.append("step", step).append("blocks", blocks_).append("foundBlocked", found_blocked_);
  if (stopped_millis_ > 0) fields.append("stoppedMillis", stopped_millis_);
  if (!verified_.empty()) fields.append("verification", verified_);
  if (step == "decided" && options_.figures) fields.append("figures", options_.figures());
  return state_.save("x_cutover", "cutover", std::move(fields).finish(), stop);
}

Result<ClusterTime> Cutover::note(std::string_view name, const std::stop_token& stop) {
  const auto message = bson::make_document({{"drover", name}});
  return retry_temporary(runtime_, stop, [&] { return source_.append_note(message); });
}

Status Cutover::await_equal_catalogs(const std::stop_token& stop) {
  const SteadyTime since = runtime_.now();
  for (;;) {
    compared_ = TRY(retry_temporary(runtime_, stop, [&] { return source_.majority_time(); }));
    const Status equal = catalogs_equal(stop);
    if (equal || equal.error().code != ErrorCode::kMismatch || runtime_.now() - since > kCatalogsWait) return equal;
    TRY(options_.put_right(stop));
    if (!runtime_.sleep(kCatalogsPoll, stop)) return tl::unexpected(stopped_error());
  }
}

Status Cutover::catalogs_equal(const std::stop_token& stop) {
  const auto difference =
      TRY(retry_temporary(runtime_, stop, [&] { return catalog_difference(source_, destination_, filter_, catalog_, router_.lock()); }));
  if (!difference) return {};
  return fail(ErrorCode::kMismatch, "the catalogs of source and destination differ: " + *difference);
}

// The gate was open when this began; a unique index created on the source since may have made a collection be copied anew.
Status Cutover::all_is_copied() const {
  const auto reason = options_.incomplete ? options_.incomplete() : std::nullopt;
  if (!reason || mutant("copied_anew_unseen")) return {};
  return fail(ErrorCode::kMismatch, "the destination is not complete any more: " + *reason);
}

// Since the order, or an earlier attempt for it, where that is known: its writers were stopped for that already, and a slow one is missed by this.
Status Cutover::source_is_quiet() {
  const auto last = router_.last_change();
  const auto since = !blocks_ && options_.quiet_since > ClusterTime{} ? options_.quiet_since : fence_;
  if (last.ts <= since || mutant("f2_not_checked")) return {};
  writer_seen_ = true;
  return fail(ErrorCode::kSource,
              fmt::format("the source is still being written after its writers should have stopped: {} at {}; stop that "
                          "writer and commit again",
                          last.ns.to_string(), last.ts.to_string()));
}

// Not what passes by itself, or is found out about by whoever goes on: a deployment that does not answer, an end of this process, another owner,
// catalogs that are not equal yet.
bool Cutover::ends_the_order(const Error& error, const std::stop_token& stop) const {
  if (writer_seen_) return true;
  const auto code = error.code;
  return !stop.stop_requested() && code != ErrorCode::kTemporary && code != ErrorCode::kInterrupted && code != ErrorCode::kWrongState &&
         code != ErrorCode::kMismatch;
}

Duration Cutover::remaining() const {
  const auto left = options_.deadline - (runtime_.now() - begun_);
  return left.count() > 0 ? left : Duration(1);
}

Result<CutoverFound> recover_cutover(cluster::Deployment& source, Runtime& runtime, Log& log, StateStore& state,
                                     const std::stop_token& stop) {
  const auto documents = TRY(state.load("x_cutover", stop));
  if (documents.empty()) return CutoverFound::kNone;
  const auto& found = documents.front();
  const StateFields fields("x_cutover", found);
  if (TRY(fields.one_of("step", {"intent", "decided", "committed"})) != "intent") return CutoverFound::kDecided;
  const bool blocked = TRY(fields.flag("blocks")) && !TRY(fields.flag("foundBlocked"));
  log.warn("a cutover was interrupted before its decision; the source is being restored as it was found");
  if (blocked && !mutant("block_left_behind")) TRY(unblock_source(source, runtime, state, std::nullopt, stop));
  const std::vector<bson::Value> ids{value_of("cutover")};
  TRY(state.remove("x_cutover", ids, stop));
  return CutoverFound::kUndone;
}

Status finish_cutover(cluster::Deployment& destination, Runtime& runtime, StateStore& state, bool unblock_destination,
                      const std::stop_token& stop) {
  const auto time = TRY(retry_temporary(runtime, stop, [&] { return destination.majority_time(); }));
  if (unblock_destination)
    TRY(retry_temporary(runtime, stop, [&] { return destination.set_write_block(false); }));
  const auto opened = std::chrono::duration_cast<std::chrono::milliseconds>(runtime.wall_time().time_since_epoch()).count();
  runtime.reached("cutover.after_unblock");
  bson::Builder fields;
  fields.append("step", "committed").append("destinationTime", time).append("restarts", state.restarts());
  for (const auto& decided : TRY(state.load("x_cutover", stop))) {
    if (const auto stopped = decided["stoppedMillis"].to_int64()) fields.append("writeUnavailableMillis", std::max<std::int64_t>(0, opened - *stopped));
    for (const auto* name : {"verification", "figures"})
      if (decided[name].exists()) fields.append_raw(decided[name]);
  }
  return state.save("x_cutover", "cutover", std::move(fields).finish(), stop);
}

Result<std::optional<std::string>> catalog_difference(cluster::Deployment& source, cluster::Deployment& destination,
                                                      const NamespaceFilter& filter, const Catalog& catalog,
                                                      Runtime::Monitor& lock) {
  const auto all = [&](cluster::Deployment& deployment) -> Result<std::map<Namespace, CollectionInfo>> {
    std::map<Namespace, CollectionInfo> infos;
    for (const auto& db : TRY(list_wanted_databases(deployment, filter)))
      for (auto& info : TRY(list_wanted(deployment, db, filter))) infos.emplace(info.ns, info);
    return infos;
  };
  const auto on_source = TRY(all(source));
  const auto on_destination = TRY(all(destination));
  for (const auto& [ns, info] : on_source) {
    const auto there = on_destination.find(ns);
    if (there == on_destination.end()) return ns.to_string() + " is missing on the destination";
    if (const auto words = difference(info, there->second)) return ns.to_string() + ": " + *words;
  }
  for (const auto& [ns, info] : on_destination)
    if (!on_source.contains(ns)) return ns.to_string() + " is not on the source";
  MonitorLock guard(lock);
  for (const auto& [uuid, collection] : catalog.collections) {
    const auto there = on_destination.find(collection->info.ns);
    if (!collection->gone && there != on_destination.end() && there->second.uuid != collection->destination_uuid)
      return collection->info.ns.to_string() + " on the destination is not the collection that this migration made";
  }
  return std::optional<std::string>();
}

}  // namespace drover::engine
