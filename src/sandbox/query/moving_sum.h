// A sum of numbers from which those that came first are taken away again, as windows move. It says no when it cannot tell exactly what is
// left: then it is made anew. Results are NumberSum's and $avg's of the numbers that are in it.
#pragma once

#include <cstdint>

#include "bson/decimal.h"
#include "sandbox/query/datum.h"

namespace drover::sandbox::query {

class MovingSum {
 public:
  // What is no number is not counted.
  void add(const Datum& value);
  // Of a value that was added. False: make it anew.
  bool remove(const Datum& value);
  Datum result() const;
  Datum average() const;  // null of nothing

 private:
  // Of a type, how many: infinities and what is no number are counted, not added, for nothing could be taken away from them.
  struct Beyond {
    std::int64_t nan = 0, positive = 0, negative = 0;
  };
  // The sum, and what its rounding lost.
  struct Doubles {
    void add(double value);
    double sum = 0, lost = 0;
    bool exact = true;
  };
  struct Decimals {
    void add(bson::Decimal128 value);
    void subtract(bson::Decimal128 value);
    bson::Decimal128 sum{};
    bool exact = true;
  };
  void change(const Datum& value, int by);
  bool is_beyond(const Datum& value, int by);
  bool is_not_finite() const { return beyond_.nan > 0 || beyond_.positive > 0 || beyond_.negative > 0; }
  double not_finite() const;
  double as_double() const;
  bson::Decimal128 as_decimal() const;

  std::int64_t numbers_ = 0, longs_ = 0;
  std::int64_t doubles_ = 0, decimals_ = 0;                // those that are not finite, too
  std::int64_t finite_doubles_ = 0, finite_decimals_ = 0;
  Beyond beyond_;
  __int128 integers_ = 0;
  Doubles of_doubles_;
  Decimals of_decimals_;
};

}  // namespace drover::sandbox::query
