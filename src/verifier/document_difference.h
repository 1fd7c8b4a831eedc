// In which way two documents are not the same bytes, in words that carry none of their values.
#pragma once

#include <cstddef>
#include <string>

#include "bson/document.h"

namespace drover::verifier {

inline constexpr std::size_t kMostFieldPath = 256;  // bytes of a path that are told; of a longer one its beginning, and "..."

// Names of fields may be data as well (the keys of a map): they are for whoever asked for a report, not for a log.
enum class FieldNames { kTold, kWithheld };

// The first difference, source first: "field a.b: int on the source, double on the destination"; "fields in another order:
// a on the source where the destination has b". Without names "a field: int on the source, double on the destination"; "fields in
// another order". Nothing (an empty text) for equal bytes.
std::string document_difference(bson::View source, bson::View destination, FieldNames names = FieldNames::kTold);

}  // namespace drover::verifier
