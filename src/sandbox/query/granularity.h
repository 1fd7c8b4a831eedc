// The preferred numbers that $bucketAuto's `granularity` rounds its boundaries to: Renard series, E series, 1-2-5 and powers of two.
#pragma once

#include <span>
#include <string_view>

#include "base/error.h"
#include "sandbox/query/datum.h"

namespace drover::sandbox::query {

class Granularity {
 public:
  // 40257 when there is none of that name.
  static Result<Granularity> find(std::string_view name);
  // The next preferred number above (strictly) or below (strictly) `number`, of its type: decimals stay decimals, others become
  // doubles. 0 stays as it is. `number` is no NaN and not negative.
  Datum above(const Datum& number) const;
  Datum below(const Datum& number) const;

 private:
  explicit Granularity(std::span<const double> series) : series_(series) {}
  std::span<const double> series_;  // one decade's; empty: powers of two
};

}  // namespace drover::sandbox::query
