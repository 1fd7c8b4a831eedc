// $readPreference, which every message may have: what it says has no effect on a set of one member, but has to be one.
#pragma once

#include "base/error.h"
#include "bson/document.h"

namespace drover::sandbox {

// 4, 9, 14 for what cannot be read, 2, 72 and 160 for what does not go together. Source: MongoDB's client/read_preference.cpp.
Status check_read_preference(bson::View body);

}  // namespace drover::sandbox
