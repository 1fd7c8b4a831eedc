// Listening TCP sockets, IPv4 and IPv6.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/error.h"

namespace drover::net {

struct PeerName {
  std::string remote;
  std::string local;
  bool loopback = false;
};

class Listener {
 public:
  Listener(int descriptor, int port) : descriptor_(descriptor), port_(port) {}
  Listener(Listener&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)), port_(other.port_) {}
  Listener& operator=(Listener&&) = delete;
  ~Listener();
  int descriptor() const { return descriptor_; }
  int port() const { return port_; }
  // A connection waiting, or -1 with errno. Does not block.
  int accept(PeerName& peer);

 private:
  int descriptor_;
  int port_;
};

// One for each address of a comma-separated list ("localhost" included, "0.0.0.0" for all). With port 0 the first
// chooses the port for all. A busy port is an error that names it.
Result<std::vector<Listener>> listen_on(const std::string& addresses, int port);

}  // namespace drover::net
