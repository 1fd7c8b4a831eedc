#include "api/folded_object.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace drover::api {
namespace {

bool folds_to(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace

Result<FoldedObject> FoldedObject::of(const Json& value, std::string where) {
  const auto* object = value.as_object();
  if (object == nullptr)
    return fail(ErrorCode::kUsage, fmt::format("{} must be an object", where.empty() ? "the request's body" : where));
  return FoldedObject(*object, std::move(where));
}

const Json* FoldedObject::find(std::string_view key) const {
  const Json* exact = nullptr;
  const Json* folded = nullptr;
  for (const auto& [name, value] : *object_) {
    if (name == key) exact = &value;
    else if (folds_to(name, key)) folded = &value;
  }
  const Json* found = exact != nullptr ? exact : folded;
  return found != nullptr && !found->is_null() ? found : nullptr;
}

Result<std::string> FoldedObject::required_string(std::string_view key) const {
  const auto* value = find(key);
  if (value == nullptr) return fail(ErrorCode::kUsage, fmt::format("{} is missing", name_of(key)));
  const auto* text = value->as_string();
  if (text == nullptr) return fail(ErrorCode::kUsage, fmt::format("{} must be a string", name_of(key)));
  return *text;
}

Status FoldedObject::only(std::initializer_list<std::string_view> known) const {
  for (const auto& [name, value] : *object_) {
    const bool is_known = std::any_of(known.begin(), known.end(), [&](auto key) { return folds_to(name, key); });
    if (!is_known) {
      return fail(ErrorCode::kUsage, fmt::format("unknown field \"{}\"; known here: {}", name_of(name), fmt::join(known, ", ")));
    }
  }
  return {};
}

}  // namespace drover::api
