#include <algorithm>
#include <functional>
#include <optional>

#include <fmt/format.h>

#include "api/body_fields.h"
#include "api/network_routes.h"
#include "api/network_shapes.h"
#include "api/route_adder.h"

namespace drover::api {
namespace {

using control::Access;
using control::EndpointService;
using control::PrivateEndpoint;

class PrivateEndpointRoutes {
 public:
  explicit PrivateEndpointRoutes(NetworkServices services) : services_(std::move(services)) {}

  RestResult<RestReply> create_service(const RestRequest& request) const {
    auto asked = TRY_BODY(parse_service(request.body));
    asked.group = request.name("groupId");
    auto made = services_.networks.add_service(std::move(asked));
    if (!made && made.error().code == ErrorCode::kWrongState)
      return refuse(409, "PRIVATE_ENDPOINT_SERVICE_ALREADY_EXISTS_FOR_REGION", made.error().message + ".");
    const auto kept = TRY_REST(std::move(made));
    return RestReply{201, service_json(kept), false, {{"endpointServiceId", kept.id}}};
  }
  // A bare array, as the Admin API answers it.
  RestResult<RestReply> list_services(const RestRequest& request) const {
    Json::Array all;
    for (const auto& service : TRY_REST(services_.networks.services(request.name("groupId"), TRY_BODY(provider_of(request))))) all.push_back(service_json(service));
    return RestReply{200, std::move(all), true};
  }
  RestResult<RestReply> get_service(const RestRequest& request) const { return RestReply{200, service_json(TRY_BODY(service(request)))}; }
  RestResult<RestReply> delete_service(const RestRequest& request) const {
    const auto found = TRY_BODY(service(request));
    auto gone = services_.networks.remove_service(found.group, found.provider, found.id);
    if (!gone && gone.error().code == ErrorCode::kWrongState) return refuse(409, "CONFLICT", gone.error().message + ".", {found.id});
    TRY_REST(std::move(gone));
    return RestReply{204, {}};
  }

  RestResult<RestReply> create_endpoint(const RestRequest& request) const {
    const auto provider = TRY_BODY(provider_of(request));
    const auto asked = TRY_BODY(parse_endpoint(request.body, provider));
    TRY_BODY(changed(request, Ends::kNothing, [&](EndpointService& service) -> Status {
      if (find(service, asked.id) != service.endpoints.end()) return fail(ErrorCode::kWrongState, fmt::format("The private endpoint {} is there already.", asked.id));
      if (service.endpoints.size() >= control::kMaxEndpoints)
        return fail(ErrorCode::kWrongState, fmt::format("A service has at most {} private endpoints.", control::kMaxEndpoints));
      service.endpoints.push_back(asked);
      return {};
    }));
    return RestReply{201, endpoint_json(asked, provider), false, {{"endpointId", asked.id}}};
  }
  RestResult<RestReply> get_endpoint(const RestRequest& request) const {
    const auto found = TRY_BODY(service(request));
    return RestReply{200, endpoint_json(TRY_BODY(endpoint(request, found)), found.provider)};
  }
  RestResult<RestReply> delete_endpoint(const RestRequest& request) const {
    TRY_BODY(endpoint(request, TRY_BODY(service(request))));
    TRY_BODY(changed(request, Ends::kMaybe, [&](EndpointService& service) -> Status {
      std::erase_if(service.endpoints, [&](const PrivateEndpoint& one) { return one.id == request.name("endpointId"); });
      return {};
    }));
    return RestReply{204, {}};
  }

  // Ours: what the network's administrators know.
  RestResult<RestReply> tell_service(const RestRequest& request) const {
    const auto provider = TRY_BODY(provider_of(request));
    TRY_BODY(only(request.body, {"status", "errorMessage", "endpointServiceName", "privateLinkServiceName", "privateLinkServiceResourceId", "serviceAttachmentNames"}));
    const auto status = TRY_BODY(one_of(request.body, "status", kServiceStates));
    const auto error = TRY_BODY(optional_name(request.body, "errorMessage"));
    const auto names = TRY_BODY(parse_service_names(request.body, provider));
    TRY_BODY(service(request));
    const auto now = TRY_BODY(changed(request, status == control::kAvailable ? Ends::kNothing : Ends::kMaybe, [&](EndpointService& service) -> Status {
      service.status = status;
      service.error = error;
      if (!names.as_object()->empty()) service.fields = names;
      return {};
    }));
    return RestReply{200, service_json(now), false, {{"status", status}}};
  }
  RestResult<RestReply> tell_endpoint(const RestRequest& request) const {
    const auto provider = TRY_BODY(provider_of(request));
    TRY_BODY(only(request.body, {"status", "errorMessage"}));
    const auto status = TRY_BODY(one_of(request.body, "status", endpoint_states(provider)));
    const auto error = TRY_BODY(optional_name(request.body, "errorMessage"));
    TRY_BODY(endpoint(request, TRY_BODY(service(request))));
    const auto now = TRY_BODY(changed(request, status == control::kAvailable ? Ends::kNothing : Ends::kMaybe, [&](EndpointService& service) -> Status {
      const auto found = find(service, request.name("endpointId"));
      if (found == service.endpoints.end()) return {};
      found->status = status;
      found->error = error;
      return {};
    }));
    return RestReply{200, endpoint_json(TRY_BODY(endpoint(request, now)), provider), false, {{"status", status}}};
  }

