// MongoDB's order over all BSON values, numbers compared by value across int32, int64, double and Decimal128 (NaN lowest
// of numbers, equal to itself; -0.0 equal to 0). Types order: MinKey < missing/undefined < null < numbers < symbol/string
// < document < array < binary < ObjectId < bool < date < timestamp < regex < DBPointer < code < code with scope < MaxKey.
// Facts: tests/conformance corpus find/compare-*, find/sort-order; bsonobj woCompare.
#pragma once

#include <compare>

#include "bson/document.h"

namespace drover::bson {

class Collator;  // collation.h

// The position of a type in the order; numbers share one, string and symbol share one.
int canonical_type(Type type);

// Values only, keys ignored. <0, 0, >0. Strings (at any depth) by `collator` when there is one.
int compare_values(const Element& a, const Element& b, const Collator* collator = nullptr);
// Field by field: canonical type, then name, then value; a prefix is smaller. (Items of an array have no names: what their
// keys say is ignored.)
int compare_documents(View a, View b, const Collator* collator = nullptr);

// Numbers only.
int compare_numbers(const Element& a, const Element& b);

}  // namespace drover::bson
