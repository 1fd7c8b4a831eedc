#include "engine/change_router.h"

#include <algorithm>

#include "base/check.h"
#include "bson/hash.h"
#include "engine/retry.h"

namespace drover::engine {

ChangeRouter::ChangeRouter(Runtime& runtime, Catalog& catalog, Lanes& lanes, PositionTracker& tracker,
                           const NamespaceFilter& filter, HoldUsage held, ClusterTime start)
    : catalog_(catalog),
      lanes_(lanes),
      tracker_(tracker),
      filter_(filter),
      budget_(runtime, kLaneShare),
      monitor_(runtime.make_monitor()),
      usage_(std::move(held)),
      routed_(start) {}

Status ChangeRouter::run(BoundedQueue<ChangeBatch>& in, const CatalogChange& on_catalog_change,
                         const std::stop_token& stop) {
  while (auto batch = in.pop(stop)) {
    ClusterTime announced;
    for (auto& event : batch->events) {
      const ClusterTime ts = event.ts;
      const bool last = event.last_of_ts;
      TRY(route(std::move(event), on_catalog_change, stop));
      if (last) tracker_.routed(announced = ts);
    }
    if (!batch->complete) continue;
    if (announced < batch->upto && !mutant("noops_do_not_count")) tracker_.routed(batch->upto);
    MonitorLock lock(*monitor_);
    routed_ = std::max(routed_, batch->upto);
    monitor_->notify_all();
  }
  return tl::unexpected(stopped_error());
}

Status ChangeRouter::route(ChangeEvent event, const CatalogChange& on_catalog_change, const std::stop_token& stop) {
  if (event.is_crud()) return route_data(std::move(event), stop);
  if (!event.is_ddl()) return {};
  if (filter_.matches(event.ns) || filter_.selects_some_of(event.ns.db)) {
    MonitorLock lock(*monitor_);
    last_catalog_change_ = event.ts;
    if (filter_.matches(event.ns)) last_change_ = {event.ts, event.ns};
  }
  return on_catalog_change(event, stop);
}

Status ChangeRouter::route_data(ChangeEvent event, const std::stop_token& stop) {
  LaneEvent lane_event;
  {
    MonitorLock lock(*monitor_);
    auto collection = catalog_.find(event.uuid);
    const ClusterTime ts = event.ts;
    routed_ = std::max(routed_, ts);
    if (!collection || collection->gone) return {};  // not migrated, or dropped later on
    last_change_ = {ts, collection->info.ns};
    std::string key = collection->key_of(event.key.element());
    Partition& partition = collection->partition_of(key);
    switch (partition.state) {
      case PartitionState::kPlanned:
        if (!mutant("planned_applied")) return {};
        break;
      case PartitionState::kCopying:
        if (partition.timed && ts <= partition.r) return {};
        if (mutant("hold_dropped")) return {};
        return partition.held->push(std::move(event));
      case PartitionState::kCopied:
        if (observer_) observer_(*collection, partition, key, event.key);
        if (ts <= partition.r) return {};
        if (ts <= partition.f) lane_event.mode = ApplyMode::kByState;
        break;
    }
    lane_event.key = std::move(key);
    lane_event.collection = std::move(collection);
    lane_event.change = std::move(event);
    lane_event.slot = tracker_.dispatched(ts);
    ++lane_event.collection->outstanding;
  }
  return dispatch(std::move(lane_event), stop);
}

Status ChangeRouter::dispatch(LaneEvent event, const std::stop_token& stop) {
  event.grant = budget_.admit(event.bytes(), stop);
  if (!event.grant) return tl::unexpected(stopped_error());
  const auto key = mutant("lane_by_bytes") ? bson::hash64(event.change.key.element().raw()) : bson::hash64(event.key);
  const auto hash = key ^ std::hash<Uuid>()(event.collection->info.uuid);
  auto& lane = *lanes_[hash % lanes_.size()];
  if (!lane.push(std::move(event), stop)) return tl::unexpected(stopped_error());
  return {};
}

ClusterTime ChangeRouter::begin_copying(Partition& partition) {
  MonitorLock lock(*monitor_);
  CHECK(partition.state == PartitionState::kPlanned, "a partition is begun once");
  partition.held = std::make_unique<HoldQueue>(usage_);
  partition.timed = false;
  if (mutant("router_marks_late")) return routed_;
  partition.state = PartitionState::kCopying;
  return routed_;
}

void ChangeRouter::timed(Partition& partition, ClusterTime r) {
  MonitorLock lock(*monitor_);
  partition.state = PartitionState::kCopying;
  partition.r = r;
  partition.timed = true;
}

Status ChangeRouter::release(const std::shared_ptr<Collection>& collection, Partition& partition, ClusterTime f,
                             const std::stop_token& stop) {
  for (;;) {
    std::deque<ChangeEvent> events;
    {
      MonitorLock lock(*monitor_);
      // What was held before r was known is sorted out here.
      if (partition.held->empty()) {
        partition.f = f;
        partition.held.reset();
        partition.state = PartitionState::kCopied;
        break;
      }
      if (partition.releasing == 0) partition.releasing_from = partition.held->oldest();
      events = TRY(partition.held->pop(kReleaseChunkEvents, kReleaseChunkBytes));
      std::erase_if(events, [&](const auto& event) { return event.ts <= partition.r; });
      partition.releasing += static_cast<std::int64_t>(events.size());
      releasing_ += events.size();
      collection->outstanding += static_cast<std::int64_t>(events.size());
    }
    for (auto& event : events) {
      LaneEvent lane_event;
      lane_event.key = collection->key_of(event.key.element());
      lane_event.collection = collection;
      lane_event.mode = event.ts <= f ? ApplyMode::kByState : ApplyMode::kByKind;
      lane_event.released_from = &partition;
      lane_event.change = std::move(event);
      TRY(dispatch(std::move(lane_event), stop));
    }
  }
  MonitorLock lock(*monitor_);
  monitor_->notify_all();
  if (mutant("release_not_awaited")) return {};
  if (!monitor_->wait(stop, {}, [&] { return partition.releasing == 0; })) return tl::unexpected(stopped_error());
  return {};
}

void ChangeRouter::abandon(Partition& partition) {
  MonitorLock lock(*monitor_);
  if (partition.held) partition.held->clear();
}

void ChangeRouter::applied(std::span<const LaneEvent> events) {
  MonitorLock lock(*monitor_);
  for (const auto& event : events) {
    --event.collection->outstanding;
    if (event.released_from == nullptr) {
      tracker_.done(event.slot);
    } else {
      --event.released_from->releasing;
      --releasing_;
    }
  }
  monitor_->notify_all();
}

ClusterTime ChangeRouter::oldest_held(const Collection& collection) {
  ClusterTime oldest{~0u, ~0u};
  for (const auto& partition : collection.partitions) {
    if (partition->held && !partition->held->empty()) oldest = std::min(oldest, partition->held->oldest());
    if (partition->releasing > 0) oldest = std::min(oldest, partition->releasing_from);
  }
  return oldest;
}

ClusterTime ChangeRouter::applied_until() {
  const ClusterTime settled = tracker_.settled();
  MonitorLock lock(*monitor_);
  if (usage_.events == 0 && releasing_ == 0) return settled;
  ClusterTime held{~0u, ~0u};
  for (const auto& [uuid, collection] : catalog_.collections)
    if (!collection->gone) held = std::min(held, oldest_held(*collection));
  return held > settled ? settled : ClusterTime::from_value(held.value() - 1);
}

ClusterTime ChangeRouter::applied_until(const Collection& collection) {
  const ClusterTime settled = tracker_.settled();
  MonitorLock lock(*monitor_);
  const ClusterTime held = oldest_held(collection);
  return held > settled ? settled : ClusterTime::from_value(held.value() - 1);
}

ClusterTime ChangeRouter::last_catalog_change() {
  MonitorLock lock(*monitor_);
  return last_catalog_change_;
}

HoldUsage ChangeRouter::held_usage() {
  MonitorLock lock(*monitor_);
  return usage_;
}

bool ChangeRouter::may_begin_partition() {
  MonitorLock lock(*monitor_);
  return usage_.disk_bytes < usage_.disk_limit;
}

LastChange ChangeRouter::last_change() {
  MonitorLock lock(*monitor_);
  return last_change_;
}

Status ChangeRouter::drain(const Collection& collection, const std::stop_token& stop) {
  MonitorLock lock(*monitor_);
  const bool drained = monitor_->wait(stop, {}, [&] { return collection.outstanding == 0; });
  if (!drained) return tl::unexpected(stopped_error());
  return {};
}

Status ChangeRouter::await_applied(ClusterTime ts, Duration timeout, const std::stop_token& stop) {
  const auto reached = [&] {
    return tracker_.settled() >= ts && usage_.events == 0 && releasing_ == 0;
  };
  MonitorLock lock(*monitor_);
  if (monitor_->wait(stop, timeout, reached)) return {};
  if (stop.stop_requested()) return tl::unexpected(stopped_error());
  return fail(ErrorCode::kTimedOut, "the destination did not catch up with the source in time");
}

}  // namespace drover::engine
