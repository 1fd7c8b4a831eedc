// The server's side of one process that runs scripts (host_main.h). One thread at a time. Killed and reaped when this object goes: nothing
// that a script does can keep it. What it answers is not trusted (reply.h): another form than the request's ends it.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/error.h"
#include "bson/document.h"

namespace drover::sandbox::script {

class HostProcess {
 public:
  // Asked every few milliseconds while scripts run, long or many short ones: an error is what the operation fails with.
  using Check = std::function<Status()>;

  // `program` is started again; "/proc/self/exe" is this one.
  static Result<std::unique_ptr<HostProcess>> start(const std::string& program, std::size_t heap_bytes);
  ~HostProcess();
  HostProcess(const HostProcess&) = delete;
  HostProcess& operator=(const HostProcess&) = delete;

  // The reply to `request` (protocol.h). After an interruption, and after a failure that is the process's, it is not usable any more.
  Result<bson::Document> ask(bson::View request, const Check& check);
  // Without a reply.
  void tell(bson::View request);
  bool usable() const { return usable_; }
  pid_t pid() const { return pid_; }
  // How it failed, for the log: "signal 11", "exit code 1", or what was wrong with its reply. Empty: it did not.
  const std::string& failure() const { return failure_; }

 private:
  HostProcess(pid_t pid, int socket) : pid_(pid), socket_(socket) {}
  Status send(bson::View message, const Check& check);
  Result<std::vector<std::uint8_t>> receive(const Check& check);
  Status receive(void* into, std::size_t size, const Check& check);
  Status wait_for(short events, const Check& check);
  tl::unexpected<Error> lost();
  tl::unexpected<Error> wrong(const char* what);
  void reap(std::chrono::milliseconds patience);

  pid_t pid_;
  int socket_;
  bool usable_ = true;
  bool reaped_ = false;
  std::chrono::steady_clock::time_point checked_{};
  std::string failure_;
};

}  // namespace drover::sandbox::script
