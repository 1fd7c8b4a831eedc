// `drover demo`: the whole story on one machine. Composition only: the servers, the engine and the comparison are programs
// of their own, started here; the data and the writers are the workload's.
#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>

#include <unistd.h>

#include <fmt/format.h>

#include "base/format_count.h"
#include "cli/commands.h"
#include "cli/demo_directory.h"
#include "cli/demo_engine.h"
#include "cli/demo_gate.h"
#include "cli/demo_report.h"
#include "cli/demo_sandbox.h"
#include "cli/demo_walk.h"
#include "cli/demo_watch.h"
#include "cli/signals.h"
#include "cluster/mongo_deployment.h"
#include "preflight/preflight.h"
#include "terminal/format.h"
#include "terminal/progress_display.h"
#include "workload/datasets.h"
#include "workload/live_workload.h"
#include "workload/loader.h"

namespace drover::cli {
namespace {

constexpr auto kStepEvery = std::chrono::milliseconds(2);
constexpr auto kWarmUp = std::chrono::seconds(1);           // live writes before the engine starts
constexpr auto kArrivalPatience = std::chrono::seconds(60);
constexpr auto kGoOnFor = std::chrono::seconds(3);          // live writes on the destination
constexpr auto kServerFarewell = std::chrono::seconds(5);
constexpr std::size_t kShownDifferences = 10;
constexpr ServerVersion kFirstWithWriteBlock{6, 0, 0};

class DemoCommand final : public Subcommand {
 public:
  std::string_view name() const override { return "demo"; }
  std::string_view summary() const override { return "The whole story on this machine: real data, live writes, a cutover, the proof"; }
  void configure(OptionSet& options) override;
  int run() override;
  Json failure_json(const Error& error) const override;

 private:
  Status tell();
  Status play(const DemoDirectory& directory);
  void end_everything();
  Status start_deployments(const DemoDirectory& directory);
  Status look_at_given(cluster::Deployment& source, cluster::Deployment& destination);
  Status load();
  void show_loading(const workload::LoadProgress& progress, const std::stop_token& done);
  Status move(const DemoDirectory& directory, workload::LiveWorkload& workload);
  Status migrate(const DemoDirectory& directory, workload::LiveWorkload& workload);
  Status follow(DemoEngine& engine, workload::LiveWorkload& workload);
  Status await_arrival(workload::LiveWorkload& workload);
  Status verify(const DemoDirectory& directory);
  Status check_ledgers(workload::LiveWorkload& workload);
  Status sleep(Duration duration, const workload::LiveWorkload& workload);
  void say(const std::string& line);

  double scale_ = 1;
  std::int64_t rate_ = 1000, writers_ = workload::kDefaultWriters;
  std::string version_ = "8.0", source_uri_, destination_uri_, datasets_ = DROVER_DATASETS;
  bool kill_ = false, headless_ = false, json_ = false, keep_ = false, control_plane_ = false, one_process_ = false;

