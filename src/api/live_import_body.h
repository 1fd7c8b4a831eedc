// The body of a validation or migration request: LiveMigrationRequest (2023-01-01, v1.0) and LiveMigrationRequest20240530
// (spec/control-plane.md 3.4.4), with what the official clients send that the specification does not say (4.1).
#pragma once

#include "api/rest.h"
#include "control/live_import.h"

namespace drover::api {

RestResult<control::LiveImportRequest> parse_live_import(const RestRequest& request);

}  // namespace drover::api
