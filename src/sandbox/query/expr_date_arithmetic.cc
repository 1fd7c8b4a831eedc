// Arithmetic with dates in units of time (5.0): $dateAdd, $dateSubtract, $dateTrunc, $dateDiff. Bins and differences are computed in
// 128 bits, so that no date overflows on the way.
#include <cctype>
#include <limits>

#include "sandbox/query/calendar.h"
#include "sandbox/query/date_forms.h"
#include "sandbox/query/date_unit.h"
#include "sandbox/query/numeric.h"

namespace drover::sandbox::query {

using bson::Element;
using bson::Type;

namespace {

constexpr std::int64_t kMinute = 60'000;
constexpr std::int64_t kMaxBinUnits = 100'000'000'000;  // the server's limit

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

__extension__ using Wide = __int128;

Wide floor_divide(Wide value, Wide size) { return value / size - (value % size < 0 ? 1 : 0); }

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

constexpr std::int64_t kReferenceYear = 2000;  // bins are counted from its beginning

std::int64_t reference_of(Unit unit, int week_start) {
  const std::int64_t reference = from_calendar(kReferenceYear, 1, 1, 0, 0, 0, 0);
  return unit == Unit::kWeek ? reference + ((week_start - day_of_week(reference) + 7) % 7) * 24 * 60 * kMinute : reference;
}

// Which bin of `size` units holds `local`.
Wide bin_of(std::int64_t local, Unit unit, std::int64_t size, int week_start) {
  if (const std::int64_t months = months_in(unit)) return floor_divide(month_number(local) - kReferenceYear * 12, Wide{months} * size);
  return floor_divide(Wide{local} - reference_of(unit, week_start), Wide{millis_in(unit)} * size);
}

tl::unexpected<Error> truncation_overflowed() { return bad(5439002, "dateTrunc overflowed"); }

Result<std::int64_t> in_range(Wide millis) {
  if (millis < std::numeric_limits<std::int64_t>::min() || millis > std::numeric_limits<std::int64_t>::max()) return truncation_overflowed();
  return static_cast<std::int64_t>(millis);
}

// The start of the bin of `size` units that holds `local`.
Result<std::int64_t> truncate(std::int64_t local, Unit unit, std::int64_t size, int week_start) {
  const Wide bin = bin_of(local, unit, size, week_start);
  const std::int64_t months = months_in(unit);
  if (months == 0) return in_range(reference_of(unit, week_start) + bin * (Wide{millis_in(unit)} * size));
  constexpr Wide kMostMonths = 12 * Wide{292'270'000};  // what surely is a date
  const Wide number = bin * (Wide{months} * size);
  if (number < -kMostMonths || number > kMostMonths) return truncation_overflowed();
  return from_calendar(kReferenceYear, 1 + static_cast<std::int64_t>(number), 1, 0, 0, 0, 0);
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
  const Wide reference = in.to_utc(reference_of(unit, 0));
  const Wide bin = Wide{millis_in(unit)} * size;
  return in_range(reference + floor_divide(millis - reference, bin) * bin);
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
    return Datum::from(bson::DateTime{in->to_utc(TRY(truncate(in->to_local(millis), unit, size, *week_start)))});
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
    const Wide between = bin_of(in->to_local(end), unit, 1, *week_start) - bin_of(in->to_local(start), unit, 1, *week_start);
    const bool by_calendar = months_in(unit) != 0 || unit == Unit::kWeek || unit == Unit::kDay;
    const std::int64_t shift = by_calendar ? 0 : (in->offset_at(start) - in->offset_at(end)) / millis_in(unit);
    return Datum::from(static_cast<std::int64_t>(between + shift));
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
    {"$dateAdd", parse_add, {5, 0, 0}},
    {"$dateSubtract", parse_add, {5, 0, 0}},
    {"$dateTrunc", parse_trunc, {5, 0, 0}},
    {"$dateDiff", parse_diff, {5, 0, 0}},
};

}  // namespace

std::span<const SpecialForm> date_arithmetic_forms() { return kForms; }

}  // namespace drover::sandbox::query
