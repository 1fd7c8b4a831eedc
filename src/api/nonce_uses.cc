#include "api/nonce_uses.h"

#include <algorithm>

namespace drover::api {

bool NonceUses::take(const std::string& nonce, std::int64_t made, std::uint32_t count, std::int64_t oldest) {
  return uses_.with([&](Uses& uses) {
    auto& windows = uses.windows;
    // Forgotten is used, also when the clock is set back.
    while (!windows.empty() && windows.begin()->first.first < oldest) {
      uses.floor = std::max(uses.floor, windows.begin()->first.first);
      windows.erase(windows.begin());
    }
    const auto key = std::pair(made, nonce);
    auto found = windows.find(key);
    if (found == windows.end()) {
      if (made <= uses.floor) return false;
      found = windows.emplace(key, Window{.highest = count, .seen = {}}).first;
      found->second.seen.set(0);
      while (windows.size() > most_) {
        uses.floor = windows.begin()->first.first;
        windows.erase(windows.begin());
      }
      return true;
    }
    auto& window = found->second;
    if (count > window.highest) {
      const auto by = count - window.highest;
      if (by < kWindow) window.seen <<= by;
      else window.seen.reset();
      window.highest = count;
    }
    const auto back = window.highest - count;
    if (back >= kWindow || window.seen.test(back)) return false;
    window.seen.set(back);
    return true;
  });
}

}  // namespace drover::api
