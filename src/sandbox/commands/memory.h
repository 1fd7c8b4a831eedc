// What clients may use of the server's memory together, and how many of their commands run at once. The parts of --memory
// are in server/memory_plan.h. Thread-safe.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>

#include "base/memory_budget.h"

namespace drover::sandbox {

struct MemoryPools {
  MemoryPools() = default;  // without limits
  struct Limits {
    std::size_t request_bytes, reply_bytes, work_bytes, document_bytes, running_commands;
  };
  // `process`, where there is one, is asked before any of them grows.
  explicit MemoryPools(const Limits& limits, ResidentLimit* process = nullptr)
      : requests(limits.request_bytes, process),
        replies(limits.reply_bytes, process),
        work(limits.work_bytes, process),
        documents(limits.document_bytes, process),
        running(limits.running_commands, process) {}

  MemoryBudget requests;  // messages that arrive or are being worked on
  MemoryBudget replies;   // that are made, or wait for their client to read them
  MemoryBudget work;      // what sorts, groups and other blocking stages have gathered, and open transactions have written
  MemoryBudget documents;  // large ones in the hands of running commands
  Admission running;      // reads and writes of data
};

// A reply is counted at so many times its documents: they are copied once when it is finished.
inline constexpr std::size_t kReplyCopies = 2;
// What a reply has beside its documents: names, cursor, times. Room for it is made at once, or a large reply would be copied for it.
inline constexpr std::size_t kReplyFrameBytes = 2048;
// An open cursor is counted with so much, and with its command several times: what that was parsed into.
inline constexpr std::size_t kCursorBytes = 8 << 10;
inline constexpr std::size_t kCursorCommandCopies = 4;
// So much of what it keeps for its next batch is among them.
inline constexpr std::size_t kUncountedKeptBytes = 4 << 10;
// So much of a reply belongs to its connection and is not counted.
inline constexpr std::size_t kUncountedReplyBytes = 16 << 10;

// A running command's place among those that run at once, and the memory for the documents that it will have in hand, in the order of
// asking. It has neither while it waits for something that another command has to bring about, or all could be taken by such as wait.
// The memory comes first: who waits for it has no place, so that commands on other collections run, and who waits for a place waits for
// such as have all that they need.
class RunningPlace {
 public:
  enum class Kind { kOneOfThem, kBesideThem };  // statements of transactions are not counted among those that run

  RunningPlace() = default;
  ~RunningPlace() { leave(); }
  RunningPlace(const RunningPlace&) = delete;
  RunningPlace& operator=(const RunningPlace&) = delete;

  // False: stopped, or not within `patience`.
  bool enter(MemoryPools& pools, Kind kind, std::size_t document_bytes, const std::stop_token& stop, std::chrono::nanoseconds patience) {
    admission_ = kind == Kind::kOneOfThem ? &pools.running : nullptr;
    documents_ = MemoryShare(&pools.documents);
    document_bytes_ = document_bytes;
    return enter_again(stop, patience);
  }
  void leave() {
    documents_.release();
    if (inside_ && admission_ != nullptr) admission_->leave();
    inside_ = false;
  }
  // Runs `wait` without the place. When the command is stopped meanwhile, or its time is over (`patience()`, asked when it comes back), it
  // ends without having it again.
  template <typename Patience, typename Wait>
  auto without(const std::stop_token& stop, Patience&& patience, Wait&& wait) {
    struct Return {
      RunningPlace& place;
      const std::stop_token& stop;
      Patience& patience;
      bool had;
      ~Return() {
        if (had) place.enter_again(stop, patience());
      }
    } const back{*this, stop, patience, inside_};
    leave();
    return wait();
  }

 private:
  bool enter_again(const std::stop_token& stop, std::chrono::nanoseconds patience) {
    const auto began = std::chrono::steady_clock::now();
    if (document_bytes_ != 0 && !documents_.take(document_bytes_, stop, patience)) return false;
    if (patience != kNoTimeout) patience -= std::min<std::chrono::nanoseconds>(patience, std::chrono::steady_clock::now() - began);
    inside_ = admission_ == nullptr || admission_->enter(stop, patience);
    if (!inside_) documents_.release();
    return inside_;
  }

  Admission* admission_ = nullptr;
  bool inside_ = false;
  MemoryShare documents_;
  std::size_t document_bytes_ = 0;
};

}  // namespace drover::sandbox
