// The operators of updates: what each does to the value at its path, and what arguments it takes.
#include <algorithm>
#include <cmath>

#include <fmt/core.h>

#include "bson/compare.h"
#include "bson/ejson.h"
#include "sandbox/query/match_node.h"
#include "sandbox/query/numeric.h"
#include "sandbox/query/path.h"
#include "sandbox/query/update_array_modifiers.h"
#include "sandbox/query/update_node.h"

namespace drover::sandbox::query {

using bson::Element;
using bson::Type;
using bson::Value;
using bson::View;

namespace {

using ModifierPtr = Result<std::shared_ptr<const Modifier>>;

std::string id_of(const ModifierContext& context) {
  return context.id.exists() ? show_field("_id", context.id) : "no id";
}

Value value_of(const Datum& datum) { return Value(datum.element()); }

struct SetModifier final : Modifier {
  SetModifier(const Element& v, bool only_insert) : value(v), on_insert(only_insert) {}
  Result<Effect> update(MutableNode& target, const ModifierContext& context) const override {
    if (on_insert && !context.update.is_insert) return Effect::kNone;
    if (target.type() == value.type() && target.value().same_value_bytes(value.element())) return Effect::kNone;
    target.set(value);
    return Effect::kReplaced;
  }
  Result<std::optional<Value>> create(const ModifierContext& context) const override {
    if (on_insert && !context.update.is_insert) return std::nullopt;
    return value;
  }
  Value value;
  bool on_insert;
};

struct UnsetModifier final : Modifier {
  Result<Effect> update(MutableNode&, const ModifierContext&) const override { return Effect::kRemoved; }
  Result<std::optional<Value>> create(const ModifierContext&) const override { return std::nullopt; }
};

struct ArithmeticModifier final : Modifier {
  ArithmeticModifier(const Element& v, bool multiply) : value(v), times(multiply) {}
  Result<Effect> update(MutableNode& target, const ModifierContext& context) const override {
    const std::string_view name = times ? "$mul" : "$inc";
    const Element current = target.value();
    if (!current.is_number()) {
      return bad(code::kTypeMismatch,
                 fmt::format(
                     "Cannot apply {} to a value of non-numeric type. {{{}}} has the field '{}' of non-numeric type {}",
                     name, id_of(context), target.key(), bson::type_name(target.type())));
    }
    const Datum before = Datum::borrow(current);
    const Datum operand = Datum::borrow(value.element());
    const Datum after = times ? multiply_numbers(before, operand) : add_numbers(before, operand);
    if (is_integer_type(before) && is_integer_type(operand) && !is_integer_type(after)) {
      const std::string_view shown_type = before.type() == Type::kInt64 ? "(NumberLong)" : "(NumberInt)";
      return bad(code::kBadValue,
                 fmt::format("Failed to apply {} operations to current value ({}{}) for document {{{}}}", name,
                             shown_type, as_int64(before), id_of(context)));
    }
    // Equal numbers of one type are one, whatever their bytes: 1.0 and 1.00, 0.0 and -0.0. NaN is equal to nothing.
    if (after.type() == current.type() && !is_nan(current) && bson::compare_values(after.element(), current) == 0) return Effect::kNone;
    target.set(value_of(after));
    return Effect::kReplaced;
  }
  Result<std::optional<Value>> create(const ModifierContext&) const override {
    if (!times) return value;
    return value_of(multiply_numbers(Datum::borrow(value.element()), Datum::from(std::int32_t{0})));
  }
  Value value;
  bool times;
};

struct CompareModifier final : Modifier {
  CompareModifier(const Element& v, int s) : value(v), sign(s) {}
  Result<Effect> update(MutableNode& target, const ModifierContext& context) const override {
    if (bson::compare_values(value.element(), target.value(), context.collator) * sign <= 0) return Effect::kNone;
    target.set(value);
    return Effect::kReplaced;
  }
  Result<std::optional<Value>> create(const ModifierContext&) const override { return value; }
  Value value;
  int sign;  // 1: $max
};

struct CurrentDateModifier final : Modifier {
  explicit CurrentDateModifier(bool t) : as_timestamp(t) {}
  Value now(const ModifierContext& context) const {
    return value_of(as_timestamp ? Datum::from(context.update.cluster_time) : Datum::from(context.update.now));
  }
  Result<Effect> update(MutableNode& target, const ModifierContext& context) const override {
    target.set(now(context));
    return Effect::kReplaced;
  }
  Result<std::optional<Value>> create(const ModifierContext& context) const override { return now(context); }
  bool as_timestamp;
};

struct RenameModifier final : Modifier {
  explicit RenameModifier(std::string_view path) : source(split_path(path)) {}
  Result<Effect> update(MutableNode&, const ModifierContext&) const override { return Effect::kNone; }
  Result<std::optional<Value>> create(const ModifierContext&) const override { return std::nullopt; }
  const std::vector<std::string>* rename_source() const override { return &source; }
  std::vector<std::string> source;
};

struct BitModifier final : Modifier {
  enum class Op { kAnd, kOr, kXor };
  struct Step {
    Op op;
    std::int64_t operand;
    bool is_long;
  };
  static std::int64_t apply(const Step& step, std::int64_t value) {
    switch (step.op) {
      case Op::kAnd: return value & step.operand;
      case Op::kOr: return value | step.operand;
      case Op::kXor: return value ^ step.operand;
    }
    return value;
  }
  Datum run(Datum value) const {
    for (const Step& step : steps) {
      const std::int64_t result = apply(step, as_int64(value));
      const bool is_long = step.is_long || value.type() == Type::kInt64;
      value = is_long ? Datum::from(result) : Datum::from(static_cast<std::int32_t>(result));
    }
    return value;
  }
  Result<Effect> update(MutableNode& target, const ModifierContext& context) const override {
    const Element current = target.value();
    if (current.type() != Type::kInt32 && current.type() != Type::kInt64) {
      return bad(
          code::kBadValue,
          fmt::format("Cannot apply $bit to a value of non-integral type.{} has the field {} of non-integer type {}",
                      id_of(context), target.key(), bson::type_name(current.type())));
    }
    const Datum after = run(Datum::borrow(current));
    if (after.type() == current.type() && after.element().same_value_bytes(current)) return Effect::kNone;
    target.set(value_of(after));
    return Effect::kReplaced;
  }
  Result<std::optional<Value>> create(const ModifierContext&) const override {
    return value_of(run(Datum::from(std::int32_t{0})));
  }
  std::vector<Step> steps;
};

ModifierPtr make_set(const Element& e, const UpdateOptions&) { return std::make_shared<SetModifier>(e, false); }
ModifierPtr make_set_on_insert(const Element& e, const UpdateOptions&) {
  return std::make_shared<SetModifier>(e, true);
}
ModifierPtr make_unset(const Element&, const UpdateOptions&) { return std::make_shared<UnsetModifier>(); }

ModifierPtr make_arithmetic(const Element& e, bool multiply) {
  if (!e.is_number()) {
    return bad(code::kTypeMismatch, fmt::format("Cannot {} with non-numeric argument: {{{}}}",
                                                multiply ? "multiply" : "increment", show_field(e.key(), e)));
  }
  return std::make_shared<ArithmeticModifier>(e, multiply);
}
ModifierPtr make_inc(const Element& e, const UpdateOptions&) { return make_arithmetic(e, false); }
ModifierPtr make_mul(const Element& e, const UpdateOptions&) { return make_arithmetic(e, true); }
ModifierPtr make_min(const Element& e, const UpdateOptions&) { return std::make_shared<CompareModifier>(e, -1); }
ModifierPtr make_max(const Element& e, const UpdateOptions&) { return std::make_shared<CompareModifier>(e, 1); }

ModifierPtr make_current_date(const Element& e, const UpdateOptions&) {
  if (e.type() == Type::kBool) return std::make_shared<CurrentDateModifier>(false);
  if (!e.is_document()) {
    return bad(code::kBadValue, fmt::format("{} is not valid type for $currentDate. Please use a boolean ('true') or a "
                                            "$type expression ({{$type: 'timestamp/date'}}).",
                                            bson::type_name(e.type())));
  }
  std::optional<std::string_view> chosen;
  for (const Element& option : e.document_value()) {
    if (option.key() != "$type")
      return bad(code::kBadValue, fmt::format("Unrecognized $currentDate option: {}", option.key()));
    const std::string_view type = option.to_string_view().value_or("");
    if (type == "date" || type == "timestamp") chosen = type;
  }
  if (chosen) return std::make_shared<CurrentDateModifier>(*chosen == "timestamp");
  return bad(
      code::kBadValue,
      "The '$type' string field is required to be 'date' or 'timestamp': {$currentDate: {field : {$type: 'date'}}}");
}

bool is_dynamic(std::string_view path) {
  const auto parts = split_path(path);
  return std::ranges::any_of(parts, [](const auto& part) { return part == "$" || is_array_filter(part); });
}

// `e` is {from: "to"}; the modifier stands at "to".
ModifierPtr make_rename(const Element& e, const UpdateOptions&) {
  if (!e.is_string())
    return bad(code::kBadValue, fmt::format("The 'to' field for $rename must be a string: {}", show_field(e.key(), e)));
  const std::string from(e.key());
  const std::string to(e.string_value());
  if (to.find('\0') != std::string::npos)
    return bad(code::kBadValue, "The 'to' field for $rename cannot contain an embedded null byte");
  if (from == to)
    return bad(code::kBadValue,
               fmt::format("The source and target field for $rename must differ: {}", show_field(e.key(), e)));
  if (from.starts_with(to + ".") || to.starts_with(from + ".")) {
    return bad(code::kBadValue, fmt::format("The source and target field for $rename must not be on the same path: {}",
                                            show_field(e.key(), e)));
  }
  if (is_dynamic(from))
    return bad(code::kBadValue, fmt::format("The source field for $rename may not be dynamic: {}", from));
  if (is_dynamic(to))
    return bad(code::kBadValue, fmt::format("The destination field for $rename may not be dynamic: {}", to));
  return std::make_shared<RenameModifier>(from);
}

ModifierPtr make_bit(const Element& e, const UpdateOptions&) {
  if (!e.is_document()) {
    return bad(code::kBadValue, fmt::format("The $bit modifier is not compatible with a {}. You must pass in an "
                                            "embedded document: {{$bit: {{field: {{and/or/xor: #}}}}",
                                            bson::type_name(e.type())));
  }
  auto modifier = std::make_shared<BitModifier>();
  for (const Element& step : e.document_value()) {
    const auto op = step.key() == "and"   ? std::optional(BitModifier::Op::kAnd)
                    : step.key() == "or"  ? std::optional(BitModifier::Op::kOr)
                    : step.key() == "xor" ? std::optional(BitModifier::Op::kXor)
                                          : std::nullopt;
    if (!op) {
      return bad(
          code::kBadValue,
          fmt::format(
              "The $bit modifier only supports 'and', 'or', and 'xor', not '{}' which is an unknown operator: {{{}}}",
              step.key(), show_field(step.key(), step)));
    }
    if (step.type() != Type::kInt32 && step.type() != Type::kInt64) {
      return bad(
          code::kBadValue,
          fmt::format("The $bit modifier field must be an Integer(32/64 bit); a '{}' is not supported here: {{{}}}",
                      bson::type_name(step.type()), show_field(step.key(), step)));
    }
    modifier->steps.push_back({*op, *step.to_int64(), step.type() == Type::kInt64});
  }
  if (modifier->steps.empty()) {
    return bad(
        code::kBadValue,
        fmt::format(
            "You must pass in at least one bitwise operation. The format is: {{$bit: {{field: {{and/or/xor: #}}}}"));
  }
  return modifier;
}

using Maker = ModifierPtr (*)(const Element&, const UpdateOptions&);
constexpr std::pair<std::string_view, Maker> kModifiers[] = {
    {"$set", make_set}, {"$unset", make_unset},   {"$setOnInsert", make_set_on_insert},
    {"$inc", make_inc}, {"$mul", make_mul},       {"$min", make_min},
    {"$max", make_max}, {"$rename", make_rename}, {"$currentDate", make_current_date},
    {"$bit", make_bit}, {"$push", make_push},     {"$addToSet", make_add_to_set},
    {"$pop", make_pop}, {"$pull", make_pull},     {"$pullAll", make_pull_all},
};

}  // namespace

bool is_update_operator(std::string_view name) {
  return std::ranges::any_of(kModifiers, [&](const auto& row) { return row.first == name; });
}

ModifierPtr make_modifier(std::string_view op, const Element& argument, const UpdateOptions& options) {
  for (const auto& [name, make] : kModifiers) {
    if (name == op) return make(argument, options);
  }
  return bad(
      code::kFailedToParse,
      fmt::format(
          "Unknown modifier: {}. Expected a valid update modifier or pipeline-style update specified as an array", op));
}

}  // namespace drover::sandbox::query
