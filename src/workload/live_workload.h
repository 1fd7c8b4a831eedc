// The live workload: at least eight writers with connections of their own, at one total rate, from before a migration to
// after its cutover. Its owner starts it, watches it, releases it after the comparison, stops it, and asks for the check.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/guarded.h"
#include "base/runtime.h"
#include "cluster/deployment.h"
#include "workload/live_writer.h"
#include "workload/switchover.h"

namespace drover::workload {

inline constexpr int kDefaultWriters = 8;
inline constexpr int kMaxWriters = 200;

struct LiveOptions {
  int writers = kDefaultWriters;
  double writes_per_second = 1000;
  std::uint64_t seed = 1;
  std::uint32_t loaded_flights = 200'000;  // rows of travel.flights that the loader wrote
};

class LiveWorkload {
 public:
  LiveWorkload(cluster::Deployment& source, cluster::Deployment& destination, Runtime& runtime, const LiveOptions& options);
  ~LiveWorkload();

  // Creates the collections with their indexes and the documents that the writers start from. On an empty "shop" only.
  Status prepare(const std::stop_token& stop);
  void start();
  // Waits for the statements under way: afterwards the ledgers are complete.
  void stop();

  Switchover& switchover() { return switchover_; }
  int writers() const { return options_.writers; }
  std::int64_t count(WriteKind kind) const { return counts_[static_cast<std::size_t>(kind)]; }
  std::int64_t total() const;
  // The first writer's failure, if one failed: a broken promise of a deployment.
  std::optional<Error> failure() const { return failure_.copy(); }
  // Statements that had to be repeated for want of an answer. After stop().
  std::int64_t repeats() const;
  // Documents in all ledgers, and what differs on a deployment. After stop().
  std::size_t ledger_size() const;
  Result<std::vector<std::string>> differences(cluster::Deployment& deployment) const;

 private:
  cluster::Deployment& source_;
  Runtime& runtime_;
  const LiveOptions options_;
  Switchover switchover_;
  Pacer pacer_;
  WriteCounts counts_{};
  Guarded<std::optional<Error>> failure_;
  std::vector<std::unique_ptr<WriterLink>> links_;
  std::vector<std::unique_ptr<LiveWriter>> writers_;
  std::vector<std::unique_ptr<Runtime::Thread>> threads_;
};

}  // namespace drover::workload
