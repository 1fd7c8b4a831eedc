#include "cluster/testing/fake_server.h"

#include <poll.h>

#include <algorithm>
#include <cstring>

#include "bson/builder.h"

namespace drover::cluster {
namespace {

constexpr std::int32_t kReply = 1;
constexpr std::int32_t kQuery = 2004;
constexpr std::int32_t kMessage = 2013;
constexpr std::size_t kHeader = 16;

using Bytes = std::vector<std::uint8_t>;

template <typename T>
void put(Bytes& bytes, T value) {
  const auto* from = reinterpret_cast<const std::uint8_t*>(&value);
  bytes.insert(bytes.end(), from, from + sizeof value);
}

std::int32_t int_at(const Bytes& bytes, std::size_t at) {
  std::int32_t value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

Bytes framed(std::int32_t opcode, std::int32_t response_to, const Bytes& body) {
  Bytes message;
  put<std::int32_t>(message, static_cast<std::int32_t>(kHeader + body.size()));
  put<std::int32_t>(message, 1);
  put<std::int32_t>(message, response_to);
  put<std::int32_t>(message, opcode);
  message.insert(message.end(), body.begin(), body.end());
  return message;
}

}  // namespace

struct FakeServer::Stream {
  mongoc_stream_t base{};
  FakeServer* server = nullptr;
  Bytes in, out;

  static Stream& of(mongoc_stream_t* stream) { return *reinterpret_cast<Stream*>(stream); }
  static void destroy(mongoc_stream_t* stream) { delete &of(stream); }
  static int nothing(mongoc_stream_t*) { return 0; }
  static int set_option(mongoc_stream_t*, int, int, void*, mongoc_socklen_t) { return 0; }
  static bool no(mongoc_stream_t*) { return false; }

  static ssize_t writev(mongoc_stream_t* base, mongoc_iovec_t* iov, std::size_t count, std::int32_t) {
    auto& stream = of(base);
    ssize_t total = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const auto* from = static_cast<const std::uint8_t*>(iov[i].iov_base);
      stream.in.insert(stream.in.end(), from, from + iov[i].iov_len);
      total += static_cast<ssize_t>(iov[i].iov_len);
    }
    stream.server->receive(stream);
    return total;
  }
  static ssize_t readv(mongoc_stream_t* base, mongoc_iovec_t* iov, std::size_t count, std::size_t, std::int32_t) {
    auto& out = of(base).out;
    ssize_t total = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const auto size = std::min(iov[i].iov_len, out.size());
      std::memcpy(iov[i].iov_base, out.data(), size);
      out.erase(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(size));
      total += static_cast<ssize_t>(size);
    }
    return total;
  }
  static ssize_t poll(mongoc_stream_poll_t* polled, std::size_t count, std::int32_t) {
    for (std::size_t i = 0; i < count; ++i) {
      const int ready = of(polled[i].stream).out.empty() ? POLLOUT : POLLIN | POLLOUT;
      polled[i].revents = polled[i].events & ready;
    }
    return static_cast<ssize_t>(count);
  }
};

void FakeServer::serve(mongoc_client_t* client) { mongoc_client_set_stream_initiator(client, open, this); }

mongoc_stream_t* FakeServer::open(const mongoc_uri_t*, const mongoc_host_list_t*, void* self, bson_error_t*) {
  auto* stream = new Stream;
  stream->server = static_cast<FakeServer*>(self);
  auto& base = stream->base;
  base.type = 100;
  base.destroy = base.failed = Stream::destroy;
  base.close = base.flush = Stream::nothing;
  base.setsockopt = Stream::set_option;
  base.writev = Stream::writev;
  base.readv = Stream::readv;
  base.poll = Stream::poll;
  base.check_closed = base.timed_out = base.should_retry = Stream::no;
  return &base;
}

void FakeServer::receive(Stream& stream) {
  while (stream.in.size() >= kHeader && static_cast<std::int32_t>(stream.in.size()) >= int_at(stream.in, 0)) {
    const auto size = int_at(stream.in, 0);
    const Bytes message(stream.in.begin(), stream.in.begin() + size);
    stream.in.erase(stream.in.begin(), stream.in.begin() + size);
    const bool query = int_at(message, 12) == kQuery;
    // OP_QUERY: flags, name, skip, count, document. OP_MSG: flags, section kind 0, document.
    const std::size_t name_end = query ? std::strlen(reinterpret_cast<const char*>(message.data() + kHeader + 4)) + 1 + 8 : 1;
    const auto reply = answer(bson::View(message.data() + kHeader + 4 + name_end));
    Bytes body;
    if (query) {
      put<std::int32_t>(body, 8);
      put<std::int64_t>(body, 0);
      put<std::int32_t>(body, 0);
      put<std::int32_t>(body, 1);
    } else {
      put<std::int32_t>(body, 0);
      body.push_back(0);
    }
    body.insert(body.end(), reply.bytes().begin(), reply.bytes().end());
    const auto framed_reply = framed(query ? kReply : kMessage, int_at(message, 4), body);
    stream.out.insert(stream.out.end(), framed_reply.begin(), framed_reply.end());
  }
}

bson::Document FakeServer::answer(bson::View command) {
  const auto name = command.first().key();
  if (name != "isMaster" && name != "hello") {
    commands_.emplace_back(command);
    return bson::make_document({{"ok", 1.0}});
  }
  bson::Builder hello;
  hello.append("ismaster", true).append("setName", "fake").append("me", "fake:1").append("primary", "fake:1");
  hello.open_array("hosts").append("fake:1");
  hello.append("minWireVersion", 0).append("maxWireVersion", 9).append("logicalSessionTimeoutMinutes", 30);
  hello.append("maxBsonObjectSize", 16777216).append("maxMessageSizeBytes", 48000000).append("maxWriteBatchSize", 100000);
  hello.append("ok", 1.0);
  return std::move(hello).finish();
}

}  // namespace drover::cluster
