// How often which misfortune strikes a call, per million calls. A seed draws one plan for each deployment; many draw none.
#pragma once

#include <chrono>
#include <cstdint>

#include "random.h"

namespace drover::sim {

struct Faults {
  std::uint32_t lost_request = 0;      // not executed
  std::uint32_t late_request = 0;      // answered as failed, executed seconds later
  std::uint32_t lost_reply = 0;        // executed, answered as failed
  std::uint32_t duplicated = 0;        // executed and answered, and executed again later
  std::uint32_t partial_batch = 0;     // some statements executed, then the connection breaks
  std::uint32_t lost_cursor = 0;
  std::uint32_t snapshot_too_old = 0;
  std::uint32_t slow = 0;              // seconds instead of milliseconds
  std::uint32_t cut = 0;               // a process is cut off for seconds; half of the time in one direction only
  std::uint32_t note_refused = 0;      // 107, answered as temporary
  std::chrono::milliseconds election_every{0};  // on average; 0: never
  std::chrono::milliseconds latency{1};         // typical, of one direction
  std::chrono::milliseconds lag{1};             // of the majority behind the primary

  static Faults draw(Random& random);
};

}  // namespace drover::sim
