#include "api/cluster_routes.h"

#include <fmt/format.h>

#include "api/body_fields.h"
#include "api/cluster_body.h"
#include "api/cluster_versions.h"

namespace drover::api {
namespace {

using control::Access;
using control::Cluster;
using control::Clusters;

bool is_srv(std::string_view uri) { return uri.starts_with("mongodb+srv"); }

Json connection_strings(const Cluster& cluster) {
  Json::Object all;
  if (!cluster.shown_uri.empty()) all.emplace_back(is_srv(cluster.shown_uri) ? "standardSrv" : "standard", cluster.shown_uri);
  if (const auto uri = control::private_uri(cluster); !uri.empty()) all.emplace_back(is_srv(uri) ? "privateSrv" : "private", uri);
  const auto* endpoints = cluster.connections.find("privateEndpoint");
  if (endpoints == nullptr || endpoints->as_array() == nullptr) return all;
  Json::Array shown;
  for (const auto& one : *endpoints->as_array()) {
    const auto uri = *one.find("connectionString")->as_string();
    shown.push_back(Json::Object{{is_srv(uri) ? "srvConnectionString" : "connectionString", uri},
                                 {"endpoints", *one.find("endpoints")},
                                 {"type", cluster.sharded ? "MONGOS" : "MONGOD"}});
  }
  all.emplace_back("privateEndpoint", std::move(shown));
  return all;
}

Json cluster_json(const RestRequest& request, const Cluster& cluster) {
  Json::Object body;
  if (const auto* description = cluster.description.as_object()) body = *description;
  const auto major = cluster.version.substr(0, cluster.version.rfind('.'));
  body.emplace_back("connectionStrings", connection_strings(cluster));
  body.emplace_back("backupEnabled", false);
  body.emplace_back("createDate", cluster.created);
  body.emplace_back("diskWarmingMode", "FULLY_WARMED");
  body.emplace_back("encryptionAtRestProvider", "NONE");
  body.emplace_back("featureCompatibilityVersion", cluster.fcv.empty() ? major : cluster.fcv);
  body.emplace_back("groupId", cluster.group);
  body.emplace_back("id", cluster.id);
  body.emplace_back("links", self_link(request, fmt::format("/groups/{}/clusters/{}", cluster.group, cluster.name)));
  body.emplace_back("mongoDBMajorVersion", major);
  body.emplace_back("mongoDBVersion", cluster.version);
  body.emplace_back("name", cluster.name);
  body.emplace_back("paused", false);
  body.emplace_back("pitEnabled", false);
  body.emplace_back("stateName", cluster.state);
  return cluster_in_shape(std::move(body), cluster_shape(request));
}

constexpr int kAttempts = 10;

class ClusterRoutes {
 public:
  ClusterRoutes(Clusters& clusters, Runtime& runtime, ClusterRouteOptions options)
      : clusters_(clusters), runtime_(runtime), options_(std::move(options)) {}

  RestResult<RestReply> list(const RestRequest& request) const {
    const auto& group = request.name("groupId");
    Json::Array all;
    for (const auto& cluster : TRY_REST(clusters_.of_group(group, request.page))) all.push_back(cluster_json(request, cluster));
    return RestReply{200, page_of(request, std::move(all), TRY_REST(clusters_.count(group)))};
  }

  RestResult<RestReply> get(const RestRequest& request) const { return RestReply{200, cluster_json(request, TRY_BODY(find(request)))}; }

  RestResult<RestReply> status(const RestRequest& request) const {
    const auto cluster = TRY_BODY(find(request));
    return RestReply{200, Json::Object{{"changeStatus", cluster.state == "IDLE" ? "APPLIED" : "PENDING"}}};
  }

  // Nothing here is scaled by itself.
  RestResult<RestReply> scaling(const RestRequest& request) const {
    TRY_BODY(find(request));
    return RestReply{200, Json::Object{{"autoScalingMode", "CLUSTER_WIDE_SCALING"}}};
  }

