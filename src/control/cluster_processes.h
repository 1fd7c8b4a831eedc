// The members of a project's clusters, as the clusters themselves tell of them when somebody asks: nothing of it is kept in the store, and
// nothing is told that was not seen. A member that nobody has reached is NO_DATA. Thread-safe.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "base/runtime.h"
#include "control/clusters.h"

namespace drover::control {

inline constexpr std::chrono::seconds kProcessesFresh{10};  // a cluster is looked at no more often, however many ask
inline constexpr std::chrono::seconds kLookBudget{10};      // for all clusters of one answer; then what is known has to do
inline constexpr std::size_t kMaxClustersSeen = 1000;       // of one process of this server

struct ClusterProcess {
  std::string host;          // "host:port"
  std::string type;          // REPLICA_PRIMARY REPLICA_SECONDARY REPLICA_ARBITER RECOVERING SHARD_MONGOS NO_DATA
  std::string replica_set;   // empty: of a mongos, or not told
  std::string version;       // of the one that was asked; empty: not told
  std::int64_t last_ping_millis = 0;  // by the wall clock of whoever reached it last: this site, or the member that was asked; 0: nobody
};

class ClusterProcesses {
 public:
  ClusterProcesses(Clusters& clusters, Runtime& runtime) : clusters_(clusters), runtime_(runtime) {}

  // Of each cluster in turn. At most kProcessesFresh old where there is time to look; while one caller waits for a cluster that does not
  // answer, others get what is known.
  std::vector<std::vector<ClusterProcess>> of(const std::vector<Cluster>& clusters);

 private:
  struct Seen {
    SteadyTime at{};
    bool ever = false, looking = false;
    std::vector<ClusterProcess> processes;
  };
  std::vector<ClusterProcess> of(const Cluster& cluster, bool may_look);
  Result<std::vector<ClusterProcess>> look(const Cluster& cluster);

  Clusters& clusters_;
  Runtime& runtime_;
  Guarded<std::map<std::string, Seen>> seen_;  // by the cluster's id
};

// "host:port" and the port; without one MongoDB's own.
std::pair<std::string, int> host_and_port_of(std::string_view name);

// What a reply to replSetGetStatus tells; `asked_at` is when it was asked. `version` is that of the member that answered.
std::vector<ClusterProcess> processes_of_status(bson::View status, const std::string& version, std::int64_t asked_at);

}  // namespace drover::control
