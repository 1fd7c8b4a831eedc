// explain: the shapes that tools read, and numbers that are those of the scan.
#include "sandbox/server/client_for_tests.h"

namespace drover::sandbox {
namespace {

class ExplainTest : public SandboxClientTest {
 protected:
  void fill(ServerVersion version) {
    start(version);
    run("t", R"({"insert": "c", "documents": [{"_id": 1, "a": 1, "b": [1, 2]}, {"_id": 2, "a": 2, "b": [2, 3]}, {"_id": 3, "a": 2, "b": [9]}, {"_id": 4, "a": 3, "b": [9]}]})");
    run("t", R"({"createIndexes": "c", "indexes": [{"key": {"b": 1}, "name": "b_1"}]})");
  }
  bson::Document explain(const std::string& command, const std::string& verbosity = "executionStats") {
    return run("t", R"({"explain": )" + command + R"(, "verbosity": ")" + verbosity + R"("})");
  }
  static std::string at(const bson::Document& reply, const std::string& path) { return text(reply.view().at_path(path)); }
  std::string parsed(const std::string& filter) { return at(explain(R"({"find": "c", "filter": )" + filter + "}", "queryPlanner"), "queryPlanner.parsedQuery"); }
  // The names of the stages, from the outermost in.
  std::string stages(const std::string& command) {
    const auto reply = explain(command, "queryPlanner");
    std::string names;
    for (std::string path = "queryPlanner.winningPlan"; reply.view().at_path(path); path += ".inputStage") {
      names += std::string(reply.view().at_path(path + ".stage").to_string_view().value_or("?")) + " ";
    }
    return names;
  }
};

TEST_F(ExplainTest, APartialIndexServesWhatLiesWithinItsFilter) {
  fill(kTest44);
  run("t", R"({"createIndexes": "c", "indexes": [{"key": {"x": 1}, "name": "x_1", "partialFilterExpression": {"a": {"$lte": 1.5}}}]})");
  for (const char* within : {R"({"x": 6, "a": 1})", R"({"x": {"$gt": 1}, "a": 1.5})", R"({"x": 6, "a": {"$lte": 1}})", R"({"x": 6, "a": {"$lt": 1.5, "$gt": 0}})"}) {
    EXPECT_EQ(stages(R"({"find": "c", "filter": )" + std::string(within) + "}"), "FETCH IXSCAN ") << within;
  }
  for (const char* beyond : {R"({"x": 6, "a": 1.6})", R"({"x": 6, "a": {"$lte": 2}})", R"({"x": 6, "a": {"$gt": 1}})", R"({"x": 6, "a": null})", R"({"x": 6})",
                             R"({"x": 6, "a": {"$numberDouble": "NaN"}})", R"({"x": 6, "a": {"$ne": 1}})"}) {
    EXPECT_EQ(stages(R"({"find": "c", "filter": )" + std::string(beyond) + "}"), "COLLSCAN ") << beyond;
  }
}

TEST_F(ExplainTest, AFilterIsShownInItsNormalForm) {
  fill(kTest44);
  EXPECT_EQ(parsed("{}"), "{}");
  EXPECT_EQ(parsed(R"({"a": 1})"), R"({"a":{"$eq":1}})");
  EXPECT_EQ(parsed(R"({"b": {"$gt": 1, "$lt": 5}, "a": 1})"), R"({"$and":[{"a":{"$eq":1}},{"b":{"$lt":5}},{"b":{"$gt":1}}]})");
  EXPECT_EQ(parsed(R"({"a": {"$in": [2, 1]}})"), R"({"a":{"$in":[1,2]}})");
  EXPECT_EQ(parsed(R"({"a": {"$in": [1]}})"), R"({"a":{"$eq":1}})");
  EXPECT_EQ(parsed(R"({"a": {"$ne": 1}})"), R"({"a":{"$not":{"$eq":1}}})");
  EXPECT_EQ(parsed(R"({"a": {"$exists": false}})"), R"({"a":{"$not":{"$exists":true}}})");
  EXPECT_EQ(parsed(R"({"$or": [{"a": 1}, {"b": {"$size": 2}}]})"), R"({"$or":[{"b":{"$size":2}},{"a":{"$eq":1}}]})");
  EXPECT_EQ(parsed(R"({"$nor": [{"a": 1}]})"), R"({"$nor":[{"a":{"$eq":1}}]})");
  EXPECT_EQ(parsed(R"({"b": {"$elemMatch": {"$gt": 1, "$lt": 5}}})"), R"({"b":{"$elemMatch":{"$lt":5,"$gt":1}}})");
  EXPECT_EQ(parsed(R"({"b": {"$elemMatch": {"x": 1}}})"), R"({"b":{"$elemMatch":{"x":{"$eq":1}}}})");
  EXPECT_EQ(parsed(R"({"a": {"$type": "string"}})"), R"({"a":{"$type":[2]}})");
  EXPECT_EQ(parsed(R"({"a": {"$regex": "^x", "$options": "i"}})"), R"({"a":{"$regex":"^x","$options":"i"}})");
  EXPECT_EQ(parsed(R"({"a": {"$mod": [2, 1]}})"), R"({"a":{"$mod":[2,1]}})");
  // A filter again: what it shows finds the same.
  for (const std::string filter : {R"({"b": {"$gt": 1, "$lt": 3}, "a": {"$ne": 1}})", R"({"$or": [{"a": 1}, {"b": {"$elemMatch": {"$gt": 2}}}]})", R"({"a": {"$not": {"$gt": 1, "$lt": 3}}})"}) {
    EXPECT_EQ(find("t", "c", filter).size(), find("t", "c", parsed(filter)).size()) << filter;
  }
  EXPECT_EQ(parsed(R"({"$expr": {"$eq": ["$a", 1]}})"), R"({"$expr":{"$eq":["$a",1]}})");
}

TEST_F(ExplainTest, StagesByTheServersNames) {
  fill(kTest44);
  EXPECT_EQ(stages(R"({"find": "c", "filter": {"a": 1}})"), "COLLSCAN ");
  EXPECT_EQ(stages(R"({"find": "c", "filter": {"b": 2}})"), "FETCH IXSCAN ");
  EXPECT_EQ(stages(R"({"find": "c", "filter": {"_id": 1}})"), "IDHACK ");
  EXPECT_EQ(stages(R"({"find": "c", "filter": {"_id": 1}, "projection": {"a": 1}, "limit": 1})"), "PROJECTION_SIMPLE IDHACK ");
  EXPECT_EQ(stages(R"({"find": "c", "filter": {"_id": {"$gt": 1}}})"), "FETCH IXSCAN ");
  EXPECT_EQ(stages(R"({"find": "c", "sort": {"a": 1}, "limit": 2, "skip": 1})"), "SKIP SORT COLLSCAN ");
  EXPECT_EQ(stages(R"({"find": "c", "limit": 2, "skip": 1, "projection": {"b.x": 1}})"), "LIMIT PROJECTION_DEFAULT SKIP COLLSCAN ");
  EXPECT_EQ(stages(R"({"update": "c", "updates": [{"q": {"a": 1}, "u": {"$set": {"x": 1}}}]})"), "UPDATE COLLSCAN ");
  EXPECT_EQ(stages(R"({"delete": "c", "deletes": [{"q": {"_id": 1}, "limit": 1}]})"), "DELETE IDHACK ");
  EXPECT_EQ(stages(R"({"findAndModify": "c", "query": {"a": 2}, "sort": {"b": 1}, "remove": true, "fields": {"a": 1}})"), "PROJECTION_SIMPLE DELETE SORT COLLSCAN ");
  EXPECT_EQ(stages(R"({"count": "c", "query": {"a": 1}, "limit": 1})"), "COUNT COLLSCAN ");
  EXPECT_EQ(stages(R"({"count": "c"})"), "RECORD_STORE_COUNT ");
  EXPECT_EQ(stages(R"({"find": "none"})"), "EOF ");
  fill(kTest80);
  EXPECT_EQ(stages(R"({"find": "c", "filter": {"_id": 1}})"), "EXPRESS_IXSCAN ");
  EXPECT_EQ(stages(R"({"update": "c", "updates": [{"q": {"_id": 1}, "u": {"$set": {"x": 1}}}]})"), "UPDATE IDHACK ");
  EXPECT_EQ(at(explain(R"({"find": "c", "filter": {"_id": 1}})", "queryPlanner"), "queryPlanner.winningPlan"),
            R"({"isCached":false,"stage":"EXPRESS_IXSCAN","keyPattern":"{_id:1}","indexName":"_id_"})");
}

TEST_F(ExplainTest, CountsAreThoseOfTheScan) {
  fill(kTest44);
  const auto number = [](const bson::Document& reply, const std::string& path) { return reply.view().at_path("executionStats." + path).to_int64().value_or(-1); };
  const auto scanned = explain(R"({"find": "c", "filter": {"a": 2}})");
  for (const auto& [path, count] : {std::pair("nReturned", 2), {"totalKeysExamined", 0}, {"totalDocsExamined", 4}, {"executionStages.nReturned", 2},
                                    {"executionStages.works", 5}, {"executionStages.advanced", 2}, {"executionStages.needTime", 2}, {"executionStages.needYield", 0},
                                    {"executionStages.isEOF", 1}, {"executionStages.docsExamined", 4}}) {
    EXPECT_EQ(number(scanned, path), count) << path;
  }
  const auto first = explain(R"({"find": "c", "filter": {"a": 2}, "limit": 1})");
  EXPECT_EQ(number(first, "nReturned"), 1);
  EXPECT_EQ(number(first, "totalDocsExamined"), 2);
  EXPECT_EQ(number(first, "executionStages.isEOF"), 1);
  EXPECT_EQ(number(first, "executionStages.inputStage.isEOF"), 0);

  const auto indexed = explain(R"({"find": "c", "filter": {"b": {"$gte": 2, "$lt": 9}}})");  // an index on arrays gives a document twice
  EXPECT_EQ(at(indexed, "executionStats.executionStages.filter"), R"({"$and":[{"b":{"$lt":9}},{"b":{"$gte":2}}]})");
  EXPECT_EQ(number(indexed, "executionStages.docsExamined"), number(indexed, "totalDocsExamined"));
  EXPECT_EQ(number(indexed, "executionStages.inputStage.keysExamined"), number(indexed, "totalKeysExamined"));
  EXPECT_EQ(number(indexed, "executionStages.inputStage.dupsDropped"), number(indexed, "totalKeysExamined") - number(indexed, "totalDocsExamined"));
  EXPECT_GT(number(indexed, "executionStages.inputStage.dupsDropped"), 0);

  const auto counted = explain(R"({"count": "c", "query": {"a": 2}, "skip": 1})");
  EXPECT_EQ(number(counted, "nReturned"), 0);
  EXPECT_EQ(number(counted, "executionStages.nCounted"), 1);
  EXPECT_EQ(number(counted, "executionStages.nSkipped"), 1);
  EXPECT_EQ(number(explain(R"({"count": "c", "limit": 3})"), "executionStages.nCounted"), 3);
  EXPECT_EQ(number(explain(R"({"delete": "c", "deletes": [{"q": {"a": 2}, "limit": 0}]})"), "executionStages.nWouldDelete"), 2);
  EXPECT_EQ(number(explain(R"({"update": "c", "updates": [{"q": {"a": 2}, "u": {"$set": {"x": 1}}}]})"), "executionStages.nMatched"), 1);
  EXPECT_EQ(find("t", "c").size(), 4U);
  EXPECT_FALSE(scanned.view().at_path("executionStats.allPlansExecution"));
  EXPECT_TRUE(explain(R"({"find": "c"})", "allPlansExecution").view().at_path("executionStats.allPlansExecution").is_array());
}

}  // namespace
}  // namespace drover::sandbox
