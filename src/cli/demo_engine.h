// The engine as the demo sees it: `drover migrate` as a child process, its log followed line by line, and, when that is
// asked for, its sudden deaths. Belongs to the main thread.
#pragma once

#include <cstdint>
#include <fstream>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/runtime.h"
#include "cli/child_process.h"
#include "cli/demo_directory.h"

namespace drover::cli {

inline constexpr std::chrono::seconds kEndPatience{8};

struct EngineKill {
  std::string phase;
  std::int64_t at_ms = 0;  // since the engine was first started
  std::int64_t batches_in_flight = 0;
};

struct DemoEngineOptions {
  std::string source_file;       // connection strings, as files
  std::string destination_file;
  std::vector<std::string> more_arguments;
  bool kill = false;
  bool bars = false;             // on this terminal; else lines on standard error
};

class DemoEngine {
 public:
  static Result<DemoEngine> start(const DemoDirectory& directory, const DemoEngineOptions& options, Runtime& runtime);

  // Looks once: reads the log, kills and restarts when it is time, says commit when the engine is ready. Call it every few
  // milliseconds. True once the engine has ended well; the error it ended with, otherwise.
  Result<bool> step();

  const std::vector<EngineKill>& kills() const { return kills_; }
  const std::string& phase() const { return phase_; }
  double max_lag_seconds() const { return max_lag_; }
  // The newest line of progress in its log; null before the first.
  const Json& last_progress() {
    read_log();
    return progress_;
  }
  // The object that the engine printed at its end.
  Result<Json> result() const;
  // A cutover that is under way is given up in order first.
  ~DemoEngine() {
    if (process_) process_->stop(kEndPatience);
  }
  DemoEngine(DemoEngine&&) noexcept = default;

 private:
  DemoEngine(const DemoDirectory& directory, DemoEngineOptions options, Runtime& runtime)
      : directory_(&directory), options_(std::move(options)), runtime_(&runtime) {}
  Status launch();
  void read_log();
  void take_line(const std::string& line);
  Status maybe_kill();
  bool killed_in(std::string_view phase) const;
  bool kills_pending_before_commit() const;
  std::int64_t elapsed_ms() const;

  const DemoDirectory* directory_;
  DemoEngineOptions options_;
  Runtime* runtime_;
  std::optional<ChildProcess> process_;
  std::ifstream log_;
  std::string partial_;
  SteadyTime started_{};
  Json progress_;
  std::string phase_;
  std::int64_t batches_ = 0;
  bool can_commit_ = false;
  bool committed_said_ = false;
  bool armed_ = false;               // this process dies by itself in the cutover
  std::optional<SteadyTime> ready_since_;
  std::optional<SteadyTime> kill_at_;
  double max_lag_ = 0;
  std::vector<EngineKill> kills_;
};

}  // namespace drover::cli
