// Peering connections, containers and private endpoints as each cloud provider's clients spell them (the Admin API's schemas).
// Pure.
#pragma once

#include <span>
#include <string_view>

#include "api/rest.h"
#include "control/network_records.h"

namespace drover::api {

inline constexpr std::string_view kCloudProviders[] = {"AWS", "AZURE", "GCP"};

RestResult<control::NetworkContainer> parse_container(const Json& body);
Json container_json(const control::NetworkContainer& container);
// With what the body gives of it.
RestResult<control::NetworkContainer> parse_container_update(const Json& body, const control::NetworkContainer& now);

// Of the container that it names.
RestResult<control::NetworkPeer> parse_peer(const Json& body, const control::NetworkContainer& container);
Json peer_json(const control::NetworkPeer& peer);
// With what the body gives of it. One that is another connection then is in the state of a new one: its network has to be made so first.
RestResult<control::NetworkPeer> parse_peer_update(const Json& body, const control::NetworkPeer& now, const control::NetworkContainer& container);
std::span<const std::string_view> peer_states(std::string_view provider);  // the first is a new one's

RestResult<control::EndpointService> parse_service(const Json& body);
Json service_json(const control::EndpointService& service);
// Its provider's own names of a service, which whoever made it tells: endpointServiceName, …
RestResult<Json> parse_service_names(const Json& body, std::string_view provider);
inline constexpr std::string_view kServiceStates[] = {"INITIATING", "AVAILABLE", "WAITING_FOR_USER", "FAILED", "DELETING"};

RestResult<control::PrivateEndpoint> parse_endpoint(const Json& body, std::string_view provider);
Json endpoint_json(const control::PrivateEndpoint& endpoint, std::string_view provider);
std::span<const std::string_view> endpoint_states(std::string_view provider);  // the first is a new one's

}  // namespace drover::api
