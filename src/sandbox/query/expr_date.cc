// Dates: their parts, formatting and parsing, in time zones by offset or by name. Arithmetic with them is expr_date_arithmetic.cc.
#include <algorithm>
#include <array>

#include <fmt/core.h>

#include "bson/builder.h"
#include "bson/ejson.h"
#include "sandbox/query/calendar.h"
#include "sandbox/query/date_complaint.h"
#include "sandbox/query/date_forms.h"
#include "sandbox/query/date_words.h"
#include "sandbox/query/numeric.h"

namespace drover::sandbox::query {

using bson::Element;
using bson::Type;
using bson::View;

namespace {

constexpr std::int64_t kMinute = 60'000;

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
      return read_date(text, offset);
    };
    constexpr std::int64_t kHour = 60 * kMinute;
    const auto local = TRY(read(0));
    if (!local) return local;
    const bool names_zone = TRY(read(kHour)) == local;
    if (!names_zone) return std::optional(in.to_utc(*local));
    if (in.is_utc()) return local;
    if (operands.find("onError")) return std::optional<std::int64_t>();
    const auto name = text.substr(text.find_last_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") + 1);
    return bad(code::kConversionFailure,
               name.empty() ? "you cannot pass in a date/time string with GMT offset together with a timezone argument"
                            : fmt::format("you cannot pass in a date/time string with time zone information ('{}') together with a timezone argument", name));
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
};

}  // namespace

std::span<const Operator> date_operators() { return {}; }
std::span<const SpecialForm> date_forms() { return kForms; }

}  // namespace drover::sandbox::query
