// Cloud Manager's public API over what is monitored (spec/control-plane.md 3.6, 6): agent API keys, agents, hosts, clusters,
// measurements, alerts.
#pragma once

#include "api/route_table.h"
#include "control/agent_keys.h"
#include "control/agents.h"
#include "control/deployments.h"

namespace drover::api {

struct MonitoringParts {
  control::AgentKeys& keys;
  control::Agents& agents;
  control::Deployments& deployments;
  Runtime& runtime;
};
// The parts must live as long as the table.
void add_monitoring_routes(RouteTable& table, MonitoringParts parts);

}  // namespace drover::api
