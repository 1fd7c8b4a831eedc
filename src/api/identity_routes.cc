#include "api/identity_routes.h"

#include <algorithm>

#include <fmt/format.h>

#include "api/body_fields.h"
#include "api/role_guard.h"

namespace drover::api {
namespace {

using control::Access;
using control::ApiKey;
using control::Identity;
using control::Organization;
using control::Project;
using control::Tenant;

const std::vector<Family> kAll{Family::kAtlasV2, Family::kAtlasV1, Family::kCloudManager};
const std::vector<std::string> kFirst{"2023-01-01"};

Json organization_json(const RestRequest& request, const Organization& org) {
  return Json::Object{{"id", org.id},
                      {"isDeleted", false},
                      {"links", self_link(request, "/orgs/" + org.id)},
                      {"name", org.name},
                      {"skipDefaultAlertsSettings", false}};
}

Json project_json(const RestRequest& request, const Project& project, std::int64_t clusters) {
  Json::Object body{{"id", project.id},
                    {"links", self_link(request, "/groups/" + project.id)},
                    {"name", project.name},
                    {"orgId", project.org}};
  if (request.family == Family::kCloudManager) {
    body.emplace_back("publicApiEnabled", true);
    body.emplace_back("tags", Json::Array());
  } else {
    body.emplace_back("clusterCount", clusters);
    body.emplace_back("created", project.created);
  }
  return body;
}

// The secret is there only when the key has just been made; afterwards its tail, as recorded.
Json key_json(const RestRequest& request, const ApiKey& key) {
  Json::Array roles;
  for (const auto& grant : key.grants) {
    roles.push_back(grant.org.empty() ? Json::Object{{"groupId", grant.group}, {"roleName", grant.role}}
                                      : Json::Object{{"orgId", grant.org}, {"roleName", grant.role}});
  }
  return Json::Object{{"desc", key.description},
                      {"id", key.id},
                      {"links", self_link(request, fmt::format("/orgs/{}/apiKeys/{}", key.org, key.id))},
                      {"privateKey", key.private_key.empty() ? "********-****-****-****-************" : key.private_key},
                      {"publicKey", key.public_key},
                      {"roles", std::move(roles)}};
}

template <typename T>
RestReply listed(const RestRequest& request, const control::Listed<T>& listed, Json (*one)(const RestRequest&, const T&)) {
  Json::Array all;
  for (const auto& item : listed.items) all.push_back(one(request, item));
  return {200, page_of(request, std::move(all), listed.total)};
}

class IdentityRoutes {
 public:
  IdentityRoutes(Identity& identity, control::Deletions& deletions, IdentityHooks hooks) : identity_(identity), deletions_(deletions), hooks_(std::move(hooks)) {}

  RestResult<RestReply> list_orgs(const RestRequest& request) const {
    return listed(request, TRY_REST(identity_.organizations(request.caller->grants, request.page)), organization_json);
  }

  RestResult<RestReply> get_org(const RestRequest& request) const {
    const auto org = TRY_REST(identity_.organization(request.org));
    if (!org) return no_org(request);
    return RestReply{200, organization_json(request, *org)};
  }

