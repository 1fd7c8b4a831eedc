#include "engine/migration.h"

#include <atomic>
#include <utility>

#include <fmt/format.h>

#include "bson/builder.h"
#include "cluster/thread_stop.h"
#include "engine/commit_gate.h"
#include "engine/count_check.h"
#include "engine/finished_progress.h"
#include "engine/job_state.h"
#include "engine/mutants.h"
#include "engine/pipeline.h"
#include "engine/retry.h"

namespace drover::engine {
namespace {

inline constexpr std::chrono::milliseconds kWatchEvery{100};
inline constexpr std::chrono::seconds kNotingAtTheEnd{5};
inline constexpr int kMostAttempts = 10;  // of a cutover whose catalogs do not become equal
constexpr const char* kFinishing = "finishing the cutover, which is decided; start the same command again to finish it";

}  // namespace

struct Migration::Run {
  std::vector<Uuid> sessions;  // of the pipeline
  Catalog catalog;
  std::unique_ptr<StateStore> state;
  std::unique_ptr<Planner> planner;
  std::unique_ptr<Starter> starter;
  std::unique_ptr<Pipeline> pipeline;
  Begun begun;
  std::atomic<const char*> phase{"initializing"};
  std::atomic<const char*> name{"INITIALIZING"};
  std::atomic<std::int64_t> copied_at_millis{0};
  std::atomic<bool> started{false};  // its parts run: only from then on the catalog tells what is still to be done
  bool differences_noted = false;
  bool differences_known = false;  // from an earlier run
  bool decided = false;   // the cutover: there is only forward
  bool in_doubt = false;  // whether it is
  bool order_ended = false;   // the cutover was given up, and that is recorded: it waits for another order
  ClusterTime quiet_since;    // of attempts for the same order: its time, or the first fence on a source that is not blocked
  bool counted = false;  // the sides agree in how many documents there are
};

Migration::Migration(cluster::Deployment& source, cluster::Deployment& destination, Runtime& runtime, Log& log,
                     Options options)
    : source_(source),
      destination_(destination),
      runtime_(runtime),
      log_(log),
      options_(std::move(options)),
      lock_(runtime.make_monitor()) {}

Migration::~Migration() = default;

// For as long as it lives, the run may record under its epoch.
class Migration::Owning {
 public:
  Owning(Migration& migration, std::shared_ptr<Run> run) : migration_(migration) { set(std::move(run)); }
  ~Owning() { set(nullptr); }

