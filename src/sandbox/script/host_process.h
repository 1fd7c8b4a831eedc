// The server's side of one process that runs scripts (host_main.h). One thread at a time. Killed and reaped when this object goes: nothing
// that a script does can keep it.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include <sys/types.h>

#include "base/error.h"
#include "bson/document.h"

namespace drover::sandbox::script {

class HostProcess {
 public:
  // Asked every few milliseconds while a script runs: an error is what the operation fails with.
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

 private:
  HostProcess(pid_t pid, int socket) : pid_(pid), socket_(socket) {}
  Status send(bson::View message, const Check& check);
  Status receive(void* into, std::size_t size, const Check& check);
  Status wait_for(short events, const Check& check);
  tl::unexpected<Error> lost();

  pid_t pid_;
  int socket_;
  bool usable_ = true;
};

}  // namespace drover::sandbox::script
