// Dates: their parts, formatting, parsing, and (5.0) arithmetic in units, in time zones by offset or by name.
#include <algorithm>
#include <array>
#include <limits>

#include <fmt/core.h>

#include "bson/builder.h"
#include "bson/ejson.h"
#include "bson/time_zone.h"
#include "sandbox/query/calendar.h"
#include "sandbox/query/date_complaint.h"
#include "sandbox/query/date_unit.h"
#include "sandbox/query/expression_ops.h"
#include "sandbox/query/numeric.h"

namespace drover::sandbox::query {

using bson::Element;
using bson::Type;
using bson::View;

namespace {

constexpr std::int64_t kMinute = 60'000;
constexpr std::int64_t kMaxBinUnits = 100'000'000'000;  // the server's limit

Result<std::int64_t> millis_of(const Datum& value) {
  switch (value.type()) {
    case Type::kDateTime: return value.element().date_value().millis;
    case Type::kTimestamp: return std::int64_t{value.element().timestamp_value().seconds} * 1000;
    case Type::kObjectId: {
      const auto id = value.element().object_id_value();
      const auto seconds = std::uint32_t{id.bytes[0]} << 24 | std::uint32_t{id.bytes[1]} << 16 |
                           std::uint32_t{id.bytes[2]} << 8 | id.bytes[3];
      return std::int64_t{seconds} * 1000;
    }
    default: return bad(16006, fmt::format("can't convert from BSON type {} to Date", type_name_of(value)));
  }
}

// An offset or a named zone.
class Zone {
 public:
  static Result<Zone> parse(const Datum& given) {
    if (given.type() != Type::kString) {
      return bad(40517, fmt::format("timezone must evaluate to a string, found {}", type_name_of(given)));
    }
    const std::string_view name = given.element().string_value();
    Zone zone;
    if (const auto offset = offset_of_zone(name)) {
      zone.offset_ = *offset;
      return zone;
    }
    zone.named_ = bson::TimeZone::find(name);
    if (!zone.named_) return bad(40485, fmt::format("unrecognized time zone identifier: \"{}\"", name));
    return zone;
  }
  bool is_utc() const { return !named_ && offset_ == 0; }
  std::int64_t offset_at(std::int64_t utc) const { return named_ ? named_->offset_at(utc) : offset_; }
  std::int64_t to_local(std::int64_t utc) const { return utc + offset_at(utc); }
  std::int64_t to_utc(std::int64_t local) const { return local - (named_ ? named_->offset_at_local(local) : offset_); }

