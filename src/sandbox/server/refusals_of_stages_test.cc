// Stages, expressions and renames that are refused, each in the server's words. Facts: MongoDB's document sources' parsers and rename_collection.cpp.
#include <fmt/format.h>

#include "bson/ejson.h"
#include "sandbox/server/client_for_tests.h"

namespace drover::sandbox {
namespace {

class RefusalsOfStagesTest : public SandboxClientTest {
 protected:
  std::string outcome(const std::string& db, const std::string& command) {
    const auto reply = run(db, command);
    if (reply["ok"].is_truthy()) return "ok";
    return fmt::format("{} {}", reply["code"].to_int64().value_or(0), reply["errmsg"].to_string_view().value_or(""));
  }
  std::string aggregate(const std::string& stages, const std::string& collection = "c") {
    return outcome("t", fmt::format(R"({{"aggregate": "{}", "pipeline": [{}], "cursor": {{}}}})", collection, stages));
  }
  std::string rename(const std::string& from, const std::string& to) {
    return outcome("admin", fmt::format(R"({{"renameCollection": "{}", "to": "{}"}})", from, to));
  }
};

TEST_F(RefusalsOfStagesTest, ASortsOrderIsItsWholePart) {
  start(kTest80);
  run("t", R"({"insert": "c", "documents": [{"_id": 1}, {"_id": 2}]})");
  const auto ids = [&](const std::string& order) {
    std::string all;
    for (const auto& document : batch(run("t", R"({"find": "c", "sort": {"_id": )" + order + "}}"))) all += std::to_string(document["_id"].to_int64().value_or(0));
    return all;
  };
  EXPECT_EQ(ids("1.5"), "12");
  EXPECT_EQ(ids("-1.9"), "21");
  for (const std::string order : {"0.9", "2", "-2.5", "0"}) {
    EXPECT_EQ(aggregate(R"({"$sort": {"_id": )" + order + "}}"), "15975 $sort key ordering must be 1 (for ascending) or -1 (for descending)") << order;
  }
}

TEST_F(RefusalsOfStagesTest, ABadPatternIsToldWithItsExpression) {
  for (const auto version : {kTest44, kTest80}) {
    start(version);
    run("t", R"({"insert": "c", "documents": [{"_id": 1, "a": "x"}]})");
    const std::string why = version == kTest44 ? "missing )" : "missing closing parenthesis";
    for (const std::string name : {"$regexFind", "$regexFindAll", "$regexMatch"}) {
      const auto with = [&](const std::string& rest) { return aggregate(R"({"$project": {"x": {")" + name + R"(": {"input": "$a", )" + rest + "}}}}"); };
      EXPECT_NE(with(R"("regex": "(")").find(fmt::format("Invalid Regex in {}: {}", name, why)), std::string::npos) << with(R"("regex": "(")");
      EXPECT_NE(with(R"("regex": "a", "options": "q")").find(name + " invalid flag in regex options: q"), std::string::npos);
    }
    EXPECT_EQ(outcome("t", R"({"find": "c", "filter": {"a": {"$regex": "("}}})"), "51091 Regular expression is invalid: " + why);
  }
}

TEST_F(RefusalsOfStagesTest, RandomTakesNothing) {
  start(kTest80);
  run("t", R"({"insert": "c", "documents": [{"_id": 1}]})");
  const auto with = [&](const std::string& argument) { return aggregate(R"({"$project": {"x": {"$rand": )" + argument + "}}}"); };
  EXPECT_EQ(with("{}"), "ok");
  EXPECT_EQ(with("[]"), "ok");
  EXPECT_NE(with(R"({"a": 1})").find("$rand does not currently accept arguments"), std::string::npos);
  EXPECT_NE(with("[1]").find("$rand does not currently accept arguments"), std::string::npos);
  EXPECT_NE(with("5").find("invalid parameter: expected an object ($rand)"), std::string::npos);
}

TEST_F(RefusalsOfStagesTest, StatisticsTakeObjects) {
  for (const auto version : {kTest44, kTest80}) {
    start(version);
    run("t", R"({"insert": "c", "documents": [{"_id": 1}]})");
    EXPECT_EQ(aggregate(R"({"$collStats": 5})"), "40166 $collStats must take a nested object but found: $collStats: 5");
    EXPECT_EQ(aggregate(R"({"$planCacheStats": 5})"), "9 $planCacheStats value must be an object. Found: int");
    EXPECT_EQ(aggregate(R"({"$planCacheStats": {"a": 1}})"), "9 $planCacheStats parameters object must be empty. Found: object");
    EXPECT_EQ(aggregate(R"({"$planCacheStats": {}})"), "ok");
    const auto old = version == kTest44;
    EXPECT_EQ(aggregate(R"({"$collStats": {"count": 1}})"), old ? "40480 count argument must be an object, but got count: 1 of type int"
                                                                : "14 BSON field '$collStats.count' is the wrong type 'int', expected type 'object'");
    EXPECT_EQ(aggregate(R"({"$collStats": {"latencyStats": {"histograms": 1}}})").substr(0, 3), old ? "403" : "14 ");
  }
}

TEST_F(RefusalsOfStagesTest, OptionsOfNearAreLookedAt) {
  for (const auto version : {kTest44, kTest80}) {
    start(version);
    run("t", R"({"insert": "c", "documents": [{"_id": 1, "p": [1, 1]}]})");
    run("t", R"({"createIndexes": "c", "indexes": [{"key": {"p": "2d"}, "name": "p"}]})");
    run("t", R"({"create": "same", "viewOn": "c", "pipeline": []})");
    run("t", R"({"create": "some", "viewOn": "c", "pipeline": [{"$match": {}}]})");
    const auto near = [&](const std::string& rest, const std::string& on = "c") { return aggregate(R"({"$geoNear": {"near": [0, 0], "distanceField": "d")" + rest + "}}", on); };
    EXPECT_EQ(near(""), "ok");
    for (const std::string name : {"maxDistance", "minDistance", "distanceMultiplier"}) {
      EXPECT_EQ(near(R"(, ")" + name + R"(": "5")"), fmt::format("14 {} must be a number", name));
      EXPECT_EQ(near(R"(, ")" + name + R"(": -5)"), fmt::format("2 {} must be nonnegative", name));
      EXPECT_EQ(near(R"(, ")" + name + R"(": 5)"), "ok");
    }
    EXPECT_EQ(near(R"(, "query": 5)"), "14 query must be an object");
    EXPECT_EQ(near(R"(, "key": 5)"), "14 $geoNear parameter 'key' must be of type string but found type: int");
    EXPECT_EQ(near(R"(, "key": "")"), "2 $geoNear parameter 'key' cannot be the empty string");
    EXPECT_EQ(near(R"(, "start": 1)"), "50856 $geoNear no longer supports the 'start' argument.");
    EXPECT_EQ(aggregate(R"({"$geoNear": {"limit": 1}})").substr(0, 6), "50858 ");
    // A view without stages is what it is of.
    EXPECT_EQ(near("", "same"), "ok");
    EXPECT_EQ(near("", "some"), "40602 $geoNear is only valid as the first stage in a pipeline.");
    EXPECT_EQ(batch(run("t", R"({"aggregate": "same", "pipeline": [{"$indexStats": {}}], "cursor": {}})")).size(), 2u);
    EXPECT_EQ(aggregate(R"({"$indexStats": {}})", "some"), "40602 $indexStats is only valid as the first stage in a pipeline.");
  }
}

TEST_F(RefusalsOfStagesTest, IndexesOfATimeSeriesAreOfItsMeasurements) {
  start(kTest80);
  run("t", R"({"create": "s", "timeseries": {"timeField": "t", "metaField": "m"}})");
  run("t", R"({"createIndexes": "s", "indexes": [{"key": {"m.a": 1, "t": -1}, "name": "mine"}]})");
  const auto all = batch(run("t", R"({"aggregate": "s", "pipeline": [{"$indexStats": {}}, {"$match": {"name": "mine"}}], "cursor": {}})"));
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(bson::to_shell(all.at(0)["key"]), R"({ m.a: 1, t: -1 })");
  EXPECT_EQ(bson::to_shell(all.at(0).view().at_path("spec.key")), R"({ m.a: 1, t: -1 })");
}

TEST_F(RefusalsOfStagesTest, IndexesMakeNoSystemCollections) {
  for (const auto version : {kTest44, kTest80}) {
    start(version);
    for (const std::string name : {"system.foo", "system.profile", "system.indexes"}) {
      EXPECT_EQ(outcome("t", R"({"createIndexes": ")" + name + R"(", "indexes": [{"key": {"a": 1}, "name": "a"}]})").substr(0, 3), "73 ") << name;
    }
    EXPECT_EQ(outcome("t", R"({"createIndexes": "system.js", "indexes": [{"key": {"a": 1}, "name": "a"}]})"), "ok");
    EXPECT_EQ(batch(run("t", R"({"listCollections": 1})")).size(), 1u);
  }
}

TEST_F(RefusalsOfStagesTest, NeitherPlansNorSizesOfViews) {
  start(kTest80);
  run("t", R"({"create": "v", "viewOn": "c", "pipeline": []})");
  const std::string refused = "166 Namespace t.v is a view, not a collection";
  for (const std::string command : {"planCacheClear", "planCacheListFilters", "planCacheClearFilters"}) EXPECT_EQ(outcome("t", R"({")" + command + R"(": "v"})"), refused);
  EXPECT_EQ(outcome("t", R"({"planCacheSetFilter": "v", "query": {"a": 1}, "indexes": [{"a": 1}]})"), refused);
  EXPECT_EQ(outcome("t", R"({"dataSize": "t.v"})"), refused);
  EXPECT_EQ(outcome("t", R"({"dataSize": "t.none"})"), "ok");
}

TEST_F(RefusalsOfStagesTest, WhatTheServerKeepsItsFactsInIsNotRenamed) {
  for (const auto version : {kTest44, kTest80}) {
    start(version);
    run("t", R"({"insert": "c", "documents": [{"_id": 1}]})");
    run("t", R"({"insert": "system.js", "documents": [{"_id": "f", "value": 1}]})");
    run("t", R"({"create": "v", "viewOn": "c", "pipeline": []})");
    run("admin", R"({"insert": "c", "documents": [{"_id": 1}]})");
    run("admin", R"({"createUser": "u", "pwd": "p", "roles": []})");
    const auto refused = [](const std::string& name) { return fmt::format("20 renaming {0} collection or renaming to {0} is not allowed", name); };
    EXPECT_EQ(rename("t.system.views", "t.x"), refused("system.views"));
    EXPECT_EQ(rename("t.c", "t2.system.views"), refused("system.views"));
    EXPECT_EQ(rename("admin.system.users", "admin.x"), refused("system.users"));
    EXPECT_EQ(rename("admin.c", "admin.system.roles"), refused("system.roles"));
    EXPECT_EQ(rename("admin.system.version", "admin.x"), "20 renaming the server configuration collection (admin.system.version) is not allowed");
    EXPECT_EQ(rename("t.system.js", "t.x"), version == kTest44 ? "ok" : refused("system.js"));
    EXPECT_EQ(find("admin", "system.users").size(), 1u);
    if (version == kTest44) continue;
    run("t", R"({"create": "s", "timeseries": {"timeField": "t"}})");
    EXPECT_EQ(rename("t.system.buckets.s", "t.x"), "20 Renaming system.buckets collections is not allowed");
    EXPECT_EQ(rename("t.c", "t.system.buckets.c"), "20 Cannot rename non timeseries buckets collection 't.c' to a timeseries buckets namespace 't.system.buckets.c'.");
  }
}

}  // namespace
}  // namespace drover::sandbox
