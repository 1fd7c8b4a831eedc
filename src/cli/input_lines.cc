#include "cli/input_lines.h"

#include <algorithm>
#include <cerrno>
#include <poll.h>
#include <unistd.h>

namespace drover::cli {

std::optional<std::string> InputLines::next(std::chrono::milliseconds wait) {
  const auto until = std::chrono::steady_clock::now() + wait;
  for (;;) {
    if (auto line = take()) return line;
    if (ended_) return std::nullopt;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    if (!fill(std::max(left, std::chrono::milliseconds(0)))) return std::nullopt;
  }
}

std::optional<std::string> InputLines::take() {
  const auto end = buffer_.find('\n');
  if (end == std::string::npos && !(ended_ && !buffer_.empty())) return std::nullopt;
  auto line = buffer_.substr(0, end);
  buffer_.erase(0, end == std::string::npos ? end : end + 1);
  if (!line.empty() && line.back() == '\r') line.pop_back();
  return line;
}

// Whether something came, or the end did.
bool InputLines::fill(std::chrono::milliseconds wait) {
  pollfd input{descriptor_, POLLIN, 0};
  if (::poll(&input, 1, static_cast<int>(wait.count())) <= 0) return false;
  if (const auto foreground = ::tcgetpgrp(descriptor_); foreground >= 0 && foreground != ::getpgrp()) return false;
  char bytes[kLongestInputLine];
  const auto count = ::read(descriptor_, bytes, sizeof bytes);
  if (count < 0 && (errno == EINTR || errno == EAGAIN)) return true;
  if (count <= 0) {
    ended_ = true;
    return true;
  }
  buffer_.append(bytes, static_cast<std::size_t>(count));
  if (buffer_.size() > kLongestInputLine && buffer_.find('\n') == std::string::npos)
    buffer_.erase(0, buffer_.size() - kLongestInputLine);
  return true;
}

}  // namespace drover::cli
