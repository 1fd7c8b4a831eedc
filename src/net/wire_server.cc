#include "net/wire_server.h"

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <thread>
#include <unordered_map>

#include <fmt/core.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace drover::net {

namespace {

class ThreadedServer final : public WireServer {
 public:
  ThreadedServer(const Options& options, Accept accept, Log& log, std::vector<Listener> listeners)
      : options_(options), accept_(std::move(accept)), log_(log), listeners_(std::move(listeners)) {}
  ~ThreadedServer() override { stop(); }

  void serve() {
    wake_ = ::eventfd(0, EFD_CLOEXEC);
    acceptor_ = std::jthread([this](std::stop_token stop) { accept_loop(stop); });
  }
  int port() const override { return listeners_.front().port(); }
  std::size_t connections() const override {
    std::lock_guard lock(mutex_);
    return live_.size();
  }
  std::int64_t total_accepted() const override { return next_id_ - 1; }

  void stop() override {
    if (!acceptor_.joinable()) return;
    acceptor_.request_stop();
    const std::uint64_t one = 1;
    if (::write(wake_, &one, sizeof one) < 0) log_.warn("waking the acceptor failed");
    acceptor_.join();
    listeners_.clear();
    std::unique_lock lock(mutex_);
    for (auto& [id, connection] : live_) {
      connection->stop.request_stop();
      // Still in its handshake: the descriptor is all there is to wake it by.
      connection->socket ? connection->socket->shut_down() : void(::shutdown(connection->descriptor, SHUT_RDWR));
    }
    ended_.wait(lock, [this] { return live_.empty(); });
    ::close(wake_);
  }

 private:
  struct Connection {
    ThreadedServer* server;
    std::int64_t id;
    int descriptor;
    PeerName peer;
    std::stop_source stop;
    std::unique_ptr<Socket> socket;  // set by its thread, under mutex_
  };

  void accept_loop(std::stop_token stop) {
    std::vector<pollfd> entries;
    for (auto& listener : listeners_) entries.push_back({listener.descriptor(), POLLIN, 0});
    entries.push_back({wake_, POLLIN, 0});
    while (!stop.stop_requested()) {
      if (::poll(entries.data(), entries.size(), -1) < 0) continue;
      for (std::size_t i = 0; i < listeners_.size(); ++i) {
        if (entries[i].revents != 0) accept_one(listeners_[i]);
      }
    }
  }

  void accept_one(Listener& listener) {
    PeerName peer;
    const int descriptor = listener.accept(peer);
    if (descriptor < 0) {
      if (errno == EMFILE || errno == ENFILE) {
        log_.warn("a connection could not be accepted: out of file descriptors");
        ::poll(nullptr, 0, 50);  // else this loop would spin: the connection stays pending
      }
      return;
    }
    auto connection = std::make_unique<Connection>();
    connection->server = this;
    connection->id = next_id_++;
    connection->descriptor = descriptor;
    connection->peer = peer;
    auto* raw = connection.get();
    {
      std::lock_guard lock(mutex_);
      if (live_.size() >= options_.max_connections) {
        ::close(descriptor);
        log_.warn("connection refused: too many open connections",
                  {{"peer", peer.remote}, {"limit", static_cast<std::int64_t>(options_.max_connections)}});
        return;
      }
      live_.emplace(raw->id, std::move(connection));
    }
    if (!start_thread(raw)) {
      log_.warn("connection refused: no thread for it", {{"peer", peer.remote}});
      ::close(descriptor);
      forget(raw->id);
    }
  }

