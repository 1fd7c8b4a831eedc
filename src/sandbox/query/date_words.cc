#include "sandbox/query/date_words.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <iterator>
#include <string>
#include <utility>

#include "bson/time_zone.h"
#include "sandbox/query/calendar.h"

namespace drover::sandbox::query {

namespace {

constexpr std::int64_t kMinute = 60'000, kHour = 60 * kMinute, kDay = 24 * kHour;

// East of UTC, in quarters of an hour.
constexpr std::pair<std::string_view, int> kZones[] = {
    {"utc", 0},   {"gmt", 0},    {"z", 0},    {"wet", 0},   {"west", 4}, {"bst", 4},    {"cet", 4},    {"cest", 8},  {"eet", 8},   {"eest", 12},  {"sast", 8}, {"cat", 8},
    {"eat", 12},  {"wat", 4},    {"msk", 12}, {"msd", 16},  {"ist", 8},  {"pkt", 20},   {"wib", 28},   {"hkt", 32},  {"awst", 32}, {"jst", 36},   {"kst", 34}, {"acst", 38},
    {"acdt", 42}, {"aest", 40},  {"aedt", 44}, {"nzst", 48}, {"nzdt", 52}, {"nst", -14}, {"ndt", -10}, {"ast", -16}, {"adt", -12}, {"est", -20}, {"edt", -16}, {"cst", -24},
    {"cdt", -20}, {"mst", -28},  {"mdt", -24}, {"pst", -32}, {"pdt", -28}, {"akst", -36}, {"akdt", -32}, {"hst", -40}};

constexpr std::array<std::string_view, 12> kMonths = {"january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"};
constexpr std::array<std::string_view, 7> kWeekdays = {"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  bool read_all() {
    while (true) {
      skip(" \t.,");
      if (rest_.empty()) return true;
      if (!read_one()) return false;
    }
  }

  std::optional<std::int64_t> millis(std::int64_t default_offset) const {
    if (!year_ || !month_ || !day_) return std::nullopt;
    auto local = from_calendar(*year_, *month_, *day_ + days_later_, hour_, minute_, second_, millisecond_);
    if (weekday_) local += ((*weekday_ - day_of_week(local) + 7) % 7) * kDay;  // the next such day, or that one
    return local - (zone_ ? zone_->offset_at_local(local) : offset_.value_or(default_offset));
  }
  bool is_day() const {
    if (!year_ || !month_ || !day_) return true;
    const auto there = to_calendar(from_calendar(*year_, *month_, *day_, 0, 0, 0, 0));
    return *month_ >= 1 && *month_ <= 12 && *day_ >= 1 && there.month == *month_;
  }

 private:
  // Each reads what stands in front, or leaves all as it is.
  bool read_one() {
    const char c = rest_[0];
    if (is_digit(c)) return attempt(&Scanner::day_and_month) || attempt(&Scanner::year_and_month) || attempt(&Scanner::iso_week) || attempt(&Scanner::day_of_year) ||
             attempt(&Scanner::all_digits) || attempt(&Scanner::numbers) || attempt(&Scanner::time);
    if (is_letter(c)) {
      return attempt(&Scanner::month_and_day) || attempt(&Scanner::weekday) || attempt(&Scanner::marked_time) || attempt(&Scanner::word) || attempt(&Scanner::named_zone);
    }
    if (c == '@') return attempt(&Scanner::seconds);
    if (c == '(') return attempt(&Scanner::named_zone);
    return (c == '+' || c == '-') && has_time_ && attempt(&Scanner::correction);
  }
  bool attempt(bool (Scanner::*what)()) {
    Scanner before = *this;
    if ((this->*what)()) return true;
    *this = std::move(before);
    return false;
  }

