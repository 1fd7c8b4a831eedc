// `drover sync`: the engine as a daemon with mongosync's flags and HTTP API. Composition only.
#include <csignal>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <optional>
#include <thread>

#include <fcntl.h>

#include <fmt/format.h>

#include "api/sync_routes.h"
#include "base/local_disk.h"
#include "base/rotating_log.h"
#include "base/runtime.h"
#include "cli/commands.h"
#include "cli/disclaimer_answer.h"
#include "cli/port_file.h"
#include "cli/signals.h"
#include "cli/spool_directory.h"
#include "cli/sync_settings.h"
#include "cli/version.h"
#include "cluster/mongo_deployment.h"
#include "engine/sync_control.h"
#include "net/http_server.h"

namespace drover::cli {
namespace {

inline constexpr std::chrono::milliseconds kWatchEvery{100};
inline constexpr std::chrono::seconds kTellEvery{30};
inline constexpr std::chrono::seconds kPatience{6};  // with clusters that do not answer, once told to stop
static_assert(kPatience >= engine::kOwnerAnswer + std::chrono::seconds(3), "the block is lifted while connections last");

// A pipe whose other end its starter holds: that end is closed when the starter has ended, whatever ended it.
Status hang_on(int lifeline) {
  if (lifeline < 0) return {};
  if (::fcntl(lifeline, F_GETFD) < 0) return fail(ErrorCode::kUsage, fmt::format("--lifeline: {} is no open descriptor", lifeline));
  std::thread([lifeline] {
    char nothing;
    while (::read(lifeline, &nothing, 1) < 0 && errno == EINTR) {}
    ::kill(::getpid(), SIGKILL);
  }).detach();
  return {};
}

inline constexpr std::chrono::milliseconds kAnswerOfAPipe{1000};

std::atomic<bool> rotation_asked{false};
void ask_for_rotation(int) { rotation_asked = true; }

class SyncCommand final : public Subcommand {
 public:
  std::string_view name() const override { return "sync"; }
  std::string_view summary() const override { return "The engine as a daemon, with mongosync's flags and HTTP API"; }
  void configure(OptionSet& options) override;
  int run() override;

 private:
  Status execute();
  Status serve();
  Status watch(engine::SyncControl& control, const std::function<std::optional<Error>()>& opening_failed);
  void tell(const engine::SyncProgress& progress, std::string& phase);
  Status accept_disclaimer();
  Result<std::unique_ptr<cluster::Deployment>> connect(int cluster, engine::SyncControl::Part part);

