// A 16-byte UUID, as MongoDB's collections, sessions and migrations carry them (BSON binary subtype 4).
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace drover {

class Runtime;

struct Uuid {
  std::array<std::uint8_t, 16> bytes{};

  auto operator<=>(const Uuid&) const = default;
  bool is_nil() const { return *this == Uuid{}; }
  std::string to_string() const;  // 8-4-4-4-12, lower case
  static std::optional<Uuid> parse(std::string_view text);
  static Uuid random(Runtime& runtime);  // version 4
};

}  // namespace drover

template <>
struct std::hash<drover::Uuid> {
  std::size_t operator()(const drover::Uuid& uuid) const noexcept {
    std::size_t value = 0;
    for (int i = 0; i < 8; ++i) value = value << 8 | static_cast<std::size_t>(uuid.bytes[i] ^ uuid.bytes[i + 8]);
    return value;
  }
};
