// The end of the contiguous prefix of the source's changes that are settled: applied, dropped or held (blueprint rule 6).
// The router announces each oplog time in order; lanes report each dispatched event as done. Not a minimum over lanes: an
// idle lane holds nothing back. Thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>

#include "engine/mutants.h"
#include "model/change_event.h"

namespace drover::engine {

class PositionTracker {
 public:
  using Slot = std::uint64_t;

  explicit PositionTracker(ClusterTime start) : settled_(start) {}

  // A dispatched event of oplog time `ts`. Called in order of ts, by the router only.
  Slot dispatched(ClusterTime ts) {
    std::lock_guard lock(mutex_);
    if (slots_.empty() || slots_.back().ts != ts) slots_.push_back({ts, 0, false});
    ++slots_.back().outstanding;
    ++outstanding_;
    return first_ + slots_.size() - 1;
  }
  // All events of oplog time `ts` have been routed.
  void routed(ClusterTime ts) {
    std::lock_guard lock(mutex_);
    if (!slots_.empty() && slots_.back().ts == ts) {
      slots_.back().complete = true;
    } else if (!slots_.empty() && slots_.back().complete && slots_.back().outstanding == 0) {
      slots_.back().ts = ts;
    } else {
      slots_.push_back({ts, 0, true});
    }
    advance();
    if (mutant("checkpoint_by_routed")) settled_ = ts;
  }
  void done(Slot slot) {
    std::lock_guard lock(mutex_);
    --slots_[slot - first_].outstanding;
    --outstanding_;
    ++done_;
    advance();
  }
  ClusterTime settled() const {
    std::lock_guard lock(mutex_);
    return settled_;
  }
  std::uint64_t outstanding() const {
    std::lock_guard lock(mutex_);
    return outstanding_;
  }
  std::uint64_t applied() const {
    std::lock_guard lock(mutex_);
    return done_;
  }

 private:
  struct Entry {
    ClusterTime ts;
    std::uint64_t outstanding;
    bool complete;
  };

  void advance() {
    while (!slots_.empty() && slots_.front().complete && slots_.front().outstanding == 0) {
      settled_ = slots_.front().ts;
      slots_.pop_front();
      ++first_;
    }
  }

  mutable std::mutex mutex_;
  std::deque<Entry> slots_;
  Slot first_ = 0;
  std::uint64_t outstanding_ = 0;
  std::uint64_t done_ = 0;
  ClusterTime settled_;
};

}  // namespace drover::engine
