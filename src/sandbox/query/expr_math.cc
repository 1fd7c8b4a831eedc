// $abs to $trunc, roots, logarithms, powers and trigonometry. Doubles go through the C library, decimals through Intel's:
// neither is ever computed as the other.
#include <cmath>
#include <limits>

#include <fmt/core.h>

#include "bson/ejson.h"
#include "sandbox/query/expression_ops.h"
#include "sandbox/query/numeric.h"

namespace drover::sandbox::query {

using bson::DecimalFunction;
using bson::DecimalRounding;
using bson::Type;
using Operands = std::span<const Datum>;

namespace {

bool is_decimal(const Datum& value) { return value.type() == Type::kDecimal128; }
const bson::Decimal128 kZero = bson::decimal_from_int64(0);
bool is_above(const Datum& decimal, const bson::Decimal128& bound) { return bson::decimal_compare(as_decimal(decimal), bound) > 0; }

tl::unexpected<Error> not_numeric(int error_code, std::string_view name, const Datum& value) {
  return bad(error_code, fmt::format("{} only supports numeric types, not {}", name, type_name_of(value)));
}

std::string shown(const Datum& number) {
  return printed(number);
}

struct Function {
  double (*of_double)(double);
  DecimalFunction of_decimal;
};

Result<Datum> apply(std::string_view name, const Datum& value, const Function& function) {
  if (value.nullish()) return Datum::null();
  if (!value.is_number()) return not_numeric(28765, name, value);
  if (is_decimal(value)) return Datum::from(bson::decimal_apply(function.of_decimal, as_decimal(value)));
  return Datum::from(function.of_double(as_double(value)));
}

Result<Datum> absolute(Operands operands, Variables&) {
  const Datum& value = operands[0];
  if (value.nullish()) return Datum::null();
  if (!value.is_number()) return not_numeric(28765, "$abs", value);
  if (value.type() == Type::kDouble) return Datum::from(std::fabs(as_double(value)));
  if (is_decimal(value)) {
    auto bits = as_decimal(value);
    bits.high &= ~(std::uint64_t{1} << 63);
    return Datum::from(bits);
  }
  const std::int64_t number = as_int64(value);
  if (number == std::numeric_limits<std::int64_t>::min()) return bad(28680, "can't take $abs of long long min");
  const std::int64_t result = number < 0 ? -number : number;
  return value.type() == Type::kInt32 ? Datum::integer(result) : Datum::from(result);
}

Result<Datum> to_whole(std::string_view name, const Datum& value, double (*function)(double), DecimalRounding rounding) {
  if (value.nullish()) return Datum::null();
  if (!value.is_number()) return not_numeric(28765, name, value);
  if (is_decimal(value)) return Datum::from(bson::decimal_round(as_decimal(value), 0, rounding));
  return value.type() == Type::kDouble ? Datum::from(function(as_double(value))) : value;
}
Result<Datum> ceiling(Operands operands, Variables&) {
  return to_whole("$ceil", operands[0], std::ceil, DecimalRounding::kTowardPositive);
}
Result<Datum> floor_of(Operands operands, Variables&) {
  return to_whole("$floor", operands[0], std::floor, DecimalRounding::kTowardNegative);
}

// By decimal, whatever the type: 2.345 to two places is decided by the digits that the double stands for.
Result<Datum> round_to(std::string_view name, Operands operands, DecimalRounding rounding) {
  const Datum& value = operands[0];
  if (value.nullish()) return Datum::null();
  if (!value.is_number()) return not_numeric(51081, name, value);
  int places = 0;
  if (operands.size() == 2) {
    if (operands[1].nullish()) return Datum::null();
    const auto given = whole_number(operands[1]);
    if (!given) return bad(51082, fmt::format("precision argument to  {} must be a integral value", name));
    if (*given < -20 || *given > 100) {
      return bad(51083, fmt::format("cannot apply {} with precision value {} value must be in [-20, 100]", name, *given));
    }
    places = static_cast<int>(*given);
  }
  if (is_decimal(value)) {
    const bool infinite = std::isinf(as_double(value)) && bson::decimal_to_string(as_decimal(value)).ends_with("nfinity");
    if (infinite) return value;
    auto rounded = bson::decimal_round(as_decimal(value), places, rounding);
    // More places than 34 digits have: as many as there are.
    while (places > 0 && bson::decimal_is_nan(rounded) && !bson::decimal_is_nan(as_decimal(value))) rounded = bson::decimal_round(as_decimal(value), --places, rounding);
    return Datum::from(rounded);
  }
  if (value.type() == Type::kDouble) {
    const double number = as_double(value);
    constexpr double kAlwaysWhole = 9007199254740992.0;
    if (!std::isfinite(number) || (places >= 0 && std::fabs(number) >= kAlwaysWhole)) return value;
    const auto rounded = bson::decimal_round(bson::decimal_from_double_exactly(number), places, rounding);
    // More places than the number has digits for: it is what it is.
    return bson::decimal_is_nan(rounded) ? value : Datum::from(bson::decimal_to_double(rounded));
  }
  if (places >= 0) return value;
  const auto rounded = bson::decimal_to_int64(bson::decimal_round(as_decimal(value), places, rounding));
  if (!rounded) {
    return bad(51080, fmt::format("invalid conversion from Decimal128 result in {} resulting from arguments: [{}, {}]", name,
                                  as_int64(value), places));
  }
  return value.type() == Type::kInt32 ? Datum::integer(*rounded) : Datum::from(*rounded);
}
Result<Datum> round_half_even(Operands operands, Variables&) { return round_to("$round", operands, DecimalRounding::kHalfEven); }
Result<Datum> truncate(Operands operands, Variables&) { return round_to("$trunc", operands, DecimalRounding::kTowardZero); }

Result<Datum> square_root(Operands operands, Variables&) {
  const Datum& value = operands[0];
  if (value.is_number() && as_double(value) < 0) return bad(28714, "$sqrt's argument must be greater than or equal to 0");
  return apply("$sqrt", value, {std::sqrt, DecimalFunction::kSquareRoot});
}
Result<Datum> exponential(Operands operands, Variables&) {
  return apply("$exp", operands[0], {std::exp, DecimalFunction::kExponential});
}

Result<Datum> logarithm(std::string_view name, int error_code, const Datum& value, const Function& function) {
  if (value.is_number() && !(is_decimal(value) && is_above(value, kZero))) {
    const double number = as_double(value);
    if (!(number > 0) && !std::isnan(number)) {
      return bad(error_code, fmt::format("{}'s argument must be a positive number, but is {:g}", name, number));
    }
  }
  return apply(name, value, function);
}
Result<Datum> natural_log(Operands operands, Variables&) {
  return logarithm("$ln", 28766, operands[0], {std::log, DecimalFunction::kLogarithm});
}
Result<Datum> log_ten(Operands operands, Variables&) {
  return logarithm("$log10", 28761, operands[0], {std::log10, DecimalFunction::kLogarithm10});
}
Result<Datum> log_base(Operands operands, Variables&) {
  const Datum& value = operands[0];
  const Datum& of_base = operands[1];
  if (value.nullish() || of_base.nullish()) return Datum::null();
  if (!value.is_number()) return bad(28756, fmt::format("$log's argument must be numeric, not {}", type_name_of(value)));
  if (!of_base.is_number()) return bad(28757, fmt::format("$log's base must be numeric, not {}", type_name_of(of_base)));
  if (is_decimal(value) || is_decimal(of_base)) {
    const auto a = as_decimal(value), b = as_decimal(of_base);
    if (bson::decimal_compare(a, kZero) > 0 && bson::decimal_compare(b, kZero) > 0 &&
        bson::decimal_compare(b, bson::decimal_from_int64(1)) != 0) {
      return Datum::from(bson::decimal_divide(bson::decimal_apply(DecimalFunction::kLogarithm, a),
                                              bson::decimal_apply(DecimalFunction::kLogarithm, b)));
    }
  }
  const double number = as_double(value);
  const double base = as_double(of_base);
  if (!(number > 0) && !std::isnan(number)) {
    return bad(28758, fmt::format("$log's argument must be a positive number, but is {:g}", number));
  }
  if ((!(base > 0) || base == 1) && !std::isnan(base)) {
    return bad(28759, fmt::format("$log's base must be a positive number not equal to 1, but is {:g}", base));
  }
  return Datum::from(std::log(number) / std::log(base));
}

// Nothing when it does not fit 64 bits, or is a fraction.
std::optional<std::int64_t> integer_power(std::int64_t base, std::int64_t exponent) {
  if (base == 1) return 1;
  if (base == -1) return exponent % 2 == 0 ? 1 : -1;
  if (base == 0) return exponent == 0 ? 1 : 0;
  if (exponent < 0 || exponent > 63) return std::nullopt;
  std::int64_t result = 1;
  for (std::int64_t i = 0; i < exponent; ++i) {
    if (__builtin_mul_overflow(result, base, &result)) return std::nullopt;
  }
  return result;
}

Result<Datum> power(Operands operands, Variables&) {
  const Datum& base = operands[0];
  const Datum& exponent = operands[1];
  if (base.nullish() || exponent.nullish()) return Datum::null();
  if (!base.is_number()) return bad(28762, fmt::format("$pow's base must be numeric, not {}", type_name_of(base)));
  if (!exponent.is_number()) return bad(28763, fmt::format("$pow's exponent must be numeric, not {}", type_name_of(exponent)));
  if (as_double(base) == 0 && as_double(exponent) < 0) return bad(28764, "$pow cannot take a base of 0 and a negative exponent");
  if (is_decimal(base) || is_decimal(exponent)) return Datum::from(bson::decimal_power(as_decimal(base), as_decimal(exponent)));
  if (is_integer_type(base) && is_integer_type(exponent)) {
    if (const auto exact = integer_power(as_int64(base), as_int64(exponent))) {
      const bool both_int = base.type() == Type::kInt32 && exponent.type() == Type::kInt32;
      return both_int ? Datum::integer(*exact) : Datum::from(*exact);
    }
  }
  return Datum::from(std::pow(as_double(base), as_double(exponent)));
}

struct Bounds {
  double low, high;
  bool closed;
  std::string_view shown;
};
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr Bounds kFinite{-kInfinity, kInfinity, false, "(-inf,inf)"};
constexpr Bounds kUnit{-1, 1, true, "[-1,1]"};
constexpr Bounds kFromOne{1, kInfinity, true, "[1,inf]"};

Result<Datum> within(const Bounds& bounds, std::string_view name, const Datum& value, const Function& function) {
  if (value.is_number()) {
    const double number = as_double(value);
    const bool inside = bounds.closed ? number >= bounds.low && number <= bounds.high : number > bounds.low && number < bounds.high;
    if (!inside && !std::isnan(number)) {
      return bad(50989, fmt::format("cannot apply {} to {}, value must in {}", name, shown(value), bounds.shown));
    }
  }
  return apply(name, value, function);
}

Result<Datum> sine(Operands o, Variables&) { return within(kFinite, "$sin", o[0], {std::sin, DecimalFunction::kSine}); }
Result<Datum> cosine(Operands o, Variables&) { return within(kFinite, "$cos", o[0], {std::cos, DecimalFunction::kCosine}); }
Result<Datum> tangent(Operands o, Variables&) { return within(kFinite, "$tan", o[0], {std::tan, DecimalFunction::kTangent}); }
Result<Datum> arc_sine(Operands o, Variables&) { return within(kUnit, "$asin", o[0], {std::asin, DecimalFunction::kArcSine}); }
Result<Datum> arc_cosine(Operands o, Variables&) { return within(kUnit, "$acos", o[0], {std::acos, DecimalFunction::kArcCosine}); }
Result<Datum> arc_tangent(Operands o, Variables&) { return apply("$atan", o[0], {std::atan, DecimalFunction::kArcTangent}); }
Result<Datum> hyperbolic_sine(Operands o, Variables&) { return apply("$sinh", o[0], {std::sinh, DecimalFunction::kHyperbolicSine}); }
Result<Datum> hyperbolic_cosine(Operands o, Variables&) { return apply("$cosh", o[0], {std::cosh, DecimalFunction::kHyperbolicCosine}); }
Result<Datum> hyperbolic_tangent(Operands o, Variables&) { return apply("$tanh", o[0], {std::tanh, DecimalFunction::kHyperbolicTangent}); }
Result<Datum> hyperbolic_arc_sine(Operands o, Variables&) {
  return apply("$asinh", o[0], {std::asinh, DecimalFunction::kHyperbolicArcSine});
}
Result<Datum> hyperbolic_arc_cosine(Operands o, Variables&) {
  return within(kFromOne, "$acosh", o[0], {std::acosh, DecimalFunction::kHyperbolicArcCosine});
}
Result<Datum> hyperbolic_arc_tangent(Operands o, Variables&) {
  return within(kUnit, "$atanh", o[0], {std::atanh, DecimalFunction::kHyperbolicArcTangent});
}

Result<Datum> arc_tangent2(Operands operands, Variables&) {
  const Datum& y = operands[0];
  const Datum& x = operands[1];
  if (y.nullish() || x.nullish()) return Datum::null();
  if (!y.is_number()) return not_numeric(51044, "$atan2", y);
  if (!x.is_number()) return not_numeric(51045, "$atan2", x);
  if (is_decimal(y) || is_decimal(x)) return Datum::from(bson::decimal_arc_tangent(as_decimal(y), as_decimal(x)));
  return Datum::from(std::atan2(as_double(y), as_double(x)));
}

Result<Datum> scaled(std::string_view name, const Datum& value, std::string_view factor) {
  if (value.nullish()) return Datum::null();
  if (!value.is_number()) return not_numeric(28765, name, value);
  const auto decimal = *bson::decimal_from_string(factor);
  if (is_decimal(value)) return Datum::from(bson::decimal_multiply(as_decimal(value), decimal));
  return Datum::from(as_double(value) * bson::decimal_to_double(decimal));
}
Result<Datum> to_radians(Operands operands, Variables&) {
  return scaled("$degreesToRadians", operands[0], "0.01745329251994329576923690768488613");
}
Result<Datum> to_degrees(Operands operands, Variables&) {
  return scaled("$radiansToDegrees", operands[0], "57.29577951308232087679815481410517");
}

constexpr Operator kOperators[] = {
    {"$abs", 1, 1, absolute},
    {"$ceil", 1, 1, ceiling},
    {"$floor", 1, 1, floor_of},
    {"$round", 1, 2, round_half_even},
    {"$trunc", 1, 2, truncate},
    {"$sqrt", 1, 1, square_root},
    {"$exp", 1, 1, exponential},
    {"$ln", 1, 1, natural_log},
    {"$log", 2, 2, log_base},
    {"$log10", 1, 1, log_ten},
    {"$pow", 2, 2, power},
    {"$sin", 1, 1, sine},
    {"$cos", 1, 1, cosine},
    {"$tan", 1, 1, tangent},
    {"$asin", 1, 1, arc_sine},
    {"$acos", 1, 1, arc_cosine},
    {"$atan", 1, 1, arc_tangent},
    {"$atan2", 2, 2, arc_tangent2},
    {"$sinh", 1, 1, hyperbolic_sine},
    {"$cosh", 1, 1, hyperbolic_cosine},
    {"$tanh", 1, 1, hyperbolic_tangent},
    {"$asinh", 1, 1, hyperbolic_arc_sine},
    {"$acosh", 1, 1, hyperbolic_arc_cosine},
    {"$atanh", 1, 1, hyperbolic_arc_tangent},
    {"$degreesToRadians", 1, 1, to_radians},
    {"$radiansToDegrees", 1, 1, to_degrees},
};

}  // namespace

std::span<const Operator> math_operators() { return kOperators; }

}  // namespace drover::sandbox::query
