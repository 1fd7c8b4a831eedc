// What Cloud Manager's clients ask about the whole (spec/control-plane.md 3.6): the clusters of all projects, the agents' versions, and what automation
// does, which here is nothing.
#pragma once

#include <string>

#include "api/route_table.h"
#include "control/agents.h"
#include "control/deployments.h"
#include "control/identity.h"

namespace drover::api {

struct OverviewParts {
  control::Identity& identity;
  control::Agents& agents;
  control::Deployments& deployments;
  Runtime& runtime;
  std::string version;  // this server's, which is that of the newest agents
};
// The parts must live as long as the table.
void add_manager_overview_routes(RouteTable& table, OverviewParts parts);

}  // namespace drover::api
