// cluster, access-list: of a project at an Atlas site. event: at either.
#include "remote/actions.h"
#include "remote/verb_tables.h"

namespace drover::remote {
namespace {

const std::vector<Column> kClusters{{"ID", "id"}, {"NAME", "name"}, {"STATE", "stateName"}, {"VERSION", "mongoDBVersion"}, {"FCV", "featureCompatibilityVersion"}, {"TYPE", "clusterType"},
                                    {"TIER", "replicationSpecs.regionConfigs.electableSpecs.instanceSize"}};
const std::vector<Column> kEntries{{"ADDRESS", "cidrBlock"}, {"COMMENT", "comment"}, {"UNTIL", "deleteAfterDate"}};
const std::vector<Column> kEvents{{"ID", "id"}, {"CREATED", "created"}, {"EVENT", "eventTypeName"}, {"PROJECT", "groupId"}, {"BY", "publicKey|clientId"}, {"CLUSTER", "clusterName"}, {"HOST", "hostname"},
                                  {"WHAT", "detail|liveMigrationId|dbUserUsername|targetApiKeyId|targetPublicKey|accessListEntry|peerId|endpointId|endpointServiceId|containerId|secretId|hostId"}};

const Argument kTier{.name = "--tier", .help = "Its tier, a label that the rules of live migration read (M10)", .place = ""};

std::vector<Verb> cluster_verbs() {
  const Argument cluster{.name = "CLUSTER", .help = "Name or id", .place = "path:clusterName", .required = true, .thing = Thing::kCluster};
  const auto* all = "/groups/{groupId}/clusters";
  const auto* one = "/groups/{groupId}/clusters/{clusterName}";
  return {
      {.group = "cluster", .name = "register", .summary = "Make a deployment that is there a cluster of the project",
       .about = "The site connects to it, and keeps the connection string sealed. Its user must be able to make users and roles, for the temporary user of a migration.",
       .site = SiteRole::kAtlas, .needs = kProjectOwner, .method = "POST", .api = Api::kExt, .path = all,
       .arguments = {{.name = "NAME", .help = "What it is called here", .place = "body:name", .required = true},
                     {.name = "--connection-string", .help = "How the site reaches it", .place = "body:connectionString", .kind = Kind::kUri, .required = true},
                     {.name = "--type", .help = "What it is", .place = "body:clusterType", .choices = {"REPLICASET", "SHARDED", "GEOSHARDED"}},
                     {.name = "--provider", .help = "Where it runs: AWS, GCP, AZURE, SELF_MANAGED", .place = ""},
                     {.name = "--region", .help = "The provider's region", .place = ""}, kTier,
                     {.name = "--connection-strings-file", .help = "JSON of the API's \"connectionStrings\": how it is reached through private networks",
                      .place = "body:connectionStrings", .kind = Kind::kJsonFile}},
       .finish = with_replication_specs, .examples = {{"drover cluster register shop-atlas --connection-string @destination.uri"}}},
      {.group = "cluster", .name = "create", .summary = "Run a cluster on the site's machine, for rehearsals",
       .about = "An embedded server of one member with authorization. The site must run with --local-clusters.", .site = SiteRole::kAtlas, .needs = kProjectOwner, .method = "POST",
       .api = Api::kAtlas, .path = all,
       .arguments = {{.name = "NAME", .help = "What it is called", .place = "body:name", .required = true},
                     {.name = "--version", .help = "The server version that it behaves as (8.0)", .place = "body:mongoDBMajorVersion", .choices = {"4.4", "5.0", "6.0", "7.0", "8.0"}},
                     kTier,
                     {.name = "--wait", .help = "Wait until it is IDLE", .place = "", .kind = Kind::kFlag},
                     {.name = "--within", .help = "Seconds to wait at most; 0: without end", .place = "", .kind = Kind::kNumber, .low = 0, .high = 100'000'000, .otherwise = 120}},
       .finish = with_replication_specs, .action = create_cluster, .examples = {{"drover cluster create rehearsal --version 7.0 --wait"}}},
      {.group = "cluster", .name = "list", .summary = "Clusters of a project", .site = SiteRole::kAtlas, .api = Api::kAtlas, .path = all, .shape = Shape::kList, .columns = kClusters, .done = "No clusters.",
       .examples = {{"drover cluster list"}}},
      {.group = "cluster", .name = "show", .summary = "One cluster", .site = SiteRole::kAtlas, .api = Api::kAtlas, .path = one, .arguments = {cluster},
       .examples = {{"drover cluster show shop-atlas"}}},
      {.group = "cluster", .name = "set-private", .summary = "Say how a registered cluster is reached through private networks",
       .about = "The file holds an object: \"private\" for peering, \"privateEndpoint\" for private endpoints, connection strings without user and password.",
       .site = SiteRole::kAtlas, .needs = kProjectOwner, .method = "PATCH", .api = Api::kExt, .path = one,
       .arguments = {cluster, {.name = "--connection-strings-file", .help = "JSON of the API's \"connectionStrings\"", .place = "body:connectionStrings", .kind = Kind::kJsonFile, .required = true}},
       .examples = {{"drover cluster set-private shop-atlas --connection-strings-file private.json"}}},
      {.group = "cluster", .name = "delete", .summary = "Take a cluster from its project",
       .about = "A registered deployment is forgotten, and left alone. A cluster of the site's own machine ends with its data. Refused while a migration goes there.",
       .site = SiteRole::kAtlas, .needs = kProjectOwner, .method = "DELETE", .api = Api::kAtlas, .path = one, .arguments = {cluster}, .question = "Delete the cluster {CLUSTER}?",
       .done = "The cluster is deleted.", .examples = {{"drover cluster delete rehearsal --yes"}}},
  };
}

std::vector<Verb> access_list_verbs() {
  const auto* all = "/groups/{groupId}/accessList";
  return {
      {.group = "access-list", .name = "list", .summary = "Entries of a project", .site = SiteRole::kAtlas, .api = Api::kAtlas, .path = all, .shape = Shape::kList, .columns = kEntries, .done = "No entries.",
       .examples = {{"drover access-list list"}}},
      {.group = "access-list", .name = "add", .summary = "Add an address or a range", .site = SiteRole::kAtlas, .needs = kProjectOwner, .method = "POST", .api = Api::kAtlas, .path = all,
       .arguments = {{.name = "ADDRESS", .help = "An IP address, or a range in CIDR notation", .place = "body:", .kind = Kind::kAddress, .required = true},
                     {.name = "--comment", .help = "What it is", .place = "body:comment"},
                     {.name = "--delete-after", .help = "When it ends by itself, in UTC: 2026-08-10T03:10:30Z", .place = "body:deleteAfterDate"}},
       .shape = Shape::kList, .columns = kEntries, .array_body = true, .examples = {{"drover access-list add 198.51.100.7 --comment \"migration host\""}}},
      {.group = "access-list", .name = "remove", .summary = "Remove an entry", .site = SiteRole::kAtlas, .needs = kProjectOwner, .method = "DELETE", .api = Api::kAtlas,
       .path = "/groups/{groupId}/accessList/{entryValue}",
       .arguments = {{.name = "ADDRESS", .help = "As `drover access-list list` shows it", .place = "path:entryValue", .required = true}},
       .question = "Remove {ADDRESS} from the access list?", .done = "The entry is removed.", .examples = {{"drover access-list remove 198.51.100.7/32 --yes"}}},
  };
}

}  // namespace

std::vector<Verb> atlas_verbs() {
  auto all = cluster_verbs();
  for (auto& verb : access_list_verbs()) all.push_back(std::move(verb));
  return all;
}

std::vector<Verb> event_verbs() {
  const Argument from{.name = "--site-role", .help = "Whose events, where one server is both sites (atlas)", .place = "", .choices = {"atlas", "manager"}};
  return {
      {.group = "event", .name = "list", .summary = "Events, the newest first", .about = "Of the project when one is named (--project, DROVER_PROJECT), else of the organization.",
       .path = "/orgs/{orgId}/events", .project_flag = true,
       .arguments = {{.name = "--type", .help = "Only this eventTypeName, such as CLUSTER_IMPORT_COMPLETED", .place = ""},
                     {.name = "--limit", .help = "How many at most", .place = "", .kind = Kind::kNumber, .low = 1, .high = 1'000'000, .otherwise = 100}, from},
       .shape = Shape::kList, .columns = kEvents, .done = "No events.", .action = list_events, .examples = {{"drover event list --project \"Shop on Atlas\" --limit 20"}}},
      {.group = "event", .name = "show", .summary = "One event", .about = "Of the project when one is named (--project, DROVER_PROJECT), else of the organization.",
       .path = "/orgs/{orgId}/events", .project_flag = true, .arguments = {{.name = "EVENT", .help = "Its id", .place = "", .required = true}, from}, .action = show_event,
       .examples = {{"drover event show 66dd00000000000000000001"}}},
  };
}

}  // namespace drover::remote
