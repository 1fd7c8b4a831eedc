#include "cli/manager_role.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "api/export_routes.h"
#include "api/manager_overview_routes.h"
#include "api/monitoring_routes.h"
#include "cli/version.h"

namespace drover::cli {

ManagerRole::ManagerRole(control::Store& store, const control::SealedKeys& keys, control::Identity& identity, Runtime& runtime, Log& log,
                         Options options)
    : runtime_(runtime),
      identity_(identity),
      links_(store, keys, runtime),
      keys_(store, keys, runtime),
      agents_(store, runtime),
      jobs_(store, keys, runtime),
      events_(store, runtime),
      deployments_(store, keys, events_, runtime),
      worker_({links_, identity, agents_, deployments_, jobs_}, {options.link_ca_file}, runtime, log),
      removals_({keys_, agents_, deployments_, jobs_, worker_}, runtime),
      agent_api_({keys_, agents_, jobs_, deployments_, events_}, {options.poll_seconds, options.monitoring_seconds}, runtime, log) {}

void ManagerRole::add_routes(api::RouteTable& table) {
  api::add_monitoring_routes(table, {keys_, agents_, deployments_, removals_, runtime_});
  api::add_export_routes(table, links_, worker_);
  api::add_manager_overview_routes(table, {identity_, agents_, deployments_, runtime_, version_text()});
}

Result<Json::Object> ManagerRole::monitored_facts(const std::string& group) {
  std::int64_t active = 0, last = 0, shards = 0;
  for (const auto& agent : TRY(agents_.of_project(group))) {
    active += agent.alive && agent.leaving.empty() ? 1 : 0;
    last = std::max(last, agent.last_poll_millis);
  }
  std::map<std::string, std::int64_t> counts{{"arbiter", 0}, {"config", 0}, {"master", 0}, {"mongos", 0}, {"primary", 0}, {"secondary", 0}, {"slave", 0}};
  std::set<std::string> sets;
  for (const auto& host : TRY(deployments_.hosts(group))) {
    const auto text = [&](const char* fact) {
      const auto* value = host.facts.find(fact);
      return value != nullptr && value->as_string() != nullptr ? *value->as_string() : std::string();
    };
    const auto type = text("typeName"), set = text("replicaSetName");
    if (type == "SHARD_CONFIG") ++counts["config"];
    else if (type == "SHARD_MONGOS") ++counts["mongos"];
    else if (type.ends_with("_PRIMARY")) ++counts["primary"];
    else if (type.ends_with("_SECONDARY")) ++counts["secondary"];
    else if (type.ends_with("_ARBITER")) ++counts["arbiter"];
    if (!set.empty() && type != "SHARD_CONFIG") sets.insert(host.deployment + " " + set);
  }
  for (const auto& one : TRY(deployments_.of_project(group))) shards += one.topology == "SHARDED" ? one.shards : 0;
  Json::Object host_counts;
  for (const auto& [kind, count] : counts) host_counts.emplace_back(kind, count);
  Json::Object facts{{"activeAgentCount", active}, {"hostCounts", std::move(host_counts)}, {"replicaSetCount", static_cast<std::int64_t>(sets.size())}, {"shardCount", shards}};
  if (last != 0) facts.emplace_back("lastActiveAgent", control::iso_time(std::chrono::system_clock::time_point(std::chrono::milliseconds(last))));
  return facts;
}

api::RestResult<int> ManagerRole::may_delete_project(const std::string& group) {
  if (const auto needed_by = TRY_REST(removals_.needing_project(group)); !needed_by.empty())
    return api::needed("CANNOT_CLOSE_GROUP_ACTIVE_LIVE_MIGRATION", fmt::format("A migration host or deployment of the group {}", group), needed_by);
  return 0;
}

api::RestResult<int> ManagerRole::may_delete_organization(const std::string& org) {
  if (TRY_REST(links_.of_org(org)))
    return api::refuse(409, "CONFLICT", fmt::format("The organization {} is connected to Atlas; disconnect it first (drover link disconnect).", org), {org});
  return 0;
}

void ManagerRole::start() {
  attending_ = runtime_.spawn("server.links", [this](std::stop_token stop) { worker_.run(stop); });
}

}  // namespace drover::cli
