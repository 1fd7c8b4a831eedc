// Documents nested deeper than a builder makes them.
#pragma once

#include <cstdint>
#include <vector>

namespace drover::cluster {

// {a: {a: ... }} of that many levels.
inline std::vector<std::uint8_t> nested(int levels) {
  std::vector<std::uint8_t> document;
  for (int left = levels; left > 0; --left) {
    const std::int32_t size = 5 + 8 * (left - 1);
    const auto* from = reinterpret_cast<const std::uint8_t*>(&size);
    document.insert(document.end(), from, from + sizeof size);
    if (left > 1) document.insert(document.end(), {3, 'a', 0});
  }
  document.insert(document.end(), static_cast<std::size_t>(levels), 0);
  return document;
}

}  // namespace drover::cluster
