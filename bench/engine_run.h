// The engine under measurement: `drover migrate` as a child process. It copies, then follows; it is held still while
// changes are made on the source, so that what is measured afterwards is its applying alone.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/json.h"
#include "cli/child_process.h"
#include "cli/demo_directory.h"

namespace drover::bench {

class EngineRun {
 public:
  // `include`: the one collection to migrate.
  static Result<EngineRun> start(const cli::DemoDirectory& directory, const std::string& source, const std::string& destination,
                                 const std::string& include);

  // Waits until everything is copied and the lag is gone. Seconds from when the copy was laid out to when all is copied.
  Result<double> await_copy();
  void hold();      // SIGSTOP
  void go_on();     // SIGCONT
  // Waits until so many change events are applied since the beginning; an error when none is for a minute.
  Status await_events(std::int64_t count);
  std::int64_t events() const { return events_; }
  pid_t pid() const { return process_.pid(); }
  void end() { process_.stop(std::chrono::seconds(20)); }

 private:
  using Clock = std::chrono::steady_clock;
  EngineRun(cli::ChildProcess process, std::string log, std::string errors)
      : process_(std::move(process)), log_(std::move(log)), errors_(std::move(errors)) {}
  Status look();  // waits a moment, then reads the newest progress from the log

  cli::ChildProcess process_;
  std::string log_, errors_;
  std::streamoff read_ = 0;
  std::string partial_;
  std::string phase_;
  std::int64_t events_ = 0;
  std::optional<Clock::time_point> laid_out_, copied_;
};

// `drover migrate --cleanup`: lifts what a migration has blocked on the destination, and removes its state.
Status clean_up(const cli::DemoDirectory& directory);

}  // namespace drover::bench
