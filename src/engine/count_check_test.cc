#include "engine/count_check.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "bson/ejson.h"
#include "cluster/testing/stub_deployment.h"
#include "engine/testing/impatient_runtime.h"

namespace drover::engine {
namespace {

class Counted : public cluster::StubDeployment {
 public:
  explicit Counted(std::int64_t documents, std::int64_t really = -1) : documents_(documents), really_(really) {}
  Result<bson::Document> run_command(const std::string&, bson::View) override {
    if (really_ < 0) return fail(ErrorCode::kSource, "it cannot count");
    return bson::from_ejson(fmt::format(R"({{"cursor": {{"firstBatch": [{{"n": {}}}]}}}})", really_)).value();
  }
  Result<cluster::CollectionSize> size_of(const Namespace&) override { return cluster::CollectionSize{documents_, documents_ * 100}; }
  Result<ClusterTime> majority_time() override { return ClusterTime{5, 0}; }

 private:
  const std::int64_t documents_, really_;
};

Result<bool> check(std::int64_t on_source, std::int64_t on_destination, std::int64_t really = -1, std::int64_t really_there = -1) {
  ImpatientRuntime runtime;
  Catalog catalog;
  CollectionInfo info;
  info.ns = {"shop", "orders"};
  info.uuid = *Uuid::parse("11111111-2222-4333-8444-555555555555");
  catalog.collections[info.uuid] = std::make_shared<Collection>(runtime, info);
  ChangeRouter::Lanes lanes;
  PositionTracker tracker{ClusterTime{9, 0}};
  NamespaceFilter filter;
  ChangeRouter router{runtime, catalog, lanes, tracker, filter, {.memory_limit = 1 << 20, .directory = testing::TempDir()}, ClusterTime{9, 0}};
  Counted source(on_source, really), destination(on_destination, really_there);
  return counts_agree(source, destination, runtime, catalog, router, {});
}

TEST(CountCheck, a_copy_that_read_nothing_is_refused) {
  const auto result = check(2'000'000, 0);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kSource);
  EXPECT_NE(result.error().message.find("2000000 documents in shop.orders"), std::string::npos) << result.error().message;
}

TEST(CountCheck, wrong_books_are_counted_through) {
  EXPECT_TRUE(check(2'000'000, 0, 1'999'000, 1'998'000).value());
  EXPECT_FALSE(check(2'000'000, 2'000, 2'000'000, 1'000));
}

TEST(CountCheck, books_that_are_not_exact_are_no_reason) {
  EXPECT_TRUE(check(2'000'000, 1'900'000).value());
  EXPECT_TRUE(check(900, 0).value());
  EXPECT_TRUE(check(0, 2'000'000).value());
}

}  // namespace
}  // namespace drover::engine
