// Cloud Manager's public API over what is monitored (spec/control-plane.md 3.6, 6): agent API keys, agents, hosts, clusters,
// measurements, alerts.
#pragma once

#include "api/route_table.h"
#include "control/agent_keys.h"
#include "control/agents.h"
#include "control/deployments.h"
#include "control/source_removals.h"

namespace drover::api {

struct MonitoringParts {
  control::AgentKeys& keys;
  control::Agents& agents;
  control::Deployments& deployments;
  control::SourceRemovals& removals;
  control::AgentJobs& jobs;
  Runtime& runtime;
};
// The parts must live as long as the table.
void add_monitoring_routes(RouteTable& table, MonitoringParts parts);

// The refusal to take away `what` ("The project Shop"), which these validations and migrations need; `else_how` says what else can be done.
tl::unexpected<RestError> needed(std::string_view code, std::string_view what, const std::vector<control::AgentJob>& by, std::string_view else_how = "");

}  // namespace drover::api
