// A migration's progress as pictures and as the stable JSON object of `drover migrate --json`.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/json.h"
#include "engine/progress.h"
#include "terminal/progress_view.h"

namespace drover::cli {

// Turns a series of readings into rates and an estimate of the time left, over the last kRateWindow.
class RateMeter {
 public:
  struct Rates {
    double documents_per_second = 0;
    double bytes_per_second = 0;
    double events_per_second = 0;
  };
  Rates measure(const engine::Progress& progress, std::chrono::nanoseconds now);

 private:
  struct Reading {
    std::chrono::nanoseconds at;
    std::int64_t documents, bytes;
    std::uint64_t events;
  };
  std::vector<Reading> readings_;
};

terminal::ProgressView to_view(const engine::Progress& progress, const RateMeter::Rates& rates);

struct Verification {
  bool equal = false;
  std::int64_t collections = 0;
  std::int64_t documents = 0;
  std::int64_t mismatches = 0;
};

// {"state","documents","bytes","copySeconds","changeEventsApplied","maxLagSeconds","finalLagSeconds",
//  "writeUnavailableMillis","restarts","kills","verification"}. What this process cannot know is null.
Json to_json(const engine::Progress& progress, std::optional<double> write_unavailable_millis,
             const std::optional<Verification>& verification);

// "12,345 documents (67.8 MB) in 9 collections, ..." for a person at the end.
std::string summary(const engine::Progress& progress);

}  // namespace drover::cli
