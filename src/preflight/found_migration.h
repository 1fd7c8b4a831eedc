// The migration whose state a destination holds: how far it came, whose it is, and whether a process is at it right now.
// Reads only.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "base/uuid.h"
#include "cluster/deployment.h"
#include "model/collection_info.h"
#include "preflight/removal.h"

namespace drover::preflight {

// In this order. kRemnant: the state of a process that died before it had begun anything, or the rest of a removal that does not tell how far it had come.
enum class MigrationPhase { kNone, kRemnant, kBegun, kDecided, kCommitted };

// Exit codes of a clean-up's own (drover migrate --cleanup; docs/operations/exit-codes.md), for whoever runs it as a process.
inline constexpr int kExitDecided = 12;       // refused: the cutover is decided and not finished, and there is only forward
inline constexpr int kExitWasCommitted = 13;  // it was committed: the record alone is gone, or not even that was to be; the data is in use

struct FoundMigration {
  MigrationPhase phase = MigrationPhase::kNone;
  bool half_removed = false;   // the rest of a state whose removal was interrupted (removal.h)
  Uuid migration;              // x_migration's; nil without one, or when it is half removed
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
