// The beginning of a run: a first start lays everything out (blueprint rules 1 and 2), a later one finds it again and puts
// right what a crash left (rules 6 and 7). Both end with a catalog whose partitions are planned or copied.
#pragma once

#include "base/log.h"
#include "cluster/deployment.h"
#include "engine/catalog_changer.h"
#include "engine/catalog_store.h"
#include "engine/options.h"
#include "engine/planner.h"

namespace drover::engine {

struct Begun {
  bool committed = false;         // nothing is left to do
  bool decided = false;           // only the steps after the decision are left
  bool destination_blocked = false;  // by this migration
  ClusterTime position;           // the stream is read from just after it
  LastChange last_change;         // up to there at least
  std::vector<std::pair<std::shared_ptr<Collection>, Partition*>> to_clear;
  std::vector<std::shared_ptr<Collection>> to_plan;  // without a plan: created anew, then planned
  std::uint64_t events_applied = 0;  // by earlier runs
  double max_lag_seconds = 0;
  std::int64_t started_millis = 0;   // wall clock, for display only
  std::int64_t copied_millis = 0;
};

class Starter {
 public:
  Starter(cluster::Deployment& source, cluster::Deployment& destination, Runtime& runtime, Log& log, Catalog& catalog,
          StateStore& state, Planner& planner, const Options& options)
      : source_(source),
        destination_(destination),
        runtime_(runtime),
        log_(log),
        catalog_(catalog),
        state_(state),
        planner_(planner),
        options_(options) {}

  // After StateStore::take_over.
  Result<Begun> begin(const std::stop_token& stop);
  // The second half of a first start: creates and plans everything that was listed. Needs the changer, which needs the
  // router, which needs begin()'s position.
  Status lay_out(CatalogChanger& changer, DestinationCatalog& on_destination, Begun& begun, const std::stop_token& stop);

  Status save_migration(std::string_view phase, const std::stop_token& stop);
  void note_copied(std::int64_t wall_millis) { copied_millis_ = wall_millis; }

 private:
  Status begin_first(Begun& begun, bool begun_before, const std::stop_token& stop);
  Status begin_again(const bson::Document& migration, Begun& begun, const std::stop_token& stop);
  Status undo_unfinished_layout(bool begun_before, const std::stop_token& stop);
  Status block_destination(const std::stop_token& stop);

  cluster::Deployment& source_;
  cluster::Deployment& destination_;
  Runtime& runtime_;
  Log& log_;
  Catalog& catalog_;
  StateStore& state_;
  Planner& planner_;
  const Options& options_;
  Uuid migration_;
  bson::Document source_identity_;
  ClusterTime t0_;
  bool first_ = false;
  bool destination_blocked_ = false;
  std::int64_t started_millis_ = 0;
  std::int64_t copied_millis_ = 0;
  Listing listing_;
};

}  // namespace drover::engine
