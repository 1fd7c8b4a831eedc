#include "engine/catalog_store.h"

#include <map>

#include <gtest/gtest.h>

#include "base/log.h"
#include "bson/builder.h"
#include "cluster/testing/stub_deployment.h"
#include "engine/cutover.h"
#include "engine/testing/impatient_runtime.h"

namespace drover::engine {
namespace {

// Keeps the state that is saved.
class Destination : public cluster::StubDeployment {
 public:
  std::map<std::string, std::map<std::string, bson::Document>> state;
  Result<std::vector<bson::Document>> load_state(const std::string& collection) override {
    std::vector<bson::Document> documents;
    for (const auto& [id, document] : state[collection]) documents.push_back(document);
    return documents;
  }
  Result<bool> save_state(const cluster::WriteContext&, const std::string& collection, bson::View document, cluster::StateCondition) override {
    if (!document["_id"].exists()) return true;  // who owns it: nobody has taken it over here
    const auto id = document["_id"].raw();
    state[collection].insert_or_assign(std::string(id.begin(), id.end()), bson::Document(document));
    return true;
  }
};

class CatalogStore : public testing::Test {
 protected:
  CollectionInfo orders() {
    CollectionInfo info;
    info.ns = {"shop", "orders"};
    info.uuid = Uuid::random(runtime);
    info.indexes.push_back(bson::make_document({{"name", "_id_"}}));
    return info;
  }

  ImpatientRuntime runtime;
  Destination destination;
  const std::vector<Uuid> sessions = std::vector<Uuid>(StateStore::kSessions, Uuid::random(runtime));
  StateStore state{destination, runtime, sessions};
  Collection collection{runtime, orders()};
};

// Reads of its documents are sized by it before the first reply shows how large they are.
TEST_F(CatalogStore, remembers_the_largest_document_of_a_collection) {
  collection.destination_uuid = Uuid::random(runtime);
  set_partitions(collection, {bson::Value(bson::make_document({{"", 100}}).view().first())});
  ASSERT_TRUE(save_collection(state, collection, {}));
  ASSERT_TRUE(save_plan(state, collection, {}));
  for (const std::size_t largest : {std::size_t{700}, std::size_t{12} << 20}) {
    auto& partition = *collection.partitions[largest > 1000 ? 0 : 1];
    collection.largest = largest;
    partition.state = PartitionState::kCopied;
    ASSERT_TRUE(save_partition(state, collection, partition, 3, 900, {}));
  }
  const auto restored = restore_catalog(state, runtime, ClusterTime{9, 0}, {});
  ASSERT_TRUE(restored) << restored.error().message;
  ASSERT_EQ(restored->collections.size(), 1u);
  EXPECT_EQ(restored->collections[0]->largest.load(), std::size_t{12} << 20);
  EXPECT_EQ(restored->collections[0]->documents_copied.load(), 6);

  // Of a state that does not tell, nothing is known.
  for (auto& [id, document] : destination.state["x_partitions"]) document = without(document, {"largest"});
  EXPECT_EQ(restore_catalog(state, runtime, ClusterTime{9, 0}, {})->collections[0]->largest.load(), 0u);
}

// Somebody edits the state, or brings it back in part: it is told of, and nothing is guessed.
TEST_F(CatalogStore, a_state_that_was_altered_is_not_gone_on_with) {
  collection.destination_uuid = Uuid::random(runtime);
  set_partitions(collection, {});
  ASSERT_TRUE(save_collection(state, collection, {}));
  ASSERT_TRUE(save_plan(state, collection, {}));
  collection.partitions[0]->state = PartitionState::kCopied;
  ASSERT_TRUE(save_partition(state, collection, *collection.partitions[0], 3, 900, {}));
  const auto whole = destination.state;
  ASSERT_TRUE(restore_catalog(state, runtime, ClusterTime{9, 0}, {}));
  int altered = 0;
  for (const auto& [name, documents] : whole) {
    for (const auto& [id, document] : documents) {
      for (const auto& field : document) {
        const std::string key(field.key());
        for (const bool there : {false, true}) {
          auto changed = without(document, {key});
          if (there) changed = bson::append_fields(std::move(changed), bson::make_document({{key, bson::make_document({{"x", 1}})}}));
          destination.state = whole;
          destination.state[name].at(id) = changed;
          const auto restored = restore_catalog(state, runtime, ClusterTime{9, 0}, {});  // nothing is read that is not there
          if (restored) continue;
          ++altered;
          EXPECT_EQ(restored.error().code, ErrorCode::kWrongState);
          EXPECT_NE(restored.error().message.find("'" + key + "' of "), std::string::npos) << restored.error().message;
        }
      }
    }
  }
  EXPECT_GE(altered, 2 * 14);
}

class Silence final : public Log {
  void write(LogLevel, std::string_view, std::initializer_list<LogField>) override {}
};

// Taken for decided, what was not applied yet would never be; taken for undone, the source would be open while the destination is in use.
TEST_F(CatalogStore, a_cutover_whose_step_cannot_be_read_is_neither_undone_nor_finished) {
  Silence log;
  Destination source;
  const auto recover = [&](const bson::Document& document) {
    destination.state["x_cutover"] = {{"cutover", document}};
    return recover_cutover(source, runtime, log, state, {});
  };
  EXPECT_EQ(recover(bson::make_document({{"_id", "cutover"}, {"step", "decided"}})).value(), CutoverFound::kDecided);
  for (const auto& document : {bson::make_document({{"_id", "cutover"}}), bson::make_document({{"_id", "cutover"}, {"step", 1}}),
                               bson::make_document({{"_id", "cutover"}, {"step", "Intent"}, {"blocks", true}, {"foundBlocked", false}}),
                               bson::make_document({{"_id", "cutover"}, {"step", "intent"}, {"blocks", "yes"}, {"foundBlocked", false}}),
                               bson::make_document({{"_id", "cutover"}, {"step", "intent"}, {"blocks", true}})}) {
    const auto found = recover(document);
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, ErrorCode::kWrongState);
    EXPECT_NE(found.error().message.find("x_cutover"), std::string::npos) << found.error().message;
  }
}

}  // namespace
}  // namespace drover::engine
