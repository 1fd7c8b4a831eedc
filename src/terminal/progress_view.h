// What a person is shown of a migration at one moment, as plain values. Who shows it does not know where it comes from.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace drover::terminal {

struct CollectionProgress {
  enum class State { kWaiting, kCopying, kIndexing, kDone };
  std::string ns;
  std::uint64_t documents = 0;
  std::uint64_t total_documents = 0;  // an estimate: it may be passed
  std::uint64_t bytes = 0;
  std::uint64_t total_bytes = 0;
  State state = State::kWaiting;
};

struct ProgressView {
  std::string phase;                            // "collection copy", "change event application", "cutover"
  std::vector<CollectionProgress> collections;  // any order
  double documents_per_second = 0;
  double bytes_per_second = 0;
  std::uint64_t events_applied = 0;
  double events_per_second = 0;
  std::optional<double> lag_seconds;  // nothing: not known yet
  std::optional<double> eta_seconds;  // nothing: not reliable, and then not shown
  std::string note;                   // one short sentence, for example what a cutover waits for
};

}  // namespace drover::terminal
