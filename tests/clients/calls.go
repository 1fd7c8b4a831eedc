package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	pinned "go.mongodb.org/atlas-sdk/v20240530005/admin"
	"go.mongodb.org/atlas-sdk/v20250312005/admin"
	"go.mongodb.org/atlas/mongodbatlas"
)

func body[T any](in input) (*T, error) {
	value := new(T)
	if len(in.Body) == 0 {
		return value, nil
	}
	return value, json.Unmarshal(in.Body, value)
}

func with[T any](in input, send func(*T) (any, error)) (any, error) {
	value, err := body[T](in)
	if err != nil {
		return nil, err
	}
	return send(value)
}

func one[T any, R any](value T, _ R, err error) (any, error) { return value, err }
func none[R any](_ R, err error) (any, error)                { return nil, err }

// What the Atlas command line makes of its flags for `liveMigrations validation create` and `liveMigrations create`: every text that is not set is "",
// and hostnameSchemaType is never set.
type flags struct {
	ClusterName, SourceClusterName, SourceProjectID, SourceUsername, SourcePassword, SourceCACertificatePath string
	MigrationHosts                                                                                           []string
	SourceSSL, SourceManagedAuthentication, Drop                                                             bool
}

func migrationOf(in input, given *flags) *admin.LiveMigrationRequest20240530 {
	return &admin.LiveMigrationRequest20240530{
		Source: admin.Source{
			ClusterName:           given.SourceClusterName,
			GroupId:               given.SourceProjectID,
			Username:              &given.SourceUsername,
			Password:              &given.SourcePassword,
			Ssl:                   given.SourceSSL || given.SourceCACertificatePath != "",
			CaCertificatePath:     &given.SourceCACertificatePath,
			ManagedAuthentication: given.SourceManagedAuthentication,
		},
		Destination:         admin.Destination{ClusterName: given.ClusterName, GroupId: in.Group},
		MigrationHosts:      &given.MigrationHosts,
		DropDestinationData: &given.Drop,
	}
}

// What `clusters create NAME --provider --region --tier --members --diskSizeGB --mdbVersion` sends.
type clusterFlags struct {
	Provider, Region, Tier, MdbVersion string
	Members                            int
	DiskSizeGB                         float64
	Backup                             bool
}

func clusterOf(in input, given *clusterFlags) *pinned.AdvancedClusterDescription {
	kind, zone, none, shards, priority, protected := "REPLICASET", "Zone 1", 0, 1, 7, false
	cluster := &pinned.AdvancedClusterDescription{
		GroupId:                      &in.Group,
		Name:                         &in.Name,
		ClusterType:                  &kind,
		DiskSizeGB:                   &given.DiskSizeGB,
		MongoDBMajorVersion:          &given.MdbVersion,
		TerminationProtectionEnabled: &protected,
		ReplicationSpecs: &[]pinned.ReplicationSpec{{
			NumShards: &shards,
			ZoneName:  &zone,
			RegionConfigs: &[]pinned.CloudRegionConfig{{
				Priority:       &priority,
				RegionName:     &given.Region,
				ProviderName:   &given.Provider,
				ElectableSpecs: &pinned.HardwareSpec{InstanceSize: &given.Tier, NodeCount: &given.Members},
				ReadOnlySpecs:  &pinned.DedicatedHardwareSpec{InstanceSize: &given.Tier, NodeCount: &none},
			}},
		}},
	}
	if given.Backup {
		cluster.BackupEnabled, cluster.PitEnabled = &given.Backup, &given.Backup
	}
	return cluster
}

// As `clusters update` does it: what is there, without what only tells something, and with the flags' changes.
type clusterChanges struct {
	Tier       string
	DiskSizeGB float64
	Tags       map[string]string
	Paused     *bool
}

func changeCluster(ctx context.Context, c *clients, in input, given *clusterChanges) (any, error) {
	cluster := new(pinned.AdvancedClusterDescription)
	if given.Paused == nil {
		var err error
		if cluster, _, err = c.pinned.ClustersApi.GetCluster(ctx, in.Group, in.Name).Execute(); err != nil {
			return nil, err
		}
		cluster.Id, cluster.CreateDate, cluster.StateName, cluster.MongoDBVersion, cluster.ConnectionStrings, cluster.Links = nil, nil, nil, nil, nil, nil
		for i := range *cluster.ReplicationSpecs {
			(*cluster.ReplicationSpecs)[i].Id = nil
		}
	}
	cluster.Paused = given.Paused
	if given.DiskSizeGB > 0 {
		cluster.DiskSizeGB = &given.DiskSizeGB
	}
	for key, value := range given.Tags {
		cluster.Tags = &[]pinned.ResourceTag{{Key: key, Value: value}}
	}
	for _, spec := range cluster.GetReplicationSpecs() {
		for i := range spec.GetRegionConfigs() {
			region := &(*spec.RegionConfigs)[i]
			if given.Tier != "" && region.ElectableSpecs != nil {
				region.ElectableSpecs.InstanceSize = &given.Tier
			}
			if given.Tier != "" && region.ReadOnlySpecs != nil {
				region.ReadOnlySpecs.InstanceSize = &given.Tier
			}
		}
	}
	return one(c.pinned.ClustersApi.UpdateCluster(ctx, in.Group, in.Name, cluster).Execute())
}

// Name is the method, Other the path; with the headers of the Cloud Manager library.
func anyRequest(ctx context.Context, c *clients, in input) (any, error) {
	var sent io.Reader
	if len(in.Body) > 0 {
		sent = strings.NewReader(string(in.Body))
	}
	made, err := http.NewRequestWithContext(ctx, in.Name, c.url+in.Other, sent)
	if err != nil {
		return nil, err
	}
	made.Header.Set("Accept", "application/json")
	if sent != nil {
		made.Header.Set("Content-Type", "application/json")
	}
	made.Header.Set("User-Agent", "mongocli/2.0.4 (linux;amd64)")
	answer, err := c.http.Do(made)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || len(text) == 0 {
		return map[string]any{"status": answer.StatusCode}, err
	}
	var value any
	err = json.Unmarshal(text, &value)
	return map[string]any{"status": answer.StatusCode, "body": value}, err
}

var firstPage = &mongodbatlas.ListOptions{PageNum: 1, ItemsPerPage: 100}
