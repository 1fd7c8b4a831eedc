#include "cli/port_file.h"

#include <filesystem>
#include <fstream>

#include <fmt/format.h>

namespace drover::cli {

Status write_port_file(const std::string& path, int port, std::string_view option) {
  if (path.empty()) return {};
  const auto temporary = path + ".new";
  std::ofstream file(temporary);
  file << port << '\n';
  file.close();
  std::error_code failed;
  if (file) std::filesystem::rename(temporary, path, failed);
  if (!file || failed) return fail(ErrorCode::kUnsupported, fmt::format("writing {} {} failed", option, path));
  return {};
}

}  // namespace drover::cli
