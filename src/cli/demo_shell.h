// The demo as a person at terminals: each step is printed as it would be typed, that very text is run by sh, and what it said
// is shown, shortened. `drover` in it is this program. Belongs to the main thread; prints on standard error.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/runtime.h"
#include "cli/child_process.h"
#include "cli/demo_directory.h"
#include "cli/demo_watch.h"

namespace drover::cli {

inline constexpr std::chrono::seconds kStepLimit{120};  // for a step that names none

class DemoShell {
 public:
  // Whose terminal it is: what stands in front of the $, and what was exported there.
  struct Terminal {
    std::string name;
    std::vector<std::pair<std::string, std::string>> exported;
  };
  struct Step {
    int stage = 0;  // 0: before the first
    std::string terminal, command;
    double seconds = 0;
    int exit_code = 0;
  };
  struct Run {
    std::chrono::seconds limit = kStepLimit;
    std::size_t shown_lines = 8;
    bool quiet = false;  // a look that is repeated: neither printed nor counted as a step
    // Each line of its output as it comes, instead of being shown at the end.
    std::function<void(const std::string&)> on_line;
  };

  DemoShell(const DemoDirectory& directory, DemoWatch& watch, Runtime& runtime, bool colour);

  // Looked at during all waits from now on; an error ends them.
  void look_at(std::function<Status()> healthy) { healthy_ = std::move(healthy); }
  // Early with the reason when the demo is to stop.
  Status sleep(Duration duration);

  void heading(int stage, const std::string& text);
  void say(const std::string& text);
  // A step that is done otherwise than by sh: only printed, and counted.
  void show(const Terminal& terminal, const std::string& command);
  // What it printed on standard output, once it has ended with 0; its own words otherwise, with the meaning of its exit code.
  Result<std::string> run(const Terminal& terminal, const std::string& command, const Run& options);
  Result<std::string> run(const Terminal& terminal, const std::string& command) { return run(terminal, command, {}); }
  // In the background. What it says is lost where the command does not send it to a file.
  Result<ChildProcess> start(const Terminal& terminal, const std::string& command);

  const std::vector<Step>& steps() const { return steps_; }

 private:
  void prompt(const Terminal& terminal, const std::string& command) const;
  void show_output(const std::string& text, std::size_t most) const;
  ChildOptions options_of(const Terminal& terminal, const std::string& command) const;
  std::string paint(const char* code, const std::string& text) const;

  const DemoDirectory& directory_;
  DemoWatch& watch_;
  Runtime& runtime_;
  const bool colour_;
  std::function<Status()> healthy_;
  int stage_ = 0;
  std::vector<Step> steps_;
};

}  // namespace drover::cli
