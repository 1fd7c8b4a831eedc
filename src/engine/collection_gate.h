// Who may write a destination collection now. Lanes and copiers hold it shared from before they read the source until the
// destination has answered; the conflict resolver and catalog changes hold it alone. So a state that was read is never
// written after a newer one. Thread-safe; exclusive waits for shared holders and keeps new ones out.
#pragma once

#include <memory>
#include <stop_token>
#include <utility>

#include "base/runtime.h"

namespace drover::engine {

class CollectionGate {
 public:
  explicit CollectionGate(Runtime& runtime) : monitor_(runtime.make_monitor()) {}

  class Hold {
   public:
    Hold() = default;
    Hold(CollectionGate* gate, bool exclusive) : gate_(gate), exclusive_(exclusive) {}
    Hold(Hold&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)), exclusive_(other.exclusive_) {}
    Hold& operator=(Hold&& other) noexcept {
      release();
      gate_ = std::exchange(other.gate_, nullptr);
      exclusive_ = other.exclusive_;
      return *this;
    }
    ~Hold() { release(); }
    explicit operator bool() const { return gate_ != nullptr; }
    void release() {
      if (gate_ != nullptr) std::exchange(gate_, nullptr)->leave(exclusive_);
    }

   private:
    CollectionGate* gate_ = nullptr;
    bool exclusive_ = false;
  };

  // Empty when stopped.
  Hold enter_shared(const std::stop_token& stop) {
    MonitorLock lock(*monitor_);
    if (!monitor_->wait(stop, {}, [&] { return !exclusive_ && waiting_exclusive_ == 0; })) return {};
    ++shared_;
    return Hold(this, false);
  }
  Hold enter_exclusive(const std::stop_token& stop) {
    MonitorLock lock(*monitor_);
    ++waiting_exclusive_;
    return settle(entered_exclusive(stop, {}));
  }
  // Empty unless nobody is inside.
  Hold try_enter_exclusive() {
    MonitorLock lock(*monitor_);
    if (exclusive_ || shared_ > 0) return {};
    exclusive_ = true;
    return Hold(this, true);
  }
  // Calls `hurry` every `pace` while it waits: it asks those inside to leave.
  template <typename F>
  Hold enter_exclusive(const std::stop_token& stop, Duration pace, F&& hurry) {
    {
      MonitorLock lock(*monitor_);
      ++waiting_exclusive_;
    }
    for (;;) {
      {
        MonitorLock lock(*monitor_);
        if (entered_exclusive(stop, pace)) return settle(true);
        if (stop.stop_requested()) return settle(false);
      }
      hurry();
    }
  }

 private:
  bool entered_exclusive(const std::stop_token& stop, Duration timeout) {
    return monitor_->wait(stop, timeout, [&] { return !exclusive_ && shared_ == 0; });
  }
  Hold settle(bool entered) {
    --waiting_exclusive_;
    if (!entered) {
      monitor_->notify_all();
      return {};
    }
    exclusive_ = true;
    return Hold(this, true);
  }
  void leave(bool exclusive) {
    MonitorLock lock(*monitor_);
    if (exclusive) exclusive_ = false;
    else --shared_;
    monitor_->notify_all();
  }

  std::unique_ptr<Runtime::Monitor> monitor_;
  int shared_ = 0;
  int waiting_exclusive_ = 0;
  bool exclusive_ = false;
};

}  // namespace drover::engine
