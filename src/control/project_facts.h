// What Cloud Manager's projects tell of what is monitored, for a page of them at once: the store is asked three times, however many there are. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "control/agents.h"
#include "control/deployments.h"

namespace drover::control {

struct ProjectFacts {
  std::int64_t active_agents = 0;
  std::int64_t last_active_millis = 0;  // of an agent, active or not; 0: there was none
  std::int64_t replica_sets = 0, shards = 0;
  std::map<std::string, std::int64_t> hosts;  // by kind; those that there are none of as well
};

// Each of `groups` is in the answer.
Result<std::map<std::string, ProjectFacts>> facts_of_projects(Agents& agents, Deployments& deployments, const std::vector<std::string>& groups);

}  // namespace drover::control
