// bulkWrite of 8.0: what it answers for each operation, and how it ends.
#include "sandbox/server/client_for_tests.h"

namespace drover::sandbox {
namespace {

using BulkWriteTest = SandboxClientTest;

TEST_F(BulkWriteTest, IsUnknownBefore8) {
  start(kTest70);
  EXPECT_EQ(code("admin", R"({"bulkWrite": 1, "ops": [{"insert": 0, "document": {"_id": 1}}], "nsInfo": [{"ns": "t.a"}]})"), 59);
}

TEST_F(BulkWriteTest, IsNotThereWhileTheServerIsHeldAtAnEarlierVersion) {
  start(kTest80);
  const std::string command = R"({"bulkWrite": 1, "ops": [{"insert": 0, "document": {"_id": 1}}], "nsInfo": [{"ns": "t.a"}]})";
  ASSERT_EQ(code("admin", R"({"setFeatureCompatibilityVersion": "7.0", "confirm": true})"), 0);
  const auto refused = run("admin", command);
  EXPECT_EQ(code_of(refused), 115);
  EXPECT_EQ(refused["errmsg"].to_string_view(), "BulkWrite may not be run without featureFlagBulkWriteCommand enabled");
  EXPECT_EQ(find("t", "a").size(), 0U);
  ASSERT_EQ(code("admin", R"({"setFeatureCompatibilityVersion": "8.0", "confirm": true})"), 0);
  EXPECT_EQ(code("admin", command), 0);
}

TEST_F(BulkWriteTest, AnswersForEachOperation) {
  start(kTest80);
  EXPECT_EQ(code("t", R"({"bulkWrite": 1, "ops": [{"insert": 0, "document": {"_id": 1}}], "nsInfo": [{"ns": "t.a"}]})"), 13);
  const auto reply = run("admin", R"({"bulkWrite": 1, "ops": [
      {"insert": 0, "document": {"_id": 1, "x": 1}}, {"insert": 0, "document": {"_id": 2, "x": 1}}, {"insert": 1, "document": {"_id": 1}},
      {"update": 0, "filter": {"x": 1}, "updateMods": {"$inc": {"x": 1}}, "multi": true},
      {"update": 1, "filter": {"_id": 7}, "updateMods": {"$set": {"y": 1}}, "upsert": true},
      {"delete": 0, "filter": {"_id": 2}}], "nsInfo": [{"ns": "t.a"}, {"ns": "u.b"}]})");
  ASSERT_TRUE(reply["ok"].is_truthy()) << text(reply);
  const auto items = batch(reply);
  ASSERT_EQ(items.size(), 6U);
  EXPECT_EQ(text(items[0]), R"({"ok":1.0,"idx":0,"n":1})");
  EXPECT_EQ(text(items[3]), R"({"ok":1.0,"idx":3,"n":2,"nModified":2})");
  EXPECT_EQ(text(items[4]), R"({"ok":1.0,"idx":4,"n":1,"nModified":0,"upserted":{"_id":7}})");
  EXPECT_EQ(text(items[5]), R"({"ok":1.0,"idx":5,"n":1})");
  for (const auto& [name, value] : {std::pair("nErrors", 0), {"nInserted", 3}, {"nMatched", 2}, {"nModified", 2}, {"nUpserted", 1}, {"nDeleted", 1}}) {
    EXPECT_EQ(reply[name].to_int64(), value) << name;
  }
  EXPECT_EQ(reply.view().at_path("cursor.ns").to_string_view(), "admin.$cmd.bulkWrite");
  EXPECT_EQ(find("t", "a").size(), 1U);
  EXPECT_EQ(find("u", "b").size(), 2U);
}

TEST_F(BulkWriteTest, StopsAtAnErrorWhenOrdered) {
  start(kTest80);
  const std::string operations = R"("ops": [{"insert": 0, "document": {"_id": 1}}, {"insert": 0, "document": {"_id": 1}}, {"insert": 0, "document": {"_id": 2}}],
                                    "nsInfo": [{"ns": "t.a"}])";
  const auto ordered = run("admin", R"({"bulkWrite": 1, )" + operations + "}");
  const auto items = batch(ordered);
  ASSERT_EQ(items.size(), 2U);
  EXPECT_EQ(items[1]["code"].to_int64(), 11000);
  EXPECT_EQ(text(items[1]["keyValue"]), R"({"_id":1})");
  EXPECT_EQ(ordered["nErrors"].to_int64(), 1);
  EXPECT_EQ(find("t", "a").size(), 1U);
  const auto rest = run("admin", R"({"bulkWrite": 1, "ordered": false, "errorsOnly": true, )" + operations + "}");
  EXPECT_EQ(batch(rest).size(), 2U);
  EXPECT_EQ(rest["nInserted"].to_int64(), 1);
  EXPECT_EQ(rest["nErrors"].to_int64(), 2);
}

TEST_F(BulkWriteTest, RetriesAnswerAsBefore) {
  start(kTest80);
  const std::string command = R"({"bulkWrite": 1, "ops": [{"insert": 0, "document": {"_id": 1, "x": 1}}, {"update": 0, "filter": {"_id": 1}, "updateMods": {"$inc": {"x": 1}}}],
      "nsInfo": [{"ns": "t.a"}], "lsid": {"id": {"$uuid": "01234567-89ab-cdef-0123-456789abcdef"}}, "txnNumber": {"$numberLong": "1"}})";
  EXPECT_EQ(text(run("admin", command)["cursor"]), text(run("admin", command)["cursor"]));
  EXPECT_EQ(text(find("t", "a").at(0)), R"({"_id":1,"x":2})");
}

TEST_F(BulkWriteTest, Refusals) {
  start(kTest80);
  const auto refused = [&](const std::string& operations) { return code("admin", R"({"bulkWrite": 1, "nsInfo": [{"ns": "t.a"}], "ops": [)" + operations + "]}"); };
  EXPECT_EQ(refused(R"({"insert": 1, "document": {}})"), 2);
  EXPECT_EQ(refused(R"({"upsert": 0, "document": {}})"), 40415);
  EXPECT_EQ(refused(R"({"insert": 0, "document": "test"})"), 14);
  EXPECT_EQ(refused(R"({"insert": 0})"), 40414);
  EXPECT_EQ(refused(R"({"delete": 0, "filter": {}, "upsert": true})"), 40415);
  EXPECT_EQ(refused(R"({"update": 0, "filter": {}})"), 40414);
  EXPECT_EQ(refused(""), 16);
}

}  // namespace
}  // namespace drover::sandbox
