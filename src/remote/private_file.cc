#include "remote/private_file.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

namespace drover::remote {
namespace {

constexpr mode_t kOthers = 077;

tl::unexpected<Error> exists_already(const std::string& path) {
  return fail(ErrorCode::kUsage, fmt::format("--out {}: there is such a file already; nothing is overwritten, name another", path));
}

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
  if (::access(path.c_str(), F_OK) == 0) return exists_already(path);
  auto temporary = path + ".XXXXXX";
  const int file = ::mkostemp(temporary.data(), O_CLOEXEC);  // of mode 0600
  if (file < 0) return fail(ErrorCode::kUsage, fmt::format("--out {}: {}", path, std::strerror(errno)));
  return PrivateFile(file, path, std::move(temporary));
}

PrivateFile::PrivateFile(PrivateFile&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), path_(std::move(other.path_)), temporary_(std::exchange(other.temporary_, {})) {}

PrivateFile::~PrivateFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Status PrivateFile::write(std::string_view text) {
  const auto failed = [&] { return fail(ErrorCode::kFailure, fmt::format("writing --out {}: {}", path_, std::strerror(errno))); };
  while (!text.empty()) {
    const auto count = ::write(descriptor_, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return failed();
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  if (::fsync(descriptor_) != 0 && errno != EINVAL) return failed();
  // Not every file system can rename without replacing; a link can.
  if (::renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, path_.c_str(), RENAME_NOREPLACE) == 0) {
    temporary_.clear();
  } else if (errno == EEXIST || ::link(temporary_.c_str(), path_.c_str()) != 0) {
    return errno == EEXIST ? exists_already(path_) : failed();
  }
  return {};
}

}  // namespace drover::remote
