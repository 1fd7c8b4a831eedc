#include "cli/demo_directory.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

namespace drover::cli {

Result<DemoDirectory> DemoDirectory::create() {
  std::error_code ignored;
  // A blank in the name, as people's directories have: what cannot bear it fails here first.
  auto name = (std::filesystem::temp_directory_path(ignored) / "drover demo XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr)
    return fail(ErrorCode::kFailure, fmt::format("making a temporary directory {}: {}", name, std::strerror(errno)));
  return DemoDirectory(name);
}

DemoDirectory::~DemoDirectory() {
  std::error_code ignored;
  if (!path_.empty() && !keep_) std::filesystem::remove_all(path_, ignored);
}

Status DemoDirectory::write(std::string_view name, std::string_view text) const {
  const auto path = file(name);
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const bool written = descriptor >= 0 && ::write(descriptor, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int reason = errno;
  if (descriptor >= 0) ::close(descriptor);
  if (!written) return fail(ErrorCode::kFailure, fmt::format("writing {}: {}", path, std::strerror(reason)));
  return {};
}

Result<std::string> last_line(const std::string& path) {
  std::ifstream text(path);
  std::string line, last;
  while (std::getline(text, line))
    if (!line.empty()) last = line;
  if (last.empty()) return fail(ErrorCode::kFailure, fmt::format("\"{}\" is empty", path));
  return last;
}

}  // namespace drover::cli
