// Facts: MongoDB's window_function_covariance.cpp, window_function_integral.cpp; its documentation of $expMovingAvg and $locf.
#include "sandbox/query/window_accumulators.h"

#include <cmath>

#include <fmt/core.h>

#include "bson/decimal.h"
#include "sandbox/query/errors.h"
#include "sandbox/query/numeric.h"

namespace drover::sandbox::query {

using bson::Type;

namespace {

struct Pair {
  Datum x, y;
};

std::optional<Pair> pair_of(const Datum& value) {
  if (value.type() != Type::kArray) return std::nullopt;
  const bson::View items = value.element().document_value();
  if (items.field_count() != 2) return std::nullopt;
  return Pair{Datum::borrow(items["0"]), Datum::borrow(items["1"])};
}

bool is_finite(const Datum& value) { return !value.is_number() || std::isfinite(as_double(value)); }
bool is_nan(const Datum& value) { return value.is_number() && std::isnan(as_double(value)); }

Datum halved(const Datum& value) {
  if (value.type() == Type::kDecimal128) return Datum::from(bson::decimal_divide(as_decimal(value), bson::decimal_from_int64(2)));
  return Datum::from(as_double(value) / 2);
}

Datum divided(const Datum& value, std::int64_t by) {
  if (value.type() == Type::kDecimal128) return Datum::from(bson::decimal_divide(as_decimal(value), bson::decimal_from_int64(by)));
  return Datum::from(as_double(value) / static_cast<double>(by));
}

struct Covariance final : Accumulator {
  explicit Covariance(bool s) : sample(s) {}
  Status add(const Datum& value) override {
    const auto pair = pair_of(value);
    if (!pair || !pair->x.is_number() || !pair->y.is_number()) return {};
    if (!is_finite(pair->x) || !is_finite(pair->y)) {
      together.add(beyond(*pair));
      return {};
    }
    ++count;
    const Datum from_x = subtract_numbers(pair->x, mean(sum_x, count - 1));
    sum_x.add(pair->x);
    sum_y.add(pair->y);
    const Datum from_y = subtract_numbers(pair->y, mean(sum_y, count));
    together.add(multiply_numbers(from_x, from_y));
    return {};
  }
  Datum result() override {
    if (count == 1 && !sample) return Datum::from(0.0);
    const std::int64_t divisor = sample ? count - 1 : count;
    if (divisor <= 0) return Datum::null();
    return divided(together.result(), divisor);
  }
  static Datum mean(const NumberSum& sum, std::int64_t of) {
    return of == 0 ? Datum::from(std::int32_t{0}) : divided(sum.result(), of);
  }
  // What infinities, and what is no number, make of the whole.
  static Datum beyond(const Pair& pair) {
    double whole = 0;
    for (const Datum& value : {pair.x, pair.y}) {
      const double number = as_double(value);
      if (!std::isfinite(number)) whole += number;
    }
    const bool decimal = pair.x.type() == Type::kDecimal128 || pair.y.type() == Type::kDecimal128;
    return decimal ? Datum::from(bson::decimal_from_double(whole)) : Datum::from(whole);
  }
  bool sample;
  std::int64_t count = 0;
  NumberSum sum_x, sum_y, together;
};

struct Integral final : Accumulator {
  explicit Integral(std::optional<DateUnit> u) : unit(u) {}
  Status add(const Datum& value) override {
    const auto pair = pair_of(value);
    if (!pair || !pair->y.is_number() || !(pair->x.is_number() || pair->x.type() == Type::kDateTime)) {
      return bad(5423900, "The input value of $integral window function must be a vector of 2 value, the first value must be numeric or date type "
                          "and the second must be numeric.");
    }
    if (unit && pair->x.type() != Type::kDateTime) return bad(5423901, "$integral with 'unit' expects the sortBy field to be a Date");
    if (!unit && !pair->x.is_number()) return bad(5423902, "$integral (with no 'unit') expects the sortBy field to be numeric");
    const bool is_unknown = is_nan(pair->x) || is_nan(pair->y);
    unknown |= is_unknown;
    if (before && !is_unknown && !before_unknown) {
      const Datum width = subtract_numbers(along(pair->x), along(before->x));
      area.add(halved(multiply_numbers(add_numbers(pair->y, before->y), width)));
    }
    before = Pair{pair->x.own(), pair->y.own()};
    before_unknown = is_unknown;
    return {};
  }
  Datum result() override {
    if (!before) return Datum::null();
    if (unknown) return Datum::from(std::nan(""));
    const Datum whole = area.result();
    return unit ? divided(whole, millis_in(*unit)) : whole;
  }
  static Datum along(const Datum& time) {
    return time.type() == Type::kDateTime ? Datum::from(time.element().date_value().millis) : time;
  }
  std::optional<DateUnit> unit;
  std::optional<Pair> before;
  bool before_unknown = false, unknown = false;
  NumberSum area;
};

struct MovingAverage final : Accumulator {
  explicit MovingAverage(bson::Decimal128 a) : alpha(a) {}
  Status add(const Datum& value) override {
    if (!value.is_number()) return {};
    decimal |= value.type() == Type::kDecimal128;
    const auto number = as_decimal(value);
    if (!average) {
      average = number;
      return {};
    }
    const auto rest = bson::decimal_subtract(bson::decimal_from_int64(1), alpha);
    average = bson::decimal_add(bson::decimal_multiply(number, alpha), bson::decimal_multiply(*average, rest));
    return {};
  }
  Datum result() override {
    if (!average) return Datum::null();
    return decimal ? Datum::from(*average) : Datum::from(bson::decimal_to_double(*average));
  }
  bson::Decimal128 alpha;
  std::optional<bson::Decimal128> average;
  bool decimal = false;
};

struct LastObservation final : Accumulator {
  Status add(const Datum& value) override {
    if (!value.nullish()) held = value.own();
    return {};
  }
  Datum result() override { return held.missing() ? Datum::null() : held; }
  std::size_t bytes() const override { return held.bytes(); }
  Datum held;
};

}  // namespace

std::unique_ptr<Accumulator> make_covariance(bool of_sample) { return std::make_unique<Covariance>(of_sample); }
std::unique_ptr<Accumulator> make_integral(std::optional<DateUnit> unit) { return std::make_unique<Integral>(unit); }
std::unique_ptr<Accumulator> make_moving_average(bson::Decimal128 alpha) { return std::make_unique<MovingAverage>(alpha); }
std::unique_ptr<Accumulator> make_last_observation() { return std::make_unique<LastObservation>(); }

}  // namespace drover::sandbox::query
