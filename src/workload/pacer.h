// Lets statements of many threads pass at one total rate, evenly; a little of what was missed is caught up. Thread-safe.
#pragma once

#include <stop_token>

#include "base/guarded.h"
#include "base/runtime.h"

namespace drover::workload {

class Pacer {
 public:
  Pacer(Runtime& runtime, double per_second)
      : runtime_(runtime), interval_(static_cast<Duration::rep>(1e9 / per_second)), next_(runtime.now()) {}

  // Waits for the next free moment. False when stopped.
  bool admit(const std::stop_token& stop) {
    const auto now = runtime_.now();
    const auto slot = next_.with([&](SteadyTime& next) {
      if (next < now - kCatchUp) next = now - kCatchUp;
      const auto mine = next;
      next += interval_;
      return mine;
    });
    return slot <= now ? !stop.stop_requested() : runtime_.sleep(slot - now, stop);
  }

 private:
  static constexpr Duration kCatchUp = std::chrono::milliseconds(200);

  Runtime& runtime_;
  const Duration interval_;
  Guarded<SteadyTime> next_;
};

}  // namespace drover::workload
