// SASLprep (RFC 4013): the form of names and passwords that both sides of SCRAM-SHA-256 hash.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace drover::bson {

// Refuses text with characters that the profile prohibits, and malformed UTF-8.
Result<std::string> sasl_prep(std::string_view utf8);

}  // namespace drover::bson