 private:
  std::int64_t offset_ = 0;
  std::optional<bson::TimeZone> named_;
};

using PartFunction = std::int64_t (*)(std::int64_t local_millis);

struct Part {
  std::string_view name;
  PartFunction function;
};

constexpr std::array<Part, 13> kParts = {{
    {"$year", [](std::int64_t m) { return to_calendar(m).year; }},
    {"$month", [](std::int64_t m) { return std::int64_t{to_calendar(m).month}; }},
    {"$dayOfMonth", [](std::int64_t m) { return std::int64_t{to_calendar(m).day}; }},
    {"$hour", [](std::int64_t m) { return std::int64_t{to_calendar(m).hour}; }},
    {"$minute", [](std::int64_t m) { return std::int64_t{to_calendar(m).minute}; }},
    {"$second", [](std::int64_t m) { return std::int64_t{to_calendar(m).second}; }},
    {"$millisecond", [](std::int64_t m) { return std::int64_t{to_calendar(m).millisecond}; }},
    {"$dayOfWeek", [](std::int64_t m) { return std::int64_t{day_of_week(m) + 1}; }},
    {"$dayOfYear", [](std::int64_t m) { return std::int64_t{day_of_year(to_calendar(m))}; }},
    {"$week", [](std::int64_t m) { return std::int64_t{(day_of_year(to_calendar(m)) + 6 - day_of_week(m)) / 7}; }},
    {"$isoWeek", [](std::int64_t m) { return std::int64_t{iso_week(m).week}; }},
    {"$isoWeekYear", [](std::int64_t m) { return iso_week(m).year; }},
    {"$isoDayOfWeek", [](std::int64_t m) { return std::int64_t{(day_of_week(m) + 6) % 7 + 1}; }},
}};

struct PartExpression final : Expression {
  Result<Datum> evaluate(Variables& variables) const override {
    const Datum value = TRY(date->evaluate(variables));
    if (value.nullish()) return Datum::null();
    const std::int64_t millis = TRY(millis_of(value));
    Zone in;
    if (zone) {
      const Datum given = TRY(zone->evaluate(variables));
      if (given.nullish()) return Datum::null();
      in = TRY(Zone::parse(given));
    }
    const std::int64_t result = part(in.to_local(millis));
    return is_long ? Datum::from(result) : Datum::integer(result);
  }
  ExpressionPtr date, zone;
  PartFunction part = nullptr;
  bool is_long = false;
};

Result<ExpressionPtr> parse_part(const Element& argument, const Scope& scope) {
  auto expression = std::make_unique<PartExpression>();
  expression->part =
      std::find_if(kParts.begin(), kParts.end(), [&](const Part& p) { return p.name == argument.key(); })->function;
  expression->is_long = argument.key() == "$isoWeekYear";
  Element operand = argument;
  if (argument.is_array()) {
    if (argument.document_value().field_count() != 1) {
      return bad(40536, fmt::format("{} accepts exactly one argument if given an array, but was given {}",
                                    argument.key(), argument.document_value().field_count()));
    }
    operand = argument.document_value().first();
  }
  const bool named = operand.is_document() && !operand.document_value().first().key().starts_with('$');
  if (!named) {
    expression->date = TRY(parse_expression(operand, scope));
    return expression;
  }
  for (const Element& e : operand.document_value()) {
    if (e.key() == "date") {
      expression->date = TRY(parse_expression(e, scope));
    } else if (e.key() == "timezone") {
      expression->zone = TRY(parse_expression(e, scope));
    } else {
      return bad(40535, fmt::format("unrecognized option to {}: \"{}\"", argument.key(), e.key()));
    }
  }
  if (!expression->date)
    return bad(40539, fmt::format("missing 'date' argument to {0}, provided: {0}: {1}", argument.key(), bson::to_shell(argument)));
  return expression;
}

// A form with named operands whose null `date` or `timezone` makes it null (or `onNull`).
struct NamedDateExpression : Expression {
  NamedOperands operands;
  Result<std::optional<Zone>> zone(Variables& variables) const {
    if (!operands.find("timezone")) return std::optional(Zone());
    const Datum zone = TRY(operands.evaluate("timezone", variables));
    if (zone.nullish()) return std::optional<Zone>();
    return std::optional(TRY(Zone::parse(zone)));
  }
};

// %b and %B came with 7.0.
Status refuse_month_names(std::string_view format) {
  for (std::size_t i = 0; i + 1 < format.size(); ++i) {
    if (format[i] != '%') continue;
    if (const char letter = format[++i]; letter == 'b' || letter == 'B') {
      return bad(18536, fmt::format("Invalid format character '%{}' in format string", letter));
    }
  }
  return {};
}

struct ToStringExpression final : NamedDateExpression {
  Result<Datum> evaluate(Variables& variables) const override {
    const Datum date = TRY(operands.evaluate("date", variables));
    const Datum format = TRY(operands.evaluate("format", variables));
    if (!format.nullish()) TRY(check_format(format, variables.context().version));
    const auto in = TRY(zone(variables));
    if (date.nullish())
      return operands.find("onNull") ? operands.evaluate("onNull", variables) : Result<Datum>(Datum::null());
    if (!in || (operands.find("format") && format.nullish())) return Datum::null();
    const std::int64_t millis = TRY(millis_of(date));
    if (format.missing()) {
      const std::string_view standard = in->is_utc() ? "%Y-%m-%dT%H:%M:%S.%LZ" : "%Y-%m-%dT%H:%M:%S.%L";
      return Datum::from(std::string_view(TRY(format_date(standard, millis, in->offset_at(millis)))));
    }
    return Datum::from(std::string_view(TRY(format_date(format.element().string_value(), millis, in->offset_at(millis)))));
  }

