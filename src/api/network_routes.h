// VPC peering and private endpoints of a project (spec/control-plane.md 3.5). What state a connection is in is told by whoever runs
// the network, by routes of our own below /api/ext/v1.
#pragma once

#include <functional>

#include "api/route_table.h"
#include "control/network_records.h"

namespace drover::api {

struct NetworkServices {
  control::NetworkRecords& networks;
  // A refusal while a live migration of the project goes through such a network: "VPC_PEERING", "PRIVATE_LINK".
  std::function<RestResult<int>(const std::string& group, const std::string& schema)> may_change;
};
// What is passed by reference outlives the table.
void add_peering_routes(RouteTable& table, NetworkServices services);
void add_private_endpoint_routes(RouteTable& table, NetworkServices services);

}  // namespace drover::api
