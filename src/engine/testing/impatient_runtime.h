// The machine's runtime, but nobody sleeps, and the time stands where a test puts it.
#pragma once

#include <optional>

#include "base/runtime.h"

namespace drover::engine {

class ImpatientRuntime final : public Runtime {
 public:
  std::optional<SteadyTime> time;  // else the machine's
  SteadyTime now() override { return time ? *time : real_->now(); }
  std::chrono::system_clock::time_point wall_time() override { return real_->wall_time(); }
  std::uint64_t random() override { return real_->random(); }
  bool sleep(Duration, const std::stop_token&) override { return true; }
  std::unique_ptr<Thread> spawn(std::string name, std::function<void(std::stop_token)> body) override {
    return real_->spawn(std::move(name), std::move(body));
  }
  std::unique_ptr<Monitor> make_monitor() override { return real_->make_monitor(); }
  void reached(std::string_view) override {}

 private:
  std::unique_ptr<Runtime> real_ = make_real_runtime();
};

}  // namespace drover::engine
