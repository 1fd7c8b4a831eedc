// The existing deployments that a project monitors: how to reach them, what monitoring knows of them (spec/control-plane.md 2.1,
// 2.2, 6). Metadata only. Passwords are sealed. Thread-safe; several processes may work on one store.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/runtime.h"
#include "control/event_log.h"
#include "control/measurements.h"
#include "control/project_settings.h"
#include "control/sealed_keys.h"
#include "control/store.h"
#include "model/connection_parts.h"

namespace drover::control {

inline constexpr int kMaxDeploymentsOfProject = 50;
inline constexpr std::size_t kMaxHostsOfDeployment = 200;
inline constexpr std::chrono::minutes kHostDownAfter{3};  // without an answer to monitoring, also from the beginning

// How monitoring logs in. `password` is only ever read to make a connection string of it.
struct MonitoringCredentials {
  AuthMechanism mechanism = AuthMechanism::kNone;
  std::string username, password, auth_source;
  bool tls = false;
  std::string ca_path, client_certificate_path;  // on the agent's host
};

struct MonitoredDeployment {
  std::string id;     // the cluster's, in the public API
  std::string group;
  std::string name;   // its replica set's, once known; unique in the project
  std::vector<std::string> hosts;  // "host:port"
  MonitoringCredentials credentials;
  bool collects_db_stats = true;  // unless its project's settings say otherwise
  std::string created;
  std::int64_t last_ping_millis = 0;  // 0: no sample yet
  // Of the last sample.
  std::string topology;  // STANDALONE, REPLICA_SET, SHARDED; empty: not known
  std::string replica_set, version, fcv, os, agent_version;
  std::string replica_set_id;  // empty: of a sharded cluster, or not told
  std::optional<bool> community;
  int shards = 1;
  bool tls_enabled = false;
  std::int64_t db_bytes = 0, data_bytes = 0, oplog_bytes = 0;
  std::vector<std::string> mechanisms;
  std::vector<std::string> missing_actions;  // of the role clusterMonitor: the required-access check
  bool login_failed = false;
  std::int64_t login_failed_since = 0, missing_since = 0;  // 0: not
  std::string last_error;  // of a host that did not answer the last sample, and which; empty: all did
  std::string leaving;  // who is about to stop monitoring it, or of one of its hosts
};

// Of its databases but `local`, in bytes.
struct HostSizes {
  std::int64_t data = 0, indexes = 0;
};

struct MonitoredHost {
  std::string id;  // 32 hexadecimal digits
  std::string group, deployment;
  std::string hostname;
  int port = 0;
  std::string created;
  std::int64_t last_ping_millis = 0;
  bool down = false;
  std::int64_t unreached_since = 0;  // of one that has never answered: the first time that it was tried; 0: it has, or was not
  std::string last_error;            // why it did not answer the last time; empty: it did
  Json facts;  // of the last sample: typeName, version, replicaSetName, …
  std::optional<HostSizes> sizes;      // when they were told the last time; those of primaries are
  std::vector<std::string> databases;  // whose sizes it has told; every 20 minutes it tells them
  bool tells_disk = false;             // with them the space of its data's partition
};

struct HostCounts {
  std::int64_t all = 0;
  std::int64_t down = 0;
  std::int64_t silent = 0;  // those, and of which no sample has ever come
};

class Deployments {
 public:
  Deployments(Store& store, const SealedKeys& keys, EventLog& events, Runtime& runtime)
      : store_(store), keys_(keys), events_(events), runtime_(runtime), settings_(store), measurements_(store) {}

  // kUsage for what the caller sent, kWrongState when the host is monitored already.
  Result<MonitoredDeployment> add(const std::string& group, const std::string& name, const std::vector<std::string>& hosts,
                                  const MonitoringCredentials& credentials);
  Result<bool> set_credentials(const std::string& group, const std::string& id, const MonitoringCredentials& credentials);
  // All of a project, with what was measured.
  Status forget_project(const std::string& group);
  Result<std::vector<MonitoredDeployment>> of_project(const std::string& group);
  Result<std::optional<MonitoredDeployment>> find(const std::string& group, const std::string& id);
  Result<std::optional<MonitoredDeployment>> by_name(const std::string& group, const std::string& name);

  Result<std::vector<MonitoredHost>> hosts(const std::string& group, const std::string& deployment = {});
  // Of all of the project's deployments when `deployment` is empty.
  Result<std::vector<MonitoredHost>> hosts(const std::string& group, const std::string& deployment, Page page);
  Result<std::int64_t> count_hosts(const std::string& group, const std::string& deployment);
  Result<std::vector<MonitoredHost>> hosts_down(const std::string& group);
  Status each_host_of(const std::vector<std::string>& groups, const std::function<void(const MonitoredHost&)>& see);
  // Of sharded deployments, by project; one that is not in the answer has none.
  Result<std::map<std::string, std::int64_t>> shards_of(const std::vector<std::string>& groups);
  // By deployment; one that is not in the answer has none.
  Result<std::map<std::string, HostCounts>> host_counts(const std::vector<std::string>& groups);
  Result<std::optional<MonitoredHost>> host(const std::string& group, const std::string& id);
  // Notes that it is about to be taken away, by `mark`; a mark that another one has set since is not taken back.
  Status take_away(const MonitoredDeployment& deployment, const std::string& mark);
  Status give_back(const MonitoredDeployment& deployment, const std::string& mark);
  // Stops monitoring it, while its deployment has this mark; the deployment goes with its last one, if that may. Running it again goes on.
  enum class Removal { kDone, kNotThere, kNotMarked, kLast };
  enum class Last { kGoes, kStaysOnceSeen };  // once a sample of the deployment has come
  Result<Removal> remove_host(const std::string& group, const std::string& id, const std::string& mark, Last last = Last::kGoes);
  static std::string host_id(const std::string& group, const std::string& host_and_port);

  // What an agent saw. Of a deployment that the project does not have: ignored.
  Status take_sample(const std::string& group, const std::string& agent_version, const Json& sample);
  // Of its hosts, by their ids.
  Measurements& measurements() { return measurements_; }

 private:
  Result<MonitoredDeployment> deployment_of(bson::View document, const ProjectSettings& settings) const;
  Result<std::optional<MonitoredDeployment>> first_of(const std::string& group, bson::View filter);
  MonitoredHost host_of(bson::View document) const;
  Status take_host(const MonitoredDeployment& deployment, const Json& host, std::int64_t now);
  Status summarize(const MonitoredDeployment& deployment, const std::string& agent_version, const Json& hosts, std::int64_t now);
  void append_credentials(bson::Builder& document, const std::string& id, const MonitoringCredentials& credentials) const;
  // Hosts of a deployment that is gone, or the one host of this id, with what was measured of them.
  Status forget_hosts(const std::string& group, const std::string& deployment, const std::string& id = {});
  std::string seal_name(std::string_view id) const;
  std::int64_t now_millis() const;

  Store& store_;
  const SealedKeys& keys_;
  EventLog& events_;
  Runtime& runtime_;
  ProjectSettingsRecords settings_;
  Measurements measurements_;
};

// The connection string of a migration's source: members, set and TLS as monitoring knows them; the user of the request, or
// monitoring's own.
ConnectionParts source_parts(const MonitoredDeployment& deployment);

Status check_credentials(const MonitoringCredentials& credentials);

}  // namespace drover::control
