// A connected stream socket, plain or TLS, with deadlines. One thread reads and writes; any thread may `shut_down`, which
// makes both return at once. Not for event loops: the wire server gives each connection its thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/error.h"

namespace drover::net {

enum class ReadEnd {
  kFull,     // every byte came
  kClosed,   // the peer closed before the first byte
  kCut,      // the peer closed, or the connection failed, in the middle
  kTimedOut
};

// Whether to go on waiting for a peer that has neither sent nor taken a byte for so long. Asked about once a second; none:
// until the deadline.
using Patience = std::function<bool(std::chrono::milliseconds)>;

class Socket {
 public:
  virtual ~Socket() = default;
  // For the reads and writes with a timeout that follow.
  void set_patience(Patience patience) { patience_ = std::move(patience); }
  // Fills `out`. A zero timeout waits for the first byte without limit.
  virtual ReadEnd read_exact(std::span<std::uint8_t> out, std::chrono::milliseconds timeout) = 0;
  virtual Status write_all(std::span<const std::uint8_t> data, std::chrono::milliseconds timeout) = 0;
  // Thread-safe. Idempotent.
  virtual void shut_down() = 0;
  // The peer has closed its end. Thread-safe, does not block, consumes nothing.
  virtual bool peer_gone() const = 0;

 protected:
  Patience patience_;
};

// Takes the descriptor.
std::unique_ptr<Socket> make_plain_socket(int descriptor);

struct TlsOptions {
  std::string certificate_key_file;  // PEM with certificate and private key
  std::string ca_file;               // when set, clients' certificates are verified against it
  bool require_client_certificate = false;
};

struct CertificateFacts {
  std::string subject;       // RFC 2253
  std::int64_t expires = 0;  // seconds since 1970
};

// What a listener needs to speak TLS. Shared by all connections. Thread-safe.
class TlsContext {
 public:
  virtual ~TlsContext() = default;
  static Result<std::shared_ptr<TlsContext>> open(const TlsOptions& options);
  // The handshake as a server. Takes the descriptor, whatever the outcome.
  virtual Result<std::unique_ptr<Socket>> accept(int descriptor, std::chrono::milliseconds timeout) = 0;
  // RFC 2253 subject of the peer's certificate; empty without one.
  virtual std::string peer_subject(const Socket& socket) const = 0;
  virtual CertificateFacts own_certificate() const = 0;
};

}  // namespace drover::net
