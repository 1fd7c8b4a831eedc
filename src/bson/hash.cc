#include "bson/hash.h"

#include <fmt/format.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace drover::bson {

std::string Hash128::to_hex() const { return fmt::format("{:016x}{:016x}", high, low); }

Hash128 hash_bytes(std::span<const std::uint8_t> bytes) {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return {hash.low64, hash.high64};
}

std::uint64_t hash64(std::span<const std::uint8_t> bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

void HashSum::add(Hash128 hash) {
  low += hash.low;
  high += hash.high + (low < hash.low ? 1 : 0);
  ++count;
}

void HashSum::remove(Hash128 hash) {
  const bool borrow = low < hash.low;
  low -= hash.low;
  high -= hash.high + (borrow ? 1 : 0);
  --count;
}

}  // namespace drover::bson
