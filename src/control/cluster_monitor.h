// What the atlas site measures of its clusters by itself: once a minute it asks each for its figures, every 20 minutes for the sizes of its databases. Of a replica
// set the primary is asked, of a sharded cluster a mongos, if its connection string names one alone: a figure that nobody told is not there. A user that may not ask
// leaves it out. Metadata only. run() and step() are one thread's, all else is thread-safe; of several processes on one store the first one of a minute asks.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/runtime.h"
#include "control/clusters.h"
#include "control/measurements.h"

namespace drover::control {

inline constexpr std::chrono::seconds kMeasureEvery{60};
inline constexpr std::chrono::minutes kMeasureSizesEvery{20};

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
  ClusterMonitor(Store& store, Clusters& clusters, Runtime& runtime, Log& log) : store_(store), clusters_(clusters), runtime_(runtime), log_(log), measurements_(store) {}

  // Measures until stopped.
  void run(const std::stop_token& stop);
  // Each cluster that is due; one that does not answer keeps no other.
  Status step(const std::stop_token& stop);

  Result<std::optional<MeasuredProcess>> find(const std::string& group, const std::string& host);
  Measurements& measurements() { return measurements_; }
  Status forget_project(const std::string& group);

 private:
  Result<bool> is_due(const Cluster& cluster);
  Status measure(const Cluster& cluster);
  Status forget(bson::View filter);
  std::int64_t now_millis() const;

  Store& store_;
  Clusters& clusters_;
  Runtime& runtime_;
  Log& log_;
  Measurements measurements_;
  std::map<std::string, SteadyTime> next_;  // by the cluster's id
};

}  // namespace drover::control
