#include "sandbox/query/stage_memory.h"

#include "sandbox/query/errors.h"

namespace drover::sandbox::query {

namespace {
constexpr std::size_t kStep = 256 << 10;
}

Status StageMemory::hold(std::size_t bytes) {
  const auto wanted = bytes + bytes / 2;
  if (wanted <= share_.bytes() || share_.try_grow_to(wanted + kStep) || share_.try_grow_to(wanted)) return {};
  return bad(292, "The memory for sorts, groups and open transactions of all clients is used up. Try again, use an index, or start the "
                  "server with more --memory.");
}

}  // namespace drover::sandbox::query
