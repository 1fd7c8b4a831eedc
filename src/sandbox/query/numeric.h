// Arithmetic with the server's type rules: int32 grows to int64, int64 to double, anything with a decimal is a decimal.
// Used by expressions, accumulators and $inc/$mul.
#pragma once

#include <optional>

#include "bson/decimal.h"
#include "sandbox/query/datum.h"

namespace drover::sandbox::query {

// Numbers only. Missing, null and other types are the caller's to refuse.
double as_double(const Datum& value);
bson::Decimal128 as_decimal(const Datum& value);
bool is_integer_type(const Datum& value);
std::int64_t as_int64(const Datum& value);  // of int32, int64

Datum add_numbers(const Datum& a, const Datum& b);
Datum subtract_numbers(const Datum& a, const Datum& b);
Datum multiply_numbers(const Datum& a, const Datum& b);

// int64 or nothing when the number is not whole, is too large or NaN.
std::optional<std::int64_t> whole_number(const Datum& value);
// The same of 32 bits: what positions and counts have to be.
std::optional<std::int32_t> small_whole_number(const Datum& value);

// Sums as the server does: compensated doubles, so that the order of addition hardly matters.
class NumberSum {
 public:
  void add(const Datum& number);
  Datum result() const;
  double as_plain_double() const { return sum_ + compensation_ + static_cast<double>(integers_); }
  bool has_decimal() const { return decimal_seen_; }
  bson::Decimal128 decimal_result() const;

 private:
  void add_double(double value);
  double sum_ = 0;
  double compensation_ = 0;
  __int128 integers_ = 0;
  bson::Decimal128 decimal_{};
  bool decimal_seen_ = false;
  bool double_seen_ = false;
  bool long_seen_ = false;
};

}  // namespace drover::sandbox::query
