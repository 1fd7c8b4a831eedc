// Repeats a call while its failure is temporary, with a growing pause, until it succeeds, fails otherwise, is stopped, or
// has failed for kRetryFor. This is the engine's only retry level above a driver call (style: retries never nest).
#pragma once

#include <algorithm>
#include <chrono>
#include <stop_token>
#include <utility>

#include "base/error.h"
#include "base/runtime.h"

namespace drover::engine {

inline constexpr std::chrono::minutes kRetryFor{30};  // as mongosync's longRetryTime
// A call that was under way for this long has got further, an index build for instance.
inline constexpr std::chrono::minutes kLongCall{5};
inline constexpr std::chrono::milliseconds kFirstPause{20};
inline constexpr std::chrono::milliseconds kLongestPause{2000};

inline Error stopped_error() { return Error{ErrorCode::kInterrupted, "stopped by request", 0, {}}; }

// `progressed` says whether the call got further than the time before: the period then begins anew, so that only a
// deployment that stays away for all of it ends a long copy or the stream.
template <typename F, typename P>
auto retry_temporary(Runtime& runtime, const std::stop_token& stop, F&& call, P&& progressed) -> decltype(call()) {
  SteadyTime begun = runtime.now();
  Duration pause = kFirstPause;
  for (;;) {
    if (stop.stop_requested()) return tl::unexpected(stopped_error());
    const SteadyTime called = runtime.now();
    auto result = call();
    if (result || result.error().code != ErrorCode::kTemporary) return result;
    if (progressed() || runtime.now() - called > kLongCall) {
      begun = runtime.now();
      pause = kFirstPause;
    }
    if (runtime.now() - begun > kRetryFor) return result;
    if (!runtime.sleep(pause, stop)) return tl::unexpected(stopped_error());
    pause = std::min<Duration>(pause * 2, kLongestPause);
  }
}

template <typename F>
auto retry_temporary(Runtime& runtime, const std::stop_token& stop, F&& call) -> decltype(call()) {
  return retry_temporary(runtime, stop, std::forward<F>(call), [] { return false; });
}

}  // namespace drover::engine
