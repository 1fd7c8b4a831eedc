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

#include "base/input_file.h"

namespace drover::remote {
namespace {

constexpr mode_t kOthers = 077;

tl::unexpected<Error> exists_already(const std::string& path) {
  return fail(ErrorCode::kUsage, fmt::format("--out {}: there is such a file already; nothing is overwritten, name another", path));
}

}  // namespace

Result<std::string> read_file(const std::string& path, std::string_view what, Secrecy secrecy, const std::stop_token& stop) {
  const bool input = path == "-";
  const auto shown = input ? std::string("standard input") : path;
  if (input && secrecy == Secrecy::kSecret && ::isatty(STDIN_FILENO))
    return fail(ErrorCode::kUsage, fmt::format("standard input is a terminal, where {} would be seen: pipe it into this command, or name a file", what));
  const auto reading = fmt::format("reading {} from {}", what, shown);
  auto file = input ? InputFile::standard_input() : TRY_WITH(InputFile::open(path), reading);
  if (secrecy == Secrecy::kSecret && !input && file.grants(kOthers))
    return fail(ErrorCode::kUnsupported, fmt::format("{}, which holds {}, can be read by others; chmod 600 {}", shown, what, shown));
  auto text = TRY_WITH(file.read(kMaxFileBytes, stop), reading);
  if (text.size() > kMaxFileBytes)
    return fail(ErrorCode::kUsage, fmt::format("{} holds more than {} bytes, which {} never has", shown, kMaxFileBytes, what));
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  if (text.empty()) return fail(ErrorCode::kUsage, fmt::format("{} is empty; it must hold {}", shown, what));
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
