// database-user, database-role: of a project at an Atlas site.
#include "remote/actions.h"
#include "remote/verb_tables.h"

namespace drover::remote {
namespace {

const std::vector<Column> kUsers{{"NAME", "username"}, {"ROLES", "roles.roleName"}, {"DATABASES", "roles.databaseName"}, {"CLUSTERS", "scopes.name"}, {"UNTIL", "deleteAfterDate"},
                                 {"DESCRIPTION", "description"}};

const std::vector<Column> kRoles{{"NAME", "roleName"}, {"ACTIONS", "actions.action"}, {"INHERITS", "inheritedRoles.role"}, {"DATABASES", "inheritedRoles.db"}};

constexpr std::string_view kAllRoles = "/groups/{groupId}/customDBRoles/roles";
constexpr std::string_view kOneRole = "/groups/{groupId}/customDBRoles/roles/{roleName}";
constexpr std::string_view kAll = "/groups/{groupId}/databaseUsers";
constexpr std::string_view kOne = "/groups/{groupId}/databaseUsers/admin/{username}";

}  // namespace

std::vector<Verb> database_user_verbs() {
  const Argument user{.name = "USER", .help = "The user's name", .place = "path:username", .required = true, .thing = Thing::kDatabaseUser};
  const Argument password{.name = "--password-file", .help = "the user's password", .place = "body:password", .kind = Kind::kSecretFile, .asked = true};
  return {
      {.group = "database-user", .name = "list", .summary = "Database users of a project", .site = SiteRole::kAtlas, .api = Api::kAtlas, .path = kAll, .shape = Shape::kList,
       .columns = kUsers, .done = "No database users.", .examples = {{"drover database-user list"}}},
      {.group = "database-user", .name = "show", .summary = "One database user, without its password", .site = SiteRole::kAtlas, .api = Api::kAtlas, .path = kOne, .arguments = {user},
       .examples = {{"drover database-user show app"}}},
      {.group = "database-user", .name = "create", .summary = "Make a database user",
       .about = "Roles are Atlas's: atlasAdmin, readWriteAnyDatabase, readAnyDatabase, dbAdminAnyDatabase, clusterMonitor, backup, enableSharding; and of one database, behind an "
                "@, readWrite, read, dbAdmin. On the site's own clusters the user is there within seconds; of registered clusters it is a record.",
       .site = SiteRole::kAtlas, .needs = kDatabaseUserAdmin, .method = "POST", .api = Api::kAtlas, .path = kAll,
       .arguments = {{.name = "NAME", .help = "How it logs in", .place = "body:username", .required = true},
                     {.name = "--role", .help = "ROLE or ROLE@DATABASE", .place = "", .kind = Kind::kTexts, .required = true},
                     password,
                     {.name = "--cluster", .help = "Only on this cluster (all of the project)", .place = "", .kind = Kind::kTexts},
                     {.name = "--description", .help = "What it is for", .place = "body:description"},
                     {.name = "--delete-after", .help = "When it ends by itself, in UTC: 2026-08-10T03:10:30Z", .place = "body:deleteAfterDate"}},
       .constants = {{"databaseName", "admin"}}, .finish = with_roles_and_scopes,
       .examples = {{"drover database-user create app --role readWrite@shop --password-file app.pw"},
                    {"drover database-user create report --role readAnyDatabase --cluster shop-atlas", "asks for the password"}}},
      {.group = "database-user", .name = "set-password", .summary = "Give a database user another password", .site = SiteRole::kAtlas, .needs = kDatabaseUserAdmin, .method = "PATCH",
       .api = Api::kAtlas, .path = kOne, .arguments = {user, password}, .examples = {{"drover database-user set-password app --password-file app.pw"}}},
      {.group = "database-user", .name = "delete", .summary = "Delete a database user", .site = SiteRole::kAtlas, .needs = kDatabaseUserAdmin, .method = "DELETE", .api = Api::kAtlas,
       .path = kOne, .arguments = {user}, .question = "Delete the database user {USER}?", .done = "The database user is deleted.",
       .examples = {{"drover database-user delete app --yes"}}},
  };
}

std::vector<Verb> database_role_verbs() {
  const Argument role{.name = "ROLE", .help = "The role's name", .place = "path:roleName", .required = true};
  const Argument action{.name = "--action", .help = "ACTION of the cluster, ACTION@DATABASE or ACTION@DATABASE.COLLECTION, as FIND@shop.orders", .place = "", .kind = Kind::kTexts};
  const Argument inherits{.name = "--inherit", .help = "ROLE or ROLE@DATABASE", .place = "", .kind = Kind::kTexts};
  return {
      {.group = "database-role", .name = "list", .summary = "Custom database roles of a project", .site = SiteRole::kAtlas, .api = Api::kAtlas, .path = kAllRoles, .shape = Shape::kList,
       .columns = kRoles, .done = "No custom database roles.", .examples = {{"drover database-role list"}}},
      {.group = "database-role", .name = "show", .summary = "One custom database role", .site = SiteRole::kAtlas, .api = Api::kAtlas, .path = kOneRole, .arguments = {role},
       .examples = {{"drover database-role show auditor"}}},
      {.group = "database-role", .name = "create", .summary = "Make a custom database role", .about = "Actions are Atlas's: FIND, INSERT, COLL_STATS, … A role has actions, or inherits other roles, or both.",
       .site = SiteRole::kAtlas, .needs = kDatabaseUserAdmin, .method = "POST", .api = Api::kAtlas, .path = kAllRoles,
       .arguments = {{.name = "NAME", .help = "Its name", .place = "body:roleName", .required = true}, action, inherits}, .finish = with_actions_and_roles,
       .examples = {{"drover database-role create auditor --action FIND@shop --action COLL_STATS@shop.orders --inherit read@books"}}},
      {.group = "database-role", .name = "set", .summary = "Give a custom database role other actions, or other roles to inherit",
       .about = "What is not named stays as it is: without --action its actions, without --inherit what it inherits.", .site = SiteRole::kAtlas, .needs = kDatabaseUserAdmin, .method = "PATCH",
       .api = Api::kAtlas, .path = kOneRole, .arguments = {role, action, inherits}, .finish = with_actions_and_roles, .examples = {{"drover database-role set auditor --action FIND@shop"}}},
      {.group = "database-role", .name = "delete", .summary = "Delete a custom database role", .about = "One that a user or another role has is refused.", .site = SiteRole::kAtlas,
       .needs = kDatabaseUserAdmin, .method = "DELETE", .api = Api::kAtlas, .path = kOneRole, .arguments = {role}, .question = "Delete the custom database role {ROLE}?",
       .done = "The custom database role is deleted.", .examples = {{"drover database-role delete auditor --yes"}}},
  };
}

}  // namespace drover::remote
