// The source's time of an order to commit: from then on whoever writes to a source that is not blocked is a writer that had not stopped. It is the time of a
// note of our own, which comes after every write that the source has acknowledged before, by however few members; the time of a majority read lies before
// those that the majority has not seen yet, and would take them for such a writer's.
#pragma once

#include <algorithm>
#include <chrono>

#include "bson/builder.h"
#include "cluster/deployment.h"
#include "engine/retry.h"

namespace drover::engine {

inline constexpr std::chrono::seconds kOrderPatience{20};  // of whoever gives the order: an election passes meanwhile

// Tries again for kOrderPatience while the source does not answer. Without the time nothing is ordered.
inline Result<ClusterTime> time_of_order(cluster::Deployment& source, Runtime& runtime, const std::stop_token& stop) {
  const auto note = bson::make_document({{"drover", "a commit is asked for"}});
  const SteadyTime until = runtime.now() + kOrderPatience;
  Duration pause = kFirstPause;
  for (;;) {
    auto time = source.append_note(note);
    if (time) return time;
    const bool passes = time.error().code == ErrorCode::kTemporary && runtime.now() < until;
    if (!passes) return tl::unexpected(std::move(time).error().with_context("nothing is committed: the source's time of the order is not known"));
    if (!runtime.sleep(pause, stop)) return tl::unexpected(stopped_error());
    pause = std::min<Duration>(pause * 2, kLongestPause);
  }
}

}  // namespace drover::engine
