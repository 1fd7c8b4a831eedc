// Computes canCommit and says why not: all slow work must be done before the source is blocked (blueprint rule 9).
#pragma once

#include <optional>
#include <string>

#include "engine/change_router.h"

namespace drover::engine {

inline constexpr double kCommitLagSeconds = 2;
inline constexpr std::uint64_t kCommitOutstanding = 5000;  // changes on their way through the lanes

// What is still to be copied or built; nothing when all is. It may come back at any time: a unique index that the destination
// refuses makes a collection be copied anew.
std::optional<std::string> why_not_complete(Catalog& catalog, ChangeRouter& router, bool copy_finished);

// Nothing when a commit may begin.
std::optional<std::string> why_not_commit(Catalog& catalog, ChangeRouter& router, const PositionTracker& tracker,
                                          bool copy_finished, double lag_seconds);

}  // namespace drover::engine
