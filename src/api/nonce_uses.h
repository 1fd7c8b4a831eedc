// Which counts (`nc`) of which nonces have been used: who has caught a login on its way can send it once more, but not have it counted twice.
// Counts may come out of order, as of requests side by side, up to kWindow behind the highest one. Thread-safe.
//
// Memory: the kMaxNonces youngest nonces that somebody has logged in with. With more, older ones can no longer be told from used
// ones, and are not taken: their clients log in anew. In this process only: another one of the same site takes each count once, too, and so a
// process takes no nonce that was made before it began.
#pragma once

#include <bitset>
#include <cstdint>
#include <map>
#include <string>

#include "base/guarded.h"

namespace drover::api {

class NonceUses {
 public:
  static constexpr std::size_t kMaxNonces = 50'000;
  static constexpr std::uint32_t kWindow = 128;

  // `began`: when this process did, on the clock that nonces are made by, in milliseconds.
  explicit NonceUses(std::int64_t began, std::size_t most = kMaxNonces) : most_(most), uses_(Uses{.floor = began - 1}) {}

  // True the first time. `made`: the nonce's own time; `oldest`: of nonces that are still taken.
  bool take(const std::string& nonce, std::int64_t made, std::uint32_t count, std::int64_t oldest);

 private:
  struct Window {
    std::uint32_t highest = 0;
    std::bitset<kWindow> seen;  // [i]: highest - i
  };
  struct Uses {
    std::int64_t floor = 0;  // nonces made until then are not taken
    std::map<std::pair<std::int64_t, std::string>, Window> windows = {};
  };
  const std::size_t most_;
  Guarded<Uses> uses_;
};

}  // namespace drover::api
