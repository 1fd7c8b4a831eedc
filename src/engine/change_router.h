// Gates every change by its key's partition (blueprint rule 3) and hands what is to be applied to the lanes, equal keys to
// the same lane. Owns the lock that guards the catalog. Events come from one thread; copiers call begin_copying, timed and
// release from theirs.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <vector>

#include "base/bounded_queue.h"
#include "engine/byte_budget.h"
#include "engine/catalog.h"
#include "engine/change_reader.h"
#include "engine/position_tracker.h"
#include "model/namespace_filter.h"

namespace drover::engine {

inline constexpr std::size_t kLaneQueueEvents = 2048;  // per lane
inline constexpr std::size_t kReleaseChunkEvents = 512;
inline constexpr std::size_t kReleaseChunkBytes = 1 << 20;

// How an event that is to be applied must be applied.
enum class ApplyMode {
  kByKind,   // the exact successor of what the destination has: images as they are, updates by state
  kByState,  // what it changed may be on the destination already: whatever it is, by state
};

struct LaneEvent {
  ChangeEvent change;
  std::string key;  // logical
  std::shared_ptr<Collection> collection;
  ApplyMode mode = ApplyMode::kByKind;
  PositionTracker::Slot slot = 0;       // unless released
  Partition* released_from = nullptr;   // a held event: reported there instead
  ByteBudget::Grant grant;              // what it takes of the lanes' budget until it is applied

  std::size_t bytes() const { return change.bytes() + key.size() + sizeof(LaneEvent) - sizeof(ChangeEvent); }
};

// The last change of migrated data or catalog that was routed, by whichever process: the proof that the source is quiet stands on it.
struct LastChange {
  ClusterTime ts;
  Namespace ns;
};

class ChangeRouter {
 public:
  // Told of every change of a copied partition, under the lock.
  using Observer = std::function<void(const Collection&, Partition&, const std::string& key, const bson::Value& id)>;
  using Lanes = std::vector<std::unique_ptr<BoundedQueue<LaneEvent>>>;
  // Carries out one catalog change; called on the router's thread without its lock.
  using CatalogChange = std::function<Status(const ChangeEvent&, const std::stop_token&)>;

  ChangeRouter(Runtime& runtime, Catalog& catalog, Lanes& lanes, PositionTracker& tracker, const NamespaceFilter& filter,
               HoldUsage held, ClusterTime start);

  // Routes until stopped or an error. `on_catalog_change` is called in order with everything before it handed on.
  Status run(BoundedQueue<ChangeBatch>& in, const CatalogChange& on_catalog_change, const std::stop_token& stop);

  // --- copiers
  // From here on its events are held, not dropped. The highest time that was passed on or dropped: r must be at least it.
  ClusterTime begin_copying(Partition& partition);
  void timed(Partition& partition, ClusterTime r);
  // Hands the held events to the lanes until none is left, then lets later ones through. Returns when the lanes have
  // applied all of them: the partition may then be recorded as copied.
  Status release(const std::shared_ptr<Collection>& collection, Partition& partition, ClusterTime f,
                 const std::stop_token& stop);
  // The partition's copy was given up (its collection is gone): held events are discarded.
  void abandon(Partition& partition);

  // --- lanes
  void applied(std::span<const LaneEvent> events);

  // --- everyone
  Runtime::Monitor& lock() { return *monitor_; }
  // Before run().
  void observe(Observer observer) { observer_ = std::move(observer); }
  void resume_from(LastChange last) { last_change_ = std::move(last); }
  // The last change that was looked at; of its time there may be more. Under lock().
  ClusterTime routed() const { return routed_; }
  // Everything at or before it is settled or held.
  ClusterTime settled() const { return tracker_.settled(); }
  // The oldest change that the destination does not have yet is after this time (held ones count): lag is measured to it.
  ClusterTime applied_until();
  ClusterTime applied_until(const Collection& collection);
  HoldUsage held_usage();
  // False while too much is held: no new partition is to be begun.
  bool may_begin_partition();
  LastChange last_change();
  ClusterTime last_catalog_change();
  // Waits until the lanes have applied all of the collection's changes that were handed on. Router thread only.
  Status drain(const Collection& collection, const std::stop_token& stop);
  // Waits until everything at or before `ts` has been applied on the destination (nothing held either).
  Status await_applied(ClusterTime ts, Duration timeout, const std::stop_token& stop);

 private:
  Status route(ChangeEvent event, const CatalogChange& on_catalog_change, const std::stop_token& stop);
  Status route_data(ChangeEvent event, const std::stop_token& stop);
  Status dispatch(LaneEvent event, const std::stop_token& stop);
  static ClusterTime oldest_held(const Collection& collection);

  Catalog& catalog_;
  Lanes& lanes_;
  PositionTracker& tracker_;
  const NamespaceFilter& filter_;
  ByteBudget budget_;
  std::unique_ptr<Runtime::Monitor> monitor_;
  Observer observer_;
  HoldUsage usage_;
  ClusterTime routed_;        // passed on, held or dropped so far
  std::uint64_t releasing_ = 0;
  LastChange last_change_;
  ClusterTime last_catalog_change_;
};

}  // namespace drover::engine
