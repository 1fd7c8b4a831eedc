// A number of bytes that many operations share, and the shares that they hold. It counts what it is told; it allocates
// nothing. Thread-safe; a share is used by one thread at a time.
//
// No wait here can last for ever: whoever waits in `take` holds nothing of this budget yet, and of those that wait for more
// in `grow_to` one at a time may go over the limit. So at most `limit` and the largest single share are in use.
//
// Over a ResidentLimit a share also grows only while the process has room, whatever is left of the budget; but the first share of
// a budget, and one that may go over its limit, need not have it: with nothing that could be given back nobody would ever go on.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mutex>
#include <set>
#include <stop_token>
#include <utility>

#include "base/process_memory.h"

namespace drover {

// Nobody tells when the process has room again: who waits for it looks so often.
inline constexpr std::chrono::milliseconds kLookForRoom{10};
// A wait without one ends when it is granted or stopped.
inline constexpr std::chrono::nanoseconds kNoTimeout = std::chrono::nanoseconds::max();

class MemoryBudget {
 public:
  explicit MemoryBudget(std::size_t limit = std::numeric_limits<std::size_t>::max(), ResidentLimit* process = nullptr)
      : limit_(limit), process_(process) {}
  MemoryBudget(const MemoryBudget&) = delete;
  MemoryBudget& operator=(const MemoryBudget&) = delete;

  std::size_t limit() const { return limit_; }
  std::size_t used() const;
  // Somebody waits: those who hold much and do nothing with it should give it up.
  bool is_short() const;

 private:
  friend class MemoryShare;
  bool is_free(std::size_t more) const { return used_ <= limit_ && more <= limit_ - used_; }
  // Takes it, if it is free and the process has room.
  bool try_take(std::size_t more);
  // Until `ready`, which is asked again whenever something is given back, or the process may have room. False: stopped, or too late.
  template <typename Ready>
  bool wait(std::unique_lock<std::mutex>& lock, const std::stop_token& stop, std::chrono::nanoseconds timeout, Ready&& ready);

  const std::size_t limit_;
  ResidentLimit* const process_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::size_t used_ = 0;
  std::set<std::uint64_t> queue_;     // whose turn it is: the first
  std::uint64_t next_turn_ = 1;
  std::size_t waiting_to_grow_ = 0;
  bool overdrawn_ = false;            // one share is over the limit
};

// Given back when it is destroyed. Without a budget every growth succeeds and counts nothing.
class MemoryShare {
 public:
  MemoryShare() = default;
  explicit MemoryShare(MemoryBudget* budget) : budget_(budget) {}
  ~MemoryShare() { release(); }
  MemoryShare(MemoryShare&& other) noexcept { *this = std::move(other); }
  MemoryShare& operator=(MemoryShare&& other) noexcept;

  std::size_t bytes() const { return bytes_; }
  // To `bytes` in all, without waiting. False, and nothing changed, when there is not so much, or others wait for it.
  bool try_grow_to(std::size_t bytes);
  // From nothing to `bytes` (at most the whole budget), in the order of asking. False: stopped, or not within `timeout`.
  bool take(std::size_t bytes, const std::stop_token& stop, std::chrono::nanoseconds timeout = kNoTimeout);
  // To `bytes` in all. When the budget is used up, one share at a time goes over it. False: stopped, or not within `timeout`.
  bool grow_to(std::size_t bytes, const std::stop_token& stop, std::chrono::nanoseconds timeout = kNoTimeout);
  void release();

 private:
  MemoryBudget* budget_ = nullptr;
  std::size_t bytes_ = 0;
  bool overdrawn_ = false;
};

// How many may do something at once; while the process has no room, one. Waiting is in no order.
class Admission {
 public:
  explicit Admission(std::size_t places = std::numeric_limits<std::size_t>::max(), ResidentLimit* process = nullptr)
      : process_(process), free_(places) {}
  // False: stopped, or not within `timeout`.
  bool enter(const std::stop_token& stop, std::chrono::nanoseconds timeout = kNoTimeout);
  void leave();

 private:
  ResidentLimit* const process_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::size_t free_;
  std::size_t inside_ = 0;
};

}  // namespace drover
