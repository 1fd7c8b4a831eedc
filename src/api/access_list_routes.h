// IP access lists: of a project, which live migration consults, and of an API key, which bind it.
#pragma once

#include "api/route_table.h"
#include "control/access_lists.h"
#include "control/identity.h"

namespace drover::api {

// What is passed by reference outlives the table.
void add_project_access_list_routes(RouteTable& table, control::AccessLists& lists);
void add_key_access_list_routes(RouteTable& table, control::Identity& identity);

}  // namespace drover::api
