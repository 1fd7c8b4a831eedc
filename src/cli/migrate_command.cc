// `drover migrate`: one live migration in the foreground. Composition only: the engine does the work.
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "base/runtime.h"
#include "cli/cleanup.h"
#include "cli/commands.h"
#include "cli/hook.h"
#include "cli/input_lines.h"
#include "cli/migrate_report.h"
#include "cli/migration_view.h"
#include "cli/signals.h"
#include "cli/spool_directory.h"
#include "cluster/mongo_deployment.h"
#include "cluster/thread_stop.h"
#include "engine/migration.h"
#include "engine/retry.h"
#include "preflight/preflight.h"
#include "terminal/progress_display.h"
#include "terminal/table.h"

namespace drover::cli {
namespace {

inline constexpr std::chrono::milliseconds kShowEvery{100};
inline constexpr std::chrono::milliseconds kLogEvery{500};
inline constexpr std::chrono::milliseconds kLookEvery{100};  // for a stop request
inline constexpr std::chrono::seconds kUndoPatience{7};      // for giving up a cutover
static_assert(kUndoPatience >= engine::kOwnerAnswer + std::chrono::seconds(3), "the block is lifted while connections last");
inline constexpr std::chrono::milliseconds kAskEvery{100};

class MigrateCommand final : public Subcommand {
 public:
  std::string_view name() const override { return "migrate"; }
  std::string_view summary() const override { return "Move a deployment while it is in use: copy, follow, cut over"; }
  void configure(OptionSet& options) override;
  int run() override;
  Json failure_json(const Error& error) const override { return to_json({}, &error); }

 private:
  Status execute();
  Status check(cluster::Deployment& source, cluster::Deployment& destination);
  Status migrate(cluster::Deployment& source, cluster::Deployment& destination);
  Status clean(cluster::Deployment& source, cluster::Deployment& destination);
  preflight::Writers who_stops_writers() const;
  Status before_cutover(const engine::Migration& migration);
  bool ask(const std::string& question, std::string_view expected, std::string_view refusal = {});
  bool commit_requested();
  Facts facts(const engine::Progress& progress) const;
  Status after_cutover(const engine::Progress& progress, bool again);
  void tell_committed(const engine::Progress& progress);
  void watch(const engine::Migration& migration, terminal::ProgressDisplay& display, const std::stop_token& stop);
  void log_progress(const engine::Progress& progress);
  void print_last_line(const Error* error) const;

  std::string source_, destination_, commit_ = "when-ready", before_, after_, log_path_, job_, only_;
  std::vector<std::string> include_, exclude_;
  std::int64_t load_level_ = 3;
  bool json_ = false, yes_ = false, cleanup_ = false, assume_stopped_ = false, no_verify_ = false;

