// What a transaction may do, how its numbers are refused, and the words for it.
#include <map>

#include <fmt/format.h>

#include "sandbox/commands/sessions.h"
#include "sandbox/server/client_for_tests.h"

namespace drover::sandbox {
namespace {

class TransactionsTest : public SandboxClientTest {
 protected:
  static std::string numbered(std::int64_t number, const std::string& more) {
    return fmt::format(R"(, "lsid": {{"id": {{"$uuid": "01234567-89ab-cdef-0123-456789abcdef"}}}}, "txnNumber": {{"$numberLong": "{}"}}{}}})", number, more);
  }
  static std::string first(std::int64_t number) { return numbered(number, R"(, "startTransaction": true, "autocommit": false)"); }
  static std::string within(std::int64_t number) { return numbered(number, R"(, "autocommit": false)"); }
  std::string outcome(const std::string& db, const std::string& command) {
    const auto reply = run(db, command);
    labelled_ = text(reply["errorLabels"]);
    if (const auto errors = reply.view().at_path("writeErrors.0").to_document()) {
      return fmt::format("statement {} {}", (*errors)["code"].to_int64().value_or(0), (*errors)["errmsg"].to_string_view().value_or(""));
    }
    if (reply["ok"].is_truthy()) return "ok";
    return fmt::format("{} {}", reply["code"].to_int64().value_or(0), reply["errmsg"].to_string_view().value_or(""));
  }
  std::string labelled_;
  const std::string insert_ = R"({"insert": "c", "documents": [{}])";
};

TEST_F(TransactionsTest, TheFieldsThatSayWhatACommandIs) {
  start(kTest44);
  EXPECT_EQ(outcome("t", insert_ + numbered(1, R"(, "autocommit": false, "startTransaction": false)")), "72 Specifying startTransaction=false is not allowed.");
  EXPECT_EQ(labelled_, "");
  EXPECT_EQ(outcome("t", insert_ + numbered(1, R"(, "startTransaction": true)")), "72 'startTransaction' field requires 'autocommit' field to also be specified");
  EXPECT_EQ(outcome("t", insert_ + numbered(1, R"(, "autocommit": true)")), "72 Specifying autocommit=true is not allowed.");
  EXPECT_EQ(outcome("t", insert_ + R"(, "autocommit": false})"), "72 'autocommit' field requires a transaction number to also be specified");
  EXPECT_EQ(outcome("t", insert_ + R"(, "lsid": {"id": {"$uuid": "01234567-89ab-cdef-0123-456789abcdef"}, "foo": 1}})"),
            "40415 BSON field 'OperationSessionInfo.lsid.foo' is an unknown field.");
  EXPECT_EQ(find("t", "c").size(), 0U);
}

TEST_F(TransactionsTest, ANumberIsUsedOnce) {
  for (const auto version : {kTest44, kTest80}) {
    start(version);
    run("t", R"({"create": "c"})");
    EXPECT_EQ(outcome("t", insert_ + first(1)), "ok");
    EXPECT_EQ(outcome("t", insert_ + first(1)), "117 Only servers in a sharded cluster can start a new transaction at the active transaction number");
    EXPECT_EQ(outcome("t", insert_ + numbered(1, "")), "72 Must specify autocommit=false on all operations of a multi-statement transaction.");
    EXPECT_EQ(outcome("admin", R"({"commitTransaction": 1)" + within(1)), "ok");  // none of these has ended it
    EXPECT_EQ(outcome("t", insert_ + first(1)), "117 Only servers in a sharded cluster can start a new transaction at the active transaction number");
    EXPECT_EQ(outcome("t", insert_ + numbered(2, "")), "ok");
    EXPECT_EQ(outcome("t", insert_ + first(2)), "117 Only servers in a sharded cluster can start a new transaction at the active transaction number");
    EXPECT_EQ(find("t", "c").size(), 2U);
  }
}

TEST_F(TransactionsTest, WordsSinceTransactionsHaveTwoNumbers) {
  start(kTest80);
  run("t", R"({"create": "c"})");
  outcome("t", insert_ + first(20));
  outcome("admin", R"({"abortTransaction": 1)" + within(20));
  EXPECT_EQ(outcome("t", insert_ + within(20)), "251 Transaction with { txnNumber: 20 } has been aborted.");
  const auto older = outcome("t", insert_ + first(19));
  EXPECT_TRUE(older.starts_with("225 Cannot start transaction with { txnNumber: 19 } on session 01234567-")) << older;
  EXPECT_TRUE(older.ends_with(" because a newer transaction with txnNumberAndRetryCounter { txnNumber: 20, txnRetryCounter: 0 } has already started on this session.")) << older;
  outcome("t", insert_ + first(21));
  outcome("admin", R"({"commitTransaction": 1)" + within(21));
  EXPECT_EQ(outcome("t", insert_ + within(21)), "256 Transaction with { txnNumber: 21 } has been committed.");
}

TEST_F(TransactionsTest, TheServersOwnDatabasesAreOutOfReach) {
  start(kTest44);
  EXPECT_EQ(outcome("config", insert_ + first(1)), "263 Cannot run command against the config database in a transaction.");
  EXPECT_EQ(outcome("local", R"({"find": "oplog.rs")" + first(1)), "263 Cannot run command against the 'local' database in a transaction.");
  start(kTest80);
  EXPECT_EQ(outcome("config", insert_ + first(1)), "263 Cannot run command against the 'config' database in a transaction.");
  EXPECT_EQ(outcome("t", R"({"find": "system.profile")" + first(1)), "263 Cannot run command against the 't.system.profile' collection in a transaction.");
}

TEST_F(TransactionsTest, CappedCollectionsAreNotWritten) {
  start(kTest80);
  run("t", R"({"create": "k", "capped": true, "size": 4096})");
  run("t", R"({"insert": "k", "documents": [{"_id": 1}]})");
  const std::string refusal = "263 Collection 't.k' is a capped collection. Writes in transactions are not allowed on capped collections.";
  std::int64_t number = 0;
  for (const std::string command : {R"({"insert": "k", "documents": [{"_id": 2}])", R"({"update": "k", "updates": [{"q": {"_id": 1}, "u": {"$set": {"a": 1}}}])",
                                    R"({"update": "k", "updates": [{"q": {"a": 7}, "u": {"$set": {"a": 1}}}])", R"({"update": "k", "updates": [{"q": {}, "u": {"$set": {"a": 1}}, "multi": true}])",
                                    R"({"delete": "k", "deletes": [{"q": {}, "limit": 0}])"}) {
    EXPECT_EQ(outcome("t", command + first(++number)), "statement " + refusal) << command;
    EXPECT_EQ(outcome("admin", R"({"commitTransaction": 1)" + within(number)).substr(0, 3), "251") << command;
  }
  EXPECT_EQ(outcome("t", R"({"findAndModify": "k", "query": {}, "remove": true)" + first(++number)), refusal);
  EXPECT_EQ(outcome("t", R"({"find": "k")" + first(++number)), "ok");
  EXPECT_EQ(text(find("t", "k").at(0)), R"({"_id":1})");
}

TEST_F(TransactionsTest, IndexesAreMadeOnlyOnWhatIsNew) {
  for (const auto version : {kTest44, kTest80}) {
    start(version);
    run("t", R"({"insert": "full", "documents": [{"_id": 1, "a": 1}]})");
    run("t", R"({"create": "empty"})");
    const std::string indexes = R"(, "indexes": [{"key": {"a": 1}, "name": "a_1"}])";
    EXPECT_EQ(outcome("t", R"({"createIndexes": "full")" + indexes + first(1)), "263 Cannot create new indexes on existing collection t.full in a multi-document transaction.");
    EXPECT_EQ(outcome("t", R"({"createIndexes": "empty")" + indexes + first(2)), "263 Cannot create new indexes on existing collection t.empty in a multi-document transaction.");
    EXPECT_EQ(outcome("t", R"({"insert": "own", "documents": [{"a": 1}])" + first(3)), "ok");
    EXPECT_EQ(outcome("t", R"({"createIndexes": "own")" + indexes + within(3)), "263 Cannot create new indexes on non-empty collection t.own in a multi-document transaction.");
    EXPECT_EQ(outcome("t", R"({"create": "own")" + first(4)), "ok");
    EXPECT_EQ(outcome("t", R"({"createIndexes": "own")" + indexes + within(4)), "ok");
    EXPECT_EQ(outcome("admin", R"({"commitTransaction": 1)" + within(4)), "ok");
    run("t", R"({"createIndexes": "full")" + indexes + "}");
    EXPECT_EQ(outcome("t", R"({"createIndexes": "full")" + indexes + first(5)), "ok");  // it is there
  }
}

TEST_F(TransactionsTest, AConflictSaysSo) {
  start(kTest80);
  run("t", R"({"insert": "c", "documents": [{"_id": 1}]})");
  EXPECT_EQ(outcome("t", R"({"find": "c")" + first(1)), "ok");
  run("t", R"({"update": "c", "updates": [{"q": {"_id": 1}, "u": {"$set": {"a": 1}}}]})");
  EXPECT_EQ(outcome("t", R"({"update": "c", "updates": [{"q": {"_id": 1}, "u": {"$set": {"a": 2}}}])" + within(1)),
            "112 Caused by :: Write conflict during plan execution and yielding is disabled. :: Please retry your operation or multi-document transaction.");
  EXPECT_EQ(labelled_, R"({"0":"TransientTransactionError"})");
}

TEST_F(TransactionsTest, RepeatedStatementsAreNamedSince5) {
  for (const auto version : {kTest44, kTest50, kTest80}) {
    start(version);
    const bool named = version >= kTest50;
    const auto insert = R"({"insert": "c", "documents": [{"_id": 1}, {"_id": 2}], "ordered": true)" + numbered(1, "");
    EXPECT_FALSE(run("t", insert)["retriedStmtIds"].exists());
    const auto again = run("t", insert);
    EXPECT_EQ(again["n"].to_int64(), 2);
    EXPECT_EQ(text(again["retriedStmtIds"]), named ? R"({"0":0,"1":1})" : "");
    const auto update = R"({"update": "c", "updates": [{"q": {"_id": 1}, "u": {"$set": {"a": 1}}}])" + numbered(2, R"(, "stmtIds": [7])");
    run("t", update);
    EXPECT_EQ(text(run("t", update)["retriedStmtIds"]), named ? R"({"0":7})" : "");
    const auto remove = R"({"delete": "c", "deletes": [{"q": {"_id": 1}, "limit": 1}])" + numbered(3, "");
    run("t", remove);
    EXPECT_EQ(text(run("t", remove)["retriedStmtIds"]), named ? R"({"0":0})" : "");
    const auto modify = R"({"findAndModify": "c", "query": {"_id": 2}, "update": {"$set": {"a": 1}})" + numbered(4, "");
    EXPECT_FALSE(run("t", modify)["retriedStmtId"].exists());
    EXPECT_EQ(run("t", modify)["retriedStmtId"].exists(), named);
  }
}

// A session is a user's: two of one id are two.
TEST_F(TransactionsTest, SessionsOfOneIdAndTwoUsersAreTwo) {
  start(kTest80);
  ASSERT_EQ(code("t", R"({"insert": "c", "documents": [{"_id": 1}, {"_id": 2}, {"_id": 3}]})"), 0);
  const auto id = Uuid::random(*runtime_);
  const auto lsid = [&](const std::string& user) {
    const auto digest = user_digest(user);
    return bson::make_document({{"id", id}, {"uid", bson::Binary{0, {reinterpret_cast<const std::uint8_t*>(digest.data()), digest.size()}}}});
  };
  const auto in_transaction = [&](const std::string& user, const std::string& db, const std::string& command, bool starts) {
    bson::Builder out;
    out.append_all(*bson::from_ejson(command)).append("lsid", lsid(user)).append("txnNumber", std::int64_t{1}).append("autocommit", false);
    if (starts) out.append("startTransaction", true);
    return run(db, std::move(out).finish().view());
  };
  std::map<std::string, std::int64_t> cursors;
  for (const std::string user : {"a@d", "b@d"}) {
    const auto opened = in_transaction(user, "t", R"({"find": "c", "batchSize": 1})", true);
    cursors[user] = opened.view().at_path("cursor.id").to_int64().value_or(0);
    ASSERT_NE(cursors[user], 0) << text(opened);
  }
  const auto listed = [&](const char* command, const bson::Document& item) {
    bson::Builder out;
    out.open_array(command).append(item);
    return code("admin", std::move(out).finish());
  };
  const auto goes_on = [&](const std::string& user) {
    return code_of(in_transaction(user, "t", R"({"getMore": {"$numberLong": ")" + std::to_string(cursors[user]) + R"("}, "collection": "c", "batchSize": 1})", false)) == 0;
  };
  ASSERT_EQ(listed("killSessions", lsid("a@d")), 0);
  EXPECT_FALSE(goes_on("a@d"));
  EXPECT_TRUE(goes_on("b@d"));
  ASSERT_EQ(listed("killAllSessions", *bson::from_ejson(R"({"user": "a", "db": "d"})")), 0);
  ASSERT_EQ(listed("killAllSessionsByPattern", bson::make_document({{"lsid", lsid("a@d")}})), 0);
  ASSERT_EQ(listed("endSessions", lsid("a@d")), 0);
  EXPECT_EQ(code_of(in_transaction("b@d", "t", R"({"find": "c"})", false)), 0);
  ASSERT_EQ(listed("killAllSessions", *bson::from_ejson(R"({"user": "b", "db": "d"})")), 0);
  EXPECT_EQ(code_of(in_transaction("b@d", "t", R"({"find": "c"})", false)), 251);
}

TEST_F(TransactionsTest, ViewsAndTheProfileAreNotReadInOne) {
  for (const auto version : {kTest44, kTest50, kTest80}) {
    start(version);
    run("t", R"({"create": "v", "viewOn": "c", "pipeline": []})");
    std::int64_t number = 0;
    for (const char* name : {"system.views", "system.profile"}) {
      const auto refused = fmt::format("263 Cannot run command against the 't.{}' collection in a transaction.", name);
      EXPECT_EQ(outcome("t", fmt::format(R"({{"find": "{}")", name) + first(++number)), refused);
      EXPECT_EQ(outcome("t", fmt::format(R"({{"aggregate": "{}", "pipeline": [], "cursor": {{}})", name) + first(++number)), refused);
    }
    EXPECT_EQ(find("t", "system.views").size(), 1U);
  }
}

TEST_F(TransactionsTest, StatementsHaveOneNumberEach) {
  start(kTest44);
  EXPECT_EQ(outcome("t", R"({"insert": "c", "documents": [{"_id": 1}, {"_id": 2}])" + numbered(1, R"(, "stmtIds": [1])")),
            "16 Number of statement ids must match the number of batch entries. Got 1 statement ids but 2 operations.");
  EXPECT_EQ(find("t", "c").size(), 0U);
}

}  // namespace
}  // namespace drover::sandbox
