#include "sandbox/query/numeric.h"

#include <cmath>
#include <limits>

namespace drover::sandbox::query {

using bson::Type;

namespace {

enum class Width { kInt, kLong, kDouble, kDecimal };

Width width(const Datum& value) {
  switch (value.type()) {
    case Type::kInt32: return Width::kInt;
    case Type::kInt64: return Width::kLong;
    case Type::kDouble: return Width::kDouble;
    default: return Width::kDecimal;
  }
}

template <typename IntegerOp, typename DoubleOp, typename DecimalOp>
Datum combine(const Datum& a, const Datum& b, IntegerOp integers, DoubleOp doubles, DecimalOp decimals) {
  const Width widest = std::max(width(a), width(b));
  if (widest == Width::kDecimal) return Datum::from(decimals(as_decimal(a), as_decimal(b)));
  if (widest == Width::kDouble) return Datum::from(doubles(as_double(a), as_double(b)));
  std::int64_t result = 0;
  if (integers(as_int64(a), as_int64(b), &result)) return Datum::from(doubles(as_double(a), as_double(b)));
  return widest == Width::kInt ? Datum::integer(result) : Datum::from(result);
}

}  // namespace

double as_double(const Datum& value) {
  const auto element = value.element();
  switch (value.type()) {
    case Type::kInt32: return element.int32_value();
    case Type::kInt64: return static_cast<double>(element.int64_value());
    case Type::kDouble: return element.double_value();
    case Type::kDecimal128: return bson::decimal_to_double(element.decimal_value());
    default: return 0;
  }
}

bson::Decimal128 as_decimal(const Datum& value) {
  if (value.type() == Type::kDecimal128) return value.element().decimal_value();
  if (value.type() == Type::kDouble) return bson::decimal_from_double(value.element().double_value());
  return bson::decimal_from_int64(as_int64(value));
}

bool is_integer_type(const Datum& value) { return value.type() == Type::kInt32 || value.type() == Type::kInt64; }

std::int64_t as_int64(const Datum& value) {
  if (value.type() == Type::kInt32) return value.element().int32_value();
  if (value.type() == Type::kInt64) return value.element().int64_value();
  return value.element().to_int64().value_or(0);
}

Datum add_numbers(const Datum& a, const Datum& b) {
  return combine(
      a, b, [](std::int64_t x, std::int64_t y, std::int64_t* out) { return __builtin_add_overflow(x, y, out); },
      [](double x, double y) { return x + y; }, bson::decimal_add);
}

Datum subtract_numbers(const Datum& a, const Datum& b) {
  return combine(
      a, b, [](std::int64_t x, std::int64_t y, std::int64_t* out) { return __builtin_sub_overflow(x, y, out); },
      [](double x, double y) { return x - y; }, bson::decimal_subtract);
}

Datum multiply_numbers(const Datum& a, const Datum& b) {
  return combine(
      a, b, [](std::int64_t x, std::int64_t y, std::int64_t* out) { return __builtin_mul_overflow(x, y, out); },
      [](double x, double y) { return x * y; }, bson::decimal_multiply);
}

std::optional<std::int64_t> whole_number(const Datum& value) {
  if (is_integer_type(value)) return as_int64(value);
  if (value.type() == Type::kDouble) {
    const double number = value.element().double_value();
    if (number != std::trunc(number) || number < -9223372036854775808.0 || number >= 9223372036854775808.0) return {};
    return static_cast<std::int64_t>(number);
  }
  if (value.type() != Type::kDecimal128) return {};
  const auto decimal = value.element().decimal_value();
  const auto number = bson::decimal_to_int64(decimal);
  if (!number || bson::decimal_compare(bson::decimal_from_int64(*number), decimal) != 0) return {};
  return number;
}

std::optional<std::int32_t> small_whole_number(const Datum& value) {
  const auto number = whole_number(value);
  if (!number || *number != static_cast<std::int32_t>(*number)) return {};
  return static_cast<std::int32_t>(*number);
}

void NumberSum::add_double(double value) {  // Neumaier
  const double total = sum_ + value;
  if (std::isfinite(total)) {
    compensation_ += std::fabs(sum_) >= std::fabs(value) ? (sum_ - total) + value : (value - total) + sum_;
  }
  sum_ = total;
}

void NumberSum::add(const Datum& number) {
  switch (number.type()) {
    case Type::kInt32: integers_ += number.element().int32_value(); break;
    case Type::kInt64:
      long_seen_ = true;
      integers_ += number.element().int64_value();
      break;
    case Type::kDouble:
      double_seen_ = true;
      add_double(number.element().double_value());
      break;
    case Type::kDecimal128:
      decimal_ = decimal_seen_ ? bson::decimal_add(decimal_, number.element().decimal_value())
                               : number.element().decimal_value();
      decimal_seen_ = true;
      break;
    default: break;
  }
}

bson::Decimal128 NumberSum::decimal_result() const {
  // The sum of doubles joins with all the digits of a decimal, not with the 15 that a single double is converted to.
  bson::Decimal128 total = bson::decimal_from_int64(0);
  if (decimal_seen_) total = bson::decimal_add(total, decimal_);
  if (double_seen_) total = bson::decimal_add(total, bson::decimal_from_double_exactly(sum_));
  if (double_seen_ && std::isfinite(sum_)) total = bson::decimal_add(total, bson::decimal_from_double_exactly(compensation_));
  if (integers_ != 0) total = bson::decimal_add(total, bson::decimal_from_int64(static_cast<std::int64_t>(integers_)));
  return total;
}

Datum NumberSum::result() const {
  if (decimal_seen_) return Datum::from(decimal_result());
  if (double_seen_) return Datum::from(as_plain_double());
  const bool fits =
      integers_ >= std::numeric_limits<std::int64_t>::min() && integers_ <= std::numeric_limits<std::int64_t>::max();
  if (!fits) return Datum::from(static_cast<double>(integers_));
  const auto total = static_cast<std::int64_t>(integers_);
  return long_seen_ ? Datum::from(total) : Datum::integer(total);
}

}  // namespace drover::sandbox::query
