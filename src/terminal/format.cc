#include "terminal/format.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <unicode/uchar.h>
#include <unicode/utf8.h>

namespace drover::terminal {
namespace {

// As terminals show it: East Asian wide characters take two columns, marks on the one before none, what is not UTF-8 one.
std::size_t columns_of(UChar32 character) {
  if (character < 0) return 1;
  const auto type = u_charType(character);
  if (type == U_NON_SPACING_MARK || type == U_ENCLOSING_MARK || type == U_FORMAT_CHAR) return 0;
  const auto width = u_getIntPropertyValue(character, UCHAR_EAST_ASIAN_WIDTH);
  return width == U_EA_WIDE || width == U_EA_FULLWIDTH ? 2 : 1;
}

struct Character {
  std::size_t begin, end;  // bytes
  std::size_t columns;
};

std::vector<Character> characters_of(std::string_view text) {
  std::vector<Character> characters;
  const auto size = static_cast<std::int32_t>(text.size());
  for (std::int32_t at = 0; at < size;) {
    const auto begin = at;
    UChar32 character = 0;
    U8_NEXT(text.data(), at, size, character);
    characters.push_back({static_cast<std::size_t>(begin), static_cast<std::size_t>(at), columns_of(character)});
  }
  return characters;
}

// What of one end fits into `width`.
template <typename It>
std::pair<It, std::size_t> within(It at, It end, std::size_t width) {
  std::size_t used = 0;
  for (; at != end && used + at->columns <= width; ++at) used += at->columns;
  return {at, used};
}

}  // namespace

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
  std::size_t count = 0;
  for (const auto& character : characters_of(text)) count += character.columns;
  return count;
}

std::string fit(std::string_view text, std::size_t width) {
  const auto size = columns(text);
  if (size <= width) return std::string(text) + std::string(width - size, ' ');
  if (width == 0) return {};
  const auto characters = characters_of(text);
  const auto [head, head_columns] = within(characters.begin(), characters.end(), (width - 1) / 2);
  const auto [tail, tail_columns] = within(characters.rbegin(), characters.rend(), width - 1 - head_columns);
  const auto from = tail == characters.rbegin() ? text.size() : std::prev(tail)->begin;
  const auto until = head == characters.begin() ? 0 : std::prev(head)->end;
  return std::string(text.substr(0, until)) + "…" + std::string(text.substr(from)) + std::string(width - 1 - head_columns - tail_columns, ' ');
}

}  // namespace drover::terminal
