// In which way two documents are not the same bytes, in words that carry none of their values.
#pragma once

#include <string>

#include "bson/document.h"

namespace drover::verifier {

// The first difference, source first: "field a.b: int on the source, double on the destination"; "fields in another order:
// a on the source where the destination has b". Nothing (an empty text) for equal bytes.
std::string document_difference(bson::View source, bson::View destination);

}  // namespace drover::verifier
