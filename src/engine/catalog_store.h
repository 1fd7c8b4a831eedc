// The catalog, the plan and the partitions as state documents, and back after a crash.
#pragma once

#include "engine/catalog.h"
#include "engine/state_store.h"

namespace drover::engine {

Status save_collection(StateStore& state, const Collection& collection, const std::stop_token& stop);
Status save_plan(StateStore& state, const Collection& collection, const std::stop_token& stop);
Status save_partition(StateStore& state, const Collection& collection, const Partition& partition,
                      std::int64_t documents, std::int64_t bytes, const std::stop_token& stop);
// Removes the plan and the partitions of a collection that is gone or is to be copied anew.
Status remove_plan(StateStore& state, const Collection& collection, const std::stop_token& stop);

// Builds partitions from bounds (the min of each but the first, in order); all planned.
void set_partitions(Collection& collection, const std::vector<bson::Value>& bounds);

struct Restored {
  std::vector<std::shared_ptr<Collection>> collections;  // including those gone
  std::vector<std::pair<std::shared_ptr<Collection>, Partition*>> to_clear;  // found copying (blueprint rule 7)
};
// Copied partitions get f = max(f, `horizon`) (blueprint rule 6).
Result<Restored> restore_catalog(StateStore& state, Runtime& runtime, ClusterTime horizon, const std::stop_token& stop);

// Opens the collection's default collation, if it has one.
Status open_collation(Collection& collection);

}  // namespace drover::engine
