// createRole, updateRole, dropRole, dropAllRolesFromDatabase, grant and revoke of privileges and roles, rolesInfo.
// Custom roles are documents of admin.system.roles.
#include <algorithm>

#include <fmt/core.h>

#include "bson/ejson.h"
#include "sandbox/auth/builtin_roles.h"
#include "sandbox/auth/connection_auth.h"
#include "sandbox/auth/internal_command.h"
#include "sandbox/commands/support.h"

namespace drover::sandbox::auth {

namespace {

constexpr int kBadValue = 2;
constexpr int kRoleNotFound = 31;
constexpr int kInvalidRoleModification = 49;
constexpr int kRoleExists = 51002;
constexpr int kIllegalOperation = 20;

UserDirectory& directory_of(CommandContext& context) { return auth_connection(context).auth.directory(); }
Resource database_resource(std::string db) { return {Resource::Kind::kDatabase, {std::move(db), ""}}; }

Result<RoleName> named_role(CommandContext& context) {
  const auto name = context.body.first().to_string_view();
  if (!name || name->empty()) return server_error(kBadValue, "Role name must be non-empty");
  return RoleName{std::string(*name), std::string(context.database)};
}

// The role that a command changes.
Result<bson::Document> existing(CommandContext& context, const RoleName& name) {
  if (builtin_role(name.role, name.db, context.settings().version)) {
    return server_error(kInvalidRoleModification, fmt::format("{}@{} is a built-in role and cannot be modified.", name.role, name.db));
  }
  auto document = TRY(directory_of(context).custom_role(name));
  if (!document && !context.settings().at_least(5, 0)) return server_error(kRoleNotFound, fmt::format("No role named {}@{}", name.role, name.db));
  if (!document) return server_error(kRoleNotFound, fmt::format("Role {}@{} not found", name.role, name.db));
  return std::move(*document);
}

Status check_roles(CommandContext& context, const RoleName& target, const std::vector<RoleName>& roles) {
  const bool since_50 = context.settings().at_least(5, 0);
  for (const auto& role : roles) TRY(context.authorize("grantRole", database_resource(role.db)));
  for (const auto& role : roles) {
    if (role == target) return server_error(kInvalidRoleModification, fmt::format("Cannot grant role {}@{} to itself.", role.role, role.db));
    if (target.db != "admin" && role.db != target.db) {
      return server_error(kInvalidRoleModification,
                          fmt::format("Roles on the '{}' database cannot be granted roles from other databases", target.db));
    }
    if (!TRY(directory_of(context).role_exists(role))) {
      return server_error(kRoleNotFound, fmt::format("{}{}@{}", since_50 ? "Could not find role: " : "Cannot grant nonexistent role ", role.role, role.db));
    }
    for (const auto& inherited : TRY(directory_of(context).expand({role}))) {
      if (inherited != target) continue;
      return server_error(kInvalidRoleModification, fmt::format("Granting {}@{} to {}@{} would introduce a cycle in the role graph{}",
                                                               role.role, role.db, target.role, target.db, since_50 ? "" : "."));
    }
  }
  return {};
}

// Granting (or revoking) privileges needs grantRole (revokeRole) where they apply.
Status check_privileges(CommandContext& context, const PrivilegeSet& privileges, std::string_view action = "grantRole") {
  for (const auto& [pattern, actions] : privileges.entries()) {
    const auto db = pattern.db.empty() ? std::string("admin") : pattern.db;
    TRY(context.authorize(action, database_resource(db)));
  }
  return {};
}

Result<bson::Document> store_field(CommandContext& context, const RoleName& name, bson::View fields, bson::View without = {}) {
  bson::Builder command;
  command.append("update", "system.roles");
  {
    auto updates = command.open_array("updates");
    auto one = updates.open_document();
    one.open_document("q").append("_id", name.id());
    auto update = one.open_document("u");
    if (!fields.empty()) update.append("$set", fields);
    if (!without.empty()) update.append("$unset", without);
  }
  TRY(run_internal(context.services, "admin", std::move(command).finish()));
  directory_of(context).changed();
  return bson::Document();
}

Status check_role_fields(const CommandContext& context) { return check_arguments(context, {"privileges", "roles", "authenticationRestrictions"}); }

// A role that is not admin's is about its own database.
Status check_targets(const RoleName& role, const PrivilegeSet& privileges) {
  if (role.db == "admin") return {};
  for (const auto& [pattern, actions] : privileges.entries()) {
    if (pattern.db == role.db) continue;
    return server_error(kInvalidRoleModification,
                        fmt::format("Roles on the '{}' database cannot be granted privileges that target other databases or the cluster", role.db));
  }
  return {};
}

Result<bson::Document> create_role(CommandContext& context) {
  const auto name = TRY(named_role(context));
  TRY(context.authorize("createRole", database_resource(name.db)));
  TRY(check_role_fields(context));
  TRY(check_type(context, "privileges", bson::Type::kArray));
  TRY(check_type(context, "roles", bson::Type::kArray));
  const auto privileges_field = context.body["privileges"].to_array();
  const auto roles_field = context.body["roles"].to_array();
  if (name.db == "local") return server_error(kBadValue, "Cannot create roles in the local database");
  if (name.db == "$external") return server_error(kBadValue, "Cannot create roles in the $external database");
  if (builtin_role(name.role, name.db, context.settings().version)) {
    return server_error(kBadValue, "Cannot create roles with the same name as a built-in role");
  }
  if (!roles_field) return missing_array(context, "roles");
  if (!privileges_field) return missing_array(context, "privileges");
  const auto privileges = TRY(PrivilegeSet::parse(*privileges_field));
  TRY(check_privileges(context, privileges));
  const auto roles = TRY(parse_roles(*roles_field, name.db, context.settings().version));
  TRY(check_roles(context, name, roles));
  TRY(check_targets(name, privileges));
  const auto restrictions = TRY(given_restrictions(context, name.db));
  bson::Builder role;
  role.append("_id", name.id()).append("role", name.role).append("db", name.db).append("privileges", bson::ArrayView{privileges.to_bson()});
  role.append("roles", bson::ArrayView{roles_array(roles)});
  if (restrictions && !restrictions->empty()) role.append("authenticationRestrictions", bson::ArrayView{*restrictions});
  const bson::Document documents[] = {std::move(role).finish()};
  auto inserted = run_internal(context.services, "admin",
                               bson::make_document({{"insert", "system.roles"}, {"documents", bson::ArrayView{bson::make_array(documents)}}}));
  if (!inserted && inserted.error().server_code == 11000) {
    return server_error(kRoleExists, fmt::format("Role \"{}@{}\" already exists", name.role, name.db));
  }
  TRY(std::move(inserted));
  directory_of(context).changed();
  return bson::Document();
}

Result<bson::Document> update_role(CommandContext& context) {
  const auto name = TRY(named_role(context));
  // Nobody knows what is being taken away: that needs the right to take anything.
  TRY(context.authorize("revokeRole", {Resource::Kind::kAnyNormal, {}}));
  TRY(check_role_fields(context));
  TRY(check_type(context, "privileges", bson::Type::kArray));
  TRY(check_type(context, "roles", bson::Type::kArray));
  if (!context.body["privileges"] && !context.body["roles"] && !context.body["authenticationRestrictions"]) return server_error(kBadValue, "Must specify at least one field to update in updateRole");
  TRY(existing(context, name));
  bson::Builder fields;
  if (const auto field = context.body["privileges"].to_array()) {
    const auto privileges = TRY(PrivilegeSet::parse(*field));
    TRY(check_privileges(context, privileges));
    TRY(check_targets(name, privileges));
    fields.append("privileges", bson::ArrayView{privileges.to_bson()});
  }
  if (const auto field = context.body["roles"].to_array()) {
    const auto roles = TRY(parse_roles(*field, name.db, context.settings().version));
    TRY(check_roles(context, name, roles));
    fields.append("roles", bson::ArrayView{roles_array(roles)});
  }
  bson::Builder without;
  if (const auto restrictions = TRY(given_restrictions(context, name.db))) {
    if (restrictions->empty()) without.append("authenticationRestrictions", "");
    else fields.append("authenticationRestrictions", bson::ArrayView{*restrictions});
  }
  return store_field(context, name, std::move(fields).finish(), std::move(without).finish());
}

Result<bson::Document> change_privileges(CommandContext& context, bool grant) {
  const auto name = TRY(named_role(context));
  TRY(check_arguments(context, {"privileges"}));
  const auto change = TRY(PrivilegeSet::parse(TRY(needed_array(context, "privileges"))));
  TRY(check_privileges(context, change, grant ? "grantRole" : "revokeRole"));
  if (grant) TRY(check_targets(name, change));
  const auto document = TRY(existing(context, name));
  const auto stored = document["privileges"].to_array();
  auto privileges = stored ? TRY(PrivilegeSet::parse(*stored)) : PrivilegeSet();
  for (const auto& [pattern, actions] : change.entries()) {
    for (const auto& action : actions) {
      if (grant) {
        privileges.add(pattern, action);
      } else {
        privileges.remove(pattern, action);
      }
    }
  }
  return store_field(context, name, bson::make_document({{"privileges", bson::ArrayView{privileges.to_bson()}}}));
}
Result<bson::Document> grant_privileges(CommandContext& context) { return change_privileges(context, true); }
Result<bson::Document> revoke_privileges(CommandContext& context) { return change_privileges(context, false); }

Result<bson::Document> change_roles(CommandContext& context, bool grant) {
  const auto name = TRY(named_role(context));
  TRY(check_arguments(context, {"roles"}));
  const auto change = TRY(parse_roles(TRY(needed_array(context, "roles")), name.db, context.settings().version));
  if (grant) {
    TRY(check_roles(context, name, change));
  } else {
    for (const auto& role : change) TRY(context.authorize("revokeRole", database_resource(role.db)));
  }
  const auto document = TRY(existing(context, name));  // last: who may not is not told what is there
  const auto stored = document["roles"].to_array();
  auto roles = stored ? TRY(parse_roles(*stored, name.db)) : std::vector<RoleName>();
  for (const auto& role : change) {
    const bool has = std::find(roles.begin(), roles.end(), role) != roles.end();
    if (!grant) std::erase(roles, role);
    else if (!has) roles.push_back(role);
  }
  return store_field(context, name, bson::make_document({{"roles", bson::ArrayView{roles_array(roles)}}}));
}
Result<bson::Document> grant_roles(CommandContext& context) { return change_roles(context, true); }
Result<bson::Document> revoke_roles(CommandContext& context) { return change_roles(context, false); }

Result<std::int64_t> delete_roles(CommandContext& context, bson::View filter) {
  bson::Builder command;
  command.append("delete", "system.roles");
  {
    auto deletes = command.open_array("deletes");
    deletes.open_document().append("q", filter).append("limit", 0);
  }
  const auto reply = TRY(run_internal(context.services, "admin", std::move(command).finish()));
  return reply["n"].to_int64().value_or(0);
}

// Takes roles that are gone from whoever was granted them.
Status pull_everywhere(CommandContext& context, bson::View match) {
  for (const char* collection : {"system.users", "system.roles"}) {
    bson::Builder command;
    command.append("update", collection);
    {
      auto updates = command.open_array("updates");
      auto one = updates.open_document();
      one.append("q", bson::Document());
      one.open_document("u").open_document("$pull").append("roles", match);
      one.append("multi", true);
    }
    TRY(run_internal(context.services, "admin", std::move(command).finish()));
  }
  directory_of(context).changed();
  return {};
}

Result<bson::Document> drop_role(CommandContext& context) {
  const auto name = TRY(named_role(context));
  TRY(context.authorize("dropRole", database_resource(name.db)));
  TRY(existing(context, name));
  TRY(delete_roles(context, bson::make_document({{"_id", name.id()}})));
  TRY(pull_everywhere(context, bson::make_document({{"role", name.role}, {"db", name.db}})));
  return bson::Document();
}

Result<bson::Document> drop_all_roles(CommandContext& context) {
  TRY(context.authorize("dropRole", database_resource(std::string(context.database))));
  const auto filter = bson::make_document({{"db", context.database}});
  const auto custom = TRY(find_internal(context.services, "admin", "system.roles", filter));
  const auto count = TRY(delete_roles(context, filter));
  for (const auto& role : custom) {
    TRY(pull_everywhere(context, bson::make_document({{"role", role["role"].to_string_view().value_or("")}, {"db", context.database}})));
  }
  directory_of(context).changed();
  if (!context.settings().at_least(5, 0)) return bson::make_document({{"n", count}});
  return bson::make_document({{"n", static_cast<std::int32_t>(count)}});
}

Status describe_role(CommandContext& context, bson::ArrayBuilder& out, const RoleName& name) {
  auto& directory = directory_of(context);
  const auto builtin = builtin_role(name.role, name.db, context.settings().version);
  const auto document = builtin ? std::nullopt : TRY(directory.custom_role(name));
  if (!builtin && !document) return {};
  std::vector<RoleName> direct;
  if (document) {
    if (const auto stored = (*document)["roles"].to_array()) direct = TRY(parse_roles(*stored, name.db));
  }
  const bool since_50 = context.settings().at_least(5, 0);  // since when a role is shown as it is stored
  const bool privileges = context.body["showPrivileges"].is_truthy();
  auto role = out.open_document();
  const auto append_privileges = [&] {
    if (!privileges) return;
    if (document) {
      role.append("privileges", (*document)["privileges"]);
    } else {
      role.append("privileges", bson::ArrayView{builtin->to_bson()});
    }
  };
  if (document && since_50) role.append("_id", name.id());
  role.append("role", name.role).append("db", name.db);
  if (since_50) append_privileges();
  else role.append("isBuiltin", builtin.has_value());
  role.append("roles", bson::ArrayView{roles_array(direct)});
  const bool restrictions = context.body["showAuthenticationRestrictions"].is_truthy();
  const auto own = document ? (*document)["authenticationRestrictions"].to_array() : std::nullopt;
  if (restrictions) append_restrictions(role, "authenticationRestrictions", own ? std::vector{bson::Document(*own)} : std::vector<bson::Document>());
  role.append("inheritedRoles", bson::ArrayView{roles_array(TRY(directory.expand(direct)))});
  if (!since_50) append_privileges();
  if (privileges) role.append("inheritedPrivileges", bson::ArrayView{TRY(directory.privileges_of({name})).to_bson()});
  if (restrictions) append_restrictions(role, "inheritedAuthenticationRestrictions", TRY(directory.restrictions_of({name})));
  if (since_50) role.append("isBuiltin", builtin.has_value());
  return {};
}

// Everybody may look at the roles it has.
bool has_role(CommandContext& context, const RoleName& name) {
  const auto& users = auth_connection(context).auth.authenticated();
  return std::any_of(users.begin(), users.end(), [&](const ResolvedUserPtr& user) {
    return std::find(user->all_roles.begin(), user->all_roles.end(), name) != user->all_roles.end();
  });
}

// What a user would be who had these roles.
Result<bson::Document> user_fragment(CommandContext& context, const std::vector<RoleName>& roles) {
  auto& directory = directory_of(context);
  bson::Builder fragment;
  fragment.append("roles", bson::ArrayView{roles_array(roles)});
  fragment.append("inheritedRoles", bson::ArrayView{roles_array(TRY(directory.expand(roles)))});
  fragment.append("inheritedPrivileges", bson::ArrayView{TRY(directory.privileges_of(roles)).to_bson()});
  if (context.body["showAuthenticationRestrictions"].is_truthy()) {
    append_restrictions(fragment, "inheritedAuthenticationRestrictions", TRY(directory.restrictions_of(roles)));
  }
  return bson::make_document({{"userFragment", std::move(fragment).finish()}});
}

Result<bson::Document> roles_info(CommandContext& context) {
  const auto wanted = context.body.first();
  std::vector<RoleName> names;
  const auto shown = context.body["showPrivileges"];
  const bool as_fragment = shown.to_string_view() == "asUserFragment";
  if (shown && !as_fragment && !shown.is_number() && shown.type() != bson::Type::kBool) {
    return server_error(9, fmt::format("Failed to parse 'showPrivileges'. 'showPrivileges' should either be a boolean or the string 'asUserFragment', given: "
                                       "showPrivileges: {}", bson::to_shell(shown)));
  }
  if (wanted.is_number() && wanted.to_int64() == 1) {
    if (as_fragment) return server_error(kIllegalOperation, "Cannot get user fragment for all roles in a database");
    TRY(context.authorize("viewRole", database_resource(std::string(context.database))));
    for (const auto& role : TRY(find_internal(context.services, "admin", "system.roles", bson::make_document({{"db", context.database}})))) {
      names.push_back({std::string(role["role"].to_string_view().value_or("")), std::string(context.database)});
    }
    if (context.body["showBuiltinRoles"].is_truthy()) {
      for (auto& name : builtin_role_names(context.database)) names.push_back({std::move(name), std::string(context.database)});
    }
    std::sort(names.begin(), names.end());
  } else {
    bson::ArrayBuilder single;
    if (!wanted.is_array()) single.append(wanted);
    const auto array = std::move(single).finish();
    names = TRY(parse_roles(wanted.is_array() ? wanted.document_value() : array.view(), context.database, context.settings().version));
    for (const auto& name : names) {
      if (!has_role(context, name)) TRY(context.authorize("viewRole", database_resource(name.db)));
    }
  }
  if (as_fragment) return user_fragment(context, names);
  bson::Builder out;
  auto roles = out.open_array("roles");
  for (const auto& name : names) TRY(describe_role(context, roles, name));
  roles.close();
  return std::move(out).finish();
}

}  // namespace

void add_role_commands(CommandTable& table) {
  constexpr auto kCustom = ResourceKind::kCustom;
  static constexpr Command kRows[] = {
      {.name = "createRole", .flags = kWrite, .resource = kCustom, .handler = create_role, .help = "adds a role"},
      {.name = "updateRole", .flags = kWrite, .resource = kCustom, .handler = update_role, .help = "changes a role"},
      {.name = "dropRole", .flags = kWrite, .resource = kCustom, .handler = drop_role, .help = "removes a role"},
      {.name = "dropAllRolesFromDatabase", .flags = kWrite, .resource = kCustom, .handler = drop_all_roles,
       .help = "removes all roles of a database"},
      {.name = "grantPrivilegesToRole", .flags = kWrite, .resource = kCustom, .handler = grant_privileges,
       .help = "gives a role privileges"},
      {.name = "revokePrivilegesFromRole", .flags = kWrite, .resource = kCustom, .handler = revoke_privileges,
       .help = "takes privileges from a role"},
      {.name = "grantRolesToRole", .flags = kWrite, .resource = kCustom, .handler = grant_roles, .help = "gives a role roles"},
      {.name = "revokeRolesFromRole", .flags = kWrite, .resource = kCustom, .handler = revoke_roles,
       .help = "takes roles from a role"},
      {.name = "rolesInfo", .resource = kCustom, .handler = roles_info, .help = "describes roles"},
  };
  table.add(kRows);
}

}  // namespace drover::sandbox::auth
