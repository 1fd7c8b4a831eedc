#include "api/live_migration_routes.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "api/body_fields.h"
#include "net/address_range.h"

namespace drover::api {
namespace {

using control::Access;
using control::Links;

const std::vector<Family> kAtlas{Family::kAtlasV2, Family::kAtlasV1};
const std::vector<std::string> kFirst{"2023-01-01"};

class LinkRoutes {
 public:
  LinkRoutes(Links& links, control::LiveImports& imports) : links_(links), imports_(imports) {}

  RestResult<RestReply> create_token(const RestRequest& request) const {
    TRY_BODY(only(request.body, {"accessListIps", "links"}));
    const auto access_list = TRY_BODY(text_list(request.body, "accessListIps", false));
    if (access_list.size() > control::kMaxAccessListIps)
      return refuse(400, "INVALID_ATTRIBUTE", fmt::format("accessListIps must name at most {} addresses.", control::kMaxAccessListIps), {"accessListIps"});
    for (const auto& text : access_list) {
      if (!net::AddressRange::parse(text))
        return refuse(400, "INVALID_IP_ADDRESS_OR_CIDR_NOTATION", fmt::format("The address {} must be in valid IP address or CIDR notation.", text), {text});
    }
    const auto token = TRY_REST(links_.create_token(request.org, access_list, request.public_url));
    return RestReply{201, Json::Object{{"linkToken", token}}};
  }

  RestResult<RestReply> delete_links(const RestRequest& request) const {
    std::set<std::string> busy;
    for (const auto& link : TRY_REST(links_.of_org(request.org)))
      for (const auto& import : TRY_REST(imports_.active_of_link(link.id)))
        if (import.kind == control::ImportKind::kMigration) busy.insert(import.group);
    if (!busy.empty())
      return refuse(409, "CANNOT_DELETE_ORG_ACTIVE_LIVE_MIGRATION_ATLAS_ORG_LINK",
                    fmt::format("Cannot delete the organization's link while there is an active migration in the following project ids: {}.", fmt::join(busy, ", ")),
                    {busy.begin(), busy.end()});
    if (!TRY_REST(links_.remove_of_org(request.org)))
      return refuse(404, "UNEXPECTED_ERROR", "Could not find the requested external organization link.");
    return RestReply{204, {}};
  }

  RestResult<RestReply> delete_link(const RestRequest& request) const {
    const auto& id = request.name("linkId");
    const auto link = TRY_REST(links_.find(id));
    if (!link || link->org != request.org)
      return refuse(404, "RESOURCE_NOT_FOUND", fmt::format("The organization {} has no link {}.", request.org, id), {request.org, id});
    for (const auto& import : TRY_REST(imports_.active_of_link(id)))
      if (import.kind == control::ImportKind::kMigration)
        return refuse(409, "CANNOT_DELETE_ORG_ACTIVE_LIVE_MIGRATION_ATLAS_ORG_LINK",
                      fmt::format("The link {} is used by the active live migration {} of the project {}; cancel it first, or wait for its end.", id, import.id, import.group), {import.group});
    TRY_REST(links_.remove(id));
    return RestReply{204, {}};
  }

  // Tokens that wait to be claimed, and links; never a secret.
  RestResult<RestReply> list(const RestRequest& request) const {
    Json::Array all;
    for (const auto& link : TRY_REST(links_.of_org(request.org))) {
      Json::Array addresses;
      for (const auto& address : link.access_list) addresses.emplace_back(address);
      const auto or_null = [](const std::string& text) { return text.empty() ? Json() : Json(text); };
      all.push_back(Json::Object{{"accessListIps", std::move(addresses)},
                                 {"created", link.created},
                                 {"id", link.id},
                                 {"lastSyncAt", or_null(link.last_sync)},
                                 {"linkedOrgId", or_null(link.peer_org)},
                                 {"linkedOrgName", or_null(link.peer_org_name)},
                                 {"state", control::name_of(link.state)}});
    }
    const auto total = static_cast<std::int64_t>(all.size());
    const auto first = std::min<std::int64_t>(total, static_cast<std::int64_t>(request.page.number - 1) * request.page.items);
    const auto last = std::min<std::int64_t>(total, first + request.page.items);
    return RestReply{200, page_of(request, Json::Array(all.begin() + first, all.begin() + last), total)};
  }

  RestResult<RestReply> available_projects(const RestRequest& request) const {
    Json::Array projects;
    for (const auto& project : TRY_REST(links_.projects_of_org(request.org))) projects.push_back(available(project));
    return RestReply{200, std::move(projects)};
  }

 private:
  static Json field(const Json& object, std::string_view name) {
    const auto* value = object.find(name);
    return value == nullptr ? Json() : *value;
  }

  // Of what the manager tells, what the public API shows.
  static Json available(const Links::LinkedProject& project) {
    Json::Array hosts, deployments;
    if (const auto* all = project.metadata.find("migrationHosts"); all != nullptr && all->as_array() != nullptr)
      for (const auto& host : *all->as_array()) hosts.push_back(field(host, "hostname"));
    if (const auto* all = project.metadata.find("deployments"); all != nullptr && all->as_array() != nullptr) {
      for (const auto& one : *all->as_array()) {
        Json::Object shown;
        for (const auto* name : {"agentVersion", "clusterId", "dbSizeBytes", "featureCompatibilityVersion", "managed", "mongoDBVersion", "name",
                                 "oplogSizeMB", "sharded", "shardsSize", "tlsEnabled"}) {
          if (auto value = field(one, name); !value.is_null()) shown.emplace_back(name, std::move(value));
        }
        deployments.push_back(std::move(shown));
      }
    }
    return Json::Object{{"deployments", std::move(deployments)},
                        {"migrationHosts", std::move(hosts)},
                        {"name", field(project.metadata, "name")},
                        {"projectId", project.project}};
  }

  Links& links_;
  control::LiveImports& imports_;
};

}  // namespace

void add_link_routes(RouteTable& table, Links& links, control::LiveImports& imports) {
  const auto routes = std::make_shared<LinkRoutes>(links, imports);
  const auto add = [&](const char* method, const char* path, Access access, RestResult<RestReply> (LinkRoutes::*handler)(const RestRequest&) const,
                       const char* event = "") {
    table.add({method, path, kAtlas, access, kFirst, [routes, handler](const RestRequest& request) { return ((*routes).*handler)(request); }, Route::Body::kObject, event});
  };
  add("POST", "/orgs/{orgId}/liveMigrations/linkTokens", Access::kOrgOwn, &LinkRoutes::create_token, "X_LINK_TOKEN_CREATED");
  add("DELETE", "/orgs/{orgId}/liveMigrations/linkTokens", Access::kOrgOwn, &LinkRoutes::delete_links, "X_LINKS_DELETED");
  add("GET", "/orgs/{orgId}/liveMigrations/availableProjects", Access::kOrgOwn, &LinkRoutes::available_projects);
  table.add({"DELETE", "/orgs/{orgId}/liveMigrations/links/{linkId}", {Family::kExt}, Access::kOrgOwn, kFirst,
             [routes](const RestRequest& request) { return routes->delete_link(request); }, Route::Body::kObject, "X_LINKS_DELETED"});
  table.add({"GET", "/orgs/{orgId}/liveMigrations/links", {Family::kExt}, Access::kOrgOwn, kFirst, [routes](const RestRequest& request) { return routes->list(request); }});
}

}  // namespace drover::api
