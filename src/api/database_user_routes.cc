#include "api/database_user_routes.h"

#include <algorithm>

#include <fmt/format.h>

#include "api/body_fields.h"
#include "api/route_adder.h"
#include "api/times.h"
#include "control/clusters.h"

namespace drover::api {
namespace {

using control::Access;
using control::DatabaseUser;
using control::DatabaseUserRole;
using control::DatabaseUsers;

constexpr const char* kOtherLogins[] = {"awsIAMType", "ldapAuthType", "oidcAuthType", "x509Type"};
constexpr std::size_t kMaxListed = 100;
constexpr std::size_t kMaxDescription = 100;
constexpr int kAttempts = 10;

Json user_json(const RestRequest& request, const DatabaseUser& user) {
  Json::Array roles, scopes;
  for (const auto& role : user.roles) roles.push_back(Json::Object{{"databaseName", role.database}, {"roleName", role.name}});
  for (const auto& cluster : user.clusters) scopes.push_back(Json::Object{{"name", cluster}, {"type", "CLUSTER"}});
  Json::Object body{{"databaseName", user.database}, {"groupId", user.group}, {"labels", user.labels}, {"roles", std::move(roles)},
                    {"scopes", std::move(scopes)},   {"username", user.name}};
  for (const auto* other : kOtherLogins) body.emplace_back(other, "NONE");
  if (!user.description.empty()) body.emplace_back("description", user.description);
  if (!user.delete_after.empty()) body.emplace_back("deleteAfterDate", user.delete_after);
  body.emplace_back("links", self_link(request, fmt::format("/groups/{}/databaseUsers/{}/{}", user.group, user.database, control::percent_encoded(user.name))));
  return body;
}

// A list of objects; nothing when it is absent.
RestResult<const Json::Array*> list_of(const Json& body, const char* field) {
  static const Json::Array kNone;
  const auto* value = body.find(field);
  if (value == nullptr || value->is_null()) return &kNone;
  if (value->as_array() == nullptr || value->as_array()->size() > kMaxListed)
    return bad_field("INVALID_ATTRIBUTE", field, fmt::format("must be an array of at most {} objects", kMaxListed));
  return value->as_array();
}

RestResult<std::vector<DatabaseUserRole>> roles_of(const Json& body) {
  std::vector<DatabaseUserRole> roles;
  for (const auto& one : *TRY_BODY(list_of(body, "roles"))) {
    TRY_BODY(only(one, {"collectionName", "databaseName", "roleName"}));
    if (!TRY_BODY(optional_text(one, "collectionName")).empty())
      return bad_field("INVALID_ATTRIBUTE", "roles[].collectionName", "is not supported here: roles are of whole databases");
    roles.push_back({TRY_BODY(needed_text(one, "roleName")), TRY_BODY(needed_text(one, "databaseName"))});
  }
  return roles;
}

RestResult<std::vector<std::string>> scopes_of(const Json& body) {
  constexpr std::string_view kTypes[] = {"CLUSTER"};
  std::vector<std::string> clusters;
  for (const auto& one : *TRY_BODY(list_of(body, "scopes"))) {
    TRY_BODY(only(one, {"name", "type"}));
    TRY_BODY(one_of(one, "type", kTypes));
    clusters.push_back(TRY_BODY(needed_text(one, "name")));
  }
  return clusters;
}

RestResult<Json> labels_of(const Json& body) {
  Json::Array labels;
  for (const auto& one : *TRY_BODY(list_of(body, "labels"))) {
    TRY_BODY(only(one, {"key", "value"}));
    labels.push_back(Json::Object{{"key", TRY_BODY(needed_name(one, "key"))}, {"value", TRY_BODY(optional_name(one, "value"))}});
  }
  return Json(std::move(labels));
}

bool gives(const Json& body, const char* field) {
  const auto* value = body.find(field);
  return value != nullptr && !value->is_null();
}

// What the body gives of a user; the rest stays.
RestResult<int> read_user(const Json& body, DatabaseUser& user) {
  TRY_BODY(only(body, {"awsIAMType", "databaseName", "deleteAfterDate", "description", "groupId", "labels", "ldapAuthType", "links", "oidcAuthType", "password",
                       "roles", "scopes", "username", "x509Type"}));
  for (const auto* other : kOtherLogins) {
    const auto type = TRY_BODY(optional_text(body, other));
    if (!type.empty() && type != "NONE") return bad_field("INVALID_ENUM_VALUE", other, "must be NONE: users of this server's clusters log in by password");
  }
  if (const auto group = TRY_BODY(optional_text(body, "groupId")); !group.empty() && group != user.group)
    return bad_field("INVALID_ATTRIBUTE", "groupId", "must be the project of the path");
  if (gives(body, "roles")) user.roles = TRY_BODY(roles_of(body));
  if (gives(body, "scopes")) user.clusters = TRY_BODY(scopes_of(body));
  if (gives(body, "labels")) user.labels = TRY_BODY(labels_of(body));
  if (gives(body, "description")) user.description = TRY_BODY(optional_name(body, "description"));
  if (user.description.size() > kMaxDescription) return bad_field("INVALID_ATTRIBUTE", "description", fmt::format("must have at most {} characters", kMaxDescription));
  if (gives(body, "deleteAfterDate")) {
    user.delete_after = TRY_BODY(optional_text(body, "deleteAfterDate"));
    if (!user.delete_after.empty() && !is_utc_time(user.delete_after))
      return bad_field("INVALID_ATTRIBUTE", "deleteAfterDate", "must be a time in UTC such as 2026-08-10T03:10:30Z");
  }
  return 0;
}

class DatabaseUserRoutes {
 public:
  explicit DatabaseUserRoutes(DatabaseUsers& users) : users_(users) {}

