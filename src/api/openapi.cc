#include "api/openapi.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "api/operation_schemas.h"
#include "api/schema_text.h"

namespace drover::api {
namespace {

using control::Access;

struct Named {
  const char* method;
  const char* path;
  const char* id;
};
constexpr Named kNames[] = {
    {"POST", "/orgs/{orgId}/liveMigrations/linkTokens", "createOrgLiveMigrationLinkToken"},
    {"DELETE", "/orgs/{orgId}/liveMigrations/linkTokens", "deleteOrgLiveMigrationLinkTokens"},
    {"GET", "/orgs/{orgId}/liveMigrations/availableProjects", "listOrgLiveMigrationAvailableProjects"},
    {"POST", "/groups/{groupId}/liveMigrations/validate", "validateGroupLiveMigrations"},
    {"GET", "/groups/{groupId}/liveMigrations/validate/{validationId}", "getGroupLiveMigrationValidateStatus"},
    {"POST", "/groups/{groupId}/liveMigrations", "createGroupLiveMigration"},
    {"GET", "/groups/{groupId}/liveMigrations/{liveMigrationId}", "getGroupLiveMigration"},
    {"PUT", "/groups/{groupId}/liveMigrations/{liveMigrationId}/cutover", "cutoverGroupLiveMigration"},
};

const char* role_of(const std::optional<Access>& access) {
  if (!access) return "whoever is authenticated";
  switch (*access) {
    case Access::kOrgRead: return "any role of the organization";
    case Access::kOrgOwn: return "Organization Owner";
    case Access::kOrgCreateGroup: return "Organization Project Creator";
    case Access::kGroupRead: return "any role of the project, Organization Read Only, Organization Owner";
    case Access::kGroupOwn: return "Project Owner, Organization Owner";
    case Access::kGroupClusters: return "Project Cluster Manager, Project Stream Processing Owner, Project Owner, Organization Owner";
    case Access::kGroupDatabaseUsers: return "Project Database Access Admin, Project Stream Processing Owner, Project Owner, Organization Owner";
    case Access::kGroupDatabaseRoles: return "Project Database Access Admin, Project Owner, Organization Owner";
    case Access::kGroupHosts: return "Project Monitoring Admin, Project Owner, Organization Owner";
    case Access::kGroupKeys: return "Project User Admin, Project Owner, Organization Owner";
  }
  return "whoever is authenticated";
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (auto& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

Json reference(const std::string& to) { return Json::Object{{"$ref", to}}; }

bool is_page(const OperationSchema* schema) { return schema != nullptr && std::string_view(schema->response).starts_with("Page<"); }

Json::Array parameters_of(const Route& route, const OperationSchema* schema) {
  Json::Array parameters;
  std::string_view rest = route.path;
  for (auto at = rest.find('{'); at != std::string_view::npos; at = rest.find('{')) {
    const auto end = rest.find('}', at);
    parameters.push_back(Json::Object{{"name", rest.substr(at + 1, end - at - 1)},
                                      {"in", "path"},
                                      {"required", true},
                                      {"schema", Json::Object{{"type", "string"}}}});
    rest = rest.substr(end + 1);
  }
  for (const auto* name : {"envelope", "pretty"}) parameters.push_back(reference(fmt::format("#/components/parameters/{}", name)));
  if (is_page(schema)) {
    for (const auto* name : {"pageNum", "itemsPerPage", "includeCount"}) parameters.push_back(reference(fmt::format("#/components/parameters/{}", name)));
  }
  if (schema != nullptr)
    for (auto& parameter : query_parameters(schema->query)) parameters.push_back(std::move(parameter));
  return parameters;
}

// The type of a request in the version that is the route's `number`th.
std::string_view type_of_version(std::string_view types, std::size_t number) {
  for (; number > 0 && types.find('|') != std::string_view::npos; --number) types.remove_prefix(types.find('|') + 1);
  return types.substr(0, types.find('|'));
}

// The media types of a body, by versions. v1.0 is as the oldest.
Json::Object content_of(const Route& route, Family family, std::string_view types, Json (*schema_of)(std::string_view)) {
  const auto schema = [&](std::size_t number) { return Json(Json::Object{{"schema", schema_of(type_of_version(types, number))}}); };
  Json::Object content;
  if (family != Family::kAtlasV2) return Json::Object{{"application/json", schema(0)}};
  for (std::size_t i = 0; i < route.versions.size(); ++i) content.emplace_back(fmt::format("application/vnd.atlas.{}+json", route.versions[i]), schema(i));
  return content;
}

Json operation_of(const Route& route, Family family) {
  const auto* schema = operation_schema(route, family);
  Json::Object operation{{"operationId", operation_id(route, family)},
                         {"description", fmt::format("Needs: {}.", role_of(route.access))},
                         {"parameters", parameters_of(route, schema)},
                         {"security", Json::Array{Json::Object{{"DigestAuth", Json::Array()}}, Json::Object{{"ServiceAccounts", Json::Array()}}}}};
  if (schema != nullptr && *schema->request != '\0')
    operation.emplace_back("requestBody", Json::Object{{"required", true}, {"content", content_of(route, family, schema->request, schema_of_type)}});
  Json::Object responses;
  if (schema != nullptr) {
    Json::Object success{{"description", *schema->response == '\0' ? "Done; no body" : "OK"}};
    if (*schema->response != '\0') success.emplace_back("content", content_of(route, family, schema->response, schema_of_response));
    responses.emplace_back(std::to_string(schema->status), std::move(success));
  }
  for (const auto* status : {"400", "401", "403", "404", "405", "406", "409", "429", "500", "503"}) responses.emplace_back(status, reference("#/components/responses/error"));
  operation.emplace_back("responses", std::move(responses));
  return operation;
}

Json components() {
  const auto parameter = [](const char* name, Json schema) {
    return Json::Object{{"name", name}, {"in", "query"}, {"schema", std::move(schema)}};
  };
  const auto flag = [](bool otherwise) { return Json::Object{{"type", "boolean"}, {"default", otherwise}}; };
  return Json::Object{
      {"parameters", Json::Object{{"envelope", parameter("envelope", flag(false))},
                                  {"pretty", parameter("pretty", flag(false))},
                                  {"includeCount", parameter("includeCount", flag(true))},
                                  {"pageNum", parameter("pageNum", Json::Object{{"type", "integer"}, {"minimum", 1}, {"default", 1}})},
                                  {"itemsPerPage", parameter("itemsPerPage", Json::Object{{"type", "integer"}, {"minimum", 1}, {"maximum", 500}, {"default", 100}})}}},
      {"responses", Json::Object{{"error", Json::Object{{"description", "Why it was refused"},
                                                         {"content", Json::Object{{"application/json", Json::Object{{"schema", reference("#/components/schemas/ApiError")}}}}}}}}},
      {"schemas", schema_components()},
      {"securitySchemes", Json::Object{{"DigestAuth", Json::Object{{"type", "http"}, {"scheme", "digest"}}},
                                       {"ServiceAccounts", Json::Object{{"type", "oauth2"},
                                                                        {"flows", Json::Object{{"clientCredentials", Json::Object{{"tokenUrl", "/api/oauth/token"}, {"scopes", Json::Object{}}}}}}}}}}};
}

}  // namespace

std::string_view prefix_of(Family family) {
  switch (family) {
    case Family::kAtlasV2: return "/api/atlas/v2";
    case Family::kAtlasV1: return "/api/atlas/v1.0";
    case Family::kCloudManager: return "/api/public/v1.0";
    case Family::kExt: return "/api/ext/v1";
  }
  return "";
}

std::string operation_id(const Route& route, Family family) {
  if (family == Family::kAtlasV2) {
    for (const auto& named : kNames)
      if (route.method == named.method && route.path == named.path) return named.id;
  }
  // "getGroupsByGroupIdClusters"
  std::string id = lower(route.method);
  bool capital = true;
  for (const char c : route.path) {
    if (c == '/' || c == '}' || c == '-' || c == '_' || c == ':') {
      capital = true;
    } else if (c == '{') {
      id += "By";
      capital = true;
    } else {
      id += capital ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c;
      capital = false;
    }
  }
  if (family == Family::kAtlasV1) id += "V1";
  if (family == Family::kCloudManager) id += "CloudManager";
  if (family == Family::kExt) id += "Ext";
  return id;
}

Json openapi_document(const RouteTable& table, const std::vector<Family>& served, const std::string& public_url, const std::string& version) {
  std::map<std::string, std::map<std::string, Json>> paths;
  for (const auto& route : table.all()) {
    for (const auto family : route.families) {
      if (std::find(served.begin(), served.end(), family) == served.end()) continue;
      paths[fmt::format("{}{}", prefix_of(family), route.path)][lower(route.method)] = operation_of(route, family);
    }
  }
  Json::Object all;
  for (auto& [path, methods] : paths) {
    Json::Object operations;
    for (auto& [method, operation] : methods) operations.emplace_back(method, std::move(operation));
    all.emplace_back(path, std::move(operations));
  }
  return Json::Object{{"openapi", "3.0.1"},
                      {"info", Json::Object{{"title", "Drover's control plane"}, {"version", version}}},
                      {"servers", Json::Array{Json::Object{{"url", public_url}}}},
                      {"paths", std::move(all)},
                      {"components", components()}};
}

}  // namespace drover::api
