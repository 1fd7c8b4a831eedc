#include "sandbox/query/calendar.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <limits>

#include <fmt/core.h>

#include "sandbox/query/errors.h"

namespace drover::sandbox::query {

namespace {

constexpr std::int64_t kDay = 86'400'000;

std::int64_t floor_div(std::int64_t a, std::int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

// Days since 1970-01-01 of a civil date, for any year (Howard Hinnant's era arithmetic).
std::int64_t days_from_civil(std::int64_t year, int month, int day) {
  year -= month <= 2;
  const std::int64_t era = floor_div(year, 400);
  const std::int64_t year_of_era = year - era * 400;
  const std::int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

struct Reader {
  std::string_view rest;
  bool accept(char c) {
    if (rest.empty() || rest[0] != c) return false;
    rest.remove_prefix(1);
    return true;
  }
  std::optional<int> digits(std::size_t count) {
    if (rest.size() < count) return {};
    int value = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (rest[i] < '0' || rest[i] > '9') return {};
      value = value * 10 + (rest[i] - '0');
    }
    rest.remove_prefix(count);
    return value;
  }
};

}  // namespace

CalendarTime to_calendar(std::int64_t millis) {
  const std::int64_t days = floor_div(millis, kDay);
  std::int64_t rest = millis - days * kDay;
  const std::int64_t z = days + 719468;
  const std::int64_t era = floor_div(z, 146097);
  const std::int64_t day_of_era = z - era * 146097;
  const std::int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const std::int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t shifted = (5 * day_of_year + 2) / 153;
  CalendarTime time;
  time.day = static_cast<int>(day_of_year - (153 * shifted + 2) / 5 + 1);
  time.month = static_cast<int>(shifted < 10 ? shifted + 3 : shifted - 9);
  time.year = year_of_era + era * 400 + (time.month <= 2 ? 1 : 0);
  time.millisecond = static_cast<int>(rest % 1000);
  rest /= 1000;
  time.second = static_cast<int>(rest % 60);
  time.minute = static_cast<int>(rest / 60 % 60);
  time.hour = static_cast<int>(rest / 3600);
  return time;
}

std::int64_t from_calendar(std::int64_t year, std::int64_t month, std::int64_t day, std::int64_t hour,
                           std::int64_t minute, std::int64_t second, std::int64_t millisecond) {
  const std::int64_t carried = floor_div(month - 1, 12);
  year += carried;
  month -= carried * 12;
  __extension__ using Wide = __int128;
  const Wide days = Wide{days_from_civil(year, static_cast<int>(month), 1)} + day - 1;
  const Wide millis = ((days * 24 + hour) * 60 + minute) * 60'000 + Wide{second} * 1000 + millisecond;
  constexpr Wide kFirst = std::numeric_limits<std::int64_t>::min(), kLast = std::numeric_limits<std::int64_t>::max();
  return static_cast<std::int64_t>(std::clamp(millis, kFirst, kLast));
}

int day_of_week(std::int64_t millis) {
  const std::int64_t days = floor_div(millis, kDay);
  return static_cast<int>(((days + 4) % 7 + 7) % 7);
}

int day_of_year(const CalendarTime& time) {
  return static_cast<int>(days_from_civil(time.year, time.month, time.day) - days_from_civil(time.year, 1, 1) + 1);
}

IsoWeek iso_week(std::int64_t millis) {
  const int weekday = (day_of_week(millis) + 6) % 7;  // 0 is Monday
  std::int64_t thursday = 0;
  if (__builtin_add_overflow(millis, (3 - weekday) * kDay, &thursday)) thursday = millis;  // in the last days of time
  const CalendarTime time = to_calendar(thursday);
  return {time.year, (day_of_year(time) - 1) / 7 + 1};
}

std::int64_t first_iso_monday(std::int64_t year) {
  return 4 - (day_of_week(from_calendar(year, 1, 4, 0, 0, 0, 0)) + 6) % 7;
}

std::optional<std::int64_t> offset_of_zone(std::string_view zone) {
  if (zone == "UTC" || zone == "GMT" || zone == "Z" || zone == "Etc/UTC" || zone == "Etc/GMT") return 0;
  Reader reader{zone};
  const bool east = reader.accept('+');
  if (!east && !reader.accept('-')) return {};
  const auto hours = reader.digits(2);
  if (!hours) return {};
  reader.accept(':');
  int minutes = 0;
  if (!reader.rest.empty()) {
    const auto given = reader.digits(2);
    if (!given || !reader.rest.empty()) return {};
    minutes = *given;
  }
  const std::int64_t offset = (*hours * 60 + minutes) * std::int64_t{60'000};
  return east ? offset : -offset;
}

namespace {

int days_in_month(int year, int month) {
  return static_cast<int>(days_from_civil(month == 12 ? year + 1 : year, month == 12 ? 1 : month + 1, 1) - days_from_civil(year, month, 1));
}

std::size_t leading_digits(std::string_view text) { return std::min(text.find_first_not_of("0123456789"), text.size()); }

std::optional<int> one_or_two_digits(Reader& reader) {
  const auto count = std::min<std::size_t>(leading_digits(reader.rest), 2);
  return count == 0 ? std::nullopt : reader.digits(count);
}

struct Day {
  int year = 0, month = 1, day = 1;
};

// 2020-09-08, 2020-9-8, 2020/09/08, 20200908, 9/8/2020 (the month first), and 2020-09: with numbers that may be none.
std::optional<Day> read_day(Reader& reader) {
  std::optional<int> year, month, day = 1;
  const auto digits = leading_digits(reader.rest);
  if (digits == 8) {
    year = reader.digits(4), month = reader.digits(2), day = reader.digits(2);
  } else if (digits == 4) {
    year = reader.digits(4);
    const char between = reader.rest.starts_with('/') ? '/' : '-';
    if (!reader.accept(between)) return {};
    month = one_or_two_digits(reader);
    if (reader.accept(between)) day = one_or_two_digits(reader);
    else if (between == '/') return {};
  } else {
    month = one_or_two_digits(reader);
    if (!month || !reader.accept('/')) return {};
    day = one_or_two_digits(reader);
    if (!day || !reader.accept('/') || leading_digits(reader.rest) != 4) return {};
    year = reader.digits(4);
  }
  if (!year || !month || !day) return {};
  return Day{*year, *month, *day};
}

// The rest of `text` up to the next character that no offset has.
std::string_view take_offset(Reader& reader) {
  const auto end = std::min(reader.rest.find_first_not_of("+-:0123456789Z"), reader.rest.size());
  const auto taken = reader.rest.substr(0, end);
  reader.rest.remove_prefix(end);
  return taken;
}

}  // namespace

Result<std::optional<std::int64_t>> parse_date(std::string_view format, std::string_view text, std::int64_t default_offset) {
  constexpr std::optional<std::int64_t> kNone;
  Reader reader{text};
  std::int64_t year = 1970, month = 1, day = 1, hour = 0, minute = 0, second = 0, millis = 0, offset = default_offset;
  std::int64_t iso_year = 0, iso_number = 1, iso_day = 1;
  bool iso = false, natural = false;
  bool has_year = false, has_month = false, has_day = false, of_year = false;
  bool fits = true;
  // Up to so many digits: fewer do.
  const auto number = [&](std::size_t digits, std::int64_t low, std::int64_t high, std::int64_t& out) {
    const auto count = std::min(leading_digits(reader.rest), digits);
    const auto read = count == 0 ? std::nullopt : reader.digits(count);
    fits = fits && read && *read >= low && *read <= high;
    if (read) out = *read;
    return count;
  };
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      fits = fits && reader.accept(format[i]);
      continue;
    }
    if (++i == format.size()) return bad(18535, "Unmatched '%' at end of format string");
    switch (format[i]) {
      case 'Y': natural = has_year = true; number(4, 0, 9999, year); break;
      case 'm': natural = has_month = true; number(2, 1, 12, month); break;
      case 'd': natural = has_day = true; number(2, 1, 31, day); break;
      case 'G': iso = true; number(4, 0, 9999, iso_year); break;
      case 'V': iso = true; number(2, 1, 53, iso_number); break;
      case 'u': iso = true; number(1, 1, 7, iso_day); break;
      case 'H': number(2, 0, 23, hour); break;
      case 'M': number(2, 0, 59, minute); break;
      case 'S': number(2, 0, 59, second); break;
      case 'L':  // a fraction: 5 is half a second
        for (auto digits = number(3, 0, 999, millis); digits < 3; ++digits) millis *= 10;
        break;
      case 'j': of_year = has_month = has_day = true; month = 1; number(3, 1, 366, day); break;
      case 'z': {
        const auto zone = offset_of_zone(take_offset(reader));
        fits = fits && zone;
        offset = zone.value_or(0);
        break;
      }
      case 'Z': {
        const bool west = reader.accept('-');
        if (!west) reader.accept('+');
        std::int64_t minutes = 0;
        number(3, 0, 999, minutes);
        offset = (west ? -minutes : minutes) * 60'000;
        break;
      }
      case '%': fits = fits && reader.accept('%'); break;
      default: return bad(18536, fmt::format("Invalid format character '%{}' in format string", format[i]));
    }
  }
  if (!fits || !reader.rest.empty() || (iso && natural)) return kNone;
  if (!iso && !(has_year && has_month && has_day)) {
    return bad(code::kConversionFailure, fmt::format("an incomplete date/time string has been found, with elements missing: \"{}\"", text));
  }
  if (!iso && !of_year && day > days_in_month(static_cast<int>(year), static_cast<int>(month))) return kNone;
  if (iso) {
    year = iso_year;
    day = first_iso_monday(iso_year) + (iso_number - 1) * 7 + iso_day - 1;
  }
  return std::optional(from_calendar(year, month, day, hour, minute, second, millis) - offset);
}

std::optional<std::int64_t> parse_iso_date(std::string_view text, std::int64_t default_offset) {
  Reader reader{text};
  const auto date = read_day(reader);
  if (!date || date->month < 1 || date->month > 12 || date->day < 1 || date->day > days_in_month(date->year, date->month)) return {};
  int hour = 0, minute = 0, second = 0, millis = 0;
  if (reader.accept('T') || reader.accept(' ')) {
    const auto h = reader.digits(2);
    if (!h || *h > 24) return {};
    hour = *h;
    if (reader.accept(':')) {
      const auto m = reader.digits(2);
      if (!m || *m > 59) return {};
      minute = *m;
      if (reader.accept(':')) {
        const auto s = reader.digits(2);
        if (!s || *s > 60) return {};
        second = *s;
        if (reader.accept('.')) {
          int scale = 100;
          bool any = false;
          while (auto digit = reader.digits(1)) {
            millis += *digit * scale;
            scale /= 10;
            any = true;
          }
          if (!any) return {};
        }
      }
    }
  }
  std::int64_t offset = default_offset;
  if (reader.accept(' ') && reader.rest.empty()) return {};
  if (!reader.rest.empty()) {
    const auto zone = offset_of_zone(reader.rest);
    if (!zone) return {};
    offset = *zone;
  }
  return from_calendar(date->year, date->month, date->day, hour, minute, second, millis) - offset;
}

std::string format_iso_date(std::int64_t millis) {
  const CalendarTime t = to_calendar(millis);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", t.year, t.month, t.day, t.hour, t.minute, t.second,
                     t.millisecond);
}

