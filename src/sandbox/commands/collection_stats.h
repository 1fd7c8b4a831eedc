// Counts and sizes of a collection, as collStats and $collStats show them.
#pragma once

#include <utility>

#include "bson/builder.h"
#include "sandbox/commands/command.h"
#include "sandbox/storage/catalog.h"

namespace drover::sandbox {

// Of the oplog the number of entries is near, not exact.
CollectionCounters counters_of(const Engine& engine, const CollectionInfo& collection);
// Of a time-series collection's buckets their number and what became of the measurements stand in the place of `count` and `avgObjSize`.
enum class StatsOf { kCollection, kTimeseries };
void append_collection_stats(const CommandContext& context, bson::Builder& out, const CollectionInfo& collection, std::int64_t scale,
                             StatsOf of = StatsOf::kCollection);
// What is counted for `collection`: itself, or a time-series collection's buckets. 166 for another view.
Result<std::pair<CollectionPtr, StatsOf>> counted_collection(const Catalog& catalog, const CollectionPtr& collection);

}  // namespace drover::sandbox
