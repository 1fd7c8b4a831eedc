#include "terminal/format.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

namespace drover::terminal {
namespace {

bool starts_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

// The byte offset after `count` characters.
std::size_t offset_of(std::string_view text, std::size_t count) {
  std::size_t offset = 0;
  while (offset < text.size()) {
    if (starts_character(text[offset]) && count-- == 0) break;
    ++offset;
  }
  return offset;
}

}  // namespace

std::string format_count(std::uint64_t count) {
  std::string digits = std::to_string(count);
  for (auto place = static_cast<std::ptrdiff_t>(digits.size()) - 3; place > 0; place -= 3) digits.insert(place, ",");
  return digits;
}

std::string format_bytes(double bytes) {
  static constexpr std::array<const char*, 5> kUnits = {"B", "kB", "MB", "GB", "TB"};
  std::size_t unit = 0;
  while (bytes >= 999.5 && unit + 1 < kUnits.size()) {
    bytes /= 1000;
    ++unit;
  }
  return unit == 0 ? fmt::format("{:.0f} B", bytes) : fmt::format("{:.1f} {}", bytes, kUnits[unit]);
}

std::string format_duration(double seconds) {
  if (seconds < 9.95) return fmt::format("{:.1f} s", std::max(seconds, 0.0));
  const auto whole = static_cast<std::uint64_t>(std::llround(seconds));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole / 60 % 60);
}

std::string format_percent(double fraction) {
  if (fraction >= 1) return "100 %";
  return fmt::format("{} %", std::clamp(static_cast<int>(fraction * 100), 0, 99));
}

std::size_t columns(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), starts_character));
}

std::string fit(std::string_view text, std::size_t width) {
  const auto size = columns(text);
  if (size <= width) return std::string(text) + std::string(width - size, ' ');
  if (width == 0) return {};
  const auto head = (width - 1) / 2;
  const auto tail = width - 1 - head;
  return std::string(text.substr(0, offset_of(text, head))) + "…" + std::string(text.substr(offset_of(text, size - tail)));
}

}  // namespace drover::terminal
