#include <cmath>
#include <limits>

#include <fmt/core.h>

#include "bson/ejson.h"
#include "sandbox/query/expression_ops.h"
#include "sandbox/query/numeric.h"

namespace drover::sandbox::query {

using bson::Type;
using Operands = std::span<const Datum>;

namespace {

Result<Datum> add(Operands operands, Variables&) {
  NumberSum sum;
  std::optional<std::int64_t> date;
  bool fractional = false;
  for (const Datum& value : operands) {
    if (value.nullish()) return Datum::null();
    if (value.is_number()) {
      fractional |= !is_integer_type(value);
      sum.add(value);
    } else if (value.type() == Type::kDateTime) {
      if (date) return bad(16612, "only one date allowed in an $add expression");
      date = value.element().date_value().millis;
    } else {
      return bad(16554, fmt::format("$add only supports numeric or date types, not {}", type_name_of(value)));
    }
  }
  if (!date) return operands.empty() ? Datum::from(std::int32_t{0}) : sum.result();
  const Datum offset = sum.result();
  const std::int64_t millis = fractional ? std::llround(as_double(offset)) : as_int64(offset);
  return Datum::from(bson::DateTime{*date + millis});
}

Result<Datum> subtract(Operands operands, Variables&) {
  const Datum& a = operands[0];
  const Datum& b = operands[1];
  if (a.nullish() || b.nullish()) return Datum::null();
  if (a.is_number() && b.is_number()) return subtract_numbers(a, b);
  if (a.type() == Type::kDateTime) {
    const std::int64_t millis = a.element().date_value().millis;
    if (b.type() == Type::kDateTime) return Datum::from(millis - b.element().date_value().millis);
    if (b.is_number()) {
      const std::int64_t offset = is_integer_type(b) ? as_int64(b) : std::llround(as_double(b));
      return Datum::from(bson::DateTime{millis - offset});
    }
  }
  return bad(16556, fmt::format("cant $subtract a{} from a{}", type_name_of(b), type_name_of(a)));
}

Result<Datum> multiply(Operands operands, Variables&) {
  Datum product = Datum::from(std::int32_t{1});
  for (const Datum& value : operands) {
    if (value.nullish()) return Datum::null();
    if (!value.is_number()) {
      return bad(16555, fmt::format("$multiply only supports numeric types, not {}", type_name_of(value)));
    }
    product = multiply_numbers(product, value);
  }
  return product;
}

Result<Datum> divide(Operands operands, Variables&) {
  const Datum& a = operands[0];
  const Datum& b = operands[1];
  if (a.is_number() && b.is_number()) {
    if (a.type() == Type::kDecimal128 || b.type() == Type::kDecimal128) {
      if (bson::decimal_is_zero(as_decimal(b))) return bad(16608, "can't $divide by zero");
      return Datum::from(bson::decimal_divide(as_decimal(a), as_decimal(b)));
    }
    if (as_double(b) == 0) return bad(16608, "can't $divide by zero");
    return Datum::from(as_double(a) / as_double(b));
  }
  if (a.nullish() || b.nullish()) return Datum::null();
  return bad(16609,
             fmt::format("$divide only supports numeric types, not {} and {}", type_name_of(a), type_name_of(b)));
}

Result<Datum> mod(Operands operands, Variables&) {
  const Datum& a = operands[0];
  const Datum& b = operands[1];
  if (a.is_number() && b.is_number()) {
    if (a.type() == Type::kDecimal128 || b.type() == Type::kDecimal128) {
      if (bson::decimal_is_zero(as_decimal(b))) return bad(16610, "can't $mod by zero");
      return Datum::from(bson::decimal_modulo(as_decimal(a), as_decimal(b)));
    }
    if (as_double(b) == 0) return bad(16610, "can't $mod by zero");
    if (!is_integer_type(a) || !is_integer_type(b)) return Datum::from(std::fmod(as_double(a), as_double(b)));
    const std::int64_t rest = as_int64(b) == -1 ? 0 : as_int64(a) % as_int64(b);
    const bool both_int = a.type() == Type::kInt32 && b.type() == Type::kInt32;
    return both_int ? Datum::integer(rest) : Datum::from(rest);
  }
  if (a.nullish() || b.nullish()) return Datum::null();
  return bad(16611, fmt::format("$mod only supports numeric types, not {} and {}", type_name_of(a), type_name_of(b)));
}

tl::unexpected<Error> not_numeric(std::string_view name, const Datum& value) {
  return bad(28765, fmt::format("{} only supports numeric types, not {}", name, type_name_of(value)));
}

Result<Datum> absolute(Operands operands, Variables&) {
  const Datum& value = operands[0];
  if (value.nullish()) return Datum::null();
  if (!value.is_number()) return not_numeric("$abs", value);
  if (value.type() == Type::kDouble) return Datum::from(std::fabs(as_double(value)));
  if (value.type() == Type::kDecimal128) {
    auto bits = as_decimal(value);
    bits.high &= ~(std::uint64_t{1} << 63);
    return Datum::from(bits);
  }
  const std::int64_t number = as_int64(value);
  if (number == std::numeric_limits<std::int64_t>::min()) return bad(28680, "can't take $abs of long long min");
  const std::int64_t result = number < 0 ? -number : number;
  return value.type() == Type::kInt32 ? Datum::integer(result) : Datum::from(result);
}

// A function of doubles; decimals go through double and come back as decimals.
Result<Datum> through_double(std::string_view name, const Datum& value, double (*function)(double)) {
  if (value.nullish()) return Datum::null();
  if (!value.is_number()) return not_numeric(name, value);
  const double result = function(as_double(value));
  return value.type() == Type::kDecimal128 ? Datum::from(bson::decimal_from_double(result)) : Datum::from(result);
}

Result<Datum> whole(std::string_view name, const Datum& value, double (*function)(double)) {
  if (is_integer_type(value)) return value;
  return through_double(name, value, function);
}

Result<Datum> ceiling(Operands operands, Variables&) { return whole("$ceil", operands[0], std::ceil); }
Result<Datum> floor_of(Operands operands, Variables&) { return whole("$floor", operands[0], std::floor); }

Result<Datum> round_to(std::string_view name, Operands operands, double (*function)(double)) {
  const Datum& value = operands[0];
  if (value.nullish()) return Datum::null();
  if (!value.is_number()) return not_numeric(name, value);
  std::int64_t places = 0;
  if (operands.size() == 2) {
    if (operands[1].nullish()) return Datum::null();
    const auto given = whole_number(operands[1]);
    if (!given) return bad(51082, fmt::format("precision argument to  {} must be a integral value", name));
    places = *given;
    if (places < -20 || places > 100) {
      return bad(51083,
                 fmt::format("cannot apply {} with precision value {} value must be in [-20, 100]", name, places));
    }
  }
  if (is_integer_type(value) && places >= 0) return value;
  if (is_integer_type(value)) {
    const double factor = std::pow(10.0, static_cast<double>(-places));
    const double result = function(as_double(value) / factor) * factor;
    return value.type() == Type::kInt32 ? Datum::integer(static_cast<std::int64_t>(result))
                                        : Datum::from(static_cast<std::int64_t>(result));
  }
  const double number = as_double(value);
  if (!std::isfinite(number)) return value;
  double result = 0;
  if (places == 0) {
    result = function(number);
  } else {
    const double factor = std::pow(10.0, static_cast<double>(places));
    result = function(number * factor) / factor;
  }
  return value.type() == Type::kDecimal128 ? Datum::from(bson::decimal_from_double(result)) : Datum::from(result);
}

Result<Datum> round_half_even(Operands operands, Variables&) { return round_to("$round", operands, std::nearbyint); }
Result<Datum> truncate(Operands operands, Variables&) { return round_to("$trunc", operands, std::trunc); }

Result<Datum> square_root(Operands operands, Variables&) {
  if (operands[0].is_number() && as_double(operands[0]) < 0) {
    return bad(28714, "$sqrt's argument must be greater than or equal to 0");
  }
  return through_double("$sqrt", operands[0], std::sqrt);
}
Result<Datum> exponential(Operands operands, Variables&) { return through_double("$exp", operands[0], std::exp); }

Result<Datum> natural_log(Operands operands, Variables&) {
  if (operands[0].is_number() && !(as_double(operands[0]) > 0) && !std::isnan(as_double(operands[0]))) {
    return bad(28766, fmt::format("$ln's argument must be a positive number, but is {}", as_double(operands[0])));
  }
  return through_double("$ln", operands[0], std::log);
}
Result<Datum> log_ten(Operands operands, Variables&) {
  if (operands[0].is_number() && !(as_double(operands[0]) > 0) && !std::isnan(as_double(operands[0]))) {
    return bad(28761, fmt::format("$log10's argument must be a positive number, but is {}", as_double(operands[0])));
  }
  return through_double("$log10", operands[0], std::log10);
}
Result<Datum> log_base(Operands operands, Variables&) {
  if (operands[0].nullish() || operands[1].nullish()) return Datum::null();
  if (!operands[0].is_number()) {
    return bad(28756, fmt::format("$log's argument must be numeric, not {}", type_name_of(operands[0])));
  }
  if (!operands[1].is_number()) {
    return bad(28757, fmt::format("$log's base must be numeric, not {}", type_name_of(operands[1])));
  }
  const double number = as_double(operands[0]);
  const double base = as_double(operands[1]);
  if (!(number > 0)) return bad(28758, fmt::format("$log's argument must be a positive number, but is {}", number));
  if (!(base > 0) || base == 1) {
    return bad(28759, fmt::format("$log's base must be a positive number not equal to 1, but is {}", base));
  }
  return Datum::from(std::log(number) / std::log(base));
}

Result<Datum> power(Operands operands, Variables&) {
  const Datum& base = operands[0];
  const Datum& exponent = operands[1];
  if (base.nullish() || exponent.nullish()) return Datum::null();
  if (!base.is_number()) return bad(28762, fmt::format("$pow's base must be numeric, not {}", type_name_of(base)));
  if (!exponent.is_number()) {
    return bad(28763, fmt::format("$pow's exponent must be numeric, not {}", type_name_of(exponent)));
  }
  if (as_double(base) == 0 && as_double(exponent) < 0)
    return bad(28764, "$pow cannot take a base of 0 and a negative exponent");
  const double result = std::pow(as_double(base), as_double(exponent));
  if (base.type() == Type::kDecimal128 || exponent.type() == Type::kDecimal128) {
    return Datum::from(bson::decimal_from_double(result));
  }
  if (!is_integer_type(base) || !is_integer_type(exponent) || as_int64(exponent) < 0 || std::fabs(result) >= 9e18) {
    return Datum::from(result);
  }
  std::int64_t exact = 1;
  for (std::int64_t left = as_int64(exponent), b = as_int64(base); left > 0; left >>= 1) {
    if (left & 1) exact *= b;
    if (left > 1) b = static_cast<std::int64_t>(static_cast<std::uint64_t>(b) * static_cast<std::uint64_t>(b));
  }
  const bool both_int = base.type() == Type::kInt32 && exponent.type() == Type::kInt32;
  return both_int ? Datum::integer(exact) : Datum::from(exact);
}

Result<Datum> random_number(Operands, Variables& variables) {
  const auto& random = variables.context().random;
  return Datum::from(random ? random() : 0.0);
}

#define DROVER_TRIGONOMETRY(name, function)                                                       \
  Result<Datum> name(Operands operands, Variables&) {                                             \
    return through_double("$" #function, operands[0], [](double x) { return std::function(x); }); \
  }
DROVER_TRIGONOMETRY(arc_sine_of_any, asin)
DROVER_TRIGONOMETRY(arc_cosine_of_any, acos)
DROVER_TRIGONOMETRY(sine_of_any, sin)
DROVER_TRIGONOMETRY(cosine_of_any, cos)
DROVER_TRIGONOMETRY(tangent_of_any, tan)
DROVER_TRIGONOMETRY(arc_tangent, atan)
DROVER_TRIGONOMETRY(hyperbolic_sine, sinh)
DROVER_TRIGONOMETRY(hyperbolic_cosine, cosh)
DROVER_TRIGONOMETRY(hyperbolic_tangent, tanh)
#undef DROVER_TRIGONOMETRY

tl::unexpected<Error> out_of_bounds(std::string_view name, const Datum& value, std::string_view bounds) {
  return bad(50989, fmt::format("cannot apply {} to {}, value must in {}", name, bson::to_shell(value.element()), bounds));
}

Result<Datum> of_finite(std::string_view name, OperatorFunction function, Operands operands, Variables& variables) {
  const Datum& value = operands[0];
  if (value.is_number() && std::isinf(as_double(value))) return out_of_bounds(name, value, "(-inf,inf)");
  return function(operands, variables);
}

Result<Datum> of_unit(std::string_view name, OperatorFunction function, Operands operands, Variables& variables) {
  const Datum& value = operands[0];
  if (value.is_number() && std::fabs(as_double(value)) > 1) return out_of_bounds(name, value, "[-1,1]");
  return function(operands, variables);
}

Result<Datum> sine(Operands o, Variables& v) { return of_finite("$sin", sine_of_any, o, v); }
Result<Datum> cosine(Operands o, Variables& v) { return of_finite("$cos", cosine_of_any, o, v); }
Result<Datum> tangent(Operands o, Variables& v) { return of_finite("$tan", tangent_of_any, o, v); }
Result<Datum> arc_sine(Operands o, Variables& v) { return of_unit("$asin", arc_sine_of_any, o, v); }
Result<Datum> arc_cosine(Operands o, Variables& v) { return of_unit("$acos", arc_cosine_of_any, o, v); }

Result<Datum> arc_tangent2(Operands operands, Variables&) {
  if (operands[0].nullish() || operands[1].nullish()) return Datum::null();
  if (!operands[0].is_number() || !operands[1].is_number()) {
    return bad(51044, fmt::format("$atan2 only supports numeric types, not {} and {}", type_name_of(operands[0]),
                                  type_name_of(operands[1])));
  }
  return Datum::from(std::atan2(as_double(operands[0]), as_double(operands[1])));
}

constexpr double kPi = 3.14159265358979323846;
Result<Datum> to_radians(Operands operands, Variables&) {
  return through_double("$degreesToRadians", operands[0], [](double x) { return x * kPi / 180; });
}
Result<Datum> to_degrees(Operands operands, Variables&) {
  return through_double("$radiansToDegrees", operands[0], [](double x) { return x * 180 / kPi; });
}

template <typename Combine>
Result<Datum> bitwise(std::string_view name, Operands operands, std::int64_t start, Combine combine) {
  std::int64_t result = start;
  bool any_long = false;
  for (const Datum& value : operands) {
    if (value.nullish()) return Datum::null();
    if (!is_integer_type(value))
      return bad(code::kTypeMismatch, fmt::format("{} only supports int and long operands.", name));
    any_long |= value.type() == Type::kInt64;
    result = combine(result, as_int64(value));
  }
  return any_long ? Datum::from(result) : Datum::from(static_cast<std::int32_t>(result));
}
Result<Datum> bit_and(Operands o, Variables&) {
  return bitwise("$bitAnd", o, -1, [](auto a, auto b) { return a & b; });
}
Result<Datum> bit_or(Operands o, Variables&) {
  return bitwise("$bitOr", o, 0, [](auto a, auto b) { return a | b; });
}
Result<Datum> bit_xor(Operands o, Variables&) {
  return bitwise("$bitXor", o, 0, [](auto a, auto b) { return a ^ b; });
}
Result<Datum> bit_not(Operands o, Variables&) {
  return bitwise("$bitNot", o, 0, [](auto, auto b) { return ~b; });
}

constexpr Operator kOperators[] = {
    {"$add", 0, kAnyCount, add},
    {"$subtract", 2, 2, subtract},
    {"$multiply", 0, kAnyCount, multiply},
    {"$divide", 2, 2, divide},
    {"$mod", 2, 2, mod},
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
    {"$rand", 0, kAnyCount, random_number},
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
    {"$degreesToRadians", 1, 1, to_radians},
    {"$radiansToDegrees", 1, 1, to_degrees},
    {"$bitAnd", 0, kAnyCount, bit_and, {6, 3, 0}},
    {"$bitOr", 0, kAnyCount, bit_or, {6, 3, 0}},
    {"$bitXor", 0, kAnyCount, bit_xor, {6, 3, 0}},
    {"$bitNot", 1, 1, bit_not, {6, 3, 0}},
};

}  // namespace

std::span<const Operator> arithmetic_operators() { return kOperators; }

}  // namespace drover::sandbox::query