Result<std::string> format_date(std::string_view format, std::int64_t millis, std::int64_t offset) {
  static constexpr const char* kMonths[] = {"January", "February", "March",     "April",   "May",      "June",
                                            "July",    "August",   "September", "October", "November", "December"};
  const std::int64_t local = millis + offset;
  const CalendarTime t = to_calendar(local);
  const std::int64_t minutes = offset / 60'000;
  std::string out;
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      out.push_back(format[i]);
      continue;
    }
    if (++i == format.size()) return bad(18535, "Unmatched '%' at end of format string");
    switch (format[i]) {
      case '%': out.push_back('%'); break;
      case 'Y':
        if (t.year < 0 || t.year > 9999)
          return bad(18537, fmt::format("$dateToString is only defined on year 0-9999, tried to use year {}", t.year));
        out += fmt::format("{:04}", t.year);
        break;
      case 'm': out += fmt::format("{:02}", t.month); break;
      case 'd': out += fmt::format("{:02}", t.day); break;
      case 'H': out += fmt::format("{:02}", t.hour); break;
      case 'M': out += fmt::format("{:02}", t.minute); break;
      case 'S': out += fmt::format("{:02}", t.second); break;
      case 'L': out += fmt::format("{:03}", t.millisecond); break;
      case 'j': out += fmt::format("{:03}", day_of_year(t)); break;
      case 'w': out += std::to_string(day_of_week(local) + 1); break;
      case 'u': out += std::to_string((day_of_week(local) + 6) % 7 + 1); break;
      case 'U': out += fmt::format("{:02}", (day_of_year(t) + 6 - day_of_week(local)) / 7); break;
      case 'V': out += fmt::format("{:02}", iso_week(local).week); break;
      case 'G': out += fmt::format("{:04}", iso_week(local).year); break;
      case 'b': out += std::string(kMonths[t.month - 1]).substr(0, 3); break;
      case 'B': out += kMonths[t.month - 1]; break;
      case 'z':
        out += fmt::format("{}{:02}{:02}", minutes < 0 ? '-' : '+', std::llabs(minutes) / 60, std::llabs(minutes) % 60);
        break;
      case 'Z': out += fmt::format("{}", minutes); break;
      default: return bad(18536, fmt::format("Invalid format character '%{}' in format string", format[i]));
    }
  }
  return out;
}

}  // namespace drover::sandbox::query
