// Every subcommand, in the order in which --help lists them.
#pragma once

#include <memory>
#include <vector>

#include "cli/subcommand.h"

namespace drover::cli {

std::unique_ptr<Subcommand> make_demo_command();
std::unique_ptr<Subcommand> make_migrate_command();
std::unique_ptr<Subcommand> make_sync_command();
std::unique_ptr<Subcommand> make_verify_command();
std::unique_ptr<Subcommand> make_check_command();
std::unique_ptr<Subcommand> make_server_command();
std::unique_ptr<Subcommand> make_agent_command();
std::unique_ptr<Subcommand> make_sandbox_command();
std::unique_ptr<Subcommand> make_version_command();

// Those of the control plane: drover org, project, …
std::vector<std::unique_ptr<Subcommand>> make_remote_commands();

std::vector<std::unique_ptr<Subcommand>> make_commands();

}  // namespace drover::cli
