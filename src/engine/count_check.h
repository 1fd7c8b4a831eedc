// Do the sides agree in how many documents there are, by their own books? A read that ends early and without an error is seen
// by nothing else: whoever compares by reading again reads as little again. Cheap: two commands a collection; only one that
// seems short is counted through, on both sides.
#pragma once

#include <stop_token>

#include "cluster/deployment.h"
#include "engine/catalog.h"
#include "engine/change_router.h"

namespace drover::engine {

inline constexpr std::int64_t kCountsMayDiffer = 1000;  // and by half: the books are not exact, and both sides are in use

// Once everything is copied and little lag is left. False when the destination did not catch up with the counts in time, so
// that nothing can be said yet; kSource, naming collection and counts, when much less arrived than the source counts.
Result<bool> counts_agree(cluster::Deployment& source, cluster::Deployment& destination, Runtime& runtime, Catalog& catalog,
                          ChangeRouter& router, const std::stop_token& stop);

}  // namespace drover::engine
