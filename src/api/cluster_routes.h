// The clusters of a project (spec/control-plane.md 3.5), and, of our own, the registration of a deployment that is there.
#pragma once

#include <functional>
#include <string>

#include "api/route_table.h"
#include "control/clusters.h"

namespace drover::api {

struct ClusterRouteOptions {
  std::string host_id;  // of this process, which runs the local clusters that are made through it; empty: it runs none
  std::size_t max_local = 0;
  // A refusal when the cluster must stay as it is now.
  std::function<RestResult<int>(const control::Cluster&)> may_change;
  // Whether the project of a cluster that has just been made is there, and stays.
  std::function<Result<bool>(const std::string& group)> project_stays;
};

// What is passed by reference outlives the table.
void add_cluster_routes(RouteTable& table, control::Clusters& clusters, Runtime& runtime, ClusterRouteOptions options);

}  // namespace drover::api
