// Clusters as the older versions of the Admin API have them. What a request says is read into the newest shape, in which clusters are kept, and an
// answer is written from it. Pure.
//
//   kNewest   from 2024-08-05 on: an entry of replicationSpecs for each shard, the disk's size with the instance's.
//   kCounted  2023-02-01: an entry for each zone, with numShards; one diskSizeGB of the cluster.
//   kLegacy   2023-01-01, and v1.0: one provider's providerSettings, nodes by the region's name in regionsConfig. A cluster of several
//             providers has no providerSettings, and its replicationSpecs cannot be changed in this shape.
#pragma once

#include "api/rest.h"

namespace drover::api {

enum class ClusterShape { kLegacy, kCounted, kNewest };
ClusterShape cluster_shape(const RestRequest& request);

// `body` in the newest shape. `now`: the description of the cluster that it changes, an empty object for a new one; what the body
// gives in parts only is completed from it. Fields that are the same in all shapes stay as they are.
RestResult<Json> newest_cluster_body(const Json& body, const Json& now, ClusterShape shape);
// A cluster as it is answered in the newest shape, in this one.
Json cluster_in_shape(Json newest, ClusterShape shape);

}  // namespace drover::api
