// What monitoring reads: counters of serverStatus, top, the latencies of a collection and the uses of its indexes, the machine.
#include "sandbox/server/client_for_tests.h"

namespace drover::sandbox {
namespace {

class Monitoring : public SandboxClientTest {
 protected:
  // Of a number in serverStatus, by how much `work` raises it.
  template <typename Work>
  std::int64_t raised(const std::string& path, Work&& work) {
    const auto before = status(path);
    work();
    return status(path) - before;
  }
  std::int64_t status(const std::string& path) {
    const auto value = run("admin", R"({"serverStatus": 1})").view().at_path(path);
    EXPECT_TRUE(value.is_number()) << path;
    return value.to_int64().value_or(-1);
  }
  bson::Document top_of(const std::string& ns) {
    const auto reply = run("admin", R"({"top": 1})");
    const auto totals = reply.view()["totals"].document_value();
    const auto found = totals[ns].to_document();
    return found ? bson::Document(*found) : bson::Document();
  }
};

TEST_F(Monitoring, OperationsAreCountedByStatement) {
  start(kTest44);
  const auto sends = [&](const char* command) {
    return [this, command] { run("d", command); };
  };
  EXPECT_EQ(raised("opcounters.insert", sends(R"({"insert": "c", "documents": [{"_id": 1}, {"_id": 2}, {"_id": 3}]})")), 3);
  // An ordered batch ends at the statement that is refused; that one was tried.
  EXPECT_EQ(raised("opcounters.insert", sends(R"({"insert": "c", "documents": [{"_id": 4}, {"_id": 1}, {"_id": 5}]})")), 2);
  EXPECT_EQ(raised("opcounters.insert", sends(R"({"insert": "c", "documents": [{"_id": 6}, {"_id": 1}, {"_id": 7}], "ordered": false})")), 3);
  EXPECT_EQ(raised("opcounters.update", sends(R"({"update": "c", "updates": [{"q": {}, "u": {"$set": {"a": 1}}, "multi": true}, {"q": {"_id": 1}, "u": {"$set": {"a": 2}}}]})")), 2);
  EXPECT_EQ(raised("opcounters.update", sends(R"({"update": "c", "updates": [{"q": {"_id": 1}, "u": {"$set": {"_id": 9}}}, {"q": {"_id": 1}, "u": {"$set": {"a": 2}}}]})")), 1);
  EXPECT_EQ(raised("opcounters.delete", sends(R"({"delete": "c", "deletes": [{"q": {"_id": 6}, "limit": 1}]})")), 1);
  EXPECT_EQ(raised("opcounters.query", sends(R"({"find": "c"})")), 1);
  // serverStatus itself is a command.
  EXPECT_EQ(raised("opcounters.command", sends(R"({"find": "c"})")), 1);
  EXPECT_EQ(raised("opcounters.command", sends(R"({"count": "c"})")), 2);
  EXPECT_EQ(raised("asserts.user", sends(R"({"insert": "c", "documents": [{"_id": 1}]})")), 1);
  EXPECT_EQ(raised("asserts.user", sends(R"({"find": "c", "filter": {"$nope": 1}})")), 1);
  EXPECT_EQ(raised("metrics.commands.find.failed", sends(R"({"find": "c", "filter": {"$nope": 1}})")), 1);
  EXPECT_EQ(raised("metrics.commands.find.total", sends(R"({"find": "c"})")), 1);
}

TEST_F(Monitoring, AnOrderedBulkWriteIsCountedToItsEnd) {
  start(kTest80);
  const auto bulk = [&](const std::string& more) {
    return [this, more] {
      run("admin", R"({"bulkWrite": 1, "nsInfo": [{"ns": "d.c"}], "ops": [{"insert": 0, "document": {"_id": 1}}, {"insert": 0, "document": {"_id": 1}},
                       {"delete": 0, "filter": {"_id": 9}}, {"update": 0, "filter": {"_id": 9}, "updateMods": {"$set": {"a": 1}}}])" + more + "}");
    };
  };
  EXPECT_EQ(raised("opcounters.insert", bulk("")), 2);
  ASSERT_EQ(code("d", R"({"drop": "c"})"), 0);
  EXPECT_EQ(raised("opcounters.delete", bulk("")), 0);
  EXPECT_EQ(raised("opcounters.update", bulk(R"(, "ordered": false)")), 1);
  EXPECT_EQ(raised("opcounters.delete", bulk(R"(, "ordered": false)")), 1);
}

// Of many connections and collections, whose counters lie apart.
TEST_F(Monitoring, CountersOfAllConnectionsAreOneSum) {
  start(kTest80);
  const auto all = raised("opcounters.query", [&] {
    for (int i = 1; i <= 40; ++i) {
      client_->id = i;
      const auto name = "c" + std::to_string(i);
      ASSERT_EQ(code("d", R"({"insert": ")" + name + R"(", "documents": [{"_id": 1}]})"), 0);
      run("d", R"({"find": ")" + name + "\"}");
    }
  });
  EXPECT_EQ(all, 40);
  for (int i = 1; i <= 40; ++i) EXPECT_EQ(top_of("d.c" + std::to_string(i)).view().at_path("queries.count").to_int64(), 1) << i;
  ASSERT_EQ(code("d", R"({"dropDatabase": 1})"), 0);
  for (int i = 1; i <= 40; ++i) EXPECT_TRUE(top_of("d.c" + std::to_string(i)).view().empty()) << i;
}

