// The migration whose state a destination holds: how far it came, whose it is, and whether a process is at it right now.
// Reads only.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "cluster/deployment.h"
#include "model/collection_info.h"

namespace drover::preflight {

// In this order. kRemnant: the state of a process that died before it had begun anything.
enum class MigrationPhase { kNone, kRemnant, kBegun, kDecided, kCommitted };

// Words of a clean-up (drover migrate --cleanup) by which whoever runs it as a process knows more than the exit code says.
inline constexpr const char* kDecidedNotFinished = "is decided but not finished";     // refused: there is only forward
inline constexpr const char* kWasCommitted = "The migration was committed";            // done: the record alone is gone, the data is in use

struct FoundMigration {
  MigrationPhase phase = MigrationPhase::kNone;
  bool of_this_source = true;  // as far as can be told: true unless something says otherwise
  std::string source;          // "rs0 (a:27017, b:27017)", empty when it was not recorded
};

// {set, id, hosts}: what a migration keeps of its source.
bson::Document identity_of(const cluster::Facts& source);

Result<FoundMigration> find_migration(cluster::Deployment& destination, const cluster::Facts& source,
                                      const std::vector<CollectionInfo>& source_collections);

// As above, of two deployments of which nothing is known yet.
Result<FoundMigration> find_migration(cluster::Deployment& source, cluster::Deployment& destination);

// "drover migrate from 10.0.0.7", by their connections, of every process that may be moving data into this deployment. Empty
// also when the user may not see other connections.
Result<std::vector<std::string>> who_migrates(cluster::Deployment& destination);

}  // namespace drover::preflight
