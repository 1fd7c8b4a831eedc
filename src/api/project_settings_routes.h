// The switches of a project, for Atlas's and for Cloud Manager's clients.
#pragma once

#include "api/route_table.h"
#include "control/project_settings.h"

namespace drover::api {

// What is passed by reference outlives the table.
void add_project_settings_routes(RouteTable& table, control::ProjectSettingsRecords& settings);

}  // namespace drover::api
