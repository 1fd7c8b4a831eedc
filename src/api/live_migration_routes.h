// Live migration as Atlas's clients know it (spec/control-plane.md 3.2, 3.4): link-tokens, available projects, validations,
// migrations.
#pragma once

#include "api/route_table.h"
#include "control/links.h"

namespace drover::api {

// `links` outlives the table.
void add_link_routes(RouteTable& table, control::Links& links);

}  // namespace drover::api
