// One entry of an oplog, as applyOps carries it, applied to this server. Documents are inserted, updated and removed by _id, and any of it
// may be done again: an insert of what is there replaces it, a delete of what is not there is done. Each writes an entry of its own.
#pragma once

#include <string_view>

#include "base/error.h"
#include "bson/document.h"
#include "sandbox/commands/command.h"
#include "sandbox/storage/write_unit.h"

namespace drover::sandbox {

// An applyOps within an applyOps, and so on.
inline constexpr int kMaxApplyOpsDepth = 10;

// The shape of each, in the server's order and words.
Status check_operations(const bson::Element& operations);
// `i`, `u`, `d` and `n` alone: they can be done all together or not at all.
bool are_crud_only(bson::View operations);

struct ApplyOptions {
  bool always_upsert = true;  // an update of a document that is not there makes it
  int depth = 0;
};
// An `i`, `u` or `d`. 26 for inserts and updates where there is no collection.
Status apply_crud(CommandContext& context, WriteUnit& unit, bson::View entry, const ApplyOptions& options);
// A `c`: create, createIndexes, collMod, drop, ... in the form that an oplog has them. What it brings about may be there already.
Status apply_command(CommandContext& context, bson::View entry, const ApplyOptions& options);

// What the user needs for all of it.
Status authorize_apply_ops(CommandContext& context, bson::View body);

}  // namespace drover::sandbox
