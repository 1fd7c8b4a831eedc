// Live migration as Atlas's clients know it (spec/control-plane.md 3.2, 3.4): link-tokens, available projects, validations,
// migrations.
#pragma once

#include "api/route_table.h"
#include "control/links.h"
#include "control/live_import_intake.h"
#include "control/live_imports.h"

namespace drover::api {

// What is passed by reference outlives the table.
void add_link_routes(RouteTable& table, control::Links& links, control::LiveImports& imports);

struct ImportServices {
  control::LiveImports& imports;
  control::LiveImportIntake& intake;
  control::Links& links;
};
void add_import_routes(RouteTable& table, ImportServices services);

}  // namespace drover::api
