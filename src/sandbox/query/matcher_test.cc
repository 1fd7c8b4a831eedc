// What the recorded scenarios do not reach: bounds for the planner, schemas, equalities, match details.
#include "sandbox/query/matcher.h"

#include <cmath>

#include <gtest/gtest.h>

#include "bson/builder.h"
#include "bson/ejson.h"
#include "sandbox/query/doc_for_tests.h"
#include "sandbox/query/expression.h"
#include "sandbox/query/scripts_for_tests.h"

namespace drover::sandbox::query {
namespace {

using bson::Document;

bool matches(const std::string& filter, const std::string& document) {
  const auto matcher = Matcher::parse(doc(filter));
  EXPECT_TRUE(matcher) << filter << (matcher ? "" : matcher.error().message);
  return matcher && matcher->matches(doc(document));
}

std::string show(const bson::Value& value) {
  const auto number = value.type() == bson::Type::kDouble ? value.element().double_value() : 0;
  if (std::isinf(number)) return number < 0 ? "-inf" : "inf";
  return bson::to_shell(value.element());
}

std::string bounds_of(const std::string& filter) {
  std::string text;
  const auto matcher = Matcher::parse(doc(filter));
  EXPECT_TRUE(matcher) << filter;
  for (const auto& bounds : matcher->bounds()) {
    text += bounds.path + ":";
    for (const auto& interval : bounds.intervals) {
      text += interval.low_inclusive ? "[" : "(";
      text += show(interval.low) + ".." + show(interval.high);
      text += interval.high_inclusive ? "]" : ")";
    }
    text += " ";
  }
  return text;
}

TEST(Matcher, BoundsForAPlanner) {
  EXPECT_EQ(bounds_of(R"({"a":{"$gt":5,"$lte":9},"b":"x"})"), "a:(5..inf] a:[-inf..9] b:[\"x\"..\"x\"] ");
  EXPECT_EQ(bounds_of(R"({"a":{"$in":[3,1]}})"), "a:[1..1][3..3] ");
  EXPECT_EQ(bounds_of(R"({"$and":[{"a":1},{"b":{"$ne":2}}]})"), "a:[1..1] ");
  EXPECT_EQ(bounds_of(R"({"$or":[{"a":1},{"b":2}]})"), "");
  EXPECT_EQ(bounds_of(R"({"s":{"$gte":"m"}})"), "s:[\"m\"..{}) ");
  EXPECT_EQ(bounds_of(R"({"a":[1,2]})"), "");
}

TEST(Matcher, IdEquality) {
  EXPECT_TRUE(Matcher::parse(doc(R"({"_id":5})"))->is_id_equality());
  EXPECT_TRUE(Matcher::parse(doc(R"({"_id":{"$eq":5}})"))->is_id_equality());
  EXPECT_FALSE(Matcher::parse(doc(R"({"_id":5,"a":1})"))->is_id_equality());
  EXPECT_TRUE(Matcher::parse(doc(R"({"_id":5,"a":1})"))->id_equality());
  EXPECT_FALSE(Matcher::parse(doc(R"({"_id":{"$gt":5}})"))->is_id_equality());
}

TEST(Matcher, RemembersTheMatchingItem) {
  const auto index = [](const std::string& filter, const std::string& document) {
    MatchDetails details;
    EXPECT_TRUE(Matcher::parse(doc(filter))->matches(doc(document), &details));
    return details.array_index.value_or("none");
  };
  EXPECT_EQ(index(R"({"a":2})", R"({"a":[1,2]})"), "1");
  EXPECT_EQ(index(R"({"a.b":2})", R"({"a":[{"b":1},{"b":[1,2]}]})"), "1");
  EXPECT_EQ(index(R"({"a":{"$elemMatch":{"b":{"$gt":1}}}})", R"({"a":[{"b":1},{"b":2}]})"), "1");
  EXPECT_EQ(index(R"({"x":1})", R"({"x":1})"), "none");
  // Of a $or only where it is one $in.
  EXPECT_EQ(index(R"({"$or":[{"a":2},{"a":3}]})", R"({"a":[1,2,3]})"), "1");
  EXPECT_EQ(index(R"({"$or":[{"a":2}]})", R"({"a":[1,2,3]})"), "1");
  EXPECT_EQ(index(R"({"$or":[{"a":2},{"b":5}]})", R"({"a":[1,2,3],"b":5})"), "none");
  EXPECT_EQ(index(R"({"$or":[{"a":{"$gt":1}},{"a":7}]})", R"({"a":[1,2,3]})"), "none");
  EXPECT_EQ(index(R"({"a":2,"$or":[{"a":1},{"b":5}]})", R"({"a":[1,2,3]})"), "1");
}

TEST(Matcher, Schemas) {
  const std::string schema =
      R"({"$jsonSchema":{"required":["name"],"properties":{"name":{"bsonType":"string","minLength":2},)"
      R"("tags":{"type":"array","items":{"bsonType":"string"},"uniqueItems":true},"n":{"minimum":0,"exclusiveMinimum":true}}}})";
  EXPECT_TRUE(matches(schema, R"({"name":"ab","tags":["x","y"],"n":1})"));
  EXPECT_FALSE(matches(schema, R"({"tags":[]})"));
  EXPECT_FALSE(matches(schema, R"({"name":"a"})"));
  EXPECT_FALSE(matches(schema, R"({"name":"ab","tags":["x","x"]})"));
  EXPECT_FALSE(matches(schema, R"({"name":"ab","n":0})"));
  EXPECT_TRUE(matches(R"({"$jsonSchema":{"oneOf":[{"required":["a"]},{"required":["b"]}]}})", R"({"a":1})"));
  EXPECT_FALSE(matches(R"({"$jsonSchema":{"additionalProperties":false,"properties":{"a":{}}}})", R"({"b":1})"));
}

TEST(Matcher, Details) {
  EXPECT_TRUE(
      matches(R"({"a":{"$all":[{"$elemMatch":{"x":1}},{"$elemMatch":{"x":2}}]}})", R"({"a":[{"x":1},{"x":2}]})"));
  EXPECT_TRUE(matches(R"({"a":{"$not":{"$regex":"^b"}}})", R"({"a":"abc"})"));
  EXPECT_TRUE(matches(R"({"a.0.b":1})", R"({"a":[{"b":1}]})"));
  EXPECT_TRUE(matches(R"({"a":{"$elemMatch":{"$not":{"$gt":3}}}})", R"({"a":[5,1]})"));
  EXPECT_TRUE(matches(R"({"a":{"$ref":"c","$id":1}})", R"({"a":{"$ref":"c","$id":1}})"));
}

// Extended JSON reads {"$type": ...} as a binary, so these are built by hand.
TEST(Matcher, Types) {
  const auto filter = [](std::string_view op, std::string_view argument) {
    return Matcher::parse(bson::make_document({{"a", bson::make_document({{op, argument}})}}));
  };
  EXPECT_TRUE(filter("$type", "number")->matches(doc(R"({"a":1.5})")));
  EXPECT_FALSE(filter("$type", "array")->matches(doc(R"({"a":1})")));
  EXPECT_TRUE(filter("$type", "array")->matches(doc(R"({"a":[1]})")));
  EXPECT_EQ(filter("$type", "nope").error().message, "Unknown type name alias: nope");
  EXPECT_EQ(filter("$options", "i").error().message, "$options needs a $regex");
}

TEST(Matcher, WhereAsksTheFunction) {
  const auto scripts = std::make_shared<ScriptsForTests>();
  auto context = std::make_shared<EvaluationContext>();
  context->scripts = scripts;
  const auto parse = [&](const std::string& filter) { return Matcher::parse(doc(filter), nullptr, {4, 4, 0}, context); };
  const auto even = parse(R"({"$where":"even"})");
  ASSERT_TRUE(even);
  EXPECT_TRUE(even->matches(doc(R"({"a":2})")));
  EXPECT_FALSE(even->matches(doc(R"({"a":1})")));
  EXPECT_TRUE(parse(R"({"$or":[{"b":1},{"$where":{"$code":"even"}}]})")->matches(doc(R"({"a":2})")));
  EXPECT_FALSE(parse(R"({"$nor":[{"$where":"even"}]})")->matches(doc(R"({"a":2})")));
  EXPECT_EQ(even->debug_string(), "$where\n");
  EXPECT_EQ(bson::to_relaxed_ejson(even->normal_form()), R"({ "$where" : { "$code" : "even" } })");
  EXPECT_TRUE(even->bounds().empty());
  // Another predicate decides first.
  const int before = scripts->tests;
  EXPECT_FALSE(parse(R"({"a":1,"$where":"even"})")->matches(doc(R"({"a":2})")));
  EXPECT_EQ(scripts->tests, before);
  const auto failing = parse(R"({"$where":"fail"})")->try_matches(doc("{}"));
  ASSERT_FALSE(failing);
  EXPECT_EQ(failing.error().server_code, 139);
  const auto both = parse(R"({"$where":"even","$expr":{"$function":{"body":"sum","args":[],"lang":"js"}}})")->try_matches(doc(R"({"a":2})"));
  ASSERT_FALSE(both);
  EXPECT_EQ(both.error().server_code, 4649200);
  EXPECT_EQ(both.error().message, "A single operation cannot use both JavaScript aggregation expressions and $where.");
  EXPECT_EQ(parse(R"({"$where":"("})").error().message, "SyntaxError");
  EXPECT_EQ(parse(R"({"$where":5})").error().message, "$where got bad type");
  EXPECT_EQ(parse(R"({"$where":{"$code":"even","$scope":{}}})").error().message, "$where got bad type");
  EXPECT_EQ(parse(R"({"a":{"$elemMatch":{"$where":"even"}}})").error().message, "$elemMatch cannot contain $where expression");
}

TEST(Matcher, Refuses) {
  const auto error = [](const std::string& filter) {
    const auto matcher = Matcher::parse(doc(filter));
    return matcher ? std::string("none") : std::to_string(matcher.error().server_code) + " " + matcher.error().message;
  };
  EXPECT_EQ(error(R"({"$where":"1"})"), "2 no globalScriptEngine in $where parsing");
  EXPECT_EQ(error(R"({"$text":{"$search":5}})"), "14 \"$search\" had the wrong type. Expected string, found int");
  EXPECT_EQ(error(R"({"a":{"$size":-1}})"), "2 $size may not be negative");
  EXPECT_EQ(error(R"({"a":{"$gt":1,"b":2}})"), "2 unknown operator: b");
}

// Only an index answers them: they match nothing, and say so.
TEST(Matcher, SaysThatAnIndexHasToAnswer) {
  EXPECT_TRUE(Matcher::parse(doc(R"({"x":1,"$or":[{"$text":{"$search":"x"}}]})"))->has_text());
  const auto near = Matcher::parse(doc(R"({"a":{"$near":[0,0],"$maxDistance":5}})"));
  ASSERT_TRUE(near) << near.error().message;
  EXPECT_EQ(near->near_path(), "a");
  EXPECT_TRUE(near->near_is_answered_by("2d"));
  EXPECT_FALSE(near->near_is_answered_by("2dsphere"));
  EXPECT_EQ(**near->distance(doc(R"({"a":[3,4]})")), 5);
  EXPECT_FALSE(near->distance(doc(R"({"a":[3,5]})"))->has_value());
  EXPECT_EQ(near->debug_string(), "GEONEAR  field=a maxdist=5 isNearSphere=0\n");
  EXPECT_FALSE(Matcher::parse(doc(R"({"a":1})"))->has_near());
}

TEST(Matcher, OptionsOfRegexThatAreNoneMeanNothingBefore61) {
  // Extended JSON would make {$regex, $options} a value.
  const auto parse = [](const char* options, ServerVersion version) {
    return Matcher::parse(bson::make_document({{"a", bson::make_document({{"$regex", "B"}, {"$options", options}})}}), nullptr, version);
  };
  EXPECT_TRUE(parse("Iiuz", {5, 0, 0})->matches(doc(R"({"a":"abc"})")));
  EXPECT_FALSE(parse("I", {5, 0, 0})->matches(doc(R"({"a":"abc"})")));
  EXPECT_TRUE(parse("imsxu", {8, 0, 0})->matches(doc(R"({"a":"abc"})")));
  const auto refused = parse("I", {8, 0, 0});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().server_code, 51108);
}

TEST(Matcher, SchemasHaveNoBoundsForNaN) {
  const std::string schema = R"({"$jsonSchema":{"properties":{"a":{"maximum":5}}}})";
  EXPECT_TRUE(matches(schema, R"({"a":{"$numberDouble":"-Infinity"}})"));
  EXPECT_FALSE(matches(schema, R"({"a":{"$numberDouble":"NaN"}})"));
}

TEST(Matcher, RoundsDecimalsToBits) {
  EXPECT_TRUE(matches(R"({"a":{"$bitsAllSet":[1]}})", R"({"a":{"$numberDecimal":"1.5"}})"));
  EXPECT_FALSE(matches(R"({"a":{"$bitsAllSet":[1]}})", R"({"a":{"$numberDouble":"2.5"}})"));
  EXPECT_TRUE(matches(R"({"a":{"$mod":[4,0]}})", R"({"a":{"$numberDecimal":"3.5"}})"));  // since 5.0 cut off
  EXPECT_FALSE(Matcher::parse(doc(R"({"a":{"$mod":[4,0]}})"), nullptr, {5, 0, 0})->matches(doc(R"({"a":{"$numberDecimal":"3.5"}})")));
}

TEST(Matcher, SizesAreReadOtherwiseSinceFive) {
  const auto refusal = [](const std::string& size) {
    const auto matcher = Matcher::parse(doc("{\"a\":{\"$size\":" + size + "}}"), nullptr, {5, 0, 0});
    return matcher ? "" : std::to_string(matcher.error().server_code) + " " + matcher.error().message;
  };
  EXPECT_EQ(refusal(R"({"$numberDecimal":"1"})"), "");
  EXPECT_EQ(refusal("\"x\""), "2 Failed to parse $size. Expected a number in: $size: \"x\"");
  EXPECT_EQ(refusal("1.5"), "2 Failed to parse $size. Expected an integer: $size: 1.5");
  EXPECT_EQ(refusal("-1"), "2 Failed to parse $size. Expected a non-negative number in: $size: -1");
  EXPECT_EQ(refusal(R"({"$numberLong":"5000000000"})"), "2 Failed to parse $size. Cannot represent $size: 5000000000 in an int");
}

TEST(Matcher, UndefinedIsNullBeforeEight) {
  const auto found = [](const std::string& filter, ServerVersion version, const std::string& document) {
    return Matcher::parse(doc(filter), nullptr, version)->matches(doc(document));
  };
  const std::string undefined = R"({"a":{"$undefined":true}})";
  for (const std::string filter : {R"({"a":null})", R"({"a":{"$in":[null,5]}})", R"({"a":{"$lte":null}})"}) {
    EXPECT_TRUE(found(filter, {7, 0, 0}, undefined)) << filter;
    EXPECT_FALSE(found(filter, {8, 0, 0}, undefined)) << filter;
    EXPECT_TRUE(found(filter, {8, 0, 0}, "{}")) << filter;
  }
}

}  // namespace
}  // namespace drover::sandbox::query
