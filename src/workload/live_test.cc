#include <deque>
#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bson/builder.h"
#include "bson/ejson.h"
#include "workload/document_edit.h"
#include "workload/ledger.h"
#include "workload/statements.h"
#include "workload/test_deployment.h"
#include "workload/writer_link.h"

namespace drover::workload {
namespace {

using bson::make_document;
using testing::HasSubstr;

const Namespace kNs{"shop", "orders"};

bson::Document json(std::string_view text) { return bson::from_ejson(text).value(); }

TEST(DocumentEdit, ComputesWhatOperatorsDo) {
  const auto document = json(R"({"_id":1,"w":2,"a":"x","b":[1,2],"c":3})");
  EXPECT_EQ(with_field(document, "a", make_value(5)), json(R"({"_id":1,"w":2,"a":5,"b":[1,2],"c":3})"));
  EXPECT_EQ(with_field(document, "d", make_value(5)), json(R"({"_id":1,"w":2,"a":"x","b":[1,2],"c":3,"d":5})"));
  EXPECT_EQ(without_field(document, "a"), json(R"({"_id":1,"w":2,"b":[1,2],"c":3})"));
  EXPECT_EQ(with_pushed(document, "b", {make_value(3), make_value(4)}, 3), json(R"({"_id":1,"w":2,"a":"x","b":[2,3,4],"c":3})"));
  EXPECT_EQ(with_pushed(document, "n", {make_value(3)}, 0), json(R"({"_id":1,"w":2,"a":"x","b":[1,2],"c":3,"n":[3]})"));
  EXPECT_EQ(with_fields_rotated(document), json(R"({"_id":1,"w":2,"b":[1,2],"c":3,"a":"x"})"));
}

class LinkTest : public testing::Test {
 protected:
  std::unique_ptr<Runtime> runtime_ = make_real_runtime();
  TestDeployment source_, destination_;
  Switchover switchover_;
  WriterLink link_{3, source_, destination_, switchover_, *runtime_};
  const bson::Document before_ = json(R"({"_id":1,"w":3,"a":1})");
  const bson::Document after_ = json(R"({"_id":1,"w":3,"a":2})");
  const Statement update_ = update_statement(kNs, before_, after_, json(R"({"$set":{"a":2}})"));

  using Refusal = tl::unexpected<Error>;
  static Refusal temporary() { return Refusal(Error{ErrorCode::kTemporary, "connection reset", 0, {}}); }
  static Refusal blocked() { return Refusal(Error{ErrorCode::kSource, "User writes blocked", 371, {}}); }
  static bson::Document ok(int n) { return make_document({{"n", n}, {"ok", 1.0}}); }
  static bson::Document found(const bson::Document& document) {
    bson::Builder out;
    {
      auto cursor = out.open_document("cursor");
      auto batch = cursor.open_array("firstBatch");
      batch.append(document);
      batch.close();
      cursor.append("id", std::int64_t{0});
    }
    return std::move(out).finish();
  }
  Status perform() { return link_.perform(update_, {}); }
};

TEST_F(LinkTest, RepeatsAnUnansweredStatementUnderItsNumber) {
  source_.replies = {temporary(), temporary(), ok(1)};
  ASSERT_TRUE(perform());
  ASSERT_EQ(source_.commands.size(), 3u);
  EXPECT_EQ(source_.commands[0], source_.commands[2]);
  EXPECT_EQ(link_.repeats(), 2);
  source_.replies = {ok(1)};
  ASSERT_TRUE(perform());
  EXPECT_GT(*source_.commands[3]["txnNumber"].to_int64(), *source_.commands[2]["txnNumber"].to_int64());
}

TEST_F(LinkTest, ACountThatTheLedgerDoesNotKnowIsAFailure) {
  source_.replies = {ok(0)};
  const auto status = perform();
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().message, HasSubstr("reached 0 documents"));
}

TEST_F(LinkTest, ARefusalSendsTheWriterOverAndItProvesItsArrivalFirst) {
  switchover_.release();
  source_.replies = {ok(1), blocked()};
  destination_.replies = {blocked(), temporary(), ok(1), ok(1)};
  ASSERT_TRUE(perform());
  EXPECT_FALSE(switchover_.unavailable());
  ASSERT_TRUE(perform());
  EXPECT_FALSE(link_.on_source());
  ASSERT_EQ(destination_.commands.size(), 4u);
  EXPECT_EQ(destination_.commands[2]["insert"].string_value(), kProofCollection);
  EXPECT_EQ(destination_.commands[3]["update"].string_value(), "orders");
  EXPECT_EQ(switchover_.writers_on_destination(), 1);
  EXPECT_GT(switchover_.unavailable()->count(), 0);
}

TEST_F(LinkTest, ABlockWithinWriteErrorsIsARefusalToo) {
  switchover_.release();
  source_.replies = {json(R"({"n":0,"writeErrors":[{"index":0,"code":371,"errmsg":"blocked"}],"ok":1})")};
  destination_.replies = {ok(1), ok(1)};
  ASSERT_TRUE(perform());
  EXPECT_FALSE(link_.on_source());
}

TEST_F(LinkTest, AnUncertainStatementThatHappenedIsNotRepeatedOnTheDestination) {
  switchover_.release();
  source_.replies = {temporary(), blocked()};
  destination_.replies = {ok(1), found(after_)};
  ASSERT_TRUE(perform());
  EXPECT_EQ(destination_.commands.size(), 2u);
}

TEST_F(LinkTest, AnUncertainStatementThatDidNotHappenIsRepeatedOnTheDestination) {
  switchover_.release();
  source_.replies = {temporary(), blocked()};
  destination_.replies = {ok(1), found(before_), ok(1)};
  ASSERT_TRUE(perform());
  EXPECT_EQ(destination_.commands.size(), 3u);
}

TEST_F(LinkTest, AnUncertainStatementWithAnotherOutcomeIsAFailure) {
  switchover_.release();
  source_.replies = {temporary(), blocked()};
  destination_.replies = {ok(1), found(json(R"({"_id":1,"w":3,"a":7})"))};
  const auto status = perform();
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().message, HasSubstr("neither as before nor as after"));
}

