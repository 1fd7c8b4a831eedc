// The beginning of a UTF-8 text, at most so many bytes and no half of a character.
#pragma once

#include <cstddef>
#include <string_view>

namespace drover {

inline std::string_view cut_text(std::string_view text, std::size_t most) {
  if (text.size() <= most) return text;
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xc0) == 0x80) --most;
  return text.substr(0, most);
}

}  // namespace drover
