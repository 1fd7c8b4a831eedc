#include "cli/manager_role.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "api/export_routes.h"
#include "api/manager_overview_routes.h"
#include "api/monitoring_routes.h"
#include "cli/version.h"
#include "control/project_facts.h"

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
  api::add_monitoring_routes(table, {keys_, agents_, deployments_, removals_, jobs_, runtime_});
  api::add_export_routes(table, links_, worker_);
  api::add_manager_overview_routes(table, {identity_, agents_, deployments_, runtime_, version_text()});
}

Result<std::map<std::string, Json::Object>> ManagerRole::monitored_facts(const std::vector<std::string>& groups) {
  std::map<std::string, Json::Object> all;
  for (const auto& [group, facts] : TRY(control::facts_of_projects(agents_, deployments_, groups))) {
    Json::Object hosts;
    for (const auto& [kind, count] : facts.hosts) hosts.emplace_back(kind, count);
    Json::Object told{{"activeAgentCount", facts.active_agents}, {"hostCounts", std::move(hosts)}, {"replicaSetCount", facts.replica_sets}, {"shardCount", facts.shards}};
    if (const auto last = facts.last_active_millis; last != 0)
      told.emplace_back("lastActiveAgent", control::iso_time(std::chrono::system_clock::time_point(std::chrono::milliseconds(last))));
    all.emplace(group, std::move(told));
  }
  return all;
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
