#include "cli/commands.h"

namespace drover::cli {

std::vector<std::unique_ptr<Subcommand>> make_commands() {
  std::vector<std::unique_ptr<Subcommand>> commands;
  commands.push_back(make_demo_command());
  commands.push_back(make_migrate_command());
  commands.push_back(make_sync_command());
  commands.push_back(make_verify_command());
  commands.push_back(make_check_command());
  commands.push_back(make_server_command());
  commands.push_back(make_agent_command());
  for (auto& command : make_remote_commands()) commands.push_back(std::move(command));
  commands.push_back(make_sandbox_command());
  commands.push_back(make_version_command());
  return commands;
}

}  // namespace drover::cli
