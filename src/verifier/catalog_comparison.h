// The two catalogs side by side: what is to be compared document by document, and what differs already here.
#pragma once

#include <functional>
#include <vector>

#include "base/error.h"
#include "cluster/deployment.h"
#include "model/collection_info.h"
#include "verifier/report.h"

namespace drover::verifier {

struct CollectionPair {
  CollectionInfo source;
  CollectionInfo destination;
};

struct CatalogComparison {
  std::uint64_t collections = 0;  // compared, views included
  std::vector<CollectionPair> pairs;  // collections with documents on both sides, by namespace
  std::vector<Namespace> only_on_source, only_on_destination;  // collections with documents that have no counterpart
  std::vector<Mismatch> mismatches;
};

// Internal databases, and system.* collections, are left out on both sides.
Result<CatalogComparison> compare_catalogs(cluster::Deployment& source, cluster::Deployment& destination,
                                           const std::function<bool(const Namespace&)>& included);

}  // namespace drover::verifier
