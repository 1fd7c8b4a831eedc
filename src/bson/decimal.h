// Decimal128 arithmetic and text over Intel's library, as the server uses it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "bson/types.h"

namespace drover::bson {

std::optional<Decimal128> decimal_from_string(std::string_view text);
std::string decimal_to_string(Decimal128 value);
Decimal128 decimal_from_int64(std::int64_t value);
// The shortest decimal with 15 significant digits, as the server converts doubles.
Decimal128 decimal_from_double(double value);
// Exact: every double has an exact decimal128 only up to 34 digits; compares use this and the remainder's sign.
double decimal_to_double(Decimal128 value);
std::optional<std::int64_t> decimal_to_int64(Decimal128 value);  // truncating; nothing when out of range or NaN
Decimal128 decimal_add(Decimal128 a, Decimal128 b);
Decimal128 decimal_subtract(Decimal128 a, Decimal128 b);
Decimal128 decimal_multiply(Decimal128 a, Decimal128 b);
Decimal128 decimal_divide(Decimal128 a, Decimal128 b);
Decimal128 decimal_modulo(Decimal128 a, Decimal128 b);
int decimal_compare(Decimal128 a, Decimal128 b);  // NaN lowest and equal to itself
bool decimal_is_nan(Decimal128 value);
bool decimal_is_zero(Decimal128 value);

}  // namespace drover::bson
