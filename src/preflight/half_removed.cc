#include "preflight/half_removed.h"

namespace drover::preflight {

Result<bool> is_half_removed(const LoadState& load) {
  for (const auto* collection : {"x_catalog", "x_checkpoint", "x_cutover", "x_plans", "x_partitions", "x_hooks"})
    if (!TRY(load(collection)).empty()) return true;
  return false;
}

}  // namespace drover::preflight
