#include "cluster/interruptible_stream.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <span>
#include <utility>

#include <mongoc/mongoc.h>

#include "cluster/reply_frame.h"

// Exported by the library, but declared in none of its public headers: what is used when no initiator was set, and how its own
// tests set one for a pool and the monitoring of its servers.
extern "C" {
mongoc_stream_t* mongoc_client_default_stream_initiator(const mongoc_uri_t* uri, const mongoc_host_list_t* host, void* client,
                                                        bson_error_t* error);
void _mongoc_client_pool_set_stream_initiator(mongoc_client_pool_t* pool, mongoc_stream_initiator_t initiator, void* context);
}

namespace drover::cluster {
namespace {

constexpr auto kSlice = std::chrono::milliseconds(50);
// Marks our streams among the library's (their types are small numbers).
constexpr int kStreamType = 0x44524f56;

thread_local CallScope* current_scope = nullptr;

struct Stream {
  mongoc_stream_t base{};            // first: the library sees only this
  mongoc_stream_t* owned = nullptr;  // what the library opened: a buffer over `inner`
  // The TLS or socket stream. Read directly: the buffer would copy every reply once more, and keep the size of the largest
  // reply for as long as the connection lives.
  mongoc_stream_t* inner = nullptr;
  bool awaiting_reply = false;
  bool timed_out = false;
  std::string host;
  ReplyReader reader;
  Guarded<std::map<std::string, std::string>>* refusals = nullptr;  // of the monitors
};

Stream* own(mongoc_stream_t* stream) { return reinterpret_cast<Stream*>(stream); }

// Until the first byte of the reply is there. After it the rest is on its way, and the inner stream's limit suffices; before
// it nothing can be left in the inner stream's buffers, so that the socket tells the truth.
bool await_reply(Stream* stream, const CallScope& scope) {
  auto left = scope.reply_limit();
  while (left.count() > 0) {
    if (scope.stopped()) {
      stream->timed_out = true;  // says nothing against the server: the driver keeps its other connections
      errno = ECANCELED;
      return false;
    }
    mongoc_stream_poll_t poller{stream->inner, POLLIN | POLLERR | POLLHUP, 0};
    const auto slice = std::min(left, std::chrono::milliseconds(kSlice));
    const auto ready = mongoc_stream_poll(&poller, 1, static_cast<std::int32_t>(slice.count()));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
    left -= slice;
  }
  stream->timed_out = true;
  errno = ETIMEDOUT;
  return false;
}

// Whoever asks for it: the call that this thread is in, or for the driver's own threads the pool.
void note_refusal(const Stream& stream) {
  auto what = stream.host + " sent " + stream.reader.refusal();
  if (auto* scope = CallScope::current()) scope->refused(std::move(what));
  else if (stream.refusals != nullptr) stream.refusals->with([&](auto& refusals) { refusals[stream.host] = std::move(what); });
}

ssize_t readv(mongoc_stream_t* base, mongoc_iovec_t* iov, std::size_t count, std::size_t min_bytes, std::int32_t timeout) {
  auto* stream = own(base);
  stream->timed_out = false;
  if (const auto* scope = CallScope::current(); scope != nullptr && stream->awaiting_reply) {
    if (!await_reply(stream, *scope)) return -1;
  }
  stream->awaiting_reply = false;
  const auto source = [&](std::span<std::uint8_t> into, std::size_t least) -> std::int64_t {
    mongoc_iovec_t part{into.data(), into.size()};
    return mongoc_stream_readv(stream->inner, &part, 1, least, timeout);
  };
  std::size_t done = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::span<std::uint8_t> part(static_cast<std::uint8_t*>(iov[i].iov_base), iov[i].iov_len);
    const auto got = stream->reader.read(part, source);
    if (got < 0) {
      if (!stream->reader.refusal().empty()) note_refusal(*stream);
      return -1;
    }
    done += static_cast<std::size_t>(got);
    // The end of a reply: the next one may never come.
    if (static_cast<std::size_t>(got) < part.size() || done >= min_bytes) break;
  }
  if (stream->refusals != nullptr) stream->refusals->with([&](auto& refusals) { refusals.erase(stream->host); });
  return static_cast<ssize_t>(done);
}

ssize_t writev(mongoc_stream_t* base, mongoc_iovec_t* iov, std::size_t count, std::int32_t timeout) {
  std::array<std::uint8_t, ReplyReader::kRequestHead> head;
  std::size_t known = 0;
  for (std::size_t i = 0; i < count && known < head.size(); ++i) {
    const auto size = std::min<std::size_t>(iov[i].iov_len, head.size() - known);
    std::memcpy(head.data() + known, iov[i].iov_base, size);
    known += size;
  }
  own(base)->reader.sent(std::span(head).first(known));
  own(base)->awaiting_reply = true;
  return mongoc_stream_writev(own(base)->inner, iov, count, timeout);
}

void destroy(mongoc_stream_t* base) {
  mongoc_stream_destroy(own(base)->owned);
  delete own(base);
}
void failed(mongoc_stream_t* base) {
  mongoc_stream_failed(own(base)->owned);
  delete own(base);
}
int close(mongoc_stream_t* base) { return mongoc_stream_close(own(base)->owned); }
int flush(mongoc_stream_t* base) { return mongoc_stream_flush(own(base)->inner); }
int setsockopt(mongoc_stream_t* base, int level, int name, void* value, mongoc_socklen_t size) {
  return mongoc_stream_setsockopt(own(base)->inner, level, name, value, size);
}
mongoc_stream_t* base_stream(mongoc_stream_t* base) { return own(base)->inner; }
bool check_closed(mongoc_stream_t* base) { return mongoc_stream_check_closed(own(base)->inner); }
bool timed_out(mongoc_stream_t* base) { return own(base)->timed_out || mongoc_stream_timed_out(own(base)->inner); }
bool should_retry(mongoc_stream_t* base) { return mongoc_stream_should_retry(own(base)->inner); }

Stream* open(const mongoc_uri_t* uri, const mongoc_host_list_t* host, void* client, bson_error_t* error) {
  auto* owned = mongoc_client_default_stream_initiator(uri, host, client, error);
  if (owned == nullptr) return nullptr;
  auto* stream = new Stream;
  stream->host = host->host_and_port;
  stream->owned = owned;
  stream->inner = mongoc_stream_get_base_stream(owned);
  if (stream->inner == nullptr) stream->inner = owned;
  stream->base.type = kStreamType;
  stream->base.destroy = destroy;
  stream->base.failed = failed;
  stream->base.close = close;
  stream->base.flush = flush;
  stream->base.writev = writev;
  stream->base.readv = readv;
  stream->base.setsockopt = setsockopt;
  stream->base.get_base_stream = base_stream;
  stream->base.check_closed = check_closed;
  stream->base.timed_out = timed_out;
  stream->base.should_retry = should_retry;
  return stream;
}

mongoc_stream_t* initiate(const mongoc_uri_t* uri, const mongoc_host_list_t* host, void* client, bson_error_t* error) {
  auto* stream = open(uri, host, client, error);
  return stream == nullptr ? nullptr : &stream->base;
}

}  // namespace

