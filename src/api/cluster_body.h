// What clients say of a cluster: Atlas's ClusterDescription, as far as rules and clients read it (spec/control-plane.md 3.5).
#pragma once

#include <string>

#include "api/rest.h"

namespace drover::api {

// clusterType, replicationSpecs (with ids), biConnector, versionReleaseSystem, labels, tags, terminationProtectionEnabled, with their
// defaults. Without replicationSpecs: one M10 of provider SELF_MANAGED, region LOCAL.
RestResult<Json> parse_cluster_description(const Json& body, Runtime& runtime);
// The first instance size of a description: "M30".
std::string instance_size(const Json& description);
bool is_flex(const Json& description);

}  // namespace drover::api
