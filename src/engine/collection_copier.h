// Copies one partition (blueprint rule 2). Running it twice is safe: a partition that was begun is cleared first, and it is
// recorded as copied only after the destination has majority-acknowledged all inserts and the changes that it held back.
// Each copier is one thread and one server session.
#pragma once

#include <atomic>
#include <stop_token>

#include "base/log.h"
#include "cluster/deployment.h"
#include "engine/byte_budget.h"
#include "engine/catalog_store.h"
#include "engine/change_router.h"
#include "engine/conflict_resolver.h"
#include "engine/write_session.h"

namespace drover::engine {

inline constexpr std::size_t kCopyReplyBytes = 4 << 20;  // aim of one reply; a single document may be larger

class CollectionCopier {
 public:
  CollectionCopier(cluster::Deployment& source, cluster::Deployment& destination, Runtime& runtime, Log& log,
                   ChangeRouter& router, ConflictResolver& resolver, StateStore& state, ByteBudget& budget, Uuid session)
      : source_(source),
        destination_(destination),
        runtime_(runtime),
        log_(log),
        router_(router),
        resolver_(resolver),
        state_(state),
        budget_(budget),
        session_(destination, runtime, session, [&state](const std::stop_token& stop, bool again) { return state.confirm_owner(stop, again); }) {}

  // `snapshots`: the source can read at an exact time (5.0+). Fine when the collection is gone meanwhile.
  Status copy(const std::shared_ptr<Collection>& collection, Partition& partition, bool snapshots,
              const std::stop_token& stop);
  int batches_in_flight() const { return in_flight_; }
  // Takes everything of the partition off the destination.
  Status clear(Collection& collection, const Partition& partition, const std::stop_token& stop);

 private:
  struct Progress {
    std::string last_key;  // logical; empty before the first document
    bson::Value last_id;
    std::int64_t documents = 0;
    std::int64_t bytes = 0;
    ClusterTime f;
  };

  Status record(Collection& collection, const Partition& partition, std::int64_t documents, std::int64_t bytes,
                const std::stop_token& stop);
  Status copy_range(Collection& collection, const Partition& partition, bool snapshots, Progress& progress,
                    const std::stop_token& stop);
  Status read_and_insert(Collection& collection, const Partition& partition, cluster::ReadAt at, Progress& progress,
                         const std::stop_token& stop);
  Status insert(Collection& collection, const cluster::DocumentBatch& batch, ClusterTime r, Progress& progress,
                const std::stop_token& stop);
  Status insert_one_command(Collection& collection, bson::View documents, std::vector<bson::Value>& refused,
                            const std::stop_token& stop);
  int documents_per_reply(const Collection& collection) const;

  cluster::Deployment& source_;
  cluster::Deployment& destination_;
  Runtime& runtime_;
  Log& log_;
  ChangeRouter& router_;
  ConflictResolver& resolver_;
  StateStore& state_;
  ByteBudget& budget_;
  WriteSession session_;
  std::atomic<int> in_flight_{0};
};

}  // namespace drover::engine
