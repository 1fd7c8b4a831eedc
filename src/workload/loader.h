// Loads the real data (datasets.h) and the odd collections into a deployment: collections with their options, documents in
// batches over several connections, indexes. Into an empty deployment only; running it twice is refused by duplicate _ids.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/runtime.h"
#include "cluster/deployment.h"
#include "model/namespace.h"

namespace drover::workload {

struct LoadOptions {
  std::string directory;  // of vega-datasets' files
  double scale = 1;       // copies of every data set; a fraction loads that part of one
  int inserters = 4;      // connections that insert
};

// Counts what is acknowledged; read it while the loading runs.
struct LoadProgress {
  std::atomic<std::int64_t> documents{0};
  std::atomic<std::int64_t> bytes{0};
  std::atomic<std::int64_t> collections{0};
  std::atomic<std::int64_t> indexes{0};
};

Status load(cluster::Deployment& deployment, Runtime& runtime, const LoadOptions& options, LoadProgress& progress,
            const std::stop_token& stop);

// `specs` are createIndexes' entries in extended JSON.
Status create_indexes(cluster::Deployment& deployment, const Namespace& ns, std::span<const std::string_view> specs);

}  // namespace drover::workload
