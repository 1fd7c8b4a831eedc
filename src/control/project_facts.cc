#include "control/project_facts.h"

#include <algorithm>
#include <set>

namespace drover::control {
namespace {

constexpr const char* kKinds[] = {"arbiter", "config", "master", "mongos", "primary", "secondary", "slave"};

std::string text_in(const Json& facts, const char* field) {
  const auto* value = facts.find(field);
  return value != nullptr && value->as_string() != nullptr ? *value->as_string() : std::string();
}

// Empty: none of them.
std::string kind_of(const std::string& type) {
  if (type == "SHARD_CONFIG") return "config";
  if (type == "SHARD_MONGOS") return "mongos";
  if (type.ends_with("_PRIMARY")) return "primary";
  if (type.ends_with("_SECONDARY")) return "secondary";
  if (type.ends_with("_ARBITER")) return "arbiter";
  return "";
}

}  // namespace

Result<std::map<std::string, ProjectFacts>> facts_of_projects(Agents& agents, Deployments& deployments, const std::vector<std::string>& groups) {
  std::map<std::string, ProjectFacts> facts;
  for (const auto& group : groups)
    for (const auto* kind : kKinds) facts[group].hosts[kind] = 0;
  if (groups.empty()) return facts;
  TRY(agents.each_of(groups, [&](const Agent& agent) {
    auto& of = facts[agent.group];
    of.active_agents += agent.alive && agent.leaving.empty() ? 1 : 0;
    of.last_active_millis = std::max(of.last_active_millis, agent.last_poll_millis);
  }));
  std::set<std::pair<std::string, std::string>> sets;  // deployment and name
  TRY(deployments.each_host_of(groups, [&](const MonitoredHost& host) {
    auto& of = facts[host.group];
    const auto type = text_in(host.facts, "typeName"), set = text_in(host.facts, "replicaSetName");
    if (const auto kind = kind_of(type); !kind.empty()) ++of.hosts[kind];
    if (!set.empty() && type != "SHARD_CONFIG" && sets.emplace(host.deployment, set).second) ++of.replica_sets;
  }));
  for (const auto& [group, shards] : TRY(deployments.shards_of(groups))) facts[group].shards = shards;
  return facts;
}

}  // namespace drover::control
