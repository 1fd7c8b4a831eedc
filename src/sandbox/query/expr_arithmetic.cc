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

// What does not fit together is told by one code since 5.0; before, each operator had its own.
int type_code(const Variables& variables, int before) { return variables.context().version < ServerVersion{5, 0, 0} ? before : code::kTypeMismatch; }

// $add since 6.0: one operand after the other, in the widest type so far; doubles are not compensated as those of $sum are.
class RunningSum {
 public:
  // A number, or a date, which counts as a long.
  void add(const Datum& value) {
    const bool date = value.type() == Type::kDateTime;
    const Datum number = date ? Datum::from(value.element().date_value().millis) : value;
    const Kind kind = number.type() == Type::kDecimal128 ? Kind::kDecimal : number.type() == Type::kDouble ? Kind::kDouble : Kind::kWhole;
    if (kind == Kind::kWhole && !date) long_seen_ |= number.type() == Type::kInt64;
    widen(kind);
    if (kind_ == Kind::kDecimal) {
      decimal_ = bson::decimal_add(decimal_, as_decimal(number));
    } else if (kind_ == Kind::kDouble) {
      double_ += as_double(number);
    } else if (std::int64_t sum = 0; !__builtin_add_overflow(whole_, as_int64(number), &sum)) {
      whole_ = sum;
    } else {
      widen(Kind::kDouble);
      double_ += as_double(number);
    }
  }
  Datum result() const {
    if (kind_ == Kind::kDecimal) return Datum::from(decimal_);
    if (kind_ == Kind::kDouble) return Datum::from(double_);
    return long_seen_ ? Datum::from(whole_) : Datum::integer(whole_);
  }
  // Of a sum with a date in it.
  Result<Datum> date() const {
    if (kind_ == Kind::kWhole) return Datum::from(bson::DateTime{whole_});
    if (kind_ == Kind::kDecimal) return Datum::from(bson::DateTime{bson::decimal_to_int64(decimal_).value_or(std::numeric_limits<std::int64_t>::min())});
    if (!(double_ >= -9223372036854775808.0 && double_ < 9223372036854775808.0)) return bad(15, "date overflow in $add");
    return Datum::from(bson::DateTime{std::llround(double_)});
  }

 private:
  enum class Kind { kWhole, kDouble, kDecimal };
  void widen(Kind kind) {
    if (kind <= kind_) return;
    if (kind == Kind::kDouble) double_ = static_cast<double>(whole_);
    if (kind == Kind::kDecimal) decimal_ = kind_ == Kind::kDouble ? bson::decimal_from_double_exactly(double_) : bson::decimal_from_int64(whole_);
    kind_ = kind;
  }
  Kind kind_ = Kind::kWhole;
  bool long_seen_ = false;
  std::int64_t whole_ = 0;
  double double_ = 0;
  bson::Decimal128 decimal_{};
};

Result<Datum> add_in_order(Operands operands) {
  RunningSum sum;
  bool date_seen = false;
  for (const Datum& value : operands) {
    if (value.nullish()) return Datum::null();
    const bool date = value.type() == Type::kDateTime;
    if (!date && !value.is_number()) return bad(code::kTypeMismatch, fmt::format("$add only supports numeric or date types, not {}", type_name_of(value)));
    if (date && date_seen) return bad(16612, "only one date allowed in an $add expression");
    date_seen |= date;
    sum.add(value);
  }
  return date_seen ? sum.date() : Result<Datum>(sum.result());
}

Result<Datum> add(Operands operands, Variables& variables) {
  if (variables.context().version >= ServerVersion{6, 0, 0}) return add_in_order(operands);
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
      return bad(type_code(variables, 16554), fmt::format("$add only supports numeric or date types, not {}", type_name_of(value)));
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
    if (b.type() == Type::kDateTime) {
      return Datum::from(static_cast<std::int64_t>(static_cast<std::uint64_t>(millis) - static_cast<std::uint64_t>(b.element().date_value().millis)));
    }
    if (b.is_number()) {
      const double fraction = old && b.type() == Type::kDouble ? std::trunc(as_double(b)) : as_double(b);
      const std::int64_t offset = is_integer_type(b) ? as_int64(b) : std::llround(fraction);
      return Datum::from(bson::DateTime{static_cast<std::int64_t>(static_cast<std::uint64_t>(millis) - static_cast<std::uint64_t>(offset))});
    }
    return bad(type_code(variables, 16613), fmt::format("{} {} from {}Date", old ? "cant $subtract a" : "can't $subtract", type_name_of(b), old ? "a " : ""));
  }
  if (old) return bad(16556, fmt::format("cant $subtract a{} from a {}", type_name_of(b), type_name_of(a)));
  return bad(code::kTypeMismatch, fmt::format("can't $subtract {} from {}", type_name_of(b), type_name_of(a)));
}

Result<Datum> multiply(Operands operands, Variables& variables) {
  Datum product = Datum::from(std::int32_t{1});
  for (const Datum& value : operands) {
    if (value.nullish()) return Datum::null();
    if (!value.is_number()) {
      return bad(type_code(variables, 16555), fmt::format("$multiply only supports numeric types, not {}", type_name_of(value)));
    }
    product = multiply_numbers(product, value);
  }
  return product;
}

Result<Datum> divide(Operands operands, Variables& variables) {
  const auto by_zero = [&] { return bad(variables.context().version < ServerVersion{5, 0, 0} ? 16608 : code::kBadValue, "can't $divide by zero"); };
  const Datum& a = operands[0];
  const Datum& b = operands[1];
  if (a.is_number() && b.is_number()) {
    if (a.type() == Type::kDecimal128 || b.type() == Type::kDecimal128) {
      if (bson::decimal_is_zero(as_decimal(b))) return by_zero();
      return Datum::from(bson::decimal_divide(as_decimal(a), as_decimal(b)));
    }
    if (as_double(b) == 0) return by_zero();
    return Datum::from(as_double(a) / as_double(b));
  }
  if (a.nullish() || b.nullish()) return Datum::null();
  return bad(type_code(variables, 16609),
             fmt::format("$divide only supports numeric types, not {} and {}", type_name_of(a), type_name_of(b)));
}

Result<Datum> mod(Operands operands, Variables& variables) {
  const Datum& a = operands[0];
  const Datum& b = operands[1];
  if (a.is_number() && b.is_number()) {
    if (a.type() == Type::kDecimal128 || b.type() == Type::kDecimal128) {
      if (bson::decimal_is_zero(as_decimal(b))) return bad(variables.context().version < ServerVersion{6, 0, 0} ? 16610 : 5733415, "can't $mod by zero");
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
