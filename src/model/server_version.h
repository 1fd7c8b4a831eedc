#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>

namespace drover {

// "6.0.8": release version of a server. FCV has only major and minor.
struct ServerVersion {
  int major = 0;
  int minor = 0;
  int patch = 0;
  auto operator<=>(const ServerVersion&) const = default;
  std::string to_string() const;
  static std::optional<ServerVersion> parse(std::string_view text);  // suffixes as in "8.0.0-rc1" are cut
};

}  // namespace drover