  // Of whoever owns one here already; with it a key of its owner, whose secret is shown this once.
  RestResult<RestReply> create_org(const RestRequest& request) const {
    const auto name = TRY_BODY(required_text(request.body, "name"));
    if (const auto* user = request.body.find("orgOwnerId"); user != nullptr && !user->is_null())
      return refuse(400, "INVALID_ATTRIBUTE", "orgOwnerId must be absent: this server knows no users, only API keys and service accounts.", {"orgOwnerId"});
    const auto* wanted = request.body.find("apiKey");
    if (wanted == nullptr || wanted->as_object() == nullptr) return refuse(400, "MISSING_ATTRIBUTE", "apiKey must be an object with desc and roles.", {"apiKey"});
    const auto description = TRY_BODY(required_text(*wanted, "desc"));
    const auto roles = TRY_BODY(text_list(*wanted, "roles", true));
    if (std::find(roles.begin(), roles.end(), "ORG_OWNER") == roles.end())
      return refuse(400, "INVALID_ATTRIBUTE", "apiKey.roles must have ORG_OWNER: an organization without an owner could not be used.", {"apiKey.roles"});
    const auto& grants = request.caller->grants;
    if (std::none_of(grants.begin(), grants.end(), [](const control::Grant& grant) { return grant.role == "ORG_OWNER"; }))
      return refuse(403, "USER_UNAUTHORIZED", "Current user is not authorized to perform this action.");
    for (const auto& role : roles)
      if (!control::is_org_role(role)) return refuse(400, "INVALID_ATTRIBUTE", fmt::format("apiKey.roles: {} is not a role of an organization.", role), {"apiKey.roles"});
    const auto [org, key] = TRY_REST(identity_.found_organization(name, description, roles, request.caller->org));
    return RestReply{201, Json::Object{{"apiKey", key_json(request, key)},
                                       {"orgOwnerId", nullptr},
                                       {"organization", organization_json(request, org)},
                                       {"skipDefaultAlertsSettings", false}},
                     false,
                     {{"orgId", org.id}}};
  }

  RestResult<RestReply> rename_org(const RestRequest& request) const {
    // What a client reads beside the name may come back as it was.
    TRY_BODY(only(request.body, {"id", "isDeleted", "links", "name", "skipDefaultAlertsSettings"}));
    for (const auto* field : {"isDeleted", "skipDefaultAlertsSettings"})
      if (TRY_BODY(optional_flag(request.body, field, false))) return bad_field("INVALID_ATTRIBUTE", field, "must be false");
    if (!TRY_REST(identity_.rename_organization(request.org, TRY_BODY(required_text(request.body, "name"))))) return no_org(request);
    return get_org(request);
  }

  // Its last key goes with it: nobody has to get into what is not there. Asked again by the same caller it is finished, whatever ended it before.
  RestResult<RestReply> delete_org(const RestRequest& request) const {
    const auto& id = request.org;
    const bool there = TRY_BODY(settled(Tenant::kOrganization, id, [&]() -> RestResult<int> {
      if (hooks_.may_delete_organization) TRY_BODY(hooks_.may_delete_organization(id));
      if (const auto projects = TRY_REST(identity_.count_projects(id)); projects > 0)
        return refuse(409, "CONFLICT", fmt::format("The organization {} stays: it has {} projects; delete them first.", id, projects), {id});
      return 0;
    }));
    if (!there) return no_org(request);
    TRY_REST(deletions_.finish_organization(id, request.caller->id));
    return RestReply{request.family == Family::kAtlasV2 ? 204 : 202, {}};
  }

  RestResult<RestReply> list_projects(const RestRequest& request) const {
    const auto found = TRY_REST(identity_.projects(request.org, request.caller->grants, request.page));
    Json::Array all;
    for (auto& project : TRY_BODY(shown(request, found.items))) all.push_back(std::move(project));
    return RestReply{200, page_of(request, std::move(all), found.total)};
  }

