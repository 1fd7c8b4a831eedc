// The audit events of a project or an organization, newest first.
#pragma once

#include "api/route_table.h"
#include "control/events.h"

namespace drover::api {

// `events` outlives the table.
void add_event_routes(RouteTable& table, control::Events& events);

}  // namespace drover::api
