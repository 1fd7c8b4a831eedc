// explain: the shapes that tools read, and numbers that are those of the scan.
#include <set>

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

TEST_F(ExplainTest, WhatNothingCanMatchIsNotLookedFor) {
  for (const auto version : {kTest44, kTest80}) {
    fill(version);
    for (const char* filter : {R"({"$alwaysFalse": 1})", R"({"a": {"$in": []}})", R"({"b": 1, "a": {"$in": []}})", R"({"$or": [{"a": {"$in": []}}, {"$alwaysFalse": 1}]})", R"({"b": {"$elemMatch": {"$in": []}}, "_id": {"$in": []}})"}) {
      const std::string command = R"({"find": "c", "sort": {"a": 1}, "filter": )" + std::string(filter) + "}";
      EXPECT_EQ(stages(command), "EOF ") << filter;
      EXPECT_EQ(explain(command).view().at_path("executionStats.totalDocsExamined").to_int64(), 0) << filter;
      EXPECT_EQ(find("t", "c", filter).size(), 0U) << filter;
      EXPECT_EQ(run("t", R"({"count": "c", "query": )" + std::string(filter) + "}")["n"].to_int64(), 0);
    }
    EXPECT_EQ(stages(R"({"delete": "c", "deletes": [{"q": {"a": {"$in": []}}, "limit": 0}]})"), "DELETE EOF ");
    EXPECT_EQ(stages(R"({"find": "c", "filter": {"$or": [{"a": {"$in": []}}, {"a": 1}]}})"), "COLLSCAN ");
    EXPECT_EQ(stages(R"({"find": "c", "filter": {"$nor": [{"a": {"$in": []}}]}})"), "COLLSCAN ");
    EXPECT_EQ(find("t", "c", R"({"a": {"$nin": []}})").size(), 4U);
    EXPECT_EQ(run("t", R"({"update": "c", "updates": [{"q": {"a": {"$in": []}}, "u": {"$set": {"new": 1}}, "upsert": true}]})")["n"].to_int64(), 1);
    EXPECT_EQ(find("t", "c", R"({"new": 1})").size(), 1U);
  }
}

