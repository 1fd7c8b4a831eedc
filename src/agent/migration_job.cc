#include "agent/migration_job.h"

#include <algorithm>

#include <unistd.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "agent/destination_state.h"
#include "base/backoff.h"
#include "base/json.h"
#include "cluster/mongo_deployment.h"
#include "preflight/found_migration.h"

namespace drover::agent {
namespace {

constexpr const char* kStarted = "started";  // the engine was told to start: the destination may hold what it copied
constexpr const char* kRecorded = "recorded";  // the engine has recorded on the destination that it began: from then on there is a state
constexpr const char* kPrepared = "prepared";  // the destination held nothing of another migration, or nothing any more
constexpr const char* kFoundUnfinished = "found-unfinished";      // another migration's, at an earlier look
constexpr const char* kRemovedUnfinished = "removed-unfinished";  // by this job, which was told so
constexpr const char* kCleaned = "cleaned";
constexpr const char* kWasCommitted = "committed\n";  // in it
constexpr const char* kRemoving = "removing";  // a clean-up was begun, and nobody has seen its end
constexpr const char* kGivenUp = "given-up";   // it has failed, for the reason in it; what it left is still to be removed
constexpr const char* kStateGone =
    "the destination does not hold the state of this migration any more (__mdb_internal_mongosync): somebody has removed it, or it is another deployment, or one that was "
    "restored. What was copied there is not complete, and is not gone on with. ";
constexpr const char* kPaused = "somebody has paused the engine on the migration host; resume it there: POST /api/v1/resume";
constexpr const char* kCarriedOn = "the removal of what is left on the destination was interrupted, with the agent; it is carried on";
constexpr int kHistoryLost = 286;
constexpr std::size_t kMostOutput = 16384;  // of a clean-up that is read
constexpr int kUnauthorized = 13;

std::string state_gone(const Job& job) {
  return std::string(kStateGone) + (job.drop_destination ? "Begin it anew: dropDestinationData, as it was given for this one, empties the destination first"
                                                         : "Start again with dropDestinationData, or empty the destination first");
}

Status nobody_migrates(cluster::Deployment& destination) {
  const auto who = TRY(preflight::who_migrates(destination));
  if (who.empty()) return {};
  return fail(ErrorCode::kTemporary, fmt::format("somebody is at work on the destination ({}); nothing is removed there", fmt::join(who, ", ")));
}

// Of a clean-up's output, in which the last line is one JSON object.
struct CleanUpOutput {
  std::string removed;  // "nothing", "begun", "remnant", "committed"; empty when it was refused
  std::string text;     // all but that line
};

CleanUpOutput parse_output(std::string_view output) {
  CleanUpOutput parsed;
  while (!output.empty()) {
    const auto line = output.substr(0, output.find('\n'));
    output.remove_prefix(std::min(output.size(), line.size() + 1));
    const auto json = line.starts_with('{') ? Json::parse(line) : Result<Json>(fail(ErrorCode::kFailure, ""));
    if (!json) {
      parsed.text += std::string(line) + "\n";
      continue;
    }
    const auto* removed = json->find("removed");
    parsed.removed = removed != nullptr && removed->as_string() ? std::string(*removed->as_string()) : std::string();
  }
  return parsed;
}

std::string phase_of(const SyncProgress& progress) {
  if (progress.state == "COMMITTING" || progress.state == "COMMITTED") return "COMMITTING";
  if (progress.info == "collection copy") return "COLLECTION_COPY";
  if (progress.info == "change event application") return "CHANGE_EVENT_APPLICATION";
  return "INITIALIZING";
}

// The engine has recorded that on the destination, and would refuse it: what the operator must mend is not tried again until it is missed.
bool was_given_up(const SyncProgress& progress, const Job& job) {
  return job.cutover_request && progress.commit_given_up && progress.commit_given_up->request == job.cutover_request;
}

Report report_of(const SyncProgress& progress) {
  Report report;
  report.state = progress.state == "COMMITTING" ? JobState::kCommitting : JobState::kRunning;
  report.phase = phase_of(progress);
  report.can_commit = progress.can_commit;
  if (!progress.can_commit) {
    const bool starts = progress.state == "INITIALIZING" || progress.state == "IDLE";
    report.cannot_commit_because = starts ? "the engine is starting, or waits for a deployment that does not answer" : progress.cannot_commit_because;
  }
  report.lag_seconds = progress.lag_seconds;
  report.copied_bytes = progress.copied_bytes;
  report.total_bytes = progress.total_bytes;
  report.applied_events = progress.applied_events;
  report.eta_seconds = progress.eta_seconds;
  report.warnings = progress.warnings;
  report.cutover_given_up = progress.commit_given_up;
  return report;
}

}  // namespace

Report report_at_first(const std::string& job_directory) {
  Report report;
  if (!read_file(job_directory + "/" + kRemoving, 1)) return report;
  report.state = JobState::kRunning;
  report.warnings.emplace_back(kCarriedOn);
  return report;
}

bool was_begun(const std::string& job_directory) { return read_file(job_directory + "/" + kStarted, 1).has_value(); }

MigrationJob::MigrationJob(Host& host, const Job& job)
    : host_(host),
      directory_(host.directory.job_path(job.id)),
      engine_({host.program, directory_, job.source_uri, job.destination_uri, host.lifeline}) {
  if (const auto pid = engine_.pid()) {
    started_ = true;
    host_.log.info("found the engine of a migration running", {{"job", job.id}, {"pid", static_cast<std::int64_t>(*pid)}});
  }
  if (auto why = read_file(directory_ + "/" + kGivenUp)) given_up_ = Error{ErrorCode::kFailure, std::move(*why), 0, {}};
  last_ = report_at_first(directory_);
}

bool MigrationJob::has_mark(const char* name) const { return read_file(directory_ + "/" + name, 1).has_value(); }
Status MigrationJob::set_mark(const char* name) const { return write_file(directory_ + "/" + name, "\n"); }
void MigrationJob::remove_mark(const char* name) const { ::unlink((directory_ + "/" + name).c_str()); }

Report MigrationJob::step(const Job& job, const std::stop_token& stop) {
  if (job.desired == Desired::kStop && !forward_) return last_ = wind_up(job, stop);
  if (const auto refused = refusal(job); refused && !has_mark(kStarted)) return last_ = failed(job, *refused, stop);
  return last_ = follow(job, stop);
}

std::optional<Error> MigrationJob::refusal(const Job& job) const {
  if (const auto why = refuses_host(host_.platform, job.path)) return Error{ErrorCode::kUnsupported, *why, 0, {}};
  if (job.sharding) return Error{ErrorCode::kUnsupported, "sharding parameters are not supported by this version; leave them out", 0, {}};
  return std::nullopt;
}

Report MigrationJob::follow(const Job& job, const std::stop_token& stop) {
  if (given_up_ || !engine_.running()) return keep_running(job, stop);
  started_ = true;
  return watch(job, stop);
}

// The engine does not run: it is started, now or a little later.
Report MigrationJob::keep_running(const Job& job, const std::stop_token& stop) {
  const auto now = host_.runtime.now();
  if (given_up_) {
    if (now < next_cleanup_) return still(JobState::kRunning, last_.warnings.empty() ? "" : last_.warnings.back());
    return failed(job, *given_up_, stop);
  }
  if (started_) {
    started_ = false;
    const auto words = engine_.last_words();
    auto how = words ? kind_of(*words, job) : RestartPolicy::End::kOther;
    auto because = words ? words->error : std::string("it was killed");
    if ((!words || words->exit_code == 0) && is_full(directory_)) {  // it had no room to say so
      how = RestartPolicy::End::kHost;
      because = fmt::format("the disk of this host with {} is full: {}", directory_, because);
    }
    if (words && words->exit_code == exit_code(ErrorCode::kSource)) because = "the source deployment: " + because;
    if (words && words->exit_code == exit_code(ErrorCode::kDestination)) because = "the destination deployment: " + because;
    host_.log.warn("the engine has ended", {{"job", job.id}, {"because", because}, {"times", restarts_.ends() + 1}});
    const auto waiting = "the engine has ended and is started again: " + because;
    return fruitless(job, how, std::move(because), waiting, stop);
  }
  if (restarts_.waits(now)) return still(JobState::kRunning, last_.warnings.empty() ? "" : last_.warnings.back());
  const auto refused = prepare(job, stop);
  if (!refused) {
    const auto because = "the destination cannot be prepared yet: " + refused.error().message;
    return fruitless(job, RestartPolicy::End::kOther, because, because, stop);
  }
  if (*refused) return failed(job, **refused, stop);
  if (const auto begun = engine_.start(has_mark(kPrepared) ? job.id : std::string()); !begun) {
    // It is this host that cannot: a reason to give up what has begun nothing, but not what has.
    return fruitless(job, has_mark(kStarted) ? RestartPolicy::End::kHost : RestartPolicy::End::kOther, begun.error().message, begun.error().message, stop);
  }
  started_ = true;
  running_since_ = answered_ = now;
  host_.log.info("the engine is started", {{"job", job.id}});
  return still(JobState::kRunning);
}

Report MigrationJob::fruitless(const Job& job, RestartPolicy::End how, std::string because, const std::string& while_waiting, const std::stop_token& stop) {
  const auto now = host_.runtime.now();
  if (stop.stop_requested()) return still(JobState::kRunning, while_waiting);  // this process ends: that is no failure
  restarts_.ended(how, now, host_.runtime.random());
  ended_because_ = std::move(because);
  if (!restarts_.gives_up(now)) return still(JobState::kRunning, while_waiting);
  if (how == RestartPolicy::End::kHopeless) return failed(job, Error{ErrorCode::kFailure, ended_because_, 0, {}}, stop);
  return failed(job, Error{ErrorCode::kFailure, fmt::format("given up after {} attempts in {} minutes that came no further; the last one: {}", restarts_.fruitless(),
                                                            restarts_.since_first(now).count(), ended_because_), 0, {}}, stop);
}

// Running is not enough: an engine may wait for a deployment longer than it takes to be called healthy, again and again.
void MigrationJob::note_moves(const SyncProgress& progress, SteadyTime now) {
  const auto copied = progress.copied_bytes.value_or(0), applied = progress.applied_events.value_or(0);
  if (now - running_since_ <= kHealthyAfter) return;
  if (copied > copied_ || applied > applied_ || progress.can_commit) restarts_.moved();
  copied_ = std::max(copied_, copied);
  applied_ = std::max(applied_, applied);
}

Report MigrationJob::watch(const Job& job, const std::stop_token& stop) {
  const auto now = host_.runtime.now();
  if (answered_ == SteadyTime{}) answered_ = running_since_ = now;
  const auto port = engine_.port();
  auto progress = port ? SyncClient(*port).progress(stop) : Result<SyncProgress>(fail(ErrorCode::kTemporary, "it does not listen yet"));
  if (!progress) {
    if (now - answered_ < kEngineSilence) return unanswered(now);
    host_.log.error("the engine does not answer and is killed; it goes on from its checkpoint", {{"job", job.id}});
    engine_.kill();
    return still(JobState::kRunning, "the engine did not answer for minutes and is started again");
  }
  answered_ = now;
  note_moves(*progress, now);
  if (progress->state == "COMMITTED") {
    end_engine(stop);
    auto report = report_of(*progress);
    report.state = JobState::kCommitted;
    return report;
  }
  auto report = report_of(*progress);
  if (progress->state != "IDLE" && progress->state != "INITIALIZING") note_recorded(job);
  if (progress->state == "IDLE") {
    // It looked for the state, and found none.
    if (has_mark(kRecorded)) return failed(job, Error{ErrorCode::kWrongState, state_gone(job), 0, {}}, stop);
    const auto begun = begin(job, *port, stop);
    if (!begun && begun.error().code != ErrorCode::kTemporary && begun.error().code != ErrorCode::kInterrupted)
      return failed(job, begun.error(), stop);
    if (!begun) report.warnings.push_back("not started yet: " + begun.error().message);
  } else if (progress->state == "PAUSED") {
    report.engine_paused = true;
    report.warnings.emplace_back(kPaused);
    report.cannot_commit_because = kPaused;
  } else if (job.desired == Desired::kCutover && progress->state == "RUNNING" && !was_given_up(*progress, job)) {
    cut_over(job, *progress, *port, report.warnings, stop);
  }
  if (restarts_.ends() > 0 && !ended_because_.empty()) report.warnings.push_back("the engine was started again, because: " + ended_because_);
  return report;
}

void MigrationJob::cut_over(const Job& job, const SyncProgress& progress, int port, std::vector<std::string>& warnings, const std::stop_token& stop) {
  const auto now = host_.runtime.now();
  if (!progress.can_commit) {
    warnings.push_back("the cutover waits: " + progress.cannot_commit_because);
  } else if (!job.cutover_request && progress.commit_given_up && now - commit_asked_ < kCommitAgain) {
    warnings.push_back("the cutover was given up and is tried again: " + progress.commit_given_up->because);
  } else {
    commit_asked_ = now;
    if (const auto committed = SyncClient(port).commit(job.cutover_request, stop); !committed)
      warnings.push_back("the cutover waits: " + committed.error().message);
  }
}

Status MigrationJob::begin(const Job& job, int port, const std::stop_token& stop) {
  if (auto marked = set_mark(kStarted); !marked) return tl::unexpected(std::move(marked).error().with_code(ErrorCode::kTemporary));  // a full disk
  const auto begun = SyncClient(port).start(stop);
  // Refused: nothing was written, so there is nothing of ours to clean up, and what is there may be another migration's.
  if (!begun && begun.error().code != ErrorCode::kTemporary && begun.error().code != ErrorCode::kInterrupted) remove_mark(kStarted);
  TRY(begun);
  host_.log.info("the migration is started", {{"job", job.id}});
  note_recorded(job);
  return {};
}

// Without the mark it is noted at the next look.
void MigrationJob::note_recorded(const Job& job) {
  if (has_mark(kRecorded)) return;
  if (const auto noted = set_mark(kRecorded); !noted) host_.log.error("the start of a migration cannot be noted", {{"job", job.id}, {"error", noted.error().message}});
}

// Before the first start: what the destination holds is this job's, or nothing is left there of another one. A refusal ends the job. What an
// engine of this job copied is never dropped, also when this host's files are lost and the job comes as a new one. Twice is as once.
Result<std::optional<Error>> MigrationJob::prepare(const Job& job, const std::stop_token& stop) {
  if (has_mark(kStarted) || has_mark(kPrepared)) return std::optional<Error>();
  const auto destination = TRY(cluster::connect({.uri = job.destination_uri, .side = cluster::Side::kDestination, .app_name = "drover agent"},
                                                host_.runtime, stop));
  const auto found = TRY(look_at_destination(*destination, job.id));
  // A cutover is only wanted of what has been copied.
  const bool drops = job.drop_destination && job.desired == Desired::kRun;
  if (drops && found.holds != Holds::kOurs) {
    const auto source = TRY(cluster::connect({.uri = job.source_uri, .side = cluster::Side::kSource, .app_name = "drover agent"}, host_.runtime, stop));
    if (auto refused = TRY(refusal_before_dropping(*source, *destination, found.holds))) return refused;
  }
  switch (found.holds) {
    case Holds::kOurs:
      TRY(set_mark(kRecorded));
      TRY(set_mark(kStarted));
      TRY(set_mark(kPrepared));
      if (found.half_removed) return std::optional(Error{ErrorCode::kWrongState, "the removal of this migration's state was interrupted; it cannot be gone on with", 0, {}});
      host_.log.warn("the destination holds what this migration has begun: it is gone on with, and nothing is dropped", {{"job", job.id}});
      return std::optional<Error>();
    case Holds::kCommitted:
      if (!drops && !TRY(is_empty(*destination))) return std::optional(Error{ErrorCode::kWrongState, refusal_of(found, job.drop_destination), 0, {}});
      // What was asked to be dropped was not in use when it was asked.
      TRY(is_wanted_now(job));
      if (has_mark(kFoundUnfinished)) return std::optional(Error{ErrorCode::kWrongState, "meanwhile another migration was committed. " + refusal_of(found, job.drop_destination), 0, {}});
      TRY(nobody_migrates(*destination));
      host_.log.warn("the record of an earlier migration, which was committed, is removed from the destination", {{"job", job.id}, {"earlier", found.owner}});
      TRY_WITH(remove_state(job, found.owner, "committed", stop), "removing the record of an earlier migration");
      return fail(ErrorCode::kTemporary, "the record of an earlier migration is removed; the destination is looked at again");
    case Holds::kUnfinished: {
      if (!drops) return std::optional(Error{ErrorCode::kWrongState, refusal_of(found, job.drop_destination), 0, {}});
      TRY(is_wanted_now(job));
      remove_mark(kRemovedUnfinished);  // of another one than this
      TRY(set_mark(kFoundUnfinished));
      host_.log.warn("what another migration has begun is removed from the destination", {{"job", job.id}, {"other", found.owner}});
      const auto removed = remove_state(job, found.owner, "begun", stop);
      if (!removed && removed.error().code == ErrorCode::kWrongState)
        return std::optional(Error{ErrorCode::kWrongState, fmt::format("{} (it could not be removed for dropDestinationData: {})", refusal_of(found, job.drop_destination), removed.error().message), 0, {}});
      switch (TRY(removed)) {
        case Removed::kNothing: break;  // of it, by this job
        case Removed::kBegun: TRY(set_mark(kRemovedUnfinished)); break;
        case Removed::kDecided:
          return std::optional(Error{ErrorCode::kWrongState, refusal_of(found, job.drop_destination) + " (it could not be removed for dropDestinationData: its cutover is decided but not finished)", 0, {}});
        case Removed::kCommitted:
          return std::optional(Error{ErrorCode::kWrongState, "meanwhile another migration was committed; what it copied may be in use: nothing is dropped", 0, {}});
      }
      // That may have taken minutes: what is wanted by now, and what is there, is looked at anew.
      return fail(ErrorCode::kTemporary, "what another migration had begun is removed; the destination is looked at again");
    }
    case Holds::kNothing: break;
  }
  // Gone, and not by this job: it may have been committed, and its record removed.
  if (drops && has_mark(kFoundUnfinished) && !has_mark(kRemovedUnfinished) && !TRY(is_empty(*destination))) {
    return std::optional(Error{ErrorCode::kWrongState,
                               "what another migration had begun on the destination is gone, and this one cannot tell whether it was removed or committed; nothing is dropped. If nothing "
                               "there is in use, start again with dropDestinationData", 0, {}});
  }
  if (drops) {
    TRY(is_wanted_now(job));
    // Somebody may have begun there since it was looked at.
    TRY(nobody_migrates(*destination));
    if (TRY(look_at_destination(*destination, job.id)).holds != Holds::kNothing)
      return fail(ErrorCode::kTemporary, "another migration has begun on the destination meanwhile; nothing is dropped");
    for (const auto& name : TRY(drop_databases(*destination)))
      host_.log.info("dropped a database of the destination, as it was asked for", {{"job", job.id}, {"database", name}});
  }
  TRY(set_mark(kPrepared));
  return std::optional<Error>();
}

// Nothing of another one is removed or dropped for what was wanted once, before this process began or the site was lost: it may have been
// given up meanwhile, and the destination be in use.
Status MigrationJob::is_wanted_now(const Job& job) const {
  if (job.confirmed != SteadyTime{} && host_.runtime.now() - job.confirmed < kConfirmedFor) return {};
  return fail(ErrorCode::kTemporary, "the site has not confirmed lately that this is wanted; nothing of the destination is removed before");
}

// Hopeless: an end that the next start would only repeat. What has to do with a deployment that does not answer, or with its users, is not.
RestartPolicy::End MigrationJob::kind_of(const EngineProcess::LastWords& words, const Job& job) {
  using End = RestartPolicy::End;
  if (words.local_disk) return End::kHost;
  if (words.server_code == kHistoryLost) return End::kHopeless;
  const auto is = [&](ErrorCode code) { return words.exit_code == exit_code(code); };
  // During a cutover it is another owner, a block that could not be lifted, or a decision that may have been taken: whoever goes on finds out. What the
  // operator must mend is none of it: that ends the request, and the engine runs on.
  if (is(ErrorCode::kWrongState)) return job.desired == Desired::kCutover ? End::kOther : End::kHopeless;
  return is(ErrorCode::kFailure) || is(ErrorCode::kUsage) || is(ErrorCode::kUnsupported) || is(ErrorCode::kMismatch) ? End::kHopeless : End::kOther;
}

Report MigrationJob::wind_up(const Job& job, const std::stop_token& stop) {
  const auto now = host_.runtime.now();
  if (engine_.running()) {
    const auto port = engine_.port();
    const auto progress = port ? SyncClient(*port).progress(stop) : Result<SyncProgress>(fail(ErrorCode::kTemporary, ""));
    if (progress && progress->state == "COMMITTED") return watch(job, stop);
    if (progress && progress->state == "COMMITTING") {
      if (committing_since_ == SteadyTime{}) committing_since_ = now;
      if (now - committing_since_ < kCommitPatience) return report_of(*progress);
    }
    end_engine(stop);
  }
  if (now < next_cleanup_) return still(JobState::kRunning, last_.warnings.empty() ? "" : last_.warnings.back());
  auto begun = has_begun(job, stop);
  if (!begun && stop_asked_ == SteadyTime{}) stop_asked_ = now;
  if (!begun && now - stop_asked_ > kUnansweredStop && !has_mark(kStarted)) {
    host_.log.warn("the job is stopped without the destination's answer: by this host's files nothing of it was begun there", {{"job", job.id}, {"error", begun.error().message}});
    begun = false;
  }
  const auto cleaned = !begun ? Result<Removed>(tl::unexpected(begun.error())) : *begun ? clean_up(job, stop) : Removed::kNothing;
  if (cleaned && *cleaned != Removed::kDecided) return still(*cleaned == Removed::kCommitted ? JobState::kCommitted : JobState::kStopped);
  if (cleaned) {
    host_.log.warn("the cutover was decided before it was to be stopped; it is finished", {{"job", job.id}});
    forward_ = true;
    return follow(job, stop);
  }
  next_cleanup_ = now + pause_after(++cleanups_, host_.runtime.random());
  return still(JobState::kRunning, "stopping: " + cleaned.error().message);
}

// Whether there may be something of this job on the destination. When its files are lost, only the destination knows.
Result<bool> MigrationJob::has_begun(const Job& job, const std::stop_token& stop) {
  if (has_mark(kStarted)) return true;
  if (has_mark(kPrepared) || refusal(job)) return false;
  const auto destination = TRY(cluster::connect({.uri = job.destination_uri, .side = cluster::Side::kDestination, .app_name = "drover agent"},
                                                host_.runtime, stop));
  const auto found = look_at_destination(*destination, job.id);
  // The item names no user, as one that is stopped before it has one: nothing of this job has ever been written there.
  if (!found && found.error().server_code == kUnauthorized && job.destination_uri.find('@') == std::string::npos) return false;
  if (TRY(found).holds != Holds::kOurs) return false;
  TRY(set_mark(kStarted));
  TRY(set_mark(kPrepared));
  return true;
}

void MigrationJob::end_engine(const std::stop_token& stop) {
  engine_.ask_to_end();
  const auto deadline = host_.runtime.now() + kEngineFarewell;
  while (engine_.running() && host_.runtime.now() < deadline) {
    if (!host_.runtime.sleep(std::chrono::milliseconds(50), stop)) return;
  }
  if (engine_.running()) engine_.kill();
}

// Fences whoever still writes, undoes an undecided cutover, lifts the destination's write block, removes the state. Only what is this
// job's; a directory of an older version does not know whose it is.
Result<MigrationJob::Removed> MigrationJob::clean_up(const Job& job, const std::stop_token& stop) {
  if (const auto before = read_file(directory_ + "/" + kCleaned)) return *before == kWasCommitted ? Removed::kCommitted : Removed::kBegun;
  // What was committed stays as it is, with its record: once more it would be told the same.
  const auto removed = TRY(remove_state(job, has_mark(kPrepared) ? job.id : std::string(), "begun", stop));
  if (removed != Removed::kDecided) TRY(write_file(directory_ + "/" + kCleaned, removed == Removed::kCommitted ? kWasCommitted : "\n"));
  return removed;
}

Result<MigrationJob::Removed> MigrationJob::remove_state(const Job& job, const std::string& owner, const char* only, const std::stop_token& stop) {
  TRY(write_file(directory_ + "/source.uri", job.source_uri + "\n"));
  TRY(write_file(directory_ + "/destination.uri", job.destination_uri + "\n"));
  std::vector<std::string> command{host_.program, "migrate", "--cleanup", "--yes", "--json", "--only", only, "--source", "@" + directory_ + "/source.uri", "--destination",
                                   "@" + directory_ + "/destination.uri", "--log", directory_ + "/cleanup.log"};
  if (!owner.empty()) command.insert(command.end(), {"--job", owner});
  if (has_mark(kRemoving)) host_.log.info("the removal of a migration's state, which was interrupted, is carried on", {{"job", job.id}});
  TRY(set_mark(kRemoving));
  const auto ended = run_to_end(command, kCleanupLimit, directory_ + "/cleanup.output", stop);
  if (!ended && ended.error().code == ErrorCode::kInterrupted) {
    host_.log.warn("the removal of a migration's state is interrupted; it is carried on when the agent runs again", {{"job", job.id}});
    return tl::unexpected(ended.error());
  }
  remove_mark(kRemoving);
  const int code = TRY(ended);
  const auto output = parse_output(read_file(directory_ + "/cleanup.output", kMostOutput).value_or(""));
  if (code == 0) return output.removed == "begun" ? Removed::kBegun : Removed::kNothing;
  if (code == preflight::kExitWasCommitted) return Removed::kCommitted;
  if (code == preflight::kExitDecided) return Removed::kDecided;
  const auto kind = code == exit_code(ErrorCode::kWrongState) ? ErrorCode::kWrongState : code == exit_code(ErrorCode::kTemporary) ? ErrorCode::kTemporary : ErrorCode::kFailure;
  return fail(kind, fmt::format("drover migrate ended with {}: {}", code, output.text));
}

Report MigrationJob::failed(const Job& job, const Error& why, const std::stop_token& stop) {
  end_engine(stop);
  if (stop.stop_requested()) return still(JobState::kRunning, why.message);  // the engine may run yet: the next process decides
  Report report = still(JobState::kFailed);
  report.error = why.message;
  report.can_commit = false;
  if (has_mark(kStarted)) {
    // Before anything of it is removed: who finds the removal begun must not start the engine again.
    if (const auto noted = write_file(directory_ + "/" + kGivenUp, why.message); !noted)
      return still(JobState::kRunning, fmt::format("{}; that cannot be noted: {}", why.message, noted.error().message));
    const auto cleaned = clean_up(job, stop);
    if (cleaned && *cleaned == Removed::kCommitted) return still(JobState::kCommitted, "it was committed, and then: " + why.message);
    if (cleaned && *cleaned == Removed::kDecided) {
      forward_ = true;
      restarts_.moved();
      given_up_.reset();
      remove_mark(kGivenUp);
      return still(JobState::kCommitting, "the cutover is decided and is finished: " + why.message);
    }
    if (!cleaned) {
      given_up_ = why;
      next_cleanup_ = host_.runtime.now() + pause_after(++cleanups_, host_.runtime.random());
      return still(JobState::kRunning, fmt::format("{}; what it left cannot be removed yet: {}", why.message, cleaned.error().message));
    }
  }
  host_.log.error("the migration has failed", {{"job", job.id}, {"error", why.message}});
  return report;
}

// The engine runs, and does not answer: what it said of its way holds no more, its warnings do.
Report MigrationJob::unanswered(SteadyTime now) const {
  using std::chrono::duration_cast, std::chrono::milliseconds;
  Report report = last_;
  if (report.state == JobState::kAccepted) report.state = JobState::kRunning;
  report.can_commit = report.engine_paused = false;
  report.cannot_commit_because = "its engine does not answer";
  report.lag_seconds.reset();
  report.eta_seconds.reset();
  if (!report.engine_silent_since && now - answered_ >= kEngineSilentAfter)
    report.engine_silent_since = duration_cast<milliseconds>(host_.runtime.wall_time().time_since_epoch() - (now - answered_)).count();
  return report;
}

// As before, in another state.
Report MigrationJob::still(JobState state, std::string warning) {
  Report report = last_;
  report.state = state;
  report.error.clear();
  report.warnings.clear();
  report.can_commit = report.engine_paused = false;
  report.lag_seconds.reset();
  report.eta_seconds.reset();
  report.engine_silent_since.reset();
  report.cannot_commit_because = is_final(state) ? "" : warning.empty() ? "its engine does not answer" : warning;
  if (!warning.empty()) report.warnings.push_back(std::move(warning));
  return report;
}

}  // namespace drover::agent
