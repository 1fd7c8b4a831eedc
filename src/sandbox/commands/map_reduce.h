#pragma once

#include "base/error.h"
#include "bson/document.h"
#include "sandbox/commands/command.h"

namespace drover::sandbox {

// The handler of mapReduce. Since 4.4 it is an aggregation of its own kind: documents are read by query, sort and limit, mapped, grouped by
// the keys that they emit, reduced (a key with one value too, the value that came last first) and finalized; the results go into the reply
// or to where $out and $merge write. {results: [{_id, value}]} or {result: name}.
Result<bson::Document> map_reduce(CommandContext& context);

}  // namespace drover::sandbox
