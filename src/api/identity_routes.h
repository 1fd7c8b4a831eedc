// Organizations, projects and API keys, for Atlas's and for Cloud Manager's clients.
#pragma once

#include <functional>
#include <string>

#include "api/route_table.h"
#include "control/identity.h"

namespace drover::api {

// A refusal when the project must stay.
using ProjectGuard = std::function<RestResult<int>(const std::string& group)>;

// `identity` outlives the table.
void add_identity_routes(RouteTable& table, control::Identity& identity, ProjectGuard may_delete = {});

}  // namespace drover::api
