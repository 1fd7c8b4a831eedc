#include <cerrno>
#include <cstring>

#include <fmt/core.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/socket.h"
#include "net/wait.h"

namespace drover::net {

namespace {

class PlainSocket final : public Socket {
 public:
  explicit PlainSocket(int descriptor) : descriptor_(descriptor) { prepare_stream(descriptor); }
  ~PlainSocket() override { ::close(descriptor_); }

  ReadEnd read_exact(std::span<std::uint8_t> out, std::chrono::milliseconds timeout) override {
    const Deadline deadline(timeout);
    std::size_t done = 0;
    while (done < out.size()) {
      const auto n = ::recv(descriptor_, out.data() + done, out.size() - done, MSG_DONTWAIT);
      if (n > 0) {
        done += static_cast<std::size_t>(n);
      } else if (n == 0) {
        return done == 0 ? ReadEnd::kClosed : ReadEnd::kCut;
      } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
        if (!wait_ready(descriptor_, POLLIN, deadline, patience_)) return ReadEnd::kTimedOut;
      } else if (errno != EINTR) {
        return done == 0 ? ReadEnd::kClosed : ReadEnd::kCut;
      }
    }
    return ReadEnd::kFull;
  }

  Status write_all(std::span<const std::uint8_t> data, std::chrono::milliseconds timeout) override {
    const Deadline deadline(timeout);
    while (!data.empty()) {
      const auto n = ::send(descriptor_, data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (n >= 0) {
        data = data.subspan(static_cast<std::size_t>(n));
      } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
        if (!wait_ready(descriptor_, POLLOUT, deadline, patience_)) {
          return fail(ErrorCode::kTimedOut, "writing to a connection: the peer does not read");
        }
      } else if (errno != EINTR) {
        return fail(ErrorCode::kFailure, fmt::format("writing to a connection: {}", std::strerror(errno)));
      }
    }
    return {};
  }

  void shut_down() override { ::shutdown(descriptor_, SHUT_RDWR); }
  bool peer_gone() const override { return peer_has_closed(descriptor_); }

 private:
  const int descriptor_;
};

}  // namespace

std::unique_ptr<Socket> make_plain_socket(int descriptor) { return std::make_unique<PlainSocket>(descriptor); }

void prepare_stream(int descriptor) {
  const int on = 1;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  const int idle_seconds = 120;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, &idle_seconds, sizeof idle_seconds);
}

bool wait_ready(int descriptor, short events, const Deadline& deadline, const Patience& patience) {
  constexpr int kAskEvery = 1000;
  const auto began = std::chrono::steady_clock::now();
  for (;;) {
    pollfd entry{descriptor, events, 0};
    const int left = deadline.poll_millis();
    const bool asks = patience && left > kAskEvery;  // what has no deadline needs no patience
    const int ready = ::poll(&entry, 1, asks ? kAskEvery : left);
    if (ready > 0) return true;
    if (ready == 0) {
      if (!asks || !patience(std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - began))) return false;
    } else if (errno != EINTR) {
      return true;  // the following call reports it
    }
  }
}

bool peer_has_closed(int descriptor) {
  pollfd entry{descriptor, POLLRDHUP, 0};
  return ::poll(&entry, 1, 0) > 0 && (entry.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

}  // namespace drover::net
