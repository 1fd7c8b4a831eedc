#include "remote/migration_line.h"

#include <algorithm>
#include <cctype>
#include <optional>

#include <fmt/format.h>

#include "base/error.h"
#include "remote/json_path.h"
#include "terminal/format.h"
#include "terminal/table.h"

namespace drover::remote {
namespace {

std::optional<double> number_at(const Json& migration, std::string_view field) {
  const auto* value = migration.find(field);
  if (value == nullptr) return std::nullopt;
  if (const auto* whole = value->as_int()) return static_cast<double>(*whole);
  if (const auto* real = value->as_double()) return *real;
  return std::nullopt;
}

bool flag_at(const Json& migration, std::string_view field) {
  const auto* value = migration.find(field);
  return value != nullptr && value->as_bool() != nullptr && *value->as_bool();
}

// COLLECTION_COPY as "collection copy"
std::string words(std::string text) {
  for (auto& c : text) c = c == '_' ? ' ' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

}  // namespace

std::string migration_line(const Json& migration) {
  const auto status = text_at(migration, "status"), outcome = text_at(migration, "outcome");
  auto line = outcome == "CANCELLED" ? status + " (cancelled)" : status;
  if (has_ended(migration)) {
    if (const auto why = text_at(migration, "errorMessage"); !why.empty()) line += "  " + why;
    return terminal::printable(line);
  }
  if (const auto since = text_at(migration, "hostSilentSince"); !since.empty()) line += fmt::format("  HOST SILENT since {}", since);
  if (const auto since = text_at(migration, "engineSilentSince"); !since.empty()) line += fmt::format("  ENGINE SILENT since {}", since);
  if (flag_at(migration, "enginePaused")) line += "  ENGINE PAUSED";
  if (const auto phase = text_at(migration, "phase"); !phase.empty()) line += "  " + words(phase);
  if (const auto state = text_at(migration, "state"); state == "CUTOVER" || state == "STOPPING" || state == "CLEANING") line += fmt::format(" ({})", words(state));
  const auto copied = number_at(migration, "copiedBytes"), total = number_at(migration, "totalBytes");
  if (copied && total && *total > 0) {
    line += fmt::format("  {}  {} of {}", terminal::format_percent(std::min(*copied / *total, 1.0)), terminal::format_bytes(*copied),
                        terminal::format_bytes(std::max(*copied, *total)));
  }
  if (const auto lag = number_at(migration, "lagTimeSeconds")) line += fmt::format("  lag {} s", static_cast<std::int64_t>(*lag));
  if (const auto eta = number_at(migration, "etaSeconds")) line += fmt::format("  ETA {}", terminal::format_duration(*eta));
  if (is_ready(migration)) line += fmt::format("  ready for cutover until {}", text_at(migration, "timerExpiresAt"));
  return terminal::printable(line);
}

std::string migration_stage(const Json& migration) {
  return fmt::format("{}/{}/{}/{}/{}/{}/{}/{}", text_at(migration, "status"), text_at(migration, "state"), text_at(migration, "phase"), text_at(migration, "errorMessage"),
                     is_ready(migration) ? "ready" : "not ready", text_at(migration, "hostSilentSince"),
                     text_at(migration, "engineSilentSince"), flag_at(migration, "enginePaused") ? "paused" : "");
}

bool has_ended(const Json& migration) {
  const auto status = text_at(migration, "status");
  return status == "COMPLETE" || status == "FAILED" || status == "EXPIRED";
}

bool is_ready(const Json& migration) { return flag_at(migration, "readyForCutover"); }

std::string what_is_next(const Json& migration) {
  if (text_at(migration, "status") != "COMPLETE") return "";
  const auto cluster = text_at(migration, "destination.clusterName");
  auto text = fmt::format("You have successfully migrated to {}.", cluster);
  if (const auto copied = number_at(migration, "copiedBytes")) text += fmt::format(" The first copy was {}.", terminal::format_bytes(*copied));
  text += fmt::format("\nThe applications go there, and may write again: `drover cluster show {}` tells the connection string.", cluster);
  if (const auto* warnings = migration.find("warnings"); warnings && warnings->as_array())
    for (const auto& warning : *warnings->as_array())
      if (warning.as_string()) text += "\n" + *warning.as_string();
  return text;
}

int exit_of(const Json& migration) {
  const auto status = text_at(migration, "status");
  if (status == "COMPLETE") return 0;
  if (status == "EXPIRED") return exit_code(ErrorCode::kTimedOut);
  return exit_code(text_at(migration, "outcome") == "CANCELLED" ? ErrorCode::kWrongState : ErrorCode::kFailure);
}

}  // namespace drover::remote
