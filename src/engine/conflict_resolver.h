// A unique index (or _id) of the destination refuses a document because of a holder (blueprint rule 5): the refused key and
// its holders are read on the source at one time and written to the destination in one transaction, removals first, while
// nobody else writes the collection. All of them are then absorbed at that time. What happens when it runs twice: the same
// end, from a newer reading. Nothing is deleted on the destination that was not read on the source in that group.
//
// Any index can refuse a document that the source accepts, for other reasons (two arrays, no geometry, an unknown language):
// when the source has dropped it and the drop is still on its way. The destination's is then dropped early.
#pragma once

#include <span>
#include <stop_token>
#include <vector>

#include "cluster/deployment.h"
#include "engine/catalog.h"
#include "engine/destination_catalog.h"
#include "engine/write_session.h"

namespace drover::engine {

class ConflictResolver {
 public:
  ConflictResolver(cluster::Deployment& source, cluster::Deployment& destination, Runtime& runtime,
                   DestinationCatalog& on_destination)
      : source_(source), destination_(destination), runtime_(runtime), on_destination_(on_destination) {}

  // Those that were refused together are written together, some at a time, for each group costs the same few round trips; where that
  // fails, one by one. The caller holds the collection's gate exclusively. `after`: no older state will do (the newest event's time, or
  // the partition's r). kSource when the source itself holds a value twice, naming the _ids; kDestination when the destination refuses
  // for another reason, and goes on to do so with all of the source's indexes and no others.
  Status resolve(Collection& collection, std::span<const bson::Value> refused, ClusterTime after, WriteSession& session,
                 const std::stop_token& stop);

 private:
  Status resolve_together(Collection& collection, std::span<const bson::Value> refused, ClusterTime after, WriteSession& session,
                          const std::stop_token& stop);
  Status drop_indexes_gone_from_source(Collection& collection, const std::stop_token& stop);

  cluster::Deployment& source_;
  cluster::Deployment& destination_;
  Runtime& runtime_;
  DestinationCatalog& on_destination_;
};

}  // namespace drover::engine
