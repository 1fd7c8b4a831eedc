// The processes of a project's clusters, and the alerts of its live migrations, as the Atlas Admin API has them (spec/control-plane.md 3.5).
// Both are what is so now; neither is kept. And what the site has measured of the processes.
#pragma once

#include "api/route_table.h"
#include "control/cluster_monitor.h"
#include "control/cluster_processes.h"
#include "control/links.h"
#include "control/live_imports.h"

namespace drover::api {

struct ProcessServices {
  control::Clusters& clusters;
  control::ClusterProcesses& processes;
  control::LiveImports& imports;
  control::Links& links;
  control::ClusterMonitor& monitor;
};
inline constexpr int kMaxClustersOfAnswer = 500;  // of one project
// What is passed by reference outlives the table.
void add_process_routes(RouteTable& table, ProcessServices services);
void add_process_measurement_routes(RouteTable& table, ProcessServices services);

}  // namespace drover::api
