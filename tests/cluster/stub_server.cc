#include "stub_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "bson/builder.h"

namespace drover::testing {
namespace {

constexpr std::int32_t kReply = 1, kQuery = 2004, kMessage = 2013;

void put(Bytes& bytes, std::int32_t value) {
  const auto* from = reinterpret_cast<const std::uint8_t*>(&value);
  bytes.insert(bytes.end(), from, from + sizeof value);
}

std::int32_t int_at(std::span<const std::uint8_t> bytes, std::size_t at) {
  std::int32_t value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

bool receive(int socket, std::span<std::uint8_t> into) {
  while (!into.empty()) {
    const auto got = ::recv(socket, into.data(), into.size(), 0);
    if (got <= 0) return false;
    into = into.subspan(static_cast<std::size_t>(got));
  }
  return true;
}

}  // namespace

StubServer::StubServer() : listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  CHECK(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0 && ::listen(listener_, 64) == 0 &&
            ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0,
        "a free port");
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] {
    for (;;) {
      const int socket = ::accept(listener_, nullptr, nullptr);
      if (socket < 0) return;
      std::lock_guard lock(mutex_);
      if (ends_) {
        ::close(socket);
        return;
      }
      sockets_.push_back(socket);
      threads_.emplace_back([this, socket] { serve(socket); });
    }
  });
}

StubServer::~StubServer() {
  ends_ = true;
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  ::close(listener_);
  for (const int socket : sockets_) ::shutdown(socket, SHUT_RDWR);
  for (auto& thread : threads_) thread.join();
  for (const int socket : sockets_) ::close(socket);
}

void StubServer::answer(Script script) {
  std::lock_guard lock(mutex_);
  script_ = std::move(script);
}

std::string StubServer::uri(std::string_view more) const { return "mongodb://" + address() + "/?serverSelectionTimeoutMS=1500" + std::string(more); }

int StubServer::count(std::string_view name) const {
  std::lock_guard lock(mutex_);
  return static_cast<int>(std::count(asked_.begin(), asked_.end(), name));
}

bson::Document StubServer::hello() const {
  bson::Builder hello;
  hello.append("ismaster", true).append("setName", "stub").append("me", address()).append("primary", address());
  hello.open_array("hosts").append(address());
  hello.append("minWireVersion", 0).append("maxWireVersion", 9).append("logicalSessionTimeoutMinutes", 30);
  hello.append("maxBsonObjectSize", 16777216).append("maxMessageSizeBytes", 48000000).append("maxWriteBatchSize", 100000);
  hello.append("ok", 1.0);
  return std::move(hello).finish();
}

void StubServer::serve(int socket) {
  for (;;) {
    Bytes message(16);
    if (!receive(socket, message)) break;
    message.resize(static_cast<std::size_t>(int_at(message, 0)));
    if (!receive(socket, std::span(message).subspan(16))) break;
    const auto reply = reply_to(message);
    if (::send(socket, reply.data(), reply.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(reply.size())) break;
  }
  ::shutdown(socket, SHUT_RDWR);
}

Bytes StubServer::reply_to(std::span<const std::uint8_t> message) {
  const bool query = int_at(message, 12) == kQuery;
  // OP_QUERY: flags, name, skip, count, document. OP_MSG: flags, section kind 0, document.
  const auto at = 20 + (query ? std::strlen(reinterpret_cast<const char*>(message.data() + 20)) + 1 + 8 : 1);
  const bson::View command(message.data() + at);
  const auto name = command.first().key();
  Script script;
  {
    std::lock_guard lock(mutex_);
    asked_.emplace_back(name);
    script = script_;
  }
  auto document = script ? script(name, command) : std::nullopt;
  if (!document) document = name == "isMaster" || name == "ismaster" || name == "hello" ? hello().bytes() : bson::make_document({{"ok", 1.0}}).bytes();
  Bytes body;
  if (query) {
    for (const int value : {8, 0, 0, 0, 1}) put(body, value);
  } else {
    put(body, 0);
    body.push_back(0);
  }
  body.insert(body.end(), document->begin(), document->end());
  Bytes frame;
  put(frame, static_cast<std::int32_t>(16 + body.size()));
  put(frame, 1);
  put(frame, int_at(message, 4));
  put(frame, query ? kReply : kMessage);
  frame.insert(frame.end(), body.begin(), body.end());
  return frame;
}

}  // namespace drover::testing