 private:
  void set(std::shared_ptr<Run> run) {
    MonitorLock lock(*migration_.lock_);
    migration_.owning_ = std::move(run);
  }
  Migration& migration_;
};

Status Migration::save_control(bson::View fields, const std::stop_token& stop) {
  std::shared_ptr<Run> run;
  {
    MonitorLock lock(*lock_);
    run = owning_;
  }
  if (!run) return fail(ErrorCode::kWrongState, "the migration is not running");
  return run->state->save("x_control", "control", fields, stop);
}

Result<Outcome> Migration::run(const std::stop_token& stop) {
  auto run = std::make_shared<Run>();
  std::vector<Uuid> sessions;
  for (int i = 0; i < StateStore::kSessions + Pipeline::session_count(options_); ++i) sessions.push_back(Uuid::random(runtime_));
  run->state = std::make_unique<StateStore>(destination_, runtime_, sessions);
  run->planner = std::make_unique<Planner>(source_, runtime_, log_, options_.filter, options_.partition_bytes);
  run->starter = std::make_unique<Starter>(source_, destination_, runtime_, log_, run->catalog, *run->state,
                                           *run->planner, options_);
  destination_.use_session_for_catalog(sessions[StateStore::kSessions]);
  {
    const cluster::ThreadStop scope(stop);
    const auto waiting = [&] {
      log_.warn("an earlier process of this migration wrote as another user of the destination; waiting until it must have stopped",
                {{"seconds", static_cast<std::int64_t>(std::chrono::seconds(kOtherUserGoneAfter).count())}});
      Progress progress;
      progress.state = "INITIALIZING";
      progress.cannot_commit_because = "an earlier process wrote as another user; it is waited for until it must have stopped";
      remember(std::move(progress));
    };
    TRY_WITH(run->state->take_over(sessions, options_.destination_user, waiting, stop),
             "becoming the only writer of the destination");
  }
  runtime_.reached("start.after_takeover");
  const Owning owning(*this, run);
  const auto finished = begin(run, sessions, stop);
  Result<Outcome> outcome = Outcome::kCommitted;
  if (!finished) {
    outcome = tl::unexpected(finished.error());
  } else {
    outcome = *finished ? **finished : follow_until_committed(*run, stop);
  }
  if (run->pipeline) {
    run->pipeline->stop();
    if (!outcome && outcome.error().code != ErrorCode::kWrongState) note_differences(*run);
    auto last = progress();
    if (outcome) add_cutover(load_of(*run->state, {}), last);
    MonitorLock lock(*lock_);
    last_ = std::move(last);
    run_.reset();
  }
  if (outcome && options_.after_cutover) TRY_WITH(after_cutover(*run->state, stop), "after the cutover, which is done");
  return outcome;
}

// At least once: what was begun by a process that died is done again, and told so.
Status Migration::after_cutover(StateStore& state, const std::stop_token& stop) const {
  bool again = false;
  for (const auto& hook : TRY(state.load("x_hooks", stop))) {
    if (hook["done"].is_truthy()) return {};
    again = true;
  }
  TRY(state.save("x_hooks", "after", bson::make_document({{"done", false}}), stop));
  TRY(options_.after_cutover(again));
  return state.save("x_hooks", "after", bson::make_document({{"done", true}}), {});
}

// So that no later run takes counts for a proof: as soon as one is known, for this process may die. Not being able to record it is no reason for
// another error, nor to go on after a stop for long.
void Migration::note_differences(Run& run) {
  auto* verification = run.pipeline->verification();
  const auto count = verification == nullptr ? 0 : verification->mismatches();
  if (count == 0 || run.differences_noted) return;
  std::stop_source limit;
  const auto timer = runtime_.spawn("limit", [&](const std::stop_token& done) {
    if (runtime_.sleep(kNotingAtTheEnd, done)) limit.request_stop();
  });
  const cluster::ThreadStop scope(limit.get_token());
  const auto noted = run.state->save("x_differences", "documents", bson::make_document({{"count", count}}), limit.get_token());
  timer->request_stop();
  timer->join();
  run.differences_noted = noted.has_value();
  if (!noted) log_.warn("that documents differ cannot be recorded", {{"reason", noted.error().message}});
}

// They have been put right: everything has been compared again. On the thread that notes them, which does so again for what is found later.
Status Migration::forget_differences(Run& run, const std::stop_token& stop) {
  if (!run.differences_known || !run.pipeline->verification()->was_equal()) return {};
  const std::vector<bson::Value> ids{value_of("documents")};
  TRY(run.state->remove("x_differences", ids, stop));
  run.differences_known = false;
  log_.info("what an earlier comparison found is put right: every document has been compared again");
  return {};
}

Status Migration::look_for_differences(Run& run, const std::stop_token& stop) const {
  if (options_.verification == VerificationMode::kNone) return {};
  run.differences_known = !TRY(run.state->load("x_differences", stop)).empty();
  if (!run.differences_known || options_.verification == VerificationMode::kDocuments) return {};
  return fail(ErrorCode::kMismatch,
              "an earlier comparison of this migration has found documents that differ, and counts cannot show that they are right by now; let it compare every document "
              "(without --no-verify). `drover verify` lists what differs; to start anew, drop what was copied and use --cleanup");
}

// Everything before the pipeline runs; an outcome when an earlier run had reached it.
Result<std::optional<Outcome>> Migration::begin(const std::shared_ptr<Run>& run, std::span<const Uuid> sessions,
                                                const std::stop_token& stop) {
  const cluster::ThreadStop scope(stop);
  TRY(check_job_of_state([&](const auto& collection) { return run->state->load(collection, stop); }, options_.job));
  if (options_.resuming && TRY(run->state->load("x_migration", stop)).empty()) {
    return fail(ErrorCode::kWrongState,
                "the state of the migration that was to go on has been removed from the destination in this moment; nothing was done. "
                "Look what the destination holds, then start again");
  }
  if (options_.control) {
    TRY(save_control(*options_.control, stop));
    if (options_.control_saved) options_.control_saved();
  }
  run->begun = TRY(run->starter->begin(stop));
  if (run->begun.committed || run->begun.decided) remember(finished_progress(load_of(*run->state, stop)));
  if (run->begun.committed) return Outcome::kAlreadyCommitted;
  if (run->begun.decided) {
    TRY_WITH(finish_cutover(destination_, runtime_, *run->state, run->begun.destination_blocked, stop), kFinishing);
    TRY_WITH(run->starter->save_migration("committed", stop), kFinishing);
    release(*run->state);
    remember(finished_progress(load_of(*run->state, stop)));  // with what finishing added
    return Outcome::kCommitted;
  }
  TRY(look_for_differences(*run, stop));
  run->sessions.assign(sessions.begin() + StateStore::kSessions, sessions.end());
  run->pipeline = std::make_unique<Pipeline>(
      Pipeline::Parts{source_, destination_, runtime_, log_, run->catalog, *run->state, options_}, run->begun.position,
      run->sessions);
  {
    MonitorLock lock(*lock_);
    run_ = run;
  }
  TRY(run->pipeline->clear(run->begun, stop));
  TRY(run->starter->lay_out(run->pipeline->changer(), run->pipeline->on_destination(), run->begun, stop));
  const auto facts = TRY(retry_temporary(runtime_, stop, [&] { return source_.facts(); }));
  run->copied_at_millis = run->begun.copied_millis;
  run->name = "RUNNING";
  run->phase = "collection copy";
  run->pipeline->start(*run->planner, run->begun, facts.version >= ServerVersion{5, 0, 0}, stop);
  run->started = true;
  return std::nullopt;
}

// The pipeline's threads have ended, but not what they sent: a request whose connection broke may still be on its way, and one
// that changed nothing when it was repeated leaves no trace that would refuse it. Shut out like a predecessor's, all at once,
// for the application waits.
Status Migration::end_writing(Run& run) {
  run.pipeline->stop();
  if (mutant("sessions_left_open")) return {};
  std::vector<Status> done(run.sessions.size());
  std::vector<std::unique_ptr<Runtime::Thread>> threads;
  for (std::size_t i = 0; i < run.sessions.size(); ++i) {
    threads.push_back(runtime_.spawn("shut out", [this, &run, &done, i](std::stop_token) {
      done[i] = retry_temporary(runtime_, {}, [&] { return destination_.fence_session(run.sessions[i]); });
    }));
  }
  for (auto& thread : threads) thread->join();
  for (const auto& status : done) TRY_WITH(status, "shutting out late requests of this process");
  return {};
}

Result<Outcome> Migration::follow_until_committed(Run& run, const std::stop_token& stop) {
  int attempts = 0;
  // A part that fails ends the wait for its progress.
  std::stop_source either;
  std::stop_callback outer(stop, [&] { either.request_stop(); });
  const auto inner = run.pipeline->on_failure([&] { either.request_stop(); });
  for (;;) {
    if (const auto failure = run.pipeline->failure()) return tl::unexpected(*failure);
    if (run.pipeline->stopped()) return tl::unexpected(stopped_error());
    note_differences(run);
    TRY(forget_differences(run, stop));
    if (!runtime_.sleep(kWatchEvery, stop)) return tl::unexpected(stopped_error());
    if (run.copied_at_millis == 0 && run.pipeline->copy_finished()) {
      const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(runtime_.wall_time().time_since_epoch());
      run.copied_at_millis = std::max<std::int64_t>(1, now.count());
      run.starter->note_copied(run.copied_at_millis);
      TRY(run.starter->save_migration("running", stop));
      log_.info("all collections are copied");
      runtime_.reached("migration.after_copy");
    }
    if (auto* verification = run.pipeline->verification(); verification != nullptr && run.pipeline->copy_finished())
      verification->begin();
    if (run.copied_at_millis != 0) run.phase = "change event application";
    if (why_not_commit(run)) continue;
    if (!run.counted && options_.verification != VerificationMode::kNone) {
      const cluster::ThreadStop scope(either.get_token());
      const auto agree = counts_agree(source_, destination_, runtime_, run.catalog, run.pipeline->router(), either.get_token());
      if (agree) {
        run.counted = *agree;
      } else if (!run.pipeline->failure()) {
        return tl::unexpected(agree.error());
      }
      continue;
    }
    if (options_.commit == CommitPolicy::kNever) continue;
    if (options_.commit == CommitPolicy::kManual && !(options_.may_commit && options_.may_commit())) continue;
    if (options_.ordered_at && run.quiet_since == ClusterTime{}) run.quiet_since = options_.ordered_at();
    const Status done = cut_over(run, either.get_token());
    if (done) return Outcome::kCommitted;
    if (run.decided || run.in_doubt) return tl::unexpected(done.error());
    run.phase = "change event application";
    run.name = "RUNNING";
    if (std::exchange(run.order_ended, false) && done.error().code != ErrorCode::kWrongState && !run.pipeline->failure()) {
      attempts = 0;
      run.quiet_since = {};
      continue;
    }
    // The catalogs not being equal yet is no reason to end: the source may be changing its own all the time.
    if (done.error().code != ErrorCode::kMismatch || ++attempts == kMostAttempts) return tl::unexpected(done.error());
  }
}

std::optional<std::string> Migration::why_not_commit(Run& run) const {
  auto reason = engine::why_not_commit(run.catalog, run.pipeline->router(), run.pipeline->tracker(),
                                       run.pipeline->copy_finished(), run.pipeline->lag_seconds());
  if (!reason && run.pipeline->verification() != nullptr) reason = run.pipeline->verification()->why_not_commit();
  return reason;
}

std::function<Result<bson::Document>(const std::stop_token&)> Migration::verify_rest(Run& run) {
  auto* verification = run.pipeline->verification();
  if (verification == nullptr) return {};
  return [verification](const std::stop_token& stop) -> Result<bson::Document> {
    TRY(verification->finish(stop));
    return verification_record(verification->progress());
  };
}

Status Migration::cut_over(Run& run, const std::stop_token& stop) {
  run.phase = "cutover";
  run.name = "COMMITTING";
  runtime_.reached("migration.before_cutover");
  Cutover cutover(source_, destination_, runtime_, log_, run.catalog, run.pipeline->router(), *run.state, options_.filter,
                  {.before = options_.before_cutover,
                   .unblock_destination = run.begun.destination_blocked,
                   .deadline = options_.cutover_deadline,
                   .verify = verify_rest(run),
                   .figures =
                       [&run] {
                         return bson::make_document({{"applied", static_cast<std::int64_t>(run.pipeline->events_applied())},
                                                     {"maxLagSeconds", run.pipeline->max_lag_seconds()}});
                       },
                   .incomplete =
                       [&] { return why_not_complete(run.catalog, run.pipeline->router(), run.pipeline->copy_finished()); },
                   .connections = static_cast<int>(run.sessions.size()),
                   .decided =
                       [&] {
                         run.decided = true;
                         return end_writing(run);
                       },
                   .put_right = [&](const std::stop_token& token) { return run.pipeline->changer().put_right(token); },
                   .given_up = options_.commit_given_up ? std::function<void(const Error&)>([&](const Error& why) { run.order_ended = record_given_up(why, stop); }) : nullptr,
                   .quiet_since = run.quiet_since});
  Status done = cutover.run(stop);
  if (run.quiet_since == ClusterTime{}) run.quiet_since = cutover.unblocked_fence();
  run.in_doubt = !run.decided && cutover.may_be_decided();
  if (done) done = run.starter->save_migration("committed", {});
  if (!done && run.decided) return tl::unexpected(std::move(done).error().with_context(kFinishing));
  if (!done) {
    // What is said of a block that may be left, or of a decision that may have been taken, comes before what led to it.
    const auto failure = run.pipeline->failure();
    return failure && done.error().code != ErrorCode::kWrongState ? tl::unexpected(*failure) : done;
  }
  release(*run.state);
  run.phase = "committed";
  run.name = "COMMITTED";
  log_.info("committed: the destination accepts writes");
  return {};
}

// For as long as it takes; once this process is to end, only a little longer. False: it is not recorded.
bool Migration::record_given_up(const Error& why, const std::stop_token& stop) {
  Status recorded;
  {
    const cluster::ThreadStop scope(stop);
    recorded = options_.commit_given_up(why, stop);
  }
  if (!recorded && stop.stop_requested()) {
    std::stop_source limit;
    const auto timer = runtime_.spawn("limit", [&](const std::stop_token& done) {
      if (runtime_.sleep(kNotingAtTheEnd, done)) limit.request_stop();
    });
    const cluster::ThreadStop scope(limit.get_token());
    recorded = options_.commit_given_up(why, limit.get_token());
    timer->request_stop();
    timer->join();
  }
  if (!recorded) log_.error("that the cutover was given up cannot be recorded", {{"reason", recorded.error().message}});
  return recorded.has_value();
}

// Nothing depends on it but how long a later owner under another user waits.
void Migration::release(StateStore& state) {
  if (const auto released = state.release({}); !released)
    log_.warn("the migration is done, but its owner is still recorded", {{"reason", released.error().message}});
}

void Migration::remember(Progress progress) {
  MonitorLock lock(*lock_);
  last_ = std::move(progress);
}

Progress Migration::progress() const {
  std::shared_ptr<Run> run;
  {
    MonitorLock lock(*lock_);
    run = run_;
    if (!run) return last_;
  }
  Progress progress;
  progress.state = run->name.load();
  progress.phase = run->phase.load();
  progress.restarts = run->state->restarts();
  Pipeline& pipeline = *run->pipeline;
  {
    MonitorLock lock(pipeline.router().lock());
    for (const auto& [uuid, collection] : run->catalog.collections) {
      if (collection->gone) continue;
      CollectionProgress one;
      one.ns = collection->info.ns;
      one.documents = collection->documents_copied;
      one.bytes = collection->bytes_copied;
      one.copied = collection->copied();
      expect(one, collection->documents_expected, collection->bytes_expected);
      one.missing_indexes = static_cast<int>(missing_indexes(*collection).size());
      progress.indexes_wanted += static_cast<std::int64_t>(plain_secondary_indexes(collection->info).size());
      progress.documents += one.documents;
      progress.bytes += one.bytes;
      progress.bytes_expected += one.bytes_expected;
      progress.collections.push_back(std::move(one));
    }
  }
  const auto held = pipeline.router().held_usage();
  progress.change_events_held = held.events;
  progress.change_events_outstanding = pipeline.tracker().outstanding();
  progress.change_events_applied = pipeline.events_applied();
  progress.batches_in_flight = pipeline.batches_in_flight();
  // The second fence proved that nothing was left.
  progress.lag_seconds = progress.state == "COMMITTED" ? 0 : pipeline.lag_seconds();
  progress.max_lag_seconds = pipeline.max_lag_seconds();
  progress.position = pipeline.router().applied_until();
  const auto until = run->copied_at_millis != 0
                         ? run->copied_at_millis.load()
                         : std::chrono::duration_cast<std::chrono::milliseconds>(runtime_.wall_time().time_since_epoch()).count();
  if (run->begun.started_millis > 0) progress.copy_seconds = static_cast<double>(until - run->begun.started_millis) / 1000.0;
  if (pipeline.verification() != nullptr) progress.verification = pipeline.verification()->progress();
  auto reason = why_not_commit(*run);
  if (!reason && progress.phase == "collection copy") reason = "the end of the copy is being recorded";
  progress.can_commit = run->started && !reason;
  progress.cannot_commit_because = run->started ? reason.value_or("") : "the migration is still starting";
  return progress;
}

}  // namespace drover::engine
