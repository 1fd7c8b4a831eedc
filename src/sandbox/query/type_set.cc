#include "sandbox/query/type_set.h"

#include <cmath>

#include <fmt/core.h>

#include "sandbox/query/errors.h"

namespace drover::sandbox::query {

using bson::Type;

namespace {

constexpr std::pair<std::string_view, Type> kAliases[] = {
    {"double", Type::kDouble},      {"string", Type::kString},       {"object", Type::kDocument},
    {"array", Type::kArray},        {"binData", Type::kBinary},      {"undefined", Type::kUndefined},
    {"objectId", Type::kObjectId},  {"bool", Type::kBool},           {"date", Type::kDateTime},
    {"null", Type::kNull},          {"regex", Type::kRegex},         {"dbPointer", Type::kDbPointer},
    {"javascript", Type::kCode},    {"symbol", Type::kSymbol},       {"javascriptWithScope", Type::kCodeWithScope},
    {"int", Type::kInt32},          {"timestamp", Type::kTimestamp}, {"long", Type::kInt64},
    {"decimal", Type::kDecimal128}, {"minKey", Type::kMinKey},       {"maxKey", Type::kMaxKey},
};

Status add_one(TypeSet& set, const bson::Element& value) {
  if (value.is_string()) {
    if (value.string_value() == "number") {
      set.all_numbers = true;
      return {};
    }
    const auto type = type_from_alias(value.string_value());
    if (!type) return bad(code::kBadValue, fmt::format("Unknown type name alias: {}", value.string_value()));
    set.types.insert(*type);
    return {};
  }
  if (!value.is_number()) return bad(code::kTypeMismatch, "type must be represented as a number or a string");
  const auto number = value.to_double();
  const auto whole = value.to_int64();
  const auto type = whole && number && *number == std::trunc(*number) ? type_from_code(*whole) : std::nullopt;
  if (!type) return bad(code::kBadValue, fmt::format("Invalid numerical type code: {}", number.value_or(0)));
  set.types.insert(*type);
  return {};
}

}  // namespace

bool TypeSet::contains(Type type) const {
  if (all_numbers &&
      (type == Type::kInt32 || type == Type::kInt64 || type == Type::kDouble || type == Type::kDecimal128)) {
    return true;
  }
  return types.contains(type);
}

std::optional<Type> type_from_alias(std::string_view alias) {
  for (const auto& [name, type] : kAliases) {
    if (name == alias) return type;
  }
  return std::nullopt;
}

std::optional<Type> type_from_code(std::int64_t code) {
  if (code == -1) return Type::kMinKey;
  if (code == 127) return Type::kMaxKey;
  if (code >= 1 && code <= 19) return static_cast<Type>(code);
  return std::nullopt;
}

Result<TypeSet> parse_type_set(const bson::Element& value, std::string_view what) {
  TypeSet set;
  if (value.is_array()) {
    for (const auto& item : value.document_value()) TRY(add_one(set, item));
  } else {
    TRY(add_one(set, value));
  }
  if (!set.all_numbers && set.types.empty())
    return bad(code::kFailedToParse, fmt::format("{} must match at least one type", what));
  return set;
}

}  // namespace drover::sandbox::query
