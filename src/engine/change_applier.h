// One lane: takes changes from its queue in batches, nets them per key, and writes one unordered batch per collection to
// the destination. Changes whose outcome is not certain from the event itself are written by state: the document as it is
// on the source now (blueprint rule 4). Each lane is one thread and one server session. What happens when a batch is
// written twice: by state, the same end; under its own number, nothing.
#pragma once

#include <stop_token>
#include <vector>

#include "base/log.h"
#include "cluster/deployment.h"
#include "engine/change_router.h"
#include "engine/conflict_resolver.h"
#include "engine/write_session.h"

namespace drover::engine {

inline constexpr std::size_t kLaneBatchEvents = 500;
inline constexpr std::size_t kLaneBatchBytes = 1 << 20;  // of images, and of one command

class ChangeApplier {
 public:
  ChangeApplier(cluster::Deployment& source, cluster::Deployment& destination, Runtime& runtime, ChangeRouter& router,
                ConflictResolver& resolver, StateStore& state, ByteBudget& budget, Uuid session)
      : source_(source),
        destination_(destination),
        runtime_(runtime),
        router_(router),
        resolver_(resolver),
        budget_(budget),
        session_(destination, runtime, session, [&state](const std::stop_token& stop, bool again) { return state.confirm_owner(stop, again); }) {}

  // Until stopped or an error.
  Status run(BoundedQueue<LaneEvent>& in, const std::stop_token& stop);

  int batches_in_flight() const { return in_flight_; }

 private:
  struct KeyChange;
  using Changes = std::vector<KeyChange>;

  Status apply_collection(std::span<LaneEvent*> events, const std::stop_token& stop);
  Changes net(Collection& collection, std::span<LaneEvent*> events);
  Result<std::size_t> read_states(Collection& collection, std::span<KeyChange*> changes, const std::stop_token& stop);
  Status write(Collection& collection, Changes& changes, CollectionGate::Hold& gate, const std::stop_token& stop);
  // Admits its commands' bytes, unless the caller has.
  enum class Admit { kHere, kDone };
  Status write_portion(Collection& collection, std::span<KeyChange*> changes, std::vector<KeyChange*>& refused, Admit admit,
                       const std::stop_token& stop);
  Status resolve(Collection& collection, std::span<KeyChange*> refused, CollectionGate::Hold& gate,
                 const std::stop_token& stop);

  cluster::Deployment& source_;
  cluster::Deployment& destination_;
  Runtime& runtime_;
  ChangeRouter& router_;
  ConflictResolver& resolver_;
  ByteBudget& budget_;  // of all lanes
  WriteSession session_;
  std::atomic<int> in_flight_{0};
};

}  // namespace drover::engine
