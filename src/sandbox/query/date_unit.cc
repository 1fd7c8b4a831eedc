#include "sandbox/query/date_unit.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <fmt/core.h>

#include "sandbox/query/calendar.h"
#include "sandbox/query/errors.h"

namespace drover::sandbox::query {

namespace {

constexpr std::int64_t kMinute = 60'000;
constexpr std::int64_t kMaxMonths = 12 * 292'000'000LL;  // more than 64 bits of milliseconds hold

constexpr std::pair<std::string_view, DateUnit> kUnits[] = {
    {"year", DateUnit::kYear},     {"quarter", DateUnit::kQuarter}, {"month", DateUnit::kMonth},
    {"week", DateUnit::kWeek},     {"day", DateUnit::kDay},         {"hour", DateUnit::kHour},
    {"minute", DateUnit::kMinute}, {"second", DateUnit::kSecond},   {"millisecond", DateUnit::kMillisecond}};

}  // namespace

std::string_view date_unit_name(DateUnit unit) {
  for (const auto& [text, known] : kUnits) {
    if (known == unit) return text;
  }
  return "";
}

// As the server bounds it: about as many as 64 bits of milliseconds hold, twice.
bool is_amount_in_range(std::int64_t amount, DateUnit unit) {
  constexpr std::int64_t kMaxDays = static_cast<std::int64_t>(std::numeric_limits<std::uint64_t>::max() / (24 * 60 * kMinute) + 1);
  constexpr std::int64_t kMaxYears = kMaxDays / 365 + 1;
  const std::int64_t months = months_in(unit);
  const std::int64_t bound = months != 0 ? kMaxYears * 12 / months : unit == DateUnit::kWeek ? kMaxDays / 7 : kMaxDays * (24 * 60 * kMinute / millis_in(unit));
  return -bound < amount && amount < bound;
}

std::optional<DateUnit> find_date_unit(std::string_view name) {
  for (const auto& [text, unit] : kUnits) {
    if (text == name) return unit;
  }
  return std::nullopt;
}

Result<DateUnit> parse_date_unit(std::string_view name) {
  const auto unit = find_date_unit(name);
  if (!unit) return bad(code::kFailedToParse, fmt::format("unknown time unit value: {}", name));
  return *unit;
}

std::int64_t millis_in(DateUnit unit) {
  switch (unit) {
    case DateUnit::kWeek: return 7 * 24 * 60 * kMinute;
    case DateUnit::kDay: return 24 * 60 * kMinute;
    case DateUnit::kHour: return 60 * kMinute;
    case DateUnit::kMinute: return kMinute;
    case DateUnit::kSecond: return 1000;
    default: return 1;
  }
}

std::int64_t months_in(DateUnit unit) {
  return unit == DateUnit::kYear ? 12 : unit == DateUnit::kQuarter ? 3 : unit == DateUnit::kMonth ? 1 : 0;
}

std::int64_t add_months(std::int64_t millis, std::int64_t months) {
  const CalendarTime t = to_calendar(millis);
  const std::int64_t last = to_calendar(from_calendar(t.year, t.month + months + 1, 0, 0, 0, 0, 0)).day;
  return from_calendar(t.year, t.month + months, std::min<std::int64_t>(t.day, last), t.hour, t.minute, t.second,
                       t.millisecond);
}

Result<std::int64_t> add_units(std::int64_t millis, DateUnit unit, std::int64_t count) {
  const std::int64_t months = months_in(unit);
  std::int64_t change = 0, result = 0;
  const bool over = __builtin_mul_overflow(count, months > 0 ? months : millis_in(unit), &change);
  if (months > 0 && !over && change >= -kMaxMonths && change <= kMaxMonths) {
    // About, and then exactly: what is far from the ends of time cannot pass them.
    const auto about = static_cast<double>(millis) + static_cast<double>(change) * 30.44 * 24 * 60 * kMinute;
    if (about > -9.2e18 && about < 9.2e18) return add_months(millis, change);
  } else if (months == 0 && !over && !__builtin_add_overflow(millis, change, &result)) {
    return result;
  }
  return bad(5166406, "dateAdd overflowed");
}

}  // namespace drover::sandbox::query
