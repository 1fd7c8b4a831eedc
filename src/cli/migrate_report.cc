#include "cli/migrate_report.h"

#include <fmt/format.h>

#include "terminal/format.h"

namespace drover::cli {
Json to_json(const engine::Progress& progress, std::optional<double> write_unavailable_millis,
             const std::optional<Verification>& verification) {
  Json verified;
  if (verification) {
    verified = Json(Json::Object{{"equal", verification->equal},
                                 {"collections", verification->collections},
                                 {"documents", verification->documents},
                                 {"mismatches", verification->mismatches}});
  }
  return Json(Json::Object{
      {"state", progress.state},
      {"documents", progress.documents},
      {"bytes", progress.bytes},
      {"copySeconds", progress.copy_seconds},
      {"changeEventsApplied", progress.change_events_applied},
      {"maxLagSeconds", progress.max_lag_seconds},
      {"finalLagSeconds", progress.lag_seconds},
      {"writeUnavailableMillis", write_unavailable_millis ? Json(*write_unavailable_millis) : Json()},
      {"restarts", progress.restarts},
      {"kills", Json(Json::Array{})},
      {"verification", std::move(verified)},
  });
}

std::string summary(const engine::Progress& progress) {
  return fmt::format("{} documents ({}) in {} collections copied in {}; {} changes followed; lag at most {:.0f} s",
                     terminal::format_count(static_cast<std::uint64_t>(progress.documents)),
                     terminal::format_bytes(static_cast<double>(progress.bytes)), progress.collections.size(),
                     terminal::format_duration(progress.copy_seconds),
                     terminal::format_count(progress.change_events_applied), progress.max_lag_seconds);
}

}  // namespace drover::cli
