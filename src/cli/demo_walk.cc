#include "cli/demo_walk.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include <unistd.h>

#include <fmt/format.h>

#include "base/format_count.h"
#include "bson/builder.h"
#include "bson/ejson.h"
#include "cli/child_process.h"
#include "cli/demo_migration_view.h"
#include "cluster/mongo_deployment.h"
#include "terminal/format.h"
#include "terminal/progress_display.h"

namespace drover::cli {
namespace {

constexpr const char* kSourceProject = "Shop (prod)";
constexpr const char* kDestinationProject = "Shop on Atlas";
constexpr const char* kCluster = "shop-atlas";
constexpr const char* kPassword = "PASSWORD";  // in the text of a command, for what is not shown

constexpr auto kLookEvery = std::chrono::milliseconds(500);
constexpr auto kAwaitLimit = std::chrono::seconds(90);
constexpr auto kFollowFor = std::chrono::seconds(3);   // under live writes, before the cutover
constexpr auto kLineEvery = std::chrono::seconds(5);
constexpr auto kLongStep = std::chrono::hours(12);     // as long as a copy takes; a stop ends it
constexpr auto kWritersLeave = std::chrono::seconds(60);

bool with_colour(bool headless) {
  const char *kind = std::getenv("TERM"), *plain = std::getenv("NO_COLOR");
  return !headless && ::isatty(STDERR_FILENO) == 1 && kind != nullptr && std::string_view(kind) != "dumb" && (plain == nullptr || *plain == '\0');
}

const Json::Array& results(const Json& answer) {
  static const Json::Array kNone;
  const auto* list = answer.find("results");
  return list != nullptr && list->as_array() != nullptr ? *list->as_array() : kNone;
}

Json or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

}  // namespace

DemoWalk::DemoWalk(const DemoDirectory& directory, DemoWatch& watch, Runtime& runtime, Options options)
    : directory_(directory), watch_(watch), runtime_(runtime), options_(std::move(options)),
      shell_(directory, watch, runtime, with_colour(options_.headless)), sites_(directory, shell_, watch, runtime, options_.one_process) {}

Status DemoWalk::start_sites() {
  std::error_code failed;
  std::filesystem::create_directory(directory_.file("bin"), failed);
  if (!failed) std::filesystem::create_symlink(own_program(), directory_.file("bin/drover"), failed);
  if (failed) return fail(ErrorCode::kFailure, fmt::format("making {}: {}", directory_.file("bin/drover"), failed.message()));
  shell_.heading(0, options_.one_process ? "The control plane: both sites and the migration host in one process"
                                         : "The control plane: a site for the source, a site for the destination");
  shell_.say("Every command runs as it stands here, in this directory; files that hold secrets are for you alone.");
  shell_.show(sites_.manager(), fmt::format("cd '{}' && umask 077", directory_.path()));
  return sites_.start();
}

Status DemoWalk::prepare() {
  shell_.heading(0, "Before you begin: the source is monitored, and there is a destination cluster");
  TRY(shell_.run(sites_.manager(), "drover org show"));
  TRY(team_key(sites_.manager(), "source-team.json"));
  TRY(project(sites_.manager(), kSourceProject));
  TRY(monitor());

  shell_.say("\nThe destination: a project, and the cluster that is there already.");
  if (!options_.one_process) TRY(team_key(sites_.atlas(), "destination-team.json"));
  TRY(project(sites_.atlas(), kDestinationProject));
  TRY(shell_.run(sites_.atlas(), fmt::format("drover cluster register {} --connection-string @destination.uri", kCluster)));
  return {};
}

Status DemoWalk::team_key(DemoShell::Terminal& terminal, const std::string& file) {
  TRY(shell_.run(terminal, fmt::format("drover key create --description \"migration team\" --role ORG_OWNER --out {}", file)));
  shell_.show(terminal, fmt::format("export DROVER_CREDENTIALS={}", file));
  for (auto* one : options_.one_process ? std::vector{&sites_.manager(), &sites_.atlas()} : std::vector{&terminal})
    for (auto& [name, value] : one->exported)
      if (name == "DROVER_CREDENTIALS") value = file;
  return {};
}

Status DemoWalk::project(DemoShell::Terminal& terminal, const std::string& name) {
  TRY(shell_.run(terminal, fmt::format("drover project create \"{}\"", name)));
  shell_.show(terminal, fmt::format("export DROVER_PROJECT=\"{}\"", name));
  terminal.exported.emplace_back("DROVER_PROJECT", name);
  return {};
}

// With the mongo shell by hand; here over the driver.
Status DemoWalk::as_administrator(const std::string& uri, const std::string& command, const std::string& user) {
  auto shown = command;
  const auto at = shown.find(fmt::format("\"{}\"", kPassword));
  if (at != std::string::npos) shown.replace(at, std::string_view(kPassword).size() + 2, "passwordPrompt()");
  shell_.show({"db1", {}}, fmt::format("mongosh --host {} --username engine --eval 'db.adminCommand({})'", options_.source_host, shown));
  auto sent = command;
  if (at != std::string::npos) {
    const auto password = Uuid::random(runtime_).to_string();
    sent.replace(at + 1, std::string_view(kPassword).size(), password);
    TRY(directory_.write(user + ".password", password));
    shell_.say(fmt::format("    the password stands in {}.password", user));
  }
  const auto deployment = TRY(cluster::connect({uri, cluster::Side::kSource, "drover demo"}, runtime_, watch_.stop()));
  TRY_WITH(deployment->run_command("admin", TRY(bson::from_ejson(sent))), fmt::format("making the user \"{}\"", user));
  return {};
}

Status DemoWalk::monitor() {
  if (options_.one_process) {
    shell_.say("\nThe server is an agent, too, as soon as its configuration is there.");
    TRY(shell_.run(sites_.manager(), fmt::format("drover host provision {0} --out {0}.config", kMigrationHost)));
  } else {
    shell_.say("\nAn agent beside the deployment, which only monitors.");
    TRY(shell_.run(sites_.manager(), "drover host provision db1 --monitoring-only --out db1.config --log-file -"));
    TRY(sites_.start_monitoring("db1.config"));
  }
  shell_.say("\nIts user needs clusterMonitor, and no more: what is imported is metadata, never documents.");
  TRY(as_administrator(options_.source_uri, R"({"createUser": "monitor", "pwd": "PASSWORD", "roles": ["clusterMonitor"]})", "monitor"));
  TRY(shell_.run(sites_.manager(), fmt::format("drover deployment add {} --auth-mechanism SCRAM-SHA-256 --username monitor --password-file monitor.password "
                                               "--wait", options_.source_host)));
  // The required access: what the user lacks would be an alert.
  TRY(await(sites_.manager(), "drover deployment alerts --json", [](const Json& answer) { return answer.as_object() != nullptr && results(answer).empty(); },
            "the required-access check of the monitoring user"));
  TRY(shell_.run(sites_.manager(), "drover deployment alerts"));
  shell_.say("    no alert: the user has the access that monitoring requires");
  TRY(shell_.run(sites_.manager(), "drover host list"));
  const auto listed = TRY(Json::parse(TRY(shell_.run(sites_.manager(), "drover deployment list --json", {.quiet = true}))));
  if (results(listed).empty()) return fail(ErrorCode::kFailure, "the deployment is monitored, but the manager site does not list it");
  deployment_ = text(results(listed).front(), "clusterName");
  return {};
}

Status DemoWalk::link() {
  shell_.heading(1, "Stage 1: Link with Atlas");
  shell_.say("The owner of the destination's organization makes a link-token. It is shown once, and good for one claim.");
  TRY(shell_.run(sites_.atlas(), "drover link create-token --out link-token"));
  return {};
}

Status DemoWalk::connect() {
  shell_.heading(2, "Stage 2: Provision the migration host, and connect");
  if (options_.one_process) {
    shell_.say("The server is the migration host already.");
  } else {
    shell_.say("A machine of its own, which carries out one migration at a time.");
    TRY(shell_.run(sites_.manager(), fmt::format("drover host provision {0} --out {0}.config --log-file -", kMigrationHost)));
    TRY(sites_.start_migration_host(fmt::format("{}.config", kMigrationHost)));
  }
  TRY(await_migration_host());
  TRY(shell_.run(sites_.manager(), "drover host agents"));
  TRY(shell_.run(sites_.manager(), "drover link connect --token-file link-token"));
  TRY(shell_.run(sites_.manager(), "drover link status"));
  TRY(await_offer());
  shell_.say("\nWhat the Atlas site knows from now on. (This migration host is on loopback; the address of another one has to be in the IP access\n"
             "list of the destination's project: drover access-list add ADDRESS.)");
  TRY(shell_.run(sites_.atlas(), "drover link projects", {.shown_lines = 12}));
  return {};
}

Status DemoWalk::await_migration_host() {
  return await(sites_.manager(), "drover host agents --json", [](const Json& answer) { return answer.dump().find(fmt::format("\"{}\"", kMigrationHost)) != std::string::npos; },
               "the registration of the migration host");
}

// The manager tells it by itself, within a minute; a person in a hurry says refresh.
Status DemoWalk::await_offer() {
  TRY(shell_.run(sites_.manager(), "drover link refresh"));
  return await(sites_.atlas(), "drover link projects --json",
               [&](const Json& answer) {
                 return std::any_of(results(answer).begin(), results(answer).end(), [&](const Json& one) {
                   const auto all = one.dump();
                   return text(one, "name") == kSourceProject && all.find(fmt::format("\"{}\"", kMigrationHost)) != std::string::npos &&
                          all.find(fmt::format("\"{}\"", deployment_)) != std::string::npos;
                 });
               },
               "the deployment and the migration host at the Atlas site");
}

Status DemoWalk::migrate(workload::LiveWorkload& workload) {
  shell_.heading(3, "Stage 3: Start the migration");
  TRY(migration_user());
  TRY(validate_and_start());
  TRY(follow());
  return cut_over(workload);
}

Status DemoWalk::migration_user() {
  shell_.say("The migration reads the source as a user of its own.");
  if (!options_.gated) {
    TRY(as_administrator(options_.source_uri, R"({"createRole": "droverWriteBlock", "roles": [], "privileges": [{"resource": {"cluster": true}, )"
                                              R"("actions": ["setUserWriteBlockMode", "bypassWriteBlockingMode"]}]})", "migrator"));
    return as_administrator(options_.source_uri, R"({"createUser": "migrator", "pwd": "PASSWORD", "roles": ["backup", "clusterMonitor", "droverWriteBlock"]})",
                            "migrator");
  }
  return as_administrator(options_.source_uri, R"({"createUser": "migrator", "pwd": "PASSWORD", "roles": ["backup", "clusterMonitor"]})", "migrator");
}

Status DemoWalk::validate_and_start() {
  const auto what = fmt::format("--cluster {} --host {} --source-project \"{}\" \\\n    --source-cluster {} --source-username migrator "
                                "--source-password-file migrator.password", kCluster, kMigrationHost, kSourceProject, deployment_);
  TRY(shell_.run(sites_.atlas(), "drover migration validate " + what, {.limit = kLongStep, .shown_lines = 40}));
  started_ = runtime_.now();
  TRY(shell_.run(sites_.atlas(), "drover migration start " + what));
  return {};
}

Status DemoWalk::follow() {
  terminal::ProgressDisplay display(STDERR_FILENO);
  const auto seconds = [&] { return std::chrono::duration<double>(runtime_.now() - started_).count(); };
  std::string phase;
  std::optional<SteadyTime> told;
  const auto show = [&] {
    if (!options_.headless && display.is_terminal()) return display.show(view_of(migration_, kCluster), runtime_.now());
    if (told && phase == phase_of(migration_) && runtime_.now() - *told < kLineEvery) return;
    told = runtime_.now();
    phase = phase_of(migration_);
    shell_.say("    " + line_of(migration_));
  };
  const auto take = [&](const std::string& line) {
    auto json = Json::parse(line);
    if (!json || text(*json, "status").empty()) return;
    migration_ = std::move(*json);
    max_lag_ = std::max(max_lag_, number(migration_, "lagTimeSeconds").value_or(0));
    if (!copy_seconds_ && text(migration_, "phase") == "CHANGE_EVENT_APPLICATION") copy_seconds_ = seconds();
    show();
  };
  TRY(shell_.run(sites_.atlas(), fmt::format("drover migration watch {} --until ready --json", kCluster), {.limit = kLongStep, .on_line = take}));
  ready_seconds_ = seconds();
  if (!options_.headless && display.is_terminal()) display.show_now(view_of(migration_, kCluster), runtime_.now());
  display.leave();
  shell_.say(fmt::format("\nReady for cutover after {}. The destination follows while the application writes; from here on there are 120 hours for the cutover.",
                         terminal::format_duration(*ready_seconds_)));
  return shell_.sleep(kFollowFor);
}

Status DemoWalk::cut_over(workload::LiveWorkload& workload) {
  auto& switchover = workload.switchover();
  if (options_.gated) {
    shell_.say("\nA source of this version cannot refuse writes by itself: the application is stopped first.");
    switchover.close_source();
    const auto deadline = runtime_.now() + kWritersLeave;
    while (switchover.writers_off_source() < workload.writers()) {
      if (runtime_.now() > deadline) return fail(ErrorCode::kTimedOut, "not every writer of the application left the source within a minute");
      TRY(shell_.sleep(std::chrono::milliseconds(2)));
    }
  } else {
    shell_.say("\nNobody stops the application: the source refuses its writes from the cutover on, and it goes where they are taken.");
  }
  TRY(shell_.run(sites_.atlas(), fmt::format("drover migration cutover {} --yes --wait", kCluster), {.limit = kLongStep, .shown_lines = 12}));
  if (options_.gated) switchover.open_destination();
  migration_ = TRY(Json::parse(TRY(shell_.run(sites_.atlas(), fmt::format("drover migration show {} --json", kCluster), {.quiet = true}))));
  return {};
}

Result<Json> DemoWalk::verify() {
  shell_.say("\nEvery writer has arrived on the destination. Are both sides the same, as the cutover left them?");
  std::string last;
  const auto done = shell_.run(sites_.host(), fmt::format("drover verify --source @source.uri --destination @destination.uri --exclude {} --json", workload::kProofDatabase),
                               {.limit = kLongStep, .on_line = [&](const std::string& line) { last = line; }});
  if (!done) return tl::unexpected(done.error());
  auto found = TRY_WITH(Json::parse(last), "the last line of drover verify");
  shell_.say(fmt::format("    equal: {} documents in {} collections compared, byte by byte",
                         format_count(static_cast<std::uint64_t>(number(found, "documents").value_or(0))),
                         format_count(static_cast<std::uint64_t>(number(found, "collections").value_or(0)))));
  return found;
}

Status DemoWalk::clean_up() {
  TRY(check_users());
  shell_.say("\nThe migration's temporary user is gone from the destination. What else is left is put away.");
  TRY(await_forgotten());
  sites_.end_migration_host();
  TRY(shell_.run(sites_.manager(), fmt::format("drover deployment remove {} --yes", deployment_)));
  TRY(shell_.run(sites_.manager(), "drover link disconnect --yes"));
  TRY(shell_.run(sites_.manager(), fmt::format("drover host unprovision {} --yes", kMigrationHost)));
  if (!options_.one_process) TRY(shell_.run(sites_.manager(), "drover host unprovision db1 --yes"));
  TRY(shell_.run(sites_.atlas(), "drover link list"));
  TRY(shell_.run(sites_.atlas(), "drover event list --limit 10", {.shown_lines = 11}));
  return {};
}

// A migration gets a user of its own on the destination, and leaves none.
Status DemoWalk::check_users() {
  const auto destination = TRY(cluster::connect({options_.destination_uri, cluster::Side::kDestination, "drover demo"}, runtime_, watch_.stop()));
  const auto reply = TRY(destination->run_command("admin", bson::make_document({{"usersInfo", 1}})));
  const auto users = reply["users"].to_array();
  if (!users) return fail(ErrorCode::kFailure, "usersInfo on the destination answers no list");
  for (const auto& item : *users) {
    const auto name = item.document_value()["user"].to_string_view().value_or("");
    if (name != "engine" && name != "application")
      return fail(ErrorCode::kFailure, fmt::format("the migration is COMPLETE, but its user \"{}\" is still on the destination", name));
  }
  return {};
}

// The migration host removes the job with its secrets once both sites have told it so; only then is the link free.
Status DemoWalk::await_forgotten() {
  const auto jobs = sites_.host_data() + "/jobs";
  const auto deadline = runtime_.now() + kAwaitLimit;
  for (std::error_code ignored; !std::filesystem::is_empty(jobs, ignored) && !ignored;) {
    if (runtime_.now() > deadline) return fail(ErrorCode::kTimedOut, fmt::format("the migration host still keeps a job in {}", jobs));
    TRY(shell_.sleep(kLookEvery));
  }
  return {};
}

Status DemoWalk::await(const DemoShell::Terminal& terminal, const std::string& command, const std::function<bool(const Json&)>& found,
                       const std::string& what) {
  const auto deadline = runtime_.now() + kAwaitLimit;
  for (;;) {
    const auto answer = TRY(shell_.run(terminal, command, {.quiet = true}));
    const auto json = Json::parse(answer);
    if (json && found(*json)) return {};
    if (runtime_.now() > deadline)
      return fail(ErrorCode::kTimedOut, fmt::format("{}: not within {} s; `{}` says {}", what, std::chrono::seconds(kAwaitLimit).count(), command, answer));
    TRY(shell_.sleep(kLookEvery));
  }
}

Json DemoWalk::figures() const {
  const auto as_integer = [&](const char* key) {
    const auto* value = migration_.find(key);
    return value != nullptr ? *value : Json();
  };
  return Json::Object{{"state", text(migration_, "status").empty() ? Json("INITIALIZING") : Json(text(migration_, "status"))},
                      {"documents", nullptr},
                      {"bytes", as_integer("copiedBytes")},
                      {"copySeconds", or_null(copy_seconds_)},
                      {"changeEventsApplied", as_integer("appliedEvents")},
                      {"maxLagSeconds", max_lag_},
                      {"finalLagSeconds", nullptr},
                      {"writeUnavailableMillis", nullptr},
                      {"restarts", nullptr},
                      {"kills", Json::Array{}},
                      {"verification", nullptr}};
}

Json DemoWalk::story() const {
  Json::Array steps;
  for (const auto& step : shell_.steps())
    steps.push_back(Json::Object{{"stage", step.stage}, {"terminal", step.terminal}, {"command", step.command}, {"seconds", step.seconds},
                                 {"exitCode", step.exit_code}});
  Json::Object migration;
  for (const auto* key : {"_id", "status", "path", "copiedBytes", "totalBytes", "appliedEvents"}) {
    const auto* value = migration_.find(key);
    migration.emplace_back(key, value != nullptr ? *value : Json());
  }
  return Json::Object{{"processes", options_.one_process ? "one" : "separate"},
                      {"readyAfterSeconds", or_null(ready_seconds_)},
                      {"migration", std::move(migration)},
                      {"steps", std::move(steps)}};
}

}  // namespace drover::cli
