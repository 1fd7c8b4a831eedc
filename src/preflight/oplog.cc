#include <fmt/format.h>

#include "bson/builder.h"
#include "preflight/checks.h"

namespace drover::preflight {
namespace {

// A full oplog that covers less is easily outrun by a pause or a slow destination.
constexpr std::uint32_t kSmallWindowSeconds = 2 * 3600;
// From here on the oldest entries are being removed: before that, a short window only means a young deployment.
constexpr double kFullShare = 0.9;

}  // namespace

Status check_oplog(cluster::Deployment& source, Findings& findings) {
  const auto window = TRY(source.oplog_window());
  const auto seconds = window.second.seconds - window.first.seconds;
  if (seconds >= kSmallWindowSeconds) return {};
  const auto stats = source.run_command("local", bson::make_document({{"collStats", "oplog.rs"}}));
  if (!stats) return {};  // only its size is unknown, and this would have been a warning
  const auto size = (*stats)["size"].to_double().value_or(0);
  const auto capacity = (*stats)["maxSize"].to_double().value_or(0);
  if (capacity <= 0 || size < kFullShare * capacity) return {};
  findings.push_back({"source-oplog-window", Side::kSource, Severity::kWarn, ErrorCode::kSource,
                      fmt::format("its oplog is full and reaches back only {} minutes", seconds / 60),
                      "enlarge it (replSetResizeOplog) if the migration may be paused or fall behind for longer"});
  return {};
}

}  // namespace drover::preflight
