// What a blocking stage, or the sort of a find, has gathered: counted in what all of them may have together. 292 when that is
// used up; nobody waits, or those who wait would hold what the others wait for.
#pragma once

#include <cstddef>

#include "base/error.h"
#include "base/memory_budget.h"

namespace drover::sandbox::query {

class StageMemory {
 public:
  explicit StageMemory(MemoryBudget* budget) : share_(budget) {}
  // `bytes` of documents in all. What they lie in is larger by half: buffers that grow, allocations of their own.
  Status hold(std::size_t bytes);

 private:
  MemoryShare share_;
};

}  // namespace drover::sandbox::query
