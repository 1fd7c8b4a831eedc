#include "sandbox/script/host_main.h"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include <malloc.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bson/builder.h"
#include "sandbox/script/confine.h"
#include "sandbox/script/engine.h"
#include "sandbox/script/protocol.h"

namespace drover::sandbox::script {

namespace {

constexpr int kMappedBlockBytes = 256 << 10;
constexpr std::size_t kLargeMessage = 1 << 20;

using Bytes = std::shared_ptr<std::vector<std::uint8_t>>;

bool read_all(void* into, std::size_t size) {
  auto* at = static_cast<char*>(into);
  while (size > 0) {
    const auto got = ::recv(kHostSocket, at, size, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    at += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

bool write_all(const void* from, std::size_t size) {
  const auto* at = static_cast<const char*>(from);
  while (size > 0) {
    const auto put = ::send(kHostSocket, at, size, MSG_NOSIGNAL);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    at += put;
    size -= static_cast<std::size_t>(put);
  }
  return true;
}

Bytes read_message() {
  std::uint32_t size = 0;
  if (!read_all(&size, sizeof size) || size < 5 || size > kMaxMessage) return nullptr;
  auto bytes = std::make_shared<std::vector<std::uint8_t>>(size);
  std::memcpy(bytes->data(), &size, sizeof size);
  return read_all(bytes->data() + sizeof size, size - sizeof size) ? bytes : nullptr;
}

// Longer ones are cut: a script may throw its document.
bson::Document failure(const Error& error) {
  constexpr std::size_t kMost = 8 << 10;
  const bool last = error.message.starts_with("Out of memory");
  auto end = std::min(error.message.size(), kMost);
  while (end < error.message.size() && end > 0 && (static_cast<unsigned char>(error.message[end]) & 0xc0) == 0x80) --end;
  return bson::make_document({{"code", error.server_code}, {"message", error.message.substr(0, end)}, {"last", last}});
}

template <typename T>
bson::Document reply(Result<T> result) {
  if (!result) return failure(result.error());
  if constexpr (std::is_void_v<T>) {
    return bson::Document();
  } else if constexpr (std::is_same_v<T, bool>) {
    return bson::make_document({{"value", *result}});
  } else {
    return std::move(*result);
  }
}

bson::Document answer(Engine& engine, const Bytes& message) {
  const bson::View body(message->data());
  const auto globals = body["globals"].to_int64().value_or(0) == 0 ? Globals::kPlain : Globals::kStored;
  const auto source = body["source"].to_string_view().value_or("");
  const auto array = [&](std::string_view name) { return body[name].to_array().value_or(bson::View()); };
  switch (static_cast<Request>(body["do"].to_int64().value_or(0))) {
    case Request::kBegin: engine.begin(body["stored"].to_document().value_or(bson::View()), body["variables"].to_document().value_or(bson::View())); break;
    case Request::kEnd: break;
    case Request::kCompile: return reply(engine.compile(globals, source));
    case Request::kTest: return reply(engine.test(source, body["document"].to_document().value_or(bson::View())));
    case Request::kCall: return reply(engine.call(globals, source, message, array("arguments")));
    case Request::kFold: {
      bson::Builder state;
      state.append("", body["state"]);
      return reply(engine.fold(globals, source, std::move(state).finish(), array("calls")));
    }
    case Request::kMap: return reply(engine.map(source, array("documents")));
  }
  return bson::Document();
}

// Private memory that can be written, as RLIMIT_DATA counts it.
std::size_t data_bytes() {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word) {
    if (word != "VmData:") continue;
    std::size_t kilobytes = 0;
    status >> kilobytes;
    return kilobytes << 10;
  }
  return 0;
}

void bound_memory([[maybe_unused]] std::size_t heap) {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  ::mallopt(M_MMAP_THRESHOLD, kMappedBlockBytes);  // large documents leave no holes
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  const rlimit most{data_bytes() + heap, data_bytes() + heap};
  ::setrlimit(RLIMIT_DATA, &most);
#endif
}

// Ends the process when the server's end of the socket is closed.
void watch_server() {
  std::thread([] {
    pollfd socket{kHostSocket, POLLRDHUP, 0};
    while (::poll(&socket, 1, -1) < 0 && errno == EINTR) {
    }
    ::_exit(0);
  }).detach();
}

}  // namespace

bool is_script_host(int argc, char** argv) { return argc == 3 && argv[1] == kHostArgument; }

int run_script_host(int, char** argv) {
  std::size_t heap = 0;
  const std::string_view text = argv[2];
  if (std::from_chars(text.data(), text.data() + text.size(), heap).ec != std::errc() || heap == 0) return 2;
  std::ofstream("/proc/self/oom_score_adj") << "1000";  // before the server, when the machine's memory is used up
  if (!drop_privileges()) return 1;
  auto engine = Engine::start(heap);
  if (!engine) return 1;
  // What reads files is done before: the machine's time zone is looked up at the first use of a local time.
  if (!(*engine)->call(Globals::kPlain, "new Date().getHours()", nullptr, bson::View())) return 1;
  (*engine)->end();
  watch_server();
  bound_memory(heap);
  if (!confine_process()) return 1;
  while (true) {
    bson::Document out;
    bool ended = false;
    try {
      const auto message = read_message();
      if (!message) break;
      if (message->size() > kLargeMessage) (*engine)->collect();
      ended = bson::View(message->data())["do"].to_int64() == static_cast<std::int64_t>(Request::kEnd);
      if (ended) {
        (*engine)->end();
      } else {
        out = answer(**engine, message);
      }
    } catch (const std::bad_alloc&) {
      out = failure({ErrorCode::kFailure, "Out of memory", 139, {}});
    }
    if (ended) continue;
    if (!write_all(out.view().data(), out.size()) || out["last"].is_truthy()) break;
  }
  ::_exit(0);  // no destructors: nothing is left to be done, and the other thread runs
}

}  // namespace drover::sandbox::script
