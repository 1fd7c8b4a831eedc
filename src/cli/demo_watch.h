// What every wait of the demo hangs on: the stop request from outside, and the processes that the demo cannot do without.
// Whichever comes first ends all waits, within a known time, whatever state the servers are in.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/error.h"
#include "base/guarded.h"
#include "base/runtime.h"

namespace drover::cli {

// After a stop request: how long statements under way may still be answered, before calls to deployments are given up.
inline constexpr std::chrono::seconds kCallPatience{5};

class DemoWatch {
 public:
  struct Process {
    std::string what;                          // "the source's server", as it stands in the error
    pid_t pid = 0;
    std::string log;                           // its path; the error quotes the last line
    ErrorCode code = ErrorCode::kFailure;      // when it ends by itself
  };

  DemoWatch(Runtime& runtime, std::stop_token outer);
  DemoWatch(const DemoWatch&) = delete;

  // From now on the end of this child of ours ends the demo. It is not reaped: that stays its owner's.
  void add(Process process);
  // Before its owner ends it.
  void dismiss(pid_t pid);
  void dismiss_all();

  // For all waits.
  std::stop_token stop() const { return stop_.get_token(); }
  // For the calls of the workload, whose outcome counts: at once when a process has ended, kCallPatience after a stop request.
  std::stop_token cut() const { return cut_.get_token(); }
  // The first process that ended by itself.
  std::optional<Error> failure() const { return failure_.copy(); }

 private:
  void look(const std::stop_token& own);
  bool look_at_processes();

  Runtime& runtime_;
  const std::stop_token outer_;
  std::stop_source stop_, cut_;
  Guarded<std::vector<Process>> processes_;
  Guarded<std::optional<Error>> failure_;
  std::unique_ptr<Runtime::Thread> thread_;  // last: it uses the others
};

}  // namespace drover::cli
