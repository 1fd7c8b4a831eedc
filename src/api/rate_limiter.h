// So many requests a minute for each caller, in fixed windows. Thread-safe.
//
// Memory: kMaxCallers windows. A window that has not ended is never forgotten, so a flood of others cannot lift a lock-out: while all
// places are taken by live ones, callers without one share kSharedWindows by a keyed hash, each with kSharedFactor times the limit.
#pragma once

#include <array>
#include <chrono>
#include <deque>
#include <functional>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/guarded.h"
#include "base/runtime.h"

namespace drover::api {

class RateLimiter {
 public:
  static constexpr std::size_t kMaxCallers = 10'000;
  static constexpr std::size_t kSharedWindows = 1024;
  static constexpr int kSharedFactor = 4;
  static constexpr std::chrono::minutes kWindow{1};

  RateLimiter(Runtime& runtime, int per_minute) : runtime_(runtime), per_minute_(per_minute), key_(runtime.random()) {}
  int limit() const { return per_minute_; }

  // How many are left after this one; below zero: refuse it.
  int take(const std::string& caller) {
    return state_.with([&](State& state) {
      const auto now = runtime_.now();
      forget_ended(state, now);
      if (const auto known = state.own.find(caller); known != state.own.end()) return per_minute_ - ++known->second.used;
      if (state.own.size() < kMaxCallers) {
        state.order.emplace_back(now, caller);
        state.own.emplace(caller, Window{now, 1});
        return per_minute_ - 1;
      }
      auto& shared = state.shared[place(caller)];
      if (ended(shared, now)) shared = {now, 0};
      return per_minute_ * kSharedFactor - ++shared.used;
    });
  }
  // What is left, without taking.
  int left(const std::string& caller) {
    return state_.with([&](State& state) {
      const auto now = runtime_.now();
      forget_ended(state, now);
      if (const auto known = state.own.find(caller); known != state.own.end()) return per_minute_ - known->second.used;
      if (state.own.size() < kMaxCallers) return per_minute_;
      const auto& shared = state.shared[place(caller)];
      return per_minute_ * kSharedFactor - (ended(shared, now) ? 0 : shared.used);
    });
  }

 private:
  struct Window {
    SteadyTime begun{};
    int used = 0;
  };
  struct State {
    std::unordered_map<std::string, Window> own;
    std::deque<std::pair<SteadyTime, std::string>> order;  // of their beginnings, which is that of their ends
    std::array<Window, kSharedWindows> shared{};
  };
  static bool ended(const Window& window, SteadyTime now) { return window.used == 0 || now - window.begun >= kWindow; }
  static void forget_ended(State& state, SteadyTime now) {
    while (!state.order.empty() && now - state.order.front().first >= kWindow) {
      state.own.erase(state.order.front().second);
      state.order.pop_front();
    }
  }
  // Nobody outside can tell who shares with whom.
  std::size_t place(const std::string& caller) const { return std::hash<std::string>{}(std::to_string(key_) + caller) % kSharedWindows; }

  Runtime& runtime_;
  const int per_minute_;
  const std::uint64_t key_;
  Guarded<State> state_;
};

}  // namespace drover::api
