#include "cli/demo_sites.h"

#include <array>
#include <fstream>
#include <vector>

#include <fmt/format.h>

namespace drover::cli {
namespace {

constexpr auto kStartPatience = std::chrono::seconds(60);
constexpr auto kPollEvery = std::chrono::milliseconds(20);
// Together with the servers' these stay below what a person waits for after Ctrl-C.
constexpr auto kAgentFarewell = std::chrono::seconds(3);
constexpr auto kServerFarewell = std::chrono::seconds(4);
constexpr auto kOrderlyFarewell = std::chrono::seconds(25);  // nobody is in a hurry: the engine ends as it likes
constexpr const char* kOrganization = "Shop";
// Nobody wants to wait a minute for the first sample of a rehearsal.
constexpr const char* kQuick = "--agent-poll-seconds 1 --monitoring-seconds 5";

}  // namespace

Status DemoSites::start() {
  if (one_process_) {
    TRY(shell_.run(manager_, fmt::format("drover server --data site --create-organization \"{}\" > site.json", kOrganization)));
    TRY(start_server(manager_, "both", fmt::format("{} --agent-config {}.config --agent-hostname {} --end-engines", kQuick, kMigrationHost, kMigrationHost),
                     manager_server_));
    atlas_.exported = manager_.exported;
    return {};
  }
  for (const auto* terminal : {&manager_, &atlas_})
    TRY(shell_.run(*terminal, fmt::format("drover server --data {} --role {} --create-organization \"{}\" > {}.json", terminal->name, terminal->name,
                                          kOrganization, terminal->name)));
  TRY(start_server(manager_, "manager", kQuick, manager_server_));
  return start_server(atlas_, "atlas", "", atlas_server_);
}

Status DemoSites::start_server(DemoShell::Terminal& terminal, const std::string& role, const std::string& more,
                               std::optional<ChildProcess>& process) {
  const std::string name = one_process_ ? "site" : terminal.name;
  process.emplace(TRY(shell_.start(terminal, fmt::format("drover server --data {} --role {} --port 0 --port-file {}.port{}{} 2> {}.log", name, role, name,
                                                         more.empty() ? "" : " ", more, name))));
  keep_watch(*process, one_process_ ? "the server of both sites" : fmt::format("the server of the {} site", name), name);
  const auto port = TRY_WITH(port_of(name), fmt::format("starting the {} site", name));
  terminal.exported = {{"DROVER_SITE", fmt::format("http://127.0.0.1:{}", port)}, {"DROVER_CREDENTIALS", name + ".json"}};
  for (auto* one : one_process_ ? std::vector{&manager_, &atlas_} : std::vector{&terminal})
    shell_.show(*one, fmt::format("export DROVER_SITE=http://127.0.0.1:{} DROVER_CREDENTIALS={}.json", port, name));
  return {};
}

// Its end ends this wait, too: it is watched.
Result<int> DemoSites::port_of(const std::string& name) {
  const auto deadline = runtime_.now() + kStartPatience;
  while (runtime_.now() < deadline) {
    int port = 0;
    if (std::ifstream(directory_.file(name + ".port")) >> port && port > 0) return port;
    if (!runtime_.sleep(kPollEvery, watch_.stop())) return fail(ErrorCode::kInterrupted, "stopped");
  }
  return fail(ErrorCode::kTimedOut, "it did not accept connections within a minute");
}

void DemoSites::keep_watch(const ChildProcess& process, const std::string& what, const std::string& name) {
  watch_.add({.what = what, .pid = process.pid(), .log = directory_.file(name + ".log")});
}

Status DemoSites::start_monitoring(const std::string& config) { return start_agent(config, monitored_.name, monitoring_); }

Status DemoSites::start_migration_host(const std::string& config) {
  if (one_process_) return {};
  return start_agent(config, host_.name, migration_host_);
}

Status DemoSites::start_agent(const std::string& config, const std::string& name, std::optional<ChildProcess>& process) {
  process.emplace(TRY(shell_.start({name, {}}, fmt::format("drover agent -f {} --data {} --hostname {} --end-engines 2> {}.log", config, name, name, name))));
  keep_watch(*process, fmt::format("the agent on {}", name), name);
  return {};
}

std::string DemoSites::host_data() const { return directory_.file(one_process_ ? "site/agent" : kMigrationHost); }

void DemoSites::end_migration_host() {
  if (!migration_host_) return;
  watch_.dismiss(migration_host_->pid());
  migration_host_->stop(kOrderlyFarewell);
  migration_host_.reset();
}

void DemoSites::end() {
  const auto processes = std::array{&monitoring_, &migration_host_, &manager_server_, &atlas_server_};
  for (auto* process : processes)
    if (*process) watch_.dismiss((*process)->pid());
  const auto of = [](std::optional<ChildProcess>& process) { return process ? &*process : nullptr; };
  // Agents first: they say what they leave behind.
  stop_all(std::array{of(monitoring_), of(migration_host_)}, kAgentFarewell);
  stop_all(std::array{of(manager_server_), of(atlas_server_)}, kServerFarewell);
  for (auto* process : processes) process->reset();
}

}  // namespace drover::cli
