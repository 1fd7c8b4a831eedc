#include "net/listener.h"

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <fmt/core.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace drover::net {

namespace {

constexpr int kBacklog = 4096;

struct Name {
  std::string text;
  int port = 0;
  bool loopback = false;
};

Name name_of(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    ::inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    const int port = ntohs(v4.sin_port);
    return {fmt::format("{}:{}", text, port), port, (ntohl(v4.sin_addr.s_addr) >> 24) == 127};
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
  ::inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
  const int port = ntohs(v6.sin6_port);
  return {fmt::format("[{}]:{}", text, port), port, IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr) != 0};
}

Result<Listener> listen_at(const std::string& host, const addrinfo& address, int port) {
  const int descriptor = ::socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return fail(ErrorCode::kFailure, fmt::format("listening on {}: {}", host, std::strerror(errno)));
  const int on = 1;
  ::setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address.ai_family == AF_INET6) ::setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (::bind(descriptor, address.ai_addr, address.ai_addrlen) != 0 || ::listen(descriptor, kBacklog) != 0) {
    const int reason = errno;
    ::close(descriptor);
    const char* advice = reason == EADDRINUSE ? "; another process listens there: choose another --port, or stop it" : "";
    return fail(ErrorCode::kFailure,
                fmt::format("listening on {}:{}: {}{}", host, port, std::strerror(reason), advice));
  }
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&bound), &size);
  return Listener(descriptor, name_of(bound).port);
}

}  // namespace

Listener::~Listener() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

int Listener::accept(PeerName& peer) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  const int descriptor = ::accept4(descriptor_, reinterpret_cast<sockaddr*>(&address), &size, SOCK_CLOEXEC);
  if (descriptor < 0) return descriptor;
  const auto remote = name_of(address);
  peer.remote = remote.text;
  peer.loopback = remote.loopback;
  size = sizeof address;
  ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size);
  peer.local = name_of(address).text;
  return descriptor;
}

Result<std::vector<Listener>> listen_on(const std::string& addresses, int port) {
  std::vector<Listener> listeners;
  std::size_t begin = 0;
  while (begin <= addresses.size()) {
    const auto comma = std::min(addresses.find(',', begin), addresses.size());
    const auto host = addresses.substr(begin, comma - begin);
    begin = comma + 1;
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE;
    addrinfo* found = nullptr;
    const int chosen = listeners.empty() ? port : listeners.front().port();
    int failed = ::getaddrinfo(host.c_str(), std::to_string(chosen).c_str(), &hints, &found);
    // It is the loopback even where no hosts file says so (RFC 6761).
    if (failed != 0 && host == "localhost") failed = ::getaddrinfo("127.0.0.1", std::to_string(chosen).c_str(), &hints, &found);
    if (failed != 0) {
      return fail(ErrorCode::kUsage, fmt::format("listening on {}: {}", host, ::gai_strerror(failed)));
    }
    auto listener = listen_at(host, *found, chosen);
    ::freeaddrinfo(found);
    if (!listener) return tl::unexpected(std::move(listener).error());
    listeners.push_back(std::move(*listener));
  }
  return listeners;
}

}  // namespace drover::net