struct MonitorStream {
  static mongoc_stream_t* initiate(const mongoc_uri_t* uri, const mongoc_host_list_t* host, void* context, bson_error_t* error) {
    auto& monitors = *static_cast<Monitors*>(context);
    auto* stream = open(uri, host, monitors.model_, error);
    if (stream == nullptr) return nullptr;
    stream->refusals = &monitors.refusals_;
    return &stream->base;
  }
};

void Monitors::watch(mongoc_client_pool_t* pool) { _mongoc_client_pool_set_stream_initiator(pool, MonitorStream::initiate, this); }

Monitors::~Monitors() { mongoc_client_destroy(model_); }

std::string Monitors::refusals() const {
  return refusals_.with([](const auto& refusals) {
    std::string text;
    for (const auto& [host, what] : refusals) text += (text.empty() ? "" : "; ") + what;
    return text;
  });
}

CallScope::CallScope(std::stop_token first, std::stop_token second, std::chrono::milliseconds reply_limit)
    : first_(std::move(first)), second_(std::move(second)), reply_limit_(reply_limit), outer_(current_scope) {
  current_scope = this;
}

CallScope::~CallScope() { current_scope = outer_; }

CallScope* CallScope::current() { return current_scope; }

void make_interruptible(mongoc_client_t* client) { mongoc_client_set_stream_initiator(client, initiate, client); }

}  // namespace drover::cluster