  RestResult<RestReply> create_project(const RestRequest& request) const {
    const auto name = TRY_BODY(required_text(request.body, "name"));
    const auto org = TRY_BODY(required_text(request.body, "orgId"));
    if (const auto* tags = request.body.find("tags"); tags != nullptr && !tags->is_null() && !(tags->as_array() != nullptr && tags->as_array()->empty()))
      return bad_field("INVALID_ATTRIBUTE", "tags", "must be empty: projects here have none");
    if (TRY_BODY(optional_text(request.body, "regionUsageRestrictions")) == "GOV_REGIONS_ONLY")
      return bad_field("INVALID_ATTRIBUTE", "regionUsageRestrictions", "must not be GOV_REGIONS_ONLY: regions are labels here, and nothing keeps them apart");
    if (!control::sees_org(request.caller->grants, org))
      return refuse(404, "ORG_NOT_FOUND", fmt::format("No organization with ID {} exists.", org), {org});
    if (!control::allows(request.caller->grants, Access::kOrgCreateGroup, org, ""))
      return refuse(403, "NOT_ORG_GROUP_CREATOR", "The caller may not create projects in this organization.");
    auto project = identity_.create_project(org, name);
    if (!project && project.error().code == ErrorCode::kWrongState)
      return refuse(409, "GROUP_ALREADY_EXISTS", fmt::format("A group with name \"{}\" already exists.", name), {name});
    if (!project && project.error().code == ErrorCode::kUnsupported) return refuse(409, "CONFLICT", project.error().message);
    const auto made = TRY_REST(std::move(project));
    // Whoever may do no more than make projects owns what it makes, as at Atlas: else it could not even see it.
    if (!control::allows(request.caller->grants, Access::kGroupOwn, org, made.id)) TRY_BODY(own(made, request.caller->id));
    return RestReply{request.family == Family::kAtlasV2 ? 200 : 201, project_json(request, made, 0), false, {{"orgId", made.org}, {"groupId", made.id}}};
  }

  RestResult<RestReply> get_project(const RestRequest& request) const {
    return shown_one(request, TRY_BODY(project_of(request)));
  }

  RestResult<RestReply> get_project_by_name(const RestRequest& request) const {
    const auto& name = request.name("groupName");
    const auto found = TRY_REST(identity_.projects_named(name, request.caller->grants));
    if (found.empty()) return refuse(404, "GROUP_NAME_NOT_FOUND", fmt::format("No group with name \"{}\" exists.", name), {name});
    if (found.size() > 1)
      return refuse(409, "CONFLICT", fmt::format("Groups of {} organizations have the name \"{}\"; ask for one by its ID.", found.size(), name), {name});
    return shown_one(request, found.front());
  }

  // Whoever shows a key that it does not see the project of learns nothing.
  RestResult<RestReply> get_project_by_agent_key(const RestRequest& request) const {
    const auto group = hooks_.project_of_agent_key ? TRY_REST(hooks_.project_of_agent_key(request.name("agentApiKey"))) : std::string();
    const auto project = group.empty() ? std::optional<Project>() : TRY_REST(identity_.project(group));
    if (!project || !control::allows(request.caller->grants, Access::kGroupRead, project->org, group))
      return refuse(404, "AGENT_API_KEY_NOT_FOUND", "No project that the caller may see has this agent API key.");
    return shown_one(request, *project);
  }

  RestResult<RestReply> rename_project(const RestRequest& request) const {
    for (const auto& [field, value] : *request.body.as_object())
      if (field != "name") return refuse(400, "INVALID_ATTRIBUTE", fmt::format("{} cannot be changed here.", field), {field});
    const auto name = TRY_BODY(required_text(request.body, "name"));
    auto renamed = identity_.rename_project(request.name("groupId"), name);
    if (!renamed && renamed.error().code == ErrorCode::kWrongState)
      return refuse(409, "GROUP_ALREADY_EXISTS", fmt::format("A group with name \"{}\" already exists.", name), {name});
    TRY_REST(std::move(renamed));
    return get_project(request);
  }

  RestResult<RestReply> delete_project(const RestRequest& request) const {
    const auto& id = request.name("groupId");
    if (!TRY_BODY(settled(Tenant::kProject, id, [&] { return hooks_.may_delete_project ? hooks_.may_delete_project(id) : RestResult<int>(0); }))) return no_group(id);
    TRY_REST(deletions_.finish_project(id));
    return RestReply{request.family == Family::kAtlasV2 ? 204 : 202, {}};
  }

  RestResult<RestReply> create_key(const RestRequest& request) const {
    TRY_BODY(only(request.body, {"desc", "id", "links", "privateKey", "publicKey", "roles"}));
    const auto description = TRY_BODY(required_text(request.body, "desc"));
    const auto roles = TRY_BODY(text_list(request.body, "roles", true));
    const auto key = TRY_REST(identity_.create_key(request.org, description, roles));
    return RestReply{200, key_json(request, key), false, {{"targetPublicKey", key.public_key}}};
  }

