// Which field names a document may be stored with, before 5.0: none that begins with $, but for those of a reference
// (DBRef: $ref, a string, then $id, then perhaps $db, a string). Private to updates.
#pragma once

#include <span>
#include <string>

#include "bson/document.h"
#include "sandbox/query/errors.h"
#include "sandbox/query/update_node.h"

namespace drover::sandbox::query {

// What a modifier has written into `document`, its result: 52 DollarPrefixedFieldName, 55 InvalidDBRef.
Status check_written_names(bson::View document, const LogEntry& entry);
// Since 5.0: the document's own fields may not begin with a dollar where an update writes them; deeper ones may.
Status check_written_field(const LogEntry& entry);
Status check_replacement_fields(bson::View replacement);
// 15 for more levels than a document may be stored with.
Status check_levels(bson::View document);

}  // namespace drover::sandbox::query
