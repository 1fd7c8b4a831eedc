#include "workload/record.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "bson/decimal.h"
#include "workload/control_file.h"

namespace drover::workload {
namespace {

constexpr std::int64_t kMillisPerHour = 3'600'000;
constexpr std::int64_t kMillisPerDay = 24 * kMillisPerHour;
constexpr std::int64_t kEarliestMillis = 1'000'000'000'000;  // 2001; such integers are times in these files
constexpr std::int64_t kLatestMillis = 2'000'000'000'000;    // 2033
constexpr std::int64_t kFlightDay = 978'307'200'000;  // 2001-01-01, the year of the flights' data

const Json* find_column(const Json::Object& record, std::string_view column) {
  for (const auto& [name, value] : record)
    if (name == column) return &value;
  return nullptr;
}

std::optional<double> number_of(const Json& value) {
  if (const auto* number = value.as_double()) return *number;
  if (const auto* integer = value.as_int()) return static_cast<double>(*integer);
  return std::nullopt;
}

std::string text_of(const Json& value) {
  if (const auto* text = value.as_string()) return *text;
  return value.dump();
}

std::optional<bson::ObjectId> parse_object_id(std::string_view hex) {
  bson::ObjectId id;
  if (hex.size() != 2 * id.bytes.size()) return std::nullopt;
  for (std::size_t i = 0; i < id.bytes.size(); ++i) {
    const auto end = hex.data() + 2 * i + 2;
    if (std::from_chars(end - 2, end, id.bytes[i], 16).ptr != end) return std::nullopt;
  }
  return id;
}

// False when the value does not fit the kind.
bool append_converted(bson::Builder& out, std::string_view key, const Json& value, FieldKind kind) {
  const auto number = number_of(value);
  switch (kind) {
    case FieldKind::kString:
      out.append(key, text_of(value));
      return true;
    case FieldKind::kInt64:
      if (!number) return false;
      out.append(key, static_cast<std::int64_t>(*number));
      return true;
    case FieldKind::kDouble:
      if (!number) return false;
      out.append(key, *number);
      return true;
    case FieldKind::kDecimal: {
      const auto decimal = bson::decimal_from_string(text_of(value));
      if (!decimal || bson::decimal_is_nan(*decimal)) return false;
      out.append(key, *decimal);
      return true;
    }
    case FieldKind::kDate: {
      const auto millis = value.as_int() ? std::optional(*value.as_int()) : parse_date(text_of(value));
      if (!millis) return false;
      out.append(key, bson::DateTime{*millis});
      return true;
    }
    case FieldKind::kDayHours:
      if (!number) return false;
      out.append(key, bson::DateTime{kFlightDay + std::llround(*number * kMillisPerHour)});
      return true;
    case FieldKind::kObjectId: {
      const auto id = parse_object_id(text_of(value));
      if (!id) return false;
      out.append(key, *id);
      return true;
    }
    case FieldKind::kList: {
      const auto text = text_of(value);
      auto array = out.open_array(key);
      for (const auto part : split_list(text)) array.append(part);
      return true;
    }
    case FieldKind::kInferred:
    case FieldKind::kPoint:
    case FieldKind::kOmitted: break;
  }
  return false;
}

void append_point(bson::Builder& out, std::string_view key, const Json::Object& record, std::string_view columns) {
  const auto names = split_list(columns);
  const auto* longitude = find_column(record, names[0]);
  const auto* latitude = find_column(record, names[1]);
  if (longitude == nullptr || latitude == nullptr || !number_of(*longitude) || !number_of(*latitude)) return;
  auto point = out.open_document(key);
  point.append("type", "Point");
  auto coordinates = point.open_array("coordinates");
  coordinates.append(*number_of(*longitude)).append(*number_of(*latitude));
}

void append_ruled(bson::Builder& out, std::string_view key, const Json::Object& record, const FieldRule& rule) {
  if (rule.kind == FieldKind::kOmitted) return;
  if (rule.kind == FieldKind::kPoint) return append_point(out, key, record, rule.column);
  const auto* value = find_column(record, rule.column);
  if (value == nullptr) return;
  if (value->is_null()) out.append(key, bson::Null{});
  else if (!append_converted(out, key, *value, rule.kind)) append_inferred(out, key, *value);
}

// Rules whose targets agree up to `depth` characters; a common next part becomes a nested document.
void append_rules(bson::Builder& out, const Json::Object& record, std::span<const FieldRule> rules, std::size_t depth) {
  for (std::size_t i = 0; i < rules.size();) {
    const auto rest = rules[i].target.substr(depth);
    const auto dot = rest.find('.');
    if (dot == std::string_view::npos) {
      append_ruled(out, rest, record, rules[i++]);
      continue;
    }
    const auto prefix = rules[i].target.substr(0, depth + dot + 1);
    const auto end = std::find_if(rules.begin() + i, rules.end(), [&](const auto& r) { return !r.target.starts_with(prefix); });
    auto nested = out.open_document(rest.substr(0, dot));
    const auto count = static_cast<std::size_t>(end - rules.begin()) - i;
    append_rules(nested, record, rules.subspan(i, count), prefix.size());
    i += count;
  }
}

bool is_ruled(std::string_view column, std::span<const FieldRule> rules) {
  return std::any_of(rules.begin(), rules.end(), [&](const FieldRule& rule) {
    if (rule.kind != FieldKind::kPoint) return rule.column == column;
    const auto names = split_list(rule.column);
    return std::find(names.begin(), names.end(), column) != names.end();
  });
}

Json infer_cell(const std::string& cell) {
  const char* end = cell.data() + cell.size();
  const bool leading_zero = cell.size() > 1 && cell[0] == '0' && cell[1] != '.';
  std::int64_t integer = 0;
  double number = 0;
  if (!leading_zero && std::from_chars(cell.data(), end, integer).ptr == end) return Json(integer);
  if (!leading_zero && cell.find_first_not_of("0123456789.eE+-") == std::string::npos &&
      std::from_chars(cell.data(), end, number).ptr == end)
    return Json(number);
  return Json(cell);
}

// Days since 1970 of a date of the proleptic Gregorian calendar (H. Hinnant's algorithm).
std::int64_t days_from_civil(int year, int month, int day) {
  year -= month <= 2;
  const int era = (year >= 0 ? year : year - 399) / 400;
  const int year_of_era = year - era * 400;
  const int day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return static_cast<std::int64_t>(era) * 146097 + day_of_era - 719468;
}

std::optional<int> digits(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

std::optional<std::int64_t> date_millis(std::optional<int> year, std::optional<int> month, std::optional<int> day) {
  if (!year || !month || !day || *month < 1 || *month > 12 || *day < 1 || *day > 31) return std::nullopt;
  return days_from_civil(*year, *month, *day) * kMillisPerDay;
}

// "08:00:00" and what may follow; 0 for nothing.
std::optional<std::int64_t> time_millis(std::string_view text) {
  if (text.empty()) return 0;
  if (text.size() < 8 || text[2] != ':' || text[5] != ':') return std::nullopt;
  const auto hours = digits(text.substr(0, 2)), minutes = digits(text.substr(3, 2)), seconds = digits(text.substr(6, 2));
  if (!hours || !minutes || !seconds) return std::nullopt;
  std::int64_t millis = ((*hours * 60 + *minutes) * 60 + *seconds) * 1000LL;
  text.remove_prefix(8);
  if (text.size() >= 4 && text[0] == '.') {
    millis += digits(text.substr(1, 3)).value_or(0);
    text.remove_prefix(4);
  }
  if (!text.empty() && text != "Z") return std::nullopt;
  return millis;
}

}  // namespace

void append_record(bson::Builder& out, const Json::Object& record, std::span<const FieldRule> rules) {
  append_rules(out, record, rules, 0);
  for (const auto& [name, value] : record)
    if (!is_ruled(name, rules)) append_inferred(out, name, value);
}

Json::Object record_of_cells(std::span<const std::string> columns, std::span<const std::string> cells,
                             std::span<const FieldRule> rules) {
  Json::Object record;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (cells[i].empty()) continue;
    const bool as_text = std::any_of(rules.begin(), rules.end(), [&](const FieldRule& rule) {
      return rule.column == columns[i] && (rule.kind == FieldKind::kString || rule.kind == FieldKind::kDecimal);
    });
    record.emplace_back(columns[i], as_text ? Json(cells[i]) : infer_cell(cells[i]));
  }
  return record;
}

void append_inferred(bson::Builder& out, std::string_view key, const Json& value) {
  if (const auto* text = value.as_string()) {
    if (const auto millis = text->size() >= 10 && (*text)[4] == '-' ? parse_date(*text) : std::nullopt)
      out.append(key, bson::DateTime{*millis});
    else out.append(key, *text);
  } else if (const auto* integer = value.as_int()) {
    if (std::in_range<std::int32_t>(*integer)) out.append(key, static_cast<std::int32_t>(*integer));
    else if (*integer >= kEarliestMillis && *integer < kLatestMillis) out.append(key, bson::DateTime{*integer});
    else out.append(key, *integer);
  } else if (const auto* number = value.as_double()) {
    out.append(key, *number);
  } else if (const auto* flag = value.as_bool()) {
    out.append(key, *flag);
  } else if (const auto* items = value.as_array()) {
    auto array = out.open_array(key);
    for (const auto& item : *items) {
      bson::Builder one;  // so that an item's type is inferred by the same rules
      append_inferred(one, "", item);
      const auto holder = std::move(one).finish();
      array.append(holder.view().first());
    }
  } else if (const auto* fields = value.as_object()) {
    auto nested = out.open_document(key);
    for (const auto& [name, field] : *fields) append_inferred(nested, name, field);
  } else {
    out.append(key, bson::Null{});
  }
}

std::optional<std::int64_t> parse_date(std::string_view text) {
  static constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                               "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  if (text.size() < 10) return std::nullopt;
  const auto part = [&](std::size_t from, std::size_t count) { return digits(text.substr(from, count)); };
  if ((text[4] == '-' && text[7] == '-') || (text[4] == '/' && text[7] == '/')) {
    const auto date = date_millis(part(0, 4), part(5, 2), part(8, 2));
    if (text.size() > 10 && text[10] != 'T' && text[10] != ' ') return std::nullopt;
    const auto time = time_millis(text.substr(std::min<std::size_t>(text.size(), 11)));
    if (!date || !time) return std::nullopt;
    return *date + *time;
  }
  if (text.size() == 10 && text[2] == '/' && text[5] == '/') return date_millis(part(6, 4), part(0, 2), part(3, 2));
  if (text.size() == 11 && text[3] == ' ' && text[6] == ' ') {
    const auto month = std::find(kMonths.begin(), kMonths.end(), text.substr(0, 3));
    if (month == kMonths.end()) return std::nullopt;
    return date_millis(part(7, 4), static_cast<int>(month - kMonths.begin()) + 1, part(4, 2));
  }
  return std::nullopt;
}

}  // namespace drover::workload
