// Bytes that a stage may hold of documents and changes. `admit` waits for room; a request larger than the whole share is let
// through alone. Whoever waits for room holds none of the same share, so that someone is always able to go on. A budget may
// take what fits into another one's room that nobody there waits for: the lanes take the copy's when it is done. Thread-safe.
#pragma once

#include <algorithm>
#include <cstddef>
#include <list>
#include <memory>
#include <stop_token>
#include <utility>

#include "base/runtime.h"

namespace drover::engine {

// What all stages hold together, and each one's share of it.
inline constexpr std::size_t kBudgetBytes = 128 << 20;
inline constexpr std::size_t kReaderShare = 10 << 20;  // changes between reader and router
inline constexpr std::size_t kLaneShare = 20 << 20;    // changes in all lanes
inline constexpr std::size_t kHeldShare = 12 << 20;    // held changes in memory; the others are in files
inline constexpr std::size_t kWriteShare = 26 << 20;   // of all lanes: states that they read, commands that they write
inline constexpr std::size_t kCopyShare = kBudgetBytes - kReaderShare - kLaneShare - kHeldShare - kWriteShare;

// A command that carries documents is made once by us and once more by the driver.
inline constexpr std::size_t kBytesPerByteSent = 2;

class ByteBudget {
 public:
  ByteBudget(Runtime& runtime, std::size_t capacity, ByteBudget* spare = nullptr)
      : monitor_(runtime.make_monitor()), capacity_(capacity), spare_(spare) {}

  class Grant {
   public:
    Grant() = default;
    Grant(ByteBudget* budget, std::size_t bytes) : budget_(budget), bytes_(bytes) {}
    Grant(Grant&& other) noexcept : budget_(std::exchange(other.budget_, nullptr)), bytes_(other.bytes_) {}
    Grant& operator=(Grant&& other) noexcept {
      release();
      budget_ = std::exchange(other.budget_, nullptr);
      bytes_ = other.bytes_;
      return *this;
    }
    ~Grant() { release(); }
    explicit operator bool() const { return budget_ != nullptr; }
    // What was admitted by estimate is found to be of this size: without waiting, since it is there already.
    void resize(std::size_t bytes) {
      if (budget_ == nullptr) return;
      budget_->exchange(bytes_, bytes);
      bytes_ = bytes;
    }
    void release() {
      if (budget_ != nullptr) std::exchange(budget_, nullptr)->give_back(bytes_);
    }

   private:
    ByteBudget* budget_ = nullptr;
    std::size_t bytes_ = 0;
  };

  // An empty grant when stopped.
  Grant admit(std::size_t bytes, const std::stop_token& stop) {
    if (spare_ != nullptr) {
      if (auto grant = try_admit(bytes)) return grant;
    }
    const std::size_t wanted = std::min(bytes, capacity_);
    MonitorLock lock(*monitor_);
    const auto turn = waiting_.insert(waiting_.end(), wanted);
    const bool admitted = monitor_->wait(stop, {}, [&] { return turn == waiting_.begin() && fits(wanted); });
    waiting_.erase(turn);
    monitor_->notify_all();  // the next one's turn
    if (!admitted) return {};
    return take(wanted);
  }
  // An empty grant when there is no room now.
  Grant try_admit(std::size_t bytes) {
    const std::size_t wanted = std::min(bytes, capacity_);
    {
      MonitorLock lock(*monitor_);
      if (waiting_.empty() && fits(wanted)) return take(wanted);
    }
    return spare_ != nullptr ? spare_->admit_now(bytes) : Grant();
  }

 private:
  bool fits(std::size_t wanted) const { return used_ == 0 || used_ + wanted <= capacity_; }
  // An empty grant unless all of it fits, and nobody waits.
  Grant admit_now(std::size_t bytes) {
    MonitorLock lock(*monitor_);
    if (!waiting_.empty() || used_ + bytes > capacity_) return {};
    return take(bytes);
  }
  // Under the lock.
  Grant take(std::size_t bytes) {
    used_ += bytes;
    return Grant(this, bytes);
  }
  void exchange(std::size_t before, std::size_t after) {
    MonitorLock lock(*monitor_);
    used_ = used_ - before + after;
    monitor_->notify_all();
  }
  void give_back(std::size_t bytes) { exchange(bytes, 0); }

  std::unique_ptr<Runtime::Monitor> monitor_;
  const std::size_t capacity_;
  ByteBudget* const spare_;
  std::size_t used_ = 0;
  std::list<std::size_t> waiting_;  // first come, first served: nobody overtakes who needs much
};

}  // namespace drover::engine
