// link: the first five at the Atlas site, the others at the manager site.
#include "remote/actions.h"
#include "remote/verb_tables.h"

namespace drover::remote {
namespace {

const std::vector<Column> kLinks{{"ID", "id"}, {"STATE", "state"}, {"CREATED", "created"}, {"LINKED ORGANIZATION", "linkedOrgName"}, {"LAST SYNC", "lastSyncAt"}, {"FROM", "accessListIps"}};
const std::vector<Column> kAvailable{{"PROJECT", "projectId"}, {"NAME", "name"}, {"DEPLOYMENTS", "deployments.name"}, {"VERSION", "deployments.mongoDBVersion"}, {"MIGRATION HOSTS", "migrationHosts"}};

constexpr std::string_view kManagerLink = "/orgs/{orgId}/liveExport/migrationLink";
constexpr std::string_view kTokens = "/orgs/{orgId}/liveMigrations/linkTokens";

}  // namespace

std::vector<Verb> link_verbs() {
  return {
      {.group = "link", .name = "create-token", .summary = "At the Atlas site: make a link-token",
       .about = "The token is shown once; it is good for 7 days and for one organization of one manager site. It carries this site's --public-url.", .site = SiteRole::kAtlas,
       .needs = kOrgOwner, .method = "POST", .api = Api::kAtlas, .path = kTokens,
       .arguments = {{.name = "--access-list-ip", .help = "An address or range that the manager site may call from (none: any)", .place = "body:accessListIps", .kind = Kind::kTexts}},
       .shown_once = "linkToken", .alone = true,
       .examples = {{"drover link create-token --out link-token"}, {"drover link create-token | ssh manager drover link connect", "no file at all"}}},
      {.group = "link", .name = "list", .summary = "At the Atlas site: tokens that wait, and links", .site = SiteRole::kAtlas, .needs = kOrgOwner, .api = Api::kExt,
       .path = "/orgs/{orgId}/liveMigrations/links", .shape = Shape::kList, .columns = kLinks, .done = "No link-tokens and no links.", .examples = {{"drover link list"}}},
      {.group = "link", .name = "revoke", .summary = "At the Atlas site: end all tokens and links of an organization", .about = "Refused while a migration of theirs is active.",
       .site = SiteRole::kAtlas, .needs = kOrgOwner, .method = "DELETE", .api = Api::kAtlas, .path = kTokens, .question = "End every link-token and link of the organization?",
       .done = "The organization has no link any more.", .examples = {{"drover link revoke --yes"}}},
      {.group = "link", .name = "delete", .summary = "At the Atlas site: end one link-token or link", .about = "Refused while a migration of it is active.", .site = SiteRole::kAtlas,
       .needs = kOrgOwner, .method = "DELETE", .api = Api::kExt, .path = "/orgs/{orgId}/liveMigrations/links/{linkId}",
       .arguments = {{.name = "LINK", .help = "Its id, of `drover link list`", .place = "path:linkId", .required = true}}, .question = "End the link {LINK}?", .done = "The link {LINK} is ended.",
       .examples = {{"drover link delete 66aa00000000000000000001 --yes"}}},
      {.group = "link", .name = "projects", .summary = "At the Atlas site: what the linked sites offer", .site = SiteRole::kAtlas, .needs = kOrgOwner, .api = Api::kAtlas,
       .path = "/orgs/{orgId}/liveMigrations/availableProjects", .shape = Shape::kList, .columns = kAvailable, .done = "No linked site offers a project.", .action = list_link_projects, .examples = {{"drover link projects"}}},
      {.group = "link", .name = "connect", .summary = "At the manager site: connect to Atlas with a link-token", .site = SiteRole::kManager, .needs = kOrgOwner, .method = "POST",
       .api = Api::kManager, .path = kManagerLink,
       .arguments = {{.name = "--token-file", .help = "File with the link-token; without it, it is read from standard input", .place = ""}}, .action = connect_link,
       .examples = {{"drover link connect --token-file link-token"}}},
      {.group = "link", .name = "status", .summary = "At the manager site: whether Atlas has its metadata, and why not", .site = SiteRole::kManager, .needs = kOrgOwner, .api = Api::kExt,
       .path = "/orgs/{orgId}/liveExport/migrationLink/status", .examples = {{"drover link status"}}},
      {.group = "link", .name = "refresh", .summary = "At the manager site: send the metadata now", .site = SiteRole::kManager, .needs = kOrgOwner, .method = "POST", .api = Api::kExt,
       .path = "/orgs/{orgId}/liveExport/migrationLink:refresh", .examples = {{"drover link refresh"}}},
      {.group = "link", .name = "disconnect", .summary = "At the manager site: end the link", .about = "Refused while a migration is active (exit code 4), and while the Atlas site does not answer (75).", .site = SiteRole::kManager,
       .needs = kOrgOwner, .method = "DELETE", .api = Api::kManager, .path = kManagerLink,
       .arguments = {{.name = "--force", .help = "Also when the Atlas site does not answer: only this half is removed then, and a migration's engine is left running", .place = "query:force", .kind = Kind::kFlag}},
       .question = "Disconnect the organization from Atlas?",
       .done = "The organization is not connected to Atlas any more.", .examples = {{"drover link disconnect --yes"}, {"drover link disconnect --force --yes", "the Atlas site is gone for good"}}},
  };
}

}  // namespace drover::remote
