// Dates as years, months and so on, in UTC or at an offset ("+02:00"). Named zones are bson/time_zone.h's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace drover::sandbox::query {

struct CalendarTime {
  std::int64_t year = 1970;
  int month = 1;  // 1..12
  int day = 1;    // 1..31
  int hour = 0;
  int minute = 0;
  int second = 0;
  int millisecond = 0;
};

CalendarTime to_calendar(std::int64_t millis);
// Months and smaller units may be out of range and carry over. What is no date is the first or the last one.
std::int64_t from_calendar(std::int64_t year, std::int64_t month, std::int64_t day, std::int64_t hour,
                           std::int64_t minute, std::int64_t second, std::int64_t millisecond);
int day_of_week(std::int64_t millis);       // 0 is Sunday
int day_of_year(const CalendarTime& time);  // 1..366
struct IsoWeek {
  std::int64_t year;
  int week;
};
IsoWeek iso_week(std::int64_t millis);
std::int64_t first_iso_monday(std::int64_t year);  // of its first week, as a day of January: -2..4

// "UTC", "GMT", "Z", "+02", "-0330", "+05:30" in milliseconds east of UTC.
std::optional<std::int64_t> offset_of_zone(std::string_view zone);
// 2020-09-08T12:30:15.123Z and its shorter forms, 2020/09/08, 20200908 and 9/8/2020, as $dateFromString and $toDate read them.
std::optional<std::int64_t> parse_iso_date(std::string_view text, std::int64_t default_offset);
// `text` by the server's format language: %Y %m %d, or %G %V %u, and %H %M %S %L %j %z %Z %%. Nothing when it does not fit, or names no day;
// 241 for a format that leaves year, month or day out, 18535 and 18536 for one that is none.
Result<std::optional<std::int64_t>> parse_date(std::string_view format, std::string_view text, std::int64_t default_offset);
// 2020-09-08T12:30:15.123Z
std::string format_iso_date(std::int64_t millis);
// %Y %m %d %H %M %S %L %j %u %w %U %V %G %z %Z %b %B %%: the server's format language.
Result<std::string> format_date(std::string_view format, std::int64_t millis, std::int64_t offset);

}  // namespace drover::sandbox::query
