#include "cli/migrate_report.h"

#include <cmath>
#include <cstdint>

#include <fmt/format.h>

#include "base/format_count.h"
#include "cli/subcommand.h"
#include "terminal/format.h"

namespace drover::cli {
namespace {

Json whole(double number) { return Json(static_cast<std::int64_t>(std::llround(number))); }

}  // namespace

Json to_json(const engine::Progress& progress, const Error* error) {
  Json verified;
  if (const auto& verification = progress.verification; verification && (verification->complete || verification->mismatches > 0)) {
    verified = Json(Json::Object{{"equal", verification->equal()},
                                 {"collections", verification->collections},
                                 {"documents", verification->documents},
                                 {"mismatches", verification->mismatches}});
  }
  Json::Object line{
      {"state", progress.state},
      {"documents", progress.documents},
      {"bytes", progress.bytes},
      {"copySeconds", progress.copy_seconds},
      {"changeEventsApplied", progress.change_events_applied},
      {"maxLagSeconds", progress.max_lag_seconds},
      {"finalLagSeconds", progress.lag_seconds},
      {"writeUnavailableMillis", progress.write_unavailable_millis ? whole(*progress.write_unavailable_millis) : Json()},
      {"restarts", progress.restarts},
      {"kills", Json(Json::Array{})},
      {"verification", std::move(verified)},
  };
  if (error != nullptr) line.emplace_back("error", to_json(*error));
  return Json(std::move(line));
}

std::string summary(const engine::Progress& progress) {
  auto text =
      fmt::format("{} documents ({}) in {} collections copied in {}; {} changes followed; lag at most {:.0f} s",
                     format_count(static_cast<std::uint64_t>(progress.documents)),
                     terminal::format_bytes(static_cast<double>(progress.bytes)), progress.collections.size(),
                     terminal::format_duration(progress.copy_seconds),
                     format_count(progress.change_events_applied), progress.max_lag_seconds);
  if (progress.write_unavailable_millis) text += fmt::format("; no writes for {:.0f} ms", *progress.write_unavailable_millis);
  if (const auto& verification = progress.verification; verification && verification->equal()) {
    text += fmt::format(". Compared before the cutover: {} documents in {} collections, equal byte for byte",
                        format_count(static_cast<std::uint64_t>(verification->documents)), verification->collections);
  } else {
    text += ". The documents were not compared (--no-verify)";
  }
  return text;
}

std::string stopped_message(bool begun, std::string_view state) {
  if (!begun) return "stopped before anything was begun; this run has changed nothing";
  if (state == "INITIALIZING") return "stopped while it was starting; run the same command again to go on";
  if (state == "COMMITTING") return "stopped after the cutover was decided, but before it was finished; run the same command again to finish it";
  if (state == "COMMITTED")
    return "stopped after the cutover, which is done: the destination accepts writes. The command after it (--after-cutover) is not recorded as "
           "done; run the same command again to run it again";
  return "stopped; everything is recorded, run the same command again to continue";
}

}  // namespace drover::cli
