// org, project, key, service-account, agent-key.
#include "remote/actions.h"
#include "remote/verb_tables.h"

namespace drover::remote {
namespace {

constexpr std::int64_t kMinSecretHours = 8, kMaxSecretHours = 365 * 24, kSecretHours = 90 * 24;

const std::vector<Column> kOrgs{{"ID", "id"}, {"NAME", "name"}};
const std::vector<Column> kProjects{{"ID", "id"}, {"NAME", "name"}, {"ORGANIZATION", "orgId"}};
const std::vector<Column> kKeys{{"ID", "id"}, {"PUBLIC KEY", "publicKey"}, {"DESCRIPTION", "desc"}, {"ROLES", "roles.roleName"}};
const std::vector<Column> kAccounts{{"CLIENT ID", "clientId"}, {"NAME", "name"}, {"ROLES", "roles"}, {"SECRETS EXPIRE", "secrets.expiresAt"}};
const std::vector<Column> kAgentKeys{{"ID", "_id"}, {"KEY", "key"}, {"DESCRIPTION", "desc"}, {"CREATED", "createdTime", Format::kMillis}};
const std::vector<Column> kAddresses{{"ADDRESS", "cidrBlock"}};

Argument secret_hours() {
  return {.name = "--secret-hours", .help = "Hours that the secret is good for", .place = "body:secretExpiresAfterHours", .kind = Kind::kNumber, .low = kMinSecretHours,
          .high = kMaxSecretHours, .otherwise = kSecretHours};
}

std::vector<Verb> org_verbs() {
  return {
      {.group = "org", .name = "list", .summary = "Organizations that the key sees", .path = "/orgs", .shape = Shape::kList, .columns = kOrgs, .done = "No organizations.",
       .examples = {{"drover org list --site http://127.0.0.1:8080 --credentials shop.json"}}},
      {.group = "org", .name = "show", .summary = "One organization", .path = "/orgs/{orgId}",
       .arguments = {{.name = "ORG", .help = "Id or name; the only one when it is left out", .place = "path:orgId", .thing = Thing::kOrg}},
       .examples = {{"drover org show Shop"}}},
      {.group = "org", .name = "create", .summary = "Make an organization, with an API key of its owner",
       .about = "The key that asks must own an organization of the site. The very first organization of a site is made on its machine: drover server --data DIR --create-organization NAME.",
       .needs = kOrgOwner, .method = "POST", .path = "/orgs",
       .arguments = {{.name = "NAME", .help = "Its name", .place = "body:name", .required = true}},
       .constants = {{"apiKey.desc", "first owner"}, {"apiKey.roles.0", "ORG_OWNER"}}, .shown_once = "apiKey.privateKey", .credentials = true,
       .examples = {{"drover org create Books --out books.json", "books.json is the new owner's file for --credentials"}}},
      {.group = "org", .name = "rename", .summary = "Give an organization another name", .needs = kOrgOwner, .method = "PATCH", .path = "/orgs/{orgId}",
       .arguments = {{.name = "ORG", .help = "Id or name", .place = "path:orgId", .required = true, .thing = Thing::kOrg}, {.name = "NAME", .help = "Its new name", .place = "body:name", .required = true}},
       .examples = {{"drover org rename Shop Books"}}},
      {.group = "org", .name = "delete", .summary = "Delete an organization, and all its keys with it",
       .about = "One with projects, or that is connected to Atlas, is refused. The key that asks goes as well, if it is of this organization.", .needs = kOrgOwner, .method = "DELETE",
       .path = "/orgs/{orgId}", .arguments = {{.name = "ORG", .help = "Id or name", .place = "path:orgId", .required = true, .thing = Thing::kOrg}},
       .question = "Delete the organization {ORG} and all its keys?", .done = "The organization is deleted.", .examples = {{"drover org delete Books --yes"}}},
  };
}

std::vector<Verb> project_verbs() {
  const Argument project{.name = "PROJECT", .help = "Id or name", .place = "path:groupId", .required = true, .thing = Thing::kProject};
  return {
      {.group = "project", .name = "list", .summary = "Projects of an organization", .path = "/orgs/{orgId}/groups", .shape = Shape::kList, .columns = kProjects, .done = "No projects.",
       .examples = {{"drover project list"}}},
      {.group = "project", .name = "show", .summary = "One project", .path = "/groups/{groupId}", .arguments = {project}, .examples = {{"drover project show \"Shop (prod)\""}}},
      {.group = "project", .name = "create", .summary = "Make a project", .needs = "Organization Owner or Organization Project Creator", .method = "POST", .path = "/groups", .org_flag = true,
       .arguments = {{.name = "NAME", .help = "Its name", .place = "body:name", .required = true}}, .action = create_project,
       .examples = {{"drover project create \"Shop (prod)\""}}},
      {.group = "project", .name = "rename", .summary = "Give a project another name", .needs = kProjectOwner, .method = "PATCH", .path = "/groups/{groupId}",
       .arguments = {project, {.name = "NAME", .help = "Its new name", .place = "body:name", .required = true}}, .examples = {{"drover project rename Shop \"Shop (prod)\""}}},
      {.group = "project", .name = "settings", .summary = "Settings of a project", .path = "/groups/{groupId}/settings", .arguments = {project},
       .examples = {{"drover project settings \"Shop (prod)\""}}},
      {.group = "project", .name = "set", .summary = "Change settings of a project",
       .about = "Agents ask deployments for the sizes of their databases unless that is off; without them a validation fails.", .needs = kProjectOwner, .method = "PATCH",
       .path = "/groups/{groupId}/settings",
       .arguments = {project, {.name = "--collect-database-statistics", .help = "Whether agents ask for the sizes of databases", .place = "", .required = true, .choices = {"on", "off"}}},
       .finish = with_settings, .examples = {{"drover project set \"Shop (prod)\" --collect-database-statistics on"}}},
      {.group = "project", .name = "delete", .summary = "Delete a project", .about = "A project with clusters is refused.", .needs = kProjectOwner, .method = "DELETE",
       .path = "/groups/{groupId}", .arguments = {project}, .question = "Delete the project {PROJECT}?", .done = "The project is deleted.",
       .examples = {{"drover project delete \"Shop (old)\" --yes"}}},
  };
}

std::vector<Verb> key_verbs() {
  const Argument key{.name = "KEY", .help = "Id, public key, or description", .place = "path:apiUserId", .required = true, .thing = Thing::kKey};
  const Argument address{.name = "ADDRESS", .help = "An IP address, or a range in CIDR notation", .place = "body:", .kind = Kind::kAddress, .required = true};
  return {
      {.group = "key", .name = "list", .summary = "API keys of an organization", .path = "/orgs/{orgId}/apiKeys", .shape = Shape::kList, .columns = kKeys, .done = "No API keys.", .examples = {{"drover key list"}}},
      {.group = "key", .name = "show", .summary = "One API key, without its private key", .path = "/orgs/{orgId}/apiKeys/{apiUserId}", .arguments = {key},
       .examples = {{"drover key show abcdefgh"}}},
      {.group = "key", .name = "create", .summary = "Make an API key",
       .about = "Roles of an organization: ORG_OWNER, ORG_MEMBER, ORG_GROUP_CREATOR, ORG_BILLING_ADMIN, ORG_BILLING_READ_ONLY, ORG_READ_ONLY.", .needs = kOrgOwner, .method = "POST",
       .path = "/orgs/{orgId}/apiKeys",
       .arguments = {{.name = "--description", .help = "What it is for", .place = "body:desc", .required = true},
                     {.name = "--role", .help = "A role of the organization", .place = "body:roles", .kind = Kind::kTexts, .required = true}},
       .shown_once = "privateKey", .credentials = true,
       .examples = {{"drover key create --description \"read only\" --role ORG_READ_ONLY --out reader.json", "reader.json is a file for --credentials"}}},
      {.group = "key", .name = "delete", .summary = "Delete an API key", .about = "An organization's last owner's key is refused.", .needs = kOrgOwner, .method = "DELETE",
       .path = "/orgs/{orgId}/apiKeys/{apiUserId}", .arguments = {key}, .question = "Delete the API key {KEY}?", .done = "The API key is deleted.",
       .examples = {{"drover key delete abcdefgh --yes"}}},
      {.group = "key", .name = "access-list", .summary = "Addresses from which a key may be used; none: from everywhere", .path = "/orgs/{orgId}/apiKeys/{apiUserId}/accessList",
       .arguments = {key}, .shape = Shape::kList, .columns = kAddresses, .done = "No entries: the key may be used from any address.", .examples = {{"drover key access-list abcdefgh"}}},
      {.group = "key", .name = "allow", .summary = "Let a key be used from an address", .needs = kOrgOwner, .method = "POST", .path = "/orgs/{orgId}/apiKeys/{apiUserId}/accessList",
       .arguments = {key, address}, .shape = Shape::kList, .columns = kAddresses, .array_body = true, .examples = {{"drover key allow abcdefgh 10.0.0.0/24"}}},
      {.group = "key", .name = "disallow", .summary = "Take an address from a key's list", .needs = kOrgOwner, .method = "DELETE",
       .path = "/orgs/{orgId}/apiKeys/{apiUserId}/accessList/{ipAddress}",
       .arguments = {key, {.name = "ADDRESS", .help = "As `drover key access-list` shows it", .place = "path:ipAddress", .required = true}},
       .done = "The address is taken from the list.", .examples = {{"drover key disallow abcdefgh 10.0.0.0/24"}}},
  };
}

std::vector<Verb> account_verbs() {
  const Argument account{.name = "ACCOUNT", .help = "Client id or name", .place = "path:clientId", .required = true, .thing = Thing::kAccount};
  const auto* all = "/orgs/{orgId}/serviceAccounts";
  const auto* one = "/orgs/{orgId}/serviceAccounts/{clientId}";
  const auto* in_project = "/groups/{groupId}/serviceAccounts";
  const Argument project_role{.name = "--role", .help = "A role of the project: GROUP_OWNER, GROUP_CLUSTER_MANAGER, GROUP_READ_ONLY, …", .place = "body:roles", .kind = Kind::kTexts, .required = true};
  return {
      {.group = "service-account", .name = "list", .summary = "Service accounts of an organization", .site = SiteRole::kAtlas, .api = Api::kAtlas, .path = all, .shape = Shape::kList,
       .columns = kAccounts, .done = "No service accounts.", .examples = {{"drover service-account list"}}},
      {.group = "service-account", .name = "show", .summary = "One service account, without its secrets", .site = SiteRole::kAtlas, .api = Api::kAtlas, .path = one,
       .arguments = {account}, .examples = {{"drover service-account show deploy"}}},
      {.group = "service-account", .name = "create", .summary = "Make a service account, with its first secret", .site = SiteRole::kAtlas, .needs = kOrgOwner, .method = "POST",
       .api = Api::kAtlas, .path = all,
       .arguments = {{.name = "NAME", .help = "Its name", .place = "body:name", .required = true},
                     {.name = "--description", .help = "What it is for", .place = "body:description", .required = true},
                     {.name = "--role", .help = "A role of the organization", .place = "body:roles", .kind = Kind::kTexts, .required = true}, secret_hours()},
       .shown_once = "secrets.0.secret", .credentials = true,
       .examples = {{"drover service-account create deploy --description CI --role ORG_OWNER --out deploy.json", "deploy.json is a file for --credentials"}}},
      {.group = "service-account", .name = "delete", .summary = "Delete a service account, and its tokens with it", .site = SiteRole::kAtlas, .needs = kOrgOwner, .method = "DELETE",
       .api = Api::kAtlas, .path = one, .arguments = {account}, .question = "Delete the service account {ACCOUNT}?", .done = "The service account is deleted.",
       .examples = {{"drover service-account delete deploy --yes"}}},
      {.group = "service-account", .name = "add-secret", .summary = "Give a service account another secret", .site = SiteRole::kAtlas, .needs = kOrgOwner, .method = "POST",
       .api = Api::kAtlas, .path = "/orgs/{orgId}/serviceAccounts/{clientId}/secrets", .arguments = {account, secret_hours()}, .shown_once = "secret",
       .examples = {{"drover service-account add-secret deploy --out secret.json"}}},
      {.group = "service-account", .name = "delete-secret", .summary = "End a secret of a service account", .site = SiteRole::kAtlas, .needs = kOrgOwner, .method = "DELETE",
       .api = Api::kAtlas, .path = "/orgs/{orgId}/serviceAccounts/{clientId}/secrets/{secretId}",
       .arguments = {account, {.name = "SECRET", .help = "Its id", .place = "path:secretId", .required = true}}, .question = "End the secret {SECRET} of {ACCOUNT}?",
       .done = "The secret is deleted.", .examples = {{"drover service-account delete-secret deploy 66dd00000000000000000001 --yes"}}},
      {.group = "service-account", .name = "list-in-project", .summary = "Service accounts with roles in a project", .site = SiteRole::kAtlas, .api = Api::kAtlas, .path = in_project,
       .shape = Shape::kList, .columns = kAccounts, .done = "No service accounts have roles in the project.", .examples = {{"drover service-account list-in-project --project Shop"}}},
      {.group = "service-account", .name = "create-in-project", .summary = "Make a service account with roles in a project", .site = SiteRole::kAtlas, .needs = kProjectUserAdmin,
       .method = "POST", .api = Api::kAtlas, .path = in_project, .org_flag = true,
       .arguments = {{.name = "NAME", .help = "Its name", .place = "body:name", .required = true},
                     {.name = "--description", .help = "What it is for", .place = "body:description", .required = true}, project_role, secret_hours()},
       .shown_once = "secrets.0.secret", .credentials = true,
       .examples = {{"drover service-account create-in-project deploy --description CI --role GROUP_CLUSTER_MANAGER --project Shop --out deploy.json"}}},
      {.group = "service-account", .name = "give", .summary = "Give a service account roles in a project, in place of those that it has there", .site = SiteRole::kAtlas,
       .needs = kProjectUserAdmin, .method = "POST", .api = Api::kAtlas, .path = "/groups/{groupId}/serviceAccounts/{clientId}:invite", .org_flag = true,
       .arguments = {account, project_role}, .examples = {{"drover service-account give deploy --role GROUP_CLUSTER_MANAGER --project Shop"}}},
      {.group = "service-account", .name = "take", .summary = "Take from a service account its roles in a project", .site = SiteRole::kAtlas, .needs = kProjectUserAdmin, .method = "DELETE",
       .api = Api::kAtlas, .path = "/groups/{groupId}/serviceAccounts/{clientId}", .org_flag = true, .arguments = {account},
       .question = "Take from the service account {ACCOUNT} its roles in the project?", .done = "The service account has no roles in the project any more.",
       .examples = {{"drover service-account take deploy --project Shop --yes"}}},
  };
}

std::vector<Verb> agent_key_verbs() {
  const auto* all = "/groups/{groupId}/agentapikeys";
  return {
      {.group = "agent-key", .name = "list", .summary = "Agent keys of a project", .site = SiteRole::kManager, .api = Api::kManager, .path = all, .shape = Shape::kList,
       .columns = kAgentKeys, .done = "No agent keys.", .examples = {{"drover agent-key list --project \"Shop (prod)\""}}},
      {.group = "agent-key", .name = "create", .summary = "Make an agent key", .site = SiteRole::kManager, .needs = kProjectOwner, .method = "POST", .api = Api::kManager, .path = all,
       .arguments = {{.name = "--description", .help = "What it is for", .place = "body:desc", .required = true}}, .shown_once = "key",
       .examples = {{"drover agent-key create --description monitoring"}}},
      {.group = "agent-key", .name = "delete", .summary = "Delete an agent key: its agents are locked out", .site = SiteRole::kManager, .needs = kProjectOwner, .method = "DELETE",
       .api = Api::kManager, .path = "/groups/{groupId}/agentapikeys/{keyId}",
       .arguments = {{.name = "KEY", .help = "Id or description", .place = "path:keyId", .required = true, .thing = Thing::kAgentKey},
                     {.name = "--force", .help = "Even while a migration needs its host: for a key that strangers have", .place = "query:force", .kind = Kind::kFlag}},
       .question = "Delete the agent key {KEY}?",
       .done = "The agent key is deleted.", .examples = {{"drover agent-key delete monitoring --yes"}}},
  };
}

}  // namespace

std::vector<Verb> identity_verbs() {
  std::vector<Verb> all;
  for (auto rows : {org_verbs(), project_verbs(), key_verbs(), account_verbs(), agent_key_verbs()})
    for (auto& verb : rows) all.push_back(std::move(verb));
  return all;
}

}  // namespace drover::remote
