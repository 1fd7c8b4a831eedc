// `drover agent`: monitoring and the migration host, with the MongoDB Agent's configuration file. Composition only.
#include <filesystem>

#include <fmt/format.h>

#include "agent/agent.h"
#include "base/log.h"
#include "base/runtime.h"
#include "cli/child_process.h"
#include "cli/commands.h"
#include "cli/signals.h"
#include "cli/version.h"
#include "terminal/table.h"

namespace drover::cli {
namespace {

class AgentCommand final : public Subcommand {
 public:
  std::string_view name() const override { return "agent"; }
  std::string_view summary() const override { return "Monitoring and the migration host, with the MongoDB Agent's configuration"; }
  void configure(OptionSet& options) override;
  int run() override {
    const auto status = execute(stop_on_signals());
    if (status) return 0;
    if (log_) log_->fatal("the agent ends", {{"error", status.error().message}});
    return report(name(), status.error());
  }

 private:
  Status execute(const std::stop_token& stop);

  std::string config_ = "/etc/mongodb-mms/automation-agent.config", data_ = "/var/lib/drover-agent", hostname_;
  bool end_engines_ = false;
  std::unique_ptr<Runtime> runtime_ = make_real_runtime();
  std::unique_ptr<Log> log_;
};

void AgentCommand::configure(OptionSet& options) {
  options.path("-f,--config", config_, "The configuration, key=value lines").placeholder("FILE");
  options.path("--data", data_, "Directory of what must survive a restart: who this agent is, its jobs").placeholder("DIR");
  options.string("--hostname", hostname_, "How this host is called, instead of its own name");
  options.flag("--end-engines", end_engines_, "At the end of this process, whatever ends it, end its engines, too; for rehearsals");
  options.description(
      "Registers with the manager that mmsBaseUrl names, and asks it what to do. With agentFeatureCloudMigrationEnabled=true it is a "
      "migration host: it runs the checks of validations and one migration at a time, by an engine (drover sync) that outlives it. "
      "It monitors by metadata only. Standard error has a line when it is registered, refused or cut off from its manager, each once; "
      "the log has the rest. SIGTERM ends it and leaves the engine running; the next start takes it over.");
  options.example("drover agent -f /etc/mongodb-mms/automation-agent.config");
}

Status AgentCommand::execute(const std::stop_token& stop) {
  auto config = TRY(agent::read_config(config_, stop));
  if (config.log_file != "-") {
    std::error_code ignored;
    std::filesystem::create_directories(std::filesystem::path(config.log_file).parent_path(), ignored);
  }
  log_ = TRY(open_log(config.log_file, config.log_level));
  log_->info("drover agent", {{"version", version_text()}, {"project", config.group_id}, {"manager", config.base_url},
                              {"cloudMigration", config.cloud_migration}});
  for (const auto& key : config.without_effect) log_->warn("a key of the configuration has no effect here", {{"key", key}});
  // A log that goes to standard error says it already.
  agent::Contact::Tell tell;
  if (config.log_file != "-") tell = [](std::string_view sentence) { fmt::print(stderr, "drover agent: {}\n", terminal::printable(sentence)); };
  agent::Agent running({std::move(config), data_, hostname_, own_program(), version_text(), end_engines_, false, std::move(tell)}, *runtime_, *log_);
  return running.run(stop);
}

}  // namespace

std::unique_ptr<Subcommand> make_agent_command() { return std::make_unique<AgentCommand>(); }

}  // namespace drover::cli
