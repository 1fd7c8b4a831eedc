#include "sandbox/query/moving_sum.h"

#include <cmath>
#include <limits>

#include "sandbox/query/numeric.h"

namespace drover::sandbox::query {

using bson::Decimal128;
using bson::Type;

namespace {

struct Rounded {
  double sum, lost;
};
// Exact while nothing overflows.
Rounded two_sum(double a, double b) {
  const double sum = a + b;
  const double of_b = sum - a;
  return {sum, (a - (sum - of_b)) + (b - of_b)};
}

Decimal128 decimal_of(__int128 value) {
  constexpr std::int64_t kPart = 1'000'000'000'000'000'000;
  const auto low = static_cast<std::int64_t>(value % kPart), high = static_cast<std::int64_t>(value / kPart);
  const auto lower = bson::decimal_from_int64(low);
  return high == 0 ? lower : bson::decimal_add(bson::decimal_multiply(bson::decimal_from_int64(high), bson::decimal_from_int64(kPart)), lower);
}

// Of a decimal beyond all doubles the double would be infinite, too.
double not_finite_or_zero(const Datum& value) {
  if (value.type() == Type::kDouble) {
    const double number = value.element().double_value();
    return std::isfinite(number) ? 0 : number;
  }
  static const Decimal128 kInfinite = bson::decimal_from_double(std::numeric_limits<double>::infinity());
  static const Decimal128 kNegative = bson::decimal_from_double(-std::numeric_limits<double>::infinity());
  const auto number = value.element().decimal_value();
  if (bson::decimal_is_nan(number)) return std::numeric_limits<double>::quiet_NaN();
  if (bson::decimal_compare(number, kInfinite) == 0) return std::numeric_limits<double>::infinity();
  return bson::decimal_compare(number, kNegative) == 0 ? -std::numeric_limits<double>::infinity() : 0;
}

}  // namespace

void MovingSum::Doubles::add(double value) {
  const auto whole = two_sum(sum, value);
  sum = whole.sum;
  if (!std::isfinite(sum)) {
    exact = false;
    return;
  }
  const auto rest = two_sum(lost, whole.lost);
  lost = rest.sum;
  exact &= rest.lost == 0;
}

// An addition has lost nothing when taking either part away leaves the other.
void MovingSum::Decimals::add(Decimal128 value) {
  const auto whole = bson::decimal_add(sum, value);
  exact &= bson::decimal_compare(bson::decimal_subtract(whole, sum), value) == 0 && bson::decimal_compare(bson::decimal_subtract(whole, value), sum) == 0;
  sum = whole;
}

void MovingSum::Decimals::subtract(Decimal128 value) {
  const auto rest = bson::decimal_subtract(sum, value);
  exact &= bson::decimal_compare(bson::decimal_add(rest, value), sum) == 0 && bson::decimal_compare(bson::decimal_subtract(sum, rest), value) == 0;
  sum = rest;
}

bool MovingSum::is_beyond(const Datum& value, int by) {
  const double number = not_finite_or_zero(value);
  if (number == 0) return false;
  (std::isnan(number) ? beyond_.nan : number > 0 ? beyond_.positive : beyond_.negative) += by;
  return true;
}

void MovingSum::change(const Datum& value, int by) {
  numbers_ += by;
  switch (value.type()) {
    case Type::kInt32: integers_ += static_cast<std::int64_t>(by) * value.element().int32_value(); break;
    case Type::kInt64:
      longs_ += by;
      integers_ += static_cast<__int128>(by) * value.element().int64_value();
      break;
    case Type::kDouble:
      doubles_ += by;
      if (is_beyond(value, by)) break;
      finite_doubles_ += by;
      if (finite_doubles_ == 0) of_doubles_ = {};
      else of_doubles_.add(by * value.element().double_value());
      break;
    default:
      decimals_ += by;
      if (is_beyond(value, by)) break;
      finite_decimals_ += by;
      if (finite_decimals_ == 0) of_decimals_ = {};
      else if (by < 0) of_decimals_.subtract(value.element().decimal_value());
      else if (finite_decimals_ == 1) of_decimals_.sum = value.element().decimal_value();
      else of_decimals_.add(value.element().decimal_value());
      break;
  }
}

void MovingSum::add(const Datum& value) {
  if (value.is_number()) change(value, 1);
}

bool MovingSum::remove(const Datum& value) {
  if (!value.is_number()) return true;
  if (!of_doubles_.exact || !of_decimals_.exact) return false;
  change(value, -1);
  return of_doubles_.exact && of_decimals_.exact;
}

double MovingSum::not_finite() const {
  if (beyond_.nan > 0 || (beyond_.positive > 0 && beyond_.negative > 0)) return std::numeric_limits<double>::quiet_NaN();
  return beyond_.positive > 0 ? std::numeric_limits<double>::infinity() : -std::numeric_limits<double>::infinity();
}

double MovingSum::as_double() const {
  if (is_not_finite()) return not_finite();
  return of_doubles_.sum + of_doubles_.lost + static_cast<double>(integers_);
}

Decimal128 MovingSum::as_decimal() const {
  if (is_not_finite()) return bson::decimal_from_double(not_finite());
  Decimal128 total = bson::decimal_from_int64(0);
  if (finite_decimals_ > 0) total = bson::decimal_add(total, of_decimals_.sum);
  if (finite_doubles_ > 0) total = bson::decimal_add(total, bson::decimal_from_double_exactly(of_doubles_.sum));
  if (finite_doubles_ > 0 && std::isfinite(of_doubles_.sum)) total = bson::decimal_add(total, bson::decimal_from_double_exactly(of_doubles_.lost));
  return integers_ == 0 ? total : bson::decimal_add(total, decimal_of(integers_));
}

Datum MovingSum::result() const {
  if (decimals_ > 0) return Datum::from(as_decimal());
  if (doubles_ > 0) return Datum::from(as_double());
  if (integers_ < std::numeric_limits<std::int64_t>::min() || integers_ > std::numeric_limits<std::int64_t>::max()) {
    return Datum::from(static_cast<double>(integers_));
  }
  const auto total = static_cast<std::int64_t>(integers_);
  return longs_ > 0 ? Datum::from(total) : Datum::integer(total);
}

Datum MovingSum::average() const {
  if (numbers_ == 0) return Datum::null();
  if (decimals_ > 0) return Datum::from(bson::decimal_divide(as_decimal(), bson::decimal_from_int64(numbers_)));
  return Datum::from(as_double() / static_cast<double>(numbers_));
}

}  // namespace drover::sandbox::query
