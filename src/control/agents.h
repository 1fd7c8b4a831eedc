// The agents of a project: one for each host name, with the session that counts (docs/design/control-plane.md, protocol 2). A
// hello raises the epoch; whoever comes with a lower one has been replaced. Thread-safe; several processes may work on one store.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/runtime.h"
#include "control/store.h"
#include "model/migration_platform.h"

namespace drover::control {

inline constexpr std::chrono::minutes kAgentDownAfter{5};  // without a poll
inline constexpr int kMaxAgentsOfProject = 200;

struct Agent {
  std::string id;  // the document's
  std::string group;
  std::string agent_id;  // the agent's own
  std::string hostname;
  std::string version;
  HostPlatform platform;
  bool monitoring = false;
  bool cloud_migration = false;
  std::int64_t epoch = 0;
  std::int64_t polls = 0;  // since the hello
  std::int64_t last_poll_millis = 0;
  std::int64_t pings = 0;  // samples since the hello
  std::int64_t last_ping_millis = 0;
  std::string address;     // from where it comes
  bool alive = false;      // by this site's clock
  std::string key;         // the id of the agent API key that its session is of; empty: not told yet
  std::string leaving;     // who takes it away, or has: it is no migration host any more. Its next hello ends that
};

struct Hello {
  std::string agent_id, hostname, version, address, key;
  HostPlatform platform;
  bool monitoring = false;
  bool cloud_migration = false;
  bool only_if_free = false;  // of one that was displaced: it takes the place of none that lives
};

// Of a hello. Epochs of a host rise, by the clock too: a store that was lost, or brought back from an older copy, gives none that another
// site has seen already (reports are numbered by them, and the Atlas site takes no older one).
struct Registered {
  std::int64_t epoch = 0;  // positive, below 2^30, so that reports stay below what a site itself says last of a job
  bool first = false;      // no agent of this host name was known
};

class Agents {
 public:
  Agents(Store& store, Runtime& runtime) : store_(store), runtime_(runtime) {}

  // The same hello again raises the epoch again. kWrongState: the place is not free (Hello::only_if_free), or there are too many. With kMaxAgentsOfProject host names a new one takes the place of one that is gone.
  Result<Registered> hello(const std::string& group, const Hello& hello);
  // Notes that it polled (or sent a sample). Nothing: the session is another's, or unknown.
  enum class Beat { kPoll, kSample, kOther };
  Result<std::optional<Agent>> beat(const std::string& group, const std::string& agent_id, std::int64_t epoch, const std::string& address,
                                    const std::string& key, Beat what);
  Result<std::vector<Agent>> of_project(const std::string& group);
  Status each_of(const std::vector<std::string>& groups, const std::function<void(const Agent&)>& see);
  Result<std::optional<Agent>> by_hostname(const std::string& group, const std::string& hostname);
  // Whose turn it is to monitor: the first of those that live.
  Result<bool> monitors(const Agent& agent);
  static bool monitors(const Agent& agent, const std::vector<Agent>& of_project);
  // Notes that it is taken away, by `mark`; a mark that another one has set since is not taken back. False: it has registered anew since it was read.
  Result<bool> take_away(const Agent& agent, const std::string& mark);
  Status give_back(const Agent& agent, const std::string& mark);
  Status forget_project(const std::string& group);

 private:
  Result<bool> make_room(const std::string& group);
  Agent agent_of(bson::View document) const;
  std::int64_t now_millis() const;
  std::int64_t epoch_of_now() const;

  Store& store_;
  Runtime& runtime_;
};

}  // namespace drover::control
