// What the writers share about the move from source to destination: counters of who is where, the two moments that make
// the pause that applications notice, and gates for deployments that cannot refuse writes by themselves. Thread-safe.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>
#include <optional>

#include "base/runtime.h"

namespace drover::workload {

class Switchover {
 public:
  // Gates: what an application's own configuration would say. Writers look before each statement.
  void close_source() { source_closed_ = true; }
  void close_destination() { destination_closed_ = true; }
  void open_destination() { destination_closed_ = false; }
  bool source_closed() const { return source_closed_; }
  bool destination_closed() const { return destination_closed_; }

  // After its first acknowledged write on the destination a writer waits for this, so that source and destination can be
  // compared as the cutover left them.
  void release() { released_ = true; }
  bool released() const { return released_; }

  void acknowledged_on_source(SteadyTime at) {
    auto last = last_source_.load();
    while (last < at.count() && !last_source_.compare_exchange_weak(last, at.count())) {}
  }
  void acknowledged_on_destination(SteadyTime at) {
    auto first = first_destination_.load();
    while (first > at.count() && !first_destination_.compare_exchange_weak(first, at.count())) {}
  }
  // From the last acknowledgement on the source to the first on the destination, over all writers.
  std::optional<Duration> unavailable() const {
    const auto last = last_source_.load(), first = first_destination_.load();
    if (last == kNever || first == kNotYet) return std::nullopt;
    return Duration(first - last);
  }

  void left_source() { ++left_; }
  void proved_destination() { ++proved_; }
  int writers_off_source() const { return left_; }
  int writers_on_destination() const { return proved_; }

 private:
  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::min();
  static constexpr std::int64_t kNotYet = std::numeric_limits<std::int64_t>::max();

  std::atomic<bool> source_closed_{false};
  std::atomic<bool> destination_closed_{false};
  std::atomic<bool> released_{false};
  std::atomic<int> left_{0};
  std::atomic<int> proved_{0};
  std::atomic<std::int64_t> last_source_{kNever};
  std::atomic<std::int64_t> first_destination_{kNotYet};
};

}  // namespace drover::workload
