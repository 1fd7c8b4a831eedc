// Figures of server processes, of their databases and of the partition that their data is on: a document a minute, for two days. Metadata only. Thread-safe;
// several processes may work on one store: of one minute the last sample is kept.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "bson/builder.h"
#include "control/store.h"

namespace drover::control {

inline constexpr std::chrono::hours kMeasurementsKept{48};
inline constexpr std::size_t kMaxDatabasesOfHost = 500;  // whose sizes are kept
inline constexpr const char* kDataPartition = "data";    // the one that a server's data is on; its own name is not told

// A bucket. Nothing where there is no figure.
struct MeasuredPoint {
  std::int64_t millis = 0;
  std::vector<std::pair<std::string, double>> values;
};

class Measurements {
 public:
  explicit Measurements(Store& store) : store_(store) {}

  // Of a host that has answered: {"metrics", "counters", "databases", "uptimeMsec"} (model/process_figures.h). `known` is what is kept of the host from its last sample,
  // empty if there was none: lastPing and counters; `fields` takes what is to be kept of it now: counters, and with databases their names and tellsDisk.
  Status take(const std::string& host, const Json& sample, bson::View known, std::int64_t now_millis, bson::Builder& fields);
  // In order; of at most kMeasurementsKept.
  Result<std::vector<MeasuredPoint>> of_host(const std::string& host, std::int64_t from_millis, std::int64_t to_millis);
  Result<std::vector<MeasuredPoint>> of_database(const std::string& host, const std::string& database, std::int64_t from_millis, std::int64_t to_millis);
  Result<std::vector<MeasuredPoint>> of_disk(const std::string& host, std::int64_t from_millis, std::int64_t to_millis);
  Status forget(const std::string& host);

 private:
  Status take_sizes(const std::string& host, const Json& sample, std::int64_t minute, bson::Builder& fields);
  Result<std::vector<bson::Document>> points_of(const char* collection, const std::string& host, std::int64_t from_millis, std::int64_t to_millis);

  Store& store_;
};

}  // namespace drover::control
