#include "cli/spool_directory.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include <fmt/format.h>

namespace drover::cli {
namespace {

constexpr const char* kUsual = "/tmp";

}  // namespace

Result<std::string> spool_directory() {
  const char* given = std::getenv("TMPDIR");
  const std::string path = given != nullptr && *given != '\0' ? given : kUsual;
  std::error_code wrong;
  if (!std::filesystem::is_directory(path, wrong) && !wrong) wrong = std::make_error_code(std::errc::not_a_directory);
  if (!wrong && ::access(path.c_str(), W_OK | X_OK) != 0) wrong = std::error_code(errno, std::generic_category());
  if (wrong)
    return fail(ErrorCode::kUsage, fmt::format("the directory for temporary files, {} ($TMPDIR): {}; name one that can be written to", path, wrong.message()));
  return path;
}

std::string spool_directory_or_tmp(Log& log) {
  auto path = spool_directory();
  if (path) return *path;
  log.warn("temporary files are kept in /tmp", {{"reason", path.error().message}});
  return kUsual;
}

}  // namespace drover::cli
