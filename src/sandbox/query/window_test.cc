// $setWindowFields, $fill and $densify, and what they share with $group: $median and $percentile.
#include <algorithm>
#include <cmath>
#include <optional>
#include <random>

#include <gtest/gtest.h>

#include "bson/ejson.h"
#include "sandbox/query/pipeline.h"

namespace drover::sandbox::query {
namespace {

using bson::Document;

class WindowTest : public ::testing::Test {
 protected:
  // The documents that come out, without spaces; or the error.
  std::string run(const std::string& stage, const std::string& input) const {
    PipelineContext context;
    auto evaluation = std::make_shared<EvaluationContext>();
    evaluation->version = version;
    context.evaluation = evaluation;
    context.max_stage_bytes = max_bytes;
    context.interrupted = [this]() -> Status {
      ++looked;
      return {};
    };
    const auto spec = bson::from_ejson(R"({"p": [)" + stage + R"(], "d": )" + input + "}");
    if (!spec) return "no JSON: " + stage + input;
    auto pipeline = Pipeline::parse((*spec)["p"].document_value(), context);
    if (!pipeline) return std::to_string(pipeline.error().server_code) + " " + pipeline.error().message;
    std::vector<Document> documents;
    for (const auto& item : (*spec)["d"].document_value()) documents.emplace_back(item.document_value());
    auto source = std::move(*pipeline).run(make_vector_source(std::move(documents)));
    std::string text;
    while (true) {
      const auto next = source->next();
      if (!next) return std::to_string(next.error().server_code) + " " + next.error().message;
      if (!*next) return text;
      auto shown = bson::to_relaxed_ejson(**next);
      std::erase(shown, ' ');
      text += shown;
    }
  }
  // The values of `function` over {t, v} in the order of t.
  std::string values(const std::string& function, const std::string& input) const {
    return run(R"({"$setWindowFields": {"sortBy": {"t": 1}, "output": {"x": )" + function + R"(}}}, {"$group": {"_id": null, "x": {"$push": "$x"}}}, {"$unset": "_id"})", input);
  }
  // Lists of {"x": number}, but for what rounding does.
  static void expect_near(const std::string& all, const std::string& wanted, const std::string& what) {
    const auto numbers = [](std::string text) {
      std::vector<std::string> out;
      for (std::size_t at; (at = text.find("\"x\":")) != std::string::npos;) {
        text = text.substr(at + 4);
        out.push_back(text.substr(0, text.find('}')));
      }
      return out;
    };
    const auto have = numbers(all), want = numbers(wanted);
    ASSERT_EQ(have.size(), want.size()) << what;
    for (std::size_t i = 0; i < have.size(); ++i) {
      if (have[i] == want[i]) continue;
      const double a = std::strtod(have[i].c_str(), nullptr), b = std::strtod(want[i].c_str(), nullptr);
      EXPECT_NEAR(a, b, 1e-9 * std::max(std::fabs(a), std::fabs(b))) << what << " " << i << ": " << have[i] << " " << want[i];
    }
  }
  std::string refused(const std::string& spec) const { return run(R"({"$setWindowFields": )" + spec + "}", "[]"); }

