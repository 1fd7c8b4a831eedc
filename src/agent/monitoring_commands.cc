#include "agent/monitoring_commands.h"

#include <algorithm>
#include <array>

#include "base/check.h"

namespace drover::agent {
namespace {

constexpr std::array<MonitoringCommand, 16> kCommands{{
    {"isMaster", "admin", ""},
    {"ping", "admin", ""},
    {"buildInfo", "admin", ""},
    {"hostInfo", "admin", ""},
    {"serverStatus", "admin", ""},
    {"replSetGetStatus", "admin", ""},
    {"replSetGetConfig", "admin", ""},
    {"getCmdLineOpts", "admin", ""},
    {"getParameter", "admin", ""},
    {"connectionStatus", "admin", ""},
    {"listDatabases", "admin", ""},
    {"listShards", "admin", ""},
    {"getShardMap", "admin", ""},
    {"balancerStatus", "admin", ""},
    {"dbStats", "", ""},
    {"collStats", "local", "oplog.rs"},
}};

}  // namespace

std::span<const MonitoringCommand> monitoring_commands() { return kCommands; }

bool is_monitoring_command(std::string_view database, bson::View command) {
  const auto first = command.first();
  return std::any_of(kCommands.begin(), kCommands.end(), [&](const MonitoringCommand& one) {
    if (first.key() != one.name || (!one.database.empty() && database != one.database)) return false;
    const auto named = first.to_string_view();
    return one.collection.empty() ? !named : named == one.collection;
  });
}

Result<bson::Document> ask(cluster::Deployment& member, std::string_view database, bson::View command) {
  CHECK(is_monitoring_command(database, command), "monitoring sends what its list has, and nothing else");
  return member.run_command(std::string(database), command);
}

}  // namespace drover::agent
