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
// Rounded to 15 significant digits and written with all of them (0.1 is 0.100000000000000), as the server converts doubles.
Decimal128 decimal_from_double(double value);
// The nearest double.
double decimal_to_double(Decimal128 value);
// The greatest double that is not above the value (-Infinity below all finite ones), and whether it is the value itself.
// Exact where a double has no decimal of 34 digits, so compares and key strings stand on it. NaN is exact.
struct DoubleFloor {
  double value = 0;
  bool exact = true;
};
DoubleFloor decimal_floor_to_double(Decimal128 value);
std::optional<std::int64_t> decimal_floor_to_int64(Decimal128 value);
std::optional<std::int64_t> decimal_to_int64(Decimal128 value);  // truncating; nothing when out of range or NaN
Decimal128 decimal_add(Decimal128 a, Decimal128 b);
Decimal128 decimal_subtract(Decimal128 a, Decimal128 b);
Decimal128 decimal_multiply(Decimal128 a, Decimal128 b);
Decimal128 decimal_divide(Decimal128 a, Decimal128 b);
Decimal128 decimal_modulo(Decimal128 a, Decimal128 b);
// To the nearest of 34 digits; decimal_from_double() keeps 15.
Decimal128 decimal_from_double_exactly(double value);
enum class DecimalRounding { kHalfEven, kTowardNegative, kTowardPositive, kTowardZero };
// With `places` digits after the point (negative: that many zeros before it). NaN when that needs more than 34 digits, and
// for infinities, as the library has it.
Decimal128 decimal_round(Decimal128 value, int places, DecimalRounding rounding);
enum class DecimalFunction {
  kSquareRoot, kExponential, kLogarithm, kLogarithm10, kSine, kCosine, kTangent, kArcSine, kArcCosine, kArcTangent,
  kHyperbolicSine, kHyperbolicCosine, kHyperbolicTangent, kHyperbolicArcSine, kHyperbolicArcCosine, kHyperbolicArcTangent,
};
Decimal128 decimal_apply(DecimalFunction function, Decimal128 value);
Decimal128 decimal_power(Decimal128 base, Decimal128 exponent);
Decimal128 decimal_arc_tangent(Decimal128 y, Decimal128 x);
int decimal_compare(Decimal128 a, Decimal128 b);  // NaN lowest and equal to itself
bool decimal_is_nan(Decimal128 value);
bool decimal_is_zero(Decimal128 value);

// A finite value as ±coefficient * 10^exponent with exactly 34 digits in the coefficient (zero: coefficient 0), so that
// equal numbers have equal parts and magnitudes order by exponent, then coefficient.
struct NormalizedDecimal {
  bool negative = false;
  int exponent = 0;
  unsigned __int128 coefficient = 0;
};
NormalizedDecimal decimal_normalize(Decimal128 value);

}  // namespace drover::bson
