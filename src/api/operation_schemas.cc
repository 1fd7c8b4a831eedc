#include "api/operation_schemas.h"

#include <set>
#include <vector>

#include <fmt/format.h>

#include "api/schema_text.h"

namespace drover::api {
namespace {

struct Component {
  const char* name;
  const char* fields;
};

constexpr Component kComponents[] = {
    // Common.
    {"ApiError", "error!:int errorCode!:string detail:string reason:string parameters?:string[] badRequestDetail:BadRequestDetail"},
    {"BadRequestDetail", "fields!:FieldViolation[]"},
    {"FieldViolation", "field!:string description!:string"},
    {"Link", "href!:string rel!:string"},
    {"KeyValue", "key!:string value!:string"},
    // Organizations, projects, keys.
    {"Organization", "id!:id isDeleted!:bool links!:Link[] name!:string skipDefaultAlertsSettings:bool"},
    {"UpdateOrganization", "name!:string id:id isDeleted:bool links:Link[] skipDefaultAlertsSettings:bool"},
    {"CreateOrganization", "name!:string apiKey!:CreateApiKey"},
    {"CreatedOrganization", "organization!:Organization apiKey!:ApiKey orgOwnerId!?:id skipDefaultAlertsSettings!:bool"},
    {"Project", "id!:id orgId!:id name!:string links!:Link[] clusterCount:int64 created:time publicApiEnabled:bool tags:KeyValue[] "
                "activeAgentCount:int64 hostCounts:HostCounts lastActiveAgent:time replicaSetCount:int64 shardCount:int64"},
    {"HostCounts", "arbiter!:int64 config!:int64 master!:int64 mongos!:int64 primary!:int64 secondary!:int64 slave!:int64"},
    {"CreateProject", "name!:string orgId!:id withDefaultAlertsSettings:bool"},
    {"UpdateProject", "name!:string"},
    {"ProjectSettings",
     "isCollectDatabaseSpecificsStatisticsEnabled!:bool isDataExplorerEnabled!:bool isDataExplorerGenAIFeaturesEnabled!:bool "
     "isDataExplorerGenAISampleDocumentPassingEnabled!:bool isExtendedStorageSizesEnabled!:bool isPerformanceAdvisorEnabled!:bool "
     "isRealtimePerformancePanelEnabled!:bool isSchemaAdvisorEnabled!:bool"},
    {"UpdateProjectSettings",
     "isCollectDatabaseSpecificsStatisticsEnabled:bool isDataExplorerEnabled:bool isDataExplorerGenAIFeaturesEnabled:bool "
     "isDataExplorerGenAISampleDocumentPassingEnabled:bool isExtendedStorageSizesEnabled:bool isPerformanceAdvisorEnabled:bool "
     "isRealtimePerformancePanelEnabled:bool isSchemaAdvisorEnabled:bool"},
    {"RoleAssignment", "orgId:id groupId:id roleName!:string"},
    {"ApiKey", "id!:id desc!:string publicKey!:string privateKey!:string roles!:RoleAssignment[] links!:Link[]"},
    {"CreateApiKey", "desc!:string roles!:string[]"},
    {"UpdateApiKey", "desc:string roles:string[]"},
    {"RolesOfApiKey", "roles!:string[] userId:id"},
    {"KeyAccessListEntry", "cidrBlock!:string ipAddress:string links!:Link[]"},
    {"CreateKeyAccessListEntry", "cidrBlock:string ipAddress:string"},
    {"ServiceAccountSecret", "id!:id createdAt!:time expiresAt!:time lastUsedAt?:time secret:string maskedSecretValue:string"},
    {"ServiceAccount", "clientId!:string name!:string description!:string createdAt!:time roles!:string[] secrets!:ServiceAccountSecret[]"},
    {"CreateServiceAccount", "name!:string description!:string roles!:string[] secretExpiresAfterHours!:int64"},
    {"UpdateServiceAccount", "name:string description:string roles:string[]"},
    {"RolesOfServiceAccount", "roles!:string[]"},
    {"CreateServiceAccountSecret", "secretExpiresAfterHours!:int64"},
    // Networks.
    {"AccessListEntry", "cidrBlock!:string ipAddress:string comment!:string groupId!:id deleteAfterDate:time links!:Link[]"},
    {"CreateAccessListEntry", "cidrBlock:string ipAddress:string comment:string deleteAfterDate:time"},
    {"AccessListStatus", "STATUS!:'PENDING|FAILED|ACTIVE'"},
    {"Container", "id!:id providerName!:'AWS|AZURE|GCP' provisioned!:bool atlasCidrBlock!:string regionName:string region:string vpcId?:string "
                  "azureSubscriptionId?:string vnetName?:string gcpProjectId?:string networkName?:string"},
    {"CreateContainer", "providerName:'AWS|AZURE|GCP' atlasCidrBlock!:string regionName:string region:string"},
    {"Peer", "id!:id containerId!:id providerName!:'AWS|AZURE|GCP' accepterRegionName:string awsAccountId:string routeTableCidrBlock:string vpcId:string "
             "connectionId?:string statusName:'INITIATING|PENDING_ACCEPTANCE|FAILED|FINALIZING|AVAILABLE|TERMINATING' errorStateName?:string "
             "azureDirectoryId:string azureSubscriptionId:string resourceGroupName:string vnetName:string errorState?:string gcpProjectId:string "
             "networkName:string errorMessage?:string status:'ADDING|ADDING_PEER|WAITING_FOR_USER|AVAILABLE|FAILED|DELETING'"},
    {"CreatePeer", "containerId!:id providerName:'AWS|AZURE|GCP' accepterRegionName:string awsAccountId:string routeTableCidrBlock:string vpcId:string "
                   "azureDirectoryId:string azureSubscriptionId:string resourceGroupName:string vnetName:string gcpProjectId:string networkName:string"},
    {"UpdateContainer", "providerName:'AWS|AZURE|GCP' atlasCidrBlock:string regionName:string region:string"},
    {"UpdatePeer", "containerId:id providerName:'AWS|AZURE|GCP' accepterRegionName:string awsAccountId:string routeTableCidrBlock:string vpcId:string "
                   "azureDirectoryId:string azureSubscriptionId:string resourceGroupName:string vnetName:string gcpProjectId:string networkName:string"},
    {"ConnectionState", "status!:string errorMessage:string"},
    {"EndpointService", "id!:id cloudProvider!:'AWS|AZURE|GCP' regionName!:string status!:'INITIATING|AVAILABLE|WAITING_FOR_USER|FAILED|DELETING' "
                        "errorMessage?:string endpointServiceName?:string interfaceEndpoints:string[] privateEndpoints:string[] privateLinkServiceName?:string "
                        "privateLinkServiceResourceId?:string endpointGroupNames:string[] serviceAttachmentNames:string[]"},
    {"CreateEndpointService", "providerName!:'AWS|AZURE|GCP' region!:string"},
    {"EndpointServiceState", "status!:string errorMessage:string endpointServiceName:string privateLinkServiceName:string privateLinkServiceResourceId:string "
                             "serviceAttachmentNames:string[]"},
    {"GcpEndpoint", "endpointName!:string ipAddress!:string status:string"},
    {"PrivateEndpoint", "cloudProvider!:'AWS|AZURE|GCP' deleteRequested!:bool errorMessage?:string interfaceEndpointId:string "
                        "connectionStatus:'PENDING_ACCEPTANCE|PENDING|AVAILABLE|REJECTED|DELETING' privateEndpointResourceId:string "
                        "privateEndpointConnectionName?:string privateEndpointIPAddress:string endpointGroupName:string endpoints:GcpEndpoint[] "
                        "status:'INITIATING|AVAILABLE|FAILED|DELETING'"},
    {"CreatePrivateEndpoint", "id:string privateEndpointIPAddress:string endpointGroupName:string gcpProjectId:string endpoints:GcpEndpoint[]"},
    // Clusters and their users.
    {"InstanceSpecs", "instanceSize!:string nodeCount:int ..."},
    {"RegionConfig", "providerName!:string regionName!:string priority:int electableSpecs!:InstanceSpecs ..."},
    {"ReplicationSpec", "id!:id zoneId!:id zoneName!:string numShards:int regionConfigs!:RegionConfig[]"},
    {"BiConnector", "enabled!:bool readPreference!:string"},
    {"PrivateEndpointPlace", "endpointId!:string providerName!:'AWS|AZURE|GCP' region!:string"},
    {"PrivateEndpointConnection", "connectionString:string srvConnectionString:string endpoints!:PrivateEndpointPlace[] type!:'MONGOD|MONGOS'"},
    {"ConnectionStrings", "standard:string standardSrv:string private:string privateSrv:string privateEndpoint:PrivateEndpointConnection[]"},
    {"Cluster", "id!:id groupId!:id name!:string clusterType!:'REPLICASET|SHARDED|GEOSHARDED' stateName!:'IDLE|CREATING|UPDATING|DELETING|REPAIRING' createDate!:time "
                "mongoDBMajorVersion!:string mongoDBVersion!:string featureCompatibilityVersion!:string versionReleaseSystem!:'LTS|CONTINUOUS' "
                "replicationSpecs!:ReplicationSpec[] connectionStrings!:ConnectionStrings biConnector!:BiConnector labels!:KeyValue[] tags!:KeyValue[] paused!:bool "
                "pitEnabled!:bool backupEnabled!:bool terminationProtectionEnabled!:bool diskWarmingMode!:string encryptionAtRestProvider!:string links!:Link[]"},
    {"CountedReplicationSpec", "id!:id zoneId:id zoneName!:string numShards!:int regionConfigs!:RegionConfig[]"},
    {"CountedCluster",
     "id!:id groupId!:id name!:string clusterType!:'REPLICASET|SHARDED|GEOSHARDED' stateName!:'IDLE|CREATING|UPDATING|DELETING|REPAIRING' createDate!:time "
     "mongoDBMajorVersion!:string mongoDBVersion!:string featureCompatibilityVersion!:string versionReleaseSystem!:'LTS|CONTINUOUS' "
     "replicationSpecs!:CountedReplicationSpec[] diskSizeGB:number connectionStrings!:ConnectionStrings biConnector!:BiConnector labels!:KeyValue[] tags!:KeyValue[] "
     "paused!:bool pitEnabled!:bool backupEnabled!:bool terminationProtectionEnabled!:bool diskWarmingMode!:string encryptionAtRestProvider!:string links!:Link[]"},
    {"LegacyReplicationSpec", "id!:id zoneName!:string numShards!:int regionsConfig!:object"},
    {"LegacyProviderSettings", "providerName!:string instanceSizeName:string regionName:string backingProviderName:string diskIOPS:int volumeType:string"},
    {"LegacyCluster",
     "id!:id groupId!:id name!:string clusterType!:'REPLICASET|SHARDED|GEOSHARDED' stateName!:'IDLE|CREATING|UPDATING|DELETING|REPAIRING' createDate!:time "
     "mongoDBMajorVersion!:string mongoDBVersion!:string featureCompatibilityVersion!:string versionReleaseSystem!:'LTS|CONTINUOUS' "
     "replicationSpecs!:LegacyReplicationSpec[] numShards!:int replicationFactor!:int providerSettings:LegacyProviderSettings diskSizeGB:number autoScaling!:object "
     "providerBackupEnabled!:bool mongoURI:string mongoURIWithOptions:string mongoURIUpdated:time srvAddress:string connectionStrings!:ConnectionStrings "
     "biConnector!:BiConnector labels!:KeyValue[] tags!:KeyValue[] paused!:bool pitEnabled!:bool backupEnabled!:bool terminationProtectionEnabled!:bool "
     "diskWarmingMode!:string encryptionAtRestProvider!:string links!:Link[]"},
    {"CreateLegacyCluster", "name!:string clusterType:'REPLICASET|SHARDED|GEOSHARDED' providerSettings!:LegacyProviderSettings replicationSpecs:object[] numShards:int "
                            "replicationFactor:int diskSizeGB:number ..."},
    {"UpdateLegacyCluster", "providerSettings:object replicationSpecs:object[] numShards:int replicationFactor:int diskSizeGB:number ..."},
    {"CreateCountedCluster", "name!:string clusterType:'REPLICASET|SHARDED|GEOSHARDED' replicationSpecs:object[] diskSizeGB:number ..."},
    {"UpdateCountedCluster", "replicationSpecs:object[] diskSizeGB:number ..."},
    {"AutoScalingMode", "autoScalingMode!:'INDEPENDENT_SHARD_SCALING|CLUSTER_WIDE_SCALING'"},
    {"CreateCluster", "name!:string clusterType:'REPLICASET|SHARDED|GEOSHARDED' mongoDBMajorVersion:string versionReleaseSystem:'LTS|CONTINUOUS' "
                      "replicationSpecs:object[] biConnector:object labels:KeyValue[] tags:KeyValue[] terminationProtectionEnabled:bool ..."},
    {"UpdateCluster", "clusterType:'REPLICASET|SHARDED|GEOSHARDED' versionReleaseSystem:'LTS|CONTINUOUS' replicationSpecs:object[] biConnector:object labels:KeyValue[] "
                      "tags:KeyValue[] terminationProtectionEnabled:bool ..."},
    {"RegisterCluster", "name!:string connectionString!:string connectionStrings:PrivateConnections clusterType:'REPLICASET|SHARDED|GEOSHARDED' "
                        "versionReleaseSystem:'LTS|CONTINUOUS' replicationSpecs:object[] biConnector:object labels:KeyValue[] tags:KeyValue[] "
                        "terminationProtectionEnabled:bool"},
    {"ChangeRegisteredCluster", "connectionStrings:PrivateConnections ..."},
    {"PrivateConnections", "private:string privateEndpoint:object[]"},
    {"ClusterStatus", "changeStatus!:'PENDING|APPLIED'"},
    {"DatabaseUserRole", "databaseName!:string roleName!:string"},
    {"DatabaseUserScope", "name!:string type!:'CLUSTER'"},
    {"DatabaseUser", "username!:string databaseName!:string groupId!:id roles!:DatabaseUserRole[] scopes!:DatabaseUserScope[] labels!:KeyValue[] awsIAMType!:'NONE' "
                     "ldapAuthType!:'NONE' oidcAuthType!:'NONE' x509Type!:'NONE' description:string deleteAfterDate:time links!:Link[]"},
    {"CreateDatabaseUser", "username!:string databaseName!:string groupId:id password!:string roles!:DatabaseUserRole[] scopes:DatabaseUserScope[] labels:KeyValue[] "
                           "description:string deleteAfterDate:time awsIAMType:string ldapAuthType:string oidcAuthType:string x509Type:string"},
    {"UpdateDatabaseUser", "username:string databaseName:string groupId:id password:string roles:DatabaseUserRole[] scopes:DatabaseUserScope[] labels:KeyValue[] "
                           "description:string deleteAfterDate:time awsIAMType:string ldapAuthType:string oidcAuthType:string x509Type:string"},
    {"RoleResource", "cluster!:bool collection!:string db!:string"},
    {"RoleAction", "action!:string resources:RoleResource[]"},
    {"InheritedRole", "db!:string role!:string"},
    {"CustomRole", "roleName!:string actions!:RoleAction[] inheritedRoles!:InheritedRole[]"},
    {"CreateCustomRole", "roleName!:string actions:RoleAction[] inheritedRoles:InheritedRole[]"},
    {"UpdateCustomRole", "actions:RoleAction[] inheritedRoles:InheritedRole[]"},
    // Live migration.
    {"TargetOrgRequest", "accessListIps:string[]"},
    {"TargetOrg", "linkToken!:string"},
    {"LinkOfOrganization", "id!:id state!:'TOKEN_ISSUED|SYNCED|NOT_SYNCED' created!:string accessListIps!:string[] lastSyncAt!?:string linkedOrgId!?:string "
                           "linkedOrgName!?:string"},
    {"AvailableDeployment", "name!:string clusterId:string mongoDBVersion!:string featureCompatibilityVersion!:string managed!:bool sharded!:bool shardsSize:int "
                            "tlsEnabled!:bool dbSizeBytes:int64 oplogSizeMB:int agentVersion:string"},
    {"AvailableProject", "projectId!:id name!:string migrationHosts!:string[] deployments!:AvailableDeployment[]"},
    {"MigrationSource", "clusterName!:string groupId!:id managedAuthentication!:bool ssl!:bool username:string password:string caCertificatePath:string"},
    {"MigrationDestination", "clusterName!:string groupId!:id hostnameSchemaType:string privateLinkId:string"},
    {"ShardKeys", "key!:object[]"},
    {"ShardEntry", "database!:string collection!:string shardCollection!:ShardKeys"},
    {"Sharding", "createSupportingIndexes!:bool shardingEntries:ShardEntry[]"},
    {"LiveMigrationRequest", "source!:MigrationSource destination!:MigrationDestination migrationHosts!:string[] dropEnabled!:bool sharding?:Sharding"},
    {"LiveMigrationRequest20240530", "source!:MigrationSource destination!:MigrationDestination migrationHosts!:string[] dropDestinationData:bool sharding?:Sharding"},
    {"LiveImportValidation", "_id!:id errorMessage?:string groupId!:id sourceGroupId!:id status!:'PENDING|SUCCESS|FAILED'"},
    {"LiveMigrationResponse", "_id!:id status!:'NEW|WORKING|FAILED|COMPLETE|EXPIRED' migrationHosts!:string[] readyForCutover!:bool lagTimeSeconds?:int64"},
    {"Check", "id!:string status!:'PASSED|WARNING|FAILED|SKIPPED' title!:string detail!:string"},
    {"ValidationWithChecks", "_id!:id errorMessage?:string groupId!:id sourceGroupId!:id status!:'PENDING|SUCCESS|FAILED' checks!?:Check[]"},
    {"MigrationOrigin", "clusterName!:string groupId!:id managedAuthentication!:bool ssl!:bool username!:string caCertificatePath!:string"},
    {"MigrationTarget", "clusterName!:string groupId!:id hostnameSchemaType!:'PUBLIC|PRIVATE_LINK|VPC_PEERING' privateLinkId!:string privateConnectionString!:string"},
    {"LiveMigration", "_id!:id status!:'NEW|WORKING|FAILED|COMPLETE|EXPIRED' migrationHosts!:string[] readyForCutover!:bool lagTimeSeconds!?:int64 groupId!:id created!:time "
                      "source!:MigrationOrigin destination!:MigrationTarget dropDestinationData!:bool sharding!?:Sharding path!:'legacy|sync' "
                      "state!:'NEW|WORKING|CUTOVER|STOPPING|CLEANING|COMPLETE|FAILED|EXPIRED' outcome!?:'COMPLETE|FAILED|EXPIRED|CANCELLED' errorMessage!?:string "
                      "attention!?:string cutoverGivenUp!?:string hostSilentSince!?:time engineSilentSince!?:time enginePaused!:bool lastReportAt!?:time stopsAtLatest!?:time "
                      "timerExpiresAt!?:time checks!?:Check[] phase!?:string copiedBytes!?:int64 totalBytes!?:int64 appliedEvents!?:int64 etaSeconds!?:int64 "
                      "warnings!?:string[] canCommit!:bool"},
    {"LogLines", "lines!:string[]"},
    {"Extension", "hours:int64"},
    // Monitoring.
    {"AgentApiKey", "_id!:id key!:string desc!:string createdTime!:int64 createdUserId?:string createdIpAddr!:string createdBy!:string"},
    {"CreateAgentApiKey", "desc!:string"},
    {"Agent", "typeName!:'MONITORING|AUTOMATION|BACKUP' hostname!:string confCount!:int64 lastConf!:time stateName!:'ACTIVE|STANDBY|INACTIVE' pingCount:int64 lastPing?:time "
              "isManaged:bool tag?:string"},
    {"SystemInfo", "memSizeMB?:int64 numCores?:int64"},
    {"Host", "id!:string groupId!:id clusterId!:id hostname!:string port!:int created!:time "
             "typeName!:'STANDALONE|REPLICA_PRIMARY|REPLICA_SECONDARY|REPLICA_ARBITER|RECOVERING|SHARD_MONGOS|SHARD_CONFIG|SHARD_STANDALONE|SHARD_PRIMARY|SHARD_SECONDARY|"
             "NO_DATA' aliases!:string[] alertsEnabled!:bool logsEnabled!:bool profilerEnabled!:bool hostEnabled!:bool deactivated!:bool hidden!:bool "
             "hasStartupWarnings!:bool lowUlimit!:bool authMechanismName:string sslEnabled:bool username:string lastPing:time version:string replicaSetName:string "
             "replicaStateName:string shardName:string journalingEnabled:bool hiddenSecondary:bool secondaryDelaySecs:int64 lastDataSizeBytes:int64 "
             "lastIndexSizeBytes:int64 uptimeMsec:int64 lastRestart:time lastError:string systemInfo:SystemInfo links!:Link[]"},
    {"AddHost", "hostname!:string port!:int authMechanismName:string username:string password:string authSource:string sslEnabled:bool caCertificatePath:string "
                "clientCertificatePath:string alertsEnabled:bool logsEnabled:bool profilerEnabled:bool clusterName:string"},
    {"ChangeHost", "hostname:string port:int authMechanismName:string username:string password:string authSource:string sslEnabled:bool caCertificatePath:string clientCertificatePath:string"},
    {"MonitoredCluster", "id!:id groupId!:id clusterName!:string typeName!:string replicaSetName:string lastHeartbeat:time lastError:string links!:Link[]"},
    {"DataPoint", "timestamp!:time value!?:number"},
    {"Measurement", "name!:string units!:string dataPoints!:DataPoint[]"},
    {"Measurements", "start!:time end!:time granularity!:string groupId!:id hostId!:string processId!:string databaseName:string partitionName:string "
                     "measurements!:Measurement[] links!:Link[]"},
    {"DatabaseOfHost", "databaseName!:string links!:Link[]"},
    {"PartitionOfHost", "partitionName!:string links!:Link[]"},
    {"Event", "id!:id eventTypeName!:string created!:time orgId:id groupId:id links!:Link[] publicKey:string apiKeyId:string remoteAddress:string ..."},
    {"Alert", "id!:id eventTypeName!:string groupId!:id status!:'OPEN' typeName!:string hostnameAndPort!:string detail!:string created!:time updated!:time links!:Link[]"},
    {"Process", "id!:string created!:time groupId!:id hostname!:string port!:int lastPing:time replicaSetName:string userAlias!:string version:string "
                "typeName!:'REPLICA_PRIMARY|REPLICA_SECONDARY|REPLICA_ARBITER|RECOVERING|SHARD_MONGOS|NO_DATA' links!:Link[]"},
    {"MigrationAlert", "id!:id eventTypeName!:string groupId!:id orgId!:id clusterName!:string liveMigrationId!:id status!:'OPEN' detail!:string created!:time updated!:time "
                       "links!:Link[]"},
    {"AgentVersion", "address!:string confCount!:int64 hostname!:string hostnameShort!:string isManaged!:bool isModule!:bool isPrimary!:bool isVersionDeprecated!:bool "
                     "isVersionOld!:bool lastConf!:int64 lastPing!:int64 msSinceLastConf!:int64 pingCount!:int64 pingState!:'ok|warning|error' version!:string"},
    {"AgentVersions", "count!:int64 entries!:AgentVersion[] isAnyAgentNotManaged!:bool isAnyAgentVersionDeprecated!:bool isAnyAgentVersionOld!:bool "
                      "latestVersion!:string links!:Link[]"},
    {"ComponentVersions", "automationVersion!:string links!:Link[]"},
    {"AutomationConfig", "auth!:object options!:object version!:int backupVersions!:object[] indexConfigs!:object[] mongosqlds!:object[] monitoringVersions!:object[] "
                         "processes!:object[] replicaSets!:object[] roles!:object[] sharding!:object[]"},
    {"MonitoringAgentConfig", "configOverrides!:object"},
    {"AutomationStatus", "goalVersion!:int processes!:object[]"},
    {"ClusterOfAll", "clusterId!:id name!:string type!:string availability!:'available|warning|unavailable' versions!:string[] backupEnabled!:bool authEnabled!:bool "
                     "sslEnabled!:bool alertCount!:int64 dataSizeBytes!:int64 nodeCount!:int64"},
    {"ClustersOfProject", "groupId!:id groupName!:string orgId!:id orgName!:string tags!:string[] clusters!:ClusterOfAll[]"},
    {"LinkToken", "linkToken!:string"},
    {"OrganizationLink", "status!:'SYNCED|NOT_SYNCED'"},
    {"WholeOrganizationLink", "status!:'SYNCED|NOT_SYNCED' site!?:string lastSyncAt!?:time problem!?:string"},
};

constexpr const char* kEvery = "v2 v1 cm ext";
constexpr const char* kMeasured = "granularity!:string period:string start:time end:time m:string[]";
constexpr const char* kEvents = "eventType:string[] excludedEventType:string[] clusterNames:string[] minDate:time maxDate:time";
constexpr const char* kProvider = "providerName:'AWS|AZURE|GCP'";

constexpr OperationSchema kOperations[] = {
    {kEvery, "GET", "/orgs", 200, "", "Page<Organization>"},
    {kEvery, "POST", "/orgs", 201, "CreateOrganization", "CreatedOrganization"},
    {kEvery, "GET", "/orgs/{orgId}", 200, "", "Organization"},
    {kEvery, "PATCH", "/orgs/{orgId}", 200, "UpdateOrganization", "Organization"},
    {"v2", "DELETE", "/orgs/{orgId}", 204, "", ""},
    {"v1 cm", "DELETE", "/orgs/{orgId}", 202, "", ""},
    {kEvery, "GET", "/orgs/{orgId}/groups", 200, "", "Page<Project>"},
    {kEvery, "GET", "/groups", 200, "", "Page<Project>"},
    {"v2", "POST", "/groups", 200, "CreateProject", "Project"},
    {"v1 cm", "POST", "/groups", 201, "CreateProject", "Project"},
    {kEvery, "GET", "/groups/{groupId}", 200, "", "Project"},
    {kEvery, "GET", "/groups/byName/{groupName}", 200, "", "Project"},
    {kEvery, "PATCH", "/groups/{groupId}", 200, "UpdateProject", "Project"},
    {"v2", "DELETE", "/groups/{groupId}", 204, "", ""},
    {"v1 cm", "DELETE", "/groups/{groupId}", 202, "", ""},
    {kEvery, "GET", "/groups/{groupId}/settings", 200, "", "ProjectSettings"},
    {kEvery, "PATCH", "/groups/{groupId}/settings", 200, "UpdateProjectSettings", "ProjectSettings"},
    {kEvery, "POST", "/groups/{groupId}/apiKeys", 200, "CreateApiKey", "ApiKey"},
    {kEvery, "GET", "/groups/{groupId}/apiKeys", 200, "", "Page<ApiKey>"},
    {kEvery, "POST", "/groups/{groupId}/apiKeys/{apiUserId}", 204, "RolesOfApiKey[]", ""},
    {kEvery, "PATCH", "/groups/{groupId}/apiKeys/{apiUserId}", 200, "UpdateApiKey", "ApiKey"},
    {kEvery, "DELETE", "/groups/{groupId}/apiKeys/{apiUserId}", 204, "", ""},
    {kEvery, "POST", "/orgs/{orgId}/apiKeys", 200, "CreateApiKey", "ApiKey"},
    {kEvery, "GET", "/orgs/{orgId}/apiKeys", 200, "", "Page<ApiKey>"},
    {kEvery, "GET", "/orgs/{orgId}/apiKeys/{apiUserId}", 200, "", "ApiKey"},
    {kEvery, "PATCH", "/orgs/{orgId}/apiKeys/{apiUserId}", 200, "UpdateApiKey", "ApiKey"},
    {kEvery, "DELETE", "/orgs/{orgId}/apiKeys/{apiUserId}", 204, "", ""},
    {kEvery, "GET", "/orgs/{orgId}/apiKeys/{apiUserId}/accessList", 200, "", "Page<KeyAccessListEntry>"},
    {kEvery, "POST", "/orgs/{orgId}/apiKeys/{apiUserId}/accessList", 200, "CreateKeyAccessListEntry[]", "Page<KeyAccessListEntry>"},
    {kEvery, "GET", "/orgs/{orgId}/apiKeys/{apiUserId}/accessList/{ipAddress}", 200, "", "KeyAccessListEntry"},
    {kEvery, "DELETE", "/orgs/{orgId}/apiKeys/{apiUserId}/accessList/{ipAddress}", 204, "", ""},
    {kEvery, "POST", "/orgs/{orgId}/serviceAccounts", 201, "CreateServiceAccount", "ServiceAccount"},
    {kEvery, "GET", "/orgs/{orgId}/serviceAccounts", 200, "", "Page<ServiceAccount>"},
    {kEvery, "GET", "/orgs/{orgId}/serviceAccounts/{clientId}", 200, "", "ServiceAccount"},
    {kEvery, "PATCH", "/orgs/{orgId}/serviceAccounts/{clientId}", 200, "UpdateServiceAccount", "ServiceAccount"},
    {kEvery, "DELETE", "/orgs/{orgId}/serviceAccounts/{clientId}", 204, "", ""},
    {kEvery, "POST", "/groups/{groupId}/serviceAccounts", 201, "CreateServiceAccount", "ServiceAccount"},
    {kEvery, "GET", "/groups/{groupId}/serviceAccounts", 200, "", "Page<ServiceAccount>"},
    {kEvery, "GET", "/groups/{groupId}/serviceAccounts/{clientId}", 200, "", "ServiceAccount"},
    {kEvery, "POST", "/groups/{groupId}/serviceAccounts/{clientId}:invite", 200, "RolesOfServiceAccount", "ServiceAccount"},
    {kEvery, "PATCH", "/groups/{groupId}/serviceAccounts/{clientId}", 200, "RolesOfServiceAccount", "ServiceAccount"},
    {kEvery, "DELETE", "/groups/{groupId}/serviceAccounts/{clientId}", 204, "", ""},
    {kEvery, "POST", "/orgs/{orgId}/serviceAccounts/{clientId}/secrets", 201, "CreateServiceAccountSecret", "ServiceAccountSecret"},
    {kEvery, "DELETE", "/orgs/{orgId}/serviceAccounts/{clientId}/secrets/{secretId}", 204, "", ""},
    {kEvery, "GET", "/groups/{groupId}/events", 200, "", "Page<Event>", kEvents},
    {kEvery, "GET", "/groups/{groupId}/events/{eventId}", 200, "", "Event"},
    {kEvery, "GET", "/orgs/{orgId}/events", 200, "", "Page<Event>", kEvents},
    {kEvery, "GET", "/orgs/{orgId}/events/{eventId}", 200, "", "Event"},
    {kEvery, "GET", "/groups/{groupId}/accessList", 200, "", "Page<AccessListEntry>"},
    {kEvery, "POST", "/groups/{groupId}/accessList", 201, "CreateAccessListEntry[]", "Page<AccessListEntry>"},
    {kEvery, "GET", "/groups/{groupId}/accessList/{entryValue}", 200, "", "AccessListEntry"},
    {kEvery, "GET", "/groups/{groupId}/accessList/{entryValue}/status", 200, "", "AccessListStatus"},
    {kEvery, "DELETE", "/groups/{groupId}/accessList/{entryValue}", 204, "", ""},
    {kEvery, "GET", "/groups/{groupId}/containers", 200, "", "Page<Container>", kProvider},
    {kEvery, "GET", "/groups/{groupId}/containers/all", 200, "", "Page<Container>"},
    {kEvery, "POST", "/groups/{groupId}/containers", 201, "CreateContainer", "Container"},
    {kEvery, "GET", "/groups/{groupId}/containers/{containerId}", 200, "", "Container"},
    {kEvery, "PATCH", "/groups/{groupId}/containers/{containerId}", 200, "UpdateContainer", "Container"},
    {kEvery, "DELETE", "/groups/{groupId}/containers/{containerId}", 204, "", ""},
    {kEvery, "GET", "/groups/{groupId}/peers", 200, "", "Page<Peer>", kProvider},
    {kEvery, "POST", "/groups/{groupId}/peers", 201, "CreatePeer", "Peer"},
    {kEvery, "GET", "/groups/{groupId}/peers/{peerId}", 200, "", "Peer"},
    {"v2 v1", "PATCH", "/groups/{groupId}/peers/{peerId}", 200, "UpdatePeer", "Peer"},
    {"v2", "DELETE", "/groups/{groupId}/peers/{peerId}", 202, "", ""},
    {"v1", "DELETE", "/groups/{groupId}/peers/{peerId}", 204, "", ""},
    {"ext", "PATCH", "/groups/{groupId}/peers/{peerId}", 200, "ConnectionState", "Peer"},
    {kEvery, "POST", "/groups/{groupId}/privateEndpoint/endpointService", 201, "CreateEndpointService", "EndpointService"},
    {kEvery, "GET", "/groups/{groupId}/privateEndpoint/{cloudProvider}/endpointService", 200, "", "EndpointService[]"},
    {kEvery, "GET", "/groups/{groupId}/privateEndpoint/{cloudProvider}/endpointService/{endpointServiceId}", 200, "", "EndpointService"},
    {kEvery, "DELETE", "/groups/{groupId}/privateEndpoint/{cloudProvider}/endpointService/{endpointServiceId}", 204, "", ""},
    {"ext", "PATCH", "/groups/{groupId}/privateEndpoint/{cloudProvider}/endpointService/{endpointServiceId}", 200, "EndpointServiceState", "EndpointService"},
    {kEvery, "POST", "/groups/{groupId}/privateEndpoint/{cloudProvider}/endpointService/{endpointServiceId}/endpoint", 201, "CreatePrivateEndpoint", "PrivateEndpoint"},
    {kEvery, "GET", "/groups/{groupId}/privateEndpoint/{cloudProvider}/endpointService/{endpointServiceId}/endpoint/{endpointId}", 200, "", "PrivateEndpoint"},
    {kEvery, "DELETE", "/groups/{groupId}/privateEndpoint/{cloudProvider}/endpointService/{endpointServiceId}/endpoint/{endpointId}", 204, "", ""},
    {"ext", "PATCH", "/groups/{groupId}/privateEndpoint/{cloudProvider}/endpointService/{endpointServiceId}/endpoint/{endpointId}", 200, "ConnectionState",
     "PrivateEndpoint"},
    {"v2 v1", "GET", "/groups/{groupId}/clusters", 200, "", "Page<LegacyCluster>|Page<CountedCluster>|Page<Cluster>"},
    {"v2 v1", "POST", "/groups/{groupId}/clusters", 201, "CreateLegacyCluster|CreateCountedCluster|CreateCluster", "LegacyCluster|CountedCluster|Cluster"},
    {"ext", "POST", "/groups/{groupId}/clusters", 201, "RegisterCluster", "Cluster"},
    {"v2 v1", "GET", "/groups/{groupId}/clusters/{clusterName}", 200, "", "LegacyCluster|CountedCluster|Cluster"},
    {"v2 v1", "PATCH", "/groups/{groupId}/clusters/{clusterName}", 200, "UpdateLegacyCluster|UpdateCountedCluster|UpdateCluster", "LegacyCluster|CountedCluster|Cluster"},
    {"ext", "PATCH", "/groups/{groupId}/clusters/{clusterName}", 200, "ChangeRegisteredCluster", "Cluster"},
    {"v2 v1", "DELETE", "/groups/{groupId}/clusters/{clusterName}", 202, "", ""},
    {"v2 v1", "GET", "/groups/{groupId}/clusters/{clusterName}/status", 200, "", "ClusterStatus"},
    {"v2", "GET", "/groups/{groupId}/clusters/{clusterName}/autoScalingConfiguration", 200, "", "AutoScalingMode"},
    {kEvery, "GET", "/groups/{groupId}/databaseUsers", 200, "", "Page<DatabaseUser>"},
    {kEvery, "POST", "/groups/{groupId}/databaseUsers", 201, "CreateDatabaseUser", "DatabaseUser"},
    {kEvery, "GET", "/groups/{groupId}/databaseUsers/{databaseName}/{username}", 200, "", "DatabaseUser"},
    {kEvery, "PATCH", "/groups/{groupId}/databaseUsers/{databaseName}/{username}", 200, "UpdateDatabaseUser", "DatabaseUser"},
    {kEvery, "DELETE", "/groups/{groupId}/databaseUsers/{databaseName}/{username}", 204, "", ""},
    {kEvery, "GET", "/groups/{groupId}/customDBRoles/roles", 200, "", "CustomRole[]"},
    {"v2", "POST", "/groups/{groupId}/customDBRoles/roles", 202, "CreateCustomRole", "CustomRole"},
    {"v1", "POST", "/groups/{groupId}/customDBRoles/roles", 200, "CreateCustomRole", "CustomRole"},
    {kEvery, "GET", "/groups/{groupId}/customDBRoles/roles/{roleName}", 200, "", "CustomRole"},
    {kEvery, "PATCH", "/groups/{groupId}/customDBRoles/roles/{roleName}", 200, "UpdateCustomRole", "CustomRole"},
    {kEvery, "DELETE", "/groups/{groupId}/customDBRoles/roles/{roleName}", 204, "", ""},
    {kEvery, "POST", "/orgs/{orgId}/liveMigrations/linkTokens", 201, "TargetOrgRequest", "TargetOrg"},
    {kEvery, "DELETE", "/orgs/{orgId}/liveMigrations/linkTokens", 204, "", ""},
    {kEvery, "GET", "/orgs/{orgId}/liveMigrations/availableProjects", 200, "", "AvailableProject[]"},
    {"ext", "DELETE", "/orgs/{orgId}/liveMigrations/links/{linkId}", 204, "", ""},
    {"ext", "GET", "/orgs/{orgId}/liveMigrations/links", 200, "", "Page<LinkOfOrganization>"},
    {kEvery, "POST", "/groups/{groupId}/liveMigrations/validate", 200, "LiveMigrationRequest|LiveMigrationRequest20240530", "LiveImportValidation"},
    {"v2 v1", "GET", "/groups/{groupId}/liveMigrations/validate/{validationId}", 200, "", "LiveImportValidation"},
    {"ext", "GET", "/groups/{groupId}/liveMigrations/validate/{validationId}", 200, "", "ValidationWithChecks"},
    {kEvery, "POST", "/groups/{groupId}/liveMigrations", 201, "LiveMigrationRequest|LiveMigrationRequest20240530", "LiveMigrationResponse"},
    {"v2 v1", "GET", "/groups/{groupId}/liveMigrations/{liveMigrationId}", 200, "", "LiveMigrationResponse"},
    {"v2", "PUT", "/groups/{groupId}/liveMigrations/{liveMigrationId}/cutover", 202, "", ""},
    {"v1", "PUT", "/groups/{groupId}/liveMigrations/{liveMigrationId}/cutover", 200, "", "LiveImportValidation"},
    {"ext", "GET", "/groups/{groupId}/liveMigrations", 200, "", "Page<LiveMigration>", "status:'NEW|WORKING|FAILED|COMPLETE|EXPIRED'"},
    {"ext", "GET", "/groups/{groupId}/liveMigrations/{liveMigrationId}", 200, "", "LiveMigration"},
    {"ext", "GET", "/groups/{groupId}/liveMigrations/{liveMigrationId}/log", 200, "", "LogLines"},
    {"ext", "POST", "/groups/{groupId}/liveMigrations/{liveMigrationId}/cancel", 200, "", "LiveMigration", "force:bool"},
    {"ext", "POST", "/groups/{groupId}/liveMigrations/{liveMigrationId}/extend", 200, "Extension", "LiveMigration"},
    {"cm", "POST", "/groups/{groupId}/agentapikeys", 200, "CreateAgentApiKey", "AgentApiKey"},
    {"cm", "GET", "/groups/byAgentApiKey/{agentApiKey}", 200, "", "Project"},
    {"cm", "GET", "/groups/{groupId}/agentapikeys", 200, "", "AgentApiKey[]"},
    {"cm", "DELETE", "/groups/{groupId}/agentapikeys/{keyId}", 204, "", "", "force:bool"},
    {"cm", "GET", "/groups/{groupId}/agents", 200, "", "Page<Agent>"},
    {"cm", "GET", "/groups/{groupId}/agents/{type}", 200, "", "Page<Agent>"},
    {"cm", "GET", "/groups/{groupId}/agents/versions", 200, "", "AgentVersions"},
    {"cm", "GET", "/softwareComponents/versions", 200, "", "ComponentVersions"},
    {"cm", "GET", "/groups/{groupId}/automationConfig", 200, "", "AutomationConfig"},
    {"cm", "GET", "/groups/{groupId}/automationConfig/monitoringAgentConfig", 200, "", "MonitoringAgentConfig"},
    {"cm", "GET", "/groups/{groupId}/automationStatus", 200, "", "AutomationStatus"},
    {"cm", "GET", "/clusters", 200, "", "Page<ClustersOfProject>"},
    {"cm", "POST", "/groups/{groupId}/hosts", 201, "AddHost", "Host"},
    {"cm", "GET", "/groups/{groupId}/hosts", 200, "", "Page<Host>", "clusterId:id"},
    {"cm", "GET", "/groups/{groupId}/hosts/{hostId}", 200, "", "Host"},
    {"cm", "GET", "/groups/{groupId}/hosts/byName/{hostAndPort}", 200, "", "Host"},
    {"cm", "PATCH", "/groups/{groupId}/hosts/{hostId}", 200, "ChangeHost", "Host"},
    {"cm", "DELETE", "/groups/{groupId}/hosts/{hostId}", 204, "", ""},
    {"cm", "GET", "/groups/{groupId}/hosts/{hostId}/measurements", 200, "", "Measurements", kMeasured},
    {"cm", "GET", "/groups/{groupId}/hosts/{hostId}/databases", 200, "", "Page<DatabaseOfHost>"},
    {"cm", "GET", "/groups/{groupId}/hosts/{hostId}/databases/{databaseName}", 200, "", "DatabaseOfHost"},
    {"cm", "GET", "/groups/{groupId}/hosts/{hostId}/databases/{databaseName}/measurements", 200, "", "Measurements", kMeasured},
    {"cm", "GET", "/groups/{groupId}/hosts/{hostId}/disks", 200, "", "Page<PartitionOfHost>"},
    {"cm", "GET", "/groups/{groupId}/hosts/{hostId}/disks/{partitionName}", 200, "", "PartitionOfHost"},
    {"cm", "GET", "/groups/{groupId}/hosts/{hostId}/disks/{partitionName}/measurements", 200, "", "Measurements", kMeasured},
    {"cm", "GET", "/groups/{groupId}/clusters", 200, "", "Page<MonitoredCluster>"},
    {"cm", "GET", "/groups/{groupId}/clusters/{clusterId}", 200, "", "MonitoredCluster"},
    {"v2 v1", "GET", "/groups/{groupId}/processes", 200, "", "Page<Process>"},
    {"v2 v1", "GET", "/groups/{groupId}/processes/{processId}", 200, "", "Process"},
    {"v2 v1", "GET", "/groups/{groupId}/processes/{processId}/measurements", 200, "", "Measurements", kMeasured},
    {"v2 v1", "GET", "/groups/{groupId}/processes/{processId}/databases", 200, "", "Page<DatabaseOfHost>"},
    {"v2 v1", "GET", "/groups/{groupId}/processes/{processId}/databases/{databaseName}", 200, "", "DatabaseOfHost"},
    {"v2 v1", "GET", "/groups/{groupId}/processes/{processId}/databases/{databaseName}/measurements", 200, "", "Measurements", kMeasured},
    {"v2 v1", "GET", "/groups/{groupId}/processes/{processId}/disks", 200, "", "Page<PartitionOfHost>"},
    {"v2 v1", "GET", "/groups/{groupId}/processes/{processId}/disks/{partitionName}", 200, "", "PartitionOfHost"},
    {"v2 v1", "GET", "/groups/{groupId}/processes/{processId}/disks/{partitionName}/measurements", 200, "", "Measurements", kMeasured},
    {"v2 v1", "GET", "/groups/{groupId}/alerts", 200, "", "Page<MigrationAlert>", "status:'OPEN|CLOSED|TRACKING'"},
    {"v2 v1", "GET", "/groups/{groupId}/alerts/{alertId}", 200, "", "MigrationAlert"},
    {"cm", "GET", "/groups/{groupId}/alerts", 200, "", "Page<Alert>"},
    {"cm", "GET", "/groups/{groupId}/alerts/{alertId}", 200, "", "Alert"},
    {"cm", "POST", "/orgs/{orgId}/liveExport/migrationLink", 200, "LinkToken", "OrganizationLink"},
    {"cm", "DELETE", "/orgs/{orgId}/liveExport/migrationLink", 204, "", "", "force:bool"},
    {"cm", "GET", "/orgs/{orgId}/liveExport/migrationLink/status", 200, "", "OrganizationLink"},
    {"ext", "GET", "/orgs/{orgId}/liveExport/migrationLink/status", 200, "", "WholeOrganizationLink"},
    {"ext", "POST", "/orgs/{orgId}/liveExport/migrationLink:refresh", 200, "", "OrganizationLink"},
};

std::string_view short_name(Family family) {
  switch (family) {
    case Family::kAtlasV2: return "v2";
    case Family::kAtlasV1: return "v1";
    case Family::kCloudManager: return "cm";
    case Family::kExt: return "ext";
  }
  return "";
}

// Those of the versions.
std::vector<std::string_view> types_of(std::string_view text) {
  std::vector<std::string_view> types;
  while (!text.empty()) {
    const auto end = text.find('|');
    types.push_back(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  return types;
}

// The type of a page's results; empty: it is none.
std::string_view paged_type(std::string_view response) {
  constexpr std::string_view kPage = "Page<";
  return response.starts_with(kPage) ? response.substr(kPage.size(), response.size() - kPage.size() - 1) : std::string_view();
}

}  // namespace

const OperationSchema* operation_schema(const Route& route, Family family) {
  for (const auto& row : kOperations)
    if (route.method == row.method && route.path == row.path && std::string_view(row.families).find(short_name(family)) != std::string_view::npos) return &row;
  return nullptr;
}

Json schema_of_response(std::string_view type) {
  const auto paged = paged_type(type);
  return schema_of_type(paged.empty() ? std::string(type) : fmt::format("Paginated{}", paged));
}

Json schema_components() {
  Json::Object schemas;
  for (const auto& component : kComponents) schemas.emplace_back(component.name, schema_of_fields(component.fields));
  std::set<std::string_view> pages;
  for (const auto& row : kOperations)
    for (const auto type : types_of(row.response))
      if (const auto paged = paged_type(type); !paged.empty()) pages.insert(paged);
  for (const auto paged : pages) schemas.emplace_back(fmt::format("Paginated{}", paged), schema_of_fields(fmt::format("links!:Link[] results!:{}[] totalCount:int64", paged)));
  return schemas;
}

}  // namespace drover::api
