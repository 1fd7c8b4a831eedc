// `drover sync` for one job: a process of its own session that outlives the agent. A new agent finds it by its pid file, which
// the process writes itself before it becomes the engine, and by its command line, so that a number used again is no mistake.
//
// In the job's directory: sync.yaml (its configuration: no secret stands on a command line), pid, port (its HTTP API on
// loopback), log/ (its log), output (what it printed).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/error.h"

namespace drover::agent {

struct EngineSettings {
  std::string program;      // this one
  std::string directory;    // the job's
  std::string source_uri;
  std::string destination_uri;
  int lifeline = -1;        // it dies when the other end of this pipe is closed; -1: it outlives who started it
};

class EngineProcess {
 public:
  explicit EngineProcess(EngineSettings settings) : settings_(std::move(settings)) {}

  // Whether it runs, whoever started it.
  bool running() const { return pid().has_value(); }
  std::optional<pid_t> pid() const;
  // Its HTTP API's port, once it listens.
  std::optional<int> port() const;
  // Only while none runs. What went before is removed first: port and output.
  // `job`: the only one whose state on the destination it may go on with; empty: any.
  Status start(const std::string& job) const;
  void ask_to_end() const;  // SIGTERM; it stops safely
  void kill() const;        // SIGKILL

  // Why the last one ended by itself: its own last words, with its exit code where it said one. Nothing when it said none (it
  // was killed, or never began).
  struct LastWords {
    std::string error;
    int exit_code = 0;    // 0: not said
    int server_code = 0;
    bool local_disk = false;  // base/local_disk.h
  };
  std::optional<LastWords> last_words() const;

  std::string log_path() const { return settings_.directory + "/log/mongosync.log"; }

 private:
  std::string config_path() const { return settings_.directory + "/sync.yaml"; }
  std::string pid_path() const { return settings_.directory + "/pid"; }
  std::string port_path() const { return settings_.directory + "/port"; }

  EngineSettings settings_;
};

inline constexpr std::chrono::seconds kProgramFarewell{10};  // of a program that is asked to end; then it is killed

// Runs a program to its end, at most so long: its exit code. What it says is in `output`. kTemporary: it took longer, and was killed. A stop is handed
// on to it as SIGTERM, and it is gone when the call returns: kInterrupted, unless it had come to its end all the same.
Result<int> run_to_end(const std::vector<std::string>& arguments, std::chrono::seconds limit, const std::string& output, const std::stop_token& stop);

}  // namespace drover::agent
