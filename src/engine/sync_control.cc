#include "engine/sync_control.h"

#include <fmt/format.h>

#include "bson/builder.h"
#include "cluster/thread_stop.h"
#include "engine/finished_progress.h"
#include "engine/job_state.h"
#include "engine/order_time.h"
#include "engine/retry.h"
#include "engine/state_fields.h"
#include "preflight/preflight.h"
#include "preflight/removal.h"

namespace drover::engine {
namespace {

inline constexpr std::chrono::seconds kLookEvery{1};
inline constexpr std::chrono::seconds kPingEvery{30};
inline constexpr std::chrono::seconds kLagEvery{10};
inline constexpr std::chrono::minutes kOplogEvery{5};

std::string cluster_name(int cluster) { return fmt::format("cluster{}", cluster); }

}  // namespace

const char* name_of(SyncState state) {
  switch (state) {
    case SyncState::kInitializing: return "INITIALIZING";
    case SyncState::kIdle: return "IDLE";
    case SyncState::kRunning: return "RUNNING";
    case SyncState::kPaused: return "PAUSED";
    case SyncState::kCommitting: return "COMMITTING";
    case SyncState::kCommitted: return "COMMITTED";
  }
  return "INITIALIZING";
}

// One run of the migration: from a start or resume to a pause or the end.
struct SyncControl::Session {
  std::unique_ptr<cluster::Deployment> source;
  std::unique_ptr<cluster::Deployment> destination;
  std::unique_ptr<Migration> migration;
  std::stop_source stop;
  std::atomic<bool> commit{false};
  bool saved = false;    // these under the control's lock
  bool pausing = false;
  bool ended = false;
  std::optional<Error> error;
  // What the watcher saw.
  std::optional<std::int64_t> ping_millis[2];
  std::optional<std::chrono::seconds> oplog_left;
  std::optional<std::chrono::seconds> until_caught_up;
  bool source_blocks = false;
  SteadyTime pinged{}, lag_seen{}, oplog_seen{};
  double lag = 0;
  std::unique_ptr<Runtime::Thread> thread;
};

class SyncControl::Turn {
 public:
  explicit Turn(SyncControl& control) : control_(control) {
    MonitorLock lock(*control_.lock_);
    control_.lock_->wait({}, {}, [&] { return !control_.turn_taken_; });
    control_.turn_taken_ = true;
  }
  ~Turn() {
    MonitorLock lock(*control_.lock_);
    control_.turn_taken_ = false;
    control_.lock_->notify_all();
  }

