// Organizations, projects and API keys, for Atlas's and for Cloud Manager's clients.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "api/route_table.h"
#include "control/deletions.h"
#include "control/identity.h"

namespace drover::api {

// A refusal when the project must stay.
using ProjectGuard = std::function<RestResult<int>(const std::string& group)>;

// The same of an organization.
using OrganizationGuard = std::function<RestResult<int>(const std::string& org)>;

// How many clusters each of the projects has; one that is not in the answer has none.
using CountClusters = std::function<Result<std::map<std::string, std::int64_t>>(const std::vector<std::string>& groups)>;

// Gives a service account of the project's organization the role of its owner. False: there is no such account.
using GiveAccountProject = std::function<Result<bool>(const control::Project& project, const std::string& client_id)>;

// What Cloud Manager's projects tell of what is monitored, each of these: hostCounts, activeAgentCount, lastActiveAgent, replicaSetCount, shardCount.
using MonitoredFacts = std::function<Result<std::map<std::string, Json::Object>>(const std::vector<std::string>& groups)>;

// The project that an agent API key is of; empty: there is no such key.
using ProjectOfAgentKey = std::function<Result<std::string>(const std::string& key)>;
inline constexpr std::string_view kByAgentApiKey = "/groups/byAgentApiKey/";  // what follows is a secret

// What others keep of an organization and its projects; each may be missing. Who may delete is asked once it is marked.
struct IdentityHooks {
  ProjectGuard may_delete_project;
  CountClusters count_clusters;
  OrganizationGuard may_delete_organization;
  GiveAccountProject give_account_project;
  MonitoredFacts monitored_facts;
  ProjectOfAgentKey project_of_agent_key;
};

// `identity` and `deletions` outlive the table.
void add_identity_routes(RouteTable& table, control::Identity& identity, control::Deletions& deletions, IdentityHooks hooks = {});

}  // namespace drover::api
