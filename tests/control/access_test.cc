// Who may call what: a row for every route of the control plane, against every role; and that the OpenAPI document says the
// same routes.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <unistd.h>

#include "api/access_list_routes.h"
#include "api/cluster_routes.h"
#include "api/custom_role_routes.h"
#include "api/database_user_routes.h"
#include "api/event_routes.h"
#include "api/export_routes.h"
#include "api/identity_routes.h"
#include "api/live_migration_routes.h"
#include "api/manager_overview_routes.h"
#include "api/monitoring_routes.h"
#include "api/network_routes.h"
#include "api/openapi.h"
#include "api/operation_schemas.h"
#include "api/process_routes.h"
#include "api/project_settings_routes.h"
#include "api/service_account_routes.h"
#include "cluster/testing/stub_deployment.h"

namespace drover::api {
namespace {

using control::Access;

constexpr const char* kRoles[] = {"ORG_OWNER", "ORG_MEMBER", "ORG_GROUP_CREATOR", "ORG_BILLING_ADMIN", "ORG_BILLING_READ_ONLY", "ORG_READ_ONLY",
                                  "GROUP_OWNER", "GROUP_READ_ONLY",
                                  // Atlas's.
                                  "GROUP_CLUSTER_MANAGER", "GROUP_STREAM_PROCESSING_OWNER", "GROUP_DATABASE_ACCESS_ADMIN", "GROUP_BACKUP_MANAGER",
                                  "GROUP_OBSERVABILITY_VIEWER", "GROUP_SEARCH_INDEX_EDITOR",
                                  // Of both.
                                  "GROUP_DATA_ACCESS_ADMIN", "GROUP_DATA_ACCESS_READ_WRITE", "GROUP_DATA_ACCESS_READ_ONLY",
                                  // Cloud Manager's.
                                  "GROUP_MONITORING_ADMIN", "GROUP_USER_ADMIN", "GROUP_AUTOMATION_ADMIN", "GROUP_BACKUP_ADMIN"};
// One letter for each of kRoles; blanks are for the eye: of an organization, of both, Atlas's, of both, Cloud Manager's.
constexpr const char* kEverybody = "yyyyyy yy yyyyyy yyy yyyy";
constexpr const char* kOrgOwner = "y----- -- ------ --- ----";
constexpr const char* kOfOrg = "yyyyyy -- ------ --- ----";
constexpr const char* kOfGroup = "y----y yy yyyyyy yyy yyyy";
constexpr const char* kGroupOwner = "y----- y- ------ --- ----";
constexpr const char* kGroupClusters = "y----- y- y----- --- ----";
constexpr const char* kGroupDatabaseUsers = "y----- y- -yy--- --- ----";
constexpr const char* kGroupDatabaseRoles = "y----- y- -yy--- --- ----";
constexpr const char* kGroupHosts = "y----- y- ------ --- y---";
constexpr const char* kGroupKeys = "y----- y- ------ --- -y--";

struct Row {
  const char* route;
  const char* may;
};
// POST /groups asks for a role in the organization that its body names, POST /orgs for an owner's of any.
constexpr Row kRows[] = {
    {"GET /orgs", kEverybody},
    {"POST /orgs", kEverybody},
    {"GET /orgs/{orgId}", kOfOrg},
    {"PATCH /orgs/{orgId}", kOrgOwner},
    {"DELETE /orgs/{orgId}", kOrgOwner},
    {"GET /orgs/{orgId}/groups", kOfOrg},
    {"GET /groups", kEverybody},
    {"POST /groups", kEverybody},
    {"GET /groups/{groupId}", kOfGroup},
    {"PATCH /groups/{groupId}", kGroupOwner},
    {"DELETE /groups/{groupId}", kGroupOwner},
    {"GET /groups/byName/{groupName}", kEverybody},
    {"GET /groups/byAgentApiKey/{agentApiKey}", kEverybody},
    {"POST /groups/{groupId}/apiKeys", kGroupKeys},
    {"GET /groups/{groupId}/apiKeys", kOfGroup},
    {"DELETE /groups/{groupId}/apiKeys/{apiUserId}", kGroupKeys},
    {"POST /orgs/{orgId}/apiKeys", kOrgOwner},
    {"GET /orgs/{orgId}/apiKeys", kOfOrg},
    {"GET /orgs/{orgId}/apiKeys/{apiUserId}", kOfOrg},
    {"DELETE /orgs/{orgId}/apiKeys/{apiUserId}", kOrgOwner},
    {"GET /orgs/{orgId}/apiKeys/{apiUserId}/accessList", kOfOrg},
    {"POST /orgs/{orgId}/apiKeys/{apiUserId}/accessList", kOrgOwner},
    {"DELETE /orgs/{orgId}/apiKeys/{apiUserId}/accessList/{ipAddress}", kOrgOwner},
    {"POST /orgs/{orgId}/serviceAccounts", kOrgOwner},
    {"GET /orgs/{orgId}/serviceAccounts", kOfOrg},
    {"GET /orgs/{orgId}/serviceAccounts/{clientId}", kOfOrg},
    {"DELETE /orgs/{orgId}/serviceAccounts/{clientId}", kOrgOwner},
    {"POST /orgs/{orgId}/serviceAccounts/{clientId}/secrets", kOrgOwner},
    {"DELETE /orgs/{orgId}/serviceAccounts/{clientId}/secrets/{secretId}", kOrgOwner},
    {"POST /groups/{groupId}/apiKeys/{apiUserId}", kGroupKeys},
    {"PATCH /groups/{groupId}/apiKeys/{apiUserId}", kGroupKeys},
    {"PATCH /orgs/{orgId}/apiKeys/{apiUserId}", kOrgOwner},
    {"GET /orgs/{orgId}/apiKeys/{apiUserId}/accessList/{ipAddress}", kOfOrg},
    {"PATCH /orgs/{orgId}/serviceAccounts/{clientId}", kOrgOwner},
    {"GET /groups/{groupId}/serviceAccounts", kOfGroup},
    {"POST /groups/{groupId}/serviceAccounts", kGroupKeys},
    {"GET /groups/{groupId}/serviceAccounts/{clientId}", kOfGroup},
    {"POST /groups/{groupId}/serviceAccounts/{clientId}:invite", kGroupKeys},
    {"PATCH /groups/{groupId}/serviceAccounts/{clientId}", kGroupKeys},
    {"DELETE /groups/{groupId}/serviceAccounts/{clientId}", kGroupKeys},
    {"GET /groups/{groupId}/clusters/{clusterName}/autoScalingConfiguration", kOfGroup},
    {"GET /groups/{groupId}/customDBRoles/roles", kOfGroup},
    {"POST /groups/{groupId}/customDBRoles/roles", kGroupDatabaseRoles},
    {"GET /groups/{groupId}/customDBRoles/roles/{roleName}", kOfGroup},
    {"PATCH /groups/{groupId}/customDBRoles/roles/{roleName}", kGroupDatabaseRoles},
    {"DELETE /groups/{groupId}/customDBRoles/roles/{roleName}", kGroupDatabaseRoles},
    {"GET /groups/{groupId}/settings", kOfGroup},
    {"PATCH /groups/{groupId}/settings", kGroupOwner},
    {"PATCH /groups/{groupId}/containers/{containerId}", kGroupOwner},
    {"GET /clusters", kEverybody},
    {"GET /softwareComponents/versions", kEverybody},
    {"GET /groups/{groupId}/agents/versions", kOfGroup},
    {"GET /groups/{groupId}/automationConfig", kOfGroup},
    {"GET /groups/{groupId}/automationConfig/monitoringAgentConfig", kOfGroup},
    {"GET /groups/{groupId}/automationStatus", kOfGroup},
    {"GET /groups/{groupId}/accessList", kOfGroup},
    {"POST /groups/{groupId}/accessList", kGroupOwner},
    {"GET /groups/{groupId}/accessList/{entryValue}", kOfGroup},
    {"GET /groups/{groupId}/accessList/{entryValue}/status", kOfGroup},
    {"DELETE /groups/{groupId}/accessList/{entryValue}", kGroupOwner},
    {"GET /groups/{groupId}/events", kOfGroup},
    {"GET /groups/{groupId}/events/{eventId}", kOfGroup},
    {"GET /orgs/{orgId}/events", kOfOrg},
    {"GET /orgs/{orgId}/events/{eventId}", kOfOrg},
    {"GET /groups/{groupId}/clusters", kOfGroup},
    {"POST /groups/{groupId}/clusters", kGroupOwner},
    {"GET /groups/{groupId}/clusters/{clusterName}", kOfGroup},
    {"DELETE /groups/{groupId}/clusters/{clusterName}", kGroupOwner},
    {"GET /groups/{groupId}/clusters/{clusterName}/status", kOfGroup},
    {"POST /orgs/{orgId}/liveMigrations/linkTokens", kOrgOwner},
    {"DELETE /orgs/{orgId}/liveMigrations/linkTokens", kOrgOwner},
    {"GET /orgs/{orgId}/liveMigrations/availableProjects", kOrgOwner},
    {"GET /orgs/{orgId}/liveMigrations/links", kOrgOwner},
    {"DELETE /orgs/{orgId}/liveMigrations/links/{linkId}", kOrgOwner},
    {"POST /groups/{groupId}/liveMigrations/validate", kOrgOwner},
    {"GET /groups/{groupId}/liveMigrations/validate/{validationId}", kOrgOwner},
    {"POST /groups/{groupId}/liveMigrations", kOrgOwner},
    {"GET /groups/{groupId}/liveMigrations", kOfOrg},
    {"GET /groups/{groupId}/liveMigrations/{liveMigrationId}", kOfOrg},
    {"PUT /groups/{groupId}/liveMigrations/{liveMigrationId}/cutover", kOrgOwner},
    {"GET /groups/{groupId}/liveMigrations/{liveMigrationId}/log", kOrgOwner},
    {"POST /groups/{groupId}/liveMigrations/{liveMigrationId}/cancel", kOrgOwner},
    {"POST /groups/{groupId}/liveMigrations/{liveMigrationId}/extend", kOrgOwner},
    {"PATCH /groups/{groupId}/clusters/{clusterName}", kGroupClusters},
    {"GET /groups/{groupId}/databaseUsers", kOfGroup},
    {"POST /groups/{groupId}/databaseUsers", kGroupDatabaseUsers},
    {"GET /groups/{groupId}/databaseUsers/{databaseName}/{username}", kOfGroup},
    {"PATCH /groups/{groupId}/databaseUsers/{databaseName}/{username}", kGroupDatabaseUsers},
    {"DELETE /groups/{groupId}/databaseUsers/{databaseName}/{username}", kGroupDatabaseUsers},
    {"GET /groups/{groupId}/containers", kOfGroup},
    {"GET /groups/{groupId}/containers/all", kOfGroup},
    {"POST /groups/{groupId}/containers", kGroupOwner},
    {"GET /groups/{groupId}/containers/{containerId}", kOfGroup},
    {"DELETE /groups/{groupId}/containers/{containerId}", kGroupOwner},
    {"GET /groups/{groupId}/peers", kOfGroup},
    {"POST /groups/{groupId}/peers", kGroupOwner},
    {"GET /groups/{groupId}/peers/{peerId}", kOfGroup},
    {"PATCH /groups/{groupId}/peers/{peerId}", kGroupOwner},
    {"DELETE /groups/{groupId}/peers/{peerId}", kGroupOwner},
    {"POST /groups/{groupId}/privateEndpoint/endpointService", kGroupOwner},
    {"GET /groups/{groupId}/privateEndpoint/{cloudProvider}/endpointService", kOfGroup},
    {"GET /groups/{groupId}/privateEndpoint/{cloudProvider}/endpointService/{endpointServiceId}", kOfGroup},
    {"PATCH /groups/{groupId}/privateEndpoint/{cloudProvider}/endpointService/{endpointServiceId}", kGroupOwner},
    {"DELETE /groups/{groupId}/privateEndpoint/{cloudProvider}/endpointService/{endpointServiceId}", kGroupOwner},
    {"POST /groups/{groupId}/privateEndpoint/{cloudProvider}/endpointService/{endpointServiceId}/endpoint", kGroupOwner},
    {"GET /groups/{groupId}/privateEndpoint/{cloudProvider}/endpointService/{endpointServiceId}/endpoint/{endpointId}", kOfGroup},
    {"PATCH /groups/{groupId}/privateEndpoint/{cloudProvider}/endpointService/{endpointServiceId}/endpoint/{endpointId}", kGroupOwner},
    {"DELETE /groups/{groupId}/privateEndpoint/{cloudProvider}/endpointService/{endpointServiceId}/endpoint/{endpointId}", kGroupOwner},
    {"GET /groups/{groupId}/processes", kOfGroup},
    {"GET /groups/{groupId}/processes/{processId}", kOfGroup},
    {"GET /groups/{groupId}/processes/{processId}/measurements", kOfGroup},
    {"GET /groups/{groupId}/processes/{processId}/databases", kOfGroup},
    {"GET /groups/{groupId}/processes/{processId}/databases/{databaseName}", kOfGroup},
    {"GET /groups/{groupId}/processes/{processId}/databases/{databaseName}/measurements", kOfGroup},
    {"GET /groups/{groupId}/processes/{processId}/disks", kOfGroup},
    {"GET /groups/{groupId}/processes/{processId}/disks/{partitionName}", kOfGroup},
    {"GET /groups/{groupId}/processes/{processId}/disks/{partitionName}/measurements", kOfGroup},
    // The manager's own.
    {"POST /groups/{groupId}/agentapikeys", kGroupOwner},
    {"GET /groups/{groupId}/agentapikeys", kOfGroup},
    {"DELETE /groups/{groupId}/agentapikeys/{keyId}", kGroupOwner},
    {"GET /groups/{groupId}/agents", kOfGroup},
    {"GET /groups/{groupId}/agents/{type}", kOfGroup},
    {"POST /groups/{groupId}/hosts", kGroupHosts},
    {"GET /groups/{groupId}/hosts", kOfGroup},
    {"GET /groups/{groupId}/hosts/{hostId}", kOfGroup},
    {"GET /groups/{groupId}/hosts/byName/{hostAndPort}", kOfGroup},
    {"PATCH /groups/{groupId}/hosts/{hostId}", kGroupHosts},
    {"DELETE /groups/{groupId}/hosts/{hostId}", kGroupHosts},
    {"GET /groups/{groupId}/hosts/{hostId}/measurements", kOfGroup},
    {"GET /groups/{groupId}/hosts/{hostId}/databases", kOfGroup},
    {"GET /groups/{groupId}/hosts/{hostId}/databases/{databaseName}", kOfGroup},
    {"GET /groups/{groupId}/hosts/{hostId}/databases/{databaseName}/measurements", kOfGroup},
    {"GET /groups/{groupId}/hosts/{hostId}/disks", kOfGroup},
    {"GET /groups/{groupId}/hosts/{hostId}/disks/{partitionName}", kOfGroup},
    {"GET /groups/{groupId}/hosts/{hostId}/disks/{partitionName}/measurements", kOfGroup},
    {"GET /groups/{groupId}/clusters/{clusterId}", kOfGroup},
    {"GET /groups/{groupId}/alerts", kOfGroup},
    {"GET /groups/{groupId}/alerts/{alertId}", kOfGroup},
    {"POST /orgs/{orgId}/liveExport/migrationLink", kOrgOwner},
    {"DELETE /orgs/{orgId}/liveExport/migrationLink", kOrgOwner},
    {"GET /orgs/{orgId}/liveExport/migrationLink/status", kOrgOwner},
    {"POST /orgs/{orgId}/liveExport/migrationLink:refresh", kOrgOwner},
};

class AllRoutes : public ::testing::Test {
 protected:
  AllRoutes() {
    add_identity_routes(table_, identity_, deletions_);
    add_key_access_list_routes(table_, identity_);
    add_service_account_routes(table_, accounts_, identity_);
    add_project_access_list_routes(table_, lists_);
    add_event_routes(table_, events_);
    add_cluster_routes(table_, clusters_, *runtime_, {});
    add_link_routes(table_, links_, imports_);
    add_import_routes(table_, {imports_, intake_, links_});
    add_process_routes(table_, {clusters_, processes_, imports_, links_, monitor_});
    add_process_measurement_routes(table_, {clusters_, processes_, imports_, links_, monitor_});
    add_database_user_routes(table_, users_);
    add_custom_role_routes(table_, roles_);
    add_project_settings_routes(table_, settings_);
    add_peering_routes(table_, {networks_, {}});
    add_private_endpoint_routes(table_, {networks_, {}});
    add_monitoring_routes(table_, {agent_keys_, agents_, deployments_, removals_, jobs_, *runtime_});
    add_export_routes(table_, site_links_, worker_);
    add_manager_overview_routes(table_, {identity_, agents_, deployments_, *runtime_, "1.0"});
  }
  static control::SealedKeys keys_of_test() {
    const auto path = ::testing::TempDir() + "access test key " + std::to_string(::getpid());
    auto keys = control::SealedKeys::open(path);
    ::unlink(path.c_str());
    return std::move(*keys);
  }

