// A Deployment whose every method fails, for tests that need only a few of them: derive and override those.
#pragma once

#include "cluster/deployment.h"

namespace drover::cluster {

class StubDeployment : public Deployment {
 public:
  Result<Facts> facts() override { return unused("facts"); }
  Result<bson::Document> run_command(const std::string&, bson::View) override { return unused("run_command"); }
  Result<ClusterTime> majority_time() override { return unused("majority_time"); }
  Result<ClusterTime> append_note(bson::View) override { return unused("append_note"); }
  Result<std::vector<std::string>> list_databases() override { return unused("list_databases"); }
  Result<std::vector<CollectionInfo>> list_collections(const std::string&) override { return unused("list_collections"); }
  Result<std::unique_ptr<DocumentCursor>> read_range(const RangeRead&) override { return unused("read_range"); }
  Result<StateRead> read_by_ids(const Namespace&, const Uuid&, std::span<const bson::Value>, ClusterTime, std::size_t) override {
    return unused("read_by_ids");
  }
  Result<StateRead> read_group(const Namespace&, const Uuid&, std::span<const bson::Value>, ClusterTime, std::size_t) override {
    return unused("read_group");
  }
  Result<std::vector<bson::Value>> sample_ids(const Namespace&, const Uuid&, int) override { return unused("sample_ids"); }
  Result<CollectionSize> size_of(const Namespace&) override { return unused("size_of"); }
  Result<std::unique_ptr<OplogCursor>> tail_oplog(ClusterTime) override { return unused("tail_oplog"); }
  Result<bson::Document> oplog_entry(ClusterTime) override { return unused("oplog_entry"); }
  Result<std::pair<ClusterTime, ClusterTime>> oplog_window() override { return unused("oplog_window"); }
  Result<WriteReply> insert(const WriteContext&, const Namespace&, bson::View) override { return unused("insert"); }
  Result<WriteReply> replace(const WriteContext&, const Namespace&, std::span<const bson::View>) override {
    return unused("replace");
  }
  Result<WriteReply> remove(const WriteContext&, const Namespace&, std::span<const bson::Value>) override {
    return unused("remove");
  }
  Status transaction(const WriteContext&, std::span<const TransactionStatement>) override { return unused("transaction"); }
  Result<std::vector<bson::Value>> find_holders(const Namespace&, bson::View, bson::View) override {
    return unused("find_holders");
  }
  Status create_collection(const Namespace&, bson::View, const bson::Document*) override { return unused("create"); }
  Status drop_collection(const Namespace&, const CatalogCall&) override { return unused("drop_collection"); }
  Status rename_collection(const Namespace&, const Namespace&, bool, const CatalogCall&) override {
    return unused("rename_collection");
  }
  Status create_indexes(const Namespace&, std::span<const bson::Document>, const CatalogCall&) override {
    return unused("create_indexes");
  }
  Status drop_index(const Namespace&, const std::string&, const CatalogCall&) override { return unused("drop_index"); }
  Status coll_mod(const Namespace&, bson::View, const CatalogCall&) override { return unused("coll_mod"); }
  Status abort_index_builds(const Namespace&, const Uuid&) override { return unused("abort_index_builds"); }
  Result<std::vector<bson::Document>> load_state(const std::string&) override { return unused("load_state"); }
  Result<bool> save_state(const WriteContext&, const std::string&, bson::View, StateCondition) override {
    return unused("save_state");
  }
  Status remove_state(const WriteContext&, const std::string&, std::span<const bson::Value>, std::int64_t) override {
    return unused("remove_state");
  }
  Status fence_session(const Uuid&) override { return unused("fence_session"); }
  void warm_connections(int, const std::stop_token&) override {}
  Result<int> running_operations(std::span<const Uuid>) override { return unused("running_operations"); }
  Result<WriteBlock> write_block() override { return unused("write_block"); }
  Status set_write_block(bool) override { return unused("set_write_block"); }
  Result<RunningWrites> running_writes() override { return unused("running_writes"); }

 private:
  static tl::unexpected<Error> unused(const char* what) {
    return fail(ErrorCode::kFailure, std::string("this test does not provide ") + what);
  }
};

}  // namespace drover::cluster
