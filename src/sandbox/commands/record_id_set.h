// Record ids that were met: the documents that a scan of a multikey index has given. Ids grow with insertion and lie close
// together, so a set of many is a bitmap in pages: a quarter of a byte for each id where all are in it, 72 bytes where each
// is far from the next.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "sandbox/storage/engine.h"

namespace drover::sandbox {

class RecordIdSet {
 public:
  // False: it was in the set already.
  bool insert(RecordId id) {
    auto bit = pages_[static_cast<std::uint64_t>(id) / kPageIds][static_cast<std::uint64_t>(id) % kPageIds];
    if (bit) return false;
    return bit = true;
  }
  // What it takes of memory: pages, with what an allocator and a hash table keep for each.
  std::size_t bytes() const { return pages_.size() * kPageBytes; }

 private:
  static constexpr std::size_t kPageIds = 256;
  static constexpr std::size_t kPageBytes = kPageIds / 8 + 5 * sizeof(void*);

  std::unordered_map<std::uint64_t, std::bitset<kPageIds>> pages_;
};

}  // namespace drover::sandbox