  void skip(std::string_view characters) { rest_.remove_prefix(std::min(rest_.find_first_not_of(characters), rest_.size())); }
  bool accept(std::string_view one_of) {
    if (rest_.empty() || one_of.find(rest_[0]) == std::string_view::npos) return false;
    rest_.remove_prefix(1);
    return true;
  }
  // Of `least` to `most` digits, and no digit behind them.
  std::optional<int> number(std::size_t least, std::size_t most) {
    const auto count = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
    if (count < least || count > most) return std::nullopt;
    int value = 0;
    for (const char c : rest_.substr(0, count)) value = value * 10 + (c - '0');
    rest_.remove_prefix(count);
    return value;
  }
  // Exactly so many digits, whatever comes behind them.
  std::optional<int> digits(std::size_t count) {
    if (rest_.size() < count || rest_.substr(0, count).find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
    int value = 0;
    for (const char c : rest_.substr(0, count)) value = value * 10 + (c - '0');
    rest_.remove_prefix(count);
    return value;
  }
  std::string letters() {
    std::string word;
    while (!rest_.empty() && is_letter(rest_[0])) {
      word.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(rest_[0]))));
      rest_.remove_prefix(1);
    }
    return word;
  }
  // "jul", "july", "sept".
  template <std::size_t kCount>
  static std::optional<int> find_name(const std::array<std::string_view, kCount>& names, std::string_view word) {
    for (std::size_t i = 0; i < kCount; ++i) {
      if (word == names[i] || (word.size() == 3 && names[i].starts_with(word)) || (word == "sept" && names[i] == "september")) return static_cast<int>(i);
    }
    return std::nullopt;
  }
  std::optional<int> month_name() {
    const auto month = find_name(kMonths, letters());
    return month ? std::optional(*month + 1) : std::nullopt;
  }
  std::optional<int> day_number() {
    const auto day = number(1, 2);
    if (!day || *day > 31) return std::nullopt;
    for (const std::string_view ending : {"st", "nd", "rd", "th"}) {
      if (!rest_.starts_with(ending)) continue;
      rest_.remove_prefix(ending.size());
      break;
    }
    return day;
  }
  // "17" is 2017, "70" is 1970. A number before a colon is an hour.
  std::optional<int> year_number() {
    const auto before = rest_.size();
    const auto year = number(1, 4);
    if (!year || rest_.starts_with(':')) return std::nullopt;
    const bool whole = before - rest_.size() == 4;
    return whole || *year >= 100 ? *year : *year < 70 ? *year + 2000 : *year + 1900;
  }
  bool take_date(std::optional<int> year, std::optional<int> month, std::optional<int> day) {
    if (has_date_) return false;
    has_date_ = true;
    if (year) year_ = *year;
    if (month) month_ = *month;
    if (day) day_ = *day;
    return true;
  }

  // "4th July, 2017", "04-Jul-2017", "4 July"
  bool day_and_month() {
    const auto day = day_number();
    if (!day) return false;
    skip(" .\t-");
    const auto month = month_name();
    if (!month) return false;
    const auto end = rest_;
    skip(" ,.\t-");
    const auto year = year_number();
    if (!year) rest_ = end;
    return take_date(year, month, day);
  }
  // "2017-Jul-04", "2017 July"
  bool year_and_month() {
    const auto year = number(4, 4);
    if (!year) return false;
    skip(" .\t-");
    const auto month = month_name();
    if (!month) return false;
    std::optional<int> day = 1;
    if (rest_.starts_with('-')) {
      accept("-");
      day = number(2, 2);
    }
    return day && take_date(year, month, day);
  }
  // "July 4th, 2017", "July 2017", "July 4", "July"
  bool month_and_day() {
    const auto month = month_name();
    if (!month) return false;
    auto end = rest_;
    skip(" .\t-");
    if (const auto year = number(4, 4)) return take_date(year, month, 1);
    const auto day = day_number();
    if (!day || rest_.starts_with(':')) {
      rest_ = end;
      return take_date(std::nullopt, month, std::nullopt);
    }
    end = rest_;
    skip(" ,.\t-");
    const auto year = year_number();
    if (!year) rest_ = end;
    return take_date(year, month, day);
  }
  // "2017-W27-2", "2017W272", "2017-W27": its Monday. Day 0 is the Sunday before it.
  bool iso_week() {
    const auto year = number(4, 4);
    if (!year) return false;
    accept("-");
    if (!accept("W")) return false;
    const auto week = digits(2);
    if (!week || *week < 1 || *week > 53) return false;
    const auto end = rest_;
    accept("-");
    auto day = digits(1);
    if (!day || *day > 7) {
      rest_ = end;
      day = 1;
    }
    if (!rest_.empty() && is_digit(rest_[0])) return false;
    const auto first = day_of_week(from_calendar(*year, 1, 1, 0, 0, 0, 0));  // 0: Sunday
    days_later_ += (first > 4 ? 7 - first : -first) + (*week - 1) * 7 + *day;
    return take_date(year, 1, 1);
  }
  // "2017.185", "2017185". Day 366 of a year without it is the first of the next.
  bool day_of_year() {
    const auto year = digits(4);
    if (!year) return false;
    accept(".");
    const auto day = digits(3);
    if (!day || *day < 1 || *day > 366 || (!rest_.empty() && is_digit(rest_[0]))) return false;
    days_later_ += *day - 1;
    return take_date(year, 1, 1);
  }
  // "20170704115602"
  bool all_digits() {
    if (std::min(rest_.find_first_not_of("0123456789"), rest_.size()) != 14) return false;
    const auto year = digits(4), month = digits(2), day = digits(2);
    return take_date(year, month, day) && compact_time(true);
  }
  // "115602", "1156"
  bool compact_time(bool with_seconds) {
    if (has_time_) return false;
    const auto hour = digits(2), minute = digits(2), second = with_seconds ? digits(2) : std::optional(0);
    if (!hour || !minute || !second || *hour > 24 || *minute > 59 || *second > 59) return false;
    hour_ = *hour;
    minute_ = *minute;
    second_ = *second;
    return has_time_ = true;
  }
  // "2017-07-04", "2017/7/4", "7/4/2017", "7/4/17", "4.7.2017", "4-7-2017", "20170704"
  bool numbers() {
    const auto digits = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
    if (digits == 8) {
      const auto all = *number(8, 8);
      return take_date(all / 10000, all / 100 % 100, all % 100);
    }
    const auto first = number(1, 4);
    if (!first || rest_.empty()) return false;
    const std::string_view between = rest_.substr(0, 1);
    if (!accept("/.-")) return false;
    const auto second = number(1, 2);
    if (!second || !accept(between)) return false;
    const auto before = rest_.size();
    const auto third = number(1, 4);
    if (!third) return false;
    const auto length = before - rest_.size();
    if (digits == 4) return between != "." && length <= 2 && take_date(first, second, third);
    if (digits > 2) return false;
    if (between == "/") return (length == 4 || length == 2) && take_date(length == 4 ? *third : *third < 70 ? *third + 2000 : *third + 1900, first, second);
    return length == 4 && take_date(third, second, first);
  }
  // "11:56", "11:56:02.813 AM", "11.56", "2pm"
  bool time() {
    if (has_time_) return false;
    const auto hour = number(1, 2);
    if (!hour || *hour > 24) return false;
    hour_ = *hour;
    bool parted = false;
    if (accept(":.")) {
      parted = true;
      const auto minute = number(2, 2);
      if (!minute || *minute > 59) return false;
      minute_ = *minute;
      const auto end = rest_;
      if (accept(":.")) {
        const auto second = number(2, 2);
        if (second && *second <= 59) second_ = *second;
        else rest_ = end;
        if (second && !rest_.empty() && (rest_[0] == '.' || rest_[0] == ',') && rest_.size() > 1 && is_digit(rest_[1])) {
          rest_.remove_prefix(1);
          for (int scale = 100; !rest_.empty() && is_digit(rest_[0]); scale /= 10, rest_.remove_prefix(1)) millisecond_ += (rest_[0] - '0') * scale;
        }
      }
    }
    const bool half = attempt(&Scanner::half_of_day);
    has_time_ = true;
    return parted || half;
  }
  // "am", "P.M."
  bool half_of_day() {
    skip(" \t");
    if (rest_.empty() || hour_ < 1 || hour_ > 12) return false;
    const bool after_noon = rest_[0] == 'p' || rest_[0] == 'P';
    if (!accept("aApP")) return false;
    accept(".");
    if (!accept("mM")) return false;
    accept(".");
    if (!rest_.empty() && is_letter(rest_[0])) return false;
    hour_ = hour_ % 12 + (after_noon ? 12 : 0);
    return true;
  }
  // "T11:56", "T115602"
  bool marked_time() {
    if (!accept("tT") || rest_.empty() || !is_digit(rest_[0])) return false;
    const auto count = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
    return count == 4 || count == 6 ? compact_time(count == 6) : time();
  }
  bool weekday() {
    const auto day = find_name(kWeekdays, letters());
    if (!day || weekday_) return false;
    weekday_ = *day;
    return true;
  }
  bool word() {
    const auto name = letters();
    if (name == "now") return true;
    const bool is_noon = name == "noon";
    const int later = name == "tomorrow" ? 1 : name == "yesterday" ? -1 : 0;
    if (!is_noon && later == 0 && name != "today" && name != "midnight") return false;
    days_later_ += later;
    hour_ = is_noon ? 12 : 0;
    minute_ = second_ = millisecond_ = 0;
    return true;
  }
  bool seconds() {
    accept("@");
    const bool negative = accept("-");
    std::int64_t value = 0;
    std::size_t count = 0;
    constexpr std::size_t kMostDigits = 15;
    for (; !rest_.empty() && is_digit(rest_[0]) && count < kMostDigits; rest_.remove_prefix(1), ++count) value = value * 10 + (rest_[0] - '0');
    if (count == 0 || has_time_ || !take_date(1970, 1, 1)) return false;
    has_time_ = true;
    second_ = negative ? -value : value;
    offset_ = 0;
    return true;
  }
  // "EST", "(UTC)", "GMT+2", "Europe/Berlin"
  bool named_zone() {
    if (offset_ || zone_) return false;
    const bool bracketed = accept("(");
    const auto start = rest_;
    const auto word = letters();
    if (rest_.starts_with('/') || rest_.starts_with('_')) {
      const auto size = std::min(start.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_/"), start.size());
      zone_ = bson::TimeZone::find(start.substr(0, size));
      rest_ = start.substr(size);
      return zone_.has_value() && (!bracketed || accept(")"));
    }
    const auto* known = std::ranges::find(kZones, word, &std::pair<std::string_view, int>::first);
    if (known == std::end(kZones)) return false;
    if (known->second == 0 && !rest_.empty() && (rest_[0] == '+' || rest_[0] == '-')) return correction() && (!bracketed || accept(")"));
    offset_ = known->second * 15 * kMinute;
    return !bracketed || accept(")");
  }
  // "+02:00", "-0330", "+2"
  bool correction() {
    if (offset_ || zone_) return false;
    const bool west = rest_[0] == '-';
    accept("+-");
    const auto digits = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
    const auto first = number(1, 4);
    if (!first || digits == 3) return false;
    int hours = digits == 4 ? *first / 100 : *first, minutes = digits == 4 ? *first % 100 : 0;
    if (digits <= 2 && accept(":")) {
      const auto second = number(2, 2);
      if (!second) return false;
      minutes = *second;
    }
    offset_ = (west ? -1 : 1) * (hours * kHour + minutes * kMinute);
    return true;
  }

  std::string_view rest_;
  std::optional<std::int64_t> year_, month_, day_;
  std::int64_t hour_ = 0, minute_ = 0, second_ = 0, millisecond_ = 0, days_later_ = 0;
  std::optional<std::int64_t> offset_;
  std::optional<bson::TimeZone> zone_;
  std::optional<int> weekday_;
  bool has_date_ = false, has_time_ = false;
};

}  // namespace

std::optional<std::int64_t> read_date(std::string_view text, std::int64_t default_offset) {
  if (const auto millis = parse_iso_date(text, default_offset)) return millis;
  const auto written = read_written_date(text, default_offset);
  return written ? written->millis : std::nullopt;
}

std::optional<WrittenDate> read_written_date(std::string_view text, std::int64_t default_offset) {
  Scanner scanner(text);
  if (text.empty() || !scanner.read_all() || !scanner.is_day()) return std::nullopt;
  return WrittenDate{scanner.millis(default_offset)};
}

}  // namespace drover::sandbox::query
