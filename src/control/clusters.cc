#include "control/clusters.h"

#include <algorithm>

#include <fmt/format.h>

#include "control/fields.h"
#include "control/identity.h"
#include "control/json_document.h"

namespace drover::control {
namespace {

constexpr const char* kClusters = "clusters";
constexpr std::size_t kMaxClusterName = 64;
constexpr std::size_t kMaxUriBytes = 4096;

std::string seal_name(const Cluster& cluster) { return fmt::format("cluster {}", cluster.id); }

bson::Document named(const std::string& group, const std::string& name) { return bson::make_document({{"groupId", group}, {"name", name}}); }

Cluster cluster_of(bson::View document) {
  Cluster cluster;
  cluster.id = text_of(document, "_id");
  cluster.group = text_of(document, "groupId");
  cluster.name = text_of(document, "name");
  cluster.kind = text_of(document, "kind") == "local" ? Cluster::Kind::kLocal : Cluster::Kind::kRegistered;
  cluster.state = text_of(document, "stateName");
  cluster.created = text_of(document, "created");
  cluster.description = json_of(object_of(document, "description"));
  cluster.version = text_of(document, "version");
  cluster.fcv = text_of(document, "fcv");
  cluster.sharded = flag_of(document, "sharded");
  cluster.authorization = flag_of(document, "authorization");
  cluster.shown_uri = text_of(document, "shownUri");
  cluster.host_id = text_of(document, "hostId");
  cluster.connections = json_of(object_of(document, "connections"));
  cluster.revision = number_of(document, "revision");
  return cluster;
}

void append_seen(bson::Builder& to, const Cluster& cluster) {
  to.append("version", cluster.version).append("fcv", cluster.fcv).append("sharded", cluster.sharded);
  to.append("authorization", cluster.authorization).append("shownUri", cluster.shown_uri);
}

bson::Document document_of(const Cluster& cluster, const std::string& sealed_uri) {
  bson::Builder document;
  document.append("_id", cluster.id).append("groupId", cluster.group).append("name", cluster.name);
  document.append("kind", cluster.kind == Cluster::Kind::kLocal ? "local" : "registered").append("stateName", cluster.state);
  document.append("created", cluster.created).append("hostId", cluster.host_id).append("sealedUri", sealed_uri);
  append_seen(document, cluster);
  append_json(document, "description", cluster.description);
  append_json(document, "connections", cluster.connections);
  document.append("revision", cluster.revision);
  return std::move(document).finish();
}

Status check_cluster_name(std::string_view name) {
  const auto plain = [](unsigned char c) { return std::isalnum(c) != 0 || c == '-'; };
  if (!name.empty() && name.size() <= kMaxClusterName && name.front() != '-' && std::all_of(name.begin(), name.end(), plain)) return {};
  return fail(ErrorCode::kUsage, fmt::format("name must have 1 to {} letters, digits and hyphens, and begin with none of the latter", kMaxClusterName));
}

// One that was kept before there were revisions has none.
bson::Document as_read(const Cluster& cluster) {
  bson::Builder seen;
  seen.append("_id", cluster.id);
  if (cluster.revision == 0) seen.open_document("revision").append("$not", bson::make_document({{"$gt", 0}}));
  else seen.append("revision", cluster.revision);
  return std::move(seen).finish();
}

tl::unexpected<Error> taken(const std::string& name) {
  return fail(ErrorCode::kWrongState, fmt::format("a cluster named {} is in this project already", name));
}

// A replica set's own id, where its configuration may be read; else its name and members, as it names them.
std::string identity_of(const cluster::Facts& facts) {
  if (facts.replica_set_id != bson::ObjectId{}) return deployment_of_set(facts.replica_set_id.to_string());
  if (facts.hosts.empty()) return "";  // a mongos: nothing of what it says tells its cluster from another
  auto hosts = facts.hosts;
  std::sort(hosts.begin(), hosts.end());
  return fmt::format("{} {}", facts.is_mongos ? "mongos" : facts.set_name, fmt::join(hosts, ","));
}

}  // namespace

std::string private_uri(const Cluster& cluster) {
  const auto* uri = cluster.connections.find("private");
  return uri == nullptr || uri->as_string() == nullptr ? "" : *uri->as_string();
}

std::string endpoint_uri(const Cluster& cluster, const std::string& endpoint) {
  const auto* all = cluster.connections.find("privateEndpoint");
  if (all == nullptr || all->as_array() == nullptr) return "";
  for (const auto& one : *all->as_array()) {
    const auto *uri = one.find("connectionString"), *endpoints = one.find("endpoints");
    if (uri == nullptr || uri->as_string() == nullptr || endpoints == nullptr || endpoints->as_array() == nullptr) continue;
    for (const auto& known : *endpoints->as_array()) {
      const auto* id = known.find("endpointId");
      if (id != nullptr && id->as_string() != nullptr && *id->as_string() == endpoint) return *uri->as_string();
    }
  }
  return "";
}

// What nobody may read would be judged as something else by the rules.
Status Clusters::check_login(const std::string& uri) {
  const auto deployment = TRY(connect_(uri));
  const auto facts = TRY(deployment->facts());
  if (facts.authorization) {
    const auto status = TRY(deployment->run_command("admin", bson::make_document({{"connectionStatus", 1}})));
    const auto users = status.view().at_path("authInfo.authenticatedUsers").to_array();
    if (users && users->empty()) return fail(ErrorCode::kUsage, "the deployment asks for a login, and connectionString names no user");
  }
  if (!facts.is_mongos && !facts.set_name.empty() && facts.fcv.major == 0)
    return fail(ErrorCode::kUsage, "the user of connectionString may not read the deployment's feature compatibility version; grant it clusterMonitor on admin");
  return {};
}

Result<Cluster> Clusters::look(Cluster cluster, const std::string& uri) {
  const auto deployment = TRY(connect_(uri));
  const auto facts = TRY(deployment->facts());
  cluster.version = facts.version.to_string();
  cluster.fcv = facts.is_mongos ? fmt::format("{}.{}", facts.version.major, facts.version.minor)
                                : fmt::format("{}.{}", facts.fcv.major, facts.fcv.minor);
  cluster.sharded = facts.is_mongos;
  cluster.authorization = facts.authorization;
  if (!facts.is_mongos && facts.set_name.empty())
    return fail(ErrorCode::kUsage, "the deployment is a standalone; a cluster is a replica set or a sharded cluster");
  cluster.shown_uri = uri_for(TRY(split_uri(uri)), "", "");
  cluster.deployment = identity_of(facts);
  return cluster;
}

Result<Cluster> Clusters::register_deployment(const std::string& group, const std::string& name, const std::string& uri, const Json& description,
                                              const Json& connections) {
  TRY(check_cluster_name(name));
  if (uri.size() > kMaxUriBytes) return fail(ErrorCode::kUsage, "connectionString is too long");
  TRY(check_no_keys(TRY(split_uri(uri))));
  if (TRY(cluster(group, name))) return taken(name);
  Cluster made;
  made.id = new_id(runtime_);
  made.group = group;
  made.name = name;
  made.state = "IDLE";
  made.created = iso_time(runtime_);
  made.description = description;
  made.connections = connections;
  TRY_WITH(check_login(uri), "registering the deployment");
  made = TRY_WITH(look(std::move(made), uri), "registering the deployment");
  if (!TRY(store_.insert(kClusters, document_of(made, keys_.seal(seal_name(made), uri))))) return taken(name);
  return made;
}

Result<Cluster> Clusters::create_local(const std::string& group, const std::string& name, const std::string& version, const Json& description,
                                       const std::string& host_id) {
  TRY(check_cluster_name(name));
  Cluster made;
  made.id = new_id(runtime_);
  made.group = group;
  made.name = name;
  made.kind = Cluster::Kind::kLocal;
  made.state = "CREATING";
  made.created = iso_time(runtime_);
  made.description = description;
  made.version = version;
  made.host_id = host_id;
  if (!TRY(store_.insert(kClusters, document_of(made, "")))) return taken(name);
  return made;
}

Result<std::optional<Cluster>> Clusters::cluster(const std::string& group, const std::string& name) {
  const auto found = TRY(store_.find_one(kClusters, named(group, name)));
  if (!found) return std::optional<Cluster>();
  return std::optional(cluster_of(*found));
}

Result<std::vector<Cluster>> Clusters::of_group(const std::string& group, Page page) {
  std::vector<Cluster> clusters;
  for (const auto& document : TRY(store_.find(kClusters, bson::make_document({{"groupId", group}}), page))) clusters.push_back(cluster_of(document));
  return clusters;
}

Status Clusters::each(const std::function<Status(const Cluster&)>& see) {
  return store_.each(kClusters, bson::Document(), [&](bson::View document) { return see(cluster_of(document)); });
}

Result<std::int64_t> Clusters::count(const std::string& group) { return store_.count(kClusters, bson::make_document({{"groupId", group}})); }

Result<std::map<std::string, std::int64_t>> Clusters::count_by_group(const std::vector<std::string>& groups) {
  return store_.count_by(kClusters, of_any_group(groups), "groupId");
}

Result<bool> Clusters::remove(const std::string& group, const std::string& name) {
  for (;;) {
    const auto found = TRY(cluster(group, name));
    if (!found) return false;
    if (TRY(remove(*found))) return true;
  }
}

Result<bool> Clusters::remove(const Cluster& cluster) {
  if (cluster.kind == Cluster::Kind::kRegistered) return TRY(store_.remove(kClusters, as_read(cluster))) > 0;
  return store_.update(kClusters, as_read(cluster), bson::make_document({{"$set", bson::make_document({{"stateName", "DELETING"}, {"revision", cluster.revision + 1}})}}));
}

Result<bool> Clusters::count_on(const Cluster& cluster) {
  return store_.update(kClusters, as_read(cluster), bson::make_document({{"$set", bson::make_document({{"revision", cluster.revision + 1}})}}));
}

Result<bool> Clusters::change(const Cluster& cluster, const Json& description, const Json& connections) {
  bson::Builder set;
  append_json(set, "description", description);
  append_json(set, "connections", connections);
  set.append("revision", cluster.revision + 1);
  return store_.update(kClusters, as_read(cluster), bson::make_document({{"$set", std::move(set).finish()}}));
}

Result<std::string> Clusters::uri(const Cluster& cluster) {
  const auto found = TRY(store_.find_one(kClusters, bson::make_document({{"_id", cluster.id}})));
  if (!found || text_of(*found, "sealedUri").empty())
    return fail(ErrorCode::kWrongState, fmt::format("the cluster {} is not running", cluster.name));
  return keys_.unseal(seal_name(cluster), text_of(*found, "sealedUri"));
}

Result<std::unique_ptr<cluster::Deployment>> Clusters::connect(const Cluster& cluster) { return connect_(TRY(uri(cluster))); }

Result<Cluster> Clusters::refresh(const Cluster& cluster) {
  auto seen = TRY(look(cluster, TRY(uri(cluster))));
  bson::Builder set;
  append_seen(set, seen);
  TRY(store_.update(kClusters, bson::make_document({{"_id", cluster.id}}), bson::make_document({{"$set", std::move(set).finish()}})));
  return seen;
}

Result<std::vector<Cluster>> Clusters::local_of(const std::string& host_id) {
  std::vector<Cluster> clusters;
  for (const auto& document : TRY(store_.find(kClusters, bson::make_document({{"kind", "local"}, {"hostId", host_id}}))))
    clusters.push_back(cluster_of(document));
  return clusters;
}

Result<std::vector<Cluster>> Clusters::local_of_group(const std::string& group) {
  std::vector<Cluster> clusters;
  for (const auto& document : TRY(store_.find(kClusters, bson::make_document({{"groupId", group}, {"kind", "local"}})))) clusters.push_back(cluster_of(document));
  return clusters;
}

Status Clusters::now_running(const Cluster& cluster, const std::string& uri) {
  auto seen = TRY(look(cluster, uri));
  bson::Builder set;
  append_seen(set, seen);
  set.append("sealedUri", keys_.seal(seal_name(cluster), uri)).append("stateName", "IDLE");
  bson::Builder wanted;
  wanted.append("_id", cluster.id);
  wanted.open_document("stateName").append("$ne", "DELETING");
  TRY(store_.update(kClusters, std::move(wanted).finish(), bson::make_document({{"$set", std::move(set).finish()}})));
  return {};
}

Status Clusters::forget(const Cluster& cluster) {
  TRY(store_.remove(kClusters, bson::make_document({{"_id", cluster.id}})));
  return {};
}

}  // namespace drover::control
