// migration: at the Atlas site.
#include "remote/actions.h"
#include "remote/verb_tables.h"

namespace drover::remote {
namespace {

const std::vector<Column> kMigrations{{"ID", "_id"},       {"STATUS", "status"},       {"OUTCOME", "outcome"}, {"HOST SILENT SINCE", "hostSilentSince"}, {"READY", "readyForCutover"}, {"LAG", "lagTimeSeconds"}, {"SOURCE", "source.clusterName"},
                                      {"DESTINATION", "destination.clusterName"}, {"HOST", "migrationHosts"}, {"CREATED", "created"}};

constexpr std::string_view kAll = "/groups/{groupId}/liveMigrations";
constexpr std::string_view kOne = "/groups/{groupId}/liveMigrations/{liveMigrationId}";

const Argument kMigration{.name = "MIGRATION", .help = "Id; or the destination cluster's name: the migration that goes on there (where one is only looked at: or else the last)", .place = "path:liveMigrationId", .required = true,
                          .thing = Thing::kMigration};

Argument within(std::int64_t otherwise, std::string_view help = "Seconds to wait at most; 0: without end") {
  return {.name = "--within", .help = help, .place = "", .kind = Kind::kNumber, .low = 0, .high = 100'000'000, .otherwise = otherwise};
}

// A live import: the body of validations and migrations.
std::vector<Argument> import_arguments() {
  return {{.name = "--cluster", .help = "The destination cluster's name", .place = "body:destination.clusterName", .required = true},
          {.name = "--source-project", .help = "The source's project, by id or name, as `drover link projects` shows it", .place = "body:source.groupId", .required = true,
           .thing = Thing::kSourceProject},
          {.name = "--source-cluster", .help = "The source deployment's name there", .place = "body:source.clusterName", .required = true},
          {.name = "--host", .help = "The migration host", .place = "body:migrationHosts.0", .required = true},
          {.name = "--source-username", .help = "User for the migration on the source", .place = "body:source.username"},
          {.name = "--source-password-file", .help = "the source's password", .place = "body:source.password", .kind = Kind::kSecretFile},
          {.name = "--source-managed-authentication", .help = "Log in to the source as its monitoring does, which then must be allowed to read the data", .place = "body:source.managedAuthentication", .kind = Kind::kFlag},
          {.name = "--source-tls", .help = "The source takes TLS connections only", .place = "body:source.ssl", .kind = Kind::kFlag},
          {.name = "--source-tls-ca-path", .help = "Authority of its certificates, a file on the migration host", .place = "body:source.caCertificatePath"},
          {.name = "--drop-destination-data", .help = "Drop everything that the destination holds first", .place = "body:dropDestinationData", .kind = Kind::kFlag},
          {.name = "--hostname-schema-type", .help = "How the destination is reached (PUBLIC)", .place = "body:destination.hostnameSchemaType",
           .choices = {"PUBLIC", "PRIVATE_LINK", "VPC_PEERING"}},
          {.name = "--private-link-id", .help = "For PRIVATE_LINK: the endpoint's id", .place = "body:destination.privateLinkId"},
          {.name = "--sharding-file", .help = "JSON of the API's \"sharding\": collections to shard at the destination", .place = "body:sharding", .kind = Kind::kJsonFile}};
}

constexpr std::string_view kImportExample =
    "--cluster shop-atlas --source-project \"Shop (prod)\" --source-cluster shopRS --host mig01 --source-username root --source-password-file source.pw";

std::vector<Argument> and_then(std::vector<Argument> first, std::vector<Argument> more) {
  for (auto& one : more) first.push_back(std::move(one));
  return first;
}

}  // namespace

std::vector<Verb> migration_verbs() {
  static const std::string kValidateExample = "drover migration validate " + std::string(kImportExample);
  static const std::string kStartExample = "drover migration start " + std::string(kImportExample);
  return {
      {.group = "migration", .name = "validate", .summary = "Check everything that a migration needs, on the migration host, without migrating",
       .about = "Waits for the result and shows each check. FAILED is exit code 3; --json prints the validation with its checks then, too, and no \"error\".", .site = SiteRole::kAtlas, .needs = kOrgOwner, .method = "POST", .api = Api::kAtlas, .path = kAll, .org_flag = true,
       .arguments = and_then(import_arguments(), {{.name = "--no-wait", .help = "Only begin it", .place = "", .kind = Kind::kFlag}, within(600),
                                                       {.name = "--yes", .help = "As of `migration start`, whose options these are: a validation drops nothing, and asks nothing", .place = "", .kind = Kind::kFlag}}), .action = validate_migration,
       .examples = {{kValidateExample}}},
      {.group = "migration", .name = "validation", .summary = "The result of a validation, with each check", .site = SiteRole::kAtlas, .needs = kOrgOwner, .api = Api::kExt,
       .path = "/groups/{groupId}/liveMigrations/validate/{validationId}",
       .arguments = {{.name = "VALIDATION", .help = "Its id", .place = "path:validationId", .required = true}}, .action = show_validation,
       .examples = {{"drover migration validation 66dd00000000000000000001"}}},
      {.group = "migration", .name = "start", .summary = "Start a live migration",
       .about = "Applications keep writing to the source until the cutover. With --drop-destination-data it asks for the cluster's name first; where nobody can be asked it needs --yes then.",
       .site = SiteRole::kAtlas, .needs = kOrgOwner, .method = "POST", .api = Api::kAtlas, .path = kAll, .org_flag = true, .arguments = import_arguments(),
       .question = "Drop everything that the cluster {--cluster} holds, and migrate into it?", .asks_with = "--drop-destination-data", .typed = "--cluster", .action = start_migration, .examples = {{kStartExample}}},
      {.group = "migration", .name = "list", .summary = "Live migrations of a project", .site = SiteRole::kAtlas, .api = Api::kExt, .path = kAll, .shape = Shape::kList,
       .columns = kMigrations, .done = "No live migrations.", .examples = {{"drover migration list --project \"Shop on Atlas\""}}},
      {.group = "migration", .name = "show", .summary = "Everything about one live migration", .site = SiteRole::kAtlas, .api = Api::kExt, .path = kOne, .arguments = {kMigration},
       .examples = {{"drover migration show shop-atlas"}}},
      {.group = "migration", .name = "log", .summary = "The last lines of the engine's log", .site = SiteRole::kAtlas, .needs = kOrgOwner, .api = Api::kExt,
       .path = "/groups/{groupId}/liveMigrations/{liveMigrationId}/log", .arguments = {kMigration}, .action = show_log, .examples = {{"drover migration log shop-atlas"}}},
      {.group = "migration", .name = "watch", .summary = "Follow a live migration",
       .about = "On a terminal one line that changes; elsewhere a line when something changes; with --json an object a line. The exit code is 0 when it is COMPLETE (or ready), 1 when it "
                "FAILED, 4 when it was cancelled or its cutover given up, 8 when it EXPIRED. Ctrl-C ends only the watching.",
       .site = SiteRole::kAtlas, .api = Api::kExt, .path = kOne,
       .arguments = {kMigration, {.name = "--until", .help = "Until it is ready for the cutover, or its end (end)", .place = "", .choices = {"ready", "end"}},
                     within(0, "Seconds to watch at most; 0: without end")},
       .action = watch_migration, .examples = {{"drover migration watch shop-atlas --until ready"}}},
      {.group = "migration", .name = "extend", .summary = "Give a migration that waits for its cutover more time",
       .about = "A migration that is ready waits 120 hours, and then expires.", .site = SiteRole::kAtlas, .needs = kOrgOwner, .method = "POST", .api = Api::kExt,
       .path = "/groups/{groupId}/liveMigrations/{liveMigrationId}/extend",
       .arguments = {kMigration, {.name = "--hours", .help = "How much longer", .place = "body:hours", .kind = Kind::kNumber, .low = 1, .high = 720, .otherwise = 24}},
       .examples = {{"drover migration extend shop-atlas --hours 48"}}},
      {.group = "migration", .name = "cutover", .summary = "Cut over: the destination takes the place of the source",
       .about = "Stop the applications' writes to the source first (from 6.0 on, with authorization, the source is blocked by itself). A cutover that finds a writer on the source is given up: "
                "the migration goes on, attention says why, and nothing is cut over before you ask again; with --wait the exit code is 4 then. After a cutover there is no way back but another migration.",
       .site = SiteRole::kAtlas, .needs = kOrgOwner, .method = "PUT", .api = Api::kAtlas, .path = kOne,
       .arguments = {kMigration, {.name = "--wait", .help = "Wait until it is COMPLETE", .place = "", .kind = Kind::kFlag}, within(600)},
       .question = "Cut {MIGRATION} over now?", .action = cut_over_migration, .examples = {{"drover migration cutover shop-atlas --yes --wait"}}},
      {.group = "migration", .name = "cancel", .summary = "Stop a migration before its cutover", .about = "The migration host stops it; a host that is silent does once it is back, and after ten minutes the migration ends without it. What was copied stays on the "
                "destination.", .site = SiteRole::kAtlas,
       .needs = kOrgOwner, .method = "POST", .api = Api::kExt, .path = "/groups/{groupId}/liveMigrations/{liveMigrationId}/cancel",
       .arguments = {kMigration, {.name = "--force", .help = "Also a cutover whose host has been silent for an hour: look on the destination whether it was committed", .place = "query:force", .kind = Kind::kFlag}},
       .question = "Cancel the migration {MIGRATION}?", .action = cancel_migration, .examples = {{"drover migration cancel shop-atlas --yes"}, {"drover migration cancel shop-atlas --force --yes", "its host was lost during the cutover"}}},
  };
}

}  // namespace drover::remote
