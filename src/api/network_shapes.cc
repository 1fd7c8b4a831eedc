#include "api/network_shapes.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "api/body_fields.h"
#include "api/cloud_places.h"
#include "net/address_range.h"

namespace drover::api {
namespace {

using control::atlas_region;
using control::EndpointService;
using control::NetworkContainer;
using control::NetworkPeer;
using control::PrivateEndpoint;

constexpr std::string_view kAwsPeerStates[] = {"INITIATING", "PENDING_ACCEPTANCE", "FAILED", "FINALIZING", "AVAILABLE", "TERMINATING"};
constexpr std::string_view kAzurePeerStates[] = {"ADDING", "AVAILABLE", "FAILED", "DELETING"};
constexpr std::string_view kGcpPeerStates[] = {"ADDING_PEER", "WAITING_FOR_USER", "AVAILABLE", "FAILED", "DELETING"};
constexpr std::string_view kAwsEndpointStates[] = {"PENDING_ACCEPTANCE", "PENDING", "AVAILABLE", "REJECTED", "DELETING"};
constexpr std::string_view kOtherEndpointStates[] = {"INITIATING", "AVAILABLE", "FAILED", "DELETING"};
constexpr std::size_t kMaxGcpEndpoints = 50;

void put(Json::Object& object, std::string name, Json value) { object.emplace_back(std::move(name), std::move(value)); }
Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

// All that are named, none of them blank.
RestResult<Json> needed(const Json& body, std::initializer_list<const char*> fields) {
  Json::Object read;
  for (const auto* field : fields) put(read, field, TRY_BODY(needed_name(body, field)));
  return Json(std::move(read));
}

void add_fields(Json::Object& to, const Json& fields) {
  if (fields.as_object() == nullptr) return;
  for (const auto& field : *fields.as_object()) to.push_back(field);
}

RestResult<std::string> range(const Json& body, const char* field) {
  const auto text = TRY_BODY(needed_name(body, field));
  const auto read = net::AddressRange::parse(text);
  if (!read || text.find('/') == std::string::npos)
    return refuse(400, "INVALID_IP_ADDRESS_OR_CIDR_NOTATION", fmt::format("The address {} must be in CIDR notation.", text), {text});
  return read->cidr();
}

// What is, and what the body gives over it.
Json overlaid(const Json& body, Json::Object now) {
  for (const auto& [name, value] : *body.as_object()) {
    if (value.is_null()) continue;
    std::erase_if(now, [&, &known = name](const auto& field) { return field.first == known; });
    now.emplace_back(name, value);
  }
  return Json(std::move(now));
}

}  // namespace

RestResult<NetworkContainer> parse_container(const Json& body) {
  NetworkContainer container;
  container.provider = TRY_BODY(one_of(body, "providerName", kCloudProviders, "AWS"));
  Json::Object fields;
  put(fields, "atlasCidrBlock", TRY_BODY(range(body, "atlasCidrBlock")));
  if (container.provider == "AWS") container.region = atlas_region(TRY_BODY(needed_name(body, "regionName")));
  if (container.provider == "AZURE") container.region = atlas_region(TRY_BODY(needed_name(body, "region")));
  if (!container.region.empty()) TRY_BODY(check_region(container.provider, container.region));
  container.fields = std::move(fields);
  return container;
}

Json container_json(const NetworkContainer& container) {
  Json::Object body{{"id", container.id}, {"providerName", container.provider}, {"provisioned", container.provisioned}};
  add_fields(body, container.fields);
  if (container.provider == "AWS") put(body, "regionName", container.region);
  if (container.provider == "AZURE") put(body, "region", container.region);
  // The clusters' side of the network is not this server's to know.
  const auto unknown = container.provider == "AWS"     ? std::vector<const char*>{"vpcId"}
                       : container.provider == "AZURE" ? std::vector<const char*>{"azureSubscriptionId", "vnetName"}
                                                       : std::vector<const char*>{"gcpProjectId", "networkName"};
  for (const auto* field : unknown) put(body, field, nullptr);
  return body;
}

RestResult<NetworkContainer> parse_container_update(const Json& body, const NetworkContainer& now) {
  Json::Object fields{{"providerName", now.provider}};
  if (now.provider == "AWS") put(fields, "regionName", now.region);
  if (now.provider == "AZURE") put(fields, "region", now.region);
  add_fields(fields, now.fields);
  auto container = TRY_BODY(parse_container(overlaid(body, std::move(fields))));
  if (container.provider != now.provider) return bad_field("INVALID_PROVIDER", "providerName", fmt::format("must be the container's, {}", now.provider));
  if (container.region != now.region) return refuse(400, "CANNOT_CHANGE_CONTAINER_REGION", "The region of a cloud provider container cannot be changed.");
  container.id = now.id;
  container.group = now.group;
  container.revision = now.revision;
  return container;
}

std::span<const std::string_view> peer_states(std::string_view provider) {
  if (provider == "AWS") return kAwsPeerStates;
  if (provider == "AZURE") return kAzurePeerStates;
  return kGcpPeerStates;
}

RestResult<NetworkPeer> parse_peer(const Json& body, const NetworkContainer& container) {
  NetworkPeer peer;
  peer.group = container.group;
  peer.container = container.id;
  peer.provider = TRY_BODY(one_of(body, "providerName", kCloudProviders, container.provider));
  if (peer.provider != container.provider)
    return bad_field("INVALID_PROVIDER", "providerName", fmt::format("must be the container's, {}", container.provider));
  peer.region = container.region;
  peer.status = peer_states(peer.provider).front();
  if (peer.provider == "AWS") {
    auto fields = *TRY_BODY(needed(body, {"awsAccountId", "vpcId"})).as_object();
    put(fields, "routeTableCidrBlock", TRY_BODY(range(body, "routeTableCidrBlock")));
    const auto region = TRY_BODY(optional_name(body, "accepterRegionName"));
    put(fields, "accepterRegionName", region.empty() ? container.region : region);
    peer.fields = std::move(fields);
  } else if (peer.provider == "AZURE") {
    peer.fields = TRY_BODY(needed(body, {"azureDirectoryId", "azureSubscriptionId", "resourceGroupName", "vnetName"}));
  } else {
    peer.fields = TRY_BODY(needed(body, {"gcpProjectId", "networkName"}));
  }
  return peer;
}

Json peer_json(const NetworkPeer& peer) {
  Json::Object body{{"id", peer.id}, {"containerId", peer.container}, {"providerName", peer.provider}};
  add_fields(body, peer.fields);
  const bool aws = peer.provider == "AWS";
  put(body, aws ? "statusName" : "status", peer.status);
  put(body, aws ? "errorStateName" : peer.provider == "AZURE" ? "errorState" : "errorMessage", text_or_null(peer.error));
  if (aws) put(body, "connectionId", nullptr);
  return body;
}

RestResult<NetworkPeer> parse_peer_update(const Json& body, const NetworkPeer& now, const NetworkContainer& container) {
  if (const auto id = TRY_BODY(optional_text(body, "containerId")); !id.empty() && id != now.container)
    return bad_field("INVALID_ATTRIBUTE", "containerId", "cannot be changed");
  Json::Object fields{{"providerName", now.provider}};
  add_fields(fields, now.fields);
  auto peer = TRY_BODY(parse_peer(overlaid(body, std::move(fields)), container));
  peer.id = now.id;
  peer.revision = now.revision;
  if (peer.fields.dump() != now.fields.dump()) return peer;
  peer.status = now.status;
  peer.error = now.error;
  return peer;
}

RestResult<EndpointService> parse_service(const Json& body) {
  EndpointService service;
  service.provider = TRY_BODY(one_of(body, "providerName", kCloudProviders));
  service.region = atlas_region(TRY_BODY(needed_name(body, "region")));
  TRY_BODY(check_region(service.provider, service.region));
  service.status = kServiceStates[0];
  return service;
}

RestResult<Json> parse_service_names(const Json& body, std::string_view provider) {
  Json::Object fields;
  const auto texts = provider == "AWS"     ? std::vector<const char*>{"endpointServiceName"}
                     : provider == "AZURE" ? std::vector<const char*>{"privateLinkServiceName", "privateLinkServiceResourceId"}
                                           : std::vector<const char*>{};
  for (const auto* field : texts)
    if (auto text = TRY_BODY(optional_name(body, field)); !text.empty()) put(fields, field, std::move(text));
  if (provider == "GCP") {
    auto names = TRY_BODY(text_list(body, "serviceAttachmentNames", false));
    if (names.size() > kMaxGcpEndpoints) return bad_field("INVALID_ATTRIBUTE", "serviceAttachmentNames", "has too many names");
    Json::Array all;
    for (auto& name : names) all.emplace_back(name.substr(0, kMaxFieldBytes));
    if (!all.empty()) put(fields, "serviceAttachmentNames", std::move(all));
  }
  return Json(std::move(fields));
}

Json service_json(const EndpointService& service) {
  Json::Object body{{"id", service.id}, {"cloudProvider", service.provider}, {"regionName", service.region}, {"status", service.status}};
  put(body, "errorMessage", text_or_null(service.error));
  Json::Array ids;
  for (const auto& endpoint : service.endpoints) ids.emplace_back(endpoint.id);
  const auto own = [&](const char* name, Json otherwise) {
    const auto* value = service.fields.find(name);
    put(body, name, value == nullptr ? std::move(otherwise) : *value);
  };
  if (service.provider == "AWS") {
    put(body, "interfaceEndpoints", std::move(ids));
    own("endpointServiceName", nullptr);
  } else if (service.provider == "AZURE") {
    put(body, "privateEndpoints", std::move(ids));
    own("privateLinkServiceName", nullptr);
    own("privateLinkServiceResourceId", nullptr);
  } else {
    put(body, "endpointGroupNames", std::move(ids));
    own("serviceAttachmentNames", Json::Array());
  }
  return body;
}

std::span<const std::string_view> endpoint_states(std::string_view provider) {
  if (provider == "AWS") return kAwsEndpointStates;
  return kOtherEndpointStates;
}

RestResult<PrivateEndpoint> parse_endpoint(const Json& body, std::string_view provider) {
  PrivateEndpoint endpoint;
  endpoint.status = endpoint_states(provider).front();
  Json::Object fields;
  if (provider == "GCP") {
    endpoint.id = TRY_BODY(needed_name(body, "endpointGroupName"));
    put(fields, "gcpProjectId", TRY_BODY(needed_name(body, "gcpProjectId")));
    const auto* list = body.find("endpoints");
    if (list == nullptr || list->as_array() == nullptr || list->as_array()->empty() || list->as_array()->size() > kMaxGcpEndpoints)
      return bad_field("INVALID_ATTRIBUTE", "endpoints", fmt::format("must be an array of 1 to {} objects", kMaxGcpEndpoints));
    Json::Array endpoints;
    for (const auto& one : *list->as_array()) endpoints.push_back(TRY_BODY(needed(one, {"endpointName", "ipAddress"})));
    put(fields, "endpoints", std::move(endpoints));
  } else {
    endpoint.id = TRY_BODY(needed_name(body, "id"));
    if (provider == "AZURE") put(fields, "privateEndpointIPAddress", TRY_BODY(needed_name(body, "privateEndpointIPAddress")));
  }
  endpoint.fields = std::move(fields);
  return endpoint;
}

Json endpoint_json(const PrivateEndpoint& endpoint, std::string_view provider) {
  Json::Object body{{"cloudProvider", provider}, {"deleteRequested", false}, {"errorMessage", text_or_null(endpoint.error)}};
  const bool aws = provider == "AWS";
  put(body, aws ? "interfaceEndpointId" : provider == "AZURE" ? "privateEndpointResourceId" : "endpointGroupName", endpoint.id);
  put(body, aws ? "connectionStatus" : "status", endpoint.status);
  if (provider != "GCP") add_fields(body, endpoint.fields);
  if (provider == "AZURE") put(body, "privateEndpointConnectionName", nullptr);
  if (provider != "GCP") return body;
  Json::Array endpoints;
  if (const auto* list = endpoint.fields.find("endpoints"); list != nullptr && list->as_array() != nullptr) {
    for (const auto& one : *list->as_array()) {
      auto shown = *one.as_object();
      put(shown, "status", endpoint.status);
      endpoints.push_back(std::move(shown));
    }
  }
  put(body, "endpoints", std::move(endpoints));
  return body;
}

}  // namespace drover::api
