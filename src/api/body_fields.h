// Fields of a request's body, read with refusals that name the field.
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "api/rest.h"

namespace drover::api {

inline constexpr std::size_t kMaxFieldBytes = 1024;

// 400 with the field in badRequestDetail.
tl::unexpected<RestError> bad_field(std::string_view code, std::string_view field, std::string_view why);

// Empty when it is absent, null or "". At most kMaxFieldBytes.
RestResult<std::string> optional_text(const Json& body, std::string_view field);
RestResult<std::string> needed_text(const Json& body, std::string_view field);
// The same of what people read: see control::check_text.
RestResult<std::string> optional_name(const Json& body, std::string_view field);
RestResult<std::string> needed_name(const Json& body, std::string_view field);
RestResult<bool> optional_flag(const Json& body, std::string_view field, bool otherwise);
// `otherwise` when it is absent; empty `otherwise`: it must be there.
RestResult<std::string> one_of(const Json& body, std::string_view field, std::span<const std::string_view> known, std::string_view otherwise = {});
// Which fields a body may have; others are refused by name, so that nothing that was asked for is silently left out.
RestResult<int> only(const Json& body, std::initializer_list<std::string_view> known);

}  // namespace drover::api
