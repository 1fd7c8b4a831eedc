// The rows that each source file of this directory brings to the command table.
#pragma once

#include <span>

#include "sandbox/commands/command.h"

namespace drover::sandbox {

std::span<const Command> find_commands();
std::span<const Command> aggregate_commands();
std::span<const Command> count_commands();
std::span<const Command> insert_commands();
std::span<const Command> update_commands();
std::span<const Command> delete_commands();
std::span<const Command> find_and_modify_commands();
std::span<const Command> create_commands();
std::span<const Command> drop_commands();
std::span<const Command> rename_commands();
std::span<const Command> capped_commands();
std::span<const Command> coll_mod_commands();
std::span<const Command> index_commands();
std::span<const Command> list_commands();
std::span<const Command> explain_commands();
std::span<const Command> stats_commands();
std::span<const Command> storage_commands();
std::span<const Command> search_index_commands();
std::span<const Command> apply_ops_commands();
std::span<const Command> session_commands();
std::span<const Command> replication_commands();
std::span<const Command> server_commands();
std::span<const Command> status_commands();
std::span<const Command> parameter_commands();
std::span<const Command> write_block_commands();
std::span<const Command> cluster_parameter_commands();
std::span<const Command> bulk_write_commands();
std::span<const Command> concern_default_commands();
std::span<const Command> diagnostic_commands();
std::span<const Command> plan_cache_commands();
std::span<const Command> metadata_commands();

}  // namespace drover::sandbox
