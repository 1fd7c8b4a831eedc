// How often an engine that has ended is started again. Its state is on the destination, so a new start costs little and most
// ends pass; but one that only repeats itself is not repeated for ever. Pure; the job's directory need not remember it: a new agent
// counts anew.
#pragma once

#include <chrono>

#include "base/backoff.h"
#include "base/runtime.h"

namespace drover::agent {

inline constexpr int kHopelessEnds = 3;               // what the engine itself calls final, in a row
inline constexpr int kFruitlessEnds = 20;             // anything else (a deployment refuses, or does not answer), in a row,
inline constexpr std::chrono::hours kFruitlessTime{1};  // and for at least so long

class RestartPolicy {
 public:
  enum class End {
    kHopeless,
    kOther,
    kHost,  // of this machine's own making, its full disk: waited for however long it takes, for giving up would remove what was copied
  };

  // It has ended, or could not be started. In a row: without `moved` in between.
  void ended(End how, SteadyTime now, std::uint64_t random) {
    next_ = now + pause_after(++ends_, random);
    if (how == End::kHost) return;
    if (fruitless_ == 0) first_ = now;
    ++fruitless_;
    hopeless_ = how == End::kHopeless ? hopeless_ + 1 : 0;
  }
  // It has done something that it had not done before.
  void moved() { ends_ = fruitless_ = hopeless_ = 0; }

  bool gives_up(SteadyTime now) const { return hopeless_ >= kHopelessEnds || (fruitless_ >= kFruitlessEnds && now - first_ >= kFruitlessTime); }
  bool waits(SteadyTime now) const { return now < next_; }
  int ends() const { return ends_; }
  int fruitless() const { return fruitless_; }  // of them, those that count
  std::chrono::minutes since_first(SteadyTime now) const { return std::chrono::duration_cast<std::chrono::minutes>(now - first_); }

 private:
  int ends_ = 0, fruitless_ = 0, hopeless_ = 0;
  SteadyTime first_{}, next_{};
};

}  // namespace drover::agent