  RestResult<RestReply> list(const RestRequest& request) const {
    const auto& group = request.name("groupId");
    Json::Array all;
    for (const auto& user : TRY_REST(users_.of_group(group, request.page))) all.push_back(user_json(request, user));
    return RestReply{200, page_of(request, std::move(all), TRY_REST(users_.count(group)))};
  }

  RestResult<RestReply> get(const RestRequest& request) const { return RestReply{200, user_json(request, TRY_BODY(find(request)))}; }

  RestResult<RestReply> create(const RestRequest& request) const {
    DatabaseUser user;
    user.group = request.name("groupId");
    user.labels = Json(Json::Array());
    user.database = TRY_BODY(needed_text(request.body, "databaseName"));
    user.name = TRY_BODY(needed_text(request.body, "username"));
    TRY_BODY(read_user(request.body, user));
    if (user.roles.empty()) return bad_field("MISSING_ATTRIBUTE", "roles", "must not be blank");
    const auto password = TRY_BODY(needed_text(request.body, "password"));
    auto made = users_.add(std::move(user), password);
    if (!made && made.error().code == ErrorCode::kWrongState) return refuse(409, "USER_ALREADY_EXISTS", made.error().message + ".");
    const auto kept = TRY_REST(std::move(made));
    return RestReply{201, user_json(request, kept), false, {{"dbUserUsername", kept.name}}};
  }

  // Decided on what is there, again when somebody else was faster.
  RestResult<RestReply> change(const RestRequest& request) const {
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      auto user = TRY_BODY(find(request));
      for (const auto& [field, now] : {std::pair{"databaseName", user.database}, {"username", user.name}}) {
        const auto given = TRY_BODY(optional_text(request.body, field));
        if (!given.empty() && given != now) return bad_field("INVALID_ATTRIBUTE", field, "cannot be changed");
      }
      TRY_BODY(read_user(request.body, user));
      if (user.roles.empty()) return bad_field("MISSING_ATTRIBUTE", "roles", "must not be blank");
      if (TRY_REST(users_.change(user, TRY_BODY(optional_text(request.body, "password"))))) return RestReply{200, user_json(request, user)};
    }
    return refuse(409, "CONFLICT", "The user changes all the time. Try again.");
  }

  RestResult<RestReply> remove(const RestRequest& request) const {
    if (!TRY_REST(users_.remove(request.name("groupId"), request.name("databaseName"), request.name("username")))) return missing(request);
    return RestReply{204, {}};
  }

 private:
  static tl::unexpected<RestError> missing(const RestRequest& request) {
    const auto& name = request.name("username");
    return refuse(404, "USERNAME_NOT_FOUND", fmt::format("No user with username {} exists.", name), {name});
  }
  RestResult<DatabaseUser> find(const RestRequest& request) const {
    auto found = TRY_REST(users_.find(request.name("groupId"), request.name("databaseName"), request.name("username")));
    if (!found) return missing(request);
    return std::move(*found);
  }

  DatabaseUsers& users_;
};

}  // namespace

void add_database_user_routes(RouteTable& table, DatabaseUsers& users) {
  RouteAdder<DatabaseUserRoutes> add(table, std::make_shared<const DatabaseUserRoutes>(users), {Family::kAtlasV2, Family::kAtlasV1});
  const std::string all = "/groups/{groupId}/databaseUsers", one = all + "/{databaseName}/{username}";
  add("GET", all, Access::kGroupRead, &DatabaseUserRoutes::list);
  add("POST", all, Access::kGroupDatabaseUsers, &DatabaseUserRoutes::create, "MONGODB_USER_ADDED");
  add("GET", one, Access::kGroupRead, &DatabaseUserRoutes::get);
  add("PATCH", one, Access::kGroupDatabaseUsers, &DatabaseUserRoutes::change, "MONGODB_USER_UPDATED");
  add("DELETE", one, Access::kGroupDatabaseUsers, &DatabaseUserRoutes::remove, "MONGODB_USER_DELETED");
}

}  // namespace drover::api
