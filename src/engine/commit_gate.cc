#include "engine/commit_gate.h"

#include <fmt/format.h>

#include "engine/index_builder.h"

namespace drover::engine {

std::optional<std::string> why_not_complete(Catalog& catalog, ChangeRouter& router, bool copy_finished) {
  {
    MonitorLock lock(router.lock());
    for (const auto& [uuid, collection] : catalog.collections) {
      if (collection->being_replaced) return fmt::format("{} is to be copied anew", collection->info.ns.to_string());
      if (collection->gone) continue;
      if (!collection->copied()) return fmt::format("{} is still being copied", collection->info.ns.to_string());
      if (const auto missing = missing_indexes(*collection); !missing.empty())
        return fmt::format("{} of {} still to be built", missing.size() == 1 ? "1 index" : fmt::format("{} indexes", missing.size()),
                           collection->info.ns.to_string());
    }
  }
  if (!copy_finished) return "the last partitions are being recorded";
  return std::nullopt;
}

std::optional<std::string> why_not_commit(Catalog& catalog, ChangeRouter& router, const PositionTracker& tracker,
                                          bool copy_finished, double lag_seconds) {
  if (auto reason = why_not_complete(catalog, router, copy_finished)) return reason;
  if (router.held_usage().events > 0) return "held changes are still being applied";
  if (tracker.outstanding() > kCommitOutstanding)
    return fmt::format("{} changes are still being applied", tracker.outstanding());
  if (lag_seconds > kCommitLagSeconds) return fmt::format("the destination is {:.0f} s behind", lag_seconds);
  return std::nullopt;
}

}  // namespace drover::engine
