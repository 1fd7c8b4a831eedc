#include "cli/migrate_report.h"

#include <algorithm>

#include <fmt/format.h>

#include "terminal/format.h"

namespace drover::cli {
namespace {

inline constexpr std::chrono::seconds kRateWindow{10};

double per_second(double from, double to, std::chrono::nanoseconds elapsed) {
  const double seconds = std::chrono::duration<double>(elapsed).count();
  return seconds > 0.1 ? std::max(0.0, (to - from) / seconds) : 0;
}

}  // namespace

RateMeter::Rates RateMeter::measure(const engine::Progress& progress, std::chrono::nanoseconds now) {
  readings_.push_back({now, progress.documents, progress.bytes, progress.change_events_applied});
  while (readings_.size() > 2 && now - readings_.front().at > kRateWindow) readings_.erase(readings_.begin());
  const auto& first = readings_.front();
  const auto elapsed = now - first.at;
  return {per_second(static_cast<double>(first.documents), static_cast<double>(progress.documents), elapsed),
          per_second(static_cast<double>(first.bytes), static_cast<double>(progress.bytes), elapsed),
          per_second(static_cast<double>(first.events), static_cast<double>(progress.change_events_applied), elapsed)};
}

terminal::ProgressView to_view(const engine::Progress& progress, const RateMeter::Rates& rates) {
  terminal::ProgressView view;
  view.phase = progress.phase;
  for (const auto& one : progress.collections) {
    terminal::CollectionProgress shown;
    shown.ns = one.ns.to_string();
    shown.documents = static_cast<std::uint64_t>(one.documents);
    shown.total_documents = static_cast<std::uint64_t>(one.documents_expected);
    shown.bytes = static_cast<std::uint64_t>(one.bytes);
    shown.total_bytes = static_cast<std::uint64_t>(one.bytes_expected);
    using State = terminal::CollectionProgress::State;
    shown.state = !one.copied ? (one.documents > 0 ? State::kCopying : State::kWaiting)
                              : (one.missing_indexes > 0 ? State::kIndexing : State::kDone);
    view.collections.push_back(std::move(shown));
  }
  view.documents_per_second = rates.documents_per_second;
  view.bytes_per_second = rates.bytes_per_second;
  view.events_applied = progress.change_events_applied;
  view.events_per_second = rates.events_per_second;
  if (progress.position.seconds != 0) view.lag_seconds = progress.lag_seconds;
  if (progress.phase == "collection copy" && rates.bytes_per_second > 0 && progress.bytes_expected > 0 &&
      progress.bytes * 100 > progress.bytes_expected) {
    view.eta_seconds = static_cast<double>(progress.bytes_expected - progress.bytes) / rates.bytes_per_second;
  }
  view.note = progress.cannot_commit_because;
  return view;
}

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
