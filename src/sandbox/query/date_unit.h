// Units of time as $dateAdd, $densify and windows have them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/error.h"

namespace drover::sandbox::query {

enum class DateUnit { kYear, kQuarter, kMonth, kWeek, kDay, kHour, kMinute, kSecond, kMillisecond };

std::optional<DateUnit> find_date_unit(std::string_view name);
// The same, with the server's refusal.
Result<DateUnit> parse_date_unit(std::string_view name);
std::string_view date_unit_name(DateUnit unit);
// Whether $dateAdd takes so many at all. Of any unit but milliseconds.
bool is_amount_in_range(std::int64_t amount, DateUnit unit);
// Zero for the units of days and less.
std::int64_t months_in(DateUnit unit);
// Of the units of weeks and less.
std::int64_t millis_in(DateUnit unit);
// A day that the month does not have becomes its last.
std::int64_t add_months(std::int64_t millis, std::int64_t months);
// In UTC. 5166406 when the result is no date.
Result<std::int64_t> add_units(std::int64_t millis, DateUnit unit, std::int64_t count);

}  // namespace drover::sandbox::query
