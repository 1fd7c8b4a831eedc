// What the atlas site measures of its clusters by itself: once a minute it asks each for its figures, every 20 minutes for the sizes of its databases. Of a replica
// set the primary is asked, of a sharded cluster a mongos, if its connection string names one alone: a figure that nobody told is not there. A user that may not ask
// leaves it out. Metadata only. Several are asked side by side; those that did not answer the last time, and those of which nobody knows yet whether they do, by threads of their
// own: however many are away, and however long they take to say so, the others are measured each minute. What a process that has just started knows of them is when each was measured last. run() and step() are one thread's, all else is thread-safe; of several processes on one store the first
// one of a minute asks.
#pragma once

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "base/log.h"
#include "base/runtime.h"
#include "control/clusters.h"
#include "control/measurements.h"
#include "control/side_by_side.h"

namespace drover::control {

inline constexpr std::chrono::seconds kMeasureEvery{60};
inline constexpr std::chrono::minutes kMeasureSizesEvery{20};
inline constexpr std::chrono::minutes kLongestMeasurePause{5};  // of one that does not answer
inline constexpr int kMeasuredAtOnce = 4;      // of one process
inline constexpr int kFirstAtOnce = 16;        // and of those that may never have answered, the first time
inline constexpr int kUnansweredAtOnce = 2;    // and of those that did not answer the last time

// Until it is asked again, once it has not answered so often in a row.
constexpr std::chrono::seconds measure_pause(int failures) {
  std::chrono::seconds pause = kMeasureEvery;
  for (int i = 1; i < failures && pause < kLongestMeasurePause; ++i) pause *= 2;
  return std::min<std::chrono::seconds>(pause, kLongestMeasurePause);
}

// A process that was measured within kMeasurementsKept.
struct MeasuredProcess {
  std::string id;    // of its measurements
  std::string cluster;
  std::string host;  // "host:port", in the public API its id
  std::vector<std::string> databases;  // whose sizes it has told
  bool tells_disk = false;
};

class ClusterMonitor {
 public:
  ClusterMonitor(Store& store, Clusters& clusters, Runtime& runtime, Log& log);

  // Measures until stopped.
  void run(const std::stop_token& stop);
  // Each cluster that is due, to its end.
  Status step();

  Result<std::optional<MeasuredProcess>> find(const std::string& group, const std::string& host);
  Measurements& measurements() { return measurements_; }
  Status forget_project(const std::string& group);

 private:
  struct Known {
    SteadyTime next{};
    int failures = 0;     // since it has answered
    bool answered = false;  // the last time, or when a process before this one asked
    bool asked = false;   // now, or as soon as its turn comes
  };
  Status ask_those_due();
  Status learn_who_answered();
  void ask(const Cluster& named);
  Status forget_old();
  Result<bool> is_due(const Cluster& cluster);
  Status measure(const Cluster& cluster);
  Status forget(bson::View filter);
  std::int64_t now_millis() const;

  Store& store_;
  Clusters& clusters_;
  Runtime& runtime_;
  Log& log_;
  Measurements measurements_;
  Guarded<std::map<std::string, Known>> known_;  // by the cluster's id
  bool learned_ = false;
  SideBySide asking_, first_, unanswered_;
};

}  // namespace drover::control
