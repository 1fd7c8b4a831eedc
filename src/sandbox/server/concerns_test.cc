// Read and write concerns: which commands take which, and how they are refused.
#include <fmt/format.h>

#include "sandbox/server/client_for_tests.h"

namespace drover::sandbox {
namespace {

class ConcernsTest : public SandboxClientTest {
 protected:
  // "code errmsg", or "ok".
  std::string outcome(const std::string& db, const std::string& command) {
    const auto reply = run(db, command);
    if (reply["ok"].is_truthy()) return "ok";
    return fmt::format("{} {}", reply["code"].to_int64().value_or(0), reply["errmsg"].to_string_view().value_or(""));
  }
  static std::string unsupported(std::string_view command, std::string_view level, std::string_view why) {
    return fmt::format("72 Command {} does not support {{ readConcern: {{ level: \"{}\", provenance: \"clientSupplied\" }} }} :: caused by :: {}", command, level, why);
  }
};

TEST_F(ConcernsTest, ACommandThatDoesNotReadTakesLocalOnly) {
  for (const auto version : {kTest44, kTest80}) {
    start(version);
    const std::string majority = R"("readConcern": {"level": "majority"}})";
    EXPECT_EQ(outcome("t", R"({"insert": "c", "documents": [{"_id": 1}], )" + majority), unsupported("insert", "majority", "read concern not supported"));
    EXPECT_EQ(outcome("t", R"({"update": "c", "updates": [{"q": {}, "u": {"a": 1}, "upsert": true}], )" + majority),
              unsupported("update", "majority", "read concern not supported"));
    EXPECT_EQ(outcome("admin", R"({"ping": 1, )" + majority), unsupported("ping", "majority", "read concern not supported"));
    EXPECT_EQ(outcome("t", R"({"listCollections": 1, )" + majority), unsupported("listCollections", "majority", "read concern not supported"));
    EXPECT_EQ(find("t", "c").size(), 0U);
    EXPECT_EQ(outcome("t", R"({"insert": "c", "documents": [{"_id": 1}], "readConcern": {"level": "local"}})"), "ok");
    EXPECT_EQ(outcome("t", R"({"insert": "c", "documents": [{"_id": 2}], "readConcern": {}})"), "ok");
    for (const std::string command : {R"("find": "c")", R"("count": "c")", R"("distinct": "c", "key": "_id")", R"("aggregate": "c", "pipeline": [], "cursor": {})",
                                      R"("explain": {"find": "c"})"}) {
      EXPECT_EQ(outcome("t", "{" + command + ", " + majority), "ok") << command;
    }
  }
}

TEST_F(ConcernsTest, SnapshotsAreOfSomeCommands) {
  start(kTest80);
  const std::string snapshot = R"("readConcern": {"level": "snapshot"}})";
  EXPECT_EQ(outcome("t", R"({"count": "c", )" + snapshot), unsupported("count", "snapshot", "read concern snapshot not supported"));
  EXPECT_EQ(outcome("t", R"({"delete": "c", "deletes": [{"q": {}, "limit": 0}], )" + snapshot), unsupported("delete", "snapshot", "read concern not supported"));
  EXPECT_EQ(outcome("t", R"({"find": "c", )" + snapshot), "ok");
  start(kTest44);
  EXPECT_EQ(outcome("t", R"({"find": "c", )" + snapshot), "72 read concern level snapshot is only valid in a transaction");
  EXPECT_EQ(outcome("t", R"({"delete": "c", "deletes": [{"q": {}, "limit": 0}], )" + snapshot), unsupported("delete", "snapshot", "read concern not supported"));
}

// What a scan sees of a write that happens while it runs: the engine's copy rests on it (docs/design/engine.md).
TEST_F(ConcernsTest, EachReplyOfAMajorityCursorHasASnapshotOfItsOwn) {
  for (const auto version : {kTest44, kTest80}) {
    start(version);
    const auto scan = [&](const std::string& concern) {
      run("t", R"({"delete": "c", "deletes": [{"q": {}, "limit": 0}]})");
      run("t", R"({"insert": "c", "documents": [{"_id": 1, "v": 0}, {"_id": 2, "v": 0}, {"_id": 3, "v": 0}]})");
      auto reply = run("t", R"({"find": "c", "sort": {"_id": 1}, "batchSize": 2, "readConcern": {"level": ")" + concern + R"("}})");
      run("t", R"({"update": "c", "updates": [{"q": {}, "u": {"$set": {"v": 1}}, "multi": true}]})");
      run("t", R"({"insert": "c", "documents": [{"_id": 4, "v": 1}]})");
      std::string seen;
      for (const auto* batch : {"cursor.firstBatch", "cursor.nextBatch"}) {
        for (const auto& item : reply.view().at_path(batch).to_array().value_or(bson::View()))
          seen += fmt::format(" {}:{}", item.document_value()["_id"].to_int64().value_or(-1), item.document_value()["v"].to_int64().value_or(-1));
        const auto id = reply.view().at_path("cursor.id").to_int64().value_or(0);
        if (id != 0) reply = run("t", fmt::format(R"({{"getMore": {{"$numberLong": "{}"}}, "collection": "c"}})", id));
      }
      return seen;
    };
    EXPECT_EQ(scan("majority"), " 1:0 2:0 3:1 4:1");
    EXPECT_EQ(scan("local"), " 1:0 2:0 3:1 4:1");
    if (version == kTest80) {
      EXPECT_EQ(scan("snapshot"), " 1:0 2:0 3:0");
    }
  }
}

TEST_F(ConcernsTest, SomeStagesAreReadAtOneLevel) {
  start(kTest44);
  run("t", R"({"create": "c"})");
  EXPECT_EQ(outcome("t", R"({"aggregate": "c", "pipeline": [{"$changeStream": {}}], "cursor": {}, "readConcern": {"level": "local"}})"),
            unsupported("aggregate", "local", "Aggregation stage $changeStream cannot run with a readConcern other than 'majority'. Current readConcern: local"));
  EXPECT_EQ(outcome("t", R"({"aggregate": "c", "pipeline": [{"$changeStream": {}}], "cursor": {}, "readConcern": {"level": "majority"}})"), "ok");
  EXPECT_EQ(outcome("admin", R"({"aggregate": 1, "pipeline": [{"$currentOp": {}}], "cursor": {}, "readConcern": {"level": "majority"}})"),
            unsupported("aggregate", "majority", "Aggregation stage $currentOp cannot run with a readConcern other than 'local'. Current readConcern: majority"));
}

TEST_F(ConcernsTest, WriteConcernsAreOfWrites) {
  for (const auto version : {kTest44, kTest80}) {
    start(version);
    const std::string written = R"("writeConcern": {"w": 1}})";
    for (const std::string command : {R"("find": "c")", R"("count": "c")", R"("listCollections": 1)", R"("ping": 1)", R"("explain": {"find": "c"})",
                                      R"("getMore": {"$numberLong": "1"}, "collection": "c")"}) {
      EXPECT_EQ(outcome("t", "{" + command + ", " + written), "72 Command does not support writeConcern") << command;
    }
    EXPECT_EQ(outcome("t", R"({"find": "c", "writeConcern": {}})"), "72 Command does not support writeConcern");
    for (const std::string command : {R"("insert": "c", "documents": [{}])", R"("aggregate": "c", "pipeline": [], "cursor": {})", R"("createIndexes": "c", "indexes": [{"key": {"a": 1}, "name": "a"}])",
                                      R"("findAndModify": "c", "query": {}, "remove": true)", R"("drop": "c")", R"("dropDatabase": 1)"}) {
      EXPECT_EQ(outcome("t", "{" + command + ", " + written), "ok") << command;
    }
    EXPECT_EQ(outcome("admin", R"({"appendOplogNote": 1, "data": {"a": 1}, )" + written), "ok");
    EXPECT_EQ(outcome("t", R"({"aggregate": "c", "pipeline": [], "explain": true, )" + written), "9 Aggregation explain does not support the 'writeConcern' option");
  }
}

TEST_F(ConcernsTest, ASnapshotSessionNamesItsTimeForTheNextBatchToo) {
  start(kTest80);
  run("t", R"({"insert": "c", "documents": [{"_id": 1}, {"_id": 2}]})");
  const std::string snapshot = R"("readConcern": {"level": "snapshot"}})";
  const auto first = run("t", R"({"aggregate": "c", "pipeline": [], "cursor": {"batchSize": 0}, )" + snapshot);
  const auto id = first.view().at_path("cursor.id").to_int64().value_or(0);
  const auto next = [&](const std::string& concern) {
    return outcome("t", fmt::format(R"({{"getMore": {{"$numberLong": "{}"}}, "collection": "c", "batchSize": 1, {})", id, concern));
  };
  EXPECT_EQ(next(snapshot), "ok");
  EXPECT_TRUE(next(R"("readConcern": {"level": "majority"}})").starts_with("72 Command getMore does not support"));
}

TEST_F(ConcernsTest, AWriteConcernSaysWhatIsWrong) {
  start(kTest44);
  const auto refused = [&](const std::string& w) { return outcome("t", R"({"insert": "c", "documents": [{}], "writeConcern": {"w": )" + w + "}}"); };
  EXPECT_EQ(refused("51"), "9 w has to be a non-negative number and not greater than 50");
  EXPECT_EQ(refused("true"), "9 w has to be a number or a string");
  EXPECT_EQ(refused("null"), "ok");
  start(kTest80);
  EXPECT_EQ(refused("51"), "9 w has to be a non-negative number and not greater than 50; found: 51");
  EXPECT_EQ(refused("true"), "9 w has to be a number, string, or object; found: bool");
  EXPECT_EQ(refused(R"({"dc": 1})"), "115 a write concern of tags is not supported by this server");
}

}  // namespace
}  // namespace drover::sandbox
