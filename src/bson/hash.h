// XXH3-128 of bytes, and the order-independent sum that ranges are compared by (blueprint, rule 11).
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace drover::bson {

struct Hash128 {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  bool operator==(const Hash128&) const = default;
  std::string to_hex() const;
};

Hash128 hash_bytes(std::span<const std::uint8_t> bytes);
std::uint64_t hash64(std::span<const std::uint8_t> bytes);
inline std::uint64_t hash64(std::string_view text) {
  return hash64(std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}

// Addition modulo 2^128: the sum over a set of documents does not depend on their order, and one can be taken out again.
struct HashSum {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  std::uint64_t count = 0;
  void add(Hash128 hash);
  void remove(Hash128 hash);
  bool operator==(const HashSum&) const = default;
};

}  // namespace drover::bson
