// One process' door to a SimCluster: cluster::Deployment with a network in between. Requests travel, get lost, come late or
// twice; replies get lost; connections break in the middle of a batch. Once the process is dead every call fails without
// effect, except that a request it had sent may still arrive.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "cluster/deployment.h"
#include "sim_cluster.h"
#include "sim_runtime.h"

namespace drover::sim {

class SimDeployment final : public cluster::Deployment {
 public:
  SimDeployment(SimCluster& cluster, Process& process, ErrorCode side, std::stop_token stop)
      : cluster_(cluster), scheduler_(cluster.scheduler()), process_(process), side_(side), stop_(std::move(stop)) {}

  Result<cluster::Facts> facts() override;
  Result<bson::Document> run_command(const std::string& db, bson::View command) override;
  Result<ClusterTime> majority_time() override;
  Result<ClusterTime> append_note(bson::View message) override;
  Result<std::vector<std::string>> list_databases() override;
  Result<std::vector<CollectionInfo>> list_collections(const std::string& db) override;
  Result<std::unique_ptr<cluster::DocumentCursor>> read_range(const cluster::RangeRead& range) override;
  Result<cluster::StateRead> read_by_ids(const Namespace& ns, const Uuid& uuid, std::span<const bson::Value> ids,
                                         ClusterTime after, std::size_t most_bytes) override;
  Result<cluster::StateRead> read_group(const Namespace& ns, const Uuid& uuid, std::span<const bson::Value> ids,
                                        ClusterTime after, std::size_t most_bytes) override;
  Result<std::vector<bson::Value>> sample_ids(const Namespace& ns, const Uuid& uuid, int count) override;
  Result<cluster::CollectionSize> size_of(const Namespace& ns) override;
  Result<std::unique_ptr<cluster::OplogCursor>> tail_oplog(ClusterTime from) override;
  Result<bson::Document> oplog_entry(ClusterTime ts) override;
  Result<std::pair<ClusterTime, ClusterTime>> oplog_window() override;

  Result<cluster::WriteReply> insert(const cluster::WriteContext& context, const Namespace& ns,
                                     bson::View documents) override;
  Result<cluster::WriteReply> replace(const cluster::WriteContext& context, const Namespace& ns,
                                      std::span<const bson::View> documents) override;
  Result<cluster::WriteReply> remove(const cluster::WriteContext& context, const Namespace& ns,
                                     std::span<const bson::Value> ids) override;
  Status transaction(const cluster::WriteContext& context,
                     std::span<const cluster::TransactionStatement> statements) override;
  Result<std::vector<bson::Value>> find_holders(const Namespace& ns, bson::View index, bson::View document) override;

  Status create_collection(const Namespace& ns, bson::View options, const bson::Document* id_index) override;
  Status drop_collection(const Namespace& ns, const cluster::CatalogCall& call) override;
  Status rename_collection(const Namespace& from, const Namespace& to, bool drop_target,
                           const cluster::CatalogCall& call) override;
  Status create_indexes(const Namespace& ns, std::span<const bson::Document> specs,
                        const cluster::CatalogCall& call) override;
  Status drop_index(const Namespace& ns, const std::string& name, const cluster::CatalogCall& call) override;
  Status coll_mod(const Namespace& ns, bson::View fields, const cluster::CatalogCall& call) override;
  Status abort_index_builds(const Namespace& ns, const Uuid& collection) override;
  void use_session_for_catalog(const Uuid& session) override { catalog_session_ = session; }

  Result<std::vector<bson::Document>> load_state(const std::string& collection) override;
  Result<bool> save_state(const cluster::WriteContext& context, const std::string& collection, bson::View document,
                          cluster::StateCondition condition) override;
  Status remove_state(const cluster::WriteContext& context, const std::string& collection,
                      std::span<const bson::Value> ids, std::int64_t epoch) override;
  Status fence_session(const Uuid& session) override;
  void warm_connections(int, const std::stop_token&) override {}
  Result<int> running_operations(std::span<const Uuid> sessions) override;
  Result<cluster::WriteBlock> write_block() override;
  Status set_write_block(bool enabled) override;
  Result<cluster::RunningWrites> running_writes() override;

  // A statement of a batch: what it did, or the server's refusal of it.
  using Statement = std::function<Result<Sessions::Statement>()>;
  // For cursors.
  SimCluster& cluster() { return cluster_; }
  // kLateCatalog: what comes late, or twice, does no harm that is not put right before the cutover; then it comes no more.
  // kWriteBlock: whoever has been replaced can still send it.
  // kStateDrop: by name, of the migration's state, which nobody puts right.
  enum class Kind { kRead, kRetryable, kCatalog, kLateCatalog, kStateDrop, kWriteBlock };
  template <typename T>
  Result<T> call(std::string_view what, Kind kind, std::function<Result<T>()> execute);

