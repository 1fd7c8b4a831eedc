#include "cli/demo_migration_view.h"

#include <cctype>

#include <fmt/format.h>

#include "base/format_count.h"
#include "terminal/format.h"

namespace drover::cli {

std::string text(const Json& object, std::string_view key) {
  const auto* value = object.find(key);
  return value != nullptr && value->as_string() != nullptr ? *value->as_string() : std::string();
}

std::optional<double> number(const Json& object, std::string_view key) {
  const auto* value = object.find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* integer = value->as_int()) return static_cast<double>(*integer);
  if (value->as_double() != nullptr) return *value->as_double();
  return std::nullopt;
}

std::string phase_of(const Json& migration) {
  auto phase = text(migration, "phase");
  if (phase.empty()) return "waiting for the migration host";
  for (auto& c : phase) c = c == '_' ? ' ' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return phase;
}

std::string line_of(const Json& migration) {
  auto line = phase_of(migration);
  const auto copied = number(migration, "copiedBytes"), total = number(migration, "totalBytes");
  if (copied && total && *total > 0)
    line += fmt::format(" · {} of {} ({})", terminal::format_bytes(*copied), terminal::format_bytes(*total), terminal::format_percent(*copied / *total));
  if (const auto events = number(migration, "appliedEvents"); events && *events > 0)
    line += fmt::format(" · {} changes applied", format_count(static_cast<std::uint64_t>(*events)));
  if (const auto lag = number(migration, "lagTimeSeconds")) line += fmt::format(" · lag {}", terminal::format_duration(*lag));
  return line;
}

terminal::ProgressView view_of(const Json& migration, std::string_view cluster) {
  terminal::ProgressView view;
  view.phase = phase_of(migration);
  const auto copied = number(migration, "copiedBytes"), total = number(migration, "totalBytes");
  if (total && *total > 0) {
    terminal::CollectionProgress all;
    all.ns = fmt::format("bytes, to {}", cluster);
    all.documents = all.bytes = static_cast<std::uint64_t>(copied.value_or(0));
    all.total_documents = all.total_bytes = static_cast<std::uint64_t>(*total);
    const bool copying = text(migration, "phase") == "COLLECTION_COPY";
    all.state = copying ? terminal::CollectionProgress::State::kCopying : terminal::CollectionProgress::State::kDone;
    view.collections.push_back(std::move(all));
  }
  view.events_applied = static_cast<std::uint64_t>(number(migration, "appliedEvents").value_or(0));
  view.lag_seconds = number(migration, "lagTimeSeconds");
  view.eta_seconds = number(migration, "etaSeconds");
  return view;
}

}  // namespace drover::cli
