// What the date expressions have in common: values that count as dates, time zones, and forms with named operands. Private to the
// expression engine.
#pragma once

#include <optional>

#include <fmt/core.h>

#include "bson/time_zone.h"
#include "sandbox/query/expression_ops.h"

namespace drover::sandbox::query {

// Of a date, a timestamp or an object id. 16006 for anything else.
Result<std::int64_t> millis_of(const Datum& value);

// An offset or a named zone.
class Zone {
 public:
  static Result<Zone> parse(const Datum& given);
  bool is_utc() const { return !named_ && offset_ == 0; }
  std::int64_t offset_at(std::int64_t utc) const { return named_ ? named_->offset_at(utc) : offset_; }
  // Dates at the ends of time wrap around.
  std::int64_t to_local(std::int64_t utc) const { return wrapped(utc, offset_at(utc)); }
  std::int64_t to_utc(std::int64_t local) const { return wrapped(local, -(named_ ? named_->offset_at_local(local) : offset_)); }

 private:
  static std::int64_t wrapped(std::int64_t a, std::int64_t b) { return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b)); }
  std::int64_t offset_ = 0;
  std::optional<bson::TimeZone> named_;
};

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

template <typename T>
Result<std::unique_ptr<T>> named(const bson::Element& argument, const Scope& scope, std::span<const std::string_view> names, std::string_view required,
                                 int unknown_code, int missing_code, int not_object_code) {
  auto expression = std::make_unique<T>();
  expression->operands = TRY(NamedOperands::parse(argument, scope, argument.key(), names, unknown_code, not_object_code));
  if (!required.empty() && !expression->operands.find(required)) {
    return bad(missing_code, fmt::format("Missing '{}' parameter to {}", required, argument.key()));
  }
  return expression;
}

inline ExpressionPtr folded(std::unique_ptr<NamedDateExpression> expression, const Scope& scope) {
  const bool literals = expression->operands.are_literals();
  return fold(std::move(expression), literals, scope);
}

template <typename T>
Result<ExpressionPtr> parse_named(const bson::Element& argument, const Scope& scope, std::span<const std::string_view> names, std::string_view required,
                                  int unknown_code, int missing_code, int not_object_code) {
  return folded(TRY(named<T>(argument, scope, names, required, unknown_code, missing_code, not_object_code)), scope);
}

}  // namespace drover::sandbox::query
