// The argument of $type and of JSON schema's bsonType: aliases, numeric codes, "number".
#pragma once

#include <optional>
#include <set>
#include <string_view>

#include "base/error.h"
#include "bson/document.h"

namespace drover::sandbox::query {

struct TypeSet {
  bool all_numbers = false;
  std::set<bson::Type> types;
  bool contains(bson::Type type) const;
};

// "double", "objectId", ...: BSON type aliases ("number" is not one of them).
std::optional<bson::Type> type_from_alias(std::string_view alias);
// 1..19, -1, 127. 0 (missing) is refused.
std::optional<bson::Type> type_from_code(std::int64_t code);
// A number, alias or array of them, as $type takes them. `what` is named when there is none.
Result<TypeSet> parse_type_set(const bson::Element& value, std::string_view what);

}  // namespace drover::sandbox::query
