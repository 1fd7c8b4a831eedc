// A program started by this one, which does not outlive it: it is stopped when this object goes, and killed by the kernel
// when this process dies. Its process group is its own, so that Ctrl-C reaches only the parent, which then stops it in order.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "base/error.h"

namespace drover::cli {

struct ChildOptions {
  std::vector<std::string> arguments;  // the program's path first
  std::vector<std::pair<std::string, std::string>> environment;  // besides the parent's
  std::string directory;               // in which it starts; empty: the parent's
  bool pipe_input = false;             // else standard input is empty
  std::string output;                  // file for standard output; empty: the parent's
  std::string errors;                  // file for standard error, appended; empty: the parent's
};

class ChildProcess {
 public:
  // From the main thread: the kernel kills the child when the thread that started it ends.
  static Result<ChildProcess> start(const ChildOptions& options);
  ~ChildProcess();
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;

  bool running();                      // reaps it when it has ended
  std::optional<int> exit_code();      // 128 + signal when a signal ended it; nothing while it runs
  void ask_to_end();                   // SIGTERM; does not wait
  void kill_now();                     // SIGKILL, and waits
  void stop(std::chrono::milliseconds patience);  // SIGTERM, then SIGKILL, and waits
  void write_line(std::string_view line);         // to its standard input
  pid_t pid() const { return pid_; }

 private:
  ChildProcess(pid_t pid, int input) : pid_(pid), input_(input) {}
  void close_input();

  pid_t pid_ = -1;
  int input_ = -1;
  std::optional<int> status_;
};

// All at the same time: SIGTERM, then SIGKILL for those that are left. Null pointers are none.
void stop_all(std::span<ChildProcess* const> processes, std::chrono::milliseconds patience);

// The path of the running program.
std::string own_program();

}  // namespace drover::cli