  RestResult<RestReply> list_keys(const RestRequest& request) const {
    return listed(request, TRY_REST(identity_.keys(request.org, request.page)), key_json);
  }

  RestResult<RestReply> get_key(const RestRequest& request) const {
    const auto key = TRY_REST(identity_.key(request.org, request.name("apiUserId")));
    if (!key) return no_key(request);
    return RestReply{200, key_json(request, *key)};
  }

  RestResult<RestReply> delete_key(const RestRequest& request) const {
    if (!TRY_REST(identity_.delete_key(request.org, request.name("apiUserId")))) return no_key(request);
    return RestReply{204, {}};
  }

  RestResult<RestReply> change_key(const RestRequest& request) const {
    const auto wanted = TRY_BODY(changes_of(request));
    if (!TRY_REST(identity_.change_key(request.org, request.name("apiUserId"), wanted.roles, wanted.description))) return no_key(request);
    return get_key(request);
  }

  RestResult<RestReply> change_project_key(const RestRequest& request) const {
    const auto wanted = TRY_BODY(changes_of(request));
    const auto project = TRY_BODY(project_of(request));
    TRY_BODY(changed(request, wanted.roles.value_or(std::vector<std::string>()), [&](const std::string& id, const control::MayChange& may) {
      return identity_.set_project_roles(project, id, wanted.roles, wanted.description, may);
    }));
    return get_key(request);
  }

  // The body is [{"roles": [...]}].
  RestResult<RestReply> add_project_key(const RestRequest& request) const {
    std::vector<std::string> roles;
    for (const auto& one : *request.body.as_array()) {
      TRY_BODY(only(one, {"roles", "userId"}));
      for (auto& role : TRY_BODY(text_list(one, "roles", true))) roles.push_back(std::move(role));
    }
    const auto project = TRY_BODY(project_of(request));
    TRY_BODY(changed(request, roles, [&](const std::string& id, const control::MayChange& may) { return identity_.set_project_roles(project, id, roles, std::nullopt, may); }));
    return RestReply{204, {}};
  }

  RestResult<RestReply> create_project_key(const RestRequest& request) const {
    TRY_BODY(only(request.body, {"desc", "id", "links", "privateKey", "publicKey", "roles"}));
    const auto description = TRY_BODY(required_text(request.body, "desc"));
    const auto roles = TRY_BODY(text_list(request.body, "roles", true));
    const auto project = TRY_BODY(project_of(request));
    TRY_BODY(may_give(request, roles));
    const auto key = TRY_REST(identity_.create_project_key(project, description, roles, ranges_of_maker(request)));
    return RestReply{200, key_json(request, key), false, {{"targetPublicKey", key.public_key}}};
  }

  RestResult<RestReply> list_project_keys(const RestRequest& request) const {
    return listed(request, TRY_REST(identity_.project_keys(request.name("groupId"), request.page)), key_json);
  }

  RestResult<RestReply> remove_project_key(const RestRequest& request) const {
    const auto project = TRY_BODY(project_of(request));
    TRY_BODY(changed(request, {}, [&](const std::string& id, const control::MayChange& may) { return identity_.remove_key_from_project(project, id, may); }));
    return RestReply{204, {}};
  }

