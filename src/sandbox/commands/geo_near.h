// $geoNear: the documents of a collection by their distance from a point, nearest first. Looks at every document, whatever indexes
// there are; but as the server does, it wants one that says which field is meant.
#pragma once

#include "sandbox/commands/command.h"
#include "sandbox/query/stage.h"
#include "sandbox/storage/engine.h"

namespace drover::sandbox {

// `stage` is {$geoNear: {...}}. 16605 and the like for a wrong argument, 27 without an index.
Result<std::vector<bson::Document>> near_documents(CommandContext& context, const Namespace& ns, const Reader& reader, bson::View stage);

}  // namespace drover::sandbox
