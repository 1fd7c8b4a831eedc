// One migration from beginning to end, as a state machine that owns its parts. The persisted documents on the destination
// are the only truth: the same call after a crash at any point goes on from there (blueprint section 3).
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <stop_token>

#include "base/log.h"
#include "cluster/deployment.h"
#include "engine/options.h"
#include "engine/progress.h"

namespace drover::engine {

enum class Outcome { kCommitted, kAlreadyCommitted };

class StateStore;

class Migration {
 public:
  Migration(cluster::Deployment& source, cluster::Deployment& destination, Runtime& runtime, Log& log, Options options);
  ~Migration();

  // Blocks. kInterrupted when stopped: everything is recorded, and running again continues.
  Result<Outcome> run(const std::stop_token& stop);
  // From any thread.
  Progress progress() const;
  // Records what a front wants to find again after a crash, under this run's epoch: x_control on the destination, whole.
  // kWrongState unless the run owns the migration. From any thread.
  Status save_control(bson::View fields, const std::stop_token& stop);

 private:
  struct Run;
  class Owning;
  Result<std::optional<Outcome>> begin(const std::shared_ptr<Run>& run, std::span<const Uuid> sessions,
                                       const std::stop_token& stop);
  Result<Outcome> follow_until_committed(Run& run, const std::stop_token& stop);
  Status cut_over(Run& run, const std::stop_token& stop);
  bool record_given_up(const Error& why, const std::stop_token& stop);
  Status end_writing(Run& run);
  Status after_cutover(StateStore& state, const std::stop_token& stop) const;
  std::optional<std::string> why_not_commit(Run& run) const;
  std::function<Result<bson::Document>(const std::stop_token&)> verify_rest(Run& run);
  void release(StateStore& state);
  void note_differences(Run& run);
  Status forget_differences(Run& run, const std::stop_token& stop);
  Status look_for_differences(Run& run, const std::stop_token& stop) const;
  void remember(Progress progress);

  cluster::Deployment& source_;
  cluster::Deployment& destination_;
  Runtime& runtime_;
  Log& log_;
  const Options options_;
  std::unique_ptr<Runtime::Monitor> lock_;
  std::shared_ptr<Run> run_;  // while running
  std::shared_ptr<Run> owning_;  // from the takeover to the end of run()
  Progress last_;
};

}  // namespace drover::engine