  // Whatever the date is.
  static Status check_format(const Datum& format, ServerVersion version) {
    if (format.type() != Type::kString) {
      return bad(18533, fmt::format("$dateToString requires that 'format' be a string, found: {} with value {}", type_name_of(format), printed(format)));
    }
    const std::string_view text = format.element().string_value();
    if (version < ServerVersion{7, 0, 0}) TRY(refuse_month_names(text));
    TRY(format_date(text, 0, 0));
    return {};
  }
};

struct FromStringExpression final : NamedDateExpression {
  Result<Datum> evaluate(Variables& variables) const override {
    const Datum text = TRY(operands.evaluate("dateString", variables));
    const Datum format = TRY(operands.evaluate("format", variables));
    if (!format.nullish() && format.type() != Type::kString) {
      return bad(40684, fmt::format("$dateFromString requires that 'format' be a string, found: {} with value {}", type_name_of(format), printed(format)));
    }
    if (format.type() == Type::kString) TRY(check_format(format.element().string_value()));
    const auto in = TRY(zone(variables));
    if (text.nullish())
      return operands.find("onNull") ? operands.evaluate("onNull", variables) : Result<Datum>(Datum::null());
    if (text.type() == Type::kString && !in) return Datum::null();
    if (text.type() == Type::kString && operands.find("format") && format.nullish()) return Datum::null();
    if (text.type() == Type::kString) {
      const auto millis = parse(text.element().string_value(), format, *in);
      const bool forgiven = !millis && millis.error().server_code == code::kConversionFailure && operands.find("onError");
      if (!millis && !forgiven) return tl::unexpected(millis.error());
      if (millis && *millis) return Datum::from(bson::DateTime{**millis});
    }
    if (operands.find("onError")) return operands.evaluate("onError", variables);
    if (text.type() != Type::kString) {
      return bad(code::kConversionFailure,
                 fmt::format("$dateFromString requires that 'dateString' be a string, found: {} with value {}", type_name_of(text), printed(text)));
    }
    const std::string_view given = text.element().string_value();
    return bad(code::kConversionFailure, format.missing() ? date_complaint(given) : fmt::format("Error parsing date string '{}'", given));
  }

