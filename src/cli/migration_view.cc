#include "cli/migration_view.h"

#include <algorithm>

namespace drover::cli {
namespace {

double seconds(std::chrono::nanoseconds time) { return std::chrono::duration<double>(time).count(); }

terminal::CollectionProgress collection_view(const engine::CollectionProgress& one) {
  using State = terminal::CollectionProgress::State;
  terminal::CollectionProgress view;
  view.ns = one.ns.to_string();
  view.documents = static_cast<std::uint64_t>(one.documents);
  view.total_documents = static_cast<std::uint64_t>(one.documents_expected);
  view.bytes = static_cast<std::uint64_t>(one.bytes);
  view.total_bytes = static_cast<std::uint64_t>(one.bytes_expected);
  if (one.copied) {
    view.state = one.missing_indexes > 0 ? State::kIndexing : State::kDone;
  } else {
    view.state = one.documents > 0 ? State::kCopying : State::kWaiting;
  }
  return view;
}

}  // namespace

terminal::ProgressView MigrationView::update(const engine::Progress& progress, std::chrono::nanoseconds now) {
  // What an earlier run did is known once this one has started; it is no rate of this one.
  if (starting_) samples_.clear();
  starting_ = progress.state == "INITIALIZING";
  samples_.push_back({now, static_cast<double>(progress.documents), static_cast<double>(progress.bytes),
                      static_cast<double>(progress.change_events_applied)});
  while (samples_.size() > 2 && now - samples_[1].at >= kRateWindow) samples_.pop_front();

  terminal::ProgressView view;
  view.phase = progress.phase;
  for (const auto& one : progress.collections) view.collections.push_back(collection_view(one));
  if (progress.phase == "collection copy") {
    view.documents_per_second = per_second(&Sample::documents, samples_.front(), samples_.back());
    view.bytes_per_second = per_second(&Sample::bytes, samples_.front(), samples_.back());
  }
  view.events_applied = progress.change_events_applied;
  view.events_per_second = per_second(&Sample::events, samples_.front(), samples_.back());
  if (progress.state != "INITIALIZING") view.lag_seconds = progress.lag_seconds;
  view.eta_seconds = eta_seconds(progress);
  if (progress.phase == "change event application" || progress.phase == "initializing") view.note = progress.cannot_commit_because;
  return view;
}

// A count that falls (a partition is cleared and read again) is no rate.
double MigrationView::per_second(double Sample::*figure, const Sample& from, const Sample& to) const {
  const auto elapsed = seconds(to.at - from.at);
  return elapsed <= 0 ? 0 : std::max(0.0, (to.*figure - from.*figure) / elapsed);
}

std::optional<double> MigrationView::eta_seconds(const engine::Progress& progress) const {
  if (progress.phase != "collection copy" || samples_.back().at - samples_.front().at < kShortestForEta) return std::nullopt;
  const auto& middle = samples_[samples_.size() / 2];
  const auto earlier = per_second(&Sample::bytes, samples_.front(), middle);
  const auto later = per_second(&Sample::bytes, middle, samples_.back());
  if (earlier <= 0 || later <= 0 || std::max(earlier, later) > kMostUnevenForEta * std::min(earlier, later)) return std::nullopt;
  const auto left = static_cast<double>(progress.bytes_expected - progress.bytes);
  return left <= 0 ? std::nullopt : std::optional(left / ((earlier + later) / 2));
}

}  // namespace drover::cli