 private:
  SyncControl& control_;
};

SyncControl::SyncControl(Connect connect, Runtime& runtime, Log& log, Options options)
    : connect_(std::move(connect)),
      runtime_(runtime),
      log_(log),
      options_(std::move(options)),
      job_(options_.job),
      lock_(runtime.make_monitor()),
      watcher_(runtime.spawn("sync.watch", [this](std::stop_token stop) { watch(stop); })) {}

SyncControl::~SyncControl() { stop(); }

void SyncControl::stop() {
  stopping_.request_stop();
  const Turn turn(*this);
  if (const auto running = session()) running->stop.request_stop();  // first of all: it may have a block to lift
  if (watcher_) {
    watcher_->request_stop();
    watcher_->join();
    watcher_.reset();
  }
  if (const auto running = session(); running && running->thread) running->thread->join();
}

Status SyncControl::open(const std::stop_token& stop) {
  const Turn turn(*this);
  std::optional<int> destination;
  bson::Document control;
  for (int cluster = 0; cluster < 2; ++cluster) {
    const auto deployment = TRY(connect_(cluster, Part::kNone));
    if (!job_.empty() && cluster == 0) continue;  // jobs go from 0 to 1; what 0 holds led to it, and is over
    const auto documents = TRY_WITH(retry_temporary(runtime_, stop, [&] { return deployment->load_state("x_control"); }),
                                    "looking for a migration on " + cluster_name(cluster));
    if (documents.empty()) continue;
    // Of a job that has begun nothing: a new one begins as if it had never been.
    if (!job_.empty() && preflight::job_in(documents.front()) != job_ &&
        TRY(retry_temporary(runtime_, stop, [&] { return deployment->load_state("x_migration"); })).empty()) continue;
    if (destination) {
      return fail(ErrorCode::kWrongState,
                  "both clusters hold the state of a migration into them; drop __mdb_internal_mongosync on the one that is "
                  "not to be migrated into any more");
    }
    destination = cluster;
    control = documents.front();
  }
  if (destination) return found(*destination, control, stop);
  enter(SyncState::kIdle);
  return {};
}

Status SyncControl::found(int destination, const bson::Document& control, const std::stop_token& stop) {
  const StateFields fields("x_control", control);
  const auto started_as = TRY(fields.one_of("destination", {"cluster0", "cluster1"}));
  if (started_as != cluster_name(destination)) {
    return fail(ErrorCode::kWrongState, fmt::format("{} holds a migration that was started with it as {}; exchange --cluster0 and --cluster1",
                                                    cluster_name(destination), started_as));
  }
  if (job_.empty()) job_ = preflight::job_in(control);
  const auto deployment = TRY(connect_(destination, Part::kDestination));
  TRY(check_job_of_state([&](const auto& collection) { return retry_temporary(runtime_, stop, [&] { return deployment->load_state(collection); }); }, job_));
  SyncRequest request;
  request.source = 1 - destination;
  request.includes = TRY(fields.texts_if_there("includes"));
  request.excludes = TRY(fields.texts_if_there("excludes"));
  request.block_destination = TRY(fields.flag_if_there("blockDestination"));
  const bool paused = TRY(fields.flag_if_there("paused"));
  log_.info("Found a migration to go on with", {{"source", cluster_name(request.source)}, {"paused", paused}});
  CommitOrder commit;
  commit.asked = TRY(fields.flag_if_there("commit"));
  commit.request = control["commitRequest"].to_int64();
  commit.given_up = control["commitGivenUp"].to_string_view().value_or("");
  if (control["commitSince"].exists()) commit.since = TRY(fields.time("commitSince"));
  if (!paused) return begin(request, commit);
  auto reached = recorded_progress([&](const auto& collection) { return retry_temporary(runtime_, stop, [&] { return deployment->load_state(collection); }); });
  MonitorLock lock(*lock_);
  found_ = std::move(reached);
  request_ = request;
  commit_ = commit;
  state_ = SyncState::kPaused;
  return {};
}

bson::Document SyncControl::control(const SyncRequest& request, bool paused, const CommitOrder& commit) const {
  bson::Builder builder;
  builder.append("source", cluster_name(request.source)).append("destination", cluster_name(1 - request.source));
  for (const auto& [name, entries] : {std::pair{"includes", &request.includes}, std::pair{"excludes", &request.excludes}}) {
    auto array = builder.open_array(name);
    for (const auto& entry : *entries) array.append(entry);
  }
  builder.append("blockDestination", request.block_destination).append("paused", paused).append("commit", commit.asked);
  if (commit.request) builder.append("commitRequest", *commit.request);
  if (!commit.given_up.empty()) builder.append("commitGivenUp", commit.given_up);
  if (commit.since > ClusterTime{}) builder.append("commitSince", commit.since);
  if (!job_.empty()) builder.append("job", job_);
  return std::move(builder).finish();
}

Status SyncControl::wrong_state(const char* wanted) const {
  MonitorLock lock(*lock_);
  if (state_ == SyncState::kInitializing)
    return fail(ErrorCode::kWrongState, "mongosync is still initializing and is not ready to start");
  return fail(ErrorCode::kWrongState, fmt::format("the state is {}, and must be {}", name_of(state_), wanted));
}

Status SyncControl::start(const SyncRequest& request) {
  const Turn turn(*this);
  SyncState now;
  bool same = false;
  {
    MonitorLock lock(*lock_);
    now = state_;
    same = request_ == request;
  }
  if (now != SyncState::kIdle && now != SyncState::kInitializing && same) {
    log_.info("Already started with these parameters");
    return {};
  }
  if (now != SyncState::kIdle) return wrong_state("IDLE");
  return begin(request, {});
}

Status SyncControl::begin(const SyncRequest& request, const CommitOrder& commit) {
  auto session = std::make_shared<Session>();
  session->source = TRY(connect_(request.source, Part::kSource));
  session->destination = TRY(connect_(1 - request.source, Part::kDestination));
  session->commit = commit.asked;
  Options options = options_;
  options.filter = TRY(NamespaceFilter::parse(request.includes, request.excludes));
  options.commit = CommitPolicy::kManual;
  options.block_destination = request.block_destination;
  options.may_commit = [raw = session.get()] { return raw->commit.load(); };
  options.job = job_;
  options.commit_given_up = [this, request, raw = session.get()](const Error& why, const std::stop_token& stop) { return commit_given_up(*raw, request, why, stop); };
  options.ordered_at = [this] { return commit_order().since; };
  options.control = control(request, false, commit);
  options.control_saved = [this, raw = session.get()] {
    MonitorLock lock(*lock_);
    raw->saved = true;
    lock_->notify_all();
  };
  const auto report = TRY(retry_temporary(runtime_, stopping_.get_token(), [&] {
    return preflight::check(*session->source, *session->destination, {options.filter});
  }));
  for (const auto& finding : report.findings)
    if (finding.severity == preflight::Severity::kWarn) log_.warn(finding.what, {{"check", finding.id}});
  TRY(report.verdict());
  // Before its owner is shut out, and once more when it is.
  TRY(check_job_of_state([&](const auto& collection) { return retry_temporary(runtime_, stopping_.get_token(), [&] { return session->destination->load_state(collection); }); }, job_));
  options.source = report.source;
  options.destination_user = report.destination_user;
  options.resuming = report.resuming();
  const auto block = TRY(retry_temporary(runtime_, stopping_.get_token(), [&] { return session->source->write_block(); }));
  session->source_blocks = block.supported && block.effective;
  session->migration = std::make_unique<Migration>(*session->source, *session->destination, runtime_, log_, options);
  {
    MonitorLock lock(*lock_);
    commit_ = commit;  // before the run can give it up
  }
  session->thread = runtime_.spawn("sync.run", [this, raw = session.get()](std::stop_token) { run(*raw); });
  return await_record(session, request);
}

// The run is under way once what was asked is recorded; until then its failure is only the call's.
Status SyncControl::await_record(const std::shared_ptr<Session>& session, const SyncRequest& request) {
  bool saved = false;
  {
    MonitorLock lock(*lock_);
    lock_->wait(stopping_.get_token(), {}, [&] { return session->saved || session->ended; });
    saved = session->saved;
  }
  if (!saved) {
    session->stop.request_stop();
    session->thread->join();
    return tl::unexpected(session->error.value_or(stopped_error()));
  }
  MonitorLock lock(*lock_);
  request_ = request;
  session_ = session;
  if (!session->ended) state_ = session->commit ? SyncState::kCommitting : SyncState::kRunning;
  return {};
}

CommitOrder SyncControl::commit_order() const {
  MonitorLock lock(*lock_);
  return commit_;
}

// On the run's thread, which commits nothing meanwhile.
Status SyncControl::commit_given_up(Session& session, const SyncRequest& request, const Error& why, const std::stop_token& stop) {
  auto commit = commit_order();
  commit.asked = false;
  commit.given_up = why.message.empty() ? "for no known reason" : why.message;
  TRY(session.migration->save_control(control(request, false, commit), stop));
  log_.error("The commit is given up, and is not tried again before it is asked for anew", {{"reason", commit.given_up}});
  MonitorLock lock(*lock_);
  commit_ = std::move(commit);
  session.commit = false;
  if (state_ == SyncState::kCommitting) state_ = SyncState::kRunning;
  return {};
}

void SyncControl::run(Session& session) {
  const auto outcome = session.migration->run(session.stop.get_token());
  // To be told in any case: a block, perhaps, or a source that stays blocked until somebody finishes what is decided.
  const bool left_behind = !outcome && (outcome.error().code == ErrorCode::kWrongState || session.migration->progress().state == "COMMITTING");
  MonitorLock lock(*lock_);
  session.ended = true;
  if (outcome) state_ = SyncState::kCommitted;
  else session.error = outcome.error();
  const bool asked = session.pausing || session.stop.stop_requested();
  if (!outcome && session.saved && (!asked || left_behind)) failure_ = outcome.error();
  lock_->notify_all();
}

Status SyncControl::pause() {
  const Turn turn(*this);
  const auto running = session();
  bool right = false;
  {
    MonitorLock lock(*lock_);
    right = state_ == SyncState::kRunning && running != nullptr;
    if (right) running->pausing = true;
  }
  if (!right) return wrong_state("RUNNING");
  const Status saved = running->migration->save_control(control(*request_, true, commit_order()), stopping_.get_token());
  if (!saved) {
    MonitorLock lock(*lock_);
    running->pausing = false;
    if (running->ended && running->error) failure_ = running->error;
    return saved;
  }
  running->stop.request_stop();
  running->thread->join();
  enter(SyncState::kPaused);
  return {};
}

Status SyncControl::resume() {
  const Turn turn(*this);
  std::optional<SyncRequest> request;
  CommitOrder commit;
  {
    MonitorLock lock(*lock_);
    if (state_ == SyncState::kPaused) request = request_;
    commit = commit_;
  }
  if (!request) return wrong_state("PAUSED");
  return begin(*request, commit);
}

Status SyncControl::commit(std::optional<std::int64_t> request) {
  const Turn turn(*this);
  const auto running = session();
  bool right = false;
  {
    MonitorLock lock(*lock_);
    right = state_ == SyncState::kRunning && running != nullptr;
    if (right && request && commit_.request == request && !commit_.given_up.empty())
      return fail(ErrorCode::kWrongState, fmt::format("this commit was given up, and is to be asked for anew: {}", commit_.given_up));
  }
  if (!right) return wrong_state("RUNNING");
  const auto reached = running->migration->progress();
  if (!reached.can_commit)
    return fail(ErrorCode::kWrongState, "the migration cannot be committed yet: " +
                                            (reached.cannot_commit_because.empty() ? "it is still starting" : reached.cannot_commit_because));
  const CommitOrder order{true, request, {}, TRY(time_of_order(*running->source, runtime_, stopping_.get_token()))};
  TRY(running->migration->save_control(control(*request_, false, order), stopping_.get_token()));
  MonitorLock lock(*lock_);
  commit_ = order;
  if (state_ == SyncState::kRunning) state_ = SyncState::kCommitting;
  running->commit = true;
  return {};
}

std::shared_ptr<SyncControl::Session> SyncControl::session() const {
  MonitorLock lock(*lock_);
  return session_;
}

void SyncControl::enter(SyncState state) {
  MonitorLock lock(*lock_);
  state_ = state;
}

std::optional<Error> SyncControl::failure() const {
  MonitorLock lock(*lock_);
  return failure_;
}

SyncProgress SyncControl::progress() const {
  SyncProgress progress;
  const auto running = session();
  if (running) progress.migration = running->migration->progress();
  MonitorLock lock(*lock_);
  if (!running) progress.migration = found_;
  progress.state = state_;
  if (request_) progress.source = request_->source;
  progress.commit = commit_;
  if (running) {
    for (int side = 0; side < 2; ++side) progress.ping_millis[side] = running->ping_millis[side];
    progress.oplog_left = running->oplog_left;
    progress.until_caught_up = running->until_caught_up;
    progress.source_blocks = running->source_blocks;
  }
  return progress;
}

void SyncControl::watch(const std::stop_token& stop) {
  const cluster::ThreadStop scope(stop);
  while (runtime_.sleep(kLookEvery, stop)) {
    const auto running = session();
    bool live = false;
    {
      MonitorLock lock(*lock_);
      live = running && !running->ended;
    }
    if (live) look(*running, runtime_.now());
  }
}

// Facts about a run that the migration itself does not need.
void SyncControl::look(Session& session, SteadyTime now) {
  if (session.pinged == SteadyTime{} || now - session.pinged >= kPingEvery) {
    session.pinged = now;
    int side = 0;
    for (auto* deployment : {session.source.get(), session.destination.get()}) {
      const auto begun = runtime_.now();
      const bool answered = deployment->run_command("admin", bson::make_document({{"ping", 1}})).has_value();
      const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(runtime_.now() - begun).count();
      MonitorLock lock(*lock_);
      session.ping_millis[side++] = answered ? took : -1;
    }
  }
  const auto reached = session.migration->progress();
  if (session.oplog_seen == SteadyTime{} || now - session.oplog_seen >= kOplogEvery) {
    const auto window = session.source->oplog_window();
    if (window && reached.position > window->first) {
      session.oplog_seen = now;
      MonitorLock lock(*lock_);
      session.oplog_left = std::chrono::seconds(reached.position.seconds - window->first.seconds);
    }
  }
  if (now - session.lag_seen >= kLagEvery) {
    const auto passed = std::chrono::duration<double>(now - session.lag_seen).count();
    const double fallen = session.lag - reached.lag_seconds;
    const bool known = session.lag_seen != SteadyTime{} && fallen > 0 && reached.phase == "change event application";
    session.lag_seen = now;
    session.lag = reached.lag_seconds;
    MonitorLock lock(*lock_);
    session.until_caught_up.reset();
    if (known) session.until_caught_up = std::chrono::seconds(static_cast<std::int64_t>(reached.lag_seconds * passed / fallen));
  }
}

}  // namespace drover::engine
