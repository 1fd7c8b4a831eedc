// Custom database roles of a project (spec/control-plane.md 3.5), of Atlas's families.
#pragma once

#include "api/route_table.h"
#include "control/custom_roles.h"

namespace drover::api {

// What is passed by reference outlives the table.
void add_custom_role_routes(RouteTable& table, control::CustomRoles& roles);

}  // namespace drover::api
