// What clients say of a cluster: Atlas's ClusterDescription, as far as rules and clients read it (spec/control-plane.md 3.5).
#pragma once

#include <string>
#include <string_view>

#include "api/rest.h"

namespace drover::api {

// Nothing is scaled here: what asks for it, and fields that are not known, are refused by name.
RestResult<int> check_auto_scaling(std::string_view field, const Json& value);

// clusterType, replicationSpecs (with ids), biConnector, versionReleaseSystem, labels, tags, terminationProtectionEnabled, with their
// defaults. Without replicationSpecs: one M10 of provider SELF_MANAGED, region LOCAL.
RestResult<Json> parse_cluster_description(const Json& body, Runtime& runtime);
// The zone of an entry of replicationSpecs: one that names none, or an empty name, is "Zone 1".
std::string zone_name(const Json& spec);
// Refuses by name what a new cluster's body asks for and clusters here do not do: backups, encryption by another's keys, …
RestResult<int> check_new_cluster(const Json& body);
// `now`, a description, with what the body changes of it. Fields that only tell something are ignored; one that asks for what a
// cluster here does not do is refused by name. "diskSizeGB", of the older shapes alone (cluster_versions.h), is put into what the
// cluster is made of, and nothing else of that is looked at. `version`: the cluster's, "7.0.13".
RestResult<Json> parse_cluster_update(const Json& body, const Json& now, const std::string& version, Runtime& runtime);
// connectionStrings of a registered cluster: {"private", "privateEndpoint": [{"connectionString", "endpoints": [{"endpointId",
// "providerName", "region"}]}]}, each with no credentials in it. An empty object when the body has none.
RestResult<Json> parse_private_connections(const Json& body);
// The first instance size of a description: "M30".
std::string instance_size(const Json& description);
bool is_flex(const Json& description);

}  // namespace drover::api
