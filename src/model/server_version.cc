#include "model/server_version.h"

#include <charconv>

#include <fmt/format.h>

namespace drover {

std::string ServerVersion::to_string() const { return fmt::format("{}.{}.{}", major, minor, patch); }

std::optional<ServerVersion> ServerVersion::parse(std::string_view text) {
  ServerVersion version;
  int* const parts[] = {&version.major, &version.minor, &version.patch};
  const char* at = text.data();
  const char* const end = text.data() + text.size();
  for (int i = 0; i < 3; ++i) {
    const auto [next, error] = std::from_chars(at, end, *parts[i]);
    if (error != std::errc()) return std::nullopt;
    at = next;
    if (at == end || *at != '.') return i >= 1 ? std::optional(version) : std::nullopt;
    ++at;
  }
  return version;
}

}  // namespace drover
