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

// How many clusters each of the projects has; one that is not in the answer has none.
using CountClusters = std::function<Result<std::map<std::string, std::int64_t>>(const std::vector<std::string>& groups)>;

// `identity` outlives the table.
void add_identity_routes(RouteTable& table, control::Identity& identity, ProjectGuard may_delete = {}, CountClusters count_clusters = {});

}  // namespace drover::api
