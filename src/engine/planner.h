// Looks at the source's catalog once, at a known time, and lays out the copy: which collections, in which partitions. The
// listing of each database is repeated until no catalog change fell into its window, so that it has one time (blueprint
// rule 1): changes up to it are in it, later ones are applied. Nor an election: listings are local reads (no server version has majority ones),
// and may show what the next primary never had.
#pragma once

#include "base/log.h"
#include "cluster/deployment.h"
#include "engine/catalog.h"
#include "model/namespace_filter.h"

namespace drover::engine {

inline constexpr std::int64_t kPartitionBytes = 64 << 20;
inline constexpr int kMostPartitions = 20000;  // per collection
inline constexpr std::size_t kPlanBytes = 4 << 20;  // bounds must fit one state document; large _ids make fewer partitions
inline constexpr int kSamplesPerPartition = 10;

struct Listing {
  std::vector<CollectionInfo> collections;
  std::vector<CollectionInfo> views;
  std::map<std::string, ClusterTime> listed_at;
  ClusterTime listed_default;
};

class Planner {
 public:
  Planner(cluster::Deployment& source, Runtime& runtime, Log& log, const NamespaceFilter& filter,
          std::int64_t partition_bytes = kPartitionBytes)
      : source_(source), runtime_(runtime), log_(log), filter_(filter), partition_bytes_(partition_bytes) {}

  // Once the stream's start is fixed: what changes before the listing is in it, and dropped from the stream.
  Result<Listing> list(const std::stop_token& stop);
  // Sets partitions by sampled _ids, and the expected size.
  Status partition(Collection& collection, const std::stop_token& stop);

 private:
  Result<std::vector<bson::Value>> all_ids(const Collection& collection, const std::stop_token& stop);
  Result<std::vector<CollectionInfo>> list_source(const std::string& db);
  struct Window {
    std::set<std::string> changed;  // databases
    bool elected = false;           // another primary than at its beginning
  };
  Result<ClusterTime> note(const std::stop_token& stop);
  Result<Window> look_at(ClusterTime from, ClusterTime until, const std::stop_token& stop);

  cluster::Deployment& source_;
  Runtime& runtime_;
  Log& log_;
  const NamespaceFilter& filter_;
  const std::int64_t partition_bytes_;
};

// The wanted part of one database, as it is now. `temp` is left out: it is the server's own mark.
Result<std::vector<CollectionInfo>> list_wanted(cluster::Deployment& deployment, const std::string& db,
                                                const NamespaceFilter& filter);
// Databases that are not internal and may hold wanted collections.
Result<std::vector<std::string>> list_wanted_databases(cluster::Deployment& deployment, const NamespaceFilter& filter);
// Options that the destination gets: without `temp` and `autoIndexId`.
bson::Document portable_options(bson::View options);

}  // namespace drover::engine
