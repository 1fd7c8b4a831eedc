// Serves MongoDB wire messages: frames with a little-endian length in front, that length included. A connection has a
// thread of its own, because commands block (getMore waits for data, a write for its turn); their number is bounded.
//
// A WireSession is used by its connection's thread alone. Sessions are destroyed before `stop` returns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "base/memory_budget.h"
#include "net/listener.h"
#include "net/socket.h"

namespace drover::net {

inline constexpr std::size_t kMaxWireMessageBytes = 48'000'000;
inline constexpr std::size_t kMaxWireConnections = 2'000;
// A frame, once begun, must arrive within this; a reply must be read within it.
inline constexpr std::chrono::milliseconds kFrameTimeout = std::chrono::minutes(5);
// While others wait for memory, who has begun a large message or takes a large reply may stand still no longer than this.
inline constexpr std::chrono::milliseconds kShortPatience = std::chrono::seconds(10);
// A frame of at most so many bytes is not counted: it belongs to its connection.
inline constexpr std::size_t kUncountedFrameBytes = 16 << 10;
inline constexpr std::size_t kConnectionStackBytes = 4 << 20;  // address space; deep documents recurse

struct ConnectionInfo {
  std::int64_t id = 0;  // from 1, never reused
  std::string peer;     // "127.0.0.1:51000"
  std::string local;    // "127.0.0.1:27017"
  bool loopback = false;
  std::string tls_subject;           // of the client's certificate
  std::stop_token stop;              // the server stops, or this connection is to end
  std::function<bool()> peer_gone;   // long waits ask this now and then
};

struct WireReply {
  std::optional<std::vector<std::uint8_t>> frame;         // nothing: no answer is due
  std::vector<std::uint8_t> rest;                         // of the frame: a large document is not copied behind its header
  MemoryShare memory;                                     // what the two were counted as; given back when they are sent
  std::optional<std::vector<std::uint8_t>> next_request;  // exhaust: to be handled next, as if the client had sent it
  bool close = false;                                     // after the frame is sent
};

class WireSession {
 public:
  virtual ~WireSession() = default;
  // `frame` is whole, header included, at least 16 bytes.
  virtual WireReply handle(std::span<const std::uint8_t> frame) = 0;
};

class WireServer {
 public:
  using Accept = std::function<std::unique_ptr<WireSession>(ConnectionInfo)>;
  struct Options {
    std::string bind_ip = "127.0.0.1";  // several with commas
    int port = 0;                       // 0: the system chooses, see port()
    std::shared_ptr<TlsContext> tls;    // null: plain
    bool tls_required = true;           // else both are served on one port
    std::size_t max_connections = kMaxWireConnections;
    // Of frames that arrive or are being handled, each with its whole size, and what it becomes when it is compressed; and of replies.
    // Null: without limit.
    MemoryBudget* request_memory = nullptr;
    MemoryBudget* reply_memory = nullptr;
  };

  virtual ~WireServer() = default;  // stops
  // Listens when it returns; serves from then on, on threads of its own.
  static Result<std::unique_ptr<WireServer>> start(const Options& options, Accept accept, Log& log);
  // On what listens already: who connected meanwhile is served now.
  static std::unique_ptr<WireServer> start(const Options& options, Accept accept, Log& log, std::vector<Listener> listeners);
  virtual int port() const = 0;
  virtual std::size_t connections() const = 0;
  virtual std::int64_t total_accepted() const = 0;
  // Ends all connections and joins their threads.
  virtual void stop() = 0;
};

}  // namespace drover::net
