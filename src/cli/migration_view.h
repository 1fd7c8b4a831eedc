// Turns the engine's progress into what a person is shown: rates over the last seconds, and an ETA when it can be relied on.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>

#include "engine/progress.h"
#include "terminal/progress_view.h"

namespace drover::cli {

inline constexpr std::chrono::seconds kRateWindow{10};
inline constexpr std::chrono::seconds kShortestForEta{5};  // of observation
inline constexpr double kMostUnevenForEta = 2.0;           // the halves of the window may differ by this factor

class MigrationView {
 public:
  // Call it a few times a second with what the engine says now.
  terminal::ProgressView update(const engine::Progress& progress, std::chrono::nanoseconds now);

 private:
  struct Sample {
    std::chrono::nanoseconds at;
    double documents, bytes, events;
  };
  double per_second(double Sample::*figure, const Sample& from, const Sample& to) const;
  std::optional<double> eta_seconds(const engine::Progress& progress) const;

  std::deque<Sample> samples_;  // those within the window
  bool starting_ = true;
};

}  // namespace drover::cli
