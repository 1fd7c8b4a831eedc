#include "bson/decimal.h"

#include <algorithm>
#include <cctype>
#include <charconv>

extern "C" {
#include <bid_conf.h>
#include <bid_functions.h>
}

namespace drover::bson {

namespace {

constexpr _IDEC_round kToNearestEven = 0;
constexpr _IDEC_round kDown = 1;
constexpr _IDEC_round kUp = 2;
constexpr _IDEC_round kToZero = 3;
constexpr _IDEC_flags kInvalidOperation = 0x01;
constexpr _IDEC_flags kInexact = 0x20;
constexpr int kExponentBias = 6176;

BID_UINT128 to_bid(Decimal128 value) {
  BID_UINT128 bid;
  bid.w[0] = value.low;
  bid.w[1] = value.high;
  return bid;
}

Decimal128 from_bid(BID_UINT128 bid) { return {bid.w[0], bid.w[1]}; }

bool is_infinite(Decimal128 value) { return (value.high & 0x7c00000000000000) == 0x7800000000000000; }
bool is_negative(Decimal128 value) { return value.high >> 63 != 0; }

bool equals_ignoring_case(std::string_view text, std::string_view lower) {
  return std::equal(text.begin(), text.end(), lower.begin(), lower.end(),
                    [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; });
}

bool skip_digits(std::string_view& text) {
  const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
  text.remove_prefix(digits);
  return digits > 0;
}

// The library takes anything and answers NaN; we refuse what is not a number.
bool is_number_text(std::string_view text) {
  if (text.starts_with('+') || text.starts_with('-')) text.remove_prefix(1);
  if (equals_ignoring_case(text, "inf") || equals_ignoring_case(text, "infinity") || equals_ignoring_case(text, "nan")) {
    return true;
  }
  bool digits = skip_digits(text);
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    digits |= skip_digits(text);
  }
  if (!digits) return false;
  if (text.starts_with('e') || text.starts_with('E')) {
    text.remove_prefix(1);
    if (text.starts_with('+') || text.starts_with('-')) text.remove_prefix(1);
    if (!skip_digits(text)) return false;
  }
  return text.empty();
}

// A finite number as the library prints it, "-123E+4": digits, and the power of ten that they are multiplied by.
struct Parts {
  std::string digits;
  int exponent = 0;
};

Parts parts_of(Decimal128 value) {
  char buffer[64];
  _IDEC_flags flags = 0;
  bid128_to_string(buffer, to_bid(value), &flags);
  const std::string_view text(buffer);
  const auto e = text.find('E');
  auto exponent_text = text.substr(e + 1);
  if (exponent_text.starts_with('+')) exponent_text.remove_prefix(1);
  Parts parts{std::string(text.substr(1, e - 1)), 0};
  std::from_chars(exponent_text.data(), exponent_text.data() + exponent_text.size(), parts.exponent);
  return parts;
}

}  // namespace

std::optional<Decimal128> decimal_from_string(std::string_view text) {
  if (!is_number_text(text)) return std::nullopt;
  std::string copy(text);
  _IDEC_flags flags = 0;
  return from_bid(bid128_from_string(copy.data(), kToNearestEven, &flags));
}

// Scientific when the number is large, small, or would need zeros appended: the server's rule, which differs from the
// decimal specification's.
std::string decimal_to_string(Decimal128 value) {
  if (decimal_is_nan(value)) return "NaN";
  const std::string sign = is_negative(value) ? "-" : "";
  if (is_infinite(value)) return sign + "Infinity";
  const auto [digits, exponent] = parts_of(value);
  const int precision = static_cast<int>(digits.size());
  const int scientific = precision - 1 + exponent;
  if (scientific >= 12 || scientific <= -4 || exponent > 0) {
    std::string text = sign + digits[0];
    if (precision > 1) text += "." + digits.substr(1);
    return text + "E" + (scientific > 0 ? "+" : "") + std::to_string(scientific);
  }
  if (exponent == 0) return sign + digits;
  const int point = precision + exponent;
  if (point > 0) return sign + digits.substr(0, point) + "." + digits.substr(point);
  return sign + "0." + std::string(-point, '0') + digits;
}

Decimal128 decimal_from_int64(std::int64_t value) { return from_bid(bid128_from_int64(value)); }

Decimal128 decimal_from_double(double value) {
  _IDEC_flags flags = 0;
  const Decimal128 exact = from_bid(binary64_to_bid128(value, kToNearestEven, &flags));
  if (decimal_is_nan(exact) || is_infinite(exact) || decimal_is_zero(exact)) return exact;
  const auto [digits, exponent] = parts_of(exact);
  constexpr int kDigits = 15;
  const auto rounded_at = [&](int last) {
    const Decimal128 unit{1, static_cast<std::uint64_t>(last + kExponentBias) << 49};
    return from_bid(bid128_quantize(to_bid(exact), to_bid(unit), kToNearestEven, &flags));
  };
  const int last = exponent + static_cast<int>(digits.size()) - kDigits;
  const Decimal128 rounded = rounded_at(last);
  constexpr std::uint64_t kMaxCoefficient = 999'999'999'999'999;
  return rounded.low > kMaxCoefficient ? rounded_at(last + 1) : rounded;  // 9.99..9 became 10.00..0
}

double decimal_to_double(Decimal128 value) {
  _IDEC_flags flags = 0;
  return bid128_to_binary64(to_bid(value), kToNearestEven, &flags);
}

