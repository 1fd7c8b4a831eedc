#include "sandbox/query/pipeline.h"

#include <map>

#include <gtest/gtest.h>

#include "bson/ejson.h"
#include "sandbox/query/doc_for_tests.h"
#include "sandbox/query/matcher.h"
#include "sandbox/query/scripts_for_tests.h"

namespace drover::sandbox::query {
namespace {

using bson::Document;

std::vector<Document> documents(const std::string& array) {
  std::vector<Document> out;
  const Document held = doc("{\"d\":" + array + "}");
  for (const auto& item : held["d"].document_value()) out.emplace_back(item.document_value());
  return out;
}

struct Fixture {
  std::map<std::string, std::string> others;
  ServerVersion version{5, 0, 0};
  std::size_t max_bytes = kMaxStageBytes;
  std::shared_ptr<Scripts> scripts;
  MemoryBudget* memory = nullptr;

  std::string run(const std::string& stages, const std::string& input) const {
    PipelineContext context;
    auto evaluation = std::make_shared<EvaluationContext>();
    evaluation->version = version;
    evaluation->scripts = scripts;
    context.evaluation = evaluation;
    context.max_stage_bytes = max_bytes;
    context.memory = memory;
    context.open_foreign = [this](const ForeignQuery& query) -> Result<DocumentSourcePtr> {
      const auto matcher = TRY(Matcher::parse(query.filter));
      std::vector<Document> matching;
      const auto found = others.find(query.collection);
      for (auto& document : documents(found == others.end() ? "[]" : found->second)) {
        if (matcher.matches(document)) matching.push_back(std::move(document));
      }
      return make_vector_source(std::move(matching));
    };
    const Document spec = doc("{\"p\":" + stages + "}");
    auto pipeline = Pipeline::parse(spec["p"].document_value(), context);
    if (!pipeline) return std::to_string(pipeline.error().server_code) + " " + pipeline.error().message;
    auto source = std::move(*pipeline).run(make_vector_source(documents(input)));
    std::string text;
    while (true) {
      auto next = source->next();
      if (!next) return std::to_string(next.error().server_code) + " " + next.error().message;
      if (!*next) return text;
      text += bson::to_relaxed_ejson(**next);
    }
  }
};

TEST(Pipeline, Lookups) {
  Fixture f{.others = {{"o", R"([{"_id":1,"k":1},{"_id":2,"k":2},{"_id":3,"k":1}])"}}};
  EXPECT_EQ(
      f.run(R"([{"$lookup":{"from":"o","localField":"a","foreignField":"k","as":"x.y"}},{"$project":{"x.y._id":1}}])",
            R"([{"_id":1,"a":[1,2]}])"),
      R"({ "_id" : 1, "x" : { "y" : [ { "_id" : 1 }, { "_id" : 2 }, { "_id" : 3 } ] } })");
  EXPECT_EQ(
      f.run(
          R"([{"$lookup":{"from":"o","let":{"v":"$a"},"pipeline":[{"$match":{"$expr":{"$eq":["$k","$$v"]}}},{"$count":"n"}],"as":"r"}}])",
          R"([{"_id":1,"a":1}])"),
      R"({ "_id" : 1, "a" : 1, "r" : [ { "n" : 2 } ] })");
  f.others["h"] = R"([{"_id":1},{"_id":2,"k":null}])";  // a variable without a value is no null
  EXPECT_EQ(f.run(R"([{"$lookup":{"from":"h","let":{"v":"$b"},"pipeline":[{"$match":{"$expr":{"$eq":["$k","$$v"]}}}],"as":"r"}}])", R"([{"_id":1}])"),
            R"({ "_id" : 1, "r" : [ { "_id" : 1 } ] })");
  EXPECT_EQ(f.run(R"([{"$unionWith":{"coll":"o","pipeline":[{"$match":{"k":2}}]}}])", R"([{"_id":9}])"),
            R"({ "_id" : 9 }{ "_id" : 2, "k" : 2 })");
  f.others["g"] = R"([{"_id":1,"next":2},{"_id":2,"next":3},{"_id":3,"next":1}])";
  EXPECT_EQ(
      f.run(
          R"([{"$graphLookup":{"from":"g","startWith":"$s","connectFromField":"next","connectToField":"_id","as":"r","depthField":"depth"}},{"$project":{"n":{"$size":"$r"}}}])",
          R"([{"_id":1,"s":1}])"),
      R"({ "_id" : 1, "n" : 3 })");
}

TEST(Pipeline, SortWithLimitKeepsTheBest) {
  std::string input = "[";
  for (int i = 0; i < 500; ++i)
    input += (i ? "," : "") + std::string("{\"_id\":") + std::to_string((i * 37) % 500) + "}";
  EXPECT_EQ(Fixture().run(R"([{"$sort":{"_id":-1}},{"$limit":2}])", input + "]"), R"({ "_id" : 499 }{ "_id" : 498 })");
}

TEST(Pipeline, MemoryIsBounded) {
  const Fixture f{.max_bytes = 200};
  const std::string input =
      R"([{"_id":1,"s":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},{"_id":2,"s":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}])";
  EXPECT_EQ(f.run(R"([{"$sort":{"s":1}}])", input).substr(0, 4), "292 ");
  EXPECT_EQ(f.run(R"([{"$group":{"_id":"$_id","s":{"$push":"$s"}}}])", input).substr(0, 6), "16945 ");
}

TEST(Pipeline, RedactAndBuckets) {
  EXPECT_EQ(Fixture().run(R"([{"$redact":{"$cond":[{"$eq":["$secret",true]},"$$PRUNE","$$DESCEND"]}}])",
                          R"([{"_id":1,"in":{"secret":true},"list":[{"secret":true},{"a":1}]}])"),
            R"({ "_id" : 1, "list" : [ { "a" : 1 } ] })");
  EXPECT_EQ(Fixture().run(R"([{"$bucketAuto":{"groupBy":"$_id","buckets":2}}])",
                          R"([{"_id":1},{"_id":2},{"_id":3},{"_id":4}])"),
            R"({ "_id" : { "min" : 1, "max" : 3 }, "count" : 2 }{ "_id" : { "min" : 3, "max" : 4 }, "count" : 2 })");
}

TEST(Pipeline, FunctionsOfClients) {
  const auto scripts = std::make_shared<ScriptsForTests>();
  const Fixture f{.scripts = scripts};
  const std::string one = R"([{"_id":1,"a":2,"b":3}])";
  const auto function = [&](const std::string& spec) { return f.run(R"([{"$project":{"_id":0,"r":{"$function":)" + spec + "}}}]", one); };
  EXPECT_EQ(function(R"({"body":"sum","args":["$a","$b",1],"lang":"js"})"), R"({ "r" : 6.0 })");
  EXPECT_EQ(function(R"({"body":{"$code":"sum"},"args":[],"lang":"js"})"), R"({ "r" : 0.0 })");
  EXPECT_EQ(function(R"({"body":"fail","args":[],"lang":"js"})"), "139 failed");
  EXPECT_EQ(function(R"({"body":"sum","args":5,"lang":"js"})"), "31266 The args field must be of type array");
  EXPECT_EQ(function(R"({"body":"$a","args":[],"lang":"js"})"), "31432 Invalid $project :: caused by :: The body function must be a constant expression");
}

TEST(Pipeline, AccumulatorsOfClientsAreCalledInBatches) {
  const auto scripts = std::make_shared<ScriptsForTests>();
  const Fixture f{.scripts = scripts};
  std::string many = "[";
  for (int i = 0; i < 2500; ++i) many += std::string(i == 0 ? "" : ",") + R"({"g":)" + std::to_string(i % 2) + R"(,"a":1})";
  many += "]";
  const std::string group = R"([{"$group":{"_id":{"g":"$g"},"r":{"$accumulator":{"init":"sum","initArgs":["$g",100],"accumulate":"sum","accumulateArgs":["$a"],"merge":"sum","lang":"js"}}}},{"$sort":{"_id":1}}])";
  EXPECT_EQ(f.run(group, many), R"({ "_id" : { "g" : 0 }, "r" : 1350.0 }{ "_id" : { "g" : 1 }, "r" : 1351.0 })");
  EXPECT_EQ(scripts->calls, 2);  // init, once for each group
  EXPECT_EQ(scripts->folds, 2);  // a state lives as the function left it, from a group's first document to its last
  const std::string finalized = R"([{"$bucketAuto":{"groupBy":"$a","buckets":1,"output":{"r":{"$accumulator":{"init":"sum","accumulate":"sum","accumulateArgs":["$a"],"merge":"sum","finalize":"fail","lang":"js"}}}}}])";
  EXPECT_EQ(f.run(finalized, R"([{"a":1}])"), "139 failed");
  const std::string given = R"([{"$group":{"_id":1,"r":{"$accumulator":{"init":"sum","accumulate":"sum","accumulateArgs":"$a","merge":"sum","lang":"js"}}}}])";
  EXPECT_EQ(f.run(given, R"([{"a":1}])"), "4544712 $accumulator accumulateArgs must evaluate to an array: 1");
}

TEST(Pipeline, CallsOfAccumulatorsThatWaitMakeRoom) {
  const auto scripts = std::make_shared<ScriptsForTests>();
  const Fixture f{.max_bytes = 2 << 20, .scripts = scripts};
  std::string many = "[";
  for (int i = 0; i < 8000; ++i) many += std::string(i == 0 ? "" : ",") + R"({"g":)" + std::to_string(i % 2) + R"(,"a":1,"s":")" + std::string(1000, 'x') + "\"}";
  many += "]";
  const std::string group = R"([{"$group":{"_id":"$g","r":{"$accumulator":{"init":"sum","accumulate":"sum","accumulateArgs":["$a","$s"],"merge":"sum","lang":"js"}}}},{"$sort":{"_id":1}}])";
  EXPECT_EQ(f.run(group, many), R"({ "_id" : 0, "r" : 4000.0 }{ "_id" : 1, "r" : 4000.0 })");
  EXPECT_GT(scripts->folds, 2);
  EXPECT_LT(scripts->folds, 20);
  // $bucketAuto has its documents beside them.
  for (const std::size_t free : {14 << 20, 32 << 20}) {
    const auto counted = std::make_shared<ScriptsForTests>();
    MemoryBudget budget(free);
    const Fixture bounded{.scripts = counted, .memory = &budget};
    const std::string buckets = R"([{"$bucketAuto":{"groupBy":"$a","buckets":1,"output":{"r":{"$accumulator":{"init":"sum","accumulate":"sum","accumulateArgs":["$a","$s"],"merge":"sum","lang":"js"}}}}},{"$project":{"_id":0}}])";
    EXPECT_EQ(bounded.run(buckets, many), R"({ "r" : 8000.0 })");
    EXPECT_EQ(counted->folds > 1, free == 14 << 20) << counted->folds;
    EXPECT_LT(counted->folds, 20);
  }
}

TEST(Pipeline, Refuses) {
  EXPECT_EQ(Fixture().run(R"([{"$limit":0}])", "[]"), "15958 the limit must be positive");
  EXPECT_EQ(Fixture().run(R"([{"$match":{}},{"$changeStream":{}}])", "[]"),
            "40602 $changeStream is only valid as the first stage in a pipeline.");
  EXPECT_EQ(Fixture().run(R"([{"$out":"x"},{"$match":{}}])", "[]"),
            "40601 $out can only be the final stage in the pipeline");
  EXPECT_EQ(Fixture().run(R"([{"$group":{"_id":1,"x":{"$nope":1}}}])", "[]"), "15952 unknown group operator '$nope'");
  EXPECT_EQ(Fixture().run(R"([{"$project":{"x":{"$function":{"body":"","args":[],"lang":"js"}}}}])", "[]"),
            "31264 Invalid $project :: caused by :: Cannot run server-side javascript without the javascript engine enabled");
  EXPECT_EQ(Fixture().run(R"([{"$count":"a\u0000b"}])", "[]"), "40159 the count field cannot contain a null byte");
  EXPECT_EQ(Fixture().run(R"([{"$unwind":"$"}])", "[]"), "40352 FieldPath cannot be constructed with empty string");
  EXPECT_EQ(Fixture().run(R"([{"$facet":{"a.b":[]}}])", "[]"), "16412 FieldPath field names may not contain '.'.");
  EXPECT_EQ(Fixture().run(R"([{"$facet":{"a":[5]}}])", "[]"),
            "40171 elements of arrays in $facet spec must be non-empty objects, a argument contained an element of type int: 0: 5");
  EXPECT_EQ(Fixture().run(R"([{"$bucket":{"groupBy":"$a","boundaries":[0,10],"default":5}}])", "[]"),
            "40199 The $bucket 'default' field must be less than the lowest boundary or greater than or equal to the highest boundary.");
  EXPECT_EQ(Fixture().run(R"([{"$lookup":{"from":5}}])", "[]"), "9 $lookup argument 'from: 5' must be a string, is type int");
  EXPECT_EQ(Fixture().run(R"([{"$unionWith":{"coll":5}}])", "[]"),
            "14 BSON field '$unionWith.coll' is the wrong type 'int', expected type 'string'");
  EXPECT_EQ(Fixture().run(R"([{"$documents":[]}])", "[]"), "40324 Unrecognized pipeline stage name: '$documents'");
}

TEST(Pipeline, WhatACallerAsks) {
  PipelineContext context;
  const Document spec = doc(
      R"({"p":[{"$match":{"a":1}},{"$match":{"b":2}},{"$sort":{"c":1}},{"$limit":5},{"$out":{"db":"d","coll":"c"}}]})");
  auto pipeline = Pipeline::parse(spec["p"].document_value(), context);
  ASSERT_TRUE(pipeline);
  EXPECT_EQ(bson::to_relaxed_ejson(pipeline->take_leading_match()), R"({ "$and" : [ { "a" : 1 }, { "b" : 2 } ] })");
  EXPECT_EQ(bson::to_relaxed_ejson(*pipeline->leading_sort()), R"({ "c" : 1 })");
  EXPECT_FALSE(pipeline->leading_limit());
  pipeline->drop_leading_sort();
  EXPECT_EQ(pipeline->leading_limit(), 5);
  EXPECT_EQ(pipeline->output()->collection, "c");
  EXPECT_EQ(pipeline->output()->db, "d");
}

TEST(Pipeline, BucketsWithPreferredNumbers) {
  Fixture fixture;
  const std::string numbers = R"([{"n":0},{"n":1},{"n":2},{"n":3},{"n":20},{"n":70},{"n":99}])";
  const auto buckets = [&](const std::string& granularity, int count) {
    auto text = fixture.run(R"([{"$bucketAuto":{"groupBy":"$n","buckets":)" + std::to_string(count) + R"(,"granularity":")" + granularity + "\"}}]", numbers);
    if (text.starts_with("{")) std::erase(text, ' ');
    return text;
  };
  EXPECT_EQ(buckets("POWERSOF2", 3),
            R"({"_id":{"min":0,"max":2.0},"count":2}{"_id":{"min":2.0,"max":4.0},"count":2}{"_id":{"min":4.0,"max":128.0},"count":3})");
  EXPECT_EQ(buckets("R5", 2), R"({"_id":{"min":0,"max":4.0},"count":4}{"_id":{"min":4.0,"max":100.0},"count":3})");
  EXPECT_EQ(buckets("E6", 7).find(R"({"_id":{"min":0,"max":0.68)"), 0U);
  EXPECT_EQ(buckets("R7", 2), "40257 Unknown granularity 'R7'");
  EXPECT_EQ(fixture.run(R"([{"$bucketAuto":{"groupBy":"$n","buckets":2,"granularity":"R5"}}])", R"([{"n":"x"}])"),
            "40258 $bucketAuto can specify a 'granularity' with numeric boundaries only, but found a value with type: string");
  EXPECT_EQ(fixture.run(R"([{"$bucketAuto":{"groupBy":"$n","buckets":2,"granularity":"R5"}}])", R"([{"n":-1}])"),
            "40260 $bucketAuto can specify a 'granularity' with non-negative numbers only, but found a negative number");
}

