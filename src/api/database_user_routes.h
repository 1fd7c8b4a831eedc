// Database users of a project (spec/control-plane.md 3.5). A password goes in and never comes out.
#pragma once

#include "api/route_table.h"
#include "control/database_users.h"

namespace drover::api {

// `users` outlives the table.
void add_database_user_routes(RouteTable& table, control::DatabaseUsers& users);

}  // namespace drover::api