  // 18535 and 18536, whatever the string is.
  static Status check_format(std::string_view format) {
    const auto tried = parse_date(format, "", 0);
    if (tried || tried.error().server_code == code::kConversionFailure) return {};
    return tl::unexpected(tried.error());
  }
  // Nothing when `text` is no date, or names a zone beside the one that was given.
  Result<std::optional<std::int64_t>> parse(std::string_view text, const Datum& format, const Zone& in) const {
    const auto read = [&](std::int64_t offset) -> Result<std::optional<std::int64_t>> {
      if (format.type() == Type::kString) return parse_date(format.element().string_value(), text, offset);
      return parse_iso_date(text, offset);
    };
    constexpr std::int64_t kHour = 60 * kMinute;
    const auto local = TRY(read(0));
    if (!local) return local;
    const bool names_zone = TRY(read(kHour)) == local;
    if (!names_zone) return std::optional(in.to_utc(*local));
    if (in.is_utc()) return local;
    if (operands.find("onError")) return std::optional<std::int64_t>();
    return bad(code::kConversionFailure,
               text.ends_with('Z') ? "you cannot pass in a date/time string with time zone information ('Z') together with a timezone argument"
                                   : "you cannot pass in a date/time string with GMT offset together with a timezone argument");
  }
};

struct ToPartsExpression final : NamedDateExpression {
  Result<Datum> evaluate(Variables& variables) const override {
    const Datum date = TRY(operands.evaluate("date", variables));
    const auto in = TRY(zone(variables));
    if (!in) return Datum::null();
    const Datum iso = TRY(operands.evaluate("iso8601", variables));
    if (operands.find("iso8601")) {
      if (iso.nullish()) return Datum::null();
      if (iso.type() != Type::kBool) return bad(40521, fmt::format("iso8601 must evaluate to a bool, found {}", type_name_of(iso)));
    }
    if (date.nullish()) return Datum::null();
    const std::int64_t local = in->to_local(TRY(millis_of(date)));
    const CalendarTime t = to_calendar(local);
    bson::Builder out;
    if (iso.truthy()) {
      const IsoWeek week = iso_week(local);
      out.append("isoWeekYear", static_cast<std::int32_t>(week.year)).append("isoWeek", week.week);
      out.append("isoDayOfWeek", std::int32_t{(day_of_week(local) + 6) % 7 + 1});
    } else {
      out.append("year", static_cast<std::int32_t>(t.year)).append("month", t.month).append("day", t.day);
    }
    out.append("hour", t.hour)
        .append("minute", t.minute)
        .append("second", t.second)
        .append("millisecond", t.millisecond);
    return Datum::document(std::move(out).finish());
  }
};

struct FromPartsExpression final : NamedDateExpression {
  Result<Datum> evaluate(Variables& variables) const override {
    const bool iso = operands.find("isoWeekYear") != nullptr;
    const std::string_view names[] = {iso ? "isoWeekYear" : "year",
                                      iso ? "isoWeek" : "month",
                                      iso ? "isoDayOfWeek" : "day",
                                      "hour",
                                      "minute",
                                      "second",
                                      "millisecond"};
    std::int64_t values[] = {1970, 1, 1, 0, 0, 0, 0};
    std::optional<Zone> in;
    static constexpr std::size_t kOrder[] = {3, 4, 5, 6, 0, 1, 2};  // the time of day; with the zone, the day
    for (const std::size_t i : kOrder) {
      if (i == 0) {
        in = TRY(zone(variables));
        if (!in) return Datum::null();
      }
      if (!operands.find(names[i])) continue;
      const Datum value = TRY(operands.evaluate(names[i], variables));
      if (value.nullish()) return Datum::null();
      const auto whole = whole_number(value);
      if (!whole)
        return bad(40515, fmt::format("'{}' must evaluate to an integer, found {} with value {}", names[i],
                                      type_name_of(value), printed(value)));
      const bool small = i >= 1 && i <= 4;  // months, days, hours, minutes
      if (small && (*whole < -32768 || *whole > 32767)) {
        return bad(31034, fmt::format("'{}' must evaluate to a value in the range [-32768, 32767]; value {} is not in range", names[i], *whole));
      }
      values[i] = *whole;
    }
    if (values[0] < 1 || values[0] > 9999) {
      return bad(iso ? 31095 : 40523, fmt::format("'{}' must evaluate to an integer in the range {} to {}, found {}", names[0], 1,
                                                  9999, values[0]));
    }
    std::int64_t day = values[2];
    if (iso) {
      day = first_iso_monday(values[0]) + (values[1] - 1) * 7 + values[2] - 1;
    }
    return Datum::from(bson::DateTime{
        in->to_utc(from_calendar(values[0], iso ? 1 : values[1], day, values[3], values[4], values[5], values[6]))});
  }
};

template <typename T>
Result<std::unique_ptr<T>> named(const Element& argument, const Scope& scope, std::span<const std::string_view> names, std::string_view required,
                                 int unknown_code, int missing_code, int not_object_code) {
  auto expression = std::make_unique<T>();
  expression->operands = TRY(NamedOperands::parse(argument, scope, argument.key(), names, unknown_code, not_object_code));
  if (!required.empty() && !expression->operands.find(required)) {
    return bad(missing_code, fmt::format("Missing '{}' parameter to {}", required, argument.key()));
  }
  return expression;
}

ExpressionPtr folded(std::unique_ptr<NamedDateExpression> expression, const Scope& scope) {
  const bool literals = expression->operands.are_literals();
  return fold(std::move(expression), literals, scope);
}

template <typename T>
Result<ExpressionPtr> parse_named(const Element& argument, const Scope& scope, std::span<const std::string_view> names, std::string_view required,
                                  int unknown_code, int missing_code, int not_object_code) {
  return folded(TRY(named<T>(argument, scope, names, required, unknown_code, missing_code, not_object_code)), scope);
}

Result<ExpressionPtr> parse_to_string(const Element& argument, const Scope& scope) {
  static constexpr std::string_view kNames[] = {"date", "format", "timezone", "onNull"};
  return parse_named<ToStringExpression>(argument, scope, kNames, "date", 18534, 18628, 18629);
}
Result<ExpressionPtr> parse_from_string(const Element& argument, const Scope& scope) {
  static constexpr std::string_view kNames[] = {"dateString", "format", "timezone", "onNull", "onError"};
  if (!argument.is_document()) {
    return bad(40540, fmt::format("$dateFromString only supports an object as an argument, found: {}", bson::type_name(argument.type())));
  }
  return parse_named<FromStringExpression>(argument, scope, kNames, "dateString", 40541, 40542, 40540);
}
Result<ExpressionPtr> parse_to_parts(const Element& argument, const Scope& scope) {
  static constexpr std::string_view kNames[] = {"date", "timezone", "iso8601"};
  return parse_named<ToPartsExpression>(argument, scope, kNames, "date", 40520, 40522, 40524);
}
Result<ExpressionPtr> parse_from_parts(const Element& argument, const Scope& scope) {
  static constexpr std::string_view kNames[] = {"year",    "month",        "day",         "hour",
                                                "minute",  "second",       "millisecond", "isoWeekYear",
                                                "isoWeek", "isoDayOfWeek", "timezone"};
  auto parsed = TRY(named<FromPartsExpression>(argument, scope, kNames, "", 40518, 40516, 40519));
  const auto& operands = parsed->operands;
  if (!operands.find("year") && !operands.find("isoWeekYear")) {
    return bad(40516, "$dateFromParts requires either 'year' or 'isoWeekYear' to be present");
  }
  if (operands.find("year") && (operands.find("isoWeekYear") || operands.find("isoWeek") || operands.find("isoDayOfWeek"))) {
    return bad(40489, "$dateFromParts does not allow mixing natural dates with ISO dates");
  }
  if (operands.find("isoWeekYear") && (operands.find("month") || operands.find("day"))) {
    return bad(40525, "$dateFromParts does not allow mixing ISO dates with natural dates");
  }
  return folded(std::move(parsed), scope);
}

using Unit = DateUnit;

Result<Unit> unit_of(const Datum& value, std::string_view name) {
  if (value.type() != Type::kString) {
    return bad(5439013, fmt::format("{} requires 'unit' to be a string, but got {}", name, type_name_of(value)));
  }
  return parse_date_unit(value.element().string_value()).map_error([&](Error error) {
    return std::move(error).with_context(fmt::format("{} parameter 'unit' value parsing failed :: caused by :", name));
  });
}

Result<std::int64_t> date_of(const Datum& value, std::string_view name, std::string_view parameter) {
  auto millis = millis_of(value);
  if (!millis) return bad(5166307, fmt::format("{} requires '{}' to be a date, but got {}", name, parameter, type_name_of(value)));
  return millis;
}

std::int64_t floor_to(std::int64_t value, std::int64_t size) {
  const std::int64_t rest = value % size;
  return value - (rest < 0 ? rest + size : rest);
}

struct AddExpression final : NamedDateExpression {
  Result<Datum> evaluate(Variables& variables) const override {
    const Datum start = TRY(operands.evaluate("startDate", variables));
    if (start.nullish()) return Datum::null();
    const Datum unit_name = TRY(operands.evaluate("unit", variables));
    if (unit_name.nullish()) return Datum::null();
    const Unit unit = TRY(unit_of(unit_name, name));
    const Datum amount = TRY(operands.evaluate("amount", variables));
    if (amount.nullish()) return Datum::null();
    const auto in = TRY(zone(variables));
    if (!in) return Datum::null();
    const auto millis = millis_of(start);
    if (!millis) return bad(5166403, fmt::format("{} requires startDate to be convertible to a date", name));
    const auto count = whole_number(amount);
    if (!count) return bad(5166405, fmt::format("{} expects integer amount of time units", name));
    if (name == "$dateSubtract" && *count == std::numeric_limits<std::int64_t>::min()) {
      return bad(6045000, fmt::format("invalid $dateSubtract 'amount' parameter value: {}", *count));
    }
    return Datum::from(bson::DateTime{TRY(add(*millis, unit, name == "$dateSubtract" ? -*count : *count, *in))});
  }

