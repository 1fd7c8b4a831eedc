// Cuts the collections into pieces that are compared independently.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/error.h"
#include "cluster/deployment.h"
#include "verifier/catalog_comparison.h"

namespace drover::verifier {

// One half-open _id range of a collection; missing bounds are open.
struct Range {
  std::shared_ptr<const CollectionPair> pair;
  bson::Value min;
  bson::Value max;
  int batch_documents = 1;  // of each reply, so that it takes about `batch_bytes`
};

struct PlanOptions {
  std::uint64_t range_bytes = 64 << 20;  // what is worth a range of its own
  int max_ranges = 64;                   // per collection
  std::uint64_t batch_bytes = 2 << 20;
};

// Bounds are sampled from the source. A collection with a collation of its own is one range: only the server orders its
// strings with certainty.
Result<std::vector<Range>> plan_ranges(cluster::Deployment& source, cluster::Deployment& destination,
                                       std::vector<CollectionPair> pairs, const PlanOptions& options);

// The collection's own collation, or nothing when strings compare by bytes.
bool has_collation(const CollectionInfo& info);

}  // namespace drover::verifier
