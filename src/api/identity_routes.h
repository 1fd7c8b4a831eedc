// Organizations, projects and API keys, for Atlas's and for Cloud Manager's clients.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "api/route_table.h"
#include "control/identity.h"

namespace drover::api {

// A refusal when the project must stay.
using ProjectGuard = std::function<RestResult<int>(const std::string& group)>;

// What is left of a project that was deleted goes.
using ProjectGone = std::function<RestResult<int>(const std::string& group)>;

// The same of an organization.
using OrganizationGuard = std::function<RestResult<int>(const std::string& org)>;
using OrganizationGone = std::function<RestResult<int>(const std::string& org)>;

// How many clusters each of the projects has; one that is not in the answer has none.
using CountClusters = std::function<Result<std::map<std::string, std::int64_t>>(const std::vector<std::string>& groups)>;

// What others keep of an organization and its projects; each may be missing.
struct IdentityHooks {
  ProjectGuard may_delete_project;
  ProjectGone project_gone;
  CountClusters count_clusters;
  OrganizationGuard may_delete_organization;  // of one without projects
  OrganizationGone organization_gone;
};

// `identity` outlives the table.
void add_identity_routes(RouteTable& table, control::Identity& identity, IdentityHooks hooks = {});

}  // namespace drover::api
