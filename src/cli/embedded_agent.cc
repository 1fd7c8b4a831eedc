#include "cli/embedded_agent.h"

#include <sys/stat.h>

#include <fmt/format.h>

#include "agent/agent.h"
#include "cli/child_process.h"
#include "cli/version.h"

namespace drover::cli {
namespace {

constexpr std::chrono::seconds kLookEvery{1};
constexpr std::chrono::minutes kFirstReturn{1}, kLastReturn{8};  // after it was displaced: twice as long each time

}  // namespace

std::optional<std::string> EmbeddedAgent::version_of_file() const {
  struct stat facts {};
  if (::stat(options_.config.c_str(), &facts) != 0) return std::nullopt;
  return fmt::format("{} {} {}.{}", facts.st_ino, facts.st_size, facts.st_mtim.tv_sec, facts.st_mtim.tv_nsec);
}

void EmbeddedAgent::run(const std::stop_token& stop) {
  std::string done_with;  // the version that was served, or cannot be
  std::optional<SteadyTime> returns;  // it was displaced
  auto pause = kFirstReturn;
  log_.info("the embedded agent waits for its configuration", {{"file", options_.config}});
  do {
    const auto version = version_of_file();
    if (!version) continue;
    const bool another = *version != done_with;
    if (!another && (!returns || runtime_.now() < *returns)) continue;
    if (another) pause = kFirstReturn;
    done_with = *version;
    returns.reset();
    auto config = agent::read_config(options_.config, stop);
    if (config && serve(std::move(*config), *version, !another, stop) == Ended::kDisplaced) {
      returns = runtime_.now() + pause;
      pause = std::min(2 * pause, kLastReturn);
    }
    if (!config) log_.error("the embedded agent cannot use its configuration; it looks again when the file changes", {{"error", config.error().message}});
  } while (runtime_.sleep(kLookEvery, stop));
}

// Until the file is another one.
EmbeddedAgent::Ended EmbeddedAgent::serve(agent::Config config, const std::string& version, bool displaced_before, const std::stop_token& stop) {
  log_.info("the embedded agent begins", {{"project", config.group_id}, {"manager", config.base_url}, {"cloudMigration", config.cloud_migration}});
  for (const auto& key : config.without_effect) log_.warn("a key of the configuration has no effect here", {{"key", key}});
  std::stop_source over;
  const std::stop_callback on_stop(stop, [&over] { over.request_stop(); });
  const auto watching = runtime_.spawn("agent.config", [&](const std::stop_token& own) {
    while (runtime_.sleep(kLookEvery, own))
      if (version_of_file() != version) return static_cast<void>(over.request_stop());
  });
  agent::Agent running({std::move(config), options_.data, options_.hostname, own_program(), version_text(), options_.end_engines, displaced_before, options_.tell}, runtime_, log_);
  const auto status = running.run(over.get_token());
  if (!status && status.error().code == ErrorCode::kWrongState) {
    log_.error("the embedded agent is displaced; it comes back when the other one is gone", {{"error", status.error().message}});
    return Ended::kDisplaced;
  }
  if (!status) log_.error("the embedded agent has ended; it begins anew when its configuration changes, or with the server", {{"error", status.error().message}});
  else if (!stop.stop_requested()) log_.info("the configuration of the embedded agent has changed");
  return Ended::kForGood;
}

}  // namespace drover::cli
