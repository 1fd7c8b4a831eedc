// database-user: of a project at an Atlas site.
#include "remote/actions.h"
#include "remote/verb_tables.h"

namespace drover::remote {
namespace {

const std::vector<Column> kUsers{{"NAME", "username"}, {"ROLES", "roles.roleName"}, {"DATABASES", "roles.databaseName"}, {"CLUSTERS", "scopes.name"}, {"UNTIL", "deleteAfterDate"},
                                 {"DESCRIPTION", "description"}};

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
       .site = SiteRole::kAtlas, .needs = kProjectOwner, .method = "POST", .api = Api::kAtlas, .path = kAll,
       .arguments = {{.name = "NAME", .help = "How it logs in", .place = "body:username", .required = true},
                     {.name = "--role", .help = "ROLE or ROLE@DATABASE", .place = "", .kind = Kind::kTexts, .required = true},
                     password,
                     {.name = "--cluster", .help = "Only on this cluster (all of the project)", .place = "", .kind = Kind::kTexts},
                     {.name = "--description", .help = "What it is for", .place = "body:description"},
                     {.name = "--delete-after", .help = "When it ends by itself, in UTC: 2026-08-10T03:10:30Z", .place = "body:deleteAfterDate"}},
       .constants = {{"databaseName", "admin"}}, .finish = with_roles_and_scopes,
       .examples = {{"drover database-user create app --role readWrite@shop --password-file app.pw"},
                    {"drover database-user create report --role readAnyDatabase --cluster shop-atlas", "asks for the password"}}},
      {.group = "database-user", .name = "set-password", .summary = "Give a database user another password", .site = SiteRole::kAtlas, .needs = kProjectOwner, .method = "PATCH",
       .api = Api::kAtlas, .path = kOne, .arguments = {user, password}, .examples = {{"drover database-user set-password app --password-file app.pw"}}},
      {.group = "database-user", .name = "delete", .summary = "Delete a database user", .site = SiteRole::kAtlas, .needs = kProjectOwner, .method = "DELETE", .api = Api::kAtlas,
       .path = kOne, .arguments = {user}, .question = "Delete the database user {USER}?", .done = "The database user is deleted.",
       .examples = {{"drover database-user delete app --yes"}}},
  };
}

}  // namespace drover::remote
