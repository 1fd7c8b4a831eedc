// Update entries of the oplog. `$v: 1` is {$v: 1, $set: {"a.b": x}, $unset: {"c": true}}. `$v: 2` (5.0+) is
// {$v: 2, diff: {d: {gone: false}, u: {changed: x}, i: {new: x}, s<field>: <diff>}}, and for arrays
// {a: true, l: <new length>, u<index>: x, s<index>: <diff>}. Anything else is a replacement.
#pragma once

#include <optional>

#include "base/error.h"
#include "bson/document.h"
#include "model/server_version.h"

namespace drover::sandbox::query {

// The diff document (without $v), or nothing when it is not smaller than `after`: the server then logs a replacement.
std::optional<bson::Document> compute_diff(bson::View before, bson::View after);
Result<bson::Document> apply_diff(bson::View before, bson::View diff);

bool is_replacement_entry(bson::View oplog_object);
// The document after the entry was applied to `before` (both formats and replacements).
Result<bson::Document> apply_oplog_update(bson::View before, bson::View oplog_object);

// The change stream's updateDescription of a non-replacement entry: updatedFields, removedFields, and for $v: 2
// truncatedArrays. `disambiguated` (showExpandedEvents, 6.1+) adds disambiguatedPaths.
struct UpdateDescriptionOptions {
  bool truncated_arrays = false;  // 4.7+: the field is always there
  bool disambiguated_paths = false;
};
bson::Document update_description(bson::View oplog_object, const UpdateDescriptionOptions& options);

}  // namespace drover::sandbox::query