TEST(Pipeline, TextIsForTheFirstStage) {
  EXPECT_EQ(Fixture().run(R"([{"$limit":1},{"$match":{"$text":{"$search":"x"}}}])", "[]"), "17313 $match with $text is only allowed as the first pipeline stage");
  EXPECT_EQ(Fixture().run(R"([{"$match":{"a":{"$near":[0,0]}}}])", "[]"), "5626500 $geoNear, $near, and $nearSphere are not allowed in this context");
}

TEST(Pipeline, NMayDependOnTheGroup) {
  Fixture f{.version = {6, 0, 0}};
  const std::string input = R"([{"g":"a","v":1},{"g":"a","v":2},{"g":"b","v":3},{"g":"b","v":4}])";
  EXPECT_EQ(f.run(R"([{"$group":{"_id":{"g":"$g"},"v":{"$firstN":{"input":"$v","n":{"$cond":[{"$eq":["$g","b"]},1,3]}}}}},{"$sort":{"_id":1}}])", input),
            R"({ "_id" : { "g" : "a" }, "v" : [ 1, 2 ] }{ "_id" : { "g" : "b" }, "v" : [ 3 ] })");
  EXPECT_EQ(f.run(R"([{"$group":{"_id":null,"v":{"$topN":{"output":"$v","sortBy":{"v":-1},"n":"$g"}}}}])", input), "5787902 Value for 'n' must be of integral type, but found MISSING");
  EXPECT_EQ(f.run(R"([{"$group":{"_id":null,"v":{"$top":{"output":"$v","sortBy":{"v":-1},"n":1}}}}])", input), "5788002 Unknown argument to $top 'n'");
  EXPECT_EQ(f.run(R"([{"$group":{"_id":null,"v":{"$bottom":{"output":"$v"}}}}])", input), "5788005 Missing value for 'sortBy'");
}

