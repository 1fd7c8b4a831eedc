// The simulator's only source of chance: a small generator whose sequence is fixed by its seed on every machine.
#pragma once

#include <cstdint>
#include <vector>

namespace drover::sim {

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 0xda942042e4dd58b5ull) { state_ = next() ^ seed << 32; }

  // splitmix64
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
  }
  // In [0, bound).
  std::uint64_t below(std::uint64_t bound) { return bound == 0 ? 0 : next() % bound; }
  // In [low, high].
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(high - low + 1)));
  }
  // One chance in a million times `per_million`.
  bool chance(std::uint64_t per_million) { return below(1'000'000) < per_million; }
  bool coin() { return (next() & 1) != 0; }
  template <typename T>
  const T& pick(const std::vector<T>& items) { return items[below(items.size())]; }
  Random fork() { return Random(next()); }

 private:
  std::uint64_t state_;
};

}  // namespace drover::sim
