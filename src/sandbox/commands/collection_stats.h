// Counts and sizes of a collection, as collStats and $collStats show them.
#pragma once

#include "bson/builder.h"
#include "sandbox/commands/command.h"
#include "sandbox/storage/catalog.h"

namespace drover::sandbox {

// Of the oplog the number of entries is near, not exact.
CollectionCounters counters_of(const Engine& engine, const CollectionInfo& collection);
void append_collection_stats(const CommandContext& context, bson::Builder& out, const CollectionInfo& collection, std::int64_t scale);

}  // namespace drover::sandbox
