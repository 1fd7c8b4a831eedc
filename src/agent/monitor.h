// Samples the deployments that the site wants monitored: each known member by a connection of its own, the members that those
// name as well. Sends only the commands of monitoring_commands.h.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/host.h"
#include "base/json.h"
#include "cluster/deployment.h"
#include "model/connection_parts.h"

namespace drover::agent {

inline constexpr std::size_t kMaxMembers = 200;     // of one deployment
inline constexpr std::size_t kMaxDeployments = 50;
inline constexpr std::chrono::minutes kStatsEvery{20};  // sizes of databases cost their servers something
inline constexpr std::size_t kMaxDatabases = 500;   // whose sizes are asked for

struct MonitoredDeployment {
  std::string id;
  std::vector<std::string> hosts;  // known so far
  ConnectionParts how;             // without hosts
  bool collect_db_stats = true;
};
// An entry of /poll's "monitor". Unknown mechanisms are errors that name them.
Result<MonitoredDeployment> parse_monitored(const Json& entry);

class Monitor {
 public:
  explicit Monitor(Host& host) : host_(host) {}

  // Replaces what is monitored. Thread-safe.
  void want(std::vector<MonitoredDeployment> deployments);
  // Until stopped: a sample of everything, sent, every `interval`. What cannot be sent is dropped: the next one is newer.
  void run(const std::stop_token& stop, std::chrono::seconds interval);

 private:
  struct Member {
    std::unique_ptr<cluster::Deployment> connection;
    std::string uri;
  };
  struct Known {
    std::map<std::string, Member> members;
    SteadyTime stats_at{};
  };
  Json sample(const MonitoredDeployment& deployment, const std::stop_token& stop);
  Json::Object sample_member(const MonitoredDeployment& deployment, Known& known, const std::string& name, bool with_stats,
                             std::vector<std::string>& named, const std::stop_token& stop);

  Host& host_;
  Guarded<std::vector<MonitoredDeployment>> wanted_;
  std::map<std::string, Known> known_;  // of the thread that runs
};

}  // namespace drover::agent
