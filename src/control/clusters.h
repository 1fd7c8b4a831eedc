// The clusters of a project: real deployments that were registered by their connection string, and local ones that this site
// runs itself. A connection string is sealed; what is told of a cluster carries no credentials. Thread-safe.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/runtime.h"
#include "cluster/deployment.h"
#include "control/sealed_keys.h"
#include "control/store.h"

namespace drover::control {

// What Cluster::deployment is of a replica set, by the id in its configuration.
inline std::string deployment_of_set(const std::string& replica_set_id) { return "set " + replica_set_id; }

struct Cluster {
  enum class Kind { kRegistered, kLocal };
  std::string id, group, name;
  Kind kind = Kind::kRegistered;
  std::string state;        // the API's stateName: IDLE CREATING DELETING REPAIRING
  std::string created;
  Json description;         // clusterType, replicationSpecs, biConnector, versionReleaseSystem, labels: as they were asked for
  std::string version, fcv; // as seen when last looked at; empty before
  bool sharded = false;
  bool authorization = false;
  std::string shown_uri;    // without credentials
  std::string deployment;   // which one it is, whatever it is called here and by whichever members it is reached; empty: it has not been looked at
  std::string host_id;      // kLocal: which server process runs it
  // How it is reached through private networks, without credentials: {"private": TEXT, "privateEndpoint": [{"connectionString": TEXT,
  // "endpoints": [{"endpointId", "providerName", "region"}]}]}, each field only when there is one.
  Json connections;
  std::int64_t revision = 0;  // of description and connections
};

// The connection string through VPC peering, or through this private endpoint; empty: there is none.
std::string private_uri(const Cluster& cluster);
std::string endpoint_uri(const Cluster& cluster, const std::string& endpoint);

inline constexpr const char* kLocalClusterUser = "cluster-admin";  // of each local cluster: this site's own

// The connection string's parts: "mongodb://", "user:password" or nothing, "host:1,host:2", "a=b&c=d".
struct UriParts {
  std::string scheme, login, hosts, options;
};
Result<UriParts> split_uri(const std::string& uri);  // kUsage, without quoting it
// For another user of the same deployment; with an empty `user` for nobody. The options that are about the login are left out.
std::string uri_for(const UriParts& parts, const std::string& user, const std::string& password);
std::string percent_encoded(std::string_view text);
// kUsage: an option names a file that this server would prove itself by. Whoever registers a cluster has none here.
Status check_no_keys(const UriParts& parts);

class Clusters {
 public:
  using Connect = std::function<Result<std::unique_ptr<cluster::Deployment>>(const std::string& uri)>;
  Clusters(Store& store, const SealedKeys& keys, Runtime& runtime, Connect connect)
      : store_(store), keys_(keys), runtime_(runtime), connect_(std::move(connect)) {}

  // Connects, to see what it is. kDestination: it does not answer; kWrongState: the name is taken; kUsage.
  Result<Cluster> register_deployment(const std::string& group, const std::string& name, const std::string& uri, const Json& description,
                                      const Json& connections);
  // Its description and connections become these. False: it has been changed since it was read, or is gone.
  Result<bool> change(const Cluster& cluster, const Json& description, const Json& connections);
  // Notes the wish; whoever runs local clusters does the rest. kWrongState: the name is taken.
  Result<Cluster> create_local(const std::string& group, const std::string& name, const std::string& version, const Json& description,
                               const std::string& host_id);
  Result<std::optional<Cluster>> cluster(const std::string& group, const std::string& name);
  Result<std::vector<Cluster>> of_group(const std::string& group, Page page);
  // Of all projects; no more than Store::kStride of them are in memory at a time.
  Status each(const std::function<Status(const Cluster&)>& see);
  Result<std::int64_t> count(const std::string& group);
  Result<std::map<std::string, std::int64_t>> count_by_group(const std::vector<std::string>& groups);  // those that have one
  // A registered one is forgotten, a local one's state becomes DELETING. False: there is none.
  Result<bool> remove(const std::string& group, const std::string& name);
  // The same of one as it was read. False: it has been changed, or counted on, since. Who begins a migration keeps that and counts the cluster on then; who changes
  // or removes a cluster reads it, looks for migrations, and writes what it has read: one of the two sees the other.
  Result<bool> remove(const Cluster& cluster);
  // Its revision is one more, whatever it is now. False: it is another one, or was changed since it was read.
  Result<bool> count_on(const Cluster& cluster);

  // With credentials.
  Result<std::string> uri(const Cluster& cluster);
  Result<std::unique_ptr<cluster::Deployment>> connect(const Cluster& cluster);
  // Looks again, for rules that need the versions of now; the cluster as it is known then.
  Result<Cluster> refresh(const Cluster& cluster);

  // For whoever runs local clusters.
  Result<std::vector<Cluster>> local_of(const std::string& host_id);
  Result<std::vector<Cluster>> local_of_group(const std::string& group);
  Status now_running(const Cluster& cluster, const std::string& uri);
  Status forget(const Cluster& cluster);

 private:
  Status check_login(const std::string& uri);
  Result<Cluster> look(Cluster cluster, const std::string& uri);

  Store& store_;
  const SealedKeys& keys_;
  Runtime& runtime_;
  const Connect connect_;
};

}  // namespace drover::control
