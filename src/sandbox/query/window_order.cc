// Facts: MongoDB's window_function_expression.h, window_function_shift.cpp, and the executors beside them.
#include "sandbox/query/window_order.h"

#include <algorithm>

#include <fmt/core.h>

#include "bson/compare.h"
#include "bson/decimal.h"
#include "sandbox/query/errors.h"
#include "sandbox/query/numeric.h"

namespace drover::sandbox::query {

using bson::Type;

namespace {

Result<Datum> evaluated(const Expression& operand, const Partition& partition, std::size_t index) {
  Variables variables(partition.documents[index], *partition.context);
  return operand.evaluate(variables);
}

class EndOfWindow final : public WindowFunction {
 public:
  EndOfWindow(const Window& window, bool last, const Expression& operand, const Partition& partition)
      : last_(last), operand_(operand), partition_(partition), frames_(window, partition) {}
  Result<Datum> at(std::size_t index) override {
    const auto frame = TRY(frames_.at(index));
    if (!frame) return Datum::null();
    return TRY(evaluated(operand_, partition_, last_ ? frame->end - 1 : frame->begin)).own();
  }

 private:
  bool last_;
  const Expression& operand_;
  const Partition& partition_;
  Frames frames_;
};

class Rank final : public WindowFunction {
 public:
  using Kind = RankKind;
  Rank(Kind kind, const Partition& partition) : kind_(kind), partition_(partition) {}
  Result<Datum> at(std::size_t index) override {
    if (index == 0 || kind_ == Kind::kNumber || !same_as_before(index)) rank_ = kind_ == Kind::kDense ? rank_ + 1 : static_cast<std::int64_t>(index) + 1;
    return Datum::integer(rank_);
  }

 private:
  // Up to 7.0 nothing and null were two values.
  bool same_as_before(std::size_t index) const {
    if (partition_.sort_keys[index] != partition_.sort_keys[index - 1]) return false;
    if (partition_.context->version >= ServerVersion{8, 0, 0}) return true;
    return partition_.times[index].missing() == partition_.times[index - 1].missing();
  }

  Kind kind_;
  const Partition& partition_;
  std::int64_t rank_ = 0;
};

class Shift final : public WindowFunction {
 public:
  Shift(std::int64_t by, const Datum& otherwise, const Expression& operand, const Partition& partition)
      : by_(by), otherwise_(otherwise), operand_(operand), partition_(partition) {}
  Result<Datum> at(std::size_t index) override {
    const std::int64_t other = static_cast<std::int64_t>(index) + by_;
    if (other < 0 || other >= static_cast<std::int64_t>(partition_.documents.size())) return otherwise_;
    return TRY(evaluated(operand_, partition_, static_cast<std::size_t>(other))).own();
  }

 private:
  std::int64_t by_;
  const Datum& otherwise_;
  const Expression& operand_;
  const Partition& partition_;
};

// Dates count in milliseconds.
Datum along(const Datum& value) { return value.type() == Type::kDateTime ? Datum::from(value.element().date_value().millis) : value; }

Datum quotient(const Datum& a, const Datum& b) {
  if (a.type() == Type::kDecimal128 || b.type() == Type::kDecimal128) return Datum::from(bson::decimal_divide(as_decimal(a), as_decimal(b)));
  return Datum::from(as_double(a) / as_double(b));
}

bool is_zero(const Datum& value) { return value.type() == Type::kDecimal128 ? bson::decimal_is_zero(as_decimal(value)) : as_double(value) == 0; }

class Derivative final : public WindowFunction {
 public:
  Derivative(const Window& window, std::optional<DateUnit> unit, const Expression& operand, const Partition& partition)
      : unit_(unit), operand_(operand), partition_(partition), frames_(window, partition) {}
  Result<Datum> at(std::size_t index) override {
    const auto frame = TRY(frames_.at(index));
    if (!frame) return Datum::null();
    const Datum& from = partition_.times[frame->begin];
    const Datum& to = partition_.times[frame->end - 1];
    TRY(check_times(from, to));
    const Datum low = TRY(evaluated(operand_, partition_, frame->begin)), high = TRY(evaluated(operand_, partition_, frame->end - 1));
    if (low.nullish() || high.nullish()) return bad(5624903, "$derivative input must not be null or missing");
    const auto countable = [](const Datum& value) { return value.is_number() || value.type() == Type::kDateTime; };
    if (!countable(low) || !countable(high) || (low.is_number() && !high.is_number())) {
      return bad(code::kTypeMismatch, fmt::format("can't $subtract {} from {}", bson::type_name(low.type()), bson::type_name(high.type())));
    }
    if (high.type() == Type::kDateTime && low.is_number()) return bad(code::kTypeMismatch, "$divide only supports numeric types, not date and long");
    const Datum run = subtract_numbers(along(to), along(from)), rise = subtract_numbers(along(high), along(low));
    if (is_zero(run)) return Datum::null();
    const Datum slope = quotient(rise, run);
    return unit_ ? multiply_numbers(slope, Datum::from(millis_in(*unit_))) : slope;
  }

