// Organizations, projects and API keys, for Atlas's and for Cloud Manager's clients.
#pragma once

#include "api/route_table.h"
#include "control/identity.h"

namespace drover::api {

// `identity` outlives the table.
void add_identity_routes(RouteTable& table, control::Identity& identity);

}  // namespace drover::api
