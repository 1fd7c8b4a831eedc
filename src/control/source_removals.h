// What takes away on the source's site: agent API keys and with them migration hosts, monitored hosts and with them deployments,
// projects. Nothing goes that a validation or a migration needs: its migration host, and the deployment that it reads.
//
// A job that comes at the same moment: who removes marks first, and looks for jobs then; who takes a job keeps it first, and looks for
// marks then (LinkWorker). Writes and reads are of a majority, so at least one of the two sees the other. The removal waits until a job
// that it sees is decided; so one of them wins, in whichever processes they are. Thread-safe.
//
// Whoever marks marks what it has read: an agent that has registered anew is another. Only what still has its mark is taken away.
//
// A crash in between leaves a mark: the host or deployment is offered to nobody, and the removal is to be repeated. An agent that
// registers, and new credentials of a deployment, end it as well.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "base/runtime.h"
#include "control/agent_jobs.h"
#include "control/agent_keys.h"
#include "control/agents.h"
#include "control/deployments.h"
#include "control/link_worker.h"

namespace drover::control {

inline constexpr std::chrono::seconds kDecisionPatience{5};  // for a job that is being taken at the same moment

class SourceRemovals {
 public:
  struct Parts {
    AgentKeys& keys;
    Agents& agents;
    Deployments& deployments;
    AgentJobs& jobs;
    LinkWorker& worker;
  };
  SourceRemovals(Parts parts, Runtime& runtime) : parts_(parts), runtime_(runtime) {}

  // What came of it. Nothing is changed while it is needed.
  struct Removed {
    bool there = false;
    std::vector<AgentJob> needed_by;
    bool last = false;  // of a host: the deployment would go with it, and is to stay
  };
  // Locks out whoever uses the key. kForced: at once, whoever is left without its host.
  enum class How { kUnlessNeeded, kForced };
  Result<Removed> remove_key(const std::string& group, const std::string& id, How how);
  Result<Removed> remove_host(const std::string& group, const std::string& id, Deployments::Last last = Deployments::Last::kGoes);
  // What needs a project: for whoever has marked it (control/identity.h). LinkWorker asks whether it stays before it gives work out.
  Result<std::vector<AgentJob>> needing_project(const std::string& group);
  // Its keys, agents and deployments go, once it is settled that the project does. May be repeated.
  Status forget_project(const std::string& group);

 private:
  struct Marked {
    std::vector<Agent> agents;
    std::vector<MonitoredDeployment> deployments;
  };
  using Uses = std::function<bool(const AgentJob& job)>;
  Result<std::vector<Agent>> users_of_key(const std::string& group, const std::string& key);
  Result<Marked> mark(const std::string& by, std::vector<Agent> agents, std::vector<MonitoredDeployment> deployments);
  Status unmark(const std::string& by, const Marked& marked);
  // `coming`: begun by the destination's site, and not given out yet.
  Result<std::vector<AgentJob>> needing(const std::string& group, const Uses& uses, const std::vector<AgentJob>& coming);

  Parts parts_;
  Runtime& runtime_;
};

}  // namespace drover::control