  std::unique_ptr<Runtime> runtime_ = make_real_runtime();
  cluster::StubDeployment deployment_;
  const control::SealedKeys keys_ = keys_of_test();
  control::Store store_{deployment_, *runtime_};
  control::Identity identity_{store_, keys_, *runtime_};
  control::Events events_{store_, *runtime_};
  control::ServiceAccounts accounts_{store_, keys_, *runtime_};
  control::AccessLists lists_{store_, *runtime_};
  control::Links links_{store_, keys_, *runtime_};
  control::Clusters clusters_{store_, keys_, *runtime_, {}};
  control::ClusterProcesses processes_{clusters_, *runtime_};
  control::LiveImports imports_{store_, keys_, *runtime_, clusters_, {}};
  control::NetworkRecords networks_{store_, *runtime_};
  control::CustomRoles roles_{store_, *runtime_};
  control::DatabaseUsers users_{store_, keys_, roles_, *runtime_};
  control::ProjectSettingsRecords settings_{store_};
  control::LiveImportIntake intake_{links_, clusters_, lists_, networks_, imports_, {}};
  control::SiteLinks site_links_{store_, keys_, *runtime_};
  control::AgentKeys agent_keys_{store_, keys_, *runtime_};
  control::Agents agents_{store_, *runtime_};
  control::AgentJobs jobs_{store_, keys_, *runtime_};
  control::EventLog log_of_events_{store_, *runtime_};
  control::Deployments deployments_{store_, keys_, log_of_events_, *runtime_};
  std::unique_ptr<Log> log_ = make_null_log();
  control::Deletions deletions_{identity_, {}, *runtime_, *log_};
  control::ClusterMonitor monitor_{store_, clusters_, *runtime_, *log_};
  control::LinkWorker worker_{{site_links_, identity_, agents_, deployments_, jobs_}, {}, *runtime_, *log_};
  control::SourceRemovals removals_{{agent_keys_, agents_, deployments_, jobs_, worker_}, *runtime_};
  RouteTable table_;
};

TEST_F(AllRoutes, EachIsForItsRoles) {
  std::map<std::string, std::string> rows;
  for (const auto& row : kRows) {
    std::string may = row.may;
    std::erase(may, ' ');
    ASSERT_EQ(may.size(), std::size(kRoles)) << row.route;
    rows[row.route] = may;
  }
  std::set<std::string> seen;
  for (const auto& route : table_.all()) {
    const auto name = route.method + " " + route.path;
    seen.insert(name);
    std::string may_all;
    for (std::size_t i = 0; i < std::size(kRoles); ++i) {
      const bool of_org = control::is_org_role(kRoles[i]);
      const std::vector<control::Grant> grants{{kRoles[i], of_org ? "o1" : "", of_org ? "" : "g1"}};
      const bool may = !route.access || control::allows(grants, *route.access, "o1", route.path.find("{groupId}") == std::string::npos ? "" : "g1");
      may_all += may ? 'y' : '-';
      if (route.access) {
        EXPECT_FALSE(control::allows(grants, *route.access, "o2", "g2")) << name << " " << kRoles[i];
      }
    }
    if (!rows.contains(name)) ADD_FAILURE() << name << " has no row; it is for " << may_all;
    else {
      EXPECT_EQ(may_all, rows[name]) << name;
    }
  }
  for (const auto& [name, may] : rows) EXPECT_TRUE(seen.contains(name)) << name << " is no route";
}

// What somebody changes is told, by the route or by what it begins, which may end without anybody.
TEST_F(AllRoutes, EachThatChangesSomethingIsTold) {
  const std::set<std::string> told_elsewhere{"POST /groups/{groupId}/liveMigrations", "PUT /groups/{groupId}/liveMigrations/{liveMigrationId}/cutover",
                                             "POST /groups/{groupId}/liveMigrations/{liveMigrationId}/cancel", "POST /groups/{groupId}/liveMigrations/{liveMigrationId}/extend"};
  const std::set<std::string> changes_nothing{"POST /groups/{groupId}/liveMigrations/validate", "POST /orgs/{orgId}/liveExport/migrationLink:refresh"};
  for (const auto& route : table_.all()) {
    const auto name = route.method + " " + route.path;
    const bool tells = *route.event != '\0';
    EXPECT_EQ(tells, route.method != "GET" && !told_elsewhere.contains(name) && !changes_nothing.contains(name)) << name;
  }
}

TEST_F(AllRoutes, TheDocumentSaysTheSame) {
  const std::vector<Family> served{Family::kAtlasV2, Family::kAtlasV1, Family::kCloudManager, Family::kExt};
  const auto document = openapi_document(table_, served, "http://h", "1");
  const auto* paths = document.find("paths");
  std::size_t routes = 0, operations = 0;
  std::set<std::string> ids;
  for (const auto& route : table_.all()) {
    for (const auto family : route.families) {
      if (std::find(served.begin(), served.end(), family) == served.end()) continue;
      ++routes;
      EXPECT_NE(operation_schema(route, family), nullptr) << route.method << " " << prefix_of(family) << route.path << " has no schema";
      EXPECT_TRUE(ids.insert(operation_id(route, family)).second) << operation_id(route, family);
      const auto* path = paths->find(std::string(prefix_of(family)) + route.path);
      ASSERT_NE(path, nullptr) << route.path;
    }
  }
  for (const auto& [path, methods] : *paths->as_object()) {
    for (const auto& [method, operation] : *methods.as_object()) {
      ++operations;
      EXPECT_TRUE(ids.contains(*operation.find("operationId")->as_string()));
      std::size_t named = 0;
      for (const auto& parameter : *operation.find("parameters")->as_array()) {
        const auto* in = parameter.find("in");
        named += in != nullptr && *in->as_string() == "path" ? 1 : 0;
      }
      EXPECT_EQ(named, static_cast<std::size_t>(std::count(path.begin(), path.end(), '{'))) << path;
    }
  }
  EXPECT_EQ(routes, operations);
  EXPECT_EQ(*paths->find("/api/atlas/v2/groups/{groupId}/liveMigrations")->find("post")->find("operationId")->as_string(), "createGroupLiveMigration");
  EXPECT_EQ(paths->find("/api/atlas/v2/groups/{groupId}/liveMigrations")->find("post")->find("requestBody")->find("content")->as_object()->size(), 2u);
}

}  // namespace
}  // namespace drover::api
