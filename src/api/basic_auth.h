// HTTP Basic authentication.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "net/crypto.h"

namespace drover::api {

// User and password of an Authorization header; nothing when it is not of this kind.
inline std::optional<std::pair<std::string, std::string>> parse_basic(std::string_view header) {
  constexpr std::string_view kScheme = "Basic ";
  if (!header.starts_with(kScheme)) return std::nullopt;
  const auto plain = net::base64_decode(header.substr(kScheme.size()));
  if (!plain) return std::nullopt;
  const auto colon = plain->find(':');
  if (colon == std::string::npos) return std::nullopt;
  return std::pair(plain->substr(0, colon), plain->substr(colon + 1));
}

}  // namespace drover::api
