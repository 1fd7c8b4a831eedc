#include "control/custom_roles.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "control/fields.h"

namespace drover::control {
namespace {

constexpr const char* kRoles = "customRoles";
constexpr const char* kUsers = "databaseUsers";
constexpr const char* kAdmin = "admin";
constexpr int kRoleNotFound = 31;
constexpr int kRoleExists = 51002;
constexpr std::size_t kMaxNameOfRole = 64;
constexpr int kShown = 10;  // of those that have a role

bson::Document named(const std::string& group, const std::string& name) { return bson::make_document({{"groupId", group}, {"roleName", name}}); }
AppliedRecords::Read as_read(const CustomRole& role) { return {role.id, role.revision}; }

DatabaseUserRole inherited_of(bson::View document) { return {text_of(document, "role"), text_of(document, "db")}; }

RoleAction action_of(bson::View document) {
  RoleAction action{text_of(document, "action"), {}};
  if (const auto resources = document["resources"].to_array())
    for (const auto& item : *resources)
      action.resources.push_back({flag_of(object_in(item), "cluster"), text_of(object_in(item), "db"), text_of(object_in(item), "collection")});
  return action;
}

CustomRole role_of(bson::View document) {
  CustomRole role;
  role.id = text_of(document, "_id");
  role.group = text_of(document, "groupId");
  role.name = text_of(document, "roleName");
  if (const auto actions = document["actions"].to_array())
    for (const auto& item : *actions) role.actions.push_back(action_of(object_in(item)));
  if (const auto inherited = document["inheritedRoles"].to_array())
    for (const auto& item : *inherited) role.inherited.push_back(inherited_of(object_in(item)));
  role.revision = number_of(document, "revision");
  role.deleting = flag_of(document, "deleting");
  role.leaving = text_of(document, "leaving");
  role.present_on = texts_of(document, "presentOn");
  role.applied_to = texts_of(document, "appliedTo");
  return role;
}

std::vector<CustomRole> roles_of(const std::vector<bson::Document>& documents) {
  std::vector<CustomRole> roles;
  for (const auto& document : documents) roles.push_back(role_of(document));
  return roles;
}

void append_resource(bson::Builder& to, const RoleResource& resource) {
  to.append("cluster", resource.cluster).append("db", resource.database).append("collection", resource.collection);
}

// What callers may change. It is to be applied everywhere again.
void append_wish(bson::Builder& to, const CustomRole& role) {
  {
    auto actions = to.open_array("actions");
    for (const auto& action : role.actions) {
      auto one = actions.open_document();
      one.append("action", action.name);
      auto resources = one.open_array("resources");
      for (const auto& resource : action.resources) {
        auto each = resources.open_document();
        append_resource(each, resource);
      }
    }
  }
  {
    auto inherited = to.open_array("inheritedRoles");
    for (const auto& one : role.inherited) inherited.open_document().append("role", one.name).append("db", one.database);
  }
  to.append("leaving", "").append("revision", role.revision + 1);
  to.open_array("appliedTo");
}

RoleRefusal refusal(std::string code, std::string why) { return {std::move(code), std::move(why)}; }

std::optional<RoleRefusal> check_name_of(const std::string& name) {
  const auto alphanumeric = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const bool spelled = !name.empty() && name.size() <= kMaxNameOfRole && alphanumeric(name.front()) &&
                       std::all_of(name.begin(), name.end(), [&](char c) { return alphanumeric(c) || c == '-' || c == '_'; });
  if (!spelled)
    return refusal("ATLAS_CUSTOM_ROLE_INVALID_NAME",
                   fmt::format("a role's name has 1 to {} ASCII letters, digits, hyphens and underscores, and begins with a letter or digit", kMaxNameOfRole));
  if (name.starts_with("xgen-") || name.starts_with("drover-"))
    return refusal("ATLAS_RESERVED_CUSTOM_ROLE_RESTRICTED", fmt::format("the role {} cannot be: names that begin with xgen- or drover- are reserved", name));
  if (is_builtin_role_name(name)) return refusal("ATLAS_INVALID_CUSTOM_ROLE_RESTRICTED", fmt::format("the role {} cannot be: there is a built-in one of that name", name));
  return std::nullopt;
}

std::optional<RoleRefusal> check_action(const RoleAction& action) {
  const auto* known = privilege_action(action.name);
  if (known == nullptr) return refusal("INVALID_ENUM_VALUE", fmt::format("there is no action {}", action.name));
  if (known->server.empty())
    return refusal("ATLAS_INVALID_RESOURCE", fmt::format("{} is an action of data federation or stream processing, which this server does not have", action.name));
  if (action.resources.empty()) return refusal("MISSING_ATTRIBUTE", fmt::format("the action {} needs resources", action.name));
  if (action.resources.size() > kMaxResources) return refusal("INVALID_ATTRIBUTE", fmt::format("the action {} has more than {} resources", action.name, kMaxResources));
  if (std::set<RoleResource>(action.resources.begin(), action.resources.end()).size() != action.resources.size())
    return refusal("ATLAS_DUPLICATE_CUSTOM_ROLE_RESOURCE", fmt::format("the action {} names a resource twice", action.name));
  for (const auto& resource : action.resources) {
    if (resource.cluster != known->of_cluster)
      return refusal("ATLAS_INVALID_RESOURCE", fmt::format("the action {} is granted on {}", action.name, known->of_cluster ? "the cluster" : "databases and collections, not on the cluster"));
    if (resource.cluster && (!resource.database.empty() || !resource.collection.empty()))
      return refusal("ATLAS_INVALID_RESOURCE", fmt::format("the action {}: a resource is the cluster, or a database and collection", action.name));
    if (!resource.database.empty() && !is_database_name(resource.database))
      return refusal("ATLAS_INVALID_RESOURCE", fmt::format("the action {}: no database can be called {}", action.name, resource.database));
    if (resource.collection.size() > kMaxCollectionBytes) return refusal("ATLAS_INVALID_RESOURCE", fmt::format("the action {}: no collection's name is longer than {} bytes", action.name, kMaxCollectionBytes));
    if (resource.collection.find('\0') != std::string::npos || resource.collection.starts_with("system."))
      return refusal("ATLAS_RESTRICTED_COLLECTION", fmt::format("the action {}: the collection {} is restricted", action.name, resource.collection));
  }
  return std::nullopt;
}

// Whether `name` is among what `from` is made of.
bool is_made_of(const std::string& from, const std::string& name, const std::vector<CustomRole>& all, std::set<std::string>& seen) {
  if (!seen.insert(from).second) return false;
  const auto role = std::find_if(all.begin(), all.end(), [&](const CustomRole& one) { return one.name == from; });
  if (role == all.end()) return false;
  return std::any_of(role->inherited.begin(), role->inherited.end(), [&](const DatabaseUserRole& one) {
    return one.database == kAdmin && !is_database_role(one) && (one.name == name || is_made_of(one.name, name, all, seen));
  });
}

bson::Document role_command(const char* verb, const CustomRole& role) {
  bson::Builder command;
  command.append(verb, role.name);
  {
    auto privileges = command.open_array("privileges");
    for (const auto& action : role.actions) {
      for (const auto& resource : action.resources) {
        auto privilege = privileges.open_document();
        if (resource.cluster) privilege.open_document("resource").append("cluster", true);
        else privilege.open_document("resource").append("db", resource.database).append("collection", resource.collection);
        privilege.open_array("actions").append(privilege_action(action.name)->server);
      }
    }
  }
  {
    auto roles = command.open_array("roles");
    for (const auto& one : role.inherited)
      for (const auto& part : server_roles_of(one)) roles.open_document().append("role", part.name).append("db", part.database);
  }
  command.open_document("writeConcern").append("w", "majority");
  return std::move(command).finish();
}

}  // namespace

std::optional<RoleRefusal> check_custom_role(const CustomRole& role) {
  if (auto wrong = check_name_of(role.name)) return wrong;
  if (role.actions.empty() && role.inherited.empty()) return refusal("ATLAS_CUSTOM_ROLE_HAS_NO_PERMISSIONS", "a role has actions, or inherits other roles");
  if (role.actions.size() > kMaxActions) return refusal("INVALID_ATTRIBUTE", fmt::format("a role has at most {} actions", kMaxActions));
  if (role.inherited.size() > kMaxInherited) return refusal("INVALID_ATTRIBUTE", fmt::format("a role inherits at most {} roles", kMaxInherited));
  std::set<std::string> actions;
  std::size_t resources = 0;
  for (const auto& action : role.actions) {
    resources += action.resources.size();
    if (resources > kMaxResourcesOfRole) return refusal("INVALID_ATTRIBUTE", fmt::format("a role has at most {} resources in all its actions", kMaxResourcesOfRole));
    if (!actions.insert(action.name).second) return refusal("ATLAS_DUPLICATE_CUSTOM_ROLE_ACTION", fmt::format("the action {} stands there twice", action.name));
    if (auto wrong = check_action(action)) return wrong;
  }
  return std::nullopt;
}

std::optional<RoleRefusal> check_inheritance(const CustomRole& role, const std::vector<CustomRole>& others) {
  for (const auto& one : role.inherited) {
    if (is_database_role(one)) continue;
    if (one.name == role.name && one.database == kAdmin) return refusal("ATLAS_INVALID_CUSTOM_ROLE_SELF_REFERENTIAL", "a role cannot inherit from itself");
    const auto known = std::find_if(others.begin(), others.end(), [&](const CustomRole& other) { return other.name == one.name; });
    if (known != others.end() && one.database != kAdmin)
      return refusal("ATLAS_INVALID_CUSTOM_ROLE_INHERITED_SCOPE", fmt::format("the role {} is of the database admin", one.name));
    if (known == others.end() || !known->leaving.empty())
      return refusal("ATLAS_INVALID_CUSTOM_ROLE_INHERITANCE", fmt::format("there is no role {} in the database {}", one.name, one.database));
    std::set<std::string> seen{role.name};
    if (is_made_of(one.name, role.name, others, seen))
      return refusal("ATLAS_INVALID_CUSTOM_ROLE_CIRCULAR_DEPENDENCY", fmt::format("the role {} is made of {} itself", one.name, role.name));
  }
  return std::nullopt;
}

Result<CustomRole> CustomRoles::add(CustomRole role) {
  const auto taken = [&] { return fail(ErrorCode::kWrongState, fmt::format("a custom role {} is there already", role.name)); };
  const auto found = TRY(store_.find_one(kRoles, named(role.group, role.name)));
  if (found) {
    // One that is being deleted becomes this one: where it is still there, it is made so.
    const auto before = role_of(*found);
    if (!before.deleting) return taken();
    role.id = before.id;
    role.revision = before.revision;
    bson::Builder update;
    {
      auto set = update.open_document("$set");
      append_wish(set, role);
    }
    update.open_document("$unset").append("deleting", "");
    if (!TRY(store_.update(kRoles, AppliedRecords::filter_of(as_read(before)), std::move(update).finish()))) return taken();
  } else {
    if (TRY(store_.count(kRoles, AppliedRecords::alive_in(role.group))) >= kMaxCustomRoles)
      return fail(ErrorCode::kWrongState, fmt::format("a project has at most {} custom roles", kMaxCustomRoles));
    role.id = new_id(runtime_);
    role.revision = 0;
    bson::Builder document;
    document.append("_id", role.id).append("groupId", role.group).append("roleName", role.name);
    append_wish(document, role);
    document.open_array("presentOn");
    if (!TRY(store_.insert(kRoles, std::move(document).finish()))) return taken();
  }
  ++role.revision;
  return role;
}

Result<std::optional<CustomRole>> CustomRoles::find(const std::string& group, const std::string& name) {
  const auto found = TRY(store_.find_one(kRoles, named(group, name)));
  if (!found || flag_of(*found, "deleting")) return std::optional<CustomRole>();
  return std::optional(TRY(without_old_mark(role_of(*found))));
}

Result<std::vector<CustomRole>> CustomRoles::of_group(const std::string& group) {
  // Twice as many as may be: more are made by requests at one moment, never that many.
  auto roles = roles_of(TRY(store_.find(kRoles, AppliedRecords::alive_in(group), {1, static_cast<int>(2 * kMaxCustomRoles)})));
  for (auto& role : roles) role = TRY(without_old_mark(std::move(role)));
  return roles;
}

Result<CustomRole> CustomRoles::without_old_mark(CustomRole role) {
  const auto young = ids_around(runtime_.wall_time(), kLeavingFor);
  if (role.leaving.empty() || (role.leaving >= young.first && role.leaving < young.second)) return role;
  if (TRY(store_.update(kRoles, bson::make_document({{"_id", role.id}, {"leaving", role.leaving}}), bson::make_document({{"$set", bson::make_document({{"leaving", ""}})}}))))
    role.leaving.clear();
  return role;
}

Result<bool> CustomRoles::change(const CustomRole& role) {
  bson::Builder set;
  append_wish(set, role);
  return store_.update(kRoles, AppliedRecords::filter_of(as_read(role)), bson::make_document({{"$set", std::move(set).finish()}}));
}

Result<bool> CustomRoles::may_be_given(const std::string& group, const std::string& name) {
  const auto role = TRY(find(group, name));
  return role.has_value() && role->leaving.empty();
}

Result<CustomRoles::Removal> CustomRoles::remove(const std::string& group, const std::string& name) {
  const auto role = TRY(find(group, name));
  if (!role) return Removal{};
  const auto mark = new_id(runtime_);  // another one's look is not this one's
  const auto marked = bson::make_document({{"_id", role->id}, {"leaving", mark}});
  const auto set = [&](const std::string& to) { return bson::make_document({{"$set", bson::make_document({{"leaving", to}})}}); };
  TRY(store_.update(kRoles, bson::make_document({{"_id", role->id}}), set(mark)));
  auto used = TRY(users_of(group, name));
  if (!used.empty()) {
    TRY(store_.update(kRoles, marked, set("")));
    return Removal{true, std::move(used)};
  }
  if (TRY(applied_.mark_deleting(marked))) return Removal{true, {}};
  return fail(ErrorCode::kWrongState, fmt::format("the custom role {} is being changed; try again", name));
}

Status CustomRoles::take_back(const CustomRole& role) {
  TRY(applied_.mark_deleting(bson::make_document({{"_id", role.id}})));
  return {};
}

Result<std::vector<std::string>> CustomRoles::users_of(const std::string& group, const std::string& name) {
  std::vector<std::string> all;
  const auto having = [&](const char* list, const char* role, const char* database) {
    bson::Builder filter;
    filter.append_all(AppliedRecords::alive_in(group));
    filter.open_document(list).open_document("$elemMatch").append(role, name).append(database, kAdmin);
    return std::move(filter).finish();
  };
  for (const auto& document : TRY(store_.find(kUsers, having("roles", "roleName", "databaseName"), {1, kShown}))) all.push_back("the user " + text_of(document, "username"));
  for (const auto& document : TRY(store_.find(kRoles, having("inheritedRoles", "role", "db"), {1, kShown}))) all.push_back("the role " + text_of(document, "roleName"));
  return all;
}

Status CustomRoles::forget_project(const std::string& group) {
  TRY(store_.remove(kRoles, bson::make_document({{"groupId", group}})));
  return {};
}

Result<std::vector<CustomRole>> CustomRoles::deleting() { return roles_of(TRY(applied_.deleting())); }
Result<std::vector<CustomRole>> CustomRoles::not_applied(const std::string& group, const std::string& cluster) { return roles_of(TRY(applied_.not_applied(group, cluster))); }
Result<bool> CustomRoles::note_present(const CustomRole& role, const std::string& cluster) { return applied_.note_present(as_read(role), cluster); }
Result<bool> CustomRoles::note_applied(const CustomRole& role, const std::string& cluster) { return applied_.note_applied(as_read(role), cluster); }
Status CustomRoles::note_absent(const CustomRole& role, const std::string& cluster) { return applied_.note_absent(as_read(role), cluster); }
Status CustomRoles::apply_again(const CustomRole& role) { return applied_.apply_again(role.id); }
Status CustomRoles::forget(const CustomRole& role) { return applied_.forget(as_read(role)); }

Result<std::optional<CustomRole>> CustomRoles::by_id(const std::string& id) {
  const auto found = TRY(applied_.by_id(id));
  if (!found) return std::optional<CustomRole>();
  return std::optional(role_of(*found));
}

Status make_custom_role(cluster::Deployment& deployment, const CustomRole& role) {
  auto reply = deployment.run_command(kAdmin, role_command("createRole", role));
  if (!reply && reply.error().server_code == kRoleExists) reply = deployment.run_command(kAdmin, role_command("updateRole", role));
  if (!reply) return tl::unexpected(std::move(reply.error()).with_context(fmt::format("making the custom role {}", role.name)));
  return {};
}

Status drop_custom_role(cluster::Deployment& deployment, const CustomRole& role) {
  bson::Builder command;
  command.append("dropRole", role.name);
  command.open_document("writeConcern").append("w", "majority");
  const auto reply = deployment.run_command(kAdmin, std::move(command).finish());
  if (!reply && reply.error().server_code != kRoleNotFound) return tl::unexpected(Error(reply.error()).with_context(fmt::format("dropping the custom role {}", role.name)));
  return {};
}

}  // namespace drover::control
