// How long to wait before the next try: 1 s, doubled with each failure in a row up to a minute, between half of it and all of
// it by chance, so that many who lost the same peer do not come back at once.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace drover {

// `failures` from 1.
inline std::chrono::milliseconds pause_after(int failures, std::uint64_t random) {
  constexpr std::chrono::milliseconds kFirstPause{1000};
  constexpr std::chrono::milliseconds kLongestPause{60'000};
  auto pause = kFirstPause;
  for (int i = 1; i < failures && pause < kLongestPause; ++i) pause *= 2;
  pause = std::min(pause, kLongestPause);
  const auto half = static_cast<std::uint64_t>(pause.count() / 2);
  return std::chrono::milliseconds(half + random % (half + 1));
}

}  // namespace drover