std::optional<std::int64_t> decimal_to_int64(Decimal128 value) {
  _IDEC_flags flags = 0;
  const std::int64_t result = bid128_to_int64_int(to_bid(value), &flags);
  if (flags & kInvalidOperation) return std::nullopt;
  return result;
}

DoubleFloor decimal_floor_to_double(Decimal128 value) {
  _IDEC_flags flags = 0;
  const double floor = bid128_to_binary64(to_bid(value), kDown, &flags);
  return {floor, (flags & kInexact) == 0};
}

std::optional<std::int64_t> decimal_floor_to_int64(Decimal128 value) {
  _IDEC_flags flags = 0;
  const std::int64_t result = bid128_to_int64_floor(to_bid(value), &flags);
  if (flags & kInvalidOperation) return std::nullopt;
  return result;
}

Decimal128 decimal_add(Decimal128 a, Decimal128 b) {
  _IDEC_flags flags = 0;
  return from_bid(bid128_add(to_bid(a), to_bid(b), kToNearestEven, &flags));
}

Decimal128 decimal_subtract(Decimal128 a, Decimal128 b) {
  _IDEC_flags flags = 0;
  return from_bid(bid128_sub(to_bid(a), to_bid(b), kToNearestEven, &flags));
}

Decimal128 decimal_multiply(Decimal128 a, Decimal128 b) {
  _IDEC_flags flags = 0;
  return from_bid(bid128_mul(to_bid(a), to_bid(b), kToNearestEven, &flags));
}

Decimal128 decimal_divide(Decimal128 a, Decimal128 b) {
  _IDEC_flags flags = 0;
  return from_bid(bid128_div(to_bid(a), to_bid(b), kToNearestEven, &flags));
}

Decimal128 decimal_modulo(Decimal128 a, Decimal128 b) {
  _IDEC_flags flags = 0;
  return from_bid(bid128_fmod(to_bid(a), to_bid(b), &flags));
}

Decimal128 decimal_from_double_exactly(double value) {
  _IDEC_flags flags = 0;
  return from_bid(binary64_to_bid128(value, kToNearestEven, &flags));
}

Decimal128 decimal_round(Decimal128 value, int places, DecimalRounding rounding) {
  static constexpr _IDEC_round kModes[] = {kToNearestEven, kDown, kUp, kToZero};
  const Decimal128 unit{1, static_cast<std::uint64_t>(kExponentBias - places) << 49};
  _IDEC_flags flags = 0;
  return from_bid(bid128_quantize(to_bid(value), to_bid(unit), kModes[static_cast<int>(rounding)], &flags));
}

Decimal128 decimal_apply(DecimalFunction function, Decimal128 value) {
  using Function = BID_UINT128 (*)(BID_UINT128, _IDEC_round, _IDEC_flags*);
  static constexpr Function kFunctions[] = {
      bid128_sqrt, bid128_exp,  bid128_log,  bid128_log10, bid128_sin,  bid128_cos,   bid128_tan,   bid128_asin,
      bid128_acos, bid128_atan, bid128_sinh, bid128_cosh,  bid128_tanh, bid128_asinh, bid128_acosh, bid128_atanh,
  };
  _IDEC_flags flags = 0;
  return from_bid(kFunctions[static_cast<int>(function)](to_bid(value), kToNearestEven, &flags));
}

Decimal128 decimal_power(Decimal128 base, Decimal128 exponent) {
  _IDEC_flags flags = 0;
  return from_bid(bid128_pow(to_bid(base), to_bid(exponent), kToNearestEven, &flags));
}

Decimal128 decimal_arc_tangent(Decimal128 y, Decimal128 x) {
  _IDEC_flags flags = 0;
  return from_bid(bid128_atan2(to_bid(y), to_bid(x), kToNearestEven, &flags));
}

int decimal_compare(Decimal128 a, Decimal128 b) {
  const bool a_nan = decimal_is_nan(a);
  const bool b_nan = decimal_is_nan(b);
  if (a_nan || b_nan) return static_cast<int>(b_nan) - static_cast<int>(a_nan);
  _IDEC_flags flags = 0;
  if (bid128_quiet_less(to_bid(a), to_bid(b), &flags)) return -1;
  return bid128_quiet_greater(to_bid(a), to_bid(b), &flags) ? 1 : 0;
}

bool decimal_is_nan(Decimal128 value) { return (value.high & 0x7c00000000000000) == 0x7c00000000000000; }

bool decimal_is_zero(Decimal128 value) { return bid128_isZero(to_bid(value)) != 0; }

NormalizedDecimal decimal_normalize(Decimal128 value) {
  constexpr auto power_of_ten = [](int n) {
    unsigned __int128 power = 1;
    while (n-- > 0) power *= 10;
    return power;
  };
  constexpr unsigned __int128 kLeast = power_of_ten(33);
  constexpr unsigned __int128 kMost = power_of_ten(34) - 1;
  NormalizedDecimal parts;
  parts.negative = is_negative(value);
  // Coefficients that need more than 113 bits, or exceed 34 digits, are not canonical and stand for zero.
  if ((value.high & 0x6000000000000000) == 0x6000000000000000) return parts;
  const auto coefficient = static_cast<unsigned __int128>(value.high & 0x1ffffffffffff) << 64 | value.low;
  if (coefficient == 0 || coefficient > kMost) return parts;
  parts.coefficient = coefficient;
  parts.exponent = static_cast<int>(value.high >> 49 & 0x3fff) - kExponentBias;
  while (parts.coefficient < kLeast) {
    parts.coefficient *= 10;
    --parts.exponent;
  }
  return parts;
}

}  // namespace drover::bson