  ServerVersion version{8, 0, 0};
  std::size_t max_bytes = kMaxStageBytes;
  mutable std::size_t looked = 0;  // for an interrupt
  const std::string four = R"([{"t": 3, "v": 30}, {"t": 1, "v": 10}, {"t": 2, "v": 20}, {"t": 7, "v": 70}])";
};

TEST_F(WindowTest, PartitionsComeInTheirOrder) {
  EXPECT_EQ(run(R"({"$setWindowFields": {"partitionBy": "$p", "sortBy": {"t": -1}, "output": {"a.n": {"$documentNumber": {}}, "s": {"$sum": "$t"}}}})",
                R"([{"p": 2, "t": 1}, {"p": 1, "t": 5}, {"p": 2, "t": 4}, {"t": 9}, {"p": null, "t": 8}])"),
            R"({"t":9,"a":{"n":1},"s":17}{"p":null,"t":8,"a":{"n":2},"s":17}{"p":1,"t":5,"a":{"n":1},"s":5}{"p":2,"t":4,"a":{"n":1},"s":5}{"p":2,"t":1,"a":{"n":2},"s":5})");
  // Without an order documents stay in theirs, and a function of what is computed sees the documents as they came.
  EXPECT_EQ(run(R"({"$setWindowFields": {"output": {"t": {"$max": "$t"}}}})", R"([{"t": 1}, {"t": 3}])"), R"({"t":3}{"t":3})");
  EXPECT_EQ(run(R"({"$setWindowFields": {"partitionBy": "$p", "output": {"n": {"$count": {}}}}})", R"([{"p": [1]}])"),
            "14 An expression used to partition cannot evaluate to value of type array");
}

TEST_F(WindowTest, WindowsOfDocuments) {
  EXPECT_EQ(values(R"({"$sum": "$v", "window": {"documents": ["unbounded", "current"]}})", four), R"({"x":[10,30,60,130]})");
  EXPECT_EQ(values(R"({"$sum": "$v", "window": {"documents": [-1, 1]}})", four), R"({"x":[30,60,120,100]})");
  EXPECT_EQ(values(R"({"$push": "$v", "window": {"documents": ["unbounded", "current"]}})", four), R"({"x":[[10],[10,20],[10,20,30],[10,20,30,70]]})");
  EXPECT_EQ(values(R"({"$push": "$v", "window": {"documents": [-3, -2]}})", four), R"({"x":[[],[],[10],[10,20]]})");
  EXPECT_EQ(values(R"({"$min": "$v", "window": {"documents": [1, "unbounded"]}})", four), R"({"x":[20,30,70,null]})");
  EXPECT_EQ(values(R"({"$first": "$v", "window": {"documents": [-1, 0]}})", four), R"({"x":[10,10,20,30]})");
  EXPECT_EQ(values(R"({"$last": "$v"})", four), R"({"x":[70,70,70,70]})");
  EXPECT_EQ(values(R"({"$avg": "$v", "window": {"documents": ["current", "current"]}})", four), R"({"x":[10.0,20.0,30.0,70.0]})");
  EXPECT_EQ(values(R"({"$firstN": {"n": 2, "input": "$v"}, "window": {"documents": [-1, 1]}})", four), R"({"x":[[10,20],[10,20],[20,30],[30,70]]})");
}

// Whatever a window loses at its front, its value is that of a $group over what is left.
TEST_F(WindowTest, WindowsThatMoveAreAsIfMadeAnew) {
  struct Kind {
    std::vector<std::string> values;
    bool rounded = false;  // where what is taken away exactly is nearer to the truth than sums in order are
  };
  const Kind kinds[] = {
      {{"1", "-7", "12", "2147483647", "-2147483648"}},
      {{R"({"$numberLong": "5"})", "3", R"({"$numberLong": "9223372036854775807"})", R"({"$numberLong": "-9223372036854775808"})", "0.5"}},
      {{"0.1", "2.5", "-0.3", "1e12", "7", "-1e12", "-0.0"}},
      {{"0.1", "1e17", "1e-9", "-1e17", "3"}, true},
      {{R"({"$numberDecimal": "1.10"})", R"({"$numberDecimal": "-2.25"})", "4", "0.25", R"({"$numberDecimal": "12345678901234567890.50"})"}},
      {{R"({"$numberDecimal": "1E+40"})", R"({"$numberDecimal": "1E-40"})", "1"}},
      {{R"({"$numberDouble": "NaN"})", R"({"$numberDouble": "Infinity"})", R"({"$numberDouble": "-Infinity"})", "1", "2.5", R"({"$numberDecimal": "Infinity"})",
        R"({"$numberDecimal": "NaN"})", "8", "9", "10"}},
      {{"1", "null", "1e307", R"({"$numberDecimal": "9.9E+6144"})", R"({"$oid": "000000000000000000000001"})", R"("text")"}}};
  std::mt19937 random(7);
  for (const auto& kind : kinds) {
    std::vector<std::string> documents;
    for (int i = 0; i < 60; ++i) documents.push_back("{\"t\": " + std::to_string(i) + ", \"v\": " + kind.values[random() % kind.values.size()] + "}");
    const auto list = [&](std::size_t from, std::size_t to) {
      std::string text;
      for (auto i = from; i < to; ++i) text += (text.empty() ? "" : ", ") + documents[i];
      return "[" + text + "]";
    };
    for (const std::string function : {"$sum", "$avg", "$push", "$stdDevPop", "$stdDevSamp"}) {
      for (const auto& [before, after] : {std::pair(3, 0), std::pair(0, 4), std::pair(2, 2), std::pair(9, -4), std::pair(-2, 7)}) {
        const auto bounds = "[" + std::to_string(-before) + ", " + std::to_string(after) + "]";
        const auto all = run(R"({"$setWindowFields": {"sortBy": {"t": 1}, "output": {"x": {")" + function + R"(": "$v", "window": {"documents": )" + bounds + R"(}}}}}, {"$project": {"x": 1}})",
                             list(0, documents.size()));
        std::string wanted;
        for (int i = 0; i < 60; ++i) {
          const auto from = std::clamp(i - before, 0, 60), to = std::clamp(i + after + 1, 0, 60);
          auto one = from < to ? run(R"({"$group": {"_id": null, "x": {")" + function + R"(": "$v"}}}, {"$unset": "_id"})", list(static_cast<std::size_t>(from), static_cast<std::size_t>(to)))
                               : function == "$sum" ? std::string(R"({"x":0})") : function == "$push" ? R"({"x":[]})" : R"({"x":null})";
          wanted += one;
        }
        if (function.starts_with("$stdDev") || (kind.rounded && function != "$push")) {
          expect_near(all, wanted, kind.values[0] + function + bounds);
        } else {
          EXPECT_EQ(all, wanted) << kind.values[0] << function << bounds;
        }
      }
    }
  }
}

TEST_F(WindowTest, LeastAndGreatestOfWindowsThatMove) {
  std::mt19937 random(3);
  std::string list;
  std::vector<int> numbers;
  for (int i = 0; i < 200; ++i) {
    numbers.push_back(static_cast<int>(random() % 50));
    list += (i > 0 ? ", " : "") + std::string("{\"t\": ") + std::to_string(i) + ", \"v\": " + (i % 7 == 3 ? "null" : std::to_string(numbers.back())) + "}";
  }
  for (const bool least : {true, false}) {
    std::string wanted;
    for (int i = 0; i < 200; ++i) {
      std::optional<int> best;
      for (int j = std::max(0, i - 6); j <= std::min(199, i + 2); ++j) {
        if (j % 7 != 3) best = best ? (least ? std::min(*best, numbers[static_cast<std::size_t>(j)]) : std::max(*best, numbers[static_cast<std::size_t>(j)])) : numbers[static_cast<std::size_t>(j)];
      }
      wanted += (i > 0 ? "," : "") + (best ? std::to_string(*best) : "null");
    }
    EXPECT_EQ(values(std::string("{\"") + (least ? "$min" : "$max") + R"(": "$v", "window": {"documents": [-6, 2]}})", "[" + list + "]"), "{\"x\":[" + wanted + "]}");
  }
  // Of equals the first is the least, the last the greatest.
  const std::string equals = R"([{"t": 1, "v": 2}, {"t": 2, "v": 2.0}, {"t": 3, "v": 1}])";
  EXPECT_EQ(values(R"({"$max": "$v", "window": {"documents": [-1, 0]}})", equals), R"({"x":[2,2.0,2.0]})");
  EXPECT_EQ(values(R"({"$min": "$v", "window": {"documents": [-1, 0]}})", equals), R"({"x":[2,2,1]})");
}

// A deviation is not what is left of the errors of a far larger one.
TEST_F(WindowTest, ADeviationForgetsWhatHasGone) {
  const std::string input = R"([{"t": 1, "v": 1e12}, {"t": 2, "v": 1}, {"t": 3, "v": 2}, {"t": 4, "v": 1}, {"t": 5, "v": 2}, {"t": 6, "v": 1}])";
  expect_near(run(R"({"$setWindowFields": {"sortBy": {"t": 1}, "output": {"x": {"$stdDevPop": "$v", "window": {"documents": [-3, 0]}}}}}, {"$match": {"t": {"$gte": 5}}}, {"$project": {"x": 1}})", input),
              R"({"x":0.5}{"x":0.5})", "behind 1e12");
}

// Every document comes into its windows once, and goes once: it is looked at once. A deviation is made anew from what is left when as many have
// gone as are there.
TEST_F(WindowTest, WindowsThatMoveLookAtEachDocumentOnce) {
  constexpr std::size_t kDocuments = 2000;
  std::string list;
  for (std::size_t i = 0; i < kDocuments; ++i) list += (i > 0 ? ", " : "") + std::string("{\"t\": ") + std::to_string(i) + ", \"v\": " + std::to_string(i % 13) + "}";
  for (const std::string function : {R"({"$sum": "$v")", R"({"$count": {})", R"({"$avg": "$v")", R"({"$min": "$v")", R"({"$max": "$v")", R"({"$stdDevPop": "$v")", R"({"$push": "$v")"}) {
    for (const std::string window : {R"("documents": [-100, 100])", R"("range": [-50, 10])", R"("documents": ["current", "unbounded"])"}) {
      if (function.starts_with(R"({"$push)") && window.ends_with("\"unbounded\"]")) continue;
      looked = 0;
      const auto all = run(R"({"$setWindowFields": {"sortBy": {"t": 1}, "output": {"x": )" + function + R"(, "window": {)" + window + R"(}}}}}, {"$count": "n"})", "[" + list + "]");
      EXPECT_EQ(all, "{\"n\":2000}");
      if (function.starts_with(R"({"$stdDev)")) {
        EXPECT_GE(looked, kDocuments) << function << window;
        EXPECT_LT(looked, 3 * kDocuments) << function << window;
      } else {
        EXPECT_EQ(looked, kDocuments) << function << window;
      }
    }
  }
}

TEST_F(WindowTest, WindowsOfRanges) {
  EXPECT_EQ(values(R"({"$sum": "$v", "window": {"range": [-1, 1]}})", four), R"({"x":[30,60,50,70]})");
  EXPECT_EQ(values(R"({"$count": {}, "window": {"range": [-4, "current"]}})", four), R"({"x":[1,2,3,2]})");
  EXPECT_EQ(values(R"({"$push": "$v", "window": {"range": [3, 5]}})", four), R"({"x":[[],[70],[70],[]]})");
  EXPECT_EQ(values(R"({"$push": "$v", "window": {"range": ["unbounded", -2]}})", four), R"({"x":[[],[],[10],[10,20,30]]})");
  const std::string days = R"([{"t": {"$date": "2024-01-31T00:00:00Z"}, "v": 1}, {"t": {"$date": "2024-02-29T00:00:00Z"}, "v": 2}, {"t": {"$date": "2024-04-01T00:00:00Z"}, "v": 4}])";
  EXPECT_EQ(values(R"({"$sum": "$v", "window": {"range": [0, 1], "unit": "month"}})", days), R"({"x":[3,2,4]})");
  EXPECT_EQ(values(R"({"$sum": "$v", "window": {"range": [-40, 0], "unit": "day"}})", days), R"({"x":[1,3,6]})");
  EXPECT_EQ(values(R"({"$sum": "$v", "window": {"range": [0, 1]}})", days).substr(0, 8), "5429413 ");
  EXPECT_EQ(values(R"({"$sum": "$v", "window": {"range": [0, 1], "unit": "day"}})", four), "5429513 Invalid range: Expected the sortBy field to be a Date, but it was int");
  EXPECT_EQ(values(R"({"$sum": "$v", "window": {"range": [0, 1]}})", R"([{"v": 1}])"), "5429414 Invalid range: Expected the sortBy field to be a number, but it was missing");
}

TEST_F(WindowTest, Ranks) {
  const std::string input = R"([{"t": 7}, {"t": 9}, {"t": 10}, {"t": 9}])";
  EXPECT_EQ(values(R"({"$rank": {}})", input), R"({"x":[1,2,2,4]})");
  EXPECT_EQ(values(R"({"$denseRank": {}})", input), R"({"x":[1,2,2,3]})");
  EXPECT_EQ(values(R"({"$documentNumber": {}})", input), R"({"x":[1,2,3,4]})");
  EXPECT_EQ(values(R"({"$rank": {}})", R"([{}, {"t": null}])"), R"({"x":[1,1]})");
  version = {7, 0, 0};
  EXPECT_EQ(values(R"({"$rank": {}})", R"([{}, {"t": null}])"), R"({"x":[1,2]})");
}

TEST_F(WindowTest, FunctionsOfTheOrder) {
  EXPECT_EQ(values(R"({"$shift": {"output": "$v", "by": 1}})", four), R"({"x":[20,30,70,null]})");
  EXPECT_EQ(values(R"({"$shift": {"output": "$v", "by": -1, "default": "none"}})", four), R"({"x":["none",10,20,30]})");
  EXPECT_EQ(values(R"({"$derivative": {"input": "$v"}, "window": {"documents": [-1, 0]}})", four), R"({"x":[null,10.0,10.0,10.0]})");
  EXPECT_EQ(values(R"({"$integral": {"input": "$v"}, "window": {"documents": ["unbounded", "current"]}})", four), R"({"x":[0,15.0,40.0,240.0]})");
  EXPECT_EQ(values(R"({"$expMovingAvg": {"input": "$v", "N": 3}})", four), R"({"x":[10.0,15.0,22.5,46.25]})");
  EXPECT_EQ(values(R"({"$expMovingAvg": {"input": "$v", "alpha": 0.75}})", R"([{"t": 1, "v": 13}, {"t": 2}, {"t": 3, "v": 15}])"), R"({"x":[13.0,13.0,14.5]})");
  EXPECT_EQ(values(R"({"$covariancePop": ["$t", "$v"]})", R"([{"t": 1, "v": 2}, {"t": 3, "v": 6}])"), R"({"x":[2.0,2.0]})");
  EXPECT_EQ(values(R"({"$covarianceSamp": ["$t", "$v"], "window": {"documents": ["unbounded", "current"]}})", R"([{"t": 1, "v": 2}, {"t": 3, "v": 6}])"),
            R"({"x":[null,4.0]})");
  const std::string hours = R"([{"t": {"$date": "2024-01-01T00:00:00Z"}, "v": 0}, {"t": {"$date": "2024-01-01T01:00:00Z"}, "v": 7200000}])";
  EXPECT_EQ(values(R"({"$derivative": {"input": "$v", "unit": "hour"}, "window": {"documents": [-1, 0]}})", hours), R"({"x":[null,7200000.0]})");
  EXPECT_EQ(values(R"({"$integral": {"input": "$v", "unit": "hour"}})", hours), R"({"x":[3600000.0,3600000.0]})");
  EXPECT_EQ(values(R"({"$derivative": {"input": "$v"}, "window": {"documents": [-1, 0]}})", hours), "5624901 $derivative where the sortBy is a Date requires an 'unit'");
}

TEST_F(WindowTest, Fills) {
  const std::string gaps = R"([{"t": 0}, {"t": 1, "v": 10}, {"t": 2}, {"t": 4, "v": null}, {"t": 5, "v": 50}, {"t": 6}])";
  EXPECT_EQ(values(R"({"$locf": "$v"})", gaps), R"({"x":[null,10,10,10,50,50]})");
  EXPECT_EQ(values(R"({"$linearFill": "$v"})", gaps), R"({"x":[null,10,20.0,40.0,50,null]})");
  EXPECT_EQ(values(R"({"$linearFill": "$v"})", R"([{"t": 1, "v": 1}, {"t": 1, "v": 2}])"), "6050106 There can be no repeated values in the sort field");
  EXPECT_EQ(run(R"({"$fill": {"sortBy": {"t": 1}, "partitionByFields": ["p"], "output": {"v": {"method": "locf"}, "w": {"value": "none"}}}})",
                R"([{"p": 2, "t": 2}, {"p": 1, "t": 1, "v": 5, "w": 1}, {"p": 1, "t": 3}])"),
            R"({"p":1,"t":1,"v":5,"w":1}{"p":1,"t":3,"v":5,"w":"none"}{"p":2,"t":2,"v":null,"w":"none"})");
  EXPECT_EQ(run(R"({"$fill": {"output": {}}})", "[]"), "6050203 The output field in '$fill' must contain an object with at least one element");
  EXPECT_EQ(run(R"({"$fill": {"output": {"v": {"method": "best"}}}})", "[]"), "6050202 Method must be either locf or linear");
  version = {4, 4, 0};
  EXPECT_EQ(run(R"({"$fill": {"output": {"v": {"value": 1}}}})", "[]"), "40324 Unrecognized pipeline stage name: '$fill'");
}

TEST_F(WindowTest, Refusals) {
  EXPECT_EQ(refused("5"), "9 the $setWindowFields stage specification must be an object, found int");
  EXPECT_EQ(refused("{}"), "40414 BSON field '$setWindowFields.output' is missing but a required field");
  EXPECT_EQ(refused(R"({"output": {}, "z": 1})"), "40415 BSON field '$setWindowFields.z' is an unknown field.");
  EXPECT_EQ(refused(R"({"output": {"a": 1}})"), "9 The field 'a' must be an object");
  EXPECT_EQ(refused(R"({"output": {"a": {"$summ": "$x"}}})"), "9 Unrecognized window function, $summ");
  EXPECT_EQ(refused(R"({"output": {"a": {"sum": "$x"}}})"), "9 Expected a $-prefixed window function, sum");
  EXPECT_EQ(refused(R"({"output": {"a": {"$sum": 1, "$max": 1}}})"), "9 Cannot specify two functions in window function spec");
  EXPECT_EQ(refused(R"({"output": {"a": {"$sum": 1}, "a.b": {"$sum": 1}}})"), "6307900 $setWindowFields 'output' specification contains two conflicting paths");
  EXPECT_EQ(refused(R"({"output": {"a": {"$sum": 1, "window": {"documents": [-1, 0]}}}})"), "5339901 Document-based bounds require a sortBy");
  EXPECT_EQ(refused(R"({"output": {"a": {"$sum": 1, "window": {"range": [-1, 0]}}}})"), "5339902 Range-based bounds require sortBy a single field");
  EXPECT_EQ(refused(R"({"sortBy": {"t": 1}, "output": {"a": {"$sum": 1, "window": {"documents": [1, 0]}}}})"), "5339900 Lower bound must not exceed upper bound: [1, 0]");
  EXPECT_EQ(refused(R"({"output": {"a": {"$rank": {}}}})"), "5371602 $rank must be specified with a top level sortBy expression with exactly one element");
  EXPECT_EQ(refused(R"({"output": {"a": {"$shift": {"output": "$a", "by": 1}}}})"), "9 '$shift' requires a sortBy");
  max_bytes = 300;
  EXPECT_EQ(run(R"({"$setWindowFields": {"output": {"n": {"$count": {}}}}})", R"([{"v": 1}, {"v": 2}, {"v": 3}])").substr(0, 8), "5414201 ");
  version = {4, 4, 0};
  EXPECT_EQ(refused(R"({"output": {}})"), "40324 Unrecognized pipeline stage name: '$setWindowFields'");
}

TEST_F(WindowTest, DensifiesNumbers) {
  const auto densify = [&](const std::string& spec, const std::string& input) { return run(R"({"$densify": )" + spec + "}", input); };
  EXPECT_EQ(densify(R"({"field": "a", "range": {"step": 2, "bounds": "full"}})", R"([{"a": 6, "k": 1}, {"a": 1}, {"b": 1}])"), R"({"b":1}{"a":1}{"a":3}{"a":5}{"a":6,"k":1})");
  EXPECT_EQ(densify(R"({"field": "a", "range": {"step": 2, "bounds": [0, 7]}})", R"([{"a": 3}, {"a": -1}, {"a": 9}])"),
            R"({"a":-1}{"a":0}{"a":2}{"a":3}{"a":4}{"a":6}{"a":9})");
  EXPECT_EQ(densify(R"({"field": "a", "range": {"step": 5, "bounds": [0, 11]}})", "[]"), R"({"a":0}{"a":5}{"a":10})");
  EXPECT_EQ(densify(R"({"field": "a", "partitionByFields": ["p"], "range": {"step": 1, "bounds": "partition"}})", R"([{"p": 2, "a": 5}, {"p": 1, "a": 1}, {"p": 1, "a": 3}, {"p": 2, "a": 7}])"),
            R"({"p":1,"a":1}{"p":1,"a":2}{"p":1,"a":3}{"p":2,"a":5}{"p":2,"a":6}{"p":2,"a":7})");
  EXPECT_EQ(densify(R"({"field": "a", "partitionByFields": ["p"], "range": {"step": 1, "bounds": "full"}})", R"([{"p": 1, "a": 1}, {"p": 2, "a": 3}])"),
            R"({"p":1,"a":1}{"p":2,"a":1}{"p":2,"a":2}{"p":2,"a":3}{"p":1,"a":2}{"p":1,"a":3})");
  EXPECT_EQ(densify(R"({"field": "a.b", "range": {"step": 1, "bounds": "full"}})", R"([{"a": {"b": 1}}, {"a": {"b": 3}}])"), R"({"a":{"b":1}}{"a":{"b":2}}{"a":{"b":3}})");
  EXPECT_EQ(densify(R"({"field": "a", "range": {"step": 1, "bounds": "full"}})", R"([{"a": "x"}])"), "5733201 Densify field type must be numeric or a date");
  EXPECT_EQ(densify(R"({"field": "a", "range": {"step": 1, "bounds": "full"}})", R"([{"a": 0}, {"a": 1e9}])"),
            "5897900 Generated 500001 documents in $densify, which is over the limit of 500000. Increase the 'internalQueryMaxAllowedDensifyDocs' parameter to allow more generated documents");
  EXPECT_EQ(densify(R"({"field": "a", "range": {"step": 0, "bounds": "full"}})", "[]"), "5733401 The step parameter in a range statement must be a strictly positive numeric value");
  EXPECT_EQ(densify(R"({"field": "a", "range": {"step": 1, "bounds": [3, 1]}})", "[]"), "5733402 A bounding array must be an ascending array of either two dates or two numbers");
  EXPECT_EQ(densify(R"({"field": "a", "range": {"step": 1, "bounds": "partition"}})", "[]").substr(0, 8), "5733408 ");
  EXPECT_EQ(densify(R"({"field": "a"})", "[]"), "40414 BSON field '$densify.range' is missing but a required field");
  version = {5, 0, 0};
  EXPECT_EQ(densify("{}", "[]").substr(0, 6), "40324 ");
}

TEST_F(WindowTest, DensifiesDates) {
  const auto date = [](const std::string& day) { return R"({"$date": ")" + day + R"(T00:00:00Z"})"; };
  EXPECT_EQ(run(R"({"$densify": {"field": "d", "range": {"step": 1, "unit": "month", "bounds": "full"}}}, {"$project": {"_id": {"$dayOfMonth": "$d"}}})",
                R"([{"d": )" + date("2024-01-31") + R"(}, {"d": )" + date("2024-04-15") + "}]"),
            R"({"_id":31}{"_id":29}{"_id":29}{"_id":15})");
  EXPECT_EQ(run(R"({"$densify": {"field": "d", "range": {"step": 12, "unit": "hour", "bounds": [)" + date("2024-01-01") + "," + date("2024-01-02") +
                    R"(]}}}, {"$project": {"_id": {"$hour": "$d"}}})", "[]"),
            R"({"_id":0}{"_id":12})");
  EXPECT_EQ(run(R"({"$densify": {"field": "d", "range": {"step": 1, "unit": "day", "bounds": "full"}}})", R"([{"d": 1}])"),
            "6053600 Encountered numeric densify value in collection when step has a date unit.");
}

TEST_F(WindowTest, MediansAndPercentiles) {
  const std::string input = R"([{"v": 4}, {"v": 1}, {"v": 3}, {"v": "x"}, {"v": 2}])";
  EXPECT_EQ(run(R"({"$group": {"_id": 1, "m": {"$median": {"input": "$v", "method": "approximate"}}, "p": {"$percentile": {"input": "$v", "p": [0, 0.75, 1], "method": "approximate"}}}})", input),
            R"({"_id":1,"m":2.0,"p":[1.0,3.0,4.0]})");
  EXPECT_EQ(run(R"({"$project": {"m": {"$median": {"input": "$a", "method": "approximate"}}, "p": {"$percentile": {"input": ["$b", 5, 7], "p": [0.5], "method": "approximate"}}}})",
                R"([{"_id": 1, "a": [9, 8], "b": 6}, {"_id": 2}])"),
            R"({"_id":1,"m":8.0,"p":[6.0]}{"_id":2,"m":null,"p":[5.0]})");
  EXPECT_EQ(values(R"({"$median": {"input": "$v", "method": "approximate"}, "window": {"documents": [-1, 1]}})", four), R"({"x":[10.0,20.0,30.0,30.0]})");
  const auto group = [&](const std::string& op) { return run(R"({"$group": {"_id": 1, "x": )" + op + "}}", "[]"); };
  EXPECT_EQ(group(R"({"$median": {"input": 1, "method": "exact"}})"), "2 Currently only 'approximate' can be used as percentile 'method'.");
  EXPECT_EQ(group(R"({"$median": {"input": 1}})"), "40414 BSON field '$median.method' is missing but a required field");
  EXPECT_EQ(group(R"({"$percentile": {"input": 1, "p": [2], "method": "approximate"}})"),
            "7750303 The $percentile 'p' field must be an array of numbers from [0.0, 1.0], but found: 2");
  version = {6, 0, 0};
  EXPECT_EQ(group(R"({"$median": {"input": 1, "method": "approximate"}})"), "15952 unknown group operator '$median'");
}

}  // namespace
}  // namespace drover::sandbox::query