 private:
  struct KeyChanges {
    std::optional<std::vector<std::string>> roles;
    std::optional<std::string> description;
  };
  // It was there when the request was let in.
  RestResult<control::Project> project_of(const RestRequest& request) const {
    const auto& id = request.name("groupId");
    auto project = TRY_REST(identity_.project(id));
    if (!project) return no_group(id);
    return std::move(*project);
  }
  RestResult<int> own(const Project& project, const std::string& caller) const {
    const auto done = TRY_REST(identity_.set_project_roles(project, caller, std::vector<std::string>{"GROUP_OWNER"}, std::nullopt));
    if (done == control::RoleChange::kNoSuch && hooks_.give_account_project) TRY_REST(hooks_.give_account_project(project, caller));
    return 0;
  }
  // From here on it is gone. False: there is none.
  RestResult<bool> settled(Tenant tenant, const std::string& id, const std::function<RestResult<int>()>& may) const {
    const auto begun = TRY_REST(identity_.begin_deleting(tenant, id));
    if (!begun || begun->settled) return begun.has_value();
    if (const auto allowed = may(); !allowed) {
      TRY_REST(identity_.stop_deleting(tenant, id, begun->mark));
      return tl::unexpected(allowed.error());
    }
    if (TRY_REST(identity_.settle_deleting(tenant, id, begun->mark))) return true;
    return refuse(409, "CONFLICT", fmt::format("The {} {} is being changed, or deleted by another request. Try again.", tenant == Tenant::kProject ? "group" : "organization", id), {id});
  }
  // Changes the key of the path, if the caller may give it these roles.
  template <typename Change>
  RestResult<int> changed(const RestRequest& request, const std::vector<std::string>& given, Change&& change) const {
    const auto& id = request.name("apiUserId");
    std::optional<RestError> refused;
    const auto done = TRY_REST(change(id, may_give_at_change(request, given, id, refused)));
    if (done == control::RoleChange::kRefused && refused) return tl::unexpected(std::move(*refused));
    if (done != control::RoleChange::kDone) return no_key(request);
    return 0;
  }
  static RestResult<KeyChanges> changes_of(const RestRequest& request) {
    TRY_BODY(only(request.body, {"desc", "roles"}));
    KeyChanges wanted;
    const auto gives = [&](const char* field) { return request.body.find(field) != nullptr && !request.body.find(field)->is_null(); };
    if (gives("roles")) wanted.roles = TRY_BODY(text_list(request.body, "roles", true));
    if (gives("desc")) wanted.description = TRY_BODY(required_text(request.body, "desc"));
    return wanted;
  }

  using Counts = std::map<std::string, std::int64_t>;
  // However many there are, what others know of them is asked for once. Cloud Manager's projects do not count clusters, but what is monitored.
  RestResult<std::vector<Json>> shown(const RestRequest& request, const std::vector<Project>& projects) const {
    std::vector<std::string> groups;
    for (const auto& project : projects) groups.push_back(project.id);
    const bool monitored = request.family == Family::kCloudManager;
    auto counts = Counts();
    if (hooks_.count_clusters && !monitored && !groups.empty()) counts = TRY_REST(hooks_.count_clusters(groups));
    auto facts = std::map<std::string, Json::Object>();
    if (hooks_.monitored_facts && monitored && !groups.empty()) facts = TRY_REST(hooks_.monitored_facts(groups));
    std::vector<Json> all;
    for (const auto& project : projects) {
      auto fields = *project_json(request, project, count_of(counts, project)).as_object();
      for (auto& fact : facts[project.id]) fields.push_back(std::move(fact));
      all.emplace_back(std::move(fields));
    }
    return all;
  }
  static std::int64_t count_of(const Counts& counts, const Project& project) {
    const auto found = counts.find(project.id);
    return found == counts.end() ? 0 : found->second;
  }
  RestResult<RestReply> shown_one(const RestRequest& request, const Project& project) const { return RestReply{200, std::move(TRY_BODY(shown(request, {project})).front())}; }

  static tl::unexpected<RestError> no_group(const std::string& id) { return refuse(404, "GROUP_NOT_FOUND", fmt::format("No group with ID {} exists.", id), {id}); }
  static tl::unexpected<RestError> no_org(const RestRequest& request) {
    return refuse(404, "ORG_NOT_FOUND", fmt::format("No organization with ID {} exists.", request.org), {request.org});
  }
  static tl::unexpected<RestError> no_key(const RestRequest& request) {
    const auto& id = request.name("apiUserId");
    return refuse(404, "API_KEY_NOT_FOUND", fmt::format("No API Key with ID {} exists.", id), {id});
  }

