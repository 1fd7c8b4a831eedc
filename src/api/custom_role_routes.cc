#include "api/custom_role_routes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "api/body_fields.h"
#include "api/route_adder.h"

namespace drover::api {
namespace {

using control::Access;
using control::CustomRole;
using control::CustomRoles;

constexpr int kAttempts = 10;

Json role_json(const CustomRole& role) {
  Json::Array actions, inherited;
  for (const auto& action : role.actions) {
    Json::Array resources;
    for (const auto& one : action.resources)
      resources.push_back(Json::Object{{"cluster", one.cluster}, {"collection", one.collection}, {"db", one.database}});
    actions.push_back(Json::Object{{"action", action.name}, {"resources", std::move(resources)}});
  }
  for (const auto& one : role.inherited) inherited.push_back(Json::Object{{"db", one.database}, {"role", one.name}});
  return Json::Object{{"actions", std::move(actions)}, {"inheritedRoles", std::move(inherited)}, {"roleName", role.name}};
}

// Null: it is not given.
RestResult<const Json::Array*> list_in(const Json& body, const char* field) {
  const auto* value = body.find(field);
  if (value == nullptr || value->is_null()) return nullptr;
  if (value->as_array() == nullptr) return bad_field("INVALID_ATTRIBUTE", field, "must be an array of objects");
  return value->as_array();
}

RestResult<control::RoleAction> action_of(const Json& given) {
  TRY_BODY(only(given, {"action", "resources"}));
  control::RoleAction action{TRY_BODY(needed_text(given, "action")), {}};
  const auto* resources = TRY_BODY(list_in(given, "resources"));
  if (resources == nullptr) return action;
  for (const auto& one : *resources) {
    TRY_BODY(only(one, {"cluster", "collection", "db"}));
    action.resources.push_back({TRY_BODY(optional_flag(one, "cluster", false)), TRY_BODY(optional_text(one, "db")), TRY_BODY(optional_text(one, "collection"))});
  }
  return action;
}

// What the body gives of a role; the rest stays.
RestResult<int> read_role(const Json& body, CustomRole& role) {
  TRY_BODY(only(body, {"actions", "inheritedRoles", "roleName"}));
  if (const auto* actions = TRY_BODY(list_in(body, "actions"))) {
    role.actions.clear();
    for (const auto& one : *actions) role.actions.push_back(TRY_BODY(action_of(one)));
  }
  if (const auto* inherited = TRY_BODY(list_in(body, "inheritedRoles"))) {
    role.inherited.clear();
    for (const auto& one : *inherited) {
      TRY_BODY(only(one, {"db", "role"}));
      role.inherited.push_back({TRY_BODY(needed_text(one, "role")), TRY_BODY(needed_text(one, "db"))});
    }
  }
  return 0;
}

class CustomRoleRoutes {
 public:
  explicit CustomRoleRoutes(CustomRoles& roles) : roles_(roles) {}

  RestResult<RestReply> list(const RestRequest& request) const {
    Json::Array all;
    for (const auto& role : TRY_REST(roles_.of_group(request.name("groupId")))) all.push_back(role_json(role));
    return RestReply{200, Json(std::move(all)), true};
  }

  RestResult<RestReply> get(const RestRequest& request) const { return RestReply{200, role_json(TRY_BODY(find(request)))}; }

  RestResult<RestReply> create(const RestRequest& request) const {
    CustomRole role;
    role.group = request.name("groupId");
    role.name = TRY_BODY(needed_text(request.body, "roleName"));
    TRY_BODY(read_role(request.body, role));
    TRY_BODY(check(role));
    auto made = roles_.add(std::move(role));
    if (!made && made.error().code == ErrorCode::kWrongState) return refuse(409, "CONFLICT", made.error().message + ".");
    const auto kept = TRY_REST(std::move(made));
    // What it inherits may have been removed, or made of it, meanwhile.
    if (const auto still = check(kept); !still) {
      TRY_REST(roles_.take_back(kept));
      return tl::unexpected(still.error());
    }
    return RestReply{request.family == Family::kAtlasV2 ? 202 : 200, role_json(kept), false, {{"roleName", kept.name}}};
  }

  // Decided on what is there, again when somebody else was faster.
  RestResult<RestReply> change(const RestRequest& request) const {
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      const auto before = TRY_BODY(find(request));
      auto role = before;
      if (const auto name = TRY_BODY(optional_text(request.body, "roleName")); !name.empty() && name != role.name)
        return bad_field("INVALID_ATTRIBUTE", "roleName", "cannot be changed");
      TRY_BODY(read_role(request.body, role));
      TRY_BODY(check(role));
      if (!TRY_REST(roles_.change(role))) continue;
      if (const auto still = check(role); !still) {
        auto as_it_was = before;
        as_it_was.revision = role.revision + 1;
        TRY_REST(roles_.change(as_it_was));
        return tl::unexpected(still.error());
      }
      return RestReply{200, role_json(role), false, {{"roleName", role.name}}};
    }
    return refuse(409, "CONFLICT", "The custom role changes all the time. Try again.");
  }

  RestResult<RestReply> remove(const RestRequest& request) const {
    const auto& name = request.name("roleName");
    const auto removed = TRY_REST(roles_.remove(request.name("groupId"), name));
    if (!removed.there) return missing(name);
    if (!removed.used_by.empty())
      return refuse(409, "ATLAS_CUSTOM_ROLE_IN_USE", fmt::format("The custom role {} is given to {}. Take it from there first.", name, fmt::join(removed.used_by, ", ")), {name});
    return RestReply{204, {}, false, {{"roleName", name}}};
  }

 private:
  static tl::unexpected<RestError> missing(const std::string& name) {
    return refuse(404, "ATLAS_CUSTOM_ROLE_NOT_FOUND", fmt::format("The specified custom db role {} does not exist.", name), {name});
  }
  RestResult<CustomRole> find(const RestRequest& request) const {
    auto found = TRY_REST(roles_.find(request.name("groupId"), request.name("roleName")));
    if (!found) return missing(request.name("roleName"));
    return std::move(*found);
  }
  RestResult<int> check(const CustomRole& role) const {
    auto wrong = control::check_custom_role(role);
    if (!wrong) wrong = control::check_inheritance(role, TRY_REST(roles_.of_group(role.group)));
    if (wrong) return refuse(400, wrong->code, wrong->why + ".", {role.name});
    return 0;
  }

  CustomRoles& roles_;
};

}  // namespace

void add_custom_role_routes(RouteTable& table, CustomRoles& roles) {
  RouteAdder<CustomRoleRoutes> add(table, std::make_shared<const CustomRoleRoutes>(roles), {Family::kAtlasV2, Family::kAtlasV1});
  const std::string all = "/groups/{groupId}/customDBRoles/roles", one = all + "/{roleName}";
  add("GET", all, Access::kGroupRead, &CustomRoleRoutes::list);
  add("POST", all, Access::kGroupDatabaseRoles, &CustomRoleRoutes::create, "MONGODB_ROLE_ADDED");
  add("GET", one, Access::kGroupRead, &CustomRoleRoutes::get);
  add("PATCH", one, Access::kGroupDatabaseRoles, &CustomRoleRoutes::change, "MONGODB_ROLE_UPDATED");
  add("DELETE", one, Access::kGroupDatabaseRoles, &CustomRoleRoutes::remove, "MONGODB_ROLE_DELETED");
}

}  // namespace drover::api
