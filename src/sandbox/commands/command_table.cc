#include "sandbox/commands/tables.h"

namespace drover::sandbox {

void CommandTable::add(std::span<const Command> rows) {
  for (const auto& row : rows) {
    rows_[row.name] = &row;
    if (!row.alias.empty()) rows_[row.alias] = &row;
  }
}

const Command* CommandTable::find(std::string_view name, ServerVersion version) const {
  const auto it = rows_.find(name);
  if (it == rows_.end() || version < it->second->since || version >= it->second->removed) return nullptr;
  return it->second;
}

void add_storage_commands(CommandTable& table) {
  for (const auto rows : {find_commands(), aggregate_commands(), count_commands(), insert_commands(), update_commands(),
                          delete_commands(), find_and_modify_commands(), create_commands(), drop_commands(), rename_commands(),
                          capped_commands(), coll_mod_commands(), index_commands(), list_commands(), explain_commands(),
                          stats_commands(), storage_commands(), search_index_commands(), apply_ops_commands(), session_commands(), replication_commands(), server_commands(), status_commands(), parameter_commands(),
                          write_block_commands(), cluster_parameter_commands(), bulk_write_commands(), concern_default_commands(), diagnostic_commands(), plan_cache_commands(),
                          metadata_commands()}) {
    table.add(rows);
  }
}

}  // namespace drover::sandbox
