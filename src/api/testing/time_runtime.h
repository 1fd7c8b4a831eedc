// A runtime for tests of what only reads the time: it is as the test has it; everything else of a runtime is missing.
#pragma once

#include <chrono>
#include <stdexcept>

#include "base/runtime.h"

namespace drover::api {

class TestRuntime final : public Runtime {
 public:
  SteadyTime time{std::chrono::hours(1)};
  SteadyTime now() override { return time; }
  std::chrono::system_clock::time_point wall_time() override { return {}; }
  std::uint64_t random() override { return 7; }
  bool sleep(Duration, const std::stop_token&) override { return true; }
  std::unique_ptr<Thread> spawn(std::string, std::function<void(std::stop_token)>) override { throw std::logic_error("no threads here"); }
  std::unique_ptr<Monitor> make_monitor() override { throw std::logic_error("no monitors here"); }
  void reached(std::string_view) override {}
};

}  // namespace drover::api
