#include "cli/spool_directory.h"

#include <filesystem>
#include <system_error>

#include <fmt/format.h>

namespace drover::cli {

Result<std::string> spool_directory() {
  std::error_code wrong;
  auto path = std::filesystem::temp_directory_path(wrong);
  if (wrong) return fail(ErrorCode::kUsage, fmt::format("the directory for temporary files, $TMPDIR: {}; name one that is there", wrong.message()));
  return path.string();
}

}  // namespace drover::cli
