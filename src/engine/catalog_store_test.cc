#include "engine/catalog_store.h"

#include <map>

#include <gtest/gtest.h>

#include "bson/builder.h"
#include "cluster/testing/stub_deployment.h"
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

// Reads of its documents are sized by it before the first reply shows how large they are.
TEST(CatalogStore, remembers_the_largest_document_of_a_collection) {
  ImpatientRuntime runtime;
  Destination destination;
  const std::vector<Uuid> sessions(StateStore::kSessions, Uuid::random(runtime));
  StateStore state(destination, runtime, sessions);
  CollectionInfo info;
  info.ns = {"shop", "orders"};
  info.uuid = Uuid::random(runtime);
  Collection collection(runtime, info);
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

}  // namespace
}  // namespace drover::engine
