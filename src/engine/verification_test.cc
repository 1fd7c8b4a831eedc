#include "engine/verification.h"

#include <chrono>
#include <limits>
#include <stop_token>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bson/builder.h"
#include "cluster/testing/stub_deployment.h"
#include "engine/catalog_store.h"
#include "engine/id_text.h"
#include "engine/testing/impatient_runtime.h"

namespace drover::engine {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

bson::Value value(const bson::Document& document) { return bson::Value(document.view().first()); }

// Holds one document, whatever is asked for.
class Side : public cluster::StubDeployment {
 public:
  bson::Document document;
  Result<ClusterTime> majority_time() override { return ClusterTime{5, 0}; }
  Result<cluster::StateRead> read_by_ids(const Namespace&, const Uuid&, std::span<const bson::Value>, ClusterTime, std::size_t) override {
    cluster::StateRead read;
    read.documents.push_back(document);
    read.operation_time = {5, 0};
    return read;
  }
};

class Lines : public Log {
 public:
  std::string text;
  void write(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) override {
    text += log_line(level, message, "", std::span(fields.begin(), fields.size()));
  }
};

class VerificationTest : public testing::Test {
 protected:
  VerificationTest() {
    CollectionInfo info;
    info.ns = {"shop", "orders"};
    info.uuid = *Uuid::parse("11111111-2222-4333-8444-555555555555");
    collection_ = std::make_shared<Collection>(clock_, std::move(info));
    clock_.time = std::chrono::hours(1);
    set_partitions(*collection_, {});
    auto& partition = *collection_->partitions[0];
    partition.state = PartitionState::kCopied;
    partition.check.state = RangeCheck::State::kCompared;
    catalog_.collections[collection_->info.uuid] = collection_;
    verification_.begin();
  }
  void change(const bson::Value& id) {
    MonitorLock lock(router_.lock());
    verification_.changed(*collection_, *collection_->partitions[0], collection_->key_of(id.element()), id);
  }
  void change(int first, int last) {
    for (int id = first; id <= last; ++id) change(value(bson::make_document({{"", id}})));
  }

  ImpatientRuntime clock_;
  Side source_, destination_;
  Lines log_;
  Catalog catalog_;
  std::shared_ptr<Collection> collection_;
  ChangeRouter::Lanes lanes_;
  PositionTracker tracker_{ClusterTime{9, 0}};
  NamespaceFilter filter_;
  ChangeRouter router_{clock_, catalog_, lanes_, tracker_, filter_, {.memory_limit = 1 << 20, .directory = testing::TempDir()}, ClusterTime{9, 0}};
  Verification verification_{source_, destination_, clock_, log_, catalog_, router_};
};

TEST_F(VerificationTest, too_much_that_changes_for_two_minutes_is_told_with_what_to_do) {
  constexpr int kMost = static_cast<int>(kMostComparedUnderBlock);
  change(1, kMost);
  EXPECT_FALSE(verification_.why_not_commit());
  change(kMost + 1, kMost + 1);
  EXPECT_EQ(verification_.why_not_commit(), "5,001 changed documents are still to be compared");
  *clock_.time += std::chrono::minutes(2);
  EXPECT_EQ(verification_.why_not_commit(), "5,001 changed documents are still to be compared");
  *clock_.time += std::chrono::seconds(1);
  EXPECT_EQ(verification_.why_not_commit(), "5,001 changed documents are still to be compared: it does not keep pace, write less");

  // Once it has kept pace, the two minutes begin anew.
  collection_->gone = true;
  EXPECT_FALSE(verification_.why_not_commit());
  collection_->gone = false;
  EXPECT_EQ(verification_.why_not_commit(), "5,001 changed documents are still to be compared");
  // And what is still to be compared for the first time is another matter.
  *clock_.time += std::chrono::minutes(3);
  collection_->partitions[0]->check.state = RangeCheck::State::kWaiting;
  EXPECT_EQ(verification_.why_not_commit(), "1 of 1 ranges are still to be compared");
  collection_->partitions[0]->check.state = RangeCheck::State::kCompared;
  EXPECT_EQ(verification_.why_not_commit(), "5,001 changed documents are still to be compared");
}

TEST_F(VerificationTest, a_difference_is_told_by_its_id_and_nothing_else_of_the_document) {
  const auto nan = std::numeric_limits<double>::quiet_NaN();
  source_.document = bson::make_document({{"_id", nan}, {"card", "4929-secret"}});
  destination_.document = bson::make_document({{"_id", nan}, {"card", "5555-hidden"}});
  change(value(source_.document));
  const auto result = verification_.run({});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kMismatch);
  EXPECT_EQ(verification_.mismatches(), 1);
  EXPECT_FALSE(verification_.was_equal());
  const auto nothing_else = AllOf(Not(HasSubstr("secret")), Not(HasSubstr("hidden")), Not(HasSubstr("4929")), Not(HasSubstr("card")));
  EXPECT_THAT(result.error().message, AllOf(HasSubstr(R"(shop.orders _id { "$numberDouble" : "NaN" }: a field: another string)"), nothing_else));
  EXPECT_THAT(log_.text, AllOf(HasSubstr(R"("_id":"{ \"$numberDouble\" : \"NaN\" }")"), HasSubstr("a field: another string"), nothing_else));
}

// It is held back while others may be found with it: not once what was still to be compared has gone with its collection.
TEST_F(VerificationTest, a_difference_is_told_when_there_is_nothing_more_to_look_at) {
  CollectionInfo info;
  info.ns = {"shop", "dropped"};
  info.uuid = *Uuid::parse("22222222-2222-4333-8444-555555555555");
  const auto other = std::make_shared<Collection>(clock_, std::move(info));
  set_partitions(*other, {});
  catalog_.collections[other->info.uuid] = other;
  source_.document = bson::make_document({{"_id", 1}, {"a", 1}});
  destination_.document = bson::make_document({{"_id", 1}, {"a", 2}});
  change(value(source_.document));
  std::stop_source stop;
  Status result;
  {
    std::jthread run([&] { result = verification_.run(stop.get_token()); });
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (verification_.mismatches() == 0 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
    EXPECT_EQ(verification_.why_not_commit(), "documents have been found that differ");
    {
      MonitorLock lock(router_.lock());
      other->gone = true;
    }
    std::jthread watch([&](const std::stop_token& enough) {
      while (!enough.stop_requested() && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
      stop.request_stop();
    });
    run.join();
  }
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kMismatch);
}

TEST(IdText, is_what_finds_the_document) {
  EXPECT_EQ(id_text(value(bson::make_document({{"", std::int64_t{7}}})).element()), R"({ "$numberLong" : "7" })");
  EXPECT_EQ(id_text(value(bson::make_document({{"", "a\"b"}})).element()), R"("a\"b")");
}

TEST(IdText, is_cut_where_it_is_long_and_says_so) {
  std::string text(kIdText - 2, 'x');  // with its quotation mark one byte less than the limit
  text += "\xc3\xa4\xc3\xa4";
  const auto told = id_text(value(bson::make_document({{"", text}})).element());
  EXPECT_EQ(told, "\"" + text.substr(0, kIdText - 2) + "... (" + std::to_string(text.size() + 5) + " bytes)");
}

}  // namespace
}  // namespace drover::engine
