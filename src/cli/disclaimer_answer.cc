#include "cli/disclaimer_answer.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <span>
#include <thread>

namespace drover::cli {

namespace {

constexpr std::chrono::milliseconds kLookEvery{50};
using Bytes = std::array<char, 64>;

// tee(2) copies what waits in one pipe into another and leaves it where it is.
ssize_t in_pipe(std::span<char> out) {
  std::array<int, 2> copy{};
  if (::pipe2(copy.data(), O_CLOEXEC | O_NONBLOCK) != 0) return -1;
  const auto copied = ::tee(STDIN_FILENO, copy[1], out.size(), SPLICE_F_NONBLOCK);
  const auto size = copied > 0 ? ::read(copy[0], out.data(), static_cast<std::size_t>(copied)) : copied;
  ::close(copy[0]);
  ::close(copy[1]);
  return size;
}

// As many bytes as wait. 0: there will be no more. Negative: none yet.
ssize_t waiting(mode_t kind, std::span<char> out) {
  if (S_ISREG(kind)) return ::pread(STDIN_FILENO, out.data(), out.size(), ::lseek(STDIN_FILENO, 0, SEEK_CUR));
  if (S_ISFIFO(kind)) return in_pipe(out);
  if (S_ISSOCK(kind)) return ::recv(STDIN_FILENO, out.data(), out.size(), MSG_PEEK | MSG_DONTWAIT);
  return 0;
}

std::optional<std::string> line_of(std::string text) {
  text.resize(std::min(text.size(), text.find('\n')));
  if (text.ends_with('\r')) text.pop_back();
  return text;
}

}  // namespace

std::optional<std::string> answer_of_person(const std::stop_token& stop) {
  std::string line;
  while (line.size() < Bytes().size()) {
    if (stop.stop_requested()) return std::nullopt;
    pollfd input{STDIN_FILENO, POLLIN, 0};
    if (::poll(&input, 1, static_cast<int>(kLookEvery.count())) <= 0) continue;
    char byte = 0;
    if (::read(STDIN_FILENO, &byte, 1) <= 0) break;
    if (byte == '\n') return line;
    line += byte;
  }
  return line.empty() ? std::nullopt : std::optional(line);
}

std::optional<std::string> answer_in_sight(std::chrono::milliseconds patience, const std::stop_token& stop) {
  struct stat input {};
  if (::fstat(STDIN_FILENO, &input) != 0) return std::nullopt;
  const auto until = std::chrono::steady_clock::now() + patience;
  std::string text;
  while (!stop.stop_requested()) {
    Bytes bytes;
    const auto size = waiting(input.st_mode, bytes);
    if (size > 0) text.assign(bytes.data(), static_cast<std::size_t>(size));
    const bool whole = text.size() == bytes.size() || text.find('\n') != std::string::npos;
    // What does not grow in a file, or has no writer, is all there is; a pipe with bytes in it does not say whether there is a writer.
    if (whole || size == 0 || S_ISREG(input.st_mode) || std::chrono::steady_clock::now() >= until) break;
    std::this_thread::sleep_for(kLookEvery);
  }
  if (text.empty() || stop.stop_requested()) return std::nullopt;
  return line_of(std::move(text));
}

}  // namespace drover::cli