TEST(Pipeline, RedactKeepsTheWholeDocumentAsRoot) {
  EXPECT_EQ(Fixture().run(R"([{"$redact":{"$cond":[{"$lte":["$level","$$ROOT.clearance"]},"$$DESCEND","$$PRUNE"]}}])",
                          R"([{"clearance":2,"level":1,"a":{"level":2},"b":{"level":3},"c":[{"level":1},{"level":5},7]}])"),
            R"({ "clearance" : 2, "level" : 1, "a" : { "level" : 2 }, "c" : [ { "level" : 1 }, 7 ] })");
}

TEST(Pipeline, LookupJoinsByWhatIsThere) {
  Fixture f{.others = {{"o", R"([{"_id":1,"k":1},{"_id":2,"k":null},{"_id":3}])"}}};
  const auto joined = [&](const std::string& document, const std::string& local) {
    auto text = f.run(R"([{"$lookup":{"from":"o","localField":")" + local + R"(","foreignField":"k","as":"j"}},{"$project":{"r":"$j._id"}}])", "[" + document + "]");
    std::erase(text, ' ');
    return text;
  };
  EXPECT_EQ(joined(R"({"a":1})", "a"), R"({"r":[1]})");
  EXPECT_EQ(joined(R"({})", "a"), R"({"r":[2,3]})");
  EXPECT_EQ(joined(R"({"a":[]})", "a"), R"({"r":[2,3]})");            // nothing is null
  EXPECT_EQ(joined(R"({"a":[{"b":1},{"c":1}]})", "a.b"), R"({"r":[1]})");  // but not where there is something
  EXPECT_EQ(joined(R"({"a":[{"c":1}]})", "a.b"), R"({"r":[2,3]})");
  EXPECT_EQ(joined(R"({"a":[[1],{"b":5}]})", "a.0"), R"({"r":[1]})");
}

}  // namespace
}  // namespace drover::sandbox::query