TEST_F(LinkTest, TransactionsAreRepeatedAsAWholeUnderANewNumber) {
  source_.replies = {ok(1), Refusal(Error{ErrorCode::kTemporary, "conflict", 112, {"TransientTransactionError"}}), ok(0), ok(1), ok(1), temporary(), ok(0)};
  const auto first = update_, second = insert_statement({"shop", "transfers"}, json(R"({"_id":9})"));
  ASSERT_TRUE(link_.perform_transaction({first, second}, {}));
  std::vector<std::string> names;
  for (const auto& command : source_.commands) names.emplace_back(command.view().first().key());
  EXPECT_THAT(names, testing::ElementsAre("update", "insert", "abortTransaction", "update", "insert", "commitTransaction", "commitTransaction"));
  EXPECT_TRUE(source_.commands[3]["startTransaction"].exists());
  EXPECT_FALSE(source_.commands[4]["startTransaction"].exists());
  EXPECT_LT(*source_.commands[1]["txnNumber"].to_int64(), *source_.commands[4]["txnNumber"].to_int64());
}

TEST_F(LinkTest, AClosedSourceIsLeftWithoutBeingAsked) {
  switchover_.release();
  switchover_.close_source();
  destination_.replies = {ok(1), ok(1)};
  ASSERT_TRUE(perform());
  EXPECT_TRUE(source_.commands.empty());
  EXPECT_EQ(switchover_.writers_off_source(), 1);
}

TEST_F(LinkTest, ACutoverThatIsGivenUpBringsTheWriterBackToTheSource) {
  source_.replies = {blocked(), ok(1)};
  destination_.replies.assign(1000, blocked());  // a quarter of a second's knocking takes fewer
  ASSERT_TRUE(perform());
  EXPECT_TRUE(link_.on_source());
  EXPECT_EQ(switchover_.writers_on_destination(), 0);
  EXPECT_FALSE(switchover_.unavailable());
}

TEST_F(LinkTest, StoppedBeforeSendingNothingHappens) {
  std::stop_source stop;
  stop.request_stop();
  const auto status = link_.perform(update_, stop.get_token());
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kInterrupted);
  EXPECT_TRUE(source_.commands.empty());
}

TEST(Ledger, FindsEveryKindOfDifference) {
  Ledger ledger(3);
  for (const char* text : {R"({"_id":1,"w":3})", R"({"_id":2,"w":3})", R"({"_id":3,"w":3})"}) {
    const auto document = json(text);
    ledger.apply({kNs, bson::Value(document["_id"]), std::nullopt, document});
  }
  // Another numeric type is the same key, and not the same bytes.
  TestDeployment deployment;
  deployment.replies = {json(R"({"cursor":{"firstBatch":[{"_id":1.0,"w":3}],"id":{"$numberLong":"5"},"ns":"d.c"}})"),
                        json(R"({"cursor":{"nextBatch":[{"_id":2,"w":3},{"_id":4,"w":3}],"id":0}})")};
  const auto differences = ledger.differences(deployment, Uuid()).value();
  EXPECT_THAT(differences, testing::UnorderedElementsAre(HasSubstr("differs"), HasSubstr("removal was acknowledged"), HasSubstr("is missing")));
  EXPECT_EQ(deployment.commands[0]["filter"].document_value()["w"].int32_value(), 3);
}

TEST(Ledger, AppliesRemovalsAndReplacesCollections) {
  Ledger ledger(1);
  const auto document = json(R"({"_id":7})");
  ledger.apply({kNs, make_value(7), std::nullopt, document});
  EXPECT_NE(ledger.find(kNs, make_value(std::int64_t{7})), nullptr);
  ledger.apply({kNs, make_value(7.0), document, std::nullopt});
  EXPECT_EQ(ledger.find(kNs, make_value(7)), nullptr);
  ledger.replace_all(kNs, {json(R"({"_id":1})"), json(R"({"_id":2})")});
  ledger.replace_all(kNs, {json(R"({"_id":3})")});
  EXPECT_EQ(ledger.size(), 1u);
}

}  // namespace
}  // namespace drover::workload
