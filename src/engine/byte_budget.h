// One budget of bytes for documents in flight across all stages (blueprint: memory is bounded and the bound is named).
// `admit` waits for room; a request larger than the whole budget is let through alone. Thread-safe.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <stop_token>

#include "base/runtime.h"

namespace drover::engine {

inline constexpr std::size_t kBudgetBytes = 128 << 20;

class ByteBudget {
 public:
  ByteBudget(Runtime& runtime, std::size_t capacity) : monitor_(runtime.make_monitor()), capacity_(capacity) {}

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
    void release() {
      if (budget_ != nullptr) std::exchange(budget_, nullptr)->give_back(bytes_);
    }

   private:
    ByteBudget* budget_ = nullptr;
    std::size_t bytes_ = 0;
  };

  // An empty grant when stopped.
  Grant admit(std::size_t bytes, const std::stop_token& stop) {
    const std::size_t wanted = std::min(bytes, capacity_);
    MonitorLock lock(*monitor_);
    if (!monitor_->wait(stop, {}, [&] { return used_ + wanted <= capacity_; })) return {};
    used_ += wanted;
    return Grant(this, wanted);
  }

 private:
  void give_back(std::size_t bytes) {
    MonitorLock lock(*monitor_);
    used_ -= bytes;
    monitor_->notify_all();
  }

  std::unique_ptr<Runtime::Monitor> monitor_;
  const std::size_t capacity_;
  std::size_t used_ = 0;
};

}  // namespace drover::engine
