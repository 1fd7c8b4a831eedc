// The class behind connect(). Its methods stand in one file per idea: facts, reading, oplog, writing, transaction, catalog,
// state, sessions, write_block.
#pragma once

#include <atomic>
#include <memory>
#include <unordered_map>

#include "base/guarded.h"
#include "cluster/deployment.h"
#include "cluster/errors.h"
#include "cluster/pool.h"

namespace drover::cluster {

class MongoDeployment final : public Deployment {
 public:
  MongoDeployment(std::unique_ptr<Pool> pool, std::chrono::milliseconds command_limit) : pool_(std::move(pool)), command_limit_(command_limit) {}

  Result<Facts> facts() override;
  Result<bson::Document> run_command(const std::string& db, bson::View command) override;

  Result<ClusterTime> majority_time() override;
  Result<ClusterTime> append_note(bson::View message) override;

  Result<std::vector<std::string>> list_databases() override;
  Result<std::vector<CollectionInfo>> list_collections(const std::string& db) override;
  Result<std::optional<CollectionInfo>> find_collection(const Namespace& ns) override;
  Result<std::optional<CollectionInfo>> find_collection(const std::string& db, const Uuid& uuid) override;
  void use_session_for_catalog(const Uuid& session) override { catalog_session_ = session; }

  Result<std::unique_ptr<DocumentCursor>> read_range(const RangeRead& range) override;
  Result<StateRead> read_by_ids(const Namespace& ns, const Uuid& uuid, std::span<const bson::Value> ids,
                                ClusterTime after, std::size_t most_bytes) override;
  Result<StateRead> read_group(const Namespace& ns, const Uuid& uuid, std::span<const bson::Value> ids,
                               ClusterTime after, std::size_t most_bytes) override;
  Result<std::vector<bson::Value>> sample_ids(const Namespace& ns, const Uuid& uuid, int count) override;
  Result<CollectionSize> size_of(const Namespace& ns) override;

  Result<std::unique_ptr<OplogCursor>> tail_oplog(ClusterTime from) override;
  Result<bson::Document> oplog_entry(ClusterTime ts) override;
  Result<std::pair<ClusterTime, ClusterTime>> oplog_window() override;

  Result<WriteReply> insert(const WriteContext& context, const Namespace& ns, bson::View documents) override;
  Result<WriteReply> replace(const WriteContext& context, const Namespace& ns,
                             std::span<const bson::View> documents) override;
  Result<WriteReply> remove(const WriteContext& context, const Namespace& ns, std::span<const bson::Value> ids) override;
  Status transaction(const WriteContext& context, std::span<const TransactionStatement> statements) override;
  Result<std::vector<bson::Value>> find_holders(const Namespace& ns, bson::View index, bson::View document) override;

  Status create_collection(const Namespace& ns, bson::View options, const bson::Document* id_index) override;
  Status drop_collection(const Namespace& ns, const CatalogCall& call) override;
  Status rename_collection(const Namespace& from, const Namespace& to, bool drop_target, const CatalogCall& call) override;
  Status create_indexes(const Namespace& ns, std::span<const bson::Document> specs, const CatalogCall& call) override;
  Status drop_index(const Namespace& ns, const std::string& name, const CatalogCall& call) override;
  Status coll_mod(const Namespace& ns, bson::View fields, const CatalogCall& call) override;
  Status abort_index_builds(const Namespace& ns, const Uuid& collection) override;

  Result<std::vector<bson::Document>> load_state(const std::string& collection) override;
  Result<bool> save_state(const WriteContext& context, const std::string& collection, bson::View document,
                          StateCondition condition) override;
  Status remove_state(const WriteContext& context, const std::string& collection, std::span<const bson::Value> ids,
                      std::int64_t epoch) override;

  Status fence_session(const Uuid& session) override;
  void warm_connections(int count, const std::stop_token& stop) override { pool_->warm(count, stop); }
  Result<int> running_operations(std::span<const Uuid> sessions) override;

  Result<WriteBlock> write_block() override;
  Status set_write_block(bool enabled) override;
  Result<RunningWrites> running_writes() override;

 private:
  Result<bool> asks_for_login();
  Result<Reply> run(std::string_view db, bson::View command, std::string_view on);
  Result<Reply> write(const WriteContext& context, const Namespace& ns, bson::View command);
  Result<WriteReply> write_reply(const WriteContext& context, const Namespace& ns, bson::View command);
  Result<std::vector<CollectionInfo>> list_matching(const std::string& db, bson::View filter);
  Status change_catalog(std::string_view db, bson::View command, std::string_view on, const CatalogCall& call = {},
                        std::optional<std::chrono::milliseconds> limit = std::nullopt);
  Result<bool> has_features_of(int major, int minor);
  Result<StateRead> find_in_transaction(const WriteContext& context, const Namespace& ns, const Uuid& uuid,
                                        std::span<const bson::Value> ids, ClusterTime after, std::size_t most_bytes);
  Status run_statements(const WriteContext& context, std::span<const TransactionStatement> statements);
  Result<ClusterTime> commit(const WriteContext& context);
  void abort(const WriteContext& context);
  Result<std::vector<bson::Document>> current_operations(bool all_users, bool idle_sessions, bson::View match);
  Error error(ErrorCode code, std::string_view message) const;
  Error malformed(std::string_view command, std::string_view on, std::string_view what) const;

  std::unique_ptr<Pool> pool_;
  const std::chrono::milliseconds command_limit_;  // for the reply of run_command
  std::optional<Uuid> catalog_session_;  // set before any thread changes the catalog
  std::atomic<int> features_of_{-1};     // 100 times the major plus the minor feature compatibility version; not known at first
  // Sessions of read_group, with the last number used in each.
  Guarded<std::vector<WriteContext>> group_sessions_;
  // The number per session whose commit was sent without an answer: repeating that call repeats the commit alone.
  Guarded<std::unordered_map<Uuid, std::int64_t>> commits_in_doubt_;
};

}  // namespace drover::cluster
