// So many requests a minute for each caller, in fixed windows. Thread-safe. Memory: kMaxCallers entries; beyond them the
// oldest window's are forgotten.
#pragma once

#include <chrono>
#include <map>
#include <string>

#include "base/guarded.h"
#include "base/runtime.h"

namespace drover::api {

class RateLimiter {
 public:
  static constexpr std::size_t kMaxCallers = 10'000;

  RateLimiter(Runtime& runtime, int per_minute) : runtime_(runtime), per_minute_(per_minute) {}
  int limit() const { return per_minute_; }

  // How many are left after this one; below zero: refuse it.
  int take(const std::string& caller) {
    return windows_.with([&](auto& windows) {
      const auto now = runtime_.now();
      if (windows.size() >= kMaxCallers && !windows.contains(caller)) windows.clear();
      auto& window = windows[caller];
      if (window.begun == SteadyTime{} || now - window.begun >= std::chrono::minutes(1)) window = {now, 0};
      return per_minute_ - ++window.used;
    });
  }
  // What is left, without taking.
  int left(const std::string& caller) {
    return windows_.with([&](auto& windows) {
      const auto found = windows.find(caller);
      if (found == windows.end() || runtime_.now() - found->second.begun >= std::chrono::minutes(1)) return per_minute_;
      return per_minute_ - found->second.used;
    });
  }

 private:
  struct Window {
    SteadyTime begun{};
    int used = 0;
  };
  Runtime& runtime_;
  const int per_minute_;
  Guarded<std::map<std::string, Window>> windows_;
};

}  // namespace drover::api
