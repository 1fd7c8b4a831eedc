// A server of scripted answers on a loopback port: what it sends need be no reply, no BSON, nothing at all. It handles handshakes and
// monitoring as the primary of a set unless the script does. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "bson/document.h"

namespace drover::testing {

using Bytes = std::vector<std::uint8_t>;

class StubServer {
 public:
  // Called on threads of the server's until that ends: what it refers to outlives the server.
  // The bytes of the reply's document, sent as they are in a frame that fits; nothing: {ok: 1}, or the handshake of a primary.
  using Script = std::function<std::optional<Bytes>(std::string_view name, bson::View command)>;

  StubServer();
  ~StubServer();
  StubServer(const StubServer&) = delete;

  void answer(Script script);
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  std::string uri(std::string_view more = "") const;
  // What it says to a handshake, for a script that changes it.
  bson::Document hello() const;
  // How often it was asked for that.
  int count(std::string_view name) const;

 private:
  void serve(int socket);
  Bytes reply_to(std::span<const std::uint8_t> message);

  int port_ = 0;
  int listener_ = -1;
  std::atomic<bool> ends_ = false;
  mutable std::mutex mutex_;
  Script script_;
  std::vector<std::string> asked_;
  std::vector<int> sockets_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

}  // namespace drover::testing