 private:
  Status check_times(const Datum& from, const Datum& to) const {
    const bool date = from.type() == Type::kDateTime || to.type() == Type::kDateTime;
    if (unit_) {
      if (from.type() == Type::kDateTime && to.type() == Type::kDateTime) return {};
      return bad(5624900, "$derivative with 'unit' expects the sortBy field to be a Date");
    }
    if (date) return bad(5624901, "$derivative where the sortBy is a Date requires an 'unit'");
    if (from.is_number() && to.is_number()) return {};
    return bad(5624902, "$derivative (with no 'unit') expects the sortBy field to be numeric");
  }

  std::optional<DateUnit> unit_;
  const Expression& operand_;
  const Partition& partition_;
  Frames frames_;
};

// Between the last value and the next, in proportion to the sort field.
class LinearFill final : public WindowFunction {
 public:
  LinearFill(const Expression& operand, const Partition& partition) : operand_(operand), partition_(partition) {}
  Result<Datum> at(std::size_t index) override {
    const Datum value = TRY(evaluated(operand_, partition_, index)).own();
    if (!value.is_number() && !value.nullish()) {
      return bad(code::kTypeMismatch, fmt::format("Value to be filled must be numeric or nullish, but found {}", bson::type_name(value.type())));
    }
    TRY(check_time(index));
    if (!value.nullish()) {
      before_ = Point{index, value};
      return value;
    }
    if (!before_) return Datum::null();
    if (!after_ || after_->index < index) TRY(find_after(index));
    if (!after_) return Datum::null();
    const auto& times = partition_.times;
    const Datum start = along(times[before_->index]);
    const Datum slope = quotient(subtract_numbers(after_->value, before_->value), subtract_numbers(along(times[after_->index]), start));
    return add_numbers(before_->value, multiply_numbers(subtract_numbers(along(times[index]), start), slope));
  }

 private:
  struct Point {
    std::size_t index = 0;
    Datum value;
  };

  Status check_time(std::size_t index) const {
    const Datum& time = partition_.times[index];
    const char* type = time.missing() ? "missing" : bson::type_name(time.type());
    if (!time.is_number() && time.type() != Type::kDateTime) {
      return bad(code::kTypeMismatch, fmt::format("Value of the sortBy field must be numeric or a date, but found {}", type));
    }
    if (index == 0) return {};
    const Datum& earlier = partition_.times[index - 1];
    if (bson::compare_values(time.element(), earlier.element()) == 0) return bad(6050106, "There can be no repeated values in the sort field");
    if (time.is_number() == earlier.is_number()) return {};
    return bad(code::kTypeMismatch, fmt::format("Conflicting sort value types, previously received type {}, but found {}", bson::type_name(earlier.type()), type));
  }

  // Every document is looked at once for all before it.
  Status find_after(std::size_t index) {
    after_.reset();
    for (searched_ = std::max(searched_, index + 1); searched_ < partition_.documents.size(); ++searched_) {
      const Datum value = TRY(evaluated(operand_, partition_, searched_));
      const Datum& time = partition_.times[searched_];
      if (value.nullish() || time.nullish()) continue;
      if (!value.is_number() || time.is_number() != partition_.times[index].is_number()) {
        return bad(code::kTypeMismatch, fmt::format("Value to be filled must be numeric or nullish, but found {}", bson::type_name(value.type())));
      }
      after_ = Point{searched_, value.own()};
      return {};
    }
    return {};
  }

  const Expression& operand_;
  const Partition& partition_;
  std::optional<Point> before_, after_;
  std::size_t searched_ = 0;
};

}  // namespace

std::unique_ptr<WindowFunction> make_endpoint(const Window& window, WindowEnd end, const Expression& operand, const Partition& partition) {
  return std::make_unique<EndOfWindow>(window, end == WindowEnd::kLast, operand, partition);
}

std::unique_ptr<WindowFunction> make_rank(RankKind kind, const Partition& partition) { return std::make_unique<Rank>(kind, partition); }

std::unique_ptr<WindowFunction> make_shift(std::int64_t by, const Datum& otherwise, const Expression& operand, const Partition& partition) {
  return std::make_unique<Shift>(by, otherwise, operand, partition);
}

std::unique_ptr<WindowFunction> make_derivative(const Window& window, std::optional<DateUnit> unit, const Expression& operand, const Partition& partition) {
  return std::make_unique<Derivative>(window, unit, operand, partition);
}

std::unique_ptr<WindowFunction> make_linear_fill(const Expression& operand, const Partition& partition) {
  return std::make_unique<LinearFill>(operand, partition);
}

}  // namespace drover::sandbox::query
