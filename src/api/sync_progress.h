// GET /api/v1/progress (spec/engine.md 2.6): every field that mongosync's clients read, with its type, and ours below "x".
#pragma once

#include <string>

#include "base/json.h"
#include "engine/sync_control.h"

namespace drover::api {

struct ClusterNames {
  std::string hosts[2];  // "host:port" of cluster0 and cluster1, as their connection strings name them
};

// The value of "progress".
Json progress_json(const engine::SyncProgress& progress, const ClusterNames& names);
// An array: how far each collection is.
Json collections_json(const engine::SyncProgress& progress);

}  // namespace drover::api