  // Nothing arrives on either way.
  void cut_for(Duration time) {
    cut_until_ = scheduler_.now() + time;
    half_open_ = false;
  }

 private:
  Result<cluster::WriteReply> batch(std::string_view what, const cluster::WriteContext& context, std::uint64_t content,
                                    std::vector<Statement> statements);
  Status catalog_call(std::string_view what, std::function<Status()> execute, Kind kind = Kind::kCatalog,
                      bool detached = false);
  bool is_bound(const cluster::CatalogCall& call) const { return !call.collection.is_nil() && cluster_.at_least(6); }
  static Status check_bound(SimCluster& cluster, const Namespace& ns, const Uuid& uuid);
  template <typename F>
  Status bound_call(std::string_view what, const Namespace& ns, const cluster::CatalogCall& call, F execute);
  void travel();
  // True when the network is cut: then nobody answers, and the caller has waited for that in vain.
  bool cut_off(bool& delivered);
  void send_late(Kind kind, std::function<void()> execute);
  Error as_side(Error error) const;

  SimCluster& cluster_;
  Scheduler& scheduler_;
  Process& process_;
  const ErrorCode side_;
  const std::stop_token stop_;
  Uuid catalog_session_;
  Duration cut_until_{};
  bool half_open_ = false;  // requests arrive, replies do not
};

// Executes a retryable command on the primary; may wait. `broken_before` >= 0: the connection breaks before that
// statement. What a late duplicate runs, too.
Result<cluster::WriteReply> execute_batch(SimCluster& cluster, const cluster::WriteContext& context,
                                          std::uint64_t content, const std::vector<SimDeployment::Statement>& statements,
                                          int broken_before);

template <typename T>
Result<T> SimDeployment::call(std::string_view what, Kind kind, std::function<Result<T>()> execute) {
  check_no_lock_held(scheduler_, what);
  scheduler_.record(what);
  const auto gone = [&] { return process_.dead || stop_.stop_requested(); };
  const auto stopped = [&] { return fail(ErrorCode::kInterrupted, "stopped while talking to " + cluster_.options().name); };
  const auto lost = [&](const char* how) {
    scheduler_.trace(std::string(what) + " " + cluster_.options().name + ": " + how);
    return tl::unexpected(temporary(std::string(what) + ": connection to " + cluster_.options().name + " " + how));
  };
  if (gone()) return stopped();
  const Faults& faults = cluster_.faults();
  Random& random = cluster_.random();
  const bool may_be_late = kind == Kind::kRetryable || kind == Kind::kLateCatalog || kind == Kind::kStateDrop;
  travel();
  if (bool delivered = false; cut_off(delivered)) {
    if (delivered && may_be_late) send_late(kind, [execute] { (void)execute(); });
    if (gone()) return stopped();
    return lost("silent until the time limit");
  }
  if (process_.superseded && (kind == Kind::kCatalog || kind == Kind::kLateCatalog)) return lost("cut: its process no longer owns the migration");
  if (process_.dead) {
    if (may_be_late && random.coin()) send_late(kind, [execute] { (void)execute(); });
    return stopped();
  }
  if (random.chance(faults.lost_request)) {
    scheduler_.sleep_for(std::chrono::milliseconds(random.below(2'000)));
    return lost("lost before the request arrived");
  }
  if (may_be_late && random.chance(faults.late_request)) {
    send_late(kind, [execute] { (void)execute(); });
    scheduler_.sleep_for(std::chrono::milliseconds(random.below(1'000)));
    return lost("lost, the request is still under way");
  }
  if (may_be_late && kind != Kind::kStateDrop && random.chance(faults.duplicated)) send_late(kind, [execute] { (void)execute(); });
  if (cluster_.on_request) cluster_.on_request(what);
  scheduler_.set_immune(true);
  auto result = execute();
  scheduler_.set_immune(false);
  if (cluster_.on_reply) cluster_.on_reply(what);
  travel();
  if (gone()) return stopped();
  if (random.chance(faults.lost_reply)) return lost("lost before the reply arrived");
  if (!result) {
    scheduler_.trace(std::string(what) + " " + cluster_.options().name + ": " + result.error().message);
    return tl::unexpected(as_side(std::move(result).error()));
  }
  return result;
}

}  // namespace drover::sim
