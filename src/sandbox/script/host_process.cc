#include "sandbox/script/host_process.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bson/validate.h"
#include "sandbox/script/protocol.h"
#include "sandbox/script/reply.h"

namespace drover::sandbox::script {

namespace {

constexpr std::chrono::milliseconds kCheckEvery{10};
constexpr std::chrono::milliseconds kEndTakes{200};
constexpr std::size_t kFirstBytes = 4 << 10;
constexpr int kInterpreterFailure = 139;
constexpr int kMaxReplyNesting = 200;  // what a script made, and what is around it

}  // namespace

Result<std::unique_ptr<HostProcess>> HostProcess::start(const std::string& program, std::size_t heap_bytes) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return fail(ErrorCode::kFailure, fmt::format("starting a process for JavaScript: {}", std::strerror(errno)), kInterpreterFailure);
  }
  std::string name = "drover", argument(kHostArgument), heap = std::to_string(heap_bytes);
  char* const arguments[] = {name.data(), argument.data(), heap.data(), nullptr};
  // Dates are local as they are to the server, which is all that it may know of where it runs.
  const char* const zone = std::getenv("TZ");
  std::string time_zone = zone == nullptr ? "" : fmt::format("TZ={}", zone);
  char* const environment[] = {zone == nullptr ? nullptr : time_zone.data(), nullptr};
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  // 3, unless it is that already: then a copy of itself, without close-on-exec.
  posix_spawn_file_actions_adddup2(&files, ends[1], kHostSocket);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addclosefrom_np(&files, kHostSocket + 1);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);  // Ctrl-C is for the server alone
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  pid_t pid = -1;
  const int failed = ::posix_spawn(&pid, program.c_str(), &files, &attributes, arguments, environment);
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  ::close(ends[1]);
  if (failed != 0) {
    ::close(ends[0]);
    return fail(ErrorCode::kFailure, fmt::format("starting a process for JavaScript, {}: {}", program, std::strerror(failed)), kInterpreterFailure);
  }
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return std::unique_ptr<HostProcess>(new HostProcess(pid, ends[0]));
}

HostProcess::~HostProcess() {
  if (!reaped_) ::kill(pid_, SIGKILL);
  ::close(socket_);
  while (!reaped_ && ::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

Result<bson::Document> HostProcess::ask(bson::View request, const Check& check) {
  if (!usable_) return lost();
  usable_ = false;  // until the reply is here
  TRY(send(request, check));
  auto bytes = TRY(receive(check));
  if (!bson::validate(bytes, kMaxReplyNesting)) return wrong("its reply was no document");
  bson::Document reply(std::move(bytes));
  if (!is_reply(request, reply)) return wrong("its reply was none to what it was asked");
  usable_ = !reply["last"].is_truthy();
  if (const auto code = reply["code"]) return fail(ErrorCode::kFailure, std::string(reply["message"].string_value()), code.int32_value());
  return reply;
}

void HostProcess::tell(bson::View request) {
  if (!usable_) return;
  if (::send(socket_, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size())) usable_ = false;
}

Status HostProcess::send(bson::View message, const Check& check) {
  if (message.size() > kMaxMessage) return fail(ErrorCode::kFailure, "the arguments of a JavaScript function are too large", 10334);
  const auto* at = message.data();
  std::size_t left = message.size();
  while (left > 0) {
    const auto put = ::send(socket_, at, left, MSG_NOSIGNAL);
    if (put > 0) {
      at += put;
      left -= static_cast<std::size_t>(put);
    } else if (errno == EAGAIN) {
      TRY(wait_for(POLLOUT, check));
    } else if (errno != EINTR) {
      return lost();
    }
  }
  return {};
}

// Memory grows as the bytes come: what the process says of their number is its word alone.
Result<std::vector<std::uint8_t>> HostProcess::receive(const Check& check) {
  std::uint32_t size = 0;
  TRY(receive(&size, sizeof size, check));
  if (size < 5 || size > kMaxMessage) return wrong("its reply was of an impossible size");
  std::vector<std::uint8_t> bytes(sizeof size);
  std::memcpy(bytes.data(), &size, sizeof size);
  while (bytes.size() < size) {
    const auto before = bytes.size();
    bytes.resize(std::min<std::size_t>(size, before + std::max(before, kFirstBytes)));
    TRY(receive(bytes.data() + before, bytes.size() - before, check));
  }
  return bytes;
}

Status HostProcess::receive(void* into, std::size_t size, const Check& check) {
  auto* at = static_cast<char*>(into);
  while (size > 0) {
    const auto got = ::recv(socket_, at, size, 0);
    if (got > 0) {
      at += got;
      size -= static_cast<std::size_t>(got);
    } else if (got == 0) {
      return lost();
    } else if (errno == EAGAIN) {
      TRY(wait_for(POLLIN, check));
    } else if (errno != EINTR) {
      return lost();
    }
  }
  return {};
}

// Looked at in between too, when there is always something to do: replies that trickle, and many of them.
Status HostProcess::wait_for(short events, const Check& check) {
  pollfd socket{socket_, events, 0};
  while (true) {
    const int ready = ::poll(&socket, 1, static_cast<int>(kCheckEvery.count()));
    const auto now = std::chrono::steady_clock::now();
    if (now - checked_ >= kCheckEvery) {
      checked_ = now;
      TRY(check());
    }
    if (ready > 0) return {};
  }
}

tl::unexpected<Error> HostProcess::lost() {
  usable_ = false;
  if (failure_.empty()) reap(kEndTakes);
  return fail(ErrorCode::kFailure, "the process that ran the JavaScript function ended: it used up its memory, or failed. Nothing else is affected", kInterpreterFailure);
}

tl::unexpected<Error> HostProcess::wrong(const char* what) {
  failure_ = what;
  return lost();
}

// Its socket is closed: it is about to end.
void HostProcess::reap(std::chrono::milliseconds patience) {
  failure_ = "it closed its socket";
  int status = 0;
  for (auto left = patience; left.count() > 0 && !reaped_; --left) {
    reaped_ = ::waitpid(pid_, &status, WNOHANG) == pid_;
    if (!reaped_) ::poll(nullptr, 0, 1);
  }
  if (!reaped_) return;
  failure_ = WIFSIGNALED(status) ? fmt::format("signal {}", WTERMSIG(status)) : fmt::format("exit code {}", WEXITSTATUS(status));
}

}  // namespace drover::sandbox::script