  static bool start_thread(Connection* connection) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, kConnectionStackBytes);
    pthread_t thread;
    const int failed = pthread_create(
        &thread, &attributes,
        [](void* argument) -> void* {
          auto* self = static_cast<Connection*>(argument);
          pthread_setname_np(pthread_self(), fmt::format("conn{}", self->id).c_str());
          self->server->run(*self);
          self->server->forget(self->id);
          return nullptr;
        },
        connection);
    pthread_attr_destroy(&attributes);
    return failed == 0;
  }

  void forget(std::int64_t id) {
    std::unique_ptr<Connection> ended;
    std::lock_guard lock(mutex_);
    ended = std::move(live_.at(id));
    live_.erase(id);
    ended.reset();
    ended_.notify_all();
  }

  void run(Connection& connection) {
    auto socket = open_socket(connection);
    if (!socket) {
      log_.info("connection ended", {{"peer", connection.peer.remote}, {"reason", socket.error().message}});
      return;
    }
    auto* stream = socket->get();
    {
      std::lock_guard lock(mutex_);
      connection.socket = std::move(*socket);
      stream->set_patience([this](std::chrono::milliseconds stalled) { return stalled < kShortPatience || !is_short(); });
      if (connection.stop.stop_requested()) return;
    }
    ConnectionInfo info{.id = connection.id,
                        .peer = connection.peer.remote,
                        .local = connection.peer.local,
                        .loopback = connection.peer.loopback,
                        .tls_subject = options_.tls ? options_.tls->peer_subject(*stream) : std::string(),
                        .stop = connection.stop.get_token(),
                        .peer_gone = [stream] { return stream->peer_gone(); }};
    auto session = accept_(std::move(info));
    if (session) converse(connection, *stream, *session);
    stream->shut_down();
  }

  bool is_short() const {
    return (options_.request_memory && options_.request_memory->is_short()) || (options_.reply_memory && options_.reply_memory->is_short());
  }

  Result<std::unique_ptr<Socket>> open_socket(Connection& connection) {
    if (options_.tls && (options_.tls_required || speaks_tls(connection.descriptor))) {
      return options_.tls->accept(connection.descriptor, kFrameTimeout);
    }
    return make_plain_socket(connection.descriptor);
  }

  // A TLS client's first byte is 0x16; no frame of a legal size has it with 0x03 behind it.
  static bool speaks_tls(int descriptor) {
    std::uint8_t first[2];
    return ::recv(descriptor, first, sizeof first, MSG_PEEK | MSG_WAITALL) == 2 && first[0] == 0x16 && first[1] == 0x03;
  }

  void converse(Connection& connection, Socket& socket, WireSession& session) {
    std::vector<std::uint8_t> frame;
    MemoryShare memory(options_.request_memory);
    while (!connection.stop.stop_requested() && read_frame(connection, socket, frame, memory)) {
      auto reply = session.handle(frame);
      // Before the reply goes out: its client may take its time.
      if (frame.capacity() > kUncountedFrameBytes) std::vector<std::uint8_t>().swap(frame);
      memory.release();
      for (;;) {
        if (!send(connection, socket, reply) || reply.close) return;
        if (!reply.next_request || connection.stop.stop_requested()) break;
        const auto next = std::move(*reply.next_request);
        reply = WireReply();  // its memory is given back before more is asked for
        reply = session.handle(next);
      }
    }
  }

  bool send(const Connection& connection, Socket& socket, const WireReply& reply) {
    if (!reply.frame) return true;
    auto sent = socket.write_all(*reply.frame, kFrameTimeout);
    if (sent && !reply.rest.empty()) sent = socket.write_all(reply.rest, kFrameTimeout);
    if (!sent && sent.error().code == ErrorCode::kTimedOut) {
      log_.warn("connection closed: its client does not read", {{"peer", connection.peer.remote}});
    }
    return sent.has_value();
  }

  bool read_frame(const Connection& connection, Socket& socket, std::vector<std::uint8_t>& frame, MemoryShare& memory) {
    std::uint8_t header[4];
    auto end = socket.read_exact({header, 1}, std::chrono::milliseconds(0));  // idle: without limit
    if (end != ReadEnd::kFull) return false;
    const auto deadline = std::chrono::steady_clock::now() + kFrameTimeout;
    const auto left = [&] {
      return std::max(std::chrono::milliseconds(1), std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()));
    };
    if (socket.read_exact({header + 1, 3}, left()) != ReadEnd::kFull) return cut(connection);
    std::uint32_t size;
    std::memcpy(&size, header, sizeof size);
    if (size < 16 || size > kMaxWireMessageBytes) {
      log_.warn("connection closed: a message of an impossible size",
                {{"peer", connection.peer.remote}, {"bytes", static_cast<std::int64_t>(size)}});
      return false;
    }
    // Of a large one only the beginning: the rest stays with the client until there is memory for it.
    const bool small = size <= kUncountedFrameBytes;
    frame.assign(header, header + 4);
    frame.resize(small ? size : kCompressedHeaderBytes);
    if (socket.read_exact(std::span(frame).subspan(4), left()) != ReadEnd::kFull) return cut(connection);
    if (is_client_hello(frame)) {
      log_.warn("connection closed: its client speaks TLS, and this server does not", {{"peer", connection.peer.remote}});
      return false;
    }
    const auto counted = (small ? 0 : size) + unpacked_bytes(frame);
    if (counted > 0 && !memory.take(counted, connection.stop.get_token())) return false;
    // Grown as bytes come: a length alone touches no memory.
    frame.reserve(size);
    while (frame.size() < size) {
      const auto have = frame.size();
      const auto chunk = std::min<std::size_t>(size - have, kReadChunkBytes);
      frame.resize(have + chunk);
      if (socket.read_exact({frame.data() + have, chunk}, left()) != ReadEnd::kFull) return cut(connection);
    }
    return true;
  }

  // The first record of TLS, which else would pass for the beginning of a large message: a handshake (0x16, version 3.x) whose first part is a
  // ClientHello (1, version 3.x). No message has those: where the second version stands, what it answers is 0.
  static bool is_client_hello(std::span<const std::uint8_t> frame) {
    return frame.size() > 10 && frame[0] == 0x16 && frame[1] == 0x03 && frame[2] <= 4 && frame[5] == 0x01 && frame[9] == 0x03 && frame[10] <= 4;
  }

  // What a compressed message says it becomes, and is refused if it does not, and as much again while it is unpacked. 0 for a small one.
  static std::size_t unpacked_bytes(std::span<const std::uint8_t> frame) {
    constexpr std::uint32_t kCompressed = 2012;
    if (frame.size() < kCompressedHeaderBytes) return 0;
    std::uint32_t operation, size;
    std::memcpy(&operation, frame.data() + 12, sizeof operation);
    std::memcpy(&size, frame.data() + 20, sizeof size);
    if (operation != kCompressed || size <= kUncountedFrameBytes) return 0;
    return 2 * std::min<std::size_t>(size, kMaxWireMessageBytes);
  }

  bool cut(const Connection& connection) {
    log_.info("connection ended in the middle of a message", {{"peer", connection.peer.remote}});
    return false;
  }

  static constexpr std::size_t kReadChunkBytes = 1 << 20;
  // The header of OP_COMPRESSED: length, id, answered id, operation; original operation, size without compression, compressor.
  static constexpr std::size_t kCompressedHeaderBytes = 25;

  const Options options_;
  const Accept accept_;
  Log& log_;
  std::vector<Listener> listeners_;
  int wake_ = -1;
  std::atomic<std::int64_t> next_id_{1};
  std::jthread acceptor_;

  mutable std::mutex mutex_;
  std::condition_variable ended_;
  std::unordered_map<std::int64_t, std::unique_ptr<Connection>> live_;
};

}  // namespace

Result<std::unique_ptr<WireServer>> WireServer::start(const Options& options, Accept accept, Log& log) {
  return start(options, std::move(accept), log, TRY(listen_on(options.bind_ip, options.port)));
}

std::unique_ptr<WireServer> WireServer::start(const Options& options, Accept accept, Log& log, std::vector<Listener> listeners) {
  auto server = std::make_unique<ThreadedServer>(options, std::move(accept), log, std::move(listeners));
  server->serve();
  return server;
}

}  // namespace drover::net