  SyncSettings settings_;
  std::string port_file_;
  std::int64_t lifeline_ = -1;
  std::string job_;
  std::stop_token stop_;
  std::stop_source cut_;  // ends every call on a cluster
  std::unique_ptr<Runtime> runtime_ = make_real_runtime();
  std::unique_ptr<RotatingLog> log_;
};

void SyncCommand::configure(OptionSet& options) {
  settings_.declare(options);
  options.path("--portFile", port_file_, "Write the HTTP API's port to this file once it listens").placeholder("FILE");
  options.integer("--lifeline", lifeline_, "Die at once when this inherited descriptor, a pipe, is closed at its other end; for rehearsals");
  options.string("--job", job_, "The id of the one migration that this may go on with: state of another one on the destination is refused")
      .not_empty().placeholder("ID");
  options.description(
      "Waits for orders: POST /api/v1/start, pause, resume and commit; GET /api/v1/progress says how far it is. All state is on "
      "the destination: after a crash or SIGTERM the same command goes on by itself. SIGUSR1 begins a new log file. The API "
      "listens on loopback and has neither TLS nor authentication.");
  options.example("drover sync --cluster0 @source.uri --cluster1 @destination.uri --logPath /var/log/drover --acceptDisclaimer");
  options.example("drover sync --config sync.yaml");
  options.example("curl localhost:27182/api/v1/start -XPOST --data '{\"source\":\"cluster0\",\"destination\":\"cluster1\"}'");
}

int SyncCommand::run() {
  stop_ = stop_on_signals();
  struct sigaction action {};
  action.sa_handler = ask_for_rotation;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGUSR1, &action, nullptr);
  const Status status = execute();
  if (status) return 0;
  if (log_) {
    log_->fatal("Got a fatal error running Mongosync", {{"error", status.error().message},
                                                        {"exitCode", exit_code(status.error().code)},
                                                        {"serverCode", status.error().server_code},
                                                        {"localDisk", status.error().has_label(kLocalDisk)}});
  }
  return report(name(), status.error());
}

Status SyncCommand::execute() {
  TRY(hang_on(static_cast<int>(lifeline_)));
  TRY(settings_.finish(stop_));
  RotatingLog::Options options;
  options.directory = settings_.log_path;
  options.level = settings_.verbosity;
  options.fixed = {{"serverID", fmt::format("{:08x}", static_cast<std::uint32_t>(runtime_->random()))},
                   {"mongosyncID", "coordinator"},
                   {"pid", std::to_string(::getpid())}};
  log_ = TRY(RotatingLog::open(options));
  log_->info("Version info", {{"version", version_text()}, {"os", "linux"}});
  log_->info("Mongosync Options", {{"port", settings_.port}, {"loadLevel", settings_.load_level}, {"id", "coordinator"},
                                   {"logPath", settings_.log_path}});
  TRY(accept_disclaimer());
  if (settings_.insecure_plain_http) log_->warn("plain HTTP without authentication may be read and used by whoever reaches it", {{"bindIp", settings_.bind_ip}});
  log_->info(fmt::format("Initialized client0 with URI: {} and client1 with URI: {}", cluster::redact(settings_.cluster0),
                         cluster::redact(settings_.cluster1)));
  return serve();
}

// A person at a terminal is waited for. Elsewhere what stands in the standard input is an answer, which is a refusal unless it is a yes; where nothing
// does (/dev/null, a pipe that stays silent), there is nobody to be asked, which is none.
Status SyncCommand::accept_disclaimer() {
  if (settings_.accept_disclaimer) return {};
  const bool person = ::isatty(STDIN_FILENO) != 0;
  if (person) {
    fmt::print(stderr,
               "drover sync copies one cluster into another and can block writes on both. It does not verify the data while it "
               "runs: compare with drover verify before you rely on the destination.\nDo you want to continue? (y/n): ");
  }
  const auto answer = person ? answer_of_person(stop_) : answer_in_sight(kAnswerOfAPipe, stop_);
  if (answer == "y" || answer == "Y" || answer == "yes") return {};
  if (!answer && !person) {
    log_->warn("The disclaimer was not accepted by --acceptDisclaimer; going on, since nobody can be asked");
    return {};
  }
  constexpr std::string_view kNot = "the disclaimer was not accepted, and nothing was started";
  if (person) return fail(ErrorCode::kInterrupted, fmt::format("{}: answer y, or start with --acceptDisclaimer", kNot));
  return fail(ErrorCode::kInterrupted, fmt::format("{}: the standard input, which is no terminal, has a line that is not y. Start with --acceptDisclaimer; "
                                                   "what the line is meant for still gets it", kNot));
}

Result<std::unique_ptr<cluster::Deployment>> SyncCommand::connect(int cluster, engine::SyncControl::Part part) {
  cluster::MongoOptions options;
  options.uri = cluster == 0 ? settings_.cluster0 : settings_.cluster1;
  switch (part) {
    case engine::SyncControl::Part::kNone: options.side = cluster == 0 ? cluster::Side::kCluster0 : cluster::Side::kCluster1; break;
    case engine::SyncControl::Part::kSource: options.side = cluster::Side::kSource; break;
    case engine::SyncControl::Part::kDestination: options.side = cluster::Side::kDestination; break;
  }
  options.app_name = "drover sync";
  // Not our stop token: a cutover that is given up must still restore the source.
  return cluster::connect(options, *runtime_, cut_.get_token());
}

Status SyncCommand::serve() {
  engine::Options options;
  engine::set_load_level(options, settings_.load_level);
  options.job = job_;
  options.spool_directory = job_.empty() ? TRY(spool_directory()) : spool_directory_or_tmp(*log_);
  engine::SyncControl control([this](int cluster, auto part) { return connect(cluster, part); }, *runtime_, *log_,
                              options);
  api::SyncRoutes routes(control, *runtime_, *log_,
                         {{{first_host(settings_.cluster0), first_host(settings_.cluster1)}}, settings_.bind_ip == "localhost"});
  net::HttpServer::Options http;
  http.bind_ip = settings_.bind_ip;
  http.port = static_cast<int>(settings_.port);
  const auto server = TRY(net::HttpServer::start(http, [&](const auto& request) { return routes.handle(request); }, *log_));
  TRY(write_port_file(port_file_, server->port(), "--portFile"));
  log_->info("Running webserver", {{"port", server->port()}});

  std::atomic<bool> failed{false};
  Status opened;
  const auto opening = runtime_->spawn("sync.open", [&](std::stop_token) {
    opened = control.open(stop_);
    failed = !opened;
  });
  const auto status = watch(control, [&]() -> std::optional<Error> {
    if (!failed) return std::nullopt;
    return opened.error();
  });
  const auto patience = runtime_->spawn("sync.patience", [&](std::stop_token done) {
    if (runtime_->sleep(kPatience, done)) cut_.request_stop();
  });
  control.stop();
  opening->join();
  server->stop();
  if (const auto failure = control.failure(); status && failure) return tl::unexpected(*failure);
  return status;
}

Status SyncCommand::watch(engine::SyncControl& control, const std::function<std::optional<Error>()>& opening_failed) {
  SteadyTime told{};
  std::string phase;
  while (runtime_->sleep(kWatchEvery, stop_)) {
    if (rotation_asked.exchange(false)) {
      if (const auto rotated = log_->rotate(); !rotated) log_->warn(rotated.error().message);
    }
    if (const auto failure = opening_failed()) return tl::unexpected(*failure);
    if (const auto failure = control.failure()) return tl::unexpected(*failure);
    const auto now = runtime_->now();
    const auto progress = control.progress();
    tell(progress, phase);
    if (progress.source && now - told >= kTellEvery) {
      told = now;
      const auto& migration = progress.migration;
      log_->info("Replication progress", {{"lagTimeSeconds", migration.lag_seconds},
                                          {"totalEventsApplied", migration.change_events_applied},
                                          {"estimatedCopiedBytes", migration.bytes},
                                          {"estimatedTotalBytes", migration.bytes_expected}});
    }
  }
  log_->info("Stopping; everything is recorded, the same command goes on");
  return {};
}

// Each new state and phase is a line, in mongosync's words.
void SyncCommand::tell(const engine::SyncProgress& progress, std::string& phase) {
  const auto now = fmt::format("{} {}", engine::name_of(progress.state), progress.source ? progress.migration.phase : "");
  if (now == phase) return;
  log_->debug(fmt::format("Updating the in-memory phase from `{}` to `{}`.", phase, now));
  phase = now;
  log_->info("State", {{"newState", engine::name_of(progress.state)}, {"phase", progress.migration.phase}});
  if (progress.state == engine::SyncState::kRunning && progress.migration.phase != "initializing")
    log_->info(fmt::format("Starting {} phase", progress.migration.phase));
}

}  // namespace

std::unique_ptr<Subcommand> make_sync_command() { return std::make_unique<SyncCommand>(); }

}  // namespace drover::cli
