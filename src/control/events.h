// What has happened, as audit events: read here, written by whoever changes something, and forgotten when they are old. Thread-safe.
#pragma once

#include <chrono>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/log.h"
#include "base/runtime.h"
#include "control/identity.h"
#include "control/store.h"

namespace drover::control {

inline constexpr std::chrono::hours kEventsKept{24 * 365};
inline constexpr std::chrono::hours kSweepEvery{1};
inline constexpr int kSweepBatch = 500;  // events of one deletion

class Events {
 public:
  Events(Store& store, Runtime& runtime) : store_(store), runtime_(runtime) {}

  enum class Of { kOrg, kGroup };
  // Newest first, each with its `id`.
  struct Wanted {
    std::vector<std::string> types, not_types;  // empty: any; none
    std::vector<std::string> clusters;          // by name; empty: any, also those of no cluster
    std::string from, to;                       // ISO 8601 as they are kept, both included; empty: unbounded
  };
  Result<Listed<Json>> list(Of of, const std::string& owner, const Wanted& wanted, Page page);
  Result<std::optional<Json>> find(Of of, const std::string& owner, const std::string& id);

  // Deletes the oldest of those that are older, at most kSweepBatch; how many those were. Any number of processes may do it at once.
  Result<std::int64_t> forget_older_than(std::chrono::hours age);
  // Does so until all are gone, again every kSweepEvery, until it is stopped.
  void keep_for(std::chrono::hours age, Log& log, const std::stop_token& stop);

 private:
  Store& store_;
  Runtime& runtime_;
};

}  // namespace drover::control
