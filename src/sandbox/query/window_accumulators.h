// Accumulators that only windows have.
#pragma once

#include <memory>
#include <optional>

#include "sandbox/query/accumulator.h"
#include "sandbox/query/date_unit.h"

namespace drover::sandbox::query {

// Over [x, y]. By how much both deviate together; null for too few.
std::unique_ptr<Accumulator> make_covariance(bool of_sample);
// Over [time, value], by trapezoids, in units of time when times are dates.
std::unique_ptr<Accumulator> make_integral(std::optional<DateUnit> unit);
// alpha * value + (1 - alpha) * the average so far.
std::unique_ptr<Accumulator> make_moving_average(bson::Decimal128 alpha);
// The last value that is one.
std::unique_ptr<Accumulator> make_last_observation();

}  // namespace drover::sandbox::query
