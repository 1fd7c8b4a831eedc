// For unit tests: a deployment that answers commands from a list, and records them.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "base/check.h"
#include "cluster/deployment.h"

namespace drover::workload {

class TestDeployment : public cluster::Deployment {
 public:
  std::deque<Result<bson::Document>> replies;
  std::vector<bson::Document> commands;

  Result<bson::Document> run_command(const std::string&, bson::View command) override {
    commands.emplace_back(command);
    CHECK(!replies.empty(), "a reply for every command");
    auto reply = std::move(replies.front());
    replies.pop_front();
    return reply;
  }

  Result<cluster::Facts> facts() override { return unused(); }
  Result<ClusterTime> majority_time() override { return unused(); }
  Result<ClusterTime> append_note(bson::View) override { return unused(); }
  Result<std::vector<std::string>> list_databases() override { return unused(); }
  Result<std::vector<CollectionInfo>> list_collections(const std::string&) override { return unused(); }
  Result<std::unique_ptr<cluster::DocumentCursor>> read_range(const cluster::RangeRead&) override { return unused(); }
  Result<cluster::StateRead> read_by_ids(const Namespace&, const Uuid&, std::span<const bson::Value>, ClusterTime) override { return unused(); }
  Result<cluster::StateRead> read_group(const Namespace&, const Uuid&, std::span<const bson::Value>, ClusterTime) override { return unused(); }
  Result<std::vector<bson::Value>> sample_ids(const Namespace&, const Uuid&, int) override { return unused(); }
  Result<cluster::CollectionSize> size_of(const Namespace&) override { return unused(); }
  Result<std::unique_ptr<cluster::OplogCursor>> tail_oplog(ClusterTime) override { return unused(); }
  Result<bson::Document> oplog_entry(ClusterTime) override { return unused(); }
  Result<std::pair<ClusterTime, ClusterTime>> oplog_window() override { return unused(); }
  Result<cluster::WriteReply> insert(const cluster::WriteContext&, const Namespace&, bson::View) override { return unused(); }
  Result<cluster::WriteReply> replace(const cluster::WriteContext&, const Namespace&, std::span<const bson::View>) override { return unused(); }
  Result<cluster::WriteReply> remove(const cluster::WriteContext&, const Namespace&, std::span<const bson::Value>) override { return unused(); }
  Status transaction(const cluster::WriteContext&, std::span<const cluster::TransactionStatement>) override { return unused(); }
  Result<std::vector<bson::Value>> find_holders(const Namespace&, bson::View, bson::View) override { return unused(); }
  Status create_collection(const Namespace&, bson::View, const bson::Document*) override { return unused(); }
  Status drop_collection(const Namespace&) override { return unused(); }
  Status rename_collection(const Namespace&, const Namespace&, bool) override { return unused(); }
  Status create_indexes(const Namespace&, std::span<const bson::Document>) override { return unused(); }
  Status drop_index(const Namespace&, const std::string&) override { return unused(); }
  Status coll_mod(const Namespace&, bson::View) override { return unused(); }
  Result<std::vector<bson::Document>> load_state(const std::string&) override { return unused(); }
  Result<bool> save_state(const cluster::WriteContext&, const std::string&, bson::View, cluster::StateCondition) override { return unused(); }
  Status remove_state(const cluster::WriteContext&, const std::string&, std::span<const bson::Value>) override { return unused(); }
  Status drop_state() override { return unused(); }
  Status fence_session(const Uuid&) override { return unused(); }
  Result<int> running_operations(std::span<const Uuid>) override { return unused(); }
  Result<cluster::WriteBlock> write_block() override { return unused(); }
  Status set_write_block(bool) override { return unused(); }
  Result<int> running_user_writes() override { return unused(); }

 private:
  static tl::unexpected<Error> unused() { return fail(ErrorCode::kFailure, "the workload uses commands only"); }
};

}  // namespace drover::workload
