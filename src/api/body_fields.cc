#include "api/body_fields.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "control/names.h"

namespace drover::api {

tl::unexpected<RestError> bad_field(std::string_view code, std::string_view field, std::string_view why) {
  RestError error{400, std::string(code), fmt::format("{} {}.", field, why), {std::string(field)}, {}};
  error.fields.emplace_back(field, why);
  return tl::unexpected(std::move(error));
}

RestResult<std::string> optional_text(const Json& body, std::string_view field) {
  const auto* value = body.find(field);
  if (value == nullptr || value->is_null()) return std::string();
  const auto* text = value->as_string();
  if (text == nullptr) return bad_field("INVALID_ATTRIBUTE", field, "must be a string");
  if (text->size() > kMaxFieldBytes || text->find('\0') != std::string::npos)
    return bad_field("INVALID_ATTRIBUTE", field, fmt::format("must have at most {} characters, none of them NUL", kMaxFieldBytes));
  return *text;
}

RestResult<std::string> needed_text(const Json& body, std::string_view field) {
  auto text = TRY_BODY(optional_text(body, field));
  if (text.empty()) return bad_field("MISSING_ATTRIBUTE", field, "must not be blank");
  return text;
}

RestResult<std::string> optional_name(const Json& body, std::string_view field) {
  auto text = TRY_BODY(optional_text(body, field));
  if (!text.empty()) TRY_REST(control::check_text(field, text, kMaxFieldBytes));
  return text;
}

RestResult<std::string> needed_name(const Json& body, std::string_view field) {
  auto text = TRY_BODY(needed_text(body, field));
  TRY_REST(control::check_text(field, text, kMaxFieldBytes));
  return text;
}

RestResult<bool> optional_flag(const Json& body, std::string_view field, bool otherwise) {
  const auto* value = body.find(field);
  if (value == nullptr || value->is_null()) return otherwise;
  if (value->as_bool() == nullptr) return bad_field("INVALID_ATTRIBUTE", field, "must be true or false");
  return *value->as_bool();
}

RestResult<std::string> one_of(const Json& body, std::string_view field, std::span<const std::string_view> known, std::string_view otherwise) {
  auto text = TRY_BODY(otherwise.empty() ? needed_text(body, field) : optional_text(body, field));
  if (text.empty()) return std::string(otherwise);
  if (std::find(known.begin(), known.end(), text) == known.end())
    return bad_field("INVALID_ENUM_VALUE", field, fmt::format("must be one of {}", fmt::join(known, ", ")));
  return text;
}

RestResult<int> only(const Json& body, std::initializer_list<std::string_view> known) {
  if (body.as_object() == nullptr) return refuse(400, "INVALID_JSON", "Received JSON is not an object.");
  for (const auto& [key, value] : *body.as_object())
    if (std::find(known.begin(), known.end(), key) == known.end()) return bad_field("INVALID_ATTRIBUTE", key, "is not supported here");
  return 0;
}

}  // namespace drover::api
