// A bounded queue between two stages. `push` waits while it is full, `pop` while it is empty; both end on a stop request
// and after `close`. Thread-safe.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <stop_token>
#include <utility>

#include "base/runtime.h"

namespace drover {

template <typename T>
class BoundedQueue {
 public:
  BoundedQueue(Runtime& runtime, std::size_t capacity) : monitor_(runtime.make_monitor()), capacity_(capacity) {}

  // False when stopped or closed; the value is then dropped.
  bool push(T value, const std::stop_token& stop) {
    MonitorLock lock(*monitor_);
    if (!monitor_->wait(stop, {}, [&] { return closed_ || items_.size() < capacity_; }) || closed_) return false;
    items_.push_back(std::move(value));
    monitor_->notify_all();
    return true;
  }
  // Nothing when stopped, or when closed and empty.
  std::optional<T> pop(const std::stop_token& stop) {
    MonitorLock lock(*monitor_);
    if (!monitor_->wait(stop, {}, [&] { return closed_ || !items_.empty(); }) || items_.empty()) return std::nullopt;
    T value = std::move(items_.front());
    items_.pop_front();
    monitor_->notify_all();
    return value;
  }
  // Nothing when empty now.
  std::optional<T> try_pop() {
    MonitorLock lock(*monitor_);
    if (items_.empty()) return std::nullopt;
    T value = std::move(items_.front());
    items_.pop_front();
    monitor_->notify_all();
    return value;
  }
  void close() {
    MonitorLock lock(*monitor_);
    closed_ = true;
    monitor_->notify_all();
  }

 private:
  std::unique_ptr<Runtime::Monitor> monitor_;
  const std::size_t capacity_;
  std::deque<T> items_;
  bool closed_ = false;
};

}  // namespace drover
