#include "engine/planner.h"

#include <set>

#include <gtest/gtest.h>

#include "bson/builder.h"
#include "cluster/testing/stub_deployment.h"
#include "engine/testing/impatient_runtime.h"

namespace drover::engine {
namespace {

class Cursor final : public cluster::OplogCursor {
 public:
  explicit Cursor(std::vector<bson::Document> entries) : entries_(std::move(entries)) {}
  Result<std::vector<bson::View>> next(std::chrono::milliseconds, const std::stop_token&) override {
    std::vector<bson::View> views;
    for (const auto& entry : entries_) views.push_back(entry.view());
    return views;
  }

 private:
  const std::vector<bson::Document> entries_;
};

// One listing after another, each between two notes, which come ten seconds after what was before them.
class Source : public cluster::StubDeployment {
 public:
  std::vector<std::vector<std::string>> listings;  // names of collections
  std::vector<std::int64_t> terms;                 // of the notes
  std::size_t listed = 0, noted = 0;
  std::set<std::size_t> lost;                      // notes that an election takes back after all

  Result<std::vector<std::string>> list_databases() override { return std::vector<std::string>{"shop"}; }
  Result<std::vector<CollectionInfo>> list_collections(const std::string& db) override {
    std::vector<CollectionInfo> infos;
    for (const auto& name : listings.at(listed++)) {
      CollectionInfo info;
      info.ns = {db, name};
      infos.push_back(std::move(info));
    }
    return infos;
  }
  Result<ClusterTime> append_note(bson::View) override {
    add(terms.at(noted));
    const auto at = last();
    if (lost.contains(noted++)) oplog_.pop_back();
    return at;
  }
  Result<std::unique_ptr<cluster::OplogCursor>> tail_oplog(ClusterTime from) override {
    std::vector<bson::Document> entries;
    for (const auto& entry : oplog_)
      if (entry["ts"].timestamp_value() >= from) entries.push_back(entry);
    return std::make_unique<Cursor>(std::move(entries));
  }
  ClusterTime last() const { return oplog_.back()["ts"].timestamp_value(); }
  void add(std::int64_t term) {
    const ClusterTime ts{seconds_ += 10, 1};
    oplog_.push_back(bson::make_document({{"ts", ts}, {"t", term}, {"op", "n"}, {"ns", ""}, {"o", bson::Document()}}));
  }

 private:
  std::vector<bson::Document> oplog_;
  std::uint32_t seconds_ = 0;
};

class PlannerTest : public testing::Test {
 protected:
  std::vector<std::string> list() {
    const auto listing = planner_.list({});
    EXPECT_TRUE(listing) << listing.error().message;
    std::vector<std::string> names;
    for (const auto& info : listing->collections) names.push_back(info.ns.collection);
    EXPECT_EQ(listing->listed_at.at("shop"), source_.last());
    return names;
  }
  ImpatientRuntime runtime_;
  Source source_;
  std::unique_ptr<Log> log_ = make_null_log();
  NamespaceFilter filter_;
  Planner planner_{source_, runtime_, *log_, filter_};
};

TEST_F(PlannerTest, one_listing_is_enough_while_nothing_changes) {
  source_.listings = {{"orders"}};
  source_.terms = {5, 5};
  EXPECT_EQ(list(), std::vector<std::string>{"orders"});
}

// What a primary had alone goes with it.
TEST_F(PlannerTest, what_was_listed_before_an_election_is_listed_again) {
  source_.listings = {{"ghost", "orders"}, {"orders"}};
  source_.terms = {5, 6, 6, 6};
  EXPECT_EQ(list(), std::vector<std::string>{"orders"});
  EXPECT_EQ(source_.listed, 2u);
}

// The terms before and after a listing tell of an election only where both are known.
TEST_F(PlannerTest, what_was_listed_after_an_entry_that_is_not_there_is_listed_again) {
  source_.listings = {{"ghost", "orders"}, {"orders"}};
  source_.terms = {5, 6, 6, 6};
  source_.lost = {0};
  EXPECT_EQ(list(), std::vector<std::string>{"orders"});
  EXPECT_EQ(source_.listed, 2u);
}

// Nor do the terms of what was written before it.
TEST_F(PlannerTest, an_election_before_the_listing_is_none_in_it) {
  source_.listings = {{"orders"}};
  source_.add(4);
  source_.terms = {5, 5};
  EXPECT_EQ(list(), std::vector<std::string>{"orders"});
}

}  // namespace
}  // namespace drover::engine
