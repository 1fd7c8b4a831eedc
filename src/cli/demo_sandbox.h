// One of the demo's two embedded servers: a child process with authorization on, and its two users.
#pragma once

#include <stop_token>
#include <string>

#include "base/error.h"
#include "base/runtime.h"
#include "cli/child_process.h"
#include "cli/demo_directory.h"

namespace drover::cli {

class DemoSandbox {
 public:
  // Starts it and waits until it accepts connections. `name` is the replica set's and that of its
  // files; `program` is drover's path.
  static Result<DemoSandbox> start(const DemoDirectory& directory, const std::string& name, const std::string& version,
                                   Runtime& runtime, const std::stop_token& stop, const std::string& program);

  // The engine's user may bypass a write block, the workload's may not.
  const std::string& engine_uri() const { return engine_uri_; }
  const std::string& workload_uri() const { return workload_uri_; }
  bool running() { return process_.running(); }
  pid_t pid() const { return process_.pid(); }
  const std::string& log() const { return log_; }
  ChildProcess& process() { return process_; }

 private:
  DemoSandbox(ChildProcess process, std::string log) : process_(std::move(process)), log_(std::move(log)) {}
  Status create_users(Runtime& runtime, const std::string& host, const std::string& set, const std::stop_token& stop);

  ChildProcess process_;
  std::string log_;
  std::string engine_uri_;
  std::string workload_uri_;
};

}  // namespace drover::cli
