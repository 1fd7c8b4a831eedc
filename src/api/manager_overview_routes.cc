#include "api/manager_overview_routes.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "api/route_adder.h"

namespace drover::api {
namespace {

using control::Access;
using control::Agent;
using control::MonitoredDeployment;

// "available" only when all of it answers.
const char* availability_of(const control::HostCounts& hosts) {
  if (hosts.silent == 0 && hosts.all != 0) return "available";
  return hosts.silent == hosts.all ? "unavailable" : "warning";
}

const char* type_of(const MonitoredDeployment& one) {
  if (one.topology == "SHARDED") return "sharded cluster";
  if (one.topology == "REPLICA_SET") return "replica set";
  return one.topology == "STANDALONE" ? "standalone" : "none";
}

Json cluster_of_all(const MonitoredDeployment& one, const control::HostCounts& hosts) {
  Json::Array versions;
  if (!one.version.empty()) versions.emplace_back(one.version);
  return Json::Object{{"clusterId", one.id},
                      {"name", one.name},
                      {"type", type_of(one)},
                      {"availability", availability_of(hosts)},
                      {"versions", std::move(versions)},
                      {"backupEnabled", false},
                      {"authEnabled", one.credentials.mechanism != AuthMechanism::kNone},
                      {"sslEnabled", one.tls_enabled},
                      {"alertCount", hosts.down},
                      {"dataSizeBytes", one.data_bytes},
                      {"nodeCount", hosts.all}};
}

class OverviewRoutes {
 public:
  explicit OverviewRoutes(OverviewParts parts) : parts_(std::move(parts)) {}

  RestResult<RestReply> all_clusters(const RestRequest& request) const {
    const auto projects = TRY_REST(parts_.identity.projects("", request.caller->grants, request.page));
    std::map<std::string, std::string> names;
    std::vector<std::string> ids;
    for (const auto& project : projects.items) ids.push_back(project.id);
    // Hosts are counted where they are kept: a page may have millions.
    auto hosts = TRY_REST(parts_.deployments.host_counts(ids));
    Json::Array all;
    for (const auto& project : projects.items) {
      if (!names.contains(project.org)) {
        const auto org = TRY_REST(parts_.identity.organization(project.org));
        names[project.org] = org ? org->name : "";
      }
      Json::Array clusters;
      for (const auto& one : TRY_REST(parts_.deployments.of_project(project.id)))
        clusters.push_back(cluster_of_all(one, hosts[one.id]));
      all.push_back(Json::Object{{"groupId", project.id}, {"groupName", project.name}, {"orgId", project.org}, {"orgName", names[project.org]},
                                 {"tags", Json::Array()}, {"clusters", std::move(clusters)}});
    }
    return RestReply{200, page_of(request, std::move(all), projects.total)};
  }

  RestResult<RestReply> agent_versions(const RestRequest& request) const {
    const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(parts_.runtime.wall_time().time_since_epoch()).count();
    Json::Array entries;
    bool old = false;
    const auto agents = TRY_REST(parts_.agents.of_project(request.name("groupId")));
    for (const auto& agent : agents) {
      if (!agent.leaving.empty()) continue;
      const bool other = agent.version != parts_.version;
      old = old || other;
      entries.push_back(Json::Object{{"address", agent.address},
                                     {"confCount", agent.polls},
                                     {"hostname", agent.hostname},
                                     {"hostnameShort", agent.hostname.substr(0, agent.hostname.find('.'))},
                                     {"isManaged", false},
                                     {"isModule", false},
                                     {"isPrimary", control::Agents::monitors(agent, agents)},
                                     {"isVersionDeprecated", false},
                                     {"isVersionOld", other},
                                     {"lastConf", agent.last_poll_millis},
                                     {"lastPing", agent.last_ping_millis},
                                     {"msSinceLastConf", std::max<std::int64_t>(0, now - agent.last_poll_millis)},
                                     {"pingCount", agent.pings},
                                     {"pingState", agent.alive ? "ok" : "error"},
                                     {"version", agent.version}});
    }
    const auto count = static_cast<std::int64_t>(entries.size());
    return RestReply{200, Json::Object{{"count", count},
                                       {"entries", std::move(entries)},
                                       {"isAnyAgentNotManaged", count > 0},
                                       {"isAnyAgentVersionDeprecated", false},
                                       {"isAnyAgentVersionOld", old},
                                       {"latestVersion", parts_.version},
                                       {"links", self_link(request, request.path)}}};
  }

  RestResult<RestReply> component_versions(const RestRequest& request) const {
    return RestReply{200, Json::Object{{"automationVersion", parts_.version}, {"links", self_link(request, request.path)}}};
  }

  // Deployments are monitored here, and not automated: there is nothing in the configuration, and nothing to be reached.
  RestResult<RestReply> automation_config(const RestRequest&) const {
    Json::Object body{{"auth", Json::Object{{"authoritativeSet", false}, {"autoAuthMechanism", ""}, {"autoAuthRestrictions", Json::Array()}, {"disabled", true},
                                            {"usersDeleted", Json::Array()}, {"usersWanted", Json::Array()}}},
                      {"options", Json::Object()},
                      {"version", 0}};
    for (const auto* list : {"backupVersions", "indexConfigs", "mongosqlds", "monitoringVersions", "processes", "replicaSets", "roles", "sharding"})
      body.emplace_back(list, Json::Array());
    return RestReply{200, std::move(body)};
  }
  // Nothing of monitoring is managed: agents have their own configuration.
  RestResult<RestReply> monitoring_agent_config(const RestRequest&) const { return RestReply{200, Json::Object{{"configOverrides", Json::Object()}}}; }
  RestResult<RestReply> automation_status(const RestRequest&) const { return RestReply{200, Json::Object{{"goalVersion", 0}, {"processes", Json::Array()}}}; }

 private:
  const OverviewParts parts_;
};

}  // namespace

void add_manager_overview_routes(RouteTable& table, OverviewParts parts) {
  RouteAdder<OverviewRoutes> add(table, std::make_shared<const OverviewRoutes>(std::move(parts)), {Family::kCloudManager});
  add("GET", "/clusters", std::nullopt, &OverviewRoutes::all_clusters);
  add("GET", "/softwareComponents/versions", std::nullopt, &OverviewRoutes::component_versions);
  add("GET", "/groups/{groupId}/agents/versions", Access::kGroupRead, &OverviewRoutes::agent_versions);
  add("GET", "/groups/{groupId}/automationConfig", Access::kGroupRead, &OverviewRoutes::automation_config);
  add("GET", "/groups/{groupId}/automationConfig/monitoringAgentConfig", Access::kGroupRead, &OverviewRoutes::monitoring_agent_config);
  add("GET", "/groups/{groupId}/automationStatus", Access::kGroupRead, &OverviewRoutes::automation_status);
}

}  // namespace drover::api