  RestResult<RestReply> create(const RestRequest& request) const {
    const auto name = TRY_BODY(required_text(request.body, "name"));
    const auto body = TRY_BODY(newest_cluster_body(request.body, Json(Json::Object()), cluster_shape(request)));
    TRY_BODY(check_new_cluster(body));
    const auto description = TRY_BODY(parse_cluster_description(body, runtime_));
    if (is_flex(description))
      return refuse(400, "CANNOT_USE_FLEX_CLUSTER_IN_CLUSTER_API", fmt::format("Cannot use the Flex cluster {} in the cluster API.", name), {name});
    if (options_.host_id.empty())
      return refuse(400, "LOCAL_CLUSTERS_DISABLED", "This server runs no clusters of its own. Register a deployment that is there, with "
                    "POST /api/ext/v1/groups/{groupId}/clusters, or start the server with --local-clusters.");
    const auto* type = description.find("clusterType");
    if (*type->as_string() != "REPLICASET")
      return refuse(400, "INVALID_ATTRIBUTE", "clusterType: clusters on this machine are replica sets of one member.", {"clusterType"});
    const auto major = TRY_BODY(optional_text(body, "mongoDBMajorVersion"));
    const auto version = major.empty() ? std::string("8.0") : major;
    if (version != "4.4" && version != "5.0" && version != "6.0" && version != "7.0" && version != "8.0")
      return refuse(400, "INVALID_ENUM_VALUE", "mongoDBMajorVersion must be one of 4.4, 5.0, 6.0, 7.0, 8.0.", {"mongoDBMajorVersion"});
    if (TRY_REST(clusters_.local_of(options_.host_id)).size() >= options_.max_local)
      return refuse(409, "CLUSTER_LIMIT_REACHED", fmt::format("This server runs at most {} clusters.", options_.max_local));
    return made(request, clusters_.create_local(request.name("groupId"), name, version + ".0", description, options_.host_id), name);
  }

  RestResult<RestReply> register_deployment(const RestRequest& request) const {
    const auto name = TRY_BODY(required_text(request.body, "name"));
    const auto uri = TRY_BODY(required_text(request.body, "connectionString"));
    TRY_BODY(check_new_cluster(request.body));
    const auto description = TRY_BODY(parse_cluster_description(request.body, runtime_));
    const auto connections = TRY_BODY(parse_private_connections(request.body));
    return made(request, clusters_.register_deployment(request.name("groupId"), name, uri, description, connections), name);
  }

  RestResult<RestReply> change(const RestRequest& request) const {
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      auto cluster = TRY_BODY(find(request));
      if (options_.may_change) TRY_BODY(options_.may_change(cluster));
      if (cluster.state == "DELETING") return refuse(409, "CLUSTER_ALREADY_REQUESTED_DELETION", fmt::format("The cluster {} is being deleted.", cluster.name), {cluster.name});
      const auto size = instance_size(cluster.description);
      const bool ext = request.family == Family::kExt;
      if (!ext && (size == "M0" || size == "M2" || size == "M5"))
        return refuse(400, "TENANT_CLUSTER_UPDATE_UNSUPPORTED", fmt::format("Cannot update the M0, M2 or M5 cluster {} through the public API.", cluster.name), {cluster.name});
      if (const auto* name = request.body.find("name"); name != nullptr && !name->is_null() && (name->as_string() == nullptr || *name->as_string() != cluster.name))
        return refuse(400, "INVALID_ATTRIBUTE", "name cannot be changed.", {"name"});
      const auto body = TRY_BODY(newest_cluster_body(request.body, cluster.description, cluster_shape(request)));
      const auto description = TRY_BODY(parse_cluster_update(body, cluster.description, cluster.version, runtime_));
      const auto* type = description.find("clusterType");
      if (cluster.kind == Cluster::Kind::kLocal && *type->as_string() != "REPLICASET")
        return refuse(400, "INVALID_ATTRIBUTE", "clusterType: clusters on this machine are replica sets of one member.", {"clusterType"});
      auto connections = cluster.connections;
      if (ext && request.body.find("connectionStrings") != nullptr) {
        if (cluster.kind == Cluster::Kind::kLocal)
          return refuse(400, "INVALID_ATTRIBUTE", "connectionStrings: a cluster on this machine has no private networks.", {"connectionStrings"});
        connections = TRY_BODY(parse_private_connections(request.body));
      }
      TRY_BODY(may_change_to(request, cluster, description, connections));
      if (!TRY_REST(clusters_.change(cluster, description, connections))) continue;
      return RestReply{200, cluster_json(request, TRY_BODY(find(request)))};
    }
    return refuse(409, "CONFLICT", "The cluster changes all the time. Try again.");
  }

  RestResult<RestReply> remove(const RestRequest& request) const {
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      const auto cluster = TRY_BODY(find(request));
      if (options_.may_change) TRY_BODY(options_.may_change(cluster));
      if (is_protected(cluster.description))
        return refuse(400, "CANNOT_TERMINATE_CLUSTER_WHEN_TERMINATION_PROTECTION_ENABLED",
                      fmt::format("The cluster {} has termination protection.", cluster.name), {cluster.name});
      if (TRY_REST(clusters_.remove(cluster))) return RestReply{request.family == Family::kExt ? 204 : 202, {}};
    }
    return refuse(409, "CONFLICT", "The cluster changes all the time. Try again.");
  }

