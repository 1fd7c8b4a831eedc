// A clock that a test moves, and that tells how often somebody slept.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>

#include "base/runtime.h"

namespace drover::control {

class MovedClock final : public Runtime {
 public:
  SteadyTime now() override { return real_->now(); }
  std::chrono::system_clock::time_point wall_time() override { return real_->wall_time() + std::chrono::milliseconds(ahead_.load()); }
  std::uint64_t random() override { return real_->random(); }
  bool sleep(Duration duration, const std::stop_token& stop) override { return ++sleeps_, real_->sleep(duration, stop); }
  std::unique_ptr<Thread> spawn(std::string name, std::function<void(std::stop_token)> body) override {
    return real_->spawn(std::move(name), std::move(body));
  }
  std::unique_ptr<Monitor> make_monitor() override { return real_->make_monitor(); }
  void reached(std::string_view point) override { real_->reached(point); }
  void move(std::chrono::milliseconds by) { ahead_ += by.count(); }
  int sleeps() const { return sleeps_; }

 private:
  std::unique_ptr<Runtime> real_ = make_real_runtime();
  std::atomic<std::int64_t> ahead_{0};
  std::atomic<int> sleeps_{0};
};

}  // namespace drover::control
