// Serves HTTP/1.1 to many connections on few threads. Handlers run on threads of their own and may block.
//
// Whatever a client sends: a request that is not HTTP gets 400, one whose head or body is too large 431 or 413, each with a JSON
// error object; one that does not arrive whole in time is closed; nothing of it reaches the handler, and other connections do not notice. When
// there are too many connections, one that asks for nothing makes room for the new one (admission.h).
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/log.h"
#include "net/http_message.h"

namespace drover::net {

inline constexpr std::size_t kMaxHttpHeadBytes = 16 << 10;
inline constexpr std::size_t kMaxHttpBodyBytes = 1 << 20;
inline constexpr std::size_t kMaxHttpConnections = 512;
inline constexpr std::chrono::seconds kHttpRequestTimeout{20};  // a handshake; a first request to begin; one from first byte to last
inline constexpr std::chrono::seconds kHttpIdleTimeout{60};     // between two requests of a connection
inline constexpr std::chrono::seconds kHttpReplyTimeout{30};    // for the client to read an answer

class HttpServer {
 public:
  // Thread-safe; must not throw. Called on one of `handlers` threads, or of two for what never waits.
  using Handler = std::function<HttpResponse(const HttpRequest&)>;
  struct Options {
    std::string bind_ip = "127.0.0.1";  // several with commas
    int port = 0;                       // 0: the system chooses, see port()
    int handlers = 8;
    // Requests whose handler waits for nobody: they have threads of their own, so that those that wait, all `handlers` of them, hold them up not at all. Unset: none.
    std::function<bool(const HttpRequest&)> never_waits;
    std::size_t max_connections = kMaxHttpConnections;
    std::size_t max_body_bytes = kMaxHttpBodyBytes;
    // A PEM file with certificate and key; empty: plain HTTP. With `tls_ca_file` clients must show a certificate of it.
    std::string tls_certificate_key_file;
    std::string tls_ca_file;
  };

  virtual ~HttpServer() = default;  // stops
  // Listens when it returns; serves from then on.
  static Result<std::unique_ptr<HttpServer>> start(const Options& options, Handler handler, Log& log);
  virtual int port() const = 0;
  // Closes all connections; returns when no handler runs any more.
  virtual void stop() = 0;
};

}  // namespace drover::net
