#include "engine/planner.h"

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

// One listing after another; each is followed by a note, ten seconds later.
class Source : public cluster::StubDeployment {
 public:
  std::vector<std::vector<std::string>> listings;  // names of collections
  std::vector<std::int64_t> terms;                 // of the notes
  std::size_t listed = 0;

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
    add(terms.at(oplog_.size() - 1));
    return last();
  }
  Result<ClusterTime> majority_time() override { return last(); }
  Result<std::unique_ptr<cluster::OplogCursor>> tail_oplog(ClusterTime from) override {
    std::vector<bson::Document> entries;
    for (const auto& entry : oplog_)
      if (entry["ts"].timestamp_value() >= from) entries.push_back(entry);
    return std::make_unique<Cursor>(std::move(entries));
  }
  ClusterTime last() const { return oplog_.back()["ts"].timestamp_value(); }
  void add(std::int64_t term) {
    const ClusterTime ts{oplog_.empty() ? 10 : last().seconds + 10, 1};
    oplog_.push_back(bson::make_document({{"ts", ts}, {"t", term}, {"op", "n"}, {"ns", ""}, {"o", bson::Document()}}));
  }

 private:
  std::vector<bson::Document> oplog_;
};

class PlannerTest : public testing::Test {
 protected:
  std::vector<std::string> list() {
    source_.add(5);
    const auto listing = planner_.list(source_.last(), {});
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
  source_.terms = {5};
  EXPECT_EQ(list(), std::vector<std::string>{"orders"});
}

// What a primary had alone goes with it.
TEST_F(PlannerTest, what_was_listed_before_an_election_is_listed_again) {
  source_.listings = {{"ghost", "orders"}, {"orders"}};
  source_.terms = {6, 6};
  EXPECT_EQ(list(), std::vector<std::string>{"orders"});
  EXPECT_EQ(source_.listed, 2u);
}

}  // namespace
}  // namespace drover::engine
