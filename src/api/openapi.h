// The OpenAPI 3.0 document of what this server serves, made from the route table, so that it cannot say anything else.
#pragma once

#include <string>
#include <vector>

#include "api/route_table.h"

namespace drover::api {

inline constexpr std::string_view kOpenApiPath = "/api/ext/v1/openapi.json";  // for whoever asks; it holds no secrets

Json openapi_document(const RouteTable& table, const std::vector<Family>& served, const std::string& public_url, const std::string& version);
// "createOrgLiveMigrationLinkToken"; Atlas's own name where clients use it, else made of method and path.
std::string operation_id(const Route& route, Family family);
// "/api/atlas/v2"
std::string_view prefix_of(Family family);

}  // namespace drover::api
