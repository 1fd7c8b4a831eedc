#include <fmt/format.h>

#include "api/body_fields.h"
#include "api/network_routes.h"
#include "api/network_shapes.h"
#include "api/route_adder.h"

namespace drover::api {
namespace {

using control::Access;
using control::NetworkContainer;
using control::NetworkPeer;

// As the Admin API has it: AWS unless another is asked for.
RestResult<std::string> provider_of(const RestRequest& request) {
  const auto given = request.query.find("providerName");
  if (given == request.query.end() || given->second.empty()) return std::string("AWS");
  for (const auto known : kCloudProviders)
    if (given->second == known) return given->second;
  return refuse(400, "INVALID_PROVIDER", fmt::format("An invalid cloud provider {} was specified.", given->second), {given->second});
}

constexpr int kAttempts = 10;

tl::unexpected<RestError> conflict(const Error& error) { return refuse(409, "CONFLICT", error.message); }
tl::unexpected<RestError> changes_always(const char* what) { return refuse(409, "CONFLICT", fmt::format("The {} changes all the time. Try again.", what)); }

class PeeringRoutes {
 public:
  explicit PeeringRoutes(NetworkServices services) : services_(std::move(services)) {}

  RestResult<RestReply> list_containers(const RestRequest& request) const { return containers(request, TRY_BODY(provider_of(request))); }
  RestResult<RestReply> list_all_containers(const RestRequest& request) const { return containers(request, ""); }
  RestResult<RestReply> get_container(const RestRequest& request) const { return RestReply{200, container_json(TRY_BODY(container(request)))}; }
  RestResult<RestReply> create_container(const RestRequest& request) const {
    auto asked = TRY_BODY(parse_container(request.body));
    asked.group = request.name("groupId");
    auto made = services_.networks.add_container(std::move(asked));
    if (!made && made.error().code == ErrorCode::kWrongState) return conflict(made.error());
    const auto kept = TRY_REST(std::move(made));
    return RestReply{201, container_json(kept), false, {{"containerId", kept.id}}};
  }
  RestResult<RestReply> change_container(const RestRequest& request) const {
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      const auto wanted = TRY_BODY(parse_container_update(request.body, TRY_BODY(container(request))));
      auto changed = services_.networks.change_container(wanted);
      if (!changed && changed.error().code == ErrorCode::kWrongState) return refuse(409, "CONTAINERS_IN_USE", changed.error().message + ".", {wanted.id});
      if (TRY_REST(std::move(changed))) return get_container(request);
    }
    return changes_always("container");
  }
  RestResult<RestReply> delete_container(const RestRequest& request) const {
    const auto found = TRY_BODY(container(request));
    auto gone = services_.networks.remove_container(found.group, found.id);
    if (!gone && gone.error().code == ErrorCode::kWrongState) return refuse(409, "CONTAINERS_IN_USE", gone.error().message + ".", {found.id});
    TRY_REST(std::move(gone));
    return RestReply{204, {}};
  }

