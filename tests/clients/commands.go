package main

import (
	"context"

	"go.mongodb.org/atlas-sdk/v20250312005/admin"
	"go.mongodb.org/atlas/mongodbatlas"
)

type ctx = context.Context

// By the names that the Atlas command line gives them. Those of `api` are what its `atlas api` does besides.
var commands = map[string]command{
	"http": anyRequest,

	"atlas organizations list": func(x ctx, c *clients, in input) (any, error) {
		return one(c.v2.OrganizationsApi.ListOrganizations(x).PageNum(1).ItemsPerPage(100).IncludeCount(true).Execute())
	},
	"atlas organizations describe": func(x ctx, c *clients, in input) (any, error) {
		return one(c.v2.OrganizationsApi.GetOrganization(x, in.Org).Execute())
	},
	"atlas organizations apiKeys list": func(x ctx, c *clients, in input) (any, error) {
		return one(c.v2.ProgrammaticAPIKeysApi.ListApiKeys(x, in.Org).PageNum(1).ItemsPerPage(100).Execute())
	},
	"atlas organizations apiKeys create": func(x ctx, c *clients, in input) (any, error) {
		return with(in, func(b *admin.CreateAtlasOrganizationApiKey) (any, error) {
			return one(c.v2.ProgrammaticAPIKeysApi.CreateApiKey(x, in.Org, b).Execute())
		})
	},
	"atlas organizations apiKeys describe": func(x ctx, c *clients, in input) (any, error) {
		return one(c.v2.ProgrammaticAPIKeysApi.GetApiKey(x, in.Org, in.Name).Execute())
	},
	"atlas organizations apiKeys assign": func(x ctx, c *clients, in input) (any, error) {
		return with(in, func(b *admin.UpdateAtlasOrganizationApiKey) (any, error) {
			return one(c.v2.ProgrammaticAPIKeysApi.UpdateApiKey(x, in.Org, in.Name, b).Execute())
		})
	},
	"atlas organizations apiKeys delete": func(x ctx, c *clients, in input) (any, error) {
		return none(c.v2.ProgrammaticAPIKeysApi.DeleteApiKey(x, in.Org, in.Name).Execute())
	},
	"atlas organizations apiKeys accessLists list": func(x ctx, c *clients, in input) (any, error) {
		return one(c.v2.ProgrammaticAPIKeysApi.ListApiKeyAccessListsEntries(x, in.Org, in.Name).PageNum(1).ItemsPerPage(100).Execute())
	},
	"atlas organizations apiKeys accessLists create": func(x ctx, c *clients, in input) (any, error) {
		return with(in, func(b *[]admin.UserAccessListRequest) (any, error) {
			return one(c.v2.ProgrammaticAPIKeysApi.CreateApiKeyAccessList(x, in.Org, in.Name, b).Execute())
		})
	},
	"atlas organizations apiKeys accessLists delete": func(x ctx, c *clients, in input) (any, error) {
		return none(c.v2.ProgrammaticAPIKeysApi.DeleteApiKeyAccessListEntry(x, in.Org, in.Name, in.Other).Execute())
	},

	"atlas projects create": func(x ctx, c *clients, in input) (any, error) {
		alerts := true
		return one(c.v2.ProjectsApi.CreateProjectWithParams(x, &admin.CreateProjectApiParams{
			Group: &admin.Group{Name: in.Name, OrgId: in.Org, WithDefaultAlertsSettings: &alerts}}).Execute())
	},
	"atlas projects list": func(x ctx, c *clients, in input) (any, error) {
		if in.Org == "" {
			return one(c.v2.ProjectsApi.ListProjects(x).PageNum(1).ItemsPerPage(100).Execute())
		}
		return one(c.v2.OrganizationsApi.ListOrganizationProjects(x, in.Org).PageNum(1).ItemsPerPage(100).Execute())
	},
	"atlas projects describe": func(x ctx, c *clients, in input) (any, error) {
		return one(c.v2.ProjectsApi.GetProject(x, in.Group).Execute())
	},
	"atlas projects update": func(x ctx, c *clients, in input) (any, error) {
		return with(in, func(b *admin.GroupUpdate) (any, error) {
			return one(c.v2.ProjectsApi.UpdateProject(x, in.Group, b).Execute())
		})
	},
	"atlas projects delete": func(x ctx, c *clients, in input) (any, error) {
		return none(c.v2.ProjectsApi.DeleteProject(x, in.Group).Execute())
	},
	"atlas projects settings describe": func(x ctx, c *clients, in input) (any, error) {
		return one(c.v2.ProjectsApi.GetProjectSettings(x, in.Group).Execute())
	},
	"atlas projects settings update": func(x ctx, c *clients, in input) (any, error) {
		return with(in, func(b *admin.GroupSettings) (any, error) {
			return one(c.v2.ProjectsApi.UpdateProjectSettings(x, in.Group, b).Execute())
		})
	},
	"atlas projects apiKeys list": func(x ctx, c *clients, in input) (any, error) {
		return one(c.v2.ProgrammaticAPIKeysApi.ListProjectApiKeys(x, in.Group).PageNum(1).ItemsPerPage(100).Execute())
	},
	"atlas projects apiKeys create": func(x ctx, c *clients, in input) (any, error) {
		return with(in, func(b *admin.CreateAtlasProjectApiKey) (any, error) {
			return one(c.v2.ProgrammaticAPIKeysApi.CreateProjectApiKey(x, in.Group, b).Execute())
		})
	},
	"atlas projects apiKeys assign": func(x ctx, c *clients, in input) (any, error) {
		return with(in, func(b *admin.UpdateAtlasProjectApiKey) (any, error) {
			return one(c.v2.ProgrammaticAPIKeysApi.UpdateApiKeyRoles(x, in.Group, in.Name, b).Execute())
		})
	},
	"atlas projects apiKeys delete": func(x ctx, c *clients, in input) (any, error) {
		return none(c.v2.ProgrammaticAPIKeysApi.RemoveProjectApiKey(x, in.Group, in.Name).Execute())
	},

	"atlas accessLists list": func(x ctx, c *clients, in input) (any, error) {
		return one(c.v2.ProjectIPAccessListApi.ListProjectIpAccessLists(x, in.Group).PageNum(1).ItemsPerPage(100).Execute())
	},
	"atlas accessLists create": func(x ctx, c *clients, in input) (any, error) {
		return with(in, func(b *[]admin.NetworkPermissionEntry) (any, error) {
			return one(c.v2.ProjectIPAccessListApi.CreateProjectIpAccessList(x, in.Group, b).Execute())
		})
	},
	"atlas accessLists describe": func(x ctx, c *clients, in input) (any, error) {
		return one(c.v2.ProjectIPAccessListApi.GetProjectIpList(x, in.Group, in.Name).Execute())
	},
	"atlas accessLists delete": func(x ctx, c *clients, in input) (any, error) {
		return none(c.v2.ProjectIPAccessListApi.DeleteProjectIpAccessList(x, in.Group, in.Name).Execute())
	},

	"atlas dbusers list": func(x ctx, c *clients, in input) (any, error) {
		return one(c.v2.DatabaseUsersApi.ListDatabaseUsers(x, in.Group).PageNum(1).ItemsPerPage(100).Execute())
	},
	"atlas dbusers create": func(x ctx, c *clients, in input) (any, error) {
		return with(in, func(b *admin.CloudDatabaseUser) (any, error) {
			return one(c.v2.DatabaseUsersApi.CreateDatabaseUser(x, in.Group, b).Execute())
		})
	},
	"atlas dbusers describe": func(x ctx, c *clients, in input) (any, error) {
		return one(c.v2.DatabaseUsersApi.GetDatabaseUser(x, in.Group, "admin", in.Name).Execute())
	},
	"atlas dbusers update": func(x ctx, c *clients, in input) (any, error) {
		return with(in, func(b *admin.CloudDatabaseUser) (any, error) {
			return one(c.v2.DatabaseUsersApi.UpdateDatabaseUser(x, in.Group, "admin", in.Name, b).Execute())
		})
	},
	"atlas dbusers delete": func(x ctx, c *clients, in input) (any, error) {
		return none(c.v2.DatabaseUsersApi.DeleteDatabaseUser(x, in.Group, "admin", in.Name).Execute())
	},

	"atlas customDbRoles list": func(x ctx, c *clients, in input) (any, error) {
		return one(c.v2.CustomDatabaseRolesApi.ListCustomDatabaseRoles(x, in.Group).Execute())
	},
	"atlas customDbRoles create": func(x ctx, c *clients, in input) (any, error) {
		return with(in, func(b *admin.UserCustomDBRole) (any, error) {
			return one(c.v2.CustomDatabaseRolesApi.CreateCustomDatabaseRole(x, in.Group, b).Execute())
		})
	},
	"atlas customDbRoles describe": func(x ctx, c *clients, in input) (any, error) {
		return one(c.v2.CustomDatabaseRolesApi.GetCustomDatabaseRole(x, in.Group, in.Name).Execute())
	},
	"atlas customDbRoles update": func(x ctx, c *clients, in input) (any, error) {
		return with(in, func(b *admin.UpdateCustomDBRole) (any, error) {
			return one(c.v2.CustomDatabaseRolesApi.UpdateCustomDatabaseRole(x, in.Group, in.Name, b).Execute())
		})
	},
	"atlas customDbRoles delete": func(x ctx, c *clients, in input) (any, error) {
		return none(c.v2.CustomDatabaseRolesApi.DeleteCustomDatabaseRole(x, in.Group, in.Name).Execute())
	},

	"atlas clusters list": func(x ctx, c *clients, in input) (any, error) {
		return one(c.pinned.ClustersApi.ListClusters(x, in.Group).PageNum(1).ItemsPerPage(100).Execute())
	},
	"atlas clusters describe": func(x ctx, c *clients, in input) (any, error) {
		return one(c.pinned.ClustersApi.GetCluster(x, in.Group, in.Name).Execute())
	},
	"atlas clusters create": func(x ctx, c *clients, in input) (any, error) {
		return with(in, func(given *clusterFlags) (any, error) {
			return one(c.pinned.ClustersApi.CreateCluster(x, in.Group, clusterOf(in, given)).Execute())
		})
	},
	"atlas clusters update": func(x ctx, c *clients, in input) (any, error) {
		return with(in, func(given *clusterChanges) (any, error) { return changeCluster(x, c, in, given) })
	},
	"atlas clusters delete": func(x ctx, c *clients, in input) (any, error) {
		return none(c.pinned.ClustersApi.DeleteCluster(x, in.Group, in.Name).Execute())
	},
	"api clusters list": func(x ctx, c *clients, in input) (any, error) {
		return one(c.v2.ClustersApi.ListClusters(x, in.Group).Execute())
	},
	"api clusters get": func(x ctx, c *clients, in input) (any, error) {
		return one(c.v2.ClustersApi.GetCluster(x, in.Group, in.Name).Execute())
	},
	"api clusters update": func(x ctx, c *clients, in input) (any, error) {
		return with(in, func(b *admin.ClusterDescription20240805) (any, error) {
			return one(c.v2.ClustersApi.UpdateCluster(x, in.Group, in.Name, b).Execute())
		})
	},
	"api clusters status": func(x ctx, c *clients, in input) (any, error) {
		return one(c.v2.ClustersApi.GetClusterStatus(x, in.Group, in.Name).Execute())
	},
	"api clusters autoScalingConfiguration": func(x ctx, c *clients, in input) (any, error) {
		return one(c.v2.ClustersApi.AutoScalingConfiguration(x, in.Group, in.Name).Execute())
	},

	"atlas processes list": func(x ctx, c *clients, in input) (any, error) {
		return one(c.v2.MonitoringAndLogsApi.ListAtlasProcesses(x, in.Group).PageNum(1).ItemsPerPage(100).Execute())
	},
	"atlas processes describe": func(x ctx, c *clients, in input) (any, error) {
		return one(c.v2.MonitoringAndLogsApi.GetAtlasProcess(x, in.Group, in.Name).Execute())
	},
	"atlas metrics processes": func(x ctx, c *clients, in input) (any, error) {
		return one(c.v2.MonitoringAndLogsApi.GetHostMeasurements(x, in.Group, in.Name).Granularity("PT1M").Period("PT10M").M([]string{in.Other}).Execute())
	},
	"atlas metrics databases list": func(x ctx, c *clients, in input) (any, error) {
		return one(c.v2.MonitoringAndLogsApi.ListDatabases(x, in.Group, in.Name).PageNum(1).ItemsPerPage(100).IncludeCount(true).Execute())
	},
	"atlas metrics databases describe": func(x ctx, c *clients, in input) (any, error) {
		return one(c.v2.MonitoringAndLogsApi.GetDatabaseMeasurements(x, in.Group, in.Other, in.Name).Granularity("PT1M").Period("PT10M").Execute())
	},
	"atlas metrics disks list": func(x ctx, c *clients, in input) (any, error) {
		return one(c.v2.MonitoringAndLogsApi.ListDiskPartitions(x, in.Group, in.Name).PageNum(1).ItemsPerPage(100).IncludeCount(true).Execute())
	},
	"atlas metrics disks describe": func(x ctx, c *clients, in input) (any, error) {
		return one(c.v2.MonitoringAndLogsApi.GetDiskMeasurements(x, in.Group, in.Other, in.Name).Granularity("PT1M").Period("PT10M").Execute())
	},
	"atlas alerts list": func(x ctx, c *clients, in input) (any, error) {
		return one(c.v2.AlertsApi.ListAlerts(x, in.Group).PageNum(1).ItemsPerPage(100).Status("OPEN").Execute())
	},
	"atlas events projects list": func(x ctx, c *clients, in input) (any, error) {
		asked := c.v2.EventsApi.ListProjectEvents(x, in.Group).PageNum(1).ItemsPerPage(100)
		if in.Name != "" {
			asked = asked.EventType([]string{in.Name})
		}
		return one(asked.Execute())
	},
	"atlas events organizations list": func(x ctx, c *clients, in input) (any, error) {
		return one(c.v2.EventsApi.ListOrganizationEvents(x, in.Org).PageNum(1).ItemsPerPage(100).Execute())
	},

	"atlas networking containers list": func(x ctx, c *clients, in input) (any, error) {
		return one(c.v2.NetworkPeeringApi.ListPeeringContainers(x, in.Group).PageNum(1).ItemsPerPage(100).Execute())
	},
	"api networking containers create": func(x ctx, c *clients, in input) (any, error) {
		return with(in, func(b *admin.CloudProviderContainer) (any, error) {
			return one(c.v2.NetworkPeeringApi.CreatePeeringContainer(x, in.Group, b).Execute())
		})
	},
	"atlas networking peering create": func(x ctx, c *clients, in input) (any, error) {
		return with(in, func(b *admin.BaseNetworkPeeringConnectionSettings) (any, error) {
			return one(c.v2.NetworkPeeringApi.CreatePeeringConnection(x, in.Group, b).Execute())
		})
	},
	"atlas networking peering list": func(x ctx, c *clients, in input) (any, error) {
		return one(c.v2.NetworkPeeringApi.ListPeeringConnections(x, in.Group).ProviderName("AWS").PageNum(1).ItemsPerPage(100).Execute())
	},
	"api networking peering update": func(x ctx, c *clients, in input) (any, error) {
		return with(in, func(b *admin.BaseNetworkPeeringConnectionSettings) (any, error) {
			return one(c.v2.NetworkPeeringApi.UpdatePeeringConnection(x, in.Group, in.Name, b).Execute())
		})
	},
	"atlas networking peering delete": func(x ctx, c *clients, in input) (any, error) {
		return one(c.v2.NetworkPeeringApi.DeletePeeringConnection(x, in.Group, in.Name).Execute())
	},
	"atlas privateEndpoints aws create": func(x ctx, c *clients, in input) (any, error) {
		return one(c.v2.PrivateEndpointServicesApi.CreatePrivateEndpointService(x, in.Group,
			&admin.CloudProviderEndpointServiceRequest{ProviderName: "AWS", Region: in.Name}).Execute())
	},
	"atlas privateEndpoints aws list": func(x ctx, c *clients, in input) (any, error) {
		return one(c.v2.PrivateEndpointServicesApi.ListPrivateEndpointServices(x, in.Group, "AWS").Execute())
	},
	"atlas privateEndpoints aws interfaces create": func(x ctx, c *clients, in input) (any, error) {
		return one(c.v2.PrivateEndpointServicesApi.CreatePrivateEndpoint(x, in.Group, "AWS", in.Name, &admin.CreateEndpointRequest{Id: &in.Other}).Execute())
	},

	"api serviceAccounts create": func(x ctx, c *clients, in input) (any, error) {
		return with(in, func(b *admin.OrgServiceAccountRequest) (any, error) {
			return one(c.v2.ServiceAccountsApi.CreateServiceAccount(x, in.Org, b).Execute())
		})
	},
	"api projects serviceAccounts create": func(x ctx, c *clients, in input) (any, error) {
		return with(in, func(b *admin.GroupServiceAccountRequest) (any, error) {
			return one(c.v2.ServiceAccountsApi.CreateProjectServiceAccount(x, in.Group, b).Execute())
		})
	},
	"api projects serviceAccounts list": func(x ctx, c *clients, in input) (any, error) {
		return one(c.v2.ServiceAccountsApi.ListProjectServiceAccounts(x, in.Group).Execute())
	},
	"api projects serviceAccounts add": func(x ctx, c *clients, in input) (any, error) {
		return with(in, func(b *admin.GroupServiceAccountRoleAssignment) (any, error) {
			return one(c.v2.ServiceAccountsApi.AddProjectServiceAccount(x, in.Name, in.Group, b).Execute())
		})
	},
	"api projects serviceAccounts update": func(x ctx, c *clients, in input) (any, error) {
		return with(in, func(b *admin.GroupServiceAccountUpdateRequest) (any, error) {
			return one(c.v2.ServiceAccountsApi.UpdateProjectServiceAccount(x, in.Name, in.Group, b).Execute())
		})
	},
	"api projects serviceAccounts delete": func(x ctx, c *clients, in input) (any, error) {
		return none(c.v2.ServiceAccountsApi.DeleteProjectServiceAccount(x, in.Name, in.Group).Execute())
	},

	"atlas liveMigrations link create": func(x ctx, c *clients, in input) (any, error) {
		ips := []string{}
		if in.Name != "" {
			ips = append(ips, in.Name)
		}
		return one(c.v2.CloudMigrationServiceApi.CreateLinkToken(x, in.Org, &admin.TargetOrgRequest{AccessListIps: &ips}).Execute())
	},
	"atlas liveMigrations link delete": func(x ctx, c *clients, in input) (any, error) {
		return none(c.v2.CloudMigrationServiceApi.DeleteLinkToken(x, in.Org).Execute())
	},
	"api cloudMigrationService listAvailableProjects": func(x ctx, c *clients, in input) (any, error) {
		return one(c.v2.CloudMigrationServiceApi.ListSourceProjects(x, in.Org).Execute())
	},
	"atlas liveMigrations validation create": func(x ctx, c *clients, in input) (any, error) {
		return with(in, func(given *flags) (any, error) {
			return one(c.v2.CloudMigrationServiceApi.ValidateMigration(x, in.Group, migrationOf(in, given)).Execute())
		})
	},
	"atlas liveMigrations validation describe": func(x ctx, c *clients, in input) (any, error) {
		return one(c.v2.CloudMigrationServiceApi.GetValidationStatus(x, in.Group, in.Name).Execute())
	},
	"atlas liveMigrations create": func(x ctx, c *clients, in input) (any, error) {
		return with(in, func(given *flags) (any, error) {
			return one(c.v2.CloudMigrationServiceApi.CreatePushMigration(x, in.Group, migrationOf(in, given)).Execute())
		})
	},
	"atlas liveMigrations describe": func(x ctx, c *clients, in input) (any, error) {
		return one(c.v2.CloudMigrationServiceApi.GetPushMigration(x, in.Group, in.Name).Execute())
	},
	"atlas liveMigrations cutover": func(x ctx, c *clients, in input) (any, error) {
		return none(c.v2.CloudMigrationServiceApi.CutoverMigration(x, in.Group, in.Name).Execute())
	},

	"v1 clusters list": func(x ctx, c *clients, in input) (any, error) { return one(c.v1.Clusters.List(x, in.Group, firstPage)) },
	"v1 clusters get":  func(x ctx, c *clients, in input) (any, error) { return one(c.v1.Clusters.Get(x, in.Group, in.Name)) },
	"v1 clusters create": func(x ctx, c *clients, in input) (any, error) {
		return with(in, func(b *mongodbatlas.Cluster) (any, error) { return one(c.v1.Clusters.Create(x, in.Group, b)) })
	},
	"v1 clusters update": func(x ctx, c *clients, in input) (any, error) {
		return with(in, func(b *mongodbatlas.Cluster) (any, error) { return one(c.v1.Clusters.Update(x, in.Group, in.Name, b)) })
	},
	"v1 clusters delete": func(x ctx, c *clients, in input) (any, error) {
		return none(c.v1.Clusters.Delete(x, in.Group, in.Name, nil))
	},
	"v1 clusters status": func(x ctx, c *clients, in input) (any, error) { return one(c.v1.Clusters.Status(x, in.Group, in.Name)) },
	"v1 customDBRoles list": func(x ctx, c *clients, in input) (any, error) {
		return one(c.v1.CustomDBRoles.List(x, in.Group, firstPage))
	},
	"v1 settings get": func(x ctx, c *clients, in input) (any, error) {
		return one(c.v1.Projects.GetProjectSettings(x, in.Group))
	},
	"v1 databaseUsers list": func(x ctx, c *clients, in input) (any, error) {
		return one(c.v1.DatabaseUsers.List(x, in.Group, firstPage))
	},
	"v1 accessList list": func(x ctx, c *clients, in input) (any, error) {
		return one(c.v1.ProjectIPAccessList.List(x, in.Group, firstPage))
	},
	"v1 processes list":     func(x ctx, c *clients, in input) (any, error) { return one(c.v1.Processes.List(x, in.Group, nil)) },
	"v1 alerts list":        func(x ctx, c *clients, in input) (any, error) { return one(c.v1.Alerts.List(x, in.Group, nil)) },
	"v1 peers list":         func(x ctx, c *clients, in input) (any, error) { return one(c.v1.Peers.List(x, in.Group, nil)) },
	"v1 organizations list": func(x ctx, c *clients, in input) (any, error) { return one(c.v1.Organizations.List(x, nil)) },
	"v1 projects get":       func(x ctx, c *clients, in input) (any, error) { return one(c.v1.Projects.GetOneProject(x, in.Group)) },
	"v1 apiKeys list":       func(x ctx, c *clients, in input) (any, error) { return one(c.v1.APIKeys.List(x, in.Org, firstPage)) },
	"v1 linkTokens delete": func(x ctx, c *clients, in input) (any, error) {
		return none(c.v1.LiveMigration.DeleteLinkToken(x, in.Org))
	},
	"v1 liveMigrations get": func(x ctx, c *clients, in input) (any, error) {
		return one(c.v1.LiveMigration.Get(x, in.Group, in.Name))
	},
	"v1 liveMigrations start": func(x ctx, c *clients, in input) (any, error) {
		return one(c.v1.LiveMigration.Start(x, in.Group, in.Name))
	},
	"v1 liveMigrations validate": func(x ctx, c *clients, in input) (any, error) {
		return with(in, func(b *mongodbatlas.LiveMigration) (any, error) {
			return one(c.v1.LiveMigration.CreateValidation(x, in.Group, b))
		})
	},
}
