#include "remote/private_file.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

namespace drover::remote {
namespace {

constexpr mode_t kOthers = 077;

// All of it, or one byte more than the limit.
Result<std::string> read_all(int file, const std::string& path, std::string_view what) {
  std::string text;
  char part[4096];
  while (text.size() <= kMaxFileBytes) {
    const auto count = ::read(file, part, sizeof part);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail(ErrorCode::kUsage, fmt::format("reading {} from {}: {}", what, path, std::strerror(errno)));
    if (count == 0) break;
    text.append(part, static_cast<std::size_t>(count));
  }
  return text;
}

}  // namespace

Result<std::string> read_file(const std::string& path, std::string_view what, Secrecy secrecy) {
  const bool input = path == "-";
  const auto shown = input ? std::string("standard input") : path;
  if (input && secrecy == Secrecy::kSecret && ::isatty(STDIN_FILENO))
    return fail(ErrorCode::kUsage, fmt::format("standard input is a terminal, where {} would be seen: pipe it into this command, or name a file", what));
  const int file = input ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return fail(ErrorCode::kUsage, fmt::format("reading {} from {}: {}", what, shown, std::strerror(errno)));
  struct stat facts {};
  const bool open_to_others = secrecy == Secrecy::kSecret && !input && ::fstat(file, &facts) == 0 && S_ISREG(facts.st_mode) && (facts.st_mode & kOthers) != 0;
  auto text = open_to_others ? Result<std::string>(std::string()) : read_all(file, shown, what);
  if (!input) ::close(file);
  if (open_to_others)
    return fail(ErrorCode::kUnsupported, fmt::format("{}, which holds {}, can be read by others; chmod 600 {}", shown, what, shown));
  if (!text) return text;
  if (text->size() > kMaxFileBytes)
    return fail(ErrorCode::kUsage, fmt::format("{} holds more than {} bytes, which {} never has", shown, kMaxFileBytes, what));
  if (text->ends_with('\n')) text->pop_back();
  if (text->ends_with('\r')) text->pop_back();
  if (text->empty()) return fail(ErrorCode::kUsage, fmt::format("{} is empty; it must hold {}", shown, what));
  return text;
}

Result<PrivateFile> PrivateFile::create(const std::string& path) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0 && errno == EEXIST)
    return fail(ErrorCode::kUsage, fmt::format("--out {}: there is such a file already; nothing is overwritten, name another", path));
  if (file < 0) return fail(ErrorCode::kUsage, fmt::format("--out {}: {}", path, std::strerror(errno)));
  return PrivateFile(file, path);
}

PrivateFile::PrivateFile(PrivateFile&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), path_(std::move(other.path_)), written_(other.written_) {}

PrivateFile::~PrivateFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  if (!written_) ::unlink(path_.c_str());
}

Status PrivateFile::write(std::string_view text) {
  while (!text.empty()) {
    const auto count = ::write(descriptor_, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return fail(ErrorCode::kFailure, fmt::format("writing --out {}: {}", path_, std::strerror(errno)));
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  if (::fsync(descriptor_) != 0 && errno != EINVAL) return fail(ErrorCode::kFailure, fmt::format("writing --out {}: {}", path_, std::strerror(errno)));
  written_ = true;
  return {};
}

}  // namespace drover::remote
