// The running parts of a migration and their threads: reader → router → lanes, copiers, index builder, checkpointer, lag
// monitor. The first failure of any of them stops all; `failure` then says which.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <stop_token>
#include <vector>

#include "base/log.h"
#include "cluster/deployment.h"
#include "engine/catalog_changer.h"
#include "engine/change_applier.h"
#include "engine/change_reader.h"
#include "engine/collection_copier.h"
#include "engine/destination_catalog.h"
#include "engine/index_builder.h"
#include "engine/options.h"
#include "engine/start.h"
#include "engine/verification.h"

namespace drover::engine {

class Pipeline {
 public:
  struct Parts {
    cluster::Deployment& source;
    cluster::Deployment& destination;
    Runtime& runtime;
    Log& log;
    Catalog& catalog;
    StateStore& state;
    const Options& options;
  };
  // Sessions that a pipeline of these options writes in, besides the state store's.
  static int session_count(const Options& options) { return 1 + options.copiers + options.lanes; }

  using StopCallback = std::stop_callback<std::function<void()>>;

  // The first session is that of the catalog commands.
  Pipeline(Parts parts, ClusterTime position, std::span<const Uuid> sessions);
  ~Pipeline();

  ChangeRouter& router() { return router_; }
  CatalogChanger& changer() { return changer_; }
  DestinationCatalog& on_destination() { return on_destination_; }
  PositionTracker& tracker() { return tracker_; }
  Verification* verification() { return verification_ ? &*verification_ : nullptr; }  // when documents are compared

  // Clears what a crash left half copied. Before start().
  Status clear(const Begun& begun, const std::stop_token& stop);
  // Starts all threads; `stop` ends them. The planner is for collections that have to be copied anew.
  void start(Planner& planner, const Begun& begun, bool snapshots, const std::stop_token& stop);
  // Stops and joins them.
  void stop();

  std::optional<Error> failure();
  bool stopped() const { return stopper_.stop_requested(); }
  // Called when a part fails (or the outer stop is requested), for as long as the result lives.
  std::unique_ptr<StopCallback> on_failure(std::function<void()> call) {
    return std::make_unique<StopCallback>(stopper_.get_token(), std::move(call));
  }
  bool copy_finished() const { return copies_outstanding_ == 0; }
  double lag_seconds() const { return lag_seconds_; }
  double max_lag_seconds() const { return max_lag_seconds_; }
  std::uint64_t events_applied() const { return earlier_events_ + tracker_.applied(); }
  int batches_in_flight() const;
  // Writes the checkpoint now.
  Status checkpoint(const std::stop_token& stop);

 private:
  struct CopyTask {
    std::shared_ptr<Collection> collection;
    Partition* partition;
  };
  void enqueue(const std::shared_ptr<Collection>& collection);
  Status run_copier(CollectionCopier& copier, bool snapshots, const std::stop_token& stop);
  void tell_spool_full();
  Status run_checkpointer(const std::stop_token& stop);
  Status run_lag_monitor(const std::stop_token& stop);
  void spawn(const char* name, std::function<Status(const std::stop_token&)> body);
  void failed(const char* who, Error error);

  Parts parts_;
  PositionTracker tracker_;
  ByteBudget copy_budget_;
  ByteBudget write_budget_;
  ByteBudget reader_budget_;  // outlives the queue, whose batches have grants of it
  ChangeRouter::Lanes lanes_;
  ChangeRouter router_;
  DestinationCatalog on_destination_;
  CatalogChanger changer_;
  std::optional<Verification> verification_;
  ConflictResolver resolver_;
  BoundedQueue<ChangeBatch> changes_;
  ChangeReader reader_;
  IndexBuilder index_builder_;
  std::vector<std::unique_ptr<ChangeApplier>> appliers_;
  std::vector<std::unique_ptr<CollectionCopier>> copiers_;
  std::deque<CopyTask> copy_tasks_;  // under the router's lock
  std::atomic<std::int64_t> copies_outstanding_{0};
  std::atomic<double> lag_seconds_{0};
  std::atomic<double> max_lag_seconds_{0};
  std::optional<SteadyTime> spool_told_;  // when it was told last that no partition is begun; under the router's lock
  std::uint64_t earlier_events_ = 0;
  ClusterTime recorded_;
  std::unique_ptr<Runtime::Monitor> failure_lock_;
  std::optional<Error> failure_;
  std::stop_source stopper_;
  std::optional<StopCallback> outer_stop_;
  std::vector<std::unique_ptr<Runtime::Thread>> threads_;
};

}  // namespace drover::engine