  // From a day on by the clock on the wall there: the time of day stays, whatever the zone's offset is then.
  static Result<std::int64_t> add(std::int64_t millis, Unit unit, std::int64_t count, const Zone& in) {
    if (unit != Unit::kMillisecond && !is_amount_in_range(count, unit)) {
      return bad(5976500, fmt::format("invalid dateAdd 'amount' parameter value: {} {}", count, date_unit_name(unit)));
    }
    const bool by_calendar = months_in(unit) != 0 || unit == Unit::kWeek || unit == Unit::kDay;
    if (!by_calendar) return add_units(millis, unit, count);
    return in.to_utc(TRY(add_units(in.to_local(millis), unit, count)));
  }
  std::string name;
};

Result<ExpressionPtr> parse_add(const Element& argument, const Scope& scope) {
  static constexpr std::string_view kNames[] = {"startDate", "unit", "amount", "timezone"};
  auto expression = std::make_unique<AddExpression>();
  expression->name = argument.key();
  expression->operands = TRY(NamedOperands::parse(argument, scope, argument.key(), kNames, 5166401, 5166400));
  for (const std::string_view name : {"startDate", "unit", "amount"}) {
    if (!expression->operands.find(name)) {
      return bad(5166402, fmt::format("{} requires startDate, unit, and amount to be present", argument.key()));
    }
  }
  return expression;
}

std::int64_t month_number(std::int64_t local) {
  const CalendarTime t = to_calendar(local);
  return t.year * 12 + t.month - 1;
}

// The start of the bin of `size` units that holds `local`, bins counted from 2000-01-01.
std::int64_t truncate(std::int64_t local, Unit unit, std::int64_t size, int week_start) {
  if (const std::int64_t months = months_in(unit)) {
    const std::int64_t bin = floor_to(month_number(local) - 2000 * 12, months * size);
    return from_calendar(2000, 1 + bin, 1, 0, 0, 0, 0);
  }
  std::int64_t reference = from_calendar(2000, 1, 1, 0, 0, 0, 0);
  if (unit == Unit::kWeek) reference += ((week_start - day_of_week(reference) + 7) % 7) * 24 * 60 * kMinute;
  return reference + floor_to(local - reference, millis_in(unit) * size);
}

// Read for weeks only. Nothing where it is null.
Result<std::optional<int>> week_start_of(const NamedOperands& operands, Variables& variables, std::string_view name, Unit unit) {
  if (unit != Unit::kWeek || !operands.find("startOfWeek")) return 0;
  const Datum day = TRY(operands.evaluate("startOfWeek", variables));
  if (day.nullish()) return std::optional<int>();
  if (day.type() != Type::kString) return bad(5439015, fmt::format("{} requires 'startOfWeek' to be a string, but got {}", name, type_name_of(day)));
  static constexpr std::string_view kDays[] = {"sunday",   "monday", "tuesday", "wednesday",
                                               "thursday", "friday", "saturday"};
  std::string given(day.element().string_value());
  for (char& c : given) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (int i = 0; i < 7; ++i) {
    if (given == kDays[i] || given == kDays[i].substr(0, 3)) return i;
  }
  return bad(5439016, fmt::format("{} parameter 'startOfWeek' value cannot be recognized as a day of a week: {}", name, day.element().string_value()));
}

Result<std::optional<Zone>> zone_of(const NamedDateExpression& expression, Variables& variables, std::string_view name) {
  return expression.zone(variables).map_error([&](Error error) {
    return std::move(error).with_context(fmt::format("{} parameter 'timezone' value parsing failed :: caused by :", name));
  });
}

// Bins of less than a day are as long as each other, whatever the clocks on the wall do: counted from 2000-01-01 there.
Result<std::int64_t> truncate_instant(std::int64_t millis, Unit unit, std::int64_t size, const Zone& in) {
  const std::int64_t reference = in.to_utc(from_calendar(2000, 1, 1, 0, 0, 0, 0));
  std::int64_t bin = 0, from_reference = 0, start = 0;
  const bool over = __builtin_mul_overflow(size, millis_in(unit), &bin) || __builtin_sub_overflow(millis, reference, &from_reference) ||
                    __builtin_add_overflow(reference, floor_to(from_reference, bin), &start);
  if (over) return bad(5439002, "dateTrunc overflowed");
  return start;
}

struct TruncExpression final : NamedDateExpression {
  Result<Datum> evaluate(Variables& variables) const override {
    const Datum date = TRY(operands.evaluate("date", variables));
    if (date.nullish()) return Datum::null();
    std::int64_t size = 1;
    if (operands.find("binSize")) {
      const Datum given = TRY(operands.evaluate("binSize", variables));
      if (given.nullish()) return Datum::null();
      const auto whole = whole_number(given);
      if (!whole) {
        return bad(5439017, fmt::format("$dateTrunc requires 'binSize' to be a 64-bit integer, but got value '{}' of type {}", printed(given), type_name_of(given)));
      }
      if (*whole <= 0) return bad(5439018, fmt::format("$dateTrunc requires 'binSize' to be greater than 0, but got value {}", *whole));
      size = *whole;
    }
    const Datum unit_name = TRY(operands.evaluate("unit", variables));
    if (unit_name.nullish()) return Datum::null();
    const Unit unit = TRY(unit_of(unit_name, "$dateTrunc"));
    const auto week_start = TRY(week_start_of(operands, variables, "$dateTrunc", unit));
    if (!week_start) return Datum::null();
    const auto in = TRY(zone_of(*this, variables, "$dateTrunc"));
    if (!in) return Datum::null();
    const std::int64_t millis = TRY(date_of(date, "$dateTrunc", "date"));
    const bool by_calendar = months_in(unit) != 0 || unit == Unit::kWeek || unit == Unit::kDay;
    if (!by_calendar) return Datum::from(bson::DateTime{TRY(truncate_instant(millis, unit, size, *in))});
    if (size > kMaxBinUnits) return bad(5439006, "dateTrunc unsupported binSize value");
    return Datum::from(bson::DateTime{in->to_utc(truncate(in->to_local(millis), unit, size, *week_start))});
  }
};

Result<ExpressionPtr> parse_trunc(const Element& argument, const Scope& scope) {
  static constexpr std::string_view kNames[] = {"date", "unit", "binSize", "timezone", "startOfWeek"};
  auto parsed = TRY(named<TruncExpression>(argument, scope, kNames, "date", 5439008, 5439009, 5439007));
  if (!parsed->operands.find("unit")) return bad(5439010, "Missing 'unit' parameter to $dateTrunc");
  return folded(std::move(parsed), scope);
}

struct DiffExpression final : NamedDateExpression {
  Result<Datum> evaluate(Variables& variables) const override {
    const Datum start_date = TRY(operands.evaluate("startDate", variables));
    if (start_date.nullish()) return Datum::null();
    const Datum end_date = TRY(operands.evaluate("endDate", variables));
    if (end_date.nullish()) return Datum::null();
    const Datum unit_name = TRY(operands.evaluate("unit", variables));
    if (unit_name.nullish()) return Datum::null();
    const Unit unit = TRY(unit_of(unit_name, "$dateDiff"));
    const auto week_start = TRY(week_start_of(operands, variables, "$dateDiff", unit));
    if (!week_start) return Datum::null();
    const auto in = TRY(zone_of(*this, variables, "$dateDiff"));
    if (!in) return Datum::null();
    const std::int64_t start = TRY(date_of(start_date, "$dateDiff", "startDate"));
    const std::int64_t end = TRY(date_of(end_date, "$dateDiff", "endDate"));
    if (unit == Unit::kMillisecond) {
      std::int64_t between = 0;
      if (__builtin_sub_overflow(end, start, &between)) return bad(5166308, "dateDiff overflowed");
      return Datum::from(between);
    }
    const std::int64_t from = truncate(in->to_local(start), unit, 1, *week_start);
    const std::int64_t to = truncate(in->to_local(end), unit, 1, *week_start);
    if (const std::int64_t months = months_in(unit))
      return Datum::from((month_number(to) - month_number(from)) / months);
    const bool by_calendar = unit == Unit::kWeek || unit == Unit::kDay;
    const std::int64_t shift = by_calendar ? 0 : (in->offset_at(start) - in->offset_at(end)) / millis_in(unit);
    return Datum::from((to - from) / millis_in(unit) + shift);
  }
};

Result<ExpressionPtr> parse_diff(const Element& argument, const Scope& scope) {
  static constexpr std::string_view kNames[] = {"startDate", "endDate", "unit", "timezone", "startOfWeek"};
  auto parsed = TRY(named<DiffExpression>(argument, scope, kNames, "startDate", 5166302, 5166303, 5166301));
  if (!parsed->operands.find("endDate")) return bad(5166304, "Missing 'endDate' parameter to $dateDiff");
  if (!parsed->operands.find("unit")) return bad(5166305, "Missing 'unit' parameter to $dateDiff");
  return folded(std::move(parsed), scope);
}

constexpr SpecialForm kForms[] = {
    {"$year", parse_part},
    {"$month", parse_part},
    {"$dayOfMonth", parse_part},
    {"$hour", parse_part},
    {"$minute", parse_part},
    {"$second", parse_part},
    {"$millisecond", parse_part},
    {"$dayOfWeek", parse_part},
    {"$dayOfYear", parse_part},
    {"$week", parse_part},
    {"$isoWeek", parse_part},
    {"$isoWeekYear", parse_part},
    {"$isoDayOfWeek", parse_part},
    {"$dateToString", parse_to_string},
    {"$dateFromString", parse_from_string},
    {"$dateToParts", parse_to_parts},
    {"$dateFromParts", parse_from_parts},
    {"$dateAdd", parse_add, {5, 0, 0}},
    {"$dateSubtract", parse_add, {5, 0, 0}},
    {"$dateTrunc", parse_trunc, {5, 0, 0}},
    {"$dateDiff", parse_diff, {5, 0, 0}},
};

}  // namespace

std::span<const Operator> date_operators() { return {}; }
std::span<const SpecialForm> date_forms() { return kForms; }

}  // namespace drover::sandbox::query
