// "Live Migration: Connect to Atlas" of a Cloud Manager organization (spec/control-plane.md 3.3): connect, status, refresh,
// disconnect.
#pragma once

#include "api/route_table.h"
#include "control/link_worker.h"
#include "control/site_links.h"

namespace drover::api {

// Both must live as long as the table.
void add_export_routes(RouteTable& table, control::SiteLinks& links, control::LinkWorker& worker);

}  // namespace drover::api