  preflight::Report preflight_;
  engine::Progress progress_;  // once there is no migration any more
  std::optional<Cleaned> cleaned_;
  bool told_committed_ = false;
  bool begun_ = false;     // the engine: before that nothing is written
  bool removing_ = false;  // the same of --cleanup
  std::unique_ptr<Runtime> runtime_ = make_real_runtime();
  std::unique_ptr<Log> log_;
  NamespaceFilter filter_;
  std::stop_token stop_;
  std::stop_source calls_;
  terminal::ProgressDisplay* display_ = nullptr;
  std::atomic<bool> asking_{false};
  InputLines input_{STDIN_FILENO};
  std::atomic<bool> input_end_told_{false};
};

void MigrateCommand::configure(OptionSet& options) {
  options.uri("--source", source_, "The replica set to read").required();
  options.uri("--destination", destination_, "The empty replica set to write").required();
  options.repeated("--include", include_, "Only this database or database.collection");
  options.repeated("--exclude", exclude_, "Not this database or database.collection");
  options.string("--commit", commit_,
                 "When to cut over: as soon as it is ready, when 'commit' is typed, or never (follow until stopped)")
      .one_of({"when-ready", "manual", "never"});
  options.string("--before-cutover", before_,
                 "Shell command that stops or redirects the application's writes; it must succeed before the cutover goes on");
  options.string("--after-cutover", after_,
                 "Shell command that is run once the destination accepts writes; until it has succeeded once, each run begins it again");
  options.flag("--assume-writes-stopped", assume_stopped_,
               "For a source that cannot block writes itself: you answer for its writers. The proof that nothing is written "
               "any more is still required");
  options.flag("--no-verify", no_verify_,
               "Do not compare source and destination document by document before the cutover; it then rests on their catalogs "
               "and counts, and the report says so");
  options.integer("--load-level", load_level_, "How hard to work both sides").range(1, 4);
  options.path("--log", log_path_, "File for the log, JSON lines ('-' is standard error)");
  options.flag("--json", json_, "Print one JSON object as the last line of standard output");
  const auto cleanup = options.flag("--cleanup", cleanup_, "Remove the state of an earlier migration of this source from the destination, and end. Exit code 12: its cutover is decided, and "
                                    "nothing was removed; 13: it was committed: its data is in use, and its record is removed, or stays with --only begun");
  options.string("--only", only_, "With --cleanup: remove only what was begun and not committed, or only the record of a commit, whatever its source")
      .one_of({"begun", "committed"})
      .needs(cleanup);
  options.string("--job", job_, "With --cleanup: nothing is removed unless it is the state of the migration with this id").not_empty().placeholder("ID").needs(cleanup);
  options.flag("--yes", yes_, "Do not ask before --cleanup");
  options.description(
      "Copies every collection, follows every change, and cuts over with a pause of writes of less than a second. Run the "
      "same command again after a crash or Ctrl-C: it continues where it was. Nothing is written to the source but notes in "
      "its oplog and, on 6.0 and later with authorization, the write block at the cutover.\n\n"
      "The hooks know the facts by their environment: DROVER_SOURCE and DROVER_DESTINATION (without passwords), DROVER_STATE, "
      "DROVER_PHASE, DROVER_DOCUMENTS, DROVER_BYTES, DROVER_CHANGE_EVENTS_APPLIED, DROVER_LAG_SECONDS; --after-cutover also "
      "DROVER_AGAIN, which is 1 when an earlier run may have done all or part of it, else 0.\n\n"
      "With --json the last line of standard output is one object, also after a failure: state, documents, bytes (of those "
      "documents), copySeconds, changeEventsApplied, maxLagSeconds, finalLagSeconds, writeUnavailableMillis, restarts, kills "
      "(of the demo), verification (equal, collections, documents, mismatches); after a failure also error (exitCode, message).");
  options.example("drover migrate --source @source.uri --destination @destination.uri");
  options.example("drover migrate --source env:SRC --destination env:DST --before-cutover ./stop-app.sh",
                  "a source before 6.0 cannot block writes: your command stops the application");
  options.example("drover migrate --source @s --destination @d --include shop --exclude shop.sessions --commit manual");
}

int MigrateCommand::run() {
  stop_ = stop_on_signals();
  const Status status = execute();
  if (status) {
    print_last_line(nullptr);
    return cleaned_ == Cleaned::kCommitted || cleaned_ == Cleaned::kCommitStays ? preflight::kExitWasCommitted : 0;
  }
  Error error = status.error();
  if (interrupted() && error.code != ErrorCode::kWrongState) {
    error.code = ErrorCode::kInterrupted;
    error.message = cleanup_ ? (removing_ ? "stopped; the state may be removed in part, run the same command again to remove the rest" : "stopped; nothing was removed")
                             : stopped_message(begun_, progress_.state);
  }
  if (log_) log_->error("the migration ended with an error", {{"error", error.message}});
  print_last_line(&error);
  const int code = report(name(), error);
  return cleaned_ == Cleaned::kDecided ? preflight::kExitDecided : code;
}

void MigrateCommand::print_last_line(const Error* error) const {
  if (!json_) return;
  auto line = to_json(progress_, error);
  if (cleaned_ == Cleaned::kDecided) line = Json(Json::Object{{"state", "IDLE"}, {"error", Json::Object{{"exitCode", preflight::kExitDecided}, {"message", error->message}}}});
  else if (cleaned_) line = Json(Json::Object{{"state", "IDLE"}, {"removed", *cleaned_ == Cleaned::kBegun       ? "begun"
                                                                                   : *cleaned_ == Cleaned::kRemnant   ? "remnant"
                                                                                   : *cleaned_ == Cleaned::kCommitted ? "committed"
                                                                                                                      : "nothing"}});
  fmt::print("{}\n", line.dump());
  std::fflush(stdout);
}

Status MigrateCommand::execute() {
  filter_ = TRY(NamespaceFilter::parse(include_, exclude_));
  log_ = log_path_.empty() ? make_null_log() : TRY(open_log(log_path_, LogLevel::kInfo));
  // Not our stop token: a cutover that is given up is to restore the source, and is left some time for it. A second Ctrl-C
  // ends the process.
  const auto late = runtime_->spawn("end of calls", [this](const std::stop_token& done) {
    while (runtime_->sleep(kLookEvery, done)) {
      if (!stop_.stop_requested()) continue;
      (void)runtime_->sleep(kUndoPatience, done);
      calls_.request_stop();
      return;
    }
  });
  std::optional<cluster::ThreadStop> ends_calls(std::in_place, stop_);  // until there is something to restore
  const char* app_name = cleanup_ ? "drover cleanup" : "drover migrate";  // preflight::who_migrates
  auto source = TRY(cluster::connect({source_, cluster::Side::kSource, app_name}, *runtime_, calls_.get_token()));
  auto destination = TRY(cluster::connect({destination_, cluster::Side::kDestination, app_name}, *runtime_, calls_.get_token()));
  if (cleanup_) return clean(*source, *destination);
  TRY(check(*source, *destination));
  ends_calls.reset();
  return migrate(*source, *destination);
}

Status MigrateCommand::check(cluster::Deployment& source, cluster::Deployment& destination) {
  const preflight::Options options{.filter = filter_, .writers = who_stops_writers()};
  bool told = false;
  preflight_ = TRY(engine::retry_temporary(*runtime_, stop_, [&] {
    auto checked = preflight::check(source, destination, options);
    if (!checked && checked.error().code == ErrorCode::kTemporary && !std::exchange(told, true)) {
      log_->warn("the check failed and is tried again", {{"error", checked.error().message}, {"forMinutes", engine::kRetryFor.count()}});
      if (!json_) fmt::print(stderr, "note: {}; tried again for up to {} minutes\n", terminal::printable(checked.error().message), engine::kRetryFor.count());
    }
    return checked;
  }));
  for (const auto& finding : preflight_.findings) {
    if (finding.severity == preflight::Severity::kRefuse) continue;
    log_->warn(finding.what, {{"check", finding.id}});
    if (!json_) fmt::print(stderr, "note: the {}: {}\n", preflight::side_name(finding.side), terminal::printable(finding.what));
  }
  return preflight_.verdict();
}

preflight::Writers MigrateCommand::who_stops_writers() const {
  const bool somebody = commit_ == "never" || !before_.empty() || assume_stopped_ || ::isatty(STDIN_FILENO) != 0;
  return somebody ? preflight::Writers::kStopped : preflight::Writers::kNobody;
}

Status MigrateCommand::clean(cluster::Deployment& source, cluster::Deployment& destination) {
  if (!yes_ && !::isatty(STDIN_FILENO)) return fail(ErrorCode::kUsage, "--cleanup needs --yes when nobody can be asked");
  const auto confirmed = [&](const std::string& question) -> Status {
    removing_ = yes_ || ask(question + " Type yes or no: ", "yes", "no");
    if (removing_) return {};
    return fail(ErrorCode::kInterrupted, "nothing was removed");
  };
  using Only = engine::CleanUp::Only;
  const auto only = only_ == "begun" ? Only::kBegun : only_ == "committed" ? Only::kCommitted : Only::kAny;
  cleaned_ = TRY(clean_up_migration(source, destination, *runtime_, *log_, confirmed, stop_, job_, only));
  return *cleaned_ == Cleaned::kDecided ? fail(ErrorCode::kWrongState, kDecidedNotFinished) : Status();
}

Status MigrateCommand::migrate(cluster::Deployment& source, cluster::Deployment& destination) {
  engine::Options options;
  options.filter = filter_;
  options.resuming = preflight_.resuming();
  options.commit = commit_ == "manual"  ? engine::CommitPolicy::kManual
                   : commit_ == "never" ? engine::CommitPolicy::kNever
                                        : engine::CommitPolicy::kWhenReady;
  engine::set_load_level(options, static_cast<int>(load_level_));
  options.verification = no_verify_ ? engine::VerificationMode::kCounts : engine::VerificationMode::kDocuments;
  options.spool_directory = TRY(spool_directory());
  options.may_commit = [this] { return commit_requested(); };
  options.source = preflight_.source;
  options.destination_user = preflight_.destination_user;
  const engine::Migration* self = nullptr;
  options.before_cutover = [&] { return before_cutover(*self); };
  std::function<void()> end_showing;
  if (!after_.empty()) {
    options.after_cutover = [&](bool again) {
      end_showing();
      return after_cutover(self->progress(), again);
    };
  }

  engine::Migration migration(source, destination, *runtime_, *log_, options);
  self = &migration;
  terminal::ProgressDisplay display(STDERR_FILENO);
  display_ = &display;
  log_->info("migrating", {{"source", cluster::redact(source_)}, {"destination", cluster::redact(destination_)}});
  auto watcher = runtime_->spawn("progress", [&](std::stop_token stop) { watch(migration, display, stop); });
  end_showing = [&] {
    if (!watcher) return;
    watcher->request_stop();
    watcher->join();
    watcher.reset();
    display.leave();
    display_ = nullptr;
  };
  begun_ = true;
  const auto outcome = migration.run(stop_);
  end_showing();
  progress_ = migration.progress();
  log_progress(progress_);
  if (!outcome) return tl::unexpected(outcome.error());
  if (*outcome == engine::Outcome::kAlreadyCommitted && !told_committed_ && !json_)
    fmt::print("This migration is committed already.\n");
  else
    tell_committed(progress_);
  return {};
}

void MigrateCommand::tell_committed(const engine::Progress& progress) {
  if (json_ || std::exchange(told_committed_, true)) return;
  fmt::print("Committed: the destination accepts writes. {}.\n", cli::summary(progress));
  std::fflush(stdout);
}

Status MigrateCommand::after_cutover(const engine::Progress& progress, bool again) {
  tell_committed(progress);
  auto known = facts(progress);
  known.emplace_back("AGAIN", again ? "1" : "0");
  auto done = run_hook(after_, known, stop_);
  if (!done) done.error().message += "; the destination accepts writes all the same. Run the same drover command again: it runs this one again";
  return done;
}

Status MigrateCommand::before_cutover(const engine::Migration& migration) {
  if (!before_.empty()) {
    auto done = run_hook(before_, facts(migration.progress()), stop_);
    if (!done) {
      done.error().message += "; the cutover is given up before drover has blocked anything on the source: applications write there as before, but for what "
                              "the command has stopped. Put the command right, then run the same drover command again to go on";
    }
    return done;
  }
  if (preflight_.source_blocks || assume_stopped_) return {};
  if (ask("The source cannot block writes itself. Stop every writer of the source now, then type stopped: ", "stopped")) return {};
  return fail(ErrorCode::kInterrupted, "the application's writes were not confirmed as stopped");
}

// Asks again for whatever is neither.
bool MigrateCommand::ask(const std::string& question, std::string_view expected, std::string_view refusal) {
  asking_ = true;
  if (display_ != nullptr) display_->leave();
  fmt::print(stderr, "{}", question);
  bool confirmed = false;
  while (!confirmed && !stop_.stop_requested() && !input_.ended()) {
    const auto answer = input_.next(kAskEvery);
    if (!answer) continue;
    confirmed = *answer == expected;
    if (!refusal.empty() && *answer == refusal) break;
    if (!confirmed) fmt::print(stderr, "{}", question);
  }
  if (!confirmed && (stop_.stop_requested() || input_.ended())) fmt::print(stderr, "\n");  // the cursor stands behind the question
  asking_ = false;
  return confirmed;
}

// A line "commit" on standard input, from a person or a script.
bool MigrateCommand::commit_requested() {
  while (const auto line = input_.next(std::chrono::milliseconds(0)))
    if (*line == "commit") return true;
  if (input_.ended() && !input_end_told_.exchange(true)) {
    log_->warn("standard input has ended: nobody can type commit any more; the migration follows the source until it is stopped");
    if (!json_) fmt::print(stderr, "note: standard input has ended, nobody can type commit any more\n");
  }
  return false;
}

Facts MigrateCommand::facts(const engine::Progress& progress) const {
  return {{"SOURCE", cluster::redact(source_)},
          {"DESTINATION", cluster::redact(destination_)},
          {"STATE", progress.state},
          {"PHASE", progress.phase},
          {"DOCUMENTS", std::to_string(progress.documents)},
          {"BYTES", std::to_string(progress.bytes)},
          {"CHANGE_EVENTS_APPLIED", std::to_string(progress.change_events_applied)},
          {"LAG_SECONDS", fmt::format("{:.0f}", progress.lag_seconds)}};
}

void MigrateCommand::watch(const engine::Migration& migration, terminal::ProgressDisplay& display,
                           const std::stop_token& stop) {
  MigrationView pictures;
  SteadyTime logged{};
  bool told = false, ran = false;
  do {
    const auto now = runtime_->now();
    const auto progress = migration.progress();
    ran = ran || progress.state == "RUNNING" || progress.state == "COMMITTING";
    auto view = pictures.update(progress, now);
    if (commit_ == "manual" && progress.can_commit && progress.state == "RUNNING") view.note = input_end_told_ ? "ready, but nobody can type commit" : "ready: type commit";
    if (!asking_) display.show(view, now);
    if (commit_ == "manual" && progress.can_commit && !told) {
      told = true;
      log_->info("ready to commit");
    }
    if (now - logged >= kLogEvery) {
      logged = now;
      log_progress(progress);
    }
  } while (runtime_->sleep(kShowEvery, stop));
  const auto last = migration.progress();
  if (ran && last.state == "COMMITTED") display.show_now(pictures.update(last, runtime_->now()), runtime_->now());
}

void MigrateCommand::log_progress(const engine::Progress& progress) {
  log_->info("progress", {{"state", progress.state},
                          {"phase", progress.phase},
                          {"documents", progress.documents},
                          {"bytes", progress.bytes},
                          {"bytesExpected", progress.bytes_expected},
                          {"changeEventsApplied", progress.change_events_applied},
                          {"changeEventsHeld", progress.change_events_held},
                          {"batchesInFlight", progress.batches_in_flight},
                          {"lagSeconds", progress.lag_seconds},
                          {"canCommit", progress.can_commit},
                          {"restarts", progress.restarts}});
}

}  // namespace

std::unique_ptr<Subcommand> make_migrate_command() { return std::make_unique<MigrateCommand>(); }

}  // namespace drover::cli
