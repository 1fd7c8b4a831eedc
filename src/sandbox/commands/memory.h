// What clients may use of the server's memory together, and how many of their commands run at once. The parts of --memory
// are in server/memory_plan.h. Thread-safe.
#pragma once

#include <cstddef>

#include "base/memory_budget.h"

namespace drover::sandbox {

struct MemoryPools {
  MemoryPools() = default;  // without limits
  struct Limits {
    std::size_t request_bytes, reply_bytes, work_bytes, running_commands;
  };
  // `process`, where there is one, is asked before any of them grows.
  explicit MemoryPools(const Limits& limits, ResidentLimit* process = nullptr)
      : requests(limits.request_bytes, process),
        replies(limits.reply_bytes, process),
        work(limits.work_bytes, process),
        running(limits.running_commands, process) {}

  MemoryBudget requests;  // messages that arrive or are being worked on
  MemoryBudget replies;   // that are made, or wait for their client to read them
  MemoryBudget work;      // what sorts, groups and other blocking stages have gathered, and open transactions have written
  Admission running;      // reads and writes of data
};

// A reply is counted at so many times its documents: they are copied once when it is finished.
inline constexpr std::size_t kReplyCopies = 2;
// What a reply has beside its documents: names, cursor, times. Room for it is made at once, or a large reply would be copied for it.
inline constexpr std::size_t kReplyFrameBytes = 2048;
// An open cursor is counted with so much, and with its command several times: what that was parsed into.
inline constexpr std::size_t kCursorBytes = 8 << 10;
inline constexpr std::size_t kCursorCommandCopies = 4;
// So much of a reply belongs to its connection and is not counted.
inline constexpr std::size_t kUncountedReplyBytes = 16 << 10;

// A running command's place among those that run at once. It has none while it waits for something that another command
// has to bring about, or all places could be taken by such as wait.
class RunningPlace {
 public:
  RunningPlace() = default;
  ~RunningPlace() { leave(); }
  RunningPlace(const RunningPlace&) = delete;
  RunningPlace& operator=(const RunningPlace&) = delete;

  // False: stopped.
  bool enter(Admission& admission, const std::stop_token& stop) {
    admission_ = &admission;
    return inside_ = admission.enter(stop);
  }
  void leave() {
    if (inside_) admission_->leave();
    inside_ = false;
  }
  // Runs `wait` without the place. When the command is stopped meanwhile, it ends without having it again.
  template <typename Wait>
  auto without(const std::stop_token& stop, Wait&& wait) {
    struct Return {
      RunningPlace& place;
      const std::stop_token& stop;
      bool had;
      ~Return() {
        if (had) place.inside_ = place.admission_->enter(stop);
      }
    } const back{*this, stop, inside_};
    leave();
    return wait();
  }

 private:
  Admission* admission_ = nullptr;
  bool inside_ = false;
};

}  // namespace drover::sandbox
