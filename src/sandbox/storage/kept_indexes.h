// Indexes that are kept but not maintained (hashed, 2d, 2dsphere, text, wildcard): what they refuse is refused.
#pragma once

#include "base/error.h"
#include "bson/document.h"
#include "sandbox/storage/catalog.h"

namespace drover::sandbox {

// A document that the server could make no keys of: 16766 (hashed, an array on the way), 16755 (2dsphere), 13026, 13027, 13068,
// 16804 (2d).
Status check_kept(const IndexInfo& index, bson::View document);

}  // namespace drover::sandbox