 private:
  // Whether a cluster can be deleted, and where what is migrated goes, are its owners' to say.
  static RestResult<int> may_change_to(const RestRequest& request, const Cluster& now, const Json& description, const Json& connections) {
    if (control::allows(request.caller->grants, Access::kGroupOwn, request.org, request.name("groupId"))) return 0;
    const auto only_owners = [](const char* field) { return refuse(403, "USER_UNAUTHORIZED", fmt::format("Only an owner of the project changes {}.", field), {field}); };
    if (is_protected(description) != is_protected(now.description)) return only_owners("terminationProtectionEnabled");
    if (connections.dump() != now.connections.dump()) return only_owners("connectionStrings");
    return 0;
  }
  static bool is_protected(const Json& description) {
    const auto* protection = description.find("terminationProtectionEnabled");
    return protection != nullptr && protection->as_bool() != nullptr && *protection->as_bool();
  }
  RestResult<Cluster> find(const RestRequest& request) const {
    const auto& group = request.name("groupId");
    const auto& name = request.name("clusterName");
    auto cluster = TRY_REST(clusters_.cluster(group, name));
    if (!cluster) return refuse(404, "CLUSTER_NOT_FOUND", fmt::format("No cluster named {} exists in group {}.", name, group), {name, group});
    return std::move(*cluster);
  }

  RestResult<RestReply> made(const RestRequest& request, Result<Cluster> cluster, const std::string& name) const {
    if (cluster) {
      // Whoever deletes the project has not seen this cluster.
      const auto& group = request.name("groupId");
      if (!options_.project_stays || TRY_REST(options_.project_stays(group))) return RestReply{201, cluster_json(request, *cluster), false, {{"clusterName", name}}};
      TRY_REST(clusters_.remove(group, name));
      return refuse(404, "GROUP_NOT_FOUND", fmt::format("The group {} is being deleted.", group), {group});
    }
    const auto& error = cluster.error();
    if (error.code == ErrorCode::kWrongState)
      return refuse(409, "DUPLICATE_CLUSTER_NAME", fmt::format("A cluster named {} is already present in group {}.", name, request.name("groupId")),
                    {name, request.name("groupId")});
    if (error.code == ErrorCode::kDestination || error.code == ErrorCode::kUnsupported || error.code == ErrorCode::kTemporary)
      return refuse(400, "DEPLOYMENT_NOT_REACHABLE", error.message);
    return tl::unexpected(rest_error(error));
  }

  Clusters& clusters_;
  Runtime& runtime_;
  const ClusterRouteOptions options_;
};

}  // namespace

void add_cluster_routes(RouteTable& table, Clusters& clusters, Runtime& runtime, ClusterRouteOptions options) {
  const auto routes = std::make_shared<ClusterRoutes>(clusters, runtime, std::move(options));
  const auto add = [&](const char* method, const std::string& path, std::vector<Family> families, Access access, std::vector<std::string> versions,
                       RestResult<RestReply> (ClusterRoutes::*handler)(const RestRequest&) const, const char* event = "") {
    table.add({method, path, std::move(families), access, std::move(versions),
               [routes, handler](const RestRequest& request) { return ((*routes).*handler)(request); }, Route::Body::kObject, event});
  };
  const std::vector<Family> atlas{Family::kAtlasV2, Family::kAtlasV1}, ext{Family::kExt};
  const std::vector<std::string> read{"2023-01-01", "2023-02-01", "2024-08-05"}, written{"2023-01-01", "2023-02-01", "2024-08-05", "2024-10-23"};
  const std::string all = "/groups/{groupId}/clusters", one = all + "/{clusterName}";
  add("GET", all, atlas, Access::kGroupRead, read, &ClusterRoutes::list);
  add("POST", all, atlas, Access::kGroupOwn, written, &ClusterRoutes::create, "CLUSTER_CREATED");
  add("GET", one, atlas, Access::kGroupRead, read, &ClusterRoutes::get);
  add("DELETE", one, atlas, Access::kGroupOwn, {"2023-01-01", "2023-02-01"}, &ClusterRoutes::remove, "CLUSTER_DELETE_SUBMITTED");
  add("PATCH", one, atlas, Access::kGroupClusters, written, &ClusterRoutes::change, "CLUSTER_UPDATE_COMPLETED");
  add("PATCH", one, ext, Access::kGroupClusters, {"2023-01-01"}, &ClusterRoutes::change, "CLUSTER_UPDATE_COMPLETED");
  add("GET", one + "/status", atlas, Access::kGroupRead, {"2023-01-01"}, &ClusterRoutes::status);
  add("GET", one + "/autoScalingConfiguration", {Family::kAtlasV2}, Access::kGroupRead, {"2024-08-05"}, &ClusterRoutes::scaling);
  add("POST", all, ext, Access::kGroupOwn, {"2023-01-01"}, &ClusterRoutes::register_deployment, "CLUSTER_CREATED");
}

}  // namespace drover::api
