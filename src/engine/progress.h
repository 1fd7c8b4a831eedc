// What a person wants to see of a migration, as one plain value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/change_event.h"
#include "model/namespace.h"

namespace drover::engine {

struct CollectionProgress {
  Namespace ns;
  std::int64_t documents = 0;
  std::int64_t documents_expected = 0;
  std::int64_t bytes = 0;
  std::int64_t bytes_expected = 0;
  bool copied = false;
  int missing_indexes = 0;
};

// Of the comparison that runs while the source is followed.
struct VerificationProgress {
  std::int64_t collections = 0;
  std::int64_t documents = 0;   // of the source, compared
  std::int64_t ranges = 0;      // compared
  std::int64_t ranges_in_all = 0;
  std::int64_t mismatches = 0;
  bool complete = false;        // everything is compared at its last state
  bool equal() const { return complete && mismatches == 0; }
};

struct Progress {
  std::string state = "INITIALIZING";  // RUNNING, COMMITTING (in a cutover; once it is decided until it is finished, whatever fails), COMMITTED
  std::string phase = "initializing";  // initializing, collection copy, change event application, cutover, committed
  std::vector<CollectionProgress> collections;
  std::int64_t indexes_wanted = 0;  // besides _id, of all collections
  bool indexes_known = true;        // false: nobody has looked yet which of them there are
  std::int64_t documents = 0;
  std::int64_t bytes = 0;
  std::int64_t bytes_expected = 0;
  std::uint64_t change_events_applied = 0;
  std::uint64_t change_events_held = 0;
  std::uint64_t change_events_outstanding = 0;
  int batches_in_flight = 0;
  double lag_seconds = 0;
  double max_lag_seconds = 0;
  double copy_seconds = 0;
  std::int64_t restarts = 0;
  ClusterTime position;
  std::optional<VerificationProgress> verification;      // nothing: it is off
  std::optional<double> write_unavailable_millis;        // after the cutover
  bool can_commit = false;
  std::string cannot_commit_because;
};

}  // namespace drover::engine
