#include "remote/secret_prompt.h"

#include <cerrno>

#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <fmt/format.h>

namespace drover::remote {
namespace {

constexpr std::size_t kMaxSecretBytes = 4096;
constexpr int kLookForStopMillis = 100;

class WithoutEcho {
 public:
  WithoutEcho() {
    valid_ = ::tcgetattr(STDIN_FILENO, &before_) == 0;
    auto quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    valid_ = valid_ && ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) == 0;
  }
  WithoutEcho(const WithoutEcho&) = delete;
  ~WithoutEcho() {
    if (valid_) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
  }
  bool valid() const { return valid_; }

 private:
  termios before_{};
  bool valid_ = false;
};

Result<std::string> typed_line(const std::stop_token& stop) {
  std::string line;
  while (!stop.stop_requested()) {
    pollfd entry{STDIN_FILENO, POLLIN, 0};
    if (::poll(&entry, 1, kLookForStopMillis) <= 0) continue;
    char byte = 0;
    const auto count = ::read(STDIN_FILENO, &byte, 1);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0 || byte == '\n') return line;
    if (line.size() >= kMaxSecretBytes) return fail(ErrorCode::kUsage, "what was typed is too long");
    line += byte;
  }
  return fail(ErrorCode::kInterrupted, "nothing was done");
}

}  // namespace

Result<std::string> ask_new_secret(std::string_view what, const std::stop_token& stop) {
  const WithoutEcho quiet;
  if (!quiet.valid()) return fail(ErrorCode::kUsage, fmt::format("{} is missing: no terminal is there to ask for it. Name a file that holds it, or - for standard input", what));
  const auto ask = [&](std::string_view again) {
    fmt::print(stderr, "Type {}{}: ", what, again);
    std::fflush(stderr);
    auto line = typed_line(stop);
    fmt::print(stderr, "\n");
    return line;
  };
  auto first = TRY(ask(""));
  if (first.empty()) return fail(ErrorCode::kUsage, fmt::format("{} must not be empty; nothing was done", what));
  if (TRY(ask(" again")) != first) return fail(ErrorCode::kUsage, "the two differ; nothing was done");
  return first;
}

}  // namespace drover::remote
