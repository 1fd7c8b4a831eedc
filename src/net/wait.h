// Waiting on a descriptor, shared by the plain and the TLS socket.
#pragma once

#include <algorithm>
#include <chrono>

#include "net/socket.h"

namespace drover::net {

class Deadline {
 public:
  explicit Deadline(std::chrono::milliseconds timeout)
      : limited_(timeout.count() > 0), at_(std::chrono::steady_clock::now() + timeout) {}
  // As poll() takes it: -1 waits without limit.
  int poll_millis() const {
    if (!limited_) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(at_ - std::chrono::steady_clock::now()).count();
    return static_cast<int>(std::clamp<long long>(left, 0, 1 << 30));
  }

 private:
  bool limited_;
  std::chrono::steady_clock::time_point at_;
};

// False when the deadline passed, or `patience` was at its end.
bool wait_ready(int descriptor, short events, const Deadline& deadline, const Patience& patience = {});
bool peer_has_closed(int descriptor);
// No delay, keep-alive.
void prepare_stream(int descriptor);

}  // namespace drover::net