 private:
  static RestResult<std::string> provider_of(const RestRequest& request) {
    const auto& name = request.name("cloudProvider");
    if (std::find(std::begin(kCloudProviders), std::end(kCloudProviders), name) == std::end(kCloudProviders))
      return refuse(400, "INVALID_PROVIDER", fmt::format("An invalid cloud provider {} was specified.", name), {name});
    return name;
  }
  RestResult<int> may_change(const RestRequest& request) const {
    return services_.may_change ? services_.may_change(request.name("groupId"), "PRIVATE_LINK") : RestResult<int>(0);
  }
  static std::vector<PrivateEndpoint>::iterator find(EndpointService& service, const std::string& id) {
    return std::find_if(service.endpoints.begin(), service.endpoints.end(), [&](const PrivateEndpoint& one) { return one.id == id; });
  }
  static tl::unexpected<RestError> no_service(const RestRequest& request) {
    const auto &group = request.name("groupId"), &id = request.name("endpointServiceId");
    return refuse(404, "PRIVATE_ENDPOINT_SERVICE_NOT_FOUND", fmt::format("No private endpoint service {} exists in group {}.", id, group), {id, group});
  }
  RestResult<EndpointService> service(const RestRequest& request) const {
    auto found = TRY_REST(services_.networks.service(request.name("groupId"), TRY_BODY(provider_of(request)), request.name("endpointServiceId")));
    if (!found) return no_service(request);
    return std::move(*found);
  }
  static RestResult<PrivateEndpoint> endpoint(const RestRequest& request, EndpointService service) {
    const auto& id = request.name("endpointId");
    const auto found = find(service, id);
    if (found == service.endpoints.end())
      return refuse(404, "PRIVATE_ENDPOINT_NOT_FOUND", fmt::format("No private endpoint {} exists in the service {}.", id, service.id), {id, service.id});
    return *found;
  }
  // Whether a way may be there no more: then no migration goes through it, by what is there when the service is read.
  enum class Ends { kNothing, kMaybe };
  RestResult<EndpointService> changed(const RestRequest& request, Ends ends, const std::function<Status(EndpointService&)>& decide) const {
    std::optional<RestError> refused;
    const auto if_it_may = [&](EndpointService& service) -> Status {
      if (auto may = ends == Ends::kMaybe ? may_change(request) : RestResult<int>(0); !may) {
        refused = std::move(may).error();
        return fail(ErrorCode::kWrongState, refused->detail);
      }
      return decide(service);
    };
    auto done = services_.networks.change_service(request.name("groupId"), TRY_BODY(provider_of(request)), request.name("endpointServiceId"), if_it_may);
    if (refused) return tl::unexpected(std::move(*refused));
    if (!done && done.error().code == ErrorCode::kWrongState) return refuse(409, "CONFLICT", done.error().message);
    auto now = TRY_REST(std::move(done));
    if (!now) return no_service(request);
    return std::move(*now);
  }

  const NetworkServices services_;
};

}  // namespace

void add_private_endpoint_routes(RouteTable& table, NetworkServices services) {
  using Routes = PrivateEndpointRoutes;
  const auto routes = std::make_shared<const Routes>(std::move(services));
  RouteAdder<Routes> add(table, routes, {Family::kAtlasV2, Family::kAtlasV1}), ext(table, routes, {Family::kExt});
  const std::string services_of = "/groups/{groupId}/privateEndpoint/{cloudProvider}/endpointService", one = services_of + "/{endpointServiceId}";
  const std::string endpoint = one + "/endpoint/{endpointId}";
  add("POST", "/groups/{groupId}/privateEndpoint/endpointService", Access::kGroupOwn, &Routes::create_service, "ENDPOINT_SERVICE_CREATED");
  add("GET", services_of, Access::kGroupRead, &Routes::list_services);
  add("GET", one, Access::kGroupRead, &Routes::get_service);
  add("DELETE", one, Access::kGroupOwn, &Routes::delete_service, "ENDPOINT_SERVICE_DELETED");
  add("POST", one + "/endpoint", Access::kGroupOwn, &Routes::create_endpoint, "INTERFACE_ENDPOINT_CREATED");
  add("GET", endpoint, Access::kGroupRead, &Routes::get_endpoint);
  add("DELETE", endpoint, Access::kGroupOwn, &Routes::delete_endpoint, "INTERFACE_ENDPOINT_DELETED");
  ext("PATCH", one, Access::kGroupOwn, &Routes::tell_service, "X_ENDPOINT_SERVICE_UPDATED");
  ext("PATCH", endpoint, Access::kGroupOwn, &Routes::tell_endpoint, "X_INTERFACE_ENDPOINT_UPDATED");
}

}  // namespace drover::api
