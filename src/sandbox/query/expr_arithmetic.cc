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
  const double about = as_double(offset) + static_cast<double>(*date);
  if (!(std::fabs(about) < 9223372036854775808.0)) return bad(15, "date overflow in $add");
  // The sum is rounded, not what is added.
  const std::int64_t millis = fractional ? std::llroundl(static_cast<long double>(*date) + static_cast<long double>(as_double(offset))) : *date + as_int64(offset);
  return Datum::from(bson::DateTime{millis});
}

// Before 5.0 a date lost the whole part of a fraction, and the words stood closer.
Result<Datum> subtract(Operands operands, Variables& variables) {
  const bool old = variables.context().version < ServerVersion{5, 0, 0};
  const Datum& a = operands[0];
  const Datum& b = operands[1];
  if (a.nullish() || b.nullish()) return Datum::null();
  if (a.is_number() && b.is_number()) return subtract_numbers(a, b);
  if (a.type() == Type::kDateTime) {
    const std::int64_t millis = a.element().date_value().millis;
    if (b.type() == Type::kDateTime) return Datum::from(millis - b.element().date_value().millis);
    if (b.is_number()) {
      const double fraction = old && b.type() == Type::kDouble ? std::trunc(as_double(b)) : as_double(b);
      const std::int64_t offset = is_integer_type(b) ? as_int64(b) : std::llround(fraction);
      return Datum::from(bson::DateTime{static_cast<std::int64_t>(static_cast<std::uint64_t>(millis) - static_cast<std::uint64_t>(offset))});
    }
    return bad(16613, fmt::format("{} {} from {}Date", old ? "cant $subtract a" : "can't $subtract", type_name_of(b), old ? "a " : ""));
  }
  if (old) return bad(16556, fmt::format("cant $subtract a{} from a {}", type_name_of(b), type_name_of(a)));
  return bad(16556, fmt::format("can't $subtract {} from {}", type_name_of(b), type_name_of(a)));
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
    // A double on the right that is an int counts as one.
    const double right = as_double(b);
    const bool whole = is_integer_type(b) || (right == std::trunc(right) && std::fabs(right) < 2147483648.0);
    if (!is_integer_type(a) || !whole) return Datum::from(std::fmod(as_double(a), right));
    const std::int64_t divisor = is_integer_type(b) ? as_int64(b) : static_cast<std::int64_t>(right);
    const std::int64_t rest = divisor == -1 ? 0 : as_int64(a) % divisor;
    const bool both_int = a.type() == Type::kInt32 && b.type() != Type::kInt64;
    return both_int ? Datum::integer(rest) : Datum::from(rest);
  }
  if (a.nullish() || b.nullish()) return Datum::null();
  return bad(16611, fmt::format("$mod only supports numeric types, not {} and {}", type_name_of(a), type_name_of(b)));
}

Result<Datum> random_number(Operands, Variables& variables) {
  const auto& random = variables.context().random;
  return Datum::from(random ? random() : 0.0);
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
    {"$rand", 0, kAnyCount, random_number, {4, 4, 2}},
    {"$bitAnd", 0, kAnyCount, bit_and, {6, 3, 0}},
    {"$bitOr", 0, kAnyCount, bit_or, {6, 3, 0}},
    {"$bitXor", 0, kAnyCount, bit_xor, {6, 3, 0}},
    {"$bitNot", 1, 1, bit_not, {6, 3, 0}},
};

}  // namespace

std::span<const Operator> arithmetic_operators() { return kOperators; }

}  // namespace drover::sandbox::query