TEST_F(Monitoring, DocumentsAreCountedThatWereReadAndChanged) {
  start(kTest80);
  const auto sends = [&](const std::string& db, const char* command) {
    return [this, db, command] { EXPECT_EQ(code(db, std::string(command)), 0) << command; };
  };
  EXPECT_EQ(raised("metrics.document.inserted", sends("d", R"({"insert": "c", "documents": [{"_id": 1, "a": 1}, {"_id": 2, "a": 2}, {"_id": 3, "a": 3}]})")), 3);
  EXPECT_EQ(raised("metrics.document.updated", sends("d", R"({"update": "c", "updates": [{"q": {}, "u": {"$set": {"b": 1}}, "multi": true}]})")), 3);
  EXPECT_EQ(raised("metrics.document.inserted", sends("d", R"({"update": "c", "updates": [{"q": {"_id": 9}, "u": {"$set": {"b": 1}}, "upsert": true}]})")), 1);
  EXPECT_EQ(raised("metrics.document.returned", sends("d", R"({"find": "c", "filter": {"a": {"$gt": 1}}})")), 2);
  EXPECT_EQ(raised("metrics.queryExecutor.scannedObjects", sends("d", R"({"find": "c", "filter": {"a": {"$gt": 1}}})")), 4);
  EXPECT_EQ(raised("metrics.document.deleted", sends("d", R"({"findAndModify": "c", "query": {"_id": 9}, "remove": true})")), 1);
  const char* bulk = R"({"bulkWrite": 1, "ops": [{"insert": 0, "document": {"_id": 20}}, {"update": 0, "filter": {"_id": 20}, "updateMods": {"$set": {"z": 1}}},
      {"delete": 0, "filter": {"_id": 20}}], "nsInfo": [{"ns": "d.c"}]})";
  EXPECT_EQ(raised("opcounters.insert", sends("admin", bulk)), 1);
  EXPECT_EQ(raised("opcounters.update", sends("admin", bulk)), 1);
  EXPECT_EQ(raised("opcounters.delete", sends("admin", bulk)), 1);
  EXPECT_EQ(raised("metrics.document.updated", sends("admin", bulk)), 1);
}

TEST_F(Monitoring, SectionsThatAreNotWantedAreLeftOut) {
  start(kTest60);
  const auto status = run("admin", R"({"serverStatus": 1, "metrics": 0, "repl": false})");
  EXPECT_FALSE(status["metrics"]);
  EXPECT_FALSE(status["repl"]);
  for (const char* path : {"network.bytesIn", "network.numRequests", "globalLock.totalTime", "globalLock.currentQueue.total", "globalLock.activeClients.readers",
                           "extra_info.page_faults", "mem.virtual", "opLatencies.reads.ops", "opcountersRepl.insert"}) {
    EXPECT_TRUE(status.view().at_path(path).is_number()) << path;
  }
}

TEST_F(Monitoring, TopTellsOfEachCollectionUntilItIsDropped) {
  start(kTest44);
  ASSERT_EQ(code("d", R"({"insert": "c", "documents": [{"_id": 1}, {"_id": 2}]})"), 0);
  ASSERT_EQ(code("d", R"({"find": "c"})"), 0);
  ASSERT_EQ(code("d", R"({"update": "c", "updates": [{"q": {"_id": 1}, "u": {"$set": {"a": 1}}}, {"q": {"_id": 2}, "u": {"$set": {"a": 1}}}]})"), 0);
  ASSERT_EQ(code("d", R"({"delete": "c", "deletes": [{"q": {"_id": 2}, "limit": 1}]})"), 0);
  ASSERT_EQ(code("d", R"({"count": "c"})"), 0);
  const auto reply = run("admin", R"({"top": 1})");
  EXPECT_EQ(reply.view().at_path("totals.note").to_string_view(), "all times in microseconds");
  const auto activity = top_of("d.c");
  const auto count = [&](const char* name) { return activity.view()[name].document_value()["count"].to_int64().value_or(-1); };
  EXPECT_EQ(count("total"), 6);
  EXPECT_EQ(count("readLock"), 2);
  EXPECT_EQ(count("writeLock"), 4);
  EXPECT_EQ(count("queries"), 1);
  EXPECT_EQ(count("insert"), 1);
  EXPECT_EQ(count("update"), 2);
  EXPECT_EQ(count("remove"), 1);
  EXPECT_EQ(count("commands"), 1);
  EXPECT_EQ(count("getmore"), 0);
  std::string names;
  for (const auto& part : activity) names += std::string(part.key()) + " ";
  EXPECT_EQ(names, "total readLock writeLock queries getmore insert update remove commands ");

  ASSERT_EQ(code("d", R"({"insert": "other", "documents": [{"_id": 1}]})"), 0);
  ASSERT_EQ(code("d", R"({"drop": "c"})"), 0);
  EXPECT_TRUE(top_of("d.c").view().empty());
  EXPECT_FALSE(top_of("d.other").view().empty());
  ASSERT_EQ(code("d", R"({"dropDatabase": 1})"), 0);
  EXPECT_TRUE(top_of("d.other").view().empty());
}

