// The key of a value in a hashed index, as servers make it: 64 bits of an MD5 that numbers of one whole part share.
#pragma once

#include <cstdint>

#include "bson/document.h"

namespace drover::sandbox::query {

std::int64_t hashed_key(const bson::Element& value);

}  // namespace drover::sandbox::query