  Identity& identity_;
  control::Deletions& deletions_;
  const IdentityHooks hooks_;
};

}  // namespace

void add_identity_routes(RouteTable& table, control::Identity& identity, control::Deletions& deletions, IdentityHooks hooks) {
  const auto routes = std::make_shared<IdentityRoutes>(identity, deletions, std::move(hooks));
  const auto add = [&](const char* method, const char* path, std::optional<Access> access,
                       RestResult<RestReply> (IdentityRoutes::*handler)(const RestRequest&) const, const char* event = "", Route::Body body = Route::Body::kObject) {
    table.add({method, path, kAll, access, kFirst,
               [routes, handler](const RestRequest& request) { return ((*routes).*handler)(request); }, body, event});
  };
  add("GET", "/orgs", std::nullopt, &IdentityRoutes::list_orgs);
  add("POST", "/orgs", std::nullopt, &IdentityRoutes::create_org, "ORG_CREATED");
  add("GET", "/orgs/{orgId}", Access::kOrgRead, &IdentityRoutes::get_org);
  add("PATCH", "/orgs/{orgId}", Access::kOrgOwn, &IdentityRoutes::rename_org, "ORG_RENAMED");
  add("DELETE", "/orgs/{orgId}", Access::kOrgOwn, &IdentityRoutes::delete_org, "ORG_DELETED");
  add("GET", "/orgs/{orgId}/groups", Access::kOrgRead, &IdentityRoutes::list_projects);
  add("GET", "/groups", std::nullopt, &IdentityRoutes::list_projects);
  add("POST", "/groups", std::nullopt, &IdentityRoutes::create_project, "GROUP_CREATED");
  add("GET", "/groups/{groupId}", Access::kGroupRead, &IdentityRoutes::get_project);
  add("GET", "/groups/byName/{groupName}", std::nullopt, &IdentityRoutes::get_project_by_name);
  table.add({"GET", std::string(kByAgentApiKey) + "{agentApiKey}", {Family::kCloudManager}, std::nullopt, kFirst,
             [routes](const RestRequest& request) { return routes->get_project_by_agent_key(request); }});
  add("PATCH", "/groups/{groupId}", Access::kGroupOwn, &IdentityRoutes::rename_project, "GROUP_NAME_CHANGED");
  add("DELETE", "/groups/{groupId}", Access::kGroupOwn, &IdentityRoutes::delete_project, "GROUP_DELETED");
  add("POST", "/orgs/{orgId}/apiKeys", Access::kOrgOwn, &IdentityRoutes::create_key, "ORG_API_KEY_ADDED");
  add("GET", "/orgs/{orgId}/apiKeys", Access::kOrgRead, &IdentityRoutes::list_keys);
  add("GET", "/orgs/{orgId}/apiKeys/{apiUserId}", Access::kOrgRead, &IdentityRoutes::get_key);
  add("POST", "/groups/{groupId}/apiKeys", Access::kGroupKeys, &IdentityRoutes::create_project_key, "ORG_API_KEY_ADDED");
  add("GET", "/groups/{groupId}/apiKeys", Access::kGroupRead, &IdentityRoutes::list_project_keys);
  add("POST", "/groups/{groupId}/apiKeys/{apiUserId}", Access::kGroupKeys, &IdentityRoutes::add_project_key, "API_KEY_ADDED_TO_GROUP", Route::Body::kArray);
  add("PATCH", "/groups/{groupId}/apiKeys/{apiUserId}", Access::kGroupKeys, &IdentityRoutes::change_project_key, "API_KEY_ROLES_CHANGED");
  add("DELETE", "/groups/{groupId}/apiKeys/{apiUserId}", Access::kGroupKeys, &IdentityRoutes::remove_project_key, "API_KEY_REMOVED_FROM_GROUP");
  add("PATCH", "/orgs/{orgId}/apiKeys/{apiUserId}", Access::kOrgOwn, &IdentityRoutes::change_key, "API_KEY_ROLES_CHANGED");
  add("DELETE", "/orgs/{orgId}/apiKeys/{apiUserId}", Access::kOrgOwn, &IdentityRoutes::delete_key, "ORG_API_KEY_DELETED");
}

}  // namespace drover::api
