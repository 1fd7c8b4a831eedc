#include "engine/pipeline.h"

#include <algorithm>

#include "bson/builder.h"
#include "cluster/thread_stop.h"
#include "engine/mutants.h"
#include "engine/retry.h"

namespace drover::engine {
namespace {

inline constexpr std::chrono::milliseconds kLagEvery{250};
inline constexpr std::chrono::milliseconds kCopyPause{50};
inline constexpr std::chrono::minutes kTellSpoolEvery{5};

ChangeRouter::Lanes make_lanes(Runtime& runtime, int count) {
  ChangeRouter::Lanes lanes;
  for (int i = 0; i < count; ++i) lanes.push_back(std::make_unique<BoundedQueue<LaneEvent>>(runtime, kLaneQueueEvents));
  return lanes;
}

}  // namespace

Pipeline::Pipeline(Parts parts, ClusterTime position, std::span<const Uuid> sessions)
    : parts_(parts),
      tracker_(position),
      copy_budget_(parts.runtime, kCopyShare),
      write_budget_(parts.runtime, kWriteShare, &copy_budget_),
      reader_budget_(parts.runtime, kReaderShare),
      lanes_(make_lanes(parts.runtime, parts.options.lanes)),
      router_(parts.runtime, parts.catalog, lanes_, tracker_, parts.options.filter,
              {.memory_limit = parts.options.held_memory, .disk_limit = parts.options.held_disk, .directory = parts.options.spool_directory}, position),
      on_destination_(parts.destination, parts.runtime, parts.log, parts.catalog, router_.lock(), parts.state,
                      parts.options.filter, sessions.front()),
      changer_(parts.source, parts.destination, parts.runtime, parts.log, parts.catalog, router_, on_destination_, parts.state,
               parts.options.filter),
      resolver_(parts.source, parts.destination, parts.runtime, on_destination_),
      changes_(parts.runtime, kReaderQueueBatches),
      reader_(parts.source, parts.runtime, parts.log, reader_budget_, changes_),
      index_builder_(parts.source, parts.destination, parts.runtime, parts.log, parts.catalog, router_,
                     on_destination_),
      recorded_(position),
      failure_lock_(parts.runtime.make_monitor()) {
  if (parts.options.verification == VerificationMode::kDocuments) {
    verification_.emplace(parts.source, parts.destination, parts.runtime, parts.log, parts.catalog, router_);
    router_.observe([this](const Collection& collection, Partition& partition, const std::string& key, const bson::Value& id) {
      verification_->changed(collection, partition, key, id);
    });
  }
  for (int i = 0; i < parts.options.lanes; ++i) {
    appliers_.push_back(std::make_unique<ChangeApplier>(parts.source, parts.destination, parts.runtime, router_, resolver_,
                                                        parts.state, write_budget_,
                                                        sessions[static_cast<std::size_t>(1 + i)]));
  }
  for (int i = 0; i < parts.options.copiers; ++i) {
    copiers_.push_back(std::make_unique<CollectionCopier>(
        parts.source, parts.destination, parts.runtime, parts.log, router_, resolver_, parts.state, copy_budget_,
        sessions[static_cast<std::size_t>(1 + parts.options.lanes + i)]));
  }
}

Pipeline::~Pipeline() { stop(); }

Status Pipeline::clear(const Begun& begun, const std::stop_token& stop) {
  for (const auto& [collection, partition] : begun.to_clear) TRY(copiers_.front()->clear(*collection, *partition, stop));
  return {};
}

void Pipeline::start(Planner& planner, const Begun& begun, bool snapshots, const std::stop_token& stop) {
  earlier_events_ = begun.events_applied;
  max_lag_seconds_ = begun.max_lag_seconds;
  if (!mutant("last_change_forgotten")) router_.resume_from(begun.last_change);
  outer_stop_.emplace(stop, [this] { stopper_.request_stop(); });
  for (const auto& [uuid, collection] : parts_.catalog.collections)
    if (!collection->gone) enqueue(collection);
  changer_.plan = [&planner](Collection& collection, const std::stop_token& token) { return planner.partition(collection, token); };
  changer_.on_planned = [this](const std::shared_ptr<Collection>& collection) { enqueue(collection); };
  spawn("reader", [this, position = begun.position](const std::stop_token& token) -> Status {
    return tl::unexpected(reader_.run(position, token));
  });
  spawn("router", [this](const std::stop_token& token) {
    return router_.run(changes_, [this](const ChangeEvent& event, const std::stop_token& t) { return changer_.apply(event, t); },
                       token);
  });
  for (std::size_t i = 0; i < appliers_.size(); ++i)
    spawn("lane", [this, i](const std::stop_token& token) { return appliers_[i]->run(*lanes_[i], token); });
  for (auto& copier : copiers_)
    spawn("copier", [this, &copier, snapshots](const std::stop_token& token) { return run_copier(*copier, snapshots, token); });
  spawn("index builder", [this](const std::stop_token& token) { return index_builder_.run(token); });
  for (int i = 0; verification_ && i < parts_.options.verifiers; ++i)
    spawn("verification", [this](const std::stop_token& token) { return verification_->run(token); });
  spawn("checkpointer", [this](const std::stop_token& token) { return run_checkpointer(token); });
  spawn("lag monitor", [this](const std::stop_token& token) { return run_lag_monitor(token); });
}

void Pipeline::stop() {
  stopper_.request_stop();
  for (auto& thread : threads_) thread->join();
  threads_.clear();
  // What was not applied goes with its share of the router's budget, while there is a router.
  for (auto& lane : lanes_)
    while (lane->try_pop()) continue;
  MonitorLock lock(router_.lock());
  for (const auto& [uuid, collection] : parts_.catalog.collections)
    for (const auto& partition : collection->partitions)
      if (partition->held) partition->held->clear();
}

// Largest collections first, so that the last to finish is not the largest.
void Pipeline::enqueue(const std::shared_ptr<Collection>& collection) {
  MonitorLock lock(router_.lock());
  for (const auto& partition : collection->partitions) {
    if (partition->state != PartitionState::kPlanned) continue;
    copy_tasks_.push_back({collection, partition.get()});
    ++copies_outstanding_;
  }
  std::stable_sort(copy_tasks_.begin(), copy_tasks_.end(), [](const CopyTask& a, const CopyTask& b) {
    return a.collection->bytes_expected > b.collection->bytes_expected;
  });
  router_.lock().notify_all();
}

Status Pipeline::run_copier(CollectionCopier& copier, bool snapshots, const std::stop_token& stop) {
  for (;;) {
    {
      MonitorLock lock(router_.lock());
      if (!router_.lock().wait(stop, {}, [&] { return !copy_tasks_.empty(); })) return tl::unexpected(stopped_error());
    }
    if (!router_.may_begin_partition()) {
      tell_spool_full();
      if (!parts_.runtime.sleep(kCopyPause, stop)) return tl::unexpected(stopped_error());
      continue;
    }
    CopyTask task;
    {
      MonitorLock lock(router_.lock());
      if (copy_tasks_.empty()) continue;  // another copier has taken it
      task = std::move(copy_tasks_.front());
      copy_tasks_.pop_front();
    }
    if (!task.collection->gone) TRY(copier.copy(task.collection, *task.partition, snapshots, stop));
    --copies_outstanding_;
  }
}

// Again and again while it lasts: what was said grows old, and so do the bytes.
void Pipeline::tell_spool_full() {
  const auto held = router_.held_usage();
  {
    MonitorLock lock(router_.lock());
    const auto now = parts_.runtime.now();
    if (spool_told_ && now - *spool_told_ < kTellSpoolEvery) return;
    spool_told_ = now;
  }
  parts_.log.warn("many changes wait in temporary files for the ranges that are being copied; no other range is begun until there are less",
                  {{"directory", held.directory}, {"bytes", held.disk_bytes}, {"mostBytes", held.disk_limit}});
}

Status Pipeline::checkpoint(const std::stop_token& stop) {
  const ClusterTime settled = router_.settled();
  const auto last = router_.last_change();  // afterwards: whoever goes on from `settled` sees no change up to it again
  bson::Builder fields;
  fields.append("ts", settled).append("applied", static_cast<std::int64_t>(events_applied())).append("maxLagSeconds", max_lag_seconds_.load());
  if (last.ts > ClusterTime{}) fields.append("lastChange", last.ts).append("lastChangeDb", last.ns.db).append("lastChangeColl", last.ns.collection);
  TRY(parts_.state.save("x_checkpoint", "checkpoint", std::move(fields).finish(), stop));
  recorded_ = settled;
  parts_.runtime.reached("checkpoint.after_recorded");
  TRY(changer_.forget_gone(settled, stop));
  std::vector<std::shared_ptr<Collection>> collections;
  {
    MonitorLock lock(router_.lock());
    for (const auto& [uuid, collection] : parts_.catalog.collections) collections.push_back(collection);
  }
  std::size_t absorbed = 0;
  for (const auto& collection : collections) {
    collection->absorbed.forget_until(router_.applied_until(*collection));
    absorbed += collection->absorbed.bytes();
    if (absorbed <= kAbsorbedBytes) continue;
    absorbed -= collection->absorbed.bytes();
    collection->absorbed.forget();
  }
  return {};
}

Status Pipeline::run_checkpointer(const std::stop_token& stop) {
  for (;;) {
    if (!parts_.runtime.sleep(parts_.options.checkpoint_every, stop)) return tl::unexpected(stopped_error());
    if (router_.settled() > recorded_) TRY(checkpoint(stop));
  }
}

// Proven, not estimated: the source's majority time against the oldest change that the destination lacks, both of the
// source's own clock (blueprint rule 10).
Status Pipeline::run_lag_monitor(const std::stop_token& stop) {
  for (;;) {
    const auto applied = router_.applied_until();
    const auto now = TRY(retry_temporary(parts_.runtime, stop, [&] { return parts_.source.majority_time(); }));
    const double lag = now > applied ? static_cast<double>(now.seconds) - static_cast<double>(applied.seconds) : 0;
    lag_seconds_ = std::max(0.0, lag);
    if (mutant("lag_by_wall_clock")) {
      const auto clock = std::chrono::duration_cast<std::chrono::seconds>(parts_.runtime.wall_time().time_since_epoch());
      lag_seconds_ = static_cast<double>(clock.count()) - static_cast<double>(applied.seconds);
    }
    if (verification_) verification_->lag(lag_seconds_);
    max_lag_seconds_ = std::max(max_lag_seconds_.load(), lag_seconds_.load());
    if (!parts_.runtime.sleep(kLagEvery, stop)) return tl::unexpected(stopped_error());
  }
}

int Pipeline::batches_in_flight() const {
  int count = 0;
  for (const auto& applier : appliers_) count += applier->batches_in_flight();
  for (const auto& copier : copiers_) count += copier->batches_in_flight();
  return count;
}

std::optional<Error> Pipeline::failure() {
  MonitorLock lock(*failure_lock_);
  return failure_;
}

void Pipeline::failed(const char* who, Error error) {
  if (error.code != ErrorCode::kInterrupted) {
    parts_.log.error("a part of the migration failed", {{"part", who}, {"error", error.message}});
    MonitorLock lock(*failure_lock_);
    if (!failure_) failure_ = std::move(error);
  }
  stopper_.request_stop();
}

void Pipeline::spawn(const char* name, std::function<Status(const std::stop_token&)> body) {
  threads_.push_back(parts_.runtime.spawn(name, [this, name, body = std::move(body)](std::stop_token) {
    const cluster::ThreadStop scope(stopper_.get_token());  // an index build, or a server gone silent, does not hold up the end
    const Status status = body(stopper_.get_token());
    if (!status) failed(name, status.error());
  }));
}

}  // namespace drover::engine
