// A migration's end as the stable JSON object of `drover migrate --json`, and in a sentence.
#pragma once

#include <optional>
#include <string>

#include "base/json.h"
#include "engine/progress.h"

namespace drover::cli {

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
