#include "base/input_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

namespace drover {
namespace {

constexpr int kLookForStopMillis = 100;

}  // namespace

Result<InputFile> InputFile::open(const std::string& path) {
  // A FIFO without a writer would block here otherwise. Before its first writer comes poll() does not call it at its end.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (descriptor < 0) return fail(ErrorCode::kUsage, std::strerror(errno));
  return InputFile(descriptor, true);
}

InputFile InputFile::standard_input() { return InputFile(STDIN_FILENO, false); }

InputFile::InputFile(InputFile&& other) noexcept : descriptor_(other.descriptor_), owned_(std::exchange(other.owned_, false)) {}

InputFile::~InputFile() {
  if (owned_) ::close(descriptor_);
}

bool InputFile::grants(mode_t bits) const {
  struct stat facts {};
  return ::fstat(descriptor_, &facts) == 0 && S_ISREG(facts.st_mode) && (facts.st_mode & bits) != 0;
}

Result<std::string> InputFile::read(std::size_t limit, const std::stop_token& stop) { return read_until(Until::kEnd, limit, stop); }

Result<std::string> InputFile::read_line(std::size_t limit, const std::stop_token& stop) {
  auto text = TRY(read_until(Until::kLineEnd, limit, stop));
  text.resize(std::min(text.size(), text.find('\n')));
  return text;
}

Result<std::string> InputFile::read_until(Until until, std::size_t limit, const std::stop_token& stop) {
  std::string text;
  char part[4096];
  while (text.size() <= limit) {
    if (stop.stop_requested()) return fail(ErrorCode::kInterrupted, "stopped before it was read");
    pollfd entry{descriptor_, POLLIN, 0};
    if (::poll(&entry, 1, kLookForStopMillis) <= 0) continue;
    const auto count = ::read(descriptor_, part, std::min(sizeof part, limit + 1 - text.size()));
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (count < 0) return fail(ErrorCode::kUsage, std::strerror(errno));
    if (count == 0) break;
    text.append(part, static_cast<std::size_t>(count));
    if (until == Until::kLineEnd && text.find('\n') != std::string::npos) break;
  }
  return text;
}

}  // namespace drover