  RestResult<RestReply> list_peers(const RestRequest& request) const {
    const auto& group = request.name("groupId");
    const auto provider = TRY_BODY(provider_of(request));
    Json::Array all;
    for (const auto& peer : TRY_REST(services_.networks.peers(group, provider, request.page))) all.push_back(peer_json(peer));
    return RestReply{200, page_of(request, std::move(all), TRY_REST(services_.networks.count_peers(group, provider)))};
  }
  RestResult<RestReply> get_peer(const RestRequest& request) const { return RestReply{200, peer_json(TRY_BODY(peer(request)))}; }
  RestResult<RestReply> create_peer(const RestRequest& request) const {
    const auto& group = request.name("groupId");
    const auto id = TRY_BODY(needed_name(request.body, "containerId"));
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      const auto container = TRY_REST(services_.networks.container(group, id));
      if (!container) return no_container(group, id);
      auto made = services_.networks.add_peer(TRY_BODY(parse_peer(request.body, *container)), *container);
      if (!made && made.error().code == ErrorCode::kWrongState) return conflict(made.error());
      if (const auto kept = TRY_REST(std::move(made))) return RestReply{201, peer_json(*kept), false, {{"peerId", kept->id}}};
    }
    return changes_always("container");
  }
  RestResult<RestReply> change_peer(const RestRequest& request) const {
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      const auto found = TRY_BODY(peer(request));
      const auto of = TRY_REST(services_.networks.container(found.group, found.container));
      if (!of) return no_container(found.group, found.container);
      const auto wanted = TRY_BODY(parse_peer_update(request.body, found, *of));
      if (wanted.status != found.status && services_.may_change) TRY_BODY(services_.may_change(found.group, "VPC_PEERING"));
      if (TRY_REST(services_.networks.change_peer(wanted))) return get_peer(request);
    }
    return changes_always("peering connection");
  }
  RestResult<RestReply> delete_peer(const RestRequest& request) const {
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      const auto found = TRY_BODY(peer(request));
      if (services_.may_change) TRY_BODY(services_.may_change(found.group, "VPC_PEERING"));
      if (TRY_REST(services_.networks.remove_peer(found))) return RestReply{request.family == Family::kAtlasV2 ? 202 : 204, {}};
    }
    return changes_always("peering connection");
  }
  // Ours: what its network's administrators know.
  RestResult<RestReply> tell_peer(const RestRequest& request) const {
    TRY_BODY(only(request.body, {"status", "errorMessage"}));
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      auto wanted = TRY_BODY(peer(request));
      wanted.status = TRY_BODY(one_of(request.body, "status", peer_states(wanted.provider)));
      wanted.error = TRY_BODY(optional_name(request.body, "errorMessage"));
      if (wanted.status != control::kAvailable && services_.may_change) TRY_BODY(services_.may_change(wanted.group, "VPC_PEERING"));
      if (TRY_REST(services_.networks.change_peer(wanted))) return RestReply{200, peer_json(wanted), false, {{"status", wanted.status}}};
    }
    return changes_always("peering connection");
  }

 private:
  RestResult<RestReply> containers(const RestRequest& request, const std::string& provider) const {
    const auto& group = request.name("groupId");
    Json::Array all;
    for (const auto& one : TRY_REST(services_.networks.containers(group, provider, request.page))) all.push_back(container_json(one));
    return RestReply{200, page_of(request, std::move(all), TRY_REST(services_.networks.count_containers(group, provider)))};
  }
  static tl::unexpected<RestError> no_container(const std::string& group, const std::string& id) {
    return refuse(404, "CLOUD_PROVIDER_CONTAINER_NOT_FOUND", fmt::format("No container {} exists in group {}.", id, group), {id, group});
  }
  RestResult<NetworkContainer> container(const RestRequest& request) const {
    const auto &group = request.name("groupId"), &id = request.name("containerId");
    auto found = TRY_REST(services_.networks.container(group, id));
    if (!found) return no_container(group, id);
    return std::move(*found);
  }
  RestResult<NetworkPeer> peer(const RestRequest& request) const {
    const auto &group = request.name("groupId"), &id = request.name("peerId");
    auto found = TRY_REST(services_.networks.peer(group, id));
    if (!found) return refuse(404, "PEER_NOT_FOUND", fmt::format("No peering connection {} exists in group {}.", id, group), {id, group});
    return std::move(*found);
  }

  const NetworkServices services_;
};

}  // namespace

void add_peering_routes(RouteTable& table, NetworkServices services) {
  const auto routes = std::make_shared<const PeeringRoutes>(std::move(services));
  RouteAdder<PeeringRoutes> add(table, routes, {Family::kAtlasV2, Family::kAtlasV1}), ext(table, routes, {Family::kExt});
  const std::string containers = "/groups/{groupId}/containers", peers = "/groups/{groupId}/peers";
  add("GET", containers, Access::kGroupRead, &PeeringRoutes::list_containers);
  add("GET", containers + "/all", Access::kGroupRead, &PeeringRoutes::list_all_containers);
  add("POST", containers, Access::kGroupOwn, &PeeringRoutes::create_container, "X_CONTAINER_CREATED");
  add("GET", containers + "/{containerId}", Access::kGroupRead, &PeeringRoutes::get_container);
  add("PATCH", containers + "/{containerId}", Access::kGroupOwn, &PeeringRoutes::change_container, "CONTAINER_SUBNETS_UPDATE_REQUESTED");
  add("DELETE", containers + "/{containerId}", Access::kGroupOwn, &PeeringRoutes::delete_container, "X_CONTAINER_DELETED");
  add("GET", peers, Access::kGroupRead, &PeeringRoutes::list_peers);
  add("POST", peers, Access::kGroupOwn, &PeeringRoutes::create_peer, "PEER_CREATED");
  add("GET", peers + "/{peerId}", Access::kGroupRead, &PeeringRoutes::get_peer);
  add("PATCH", peers + "/{peerId}", Access::kGroupOwn, &PeeringRoutes::change_peer, "PEER_UPDATED");
  add("DELETE", peers + "/{peerId}", Access::kGroupOwn, &PeeringRoutes::delete_peer, "PEER_DELETED");
  ext("PATCH", peers + "/{peerId}", Access::kGroupOwn, &PeeringRoutes::tell_peer, "PEER_UPDATED");
}

}  // namespace drover::api
