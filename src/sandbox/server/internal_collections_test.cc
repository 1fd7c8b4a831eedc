// What clients may do to the collections that the server keeps for itself.
#include <fmt/format.h>

#include "sandbox/server/client_for_tests.h"
#include "sandbox/server/server_state.h"
#include "sandbox/storage/engine.h"

namespace drover::sandbox {
namespace {

class InternalCollectionsTest : public SandboxClientTest {
 protected:
  static std::string outcome(const bson::Document& reply) {
    const auto error = reply.view().at_path("writeErrors.0.code");
    if (error) return fmt::format("statement {} {}", error.to_int64().value_or(0), reply.view().at_path("writeErrors.0.errmsg").to_string_view().value_or(""));
    if (reply["ok"].is_truthy()) return "ok";
    return fmt::format("{} {}", reply["code"].to_int64().value_or(0), reply["errmsg"].to_string_view().value_or(""));
  }
  std::string outcome(const std::string& db, const std::string& command) { return outcome(run(db, command)); }
  static std::string numbered(int number) {
    return fmt::format(R"(, "lsid": {{"id": {{"$uuid": "01234567-89ab-cdef-0123-456789abcdef"}}}}, "txnNumber": {{"$numberLong": "{}"}}}})", number);
  }
};

TEST_F(InternalCollectionsTest, SessionsAreWrittenByThemselves) {
  for (const auto version : {kTest44, kTest60, kTest80}) {
    start(version);
    ASSERT_EQ(outcome("t", R"({"insert": "c", "documents": [{"_id": 1}])" + numbered(1)), "ok");
    EXPECT_EQ(outcome("config", R"({"createIndexes": "transactions", "indexes": [{"key": {"a": 1}, "name": "a_1"}]})"), "20 not allowed to create index on config.transactions");
    const std::string refused = "statement 40528 Direct writes against config.transactions cannot be performed using a transaction or on a session.";
    EXPECT_EQ(outcome("config", R"({"insert": "transactions", "documents": [{"_id": {"id": 1, "uid": 1}}])" + numbered(2)), refused);
    EXPECT_EQ(outcome("config", R"({"update": "transactions", "updates": [{"q": {}, "u": {"$set": {"x": 1}}}])" + numbered(3)), refused);
    EXPECT_EQ(outcome("config", R"({"delete": "transactions", "deletes": [{"q": {}, "limit": 1}])" + numbered(4)), refused);
    EXPECT_EQ(outcome("config", R"({"insert": "transactions", "documents": [{"_id": 1}]})"), "statement 10065 invalid parameter: expected an object (_id)");
    EXPECT_EQ(outcome("config", R"({"insert": "transactions", "documents": [{"_id": {"id": 1}}]})"), "statement 40414 BSON field 'lsid.uid' is missing but a required field");
    const auto entries = find("config", "transactions");
    ASSERT_EQ(entries.size(), 1u);
    EXPECT_FALSE(entries.front()["x"].exists());
    EXPECT_EQ(outcome("config", R"({"delete": "transactions", "deletes": [{"q": {}, "limit": 0}]})"), "ok");
    EXPECT_EQ(find("config", "transactions").size(), 0u);
  }
}

// Nothing that may be repeated is written where nobody could remember it; an election makes the collection anew.
TEST_F(InternalCollectionsTest, WithoutSessionsThereAreNoRetryableWrites) {
  for (const auto version : {kTest44, kTest80}) {
    start(version);
    ASSERT_EQ(outcome("config", R"({"drop": "transactions"})"), "ok");
    EXPECT_NE(outcome("t", R"({"insert": "c", "documents": [{"_id": 1}])" + numbered(1)).find("40527 Unable to persist transaction state"), std::string::npos);
    EXPECT_EQ(find("t", "c").size(), 0u);
    EXPECT_EQ(outcome("t", R"({"insert": "c", "documents": [{"_id": 1}]})"), "ok");
    ASSERT_EQ(outcome("admin", R"({"replSetStepDown": 60, "force": true})"), "ok");
    ASSERT_EQ(outcome("admin", R"({"replSetFreeze": 0})"), "ok");
    EXPECT_EQ(outcome("t", R"({"insert": "c", "documents": [{"_id": 2}])" + numbered(2)), "ok");
    EXPECT_EQ(find("config", "transactions").size(), 1u);
  }
}

TEST_F(InternalCollectionsTest, OtherSystemCollectionsCannotBeMade) {
  for (const auto version : {kTest44, kTest80}) {
    start(version);
    for (const std::string db : {"admin", "config", "local", "t"}) {
      const auto refused = version < kTest50 ? "73 cannot write to '" + db + ".system.foo'" : "73 Invalid system namespace: " + db + ".system.foo";
      EXPECT_EQ(outcome(db, R"({"create": "system.foo"})"), refused);
      EXPECT_EQ(outcome(db, R"({"insert": "system.foo", "documents": [{"_id": 1}]})"), refused);
    }
    EXPECT_EQ(outcome("config", R"({"insert": "system.sessions", "documents": [{"_id": 1}]})"), "ok");
    EXPECT_EQ(outcome("local", R"({"insert": "system.healthlog", "documents": [{"_id": 1}]})"), "ok");
    EXPECT_EQ(outcome("admin", R"({"create": "system.backup_users"})"), "ok");
  }
}

}  // namespace
}  // namespace drover::sandbox