TEST_F(Monitoring, NobodyFillsTopWithNamesThatAreRefused) {
  start(kTest44);
  EXPECT_NE(code("d", R"({"find": "refused", "filter": {"$nope": 1}})"), 0);
  EXPECT_TRUE(top_of("d.refused").empty());
  run("d", R"({"find": ")" + std::string(1000, 'x') + "\"}");
  EXPECT_TRUE(top_of("d." + std::string(1000, 'x')).empty());
  EXPECT_EQ(code("d", R"({"find": "asked"})"), 0);
  EXPECT_FALSE(top_of("d.asked").empty());
}

TEST_F(Monitoring, ACollectionTellsItsLatenciesAndTheUsesOfItsIndexes) {
  start(kTest70);
  ASSERT_EQ(code("d", R"({"insert": "c", "documents": [{"_id": 1, "a": 1}, {"_id": 2, "a": 2}]})"), 0);
  ASSERT_EQ(code("d", R"({"createIndexes": "c", "indexes": [{"key": {"a": 1}, "name": "a_1"}, {"key": {"b": 1}, "name": "b_1"}]})"), 0);
  for (int i = 0; i < 3; ++i) ASSERT_EQ(code("d", R"({"find": "c", "filter": {"a": 2}})"), 0);
  ASSERT_EQ(code("d", R"({"update": "c", "updates": [{"q": {"_id": 1}, "u": {"$set": {"z": 1}}}]})"), 0);
  const auto latencies = batch(run("d", R"({"aggregate": "c", "pipeline": [{"$collStats": {"latencyStats": {}}}], "cursor": {}})"));
  ASSERT_EQ(latencies.size(), 1U);
  EXPECT_EQ(latencies[0].view().at_path("latencyStats.reads.ops").to_int64(), 3);
  EXPECT_EQ(latencies[0].view().at_path("latencyStats.writes.ops").to_int64(), 2);
  EXPECT_GT(latencies[0].view().at_path("latencyStats.writes.latency").to_int64(), 0);
  EXPECT_EQ(code("d", R"({"aggregate": "c", "pipeline": [{"$collStats": {"latencyStats": {"histograms": true}}}], "cursor": {}})"), 238);
  std::map<std::string, std::int64_t> uses;
  for (const auto& index : batch(run("d", R"({"aggregate": "c", "pipeline": [{"$indexStats": {}}], "cursor": {}})"))) {
    uses[std::string(index["name"].to_string_view().value_or(""))] = index.view().at_path("accesses.ops").to_int64().value_or(-1);
    EXPECT_GT(index.view().at_path("accesses.since").date_value().millis, 0);
  }
  EXPECT_EQ(uses, (std::map<std::string, std::int64_t>{{"_id_", 1}, {"a_1", 3}, {"b_1", 0}}));
  // A change of its options is no new index.
  ASSERT_EQ(code("d", R"({"collMod": "c", "index": {"name": "a_1", "hidden": true}})"), 0);
  for (const auto& index : batch(run("d", R"({"aggregate": "c", "pipeline": [{"$indexStats": {}}, {"$match": {"name": "a_1"}}], "cursor": {}})"))) {
    EXPECT_EQ(index.view().at_path("accesses.ops").to_int64(), 3);
  }
}

TEST_F(Monitoring, TheMachineIsDescribed) {
  start(kTest44);
  const auto host = run("admin", R"({"hostInfo": 1})");
  EXPECT_GT(host.view().at_path("system.memSizeMB").to_int64(), 0);
  EXPECT_GT(host.view().at_path("system.numCores").to_int64(), 0);
  EXPECT_EQ(host.view().at_path("os.type").to_string_view(), "Linux");
  EXPECT_TRUE(host.view().at_path("os.version").to_string_view().value_or("").starts_with("Kernel "));
  EXPECT_GT(host.view().at_path("extra.pageSize").to_int64(), 0);
}

TEST_F(Monitoring, OperationsNameTheServerAndTheirTime) {
  start(kTest50);
  const auto operations = run("admin", R"({"currentOp": 1})");
  const auto first = operations.view().at_path("inprog.0").document_value();
  EXPECT_NE(first["host"].to_string_view().value_or(""), "");
  EXPECT_TRUE(first["currentOpTime"].to_string_view().value_or("").ends_with("+00:00"));
  EXPECT_EQ(first["ns"].to_string_view(), "admin.$cmd");
  EXPECT_FALSE(first["waitingForLock"].is_truthy());
}

}  // namespace
}  // namespace drover::sandbox