  std::unique_ptr<Runtime> runtime_ = make_real_runtime();
  std::optional<DemoWatch> watch_;
  std::stop_token stop_;  // the watch's
  std::optional<DemoSandbox> source_sandbox_, destination_sandbox_;
  std::string source_workload_uri_, destination_workload_uri_;
  std::unique_ptr<cluster::Deployment> source_, destination_;  // as the application sees them
  bool gated_ = false;  // the source cannot refuse writes by itself
  std::optional<DemoWalk> walk_;  // --control-plane
  DemoReport report_;
};

void DemoCommand::configure(OptionSet& options) {
  options.number("--scale", scale_, "How many times the data is loaded; 0.1 loads a tenth");
  options.integer("--writes-per-second", rate_, "Rate of the live workload, over all writers").range(1, 1'000'000);
  options.integer("--writers", writers_, "Threads of the live workload").range(8, workload::kMaxWriters);
  options.string("--server-version", version_, "What the embedded servers are").one_of({"4.4", "5.0", "6.0", "7.0", "8.0"});
  auto kill = options.flag("--kill-engine", kill_, "Kill and restart the engine in every phase, with batches in flight; writes are unavailable for longer when it dies in its cutover");
  auto plane = options.flag("--control-plane", control_plane_,
                            "The whole workflow instead of the engine alone: two sites, a migration host, all three stages, each step as by hand");
  options.flag("--one-process", one_process_, "With --control-plane: both sites and the migration host in one process").needs(plane);
  plane.excludes(kill);
  auto source = options.uri("--source", source_uri_, "Play on this empty deployment instead of an embedded server");
  auto destination = options.uri("--destination", destination_uri_, "The other one");
  source.needs(destination);
  destination.needs(source);
  plane.excludes(source);
  options.path("--datasets", datasets_, "Directory of the npm package vega-datasets' files");
  options.flag("--headless", headless_, "No bars: a line every few seconds");
  options.flag("--json", json_, "Print one JSON object as the last line of standard output");
  options.flag("--keep", keep_, "Keep the servers' data and the logs, and say where they are");
  options.example("drover demo");
  options.example("drover demo --server-version 4.4 --kill-engine --scale 2",
                  "servers that cannot block writes, an engine that keeps dying, twice the data");
  options.example("drover demo --control-plane", "link-token, migration host, validation, cutover: what Cloud Manager and Atlas do, on this machine");
  options.example("drover demo --source @source.uri --destination @destination.uri");
}

int DemoCommand::run() {
  watch_.emplace(*runtime_, stop_on_signals());
  stop_ = watch_->stop();
  const auto status = tell();
  if (status) {
    if (json_) fmt::print("{}\n", demo_json(report_).dump());
    return 0;
  }
  auto error = status.error();
  if (interrupted()) error = Error{ErrorCode::kInterrupted, "stopped; nothing is left running", 0, {}};
  else if (auto ended = watch_->failure()) error = std::move(*ended);  // whatever else failed, failed because of that
  if (json_) fmt::print("{}\n", failure_json(error).dump());
  return report(name(), error);
}

// With the figures, as far as there are any.
Json DemoCommand::failure_json(const Error& error) const {
  Json::Object line{{"state", "INITIALIZING"}};
  const auto known = demo_json(report_);
  if (report_.engine.as_object() != nullptr) line = *known.as_object();
  line.emplace_back("error", cli::to_json(error));
  return Json(std::move(line));
}

Status DemoCommand::tell() {
  if (scale_ < 0.001 || scale_ > 1000) return fail(ErrorCode::kUsage, fmt::format("--scale {:g}: it is from 0.001 (a thousandth of the data) to 1000 (a thousand times)", scale_));
  TRY(workload::find_datasets(datasets_));  // before anything is started
  auto directory = TRY(DemoDirectory::create());
  auto status = play(directory);
  end_everything();  // before anything is said about the end
  if (!keep_ && (status || interrupted())) return status;
  directory.keep();
  say(fmt::format("Kept for a look: \"{}\"", directory.path()));
  return status;
}

// In a bounded time, in whatever state they are.
void DemoCommand::end_everything() {
  if (walk_) {
    if (report_.engine.is_null()) report_.engine = walk_->figures();
    report_.control_plane = walk_->story();
    walk_->end();
  }
  walk_.reset();
  watch_->dismiss_all();
  const auto leave = [&] {
    source_.reset();
    destination_.reset();
  };
  // The driver says goodbye to servers. Once there is to be an end, it is not waited for what may never answer.
  if (!stop_.stop_requested()) leave();
  const auto of = [](std::optional<DemoSandbox>& sandbox) { return sandbox ? &sandbox->process() : nullptr; };
  stop_all(std::array{of(source_sandbox_), of(destination_sandbox_)}, kServerFarewell);
  leave();
  source_sandbox_.reset();
  destination_sandbox_.reset();
}

Status DemoCommand::play(const DemoDirectory& directory) {
  TRY(start_deployments(directory));
  if (walk_) {
    TRY(walk_->start_sites());
    walk_->introduce_application();
  }
  TRY(load());

  workload::LiveOptions live{.writers = static_cast<int>(writers_), .writes_per_second = static_cast<double>(rate_),
                             .seed = runtime_->random()};
  workload::LiveWorkload workload(*source_, *destination_, *runtime_, live);
  TRY(workload.prepare(stop_));
  workload.start();
  say(fmt::format("{} writers write {} times a second.", writers_, rate_));
  TRY(sleep(kWarmUp, workload));
  TRY(move(directory, workload));
  workload.switchover().release();
  say(fmt::format("The writers go on, on the destination."));
  TRY(sleep(kGoOnFor, workload));
  workload.stop();
  TRY(check_ledgers(workload));
  if (walk_) {
    TRY(walk_->clean_up());
    report_.control_plane = walk_->story();
  }

  fmt::print(json_ ? stderr : stdout, "{}", demo_table(report_));
  if (report_.ledger_differences > 0) return fail(ErrorCode::kMismatch, "acknowledged writes are not on the destination");
  return {};
}

// From the source to the destination, until every writer is there and both sides are found equal.
Status DemoCommand::move(const DemoDirectory& directory, workload::LiveWorkload& workload) {
  if (!walk_) {
    TRY(migrate(directory, workload));
    TRY(await_arrival(workload));
    return verify(directory);
  }
  if (gated_) workload.switchover().close_destination();
  walk_->look_at([&workload]() -> Status {
    if (auto failure = workload.failure()) return tl::unexpected(std::move(*failure));
    return {};
  });
  TRY(walk_->prepare());
  TRY(walk_->link());
  TRY(walk_->connect());
  TRY(walk_->migrate(workload));
  report_.engine = walk_->figures();
  if (const auto* lag = report_.engine.find("maxLagSeconds"); lag != nullptr && lag->as_double() != nullptr) report_.max_lag_seconds = *lag->as_double();
  TRY(await_arrival(workload));
  report_.verification = TRY(walk_->verify());
  return {};
}

Status DemoCommand::start_deployments(const DemoDirectory& directory) {
  std::string source_engine = source_uri_, destination_engine = destination_uri_;
  source_workload_uri_ = source_uri_;
  destination_workload_uri_ = destination_uri_;
  if (source_uri_.empty()) {
    say(fmt::format("Starting two embedded servers, version {}, with authorization on.", version_));
    source_sandbox_.emplace(TRY(DemoSandbox::start(directory, "source", version_, *runtime_, stop_, own_program())));
    watch_->add({"the source's server", source_sandbox_->pid(), source_sandbox_->log(), ErrorCode::kSource});
    destination_sandbox_.emplace(TRY(DemoSandbox::start(directory, "destination", version_, *runtime_, stop_, own_program())));
    watch_->add({"the destination's server", destination_sandbox_->pid(), destination_sandbox_->log(), ErrorCode::kDestination});
    source_engine = source_sandbox_->engine_uri();
    destination_engine = destination_sandbox_->engine_uri();
    source_workload_uri_ = source_sandbox_->workload_uri();
    destination_workload_uri_ = destination_sandbox_->workload_uri();
  }
  TRY(directory.write("source.uri", source_engine));
  TRY(directory.write("destination.uri", destination_engine));
  source_ = TRY(cluster::connect({source_workload_uri_, cluster::Side::kSource, "drover demo", 256}, *runtime_, watch_->cut()));
  destination_ = TRY(cluster::connect({destination_workload_uri_, cluster::Side::kDestination, "drover demo", 256}, *runtime_, watch_->cut()));
  const auto engine_source = TRY(cluster::connect({source_engine, cluster::Side::kSource}, *runtime_, stop_));
  const auto engine_destination = TRY(cluster::connect({destination_engine, cluster::Side::kDestination}, *runtime_, stop_));
  const auto facts = TRY(engine_source->facts());
  // On given deployments the user may well be one who can bypass a write block.
  gated_ = !source_uri_.empty() || facts.version < kFirstWithWriteBlock;
  report_.source = fmt::format("{} at {}, version {}", facts.set_name, facts.primary, facts.version.to_string());
  const auto other = TRY(engine_destination->facts());
  report_.destination = fmt::format("{} at {}, version {}", other.set_name, other.primary, other.version.to_string());
  if (!source_uri_.empty()) TRY(look_at_given(*engine_source, *engine_destination));
  if (control_plane_)
    walk_.emplace(directory, *watch_, *runtime_, DemoWalk::Options{.source_host = facts.primary, .source_uri = source_engine,
                                                                   .destination_uri = destination_engine, .gated = gated_,
                                                                   .one_process = one_process_, .headless = headless_});
  return {};
}

// Before anything is written on deployments that are somebody's.
Status DemoCommand::look_at_given(cluster::Deployment& source, cluster::Deployment& destination) {
  const auto checked = TRY(preflight::check(source, destination, {.filter = {}, .writers = preflight::Writers::kStopped}));
  TRY(checked.verdict());
  if (checked.found != preflight::MigrationPhase::kNone)
    return fail(ErrorCode::kDestination, "the destination is not empty: it holds the state of an earlier migration; give an empty one");
  constexpr std::array<std::string_view, 3> kServersOwn{"admin", "config", "local"};
  for (const auto& db : TRY(source.list_databases())) {
    if (std::ranges::find(kServersOwn, db) != kServersOwn.end()) continue;
    for (const auto& info : TRY(source.list_collections(db)))
      return fail(ErrorCode::kSource, fmt::format("the source is not empty: it holds {}; the demo loads data of its own and writes there, so "
                                                  "give an empty deployment", info.ns.to_string()));
  }
  return {};
}

Status DemoCommand::load() {
  say("Loading real data into the source: flights, movies, earthquakes, zip codes, this machine's packages, ...");
  const auto begun = runtime_->now();
  workload::LoadProgress progress;
  auto shown = runtime_->spawn("load progress", [&](const std::stop_token& done) { show_loading(progress, done); });
  auto status = workload::load(*source_, *runtime_, {.directory = datasets_, .scale = scale_}, progress, stop_);
  shown->request_stop();
  shown->join();
  if (!status) return status;
  report_.loaded_documents = progress.documents;
  report_.loaded_bytes = progress.bytes;
  report_.load_seconds = std::chrono::duration<double>(runtime_->now() - begun).count();
  say(fmt::format("{} documents, {}, {} collections and views, {} indexes in {:.1f} s.", format_count(progress.documents),
                  terminal::format_bytes(static_cast<double>(progress.bytes)), progress.collections.load(), progress.indexes.load(),
                  report_.load_seconds));
  return {};
}

// Redrawn on a terminal, a line every few seconds elsewhere; building the indexes moves no count of documents.
void DemoCommand::show_loading(const workload::LoadProgress& progress, const std::stop_token& done) {
  terminal::ProgressDisplay display(STDERR_FILENO);
  const bool redrawn = !headless_ && display.is_terminal();
  const auto begun = runtime_->now();
  while (runtime_->sleep(redrawn ? Duration(terminal::kRedrawInterval) : Duration(terminal::kPlainLineInterval), done)) {
    const auto now = runtime_->now();
    const auto text = fmt::format("{} documents, {}, {} indexes in {}", format_count(static_cast<std::uint64_t>(progress.documents.load())),
                                  terminal::format_bytes(static_cast<double>(progress.bytes.load())), progress.indexes.load(),
                                  terminal::format_duration(std::chrono::duration<double>(now - begun).count()));
    terminal::ProgressView view;
    view.phase = "loading";
    view.note = text;
    if (redrawn) display.show(view, now);
    else say("loading: " + text);
  }
}

Status DemoCommand::migrate(const DemoDirectory& directory, workload::LiveWorkload& workload) {
  DemoEngineOptions options{.source_file = directory.file("source.uri"), .destination_file = directory.file("destination.uri"),
                            .kill = kill_, .bars = !headless_};
  std::optional<DemoGate> gate;
  if (gated_) {
    gate.emplace(directory, workload, *runtime_);
    options.more_arguments = gate->arguments();
  }
  say("Migrating, while they write.");
  auto engine = TRY(DemoEngine::start(directory, options, *runtime_));
  auto followed = follow(engine, workload);
  report_.kills = engine.kills();
  report_.max_lag_seconds = engine.max_lag_seconds();
  if (!followed) {
    report_.engine = unfinished_engine(engine.result().value_or(Json()), engine.last_progress(), engine.max_lag_seconds());
    return followed;
  }
  report_.engine = TRY(engine.result());
  if (gated_) TRY(await_arrival(workload));  // before its gate goes
  return {};
}

Status DemoCommand::follow(DemoEngine& engine, workload::LiveWorkload& workload) {
  for (std::size_t told = 0; !TRY(engine.step()); told = engine.kills().size()) {
    if (engine.kills().size() > told) {
      const auto& kill = engine.kills().back();
      say(fmt::format("Killed the engine in its phase \"{}\", {} batches in flight; the same command again.", kill.phase, kill.batches_in_flight));
    }
    TRY(sleep(kStepEvery, workload));
  }
  return {};
}

Status DemoCommand::await_arrival(workload::LiveWorkload& workload) {
  const auto deadline = runtime_->now() + kArrivalPatience;
  while (workload.switchover().writers_on_destination() < workload.writers()) {
    if (runtime_->now() > deadline)
      return fail(ErrorCode::kTimedOut, "the migration is committed, but not every writer found the destination within a minute");
    TRY(sleep(kStepEvery, workload));
  }
  const auto pause = workload.switchover().unavailable().value_or(Duration{});
  report_.write_unavailable_millis = std::chrono::duration<double, std::milli>(pause).count();
  return {};
}

Status DemoCommand::verify(const DemoDirectory& directory) {
  say("Every writer has arrived on the destination. Comparing source and destination as the cutover left them.");
  const ChildOptions options{.arguments = {own_program(), "verify", "--source", "@" + directory.file("source.uri"), "--destination",
                                           "@" + directory.file("destination.uri"), "--exclude", workload::kProofDatabase, "--json"},
                             .output = directory.file("verify.out"),
                             .errors = headless_ ? directory.file("verify.err") : std::string()};
  auto process = TRY(ChildProcess::start(options));
  while (process.running())
    if (!runtime_->sleep(kStepEvery, stop_)) return fail(ErrorCode::kInterrupted, "stopped");
  const auto last = TRY(last_line(directory.file("verify.out")));
  if (const auto json = Json::parse(last)) report_.verification = *json;
  const auto code = process.exit_code().value_or(1);
  if (code == 0) return {};
  return fail(code == exit_code(ErrorCode::kMismatch) ? ErrorCode::kMismatch : ErrorCode::kFailure,
              fmt::format("the comparison ended with {}: {}", code, last));
}

Status DemoCommand::check_ledgers(workload::LiveWorkload& workload) {
  for (std::size_t i = 0; i < workload::kWriteKinds; ++i) {
    const auto kind = static_cast<workload::WriteKind>(i);
    report_.writes.push_back({std::string(workload::name(kind)), workload.count(kind)});
  }
  report_.repeats = workload.repeats();
  const auto differences = TRY(workload.differences(*destination_));
  for (std::size_t i = 0; i < differences.size() && i < kShownDifferences; ++i) say(differences[i]);
  report_.ledger_documents = static_cast<std::int64_t>(workload.ledger_size());
  report_.ledger_differences = static_cast<std::int64_t>(differences.size());
  return {};
}

// Ends early, with the reason, when a writer has failed or the demo is to stop.
Status DemoCommand::sleep(Duration duration, const workload::LiveWorkload& workload) {
  const auto until = runtime_->now() + duration;
  do {
    if (auto failure = workload.failure()) return tl::unexpected(std::move(*failure));
    const auto rest = std::min<Duration>(until - runtime_->now(), std::chrono::milliseconds(50));
    if (rest.count() > 0 && !runtime_->sleep(rest, stop_)) return fail(ErrorCode::kInterrupted, "stopped");
  } while (runtime_->now() < until);
  return {};
}

void DemoCommand::say(const std::string& line) { fmt::print(stderr, "{}\n", line); }

}  // namespace

std::unique_ptr<Subcommand> make_demo_command() { return std::make_unique<DemoCommand>(); }

}  // namespace drover::cli