TEST_F(ExplainTest, KeysAreCountedWhereTheyTellEverything) {
  fill(kTest80);
  run("t", R"({"createIndexes": "c", "indexes": [{"key": {"a": 1}, "name": "a_1"}, {"key": {"x": -1, "y": 1}, "name": "x_y"}]})");
  run("t", R"({"insert": "c", "documents": [{"_id": 5, "a": "s", "x": 1, "y": 1}, {"_id": 6, "a": null, "x": 1, "y": 2}, {"_id": 7, "a": {"$numberDouble": "NaN"}, "x": 2, "y": 1}, {"_id": 8, "a": {"$numberDecimal": "2"}}]})");
  const auto count = [](const std::string& query, const std::string& more = "") { return R"({"count": "c", "query": )" + query + more + "}"; };
  const auto n = [&](const std::string& query, const std::string& more = "") { return run("t", count(query, more))["n"].to_int64().value_or(-1); };
  for (const auto& [query, keys] : {std::pair(R"({"a": 2})", 3), {R"({"a": {"$gt": 1}})", 4}, {R"({"a": {"$gte": 1, "$lt": 3}})", 4}, {R"({"x": 1})", 2}, {R"({"x": 1, "y": {"$gt": 1}})", 1},
                                    {R"({"a": {"$numberDouble": "NaN"}})", 1}, {R"({"_id": {"$lte": 4}})", 4}}) {
    EXPECT_EQ(stages(count(query)), "COUNT COUNT_SCAN ") << query;
    const auto told = explain(count(query));
    EXPECT_EQ(told.view().at_path("executionStats.totalDocsExamined").to_int64(), 0) << query;
    EXPECT_EQ(told.view().at_path("executionStats.totalKeysExamined").to_int64(), keys) << query;
    EXPECT_EQ(n(query), keys) << query;
    EXPECT_EQ(static_cast<std::int64_t>(find("t", "c", query).size()), keys) << query;
  }
  EXPECT_EQ(at(explain(count(R"({"x": {"$lt": 5}})"), "queryPlanner"), "queryPlanner.winningPlan.inputStage.indexBounds"),
            R"({"startKey":{"x":5,"y":{"$minKey":1}},"startKeyInclusive":false,"endKey":{"x":{"$numberDouble":"-Infinity"},"y":{"$maxKey":1}},"endKeyInclusive":true})");
  EXPECT_EQ(stages(count(R"({"a": {"$in": [1, 3]}})")), "COUNT IXSCAN ");
  EXPECT_EQ(n(R"({"a": {"$in": [1, 3]}})"), 2);
  EXPECT_EQ(n(R"({"a": {"$gt": 1}})", R"(, "skip": 1, "limit": 2)"), 2);
  // The keys do not tell: null, arrays, other fields, comparisons without bounds, a collation.
  for (const char* query : {R"({"a": null})", R"({"b": 2})", R"({"a": 2, "z": 1})", R"({"a": {"$in": [1, null]}})", R"({"a": 2, "y": 1})", R"({"a": {"$gt": 1, "$mod": [2, 0]}})"}) {
    EXPECT_EQ(stages(count(query)), "COUNT FETCH IXSCAN ") << query;
    EXPECT_EQ(n(query), static_cast<std::int64_t>(find("t", "c", query).size())) << query;
  }
  EXPECT_EQ(n(R"({"a": {"$gt": 1, "$lt": {"$numberDouble": "NaN"}}})"), 0);
  EXPECT_EQ(n(R"({"a": "S"})", R"(, "collation": {"locale": "en", "strength": 2})"), 1);
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

TEST_F(ExplainTest, WhatAnIndexAnswersAloneIsAsItsKeysHoldIt) {
  fill(kTest44);
  run("t", R"({"insert": "k", "documents": [{"_id": 1, "a": 1}, {"_id": 2, "a": 1, "b": 5, "x": {"y": 7}}, {"_id": 3, "a": 2, "b": 6}]})");
  run("t", R"({"createIndexes": "k", "indexes": [{"key": {"b": 1, "a": 1, "x.y": 1, "x.z": 1}, "name": "i"}]})");
  const auto found = [&](const std::string& more) {
    std::string shown;
    for (const auto& document : batch(run("t", R"({"find": "k", )" + more + "}"))) shown += text(document) + " ";
    return shown;
  };
  const std::string some = R"("hint": "i", "projection": {"_id": 0, "a": 1, "b": 1})";
  EXPECT_EQ(found(R"("filter": {}, )" + some), R"({"b":null,"a":1} {"b":5,"a":1} {"b":6,"a":2} )");
  EXPECT_EQ(found(R"("filter": {"b": {"$gt": 1}, "a": {"$lt": 5}}, "projection": {"_id": 0, "x.z": 1, "x.y": 1})"), R"({"x":{"y":7,"z":null}} {"x":{"y":null,"z":null}} )");
  EXPECT_EQ(stages(R"({"find": "k", "filter": {"b": {"$gt": 1}}, "projection": {"_id": 0, "b": 1}})"), "PROJECTION_COVERED IXSCAN ");
  EXPECT_EQ(explain(R"({"find": "k", "filter": {"b": {"$gt": 1}}, "projection": {"_id": 0, "b": 1}})").view().at_path("executionStats.totalDocsExamined").to_int64(), 0);
  // The document is asked for itself: _id, another field, what null stands for, an array once met.
  EXPECT_EQ(found(R"("filter": {"a": 1}, "hint": "i", "projection": {"a": 1, "b": 1})"), R"({"_id":1,"a":1} {"_id":2,"a":1,"b":5} )");
  EXPECT_EQ(found(R"("filter": {"a": 1, "_id": 1}, )" + some), R"({"a":1} )");
  EXPECT_EQ(found(R"("filter": {"b": null}, )" + some), R"({"a":1} )");
  EXPECT_EQ(found(R"("filter": {"a": 1}, )" + some), R"({"a":1} {"a":1,"b":5} )");  // nothing of the first field: the index is read as a whole
  EXPECT_EQ(found(R"("filter": {"b": {"$lt": 6}}, "projection": {"_id": 0, "x.z": 1}, "collation": {"locale": "de"})"), R"({"x":{}} )");
  run("t", R"({"insert": "k", "documents": [{"_id": 4, "a": 9, "b": [1, 2]}]})");
  EXPECT_EQ(found(R"("filter": {}, )" + some), R"({"a":1} {"a":9,"b":[1,2]} {"a":1,"b":5} {"a":2,"b":6} )");
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

TEST_F(ExplainTest, AViewIsThePipelineOverWhatItStandsOn) {
  for (const auto version : {kTest44, kTest80}) {
    fill(version);
    run("t", R"({"create": "v", "viewOn": "c", "pipeline": [{"$match": {"b": 9}}]})");
    run("t", R"({"create": "w", "viewOn": "v", "pipeline": [{"$match": {"a": {"$gt": 1}}}, {"$project": {"a": 1}}]})");
    // Its filter and the command's are one, and answered by an index.
    const auto found = explain(R"({"find": "v", "filter": {"a": 3}})");
    EXPECT_EQ(at(found, "queryPlanner.parsedQuery"), R"({"$and":[{"a":{"$eq":3}},{"b":{"$eq":9}}]})");
    EXPECT_EQ(found.view().at_path("queryPlanner.namespace").to_string_view(), "t.c");
    EXPECT_EQ(found.view().at_path("executionStats.nReturned").to_int64(), 1);
    EXPECT_EQ(found.view().at_path("executionStats.totalKeysExamined").to_int64(), 2);
    EXPECT_EQ(stages(R"({"find": "v", "filter": {"a": 3}})"), "FETCH IXSCAN ");
    if (version == kTest80) {
      EXPECT_EQ(at(found, "command"), R"({"aggregate":"c","pipeline":[{"$match":{"b":9}},{"$match":{"a":3}}],"cursor":{}})");
      EXPECT_EQ(found.view().at_path("explainVersion").to_string_view(), "1");
    }
    const auto piped = explain(R"({"aggregate": "w", "pipeline": [{"$group": {"_id": "$a"}}], "cursor": {}})");
    EXPECT_EQ(at(piped, "stages.0.$cursor.queryPlanner.parsedQuery"), R"({"$and":[{"b":{"$eq":9}},{"a":{"$gt":1}}]})");
    EXPECT_EQ(at(piped, "stages.1"), R"({"$project":{"a":1}})");
    EXPECT_EQ(at(piped, "stages.2"), R"({"$group":{"_id":"$a"}})");
    EXPECT_EQ(at(explain(R"({"count": "v", "query": {"a": 3}, "skip": 1})"), "stages.1"), R"({"$skip":1})");
    EXPECT_EQ(at(explain(R"({"count": "v", "query": {"a": 3}})"), "stages.1"), R"({"$count":"count"})");
    const auto distinct = explain(R"({"distinct": "v", "key": "x.y"})");
    EXPECT_EQ(at(distinct, "stages.1"), R"({"$unwind":{"path":"$x","preserveNullAndEmptyArrays":true}})");
    EXPECT_EQ(at(distinct, "stages.2"), R"({"$unwind":{"path":"$x.y","preserveNullAndEmptyArrays":true}})");
    EXPECT_EQ(at(distinct, "stages.3"), R"({"$match":{"x":{"$_internalSchemaType":"object"}}})");
    EXPECT_EQ(at(distinct, "stages.4"), R"({"$group":{"_id":null,"distinct":{"$addToSet":"$x.y"}}})");
    EXPECT_EQ(at(run("t", R"({"aggregate": "v", "pipeline": [], "explain": true})"), "queryPlanner.parsedQuery"), R"({"b":{"$eq":9}})");
    EXPECT_EQ(code_of(explain(R"({"update": "v", "updates": [{"q": {}, "u": {"$set": {"x": 1}}}]})")), 166);
    EXPECT_EQ(code_of(explain(R"({"delete": "v", "deletes": [{"q": {}, "limit": 0}]})")), 166);
    EXPECT_EQ(code_of(explain(R"({"find": "v", "sort": {"$natural": 1}})")), 168);
    EXPECT_EQ(code_of(explain(R"({"find": "v", "collation": {"locale": "fr"}})")), 167);
  }
}

TEST_F(ExplainTest, AViewsCollationChoosesItsIndexes) {
  fill(kTest80);
  run("t", R"({"create": "k", "collation": {"locale": "en", "strength": 2}})");
  run("t", R"({"insert": "k", "documents": [{"_id": 1, "s": "A"}]})");
  run("t", R"({"createIndexes": "k", "indexes": [{"key": {"s": 1}, "name": "s"}]})");
  run("t", R"({"create": "same", "viewOn": "k", "pipeline": [], "collation": {"locale": "en", "strength": 2}})");
  run("t", R"({"create": "simple", "viewOn": "k", "pipeline": []})");
  EXPECT_EQ(stages(R"({"find": "same", "filter": {"s": "a"}})"), "FETCH IXSCAN ");
  EXPECT_EQ(stages(R"({"find": "simple", "filter": {"s": "a"}})"), "COLLSCAN ");
  EXPECT_EQ(explain(R"({"find": "same", "filter": {"s": "a"}})").view().at_path("command.collation.locale").to_string_view(), "en");
}

TEST_F(ExplainTest, ATimeSeriesCollectionIsItsBuckets) {
  start(kTest60);
  run("t", R"({"create": "w", "timeseries": {"timeField": "t", "metaField": "m"}})");
  run("t", R"({"insert": "w", "documents": [{"t": {"$date": "2026-01-01T00:10:30Z"}, "m": 1, "x": 5}, {"t": {"$date": "2026-01-01T00:10:31Z"}, "m": 2, "x": 5}]})");
  const auto found = explain(R"({"find": "w", "filter": {"x": 5}})");
  EXPECT_EQ(found.view().at_path("stages.0.$cursor.queryPlanner.namespace").to_string_view(), "t.system.buckets.w");
  EXPECT_EQ(found.view().at_path("stages.0.$cursor.executionStats.totalDocsExamined").to_int64(), 2);
  EXPECT_EQ(at(found, "stages.1"), R"({"$_internalUnpackBucket":{"timeField":"t","metaField":"m","bucketMaxSpanSeconds":3600}})");
  EXPECT_EQ(at(found, "stages.2"), R"({"$match":{"x":5}})");
  EXPECT_EQ(code_of(explain(R"({"update": "w", "updates": [{"q": {}, "u": {"$set": {"x": 1}}, "multi": true}]})")), 72);
}

TEST_F(ExplainTest, AClusteredCollectionIsReadWithoutAnIndex) {
  for (const auto version : {kTest60, kTest80}) {
    start(version);
    run("t", R"({"create": "c", "clusteredIndex": {"key": {"_id": 1}, "unique": true}})");
    run("t", R"({"insert": "c", "documents": [{"_id": 1}, {"_id": 2}, {"_id": 3}, {"_id": 4}]})");
    const auto range = explain(R"({"find": "c", "filter": {"_id": {"$gt": 1, "$lte": 3}}})");
    EXPECT_EQ(at(range, "queryPlanner.winningPlan"), std::string(version == kTest80 ? R"({"isCached":false,)" : "{") +
                                                         R"("stage":"CLUSTERED_IXSCAN","filter":{"$and":[{"_id":{"$lte":3}},{"_id":{"$gt":1}}]},"direction":"forward","minRecord":1,"maxRecord":3})");
    EXPECT_EQ(range.view().at_path("executionStats.nReturned").to_int64(), 2);
    EXPECT_EQ(range.view().at_path("executionStats.totalKeysExamined").to_int64(), 0);
    EXPECT_EQ(range.view().at_path("executionStats.totalDocsExamined").to_int64(), 2);
    EXPECT_EQ(stages(R"({"find": "c", "filter": {"a": 1}})"), "COLLSCAN ");
    EXPECT_EQ(stages(R"({"find": "c", "sort": {"_id": -1}})"), "COLLSCAN ");
    EXPECT_EQ(stages(R"({"find": "c", "filter": {"_id": 2}})"), version == kTest80 ? "EXPRESS_CLUSTERED_IXSCAN " : "CLUSTERED_IXSCAN ");
    EXPECT_EQ(stages(R"({"delete": "c", "deletes": [{"q": {"_id": 2}, "limit": 1}]})"), "DELETE CLUSTERED_IXSCAN ");
  }
}

TEST_F(ExplainTest, BranchesThatAllHaveAnIndexAreReadOneByOne) {
  fill(kTest44);
  run("t", R"({"createIndexes": "c", "indexes": [{"key": {"a": 1}, "name": "a_1"}, {"key": {"s": 1}, "name": "s_1", "sparse": true}]})");
  const auto names = [&](const std::string& filter) { return stages(R"({"find": "c", "filter": )" + filter + "}"); };
  EXPECT_EQ(names(R"({"$or": [{"a": 1}, {"b": 9}]})"), "SUBPLAN FETCH OR ");
  EXPECT_EQ(names(R"({"$or": [{"a": 1}, {"_id": 3}, {"b": {"$gt": 5}, "x": 1}], "x": 1})"), "FETCH OR ");
  for (const char* beyond : {R"({"$or": [{"a": 1}, {"x": 1}]})", R"({"$or": [{"a": 1}, {}]})", R"({"$or": [{"a": 1}, {"s": null}]})", R"({"$or": [{"a": 1}, {"a": {"$ne": 2}, "x": 5}, {"x": 5}]})"}) {
    EXPECT_EQ(names(beyond), "COLLSCAN ") << beyond;
  }
  EXPECT_EQ(names(R"({"$or": [{"x": 1}, {"y": 1}], "a": 2})"), "FETCH IXSCAN ");
  EXPECT_EQ(stages(R"({"count": "c", "query": {"$or": [{"a": 1}, {"b": 9}]}})"), "COUNT SUBPLAN FETCH OR ");
  EXPECT_EQ(stages(R"({"find": "c", "filter": {"$or": [{"a": 1}, {"b": 9}]}, "sort": {"x": 1}})"), "SUBPLAN SORT FETCH OR ");
  const auto run_through = explain(R"({"find": "c", "filter": {"$or": [{"a": {"$gte": 2}}, {"b": {"$in": [2, 9]}}]}})");
  const auto number = [&](const std::string& path) { return run_through.view().at_path("executionStats." + path).to_int64().value_or(-1); };
  EXPECT_EQ(number("nReturned"), 4);
  EXPECT_EQ(number("totalKeysExamined"), 7);  // 2, 3 and 4; 1, 2, 3 and 4
  EXPECT_EQ(number("totalDocsExamined"), 4);
  EXPECT_EQ(number("executionStages.inputStage.inputStage.dupsDropped"), 3);
  EXPECT_EQ(number("executionStages.inputStage.inputStage.inputStages.0.keysExamined"), 3);
  EXPECT_EQ(number("executionStages.inputStage.inputStage.inputStages.1.keysExamined"), 4);
  EXPECT_EQ(at(run_through, "executionStats.executionStages.inputStage.inputStage.inputStages.1.indexBounds"), R"({"b":["[2,2]","[9,9]"]})");
}

// What a scan of the collection finds an index finds too, whatever the branches are; batch by batch, while others write.
TEST_F(ExplainTest, BranchesFindWhatIsThereAndOnce) {
  start(kTest80);
  std::string documents;
  for (int i = 0; i < 300; ++i) {
    documents += std::string(i == 0 ? "" : ", ") + R"({"_id": )" + std::to_string(i) + R"(, "a": )" + std::to_string(i % 10) + R"(, "b": [)" + std::to_string(i % 7) + ", " +
                 std::to_string(i % 5) + R"(], "c": )" + std::to_string(i % 3) + "}";
  }
  for (const char* collection : {"plain", "indexed"}) run("t", R"({"insert": ")" + std::string(collection) + R"(", "documents": [)" + documents + "]}");
  run("t", R"({"createIndexes": "indexed", "indexes": [{"key": {"a": 1}, "name": "a"}, {"key": {"b": -1}, "name": "b"}, {"key": {"c": 1, "a": -1}, "name": "c"}]})");
  const auto ids = [&](const std::string& collection, const std::string& filter) {
    std::multiset<std::int64_t> found;
    for (const auto& document : find("t", collection, filter)) found.insert(document["_id"].to_int64().value_or(-1));
    return found;
  };
  for (const std::string filter : {R"({"$or": [{"a": 1}, {"b": 2}]})", R"({"$or": [{"a": {"$gt": 7}}, {"b": {"$lt": 1}}, {"c": 2, "a": {"$lt": 3}}]})", R"({"$or": [{"a": 1}, {"a": 1}]})",
                                   R"({"$or": [{"a": 5}, {"b": 3}], "c": {"$ne": 1}})", R"({"$or": [{"a": {"$in": [1, 2, 3]}}, {"_id": {"$lt": 20}}], "d": null})",
                                   R"({"$or": [{"b": {"$gt": 1, "$lt": 3}}, {"a": 0}]})"}) {
    EXPECT_EQ(ids("indexed", filter), ids("plain", filter)) << filter;
    EXPECT_EQ(run("t", R"({"count": "indexed", "query": )" + filter + "}")["n"].to_int64(), static_cast<std::int64_t>(ids("plain", filter).size()));
    EXPECT_NE(stages(R"({"find": "indexed", "filter": )" + filter + "}").find("OR "), std::string::npos) << filter;
  }
  auto reply = run("t", R"({"find": "indexed", "filter": {"$or": [{"a": 1}, {"b": 2}]}, "batchSize": 7})");
  std::multiset<std::int64_t> seen;
  for (int i = 0;; ++i) {
    for (const auto& document : batch(reply)) seen.insert(document["_id"].to_int64().value_or(-1));
    const auto cursor = reply.view().at_path("cursor.id").to_int64().value_or(0);
    if (cursor == 0) break;
    run("t", R"({"update": "indexed", "updates": [{"q": {"_id": )" + std::to_string(i) + R"(}, "u": {"$set": {"z": 1}}}]})");
    reply = run("t", R"({"getMore": )" + std::to_string(cursor) + R"(, "collection": "indexed", "batchSize": 7})");
    ASSERT_TRUE(reply["ok"].is_truthy()) << text(reply);
  }
  EXPECT_EQ(seen, ids("plain", R"({"$or": [{"a": 1}, {"b": 2}]})"));
  // An index of a branch that is yet to come is dropped.
  reply = run("t", R"({"find": "indexed", "filter": {"$or": [{"a": 1}, {"b": 2}]}, "batchSize": 2})");
  run("t", R"({"dropIndexes": "indexed", "index": "b"})");
  EXPECT_EQ(code("t", R"({"getMore": )" + std::to_string(reply.view().at_path("cursor.id").to_int64().value_or(0)) + R"(, "collection": "indexed"})"), 175);
  EXPECT_EQ(run("t", R"({"update": "indexed", "updates": [{"q": {"$or": [{"a": 1}, {"c": 2}]}, "u": {"$inc": {"n": 1}}, "multi": true}]})")["n"].to_int64(),
            static_cast<std::int64_t>(ids("plain", R"({"$or": [{"a": 1}, {"c": 2}]})").size()));
  EXPECT_EQ(ids("indexed", R"({"n": {"$gt": 1}})").size(), 0U);
}

}  // namespace
}  // namespace drover::sandbox
