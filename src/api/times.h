// Times as clients write them.
#pragma once

#include <string_view>

namespace drover::api {

// "2026-08-10T03:10:30Z": of one spelling, so that texts compare as times.
constexpr bool is_utc_time(std::string_view text) {
  constexpr std::string_view kPattern = "0000-00-00T00:00:00Z";
  if (text.size() != kPattern.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (kPattern[i] == '0' ? !digit : text[i] != kPattern[i]) return false;
  }
  return true;
}

}  // namespace drover::api
