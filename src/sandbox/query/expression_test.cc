#include "sandbox/query/expression.h"

#include <gtest/gtest.h>

#include "bson/builder.h"
#include "bson/ejson.h"

namespace drover::sandbox::query {
namespace {

using bson::Document;

// The result of `expression` on a document, in EJSON; "missing"; or the error.
std::string value_of(
    const std::string& expression,
    const std::string& document = R"({"_id":1,"a":5,"arr":[1,2,3],"s":"héllo","n":null,"d":{"x":[{"y":1},{"y":2},3]}})",
    ServerVersion version = {6, 0, 0}) {
  EvaluationContext context;
  context.version = version;
  const auto spec = bson::from_ejson("{\"e\":" + expression + "}");
  const auto input = bson::from_ejson(document);
  EXPECT_TRUE(spec && input) << expression;
  const auto parsed = parse_expression((*spec)["e"], Scope(context));
  if (!parsed) return std::to_string(parsed.error().server_code) + " " + parsed.error().message;
  Variables variables(*input, context);
  const auto value = (*parsed)->evaluate(variables);
  if (!value) return std::to_string(value.error().server_code) + " " + value.error().message;
  if (value->missing()) return "missing";
  return bson::to_ejson(value->element());
}

struct Row {
  const char* expression;
  const char* result;
};

class Expressions : public testing::TestWithParam<Row> {};
TEST_P(Expressions, Evaluate) {
  EXPECT_EQ(value_of(GetParam().expression), GetParam().result) << GetParam().expression;
}

INSTANTIATE_TEST_SUITE_P(
    Arithmetic, Expressions,
    testing::Values(
        Row{R"({"$add":["$a",1]})", R"({ "$numberInt" : "6" })"},
        Row{R"({"$add":[{"$numberInt":"2147483647"},1]})", R"({ "$numberLong" : "2147483648" })"},
        Row{R"({"$add":[{"$numberLong":"1"},{"$numberDouble":"0.5"}]})", R"({ "$numberDouble" : "1.5" })"},
        Row{R"({"$add":[{"$numberDouble":"2.5"},{"$numberDecimal":"1.10"}]})", R"({ "$numberDecimal" : "3.60" })"},
        Row{R"({"$add":[{"$date":"2020-01-01T00:00:00Z"},1e300]})", "15 date overflow in $add"},
        Row{R"({"$add":["$a","$s"]})", "14 $add only supports numeric or date types, not string"},
        Row{R"({"$add":["$a","$n"]})", "null"}, Row{R"({"$subtract":["$a",7]})", R"({ "$numberInt" : "-2" })"},
        Row{R"({"$multiply":["$a",{"$numberDecimal":"2"}]})", R"({ "$numberDecimal" : "10" })"},
        Row{R"({"$divide":["$a",2]})", R"({ "$numberDouble" : "2.5" })"},
        Row{R"({"$divide":[1,0]})", "2 can't $divide by zero"},
        Row{R"({"$mod":[-7,3]})", R"({ "$numberInt" : "-1" })"}, Row{R"({"$abs":-3})", R"({ "$numberInt" : "3" })"},
        Row{R"({"$round":[2.5]})", R"({ "$numberDouble" : "2.0" })"},
        Row{R"({"$pow":[2,10]})", R"({ "$numberInt" : "1024" })"},
        Row{R"({"$subtract":[1]})", "16020 Expression $subtract takes exactly 2 arguments. 1 were passed in."},
        Row{R"({"$nope":1})", "168 Unrecognized expression '$nope'"}));

INSTANTIATE_TEST_SUITE_P(
    Control, Expressions,
    testing::Values(Row{R"({"$cond":[{"$gt":["$a",3]},"big","small"]})", R"("big")"},
                    Row{R"({"$ifNull":["$missing","$n","x"]})", R"("x")"},
                    Row{R"({"$switch":{"branches":[{"case":{"$eq":["$a",5]},"then":"five"}],"default":0}})",
                        R"("five")"},
                    Row{R"({"$let":{"vars":{"v":"$a"},"in":{"$add":["$$v","$$v"]}}})", R"({ "$numberInt" : "10" })"},
                    Row{R"({"$and":[true,1,"$n"]})", "false"},
                    Row{R"("$$undefined_one")", "17276 Use of undefined variable: undefined_one"},
                    Row{R"("$$REMOVE")", "missing"}, Row{R"({"$literal":"$a"})", R"("$a")"},
                    Row{R"({"$cmp":["$missing",null]})", R"({ "$numberInt" : "-1" })"},
                    Row{R"("$d.x.y")", R"([ { "$numberInt" : "1" }, { "$numberInt" : "2" } ])"}));

INSTANTIATE_TEST_SUITE_P(
    Arrays, Expressions,
    testing::Values(
        Row{R"({"$map":{"input":"$arr","as":"i","in":{"$multiply":["$$i",2]}}})",
            R"([ { "$numberInt" : "2" }, { "$numberInt" : "4" }, { "$numberInt" : "6" } ])"},
        Row{R"({"$filter":{"input":"$arr","cond":{"$gt":["$$this",1]}}})",
            R"([ { "$numberInt" : "2" }, { "$numberInt" : "3" } ])"},
        Row{R"({"$reduce":{"input":"$arr","initialValue":0,"in":{"$add":["$$value","$$this"]}}})",
            R"({ "$numberInt" : "6" })"},
        Row{R"({"$slice":["$arr",-2]})", R"([ { "$numberInt" : "2" }, { "$numberInt" : "3" } ])"},
        Row{R"({"$arrayElemAt":["$arr",-1]})", R"({ "$numberInt" : "3" })"},
        Row{R"({"$arrayElemAt":["$arr",9]})", "missing"},
        Row{R"({"$concatArrays":["$arr",[9]]})",
            R"([ { "$numberInt" : "1" }, { "$numberInt" : "2" }, { "$numberInt" : "3" }, { "$numberInt" : "9" } ])"},
        Row{R"({"$in":[2,"$arr"]})", "true"},
        Row{R"({"$size":"$a"})", "17124 The argument to $size must be an array, but was of type: int"},
        Row{R"({"$sum":"$arr"})", R"({ "$numberInt" : "6" })"}, Row{R"({"$max":"$arr"})", R"({ "$numberInt" : "3" })"},
        Row{R"({"$setUnion":["$arr",[3,4]]})",
            R"([ { "$numberInt" : "1" }, { "$numberInt" : "2" }, { "$numberInt" : "3" }, { "$numberInt" : "4" } ])"},
        Row{R"({"$range":[0,5,2]})", R"([ { "$numberInt" : "0" }, { "$numberInt" : "2" }, { "$numberInt" : "4" } ])"}));

INSTANTIATE_TEST_SUITE_P(
    Objects, Expressions,
    testing::Values(Row{R"({"$mergeObjects":[{"x":1,"y":1},{"y":2}]})",
                        R"({ "x" : { "$numberInt" : "1" }, "y" : { "$numberInt" : "2" } })"},
                    Row{R"({"$arrayToObject":[[["k",1]]]})", R"({ "k" : { "$numberInt" : "1" } })"},
                    Row{R"({"$objectToArray":{"k":"$a"}})", R"([ { "k" : "k", "v" : { "$numberInt" : "5" } } ])"},
                    Row{R"({"$getField":"a"})", R"({ "$numberInt" : "5" })"},
                    Row{R"({"$setField":{"field":"z","input":{"y":1},"value":2}})",
                        R"({ "y" : { "$numberInt" : "1" }, "z" : { "$numberInt" : "2" } })"}));

INSTANTIATE_TEST_SUITE_P(
    Strings, Expressions,
    testing::Values(Row{R"({"$concat":["$s","!"]})", R"("héllo!")"}, Row{R"({"$toUpper":"abc"})", R"("ABC")"},
                    Row{R"({"$strLenCP":"$s"})", R"({ "$numberInt" : "5" })"},
                    Row{R"({"$strLenBytes":"$s"})", R"({ "$numberInt" : "6" })"},
                    Row{R"({"$substrCP":["$s",1,2]})", R"("él")"}, Row{R"({"$split":["a,b",","]})", R"([ "a", "b" ])"},
                    Row{R"({"$trim":{"input":"  x "}})", R"("x")"},
                    Row{R"({"$regexMatch":{"input":"$s","regex":"^h"}})", "true"},
                    Row{R"({"$replaceAll":{"input":"aXbX","find":"X","replacement":"-"}})", R"("a-b-")"}));

INSTANTIATE_TEST_SUITE_P(
    DatesAndConversions, Expressions,
    testing::Values(
        Row{R"({"$year":{"$toDate":{"$numberLong":"1599568215123"}}})", R"({ "$numberInt" : "2020" })"},
        Row{R"({"$dateToString":{"date":{"$toDate":{"$numberLong":"1599568215123"}}}})",
            R"("2020-09-08T12:30:15.123Z")"},
        Row{R"({"$dateToString":{"date":{"$toDate":{"$numberLong":"1599568215123"}},"format":"%d/%m/%Y %j","timezone":"+02:00"}})",
            R"("08/09/2020 252")"},
        Row{R"({"$toString":{"$toDate":"2020-01-01"}})", R"("2020-01-01T00:00:00.000Z")"},
        Row{R"({"$isoWeek":{"$toDate":"2021-01-03"}})", R"({ "$numberInt" : "53" })"},
        Row{R"({"$hour":{"date":{"$toDate":"2020-07-01T12:00:00Z"},"timezone":"Europe/Berlin"}})", R"({ "$numberInt" : "14" })"},
        Row{R"({"$hour":{"date":{"$toDate":"2020-01-01T12:00:00Z"},"timezone":"America/New_York"}})", R"({ "$numberInt" : "7" })"},
        Row{R"({"$hour":{"date":{"$toDate":"2020-01-01"},"timezone":"Foo/Bar"}})", "40485 unrecognized time zone identifier: \"Foo/Bar\""},
        Row{R"({"$toString":{"$dateFromString":{"dateString":"2020-07-01T12:00:00","timezone":"Europe/Berlin"}}})",
            R"("2020-07-01T10:00:00.000Z")"},
        Row{R"({"$toString":{"$dateFromString":{"dateString":"03/02/2020 -0130","format":"%d/%m/%Y %z"}}})",
            R"("2020-02-03T01:30:00.000Z")"},
        Row{R"({"$dateFromString":{"dateString":"03/02/2020","format":"%Y"}})", "241 Error parsing date string '03/02/2020'"},
        Row{R"({"$dateFromString":{"dateString":"not a date"}})", "241 Error parsing date string 'not a date'; 0: The timezone could not be found in the database 'n'; 6: Double timezone specification 'd'"},
        Row{R"({"$toDate":"gmt"})", "241 an incomplete date/time string has been found, with elements missing: \"gmt\""},
        Row{R"({"$dateFromString":{"dateString":"2020-02-30T00:00:00"}})", "241 Error parsing date string '2020-02-30T00:00:00'"},
        Row{R"({"$toString":{"$dateFromParts":{"year":2020,"month":7,"timezone":"Europe/Berlin"}}})", R"("2020-06-30T22:00:00.000Z")"},
        Row{R"({"$dateFromParts":{"year":"x"}})", "40515 'year' must evaluate to an integer, found string with value \"x\""},
        Row{R"({"$acos":2})", "50989 cannot apply $acos to 2, value must in [-1,1]"},
        Row{R"({"$sqrt":{"$numberDecimal":"2"}})", R"({ "$numberDecimal" : "1.414213562373095048801688724209698" })"},
        Row{R"({"$floor":{"$numberDecimal":"-1.5"}})", R"({ "$numberDecimal" : "-2" })"},
        Row{R"({"$round":[2.345,2]})", R"({ "$numberDouble" : "2.3500000000000000888" })"},
        Row{R"({"$pow":[3037000499,2]})", R"({ "$numberLong" : "9223372030926249001" })"},
        Row{R"({"$pow":[-1,-3]})", R"({ "$numberInt" : "-1" })"},
        Row{R"({"$mod":[5,{"$numberDouble":"2.0"}]})", R"({ "$numberInt" : "1" })"},
        Row{R"({"$let":{"vars":{"CURRENT":{"q":9}},"in":"$q"}})", R"({ "$numberInt" : "9" })"},
        Row{R"({"$toString":{"$dateFromString":{"dateString":"2018-W01","format":"%G-W%V"}}})", R"("2018-01-01T00:00:00.000Z")"},
        Row{R"({"$setEquals":[[1]]})", "17045 $setEquals needs at least two arguments had: 1"},
        Row{R"({"$toInt":"12"})", R"({ "$numberInt" : "12" })"},
        Row{R"({"$toInt":"x"})",
            "241 Failed to parse number 'x' in $convert with no onError value: Did not consume whole string."},
        Row{R"({"$convert":{"input":"x","to":"int","onError":-1}})", R"({ "$numberInt" : "-1" })"},
        Row{R"({"$type":"$missing"})", R"("missing")"}, Row{R"({"$toString":1.5})", R"("1.5")"},
        Row{R"({"$dateTrunc":{"date":{"$toDate":"2020-09-08T12:30:15"},"unit":"month"}})",
            R"({ "$date" : { "$numberLong" : "1598918400000" } })"},
        Row{R"({"$tsSecond":{"$timestamp":{"t":7,"i":9}}})", R"({ "$numberLong" : "7" })"},
        Row{R"({"$tsIncrement":{"$timestamp":{"t":7,"i":9}}})", R"({ "$numberLong" : "9" })"},
        Row{R"({"$tsSecond":null})", "null"},
        Row{R"({"$tsSecond":1})", "5687301  Argument to $tsSecond must be a timestamp, but is int"}));

TEST(Expressions, AddOneAfterTheOtherSinceSix) {
  const std::string tenths = R"({"$add":[{"$numberDouble":"0.1"},{"$numberDouble":"0.2"},{"$numberDouble":"0.3"}]})";
  EXPECT_EQ(value_of(tenths, "{}", {4, 4, 1}), R"({ "$numberDouble" : "0.5999999999999999778" })");
  EXPECT_EQ(value_of(tenths, "{}", {8, 0, 4}), R"({ "$numberDouble" : "0.60000000000000008882" })");
  // What was a double when the decimal came keeps all its digits; what comes later has fifteen.
  EXPECT_EQ(value_of(R"({"$add":[{"$numberDouble":"0.1"},{"$numberDecimal":"1"}]})", "{}", {8, 0, 4}),
            R"({ "$numberDecimal" : "1.100000000000000005551115123125783" })");
  EXPECT_EQ(value_of(R"({"$add":[{"$numberDecimal":"1"},{"$numberDouble":"0.1"}]})", "{}", {8, 0, 4}), R"({ "$numberDecimal" : "1.100000000000000" })");
  EXPECT_EQ(value_of(R"({"$add":[{"$numberLong":"9223372036854775807"},1]})", "{}", {8, 0, 4}), R"({ "$numberDouble" : "9223372036854775808.0" })");
  EXPECT_EQ(value_of(R"({"$add":[{"$numberInt":"2147483647"},1]})", "{}", {8, 0, 4}), R"({ "$numberLong" : "2147483648" })");
  EXPECT_EQ(value_of(R"({"$add":[{"$numberLong":"1"},1]})", "{}", {8, 0, 4}), R"({ "$numberLong" : "2" })");
  EXPECT_EQ(value_of(R"({"$add":[{"$date":"1970-01-01T00:00:01Z"},{"$numberDouble":"1.5"}]})", "{}", {8, 0, 4}), R"({ "$date" : { "$numberLong" : "1002" } })");
  EXPECT_EQ(value_of(R"({"$add":[{"$date":"1970-01-01T00:00:01Z"},5]})", "{}", {8, 0, 4}), R"({ "$date" : { "$numberLong" : "1005" } })");
  EXPECT_EQ(value_of(R"({"$add":[]})", "{}", {8, 0, 4}), R"({ "$numberInt" : "0" })");
}

TEST(Expressions, TellTypesThatDoNotFitByOneCodeSinceFive) {
  const std::pair<const char*, std::pair<const char*, const char*>> kCases[] = {
      {R"({"$add":["x",1]})", {"16554 $add only supports numeric or date types, not string", "14 $add only supports numeric or date types, not string"}},
      {R"({"$multiply":["x",1]})", {"16555 $multiply only supports numeric types, not string", "14 $multiply only supports numeric types, not string"}},
      {R"({"$divide":["x",1]})", {"16609 $divide only supports numeric types, not string and int", "14 $divide only supports numeric types, not string and int"}},
      {R"({"$subtract":["x",1]})", {"16556 cant $subtract aint from a string", "14 can't $subtract int from string"}},
      {R"({"$divide":[1,0]})", {"16608 can't $divide by zero", "2 can't $divide by zero"}},
      {R"({"$mod":[{"$numberDecimal":"1"},0]})", {"16610 can't $mod by zero", "5733415 can't $mod by zero"}}};
  for (const auto& [expression, errors] : kCases) {
    EXPECT_EQ(value_of(expression, "{}", {4, 4, 1}), errors.first);
    EXPECT_EQ(value_of(expression, "{}", {8, 0, 4}), errors.second);
  }
}

TEST(Expressions, MoveDatesByTheClockOnTheWall) {
  const auto result = [](const std::string& expression) { return value_of(expression, "{}", {8, 0, 4}); };
  // The clocks of Berlin went forward on 2020-03-29: a day later it is noon there again, 23 hours on.
  const std::string start = R"("startDate":{"$date":"2020-03-28T11:00:00Z"},"timezone":"Europe/Berlin")";
  EXPECT_EQ(result(R"({"$dateAdd":{)" + start + R"(,"unit":"day","amount":1}})"), R"({ "$date" : { "$numberLong" : "1585476000000" } })");
  EXPECT_EQ(result(R"({"$dateAdd":{)" + start + R"(,"unit":"hour","amount":24}})"), R"({ "$date" : { "$numberLong" : "1585479600000" } })");
  // 01:30 to 03:30 there is one hour.
  const std::string night = R"("startDate":{"$date":"2020-03-29T00:30:00Z"},"endDate":{"$date":"2020-03-29T01:30:00Z"},"timezone":"Europe/Berlin")";
  EXPECT_EQ(result(R"({"$dateDiff":{)" + night + R"(,"unit":"hour"}})"), R"({ "$numberLong" : "1" })");
  EXPECT_EQ(result(R"({"$dateDiff":{)" + night + R"(,"unit":"minute"}})"), R"({ "$numberLong" : "60" })");
  EXPECT_EQ(result(R"({"$dateDiff":{)" + night + R"(,"unit":"day"}})"), R"({ "$numberLong" : "0" })");
  // Bins of hours go on across the change.
  EXPECT_EQ(result(R"({"$dateTrunc":{"date":{"$date":"2020-06-15T11:30:00Z"},"unit":"hour","binSize":2,"timezone":"Europe/Berlin"}})"),
            R"({ "$date" : { "$numberLong" : "1592218800000" } })");
  EXPECT_EQ(result(R"({"$dateTrunc":{"date":{"$date":"2020-06-15T11:30:00Z"},"unit":"day","timezone":"Europe/Berlin"}})"),
            R"({ "$date" : { "$numberLong" : "1592172000000" } })");
}

TEST(Expressions, RefuseDatesInTheServersWords) {
  const std::pair<const char*, const char*> kCases[] = {
      {R"({"$dateDiff":{"startDate":1,"unit":"day"}})", "5166304 Missing 'endDate' parameter to $dateDiff"},
      {R"({"$dateDiff":{"startDate":1,"endDate":1}})", "5166305 Missing 'unit' parameter to $dateDiff"},
      {R"({"$dateTrunc":{"date":1}})", "5439010 Missing 'unit' parameter to $dateTrunc"},
      {R"({"$dateDiff":{"startDate":1,"endDate":{"$date":"2020-01-01T00:00:00Z"},"unit":"day"}})", "5166307 $dateDiff requires 'startDate' to be a date, but got int"},
      {R"({"$dateDiff":{"startDate":{"$date":"2020-01-01T00:00:00Z"},"endDate":{"$date":"2020-01-01T00:00:00Z"},"unit":"moon"}})",
       "9 $dateDiff parameter 'unit' value parsing failed :: caused by :: unknown time unit value: moon"},
      {R"({"$dateDiff":{"startDate":{"$date":"2020-01-01T00:00:00Z"},"endDate":{"$date":"2020-01-01T00:00:00Z"},"unit":"week","startOfWeek":"x"}})",
       "5439016 $dateDiff parameter 'startOfWeek' value cannot be recognized as a day of a week: x"},
      {R"({"$dateTrunc":{"date":{"$date":"2020-01-01T00:00:00Z"},"unit":"week","startOfWeek":1}})", "5439015 $dateTrunc requires 'startOfWeek' to be a string, but got int"},
      // Only weeks begin on a day.
      {R"({"$dateTrunc":{"date":{"$date":"2020-01-02T00:00:00Z"},"unit":"month","startOfWeek":1}})", R"({ "$date" : { "$numberLong" : "1577836800000" } })"},
      {R"({"$dateTrunc":{"date":{"$date":"2020-01-01T00:00:00Z"},"unit":"day","binSize":0}})", "5439018 $dateTrunc requires 'binSize' to be greater than 0, but got value 0"},
      {R"({"$dateTrunc":{"date":{"$date":"2020-01-01T00:00:00Z"},"unit":"day","binSize":"x"}})",
       "5439017 $dateTrunc requires 'binSize' to be a 64-bit integer, but got value '\"x\"' of type string"},
      {R"({"$dateTrunc":{"date":{"$date":"2020-01-01T00:00:00Z"},"unit":"day","timezone":"Nowhere"}})",
       "40485 $dateTrunc parameter 'timezone' value parsing failed :: caused by :: unrecognized time zone identifier: \"Nowhere\""},
      {R"({"$dateAdd":{"startDate":"x","unit":"day","amount":1}})", "5166403 $dateAdd requires startDate to be convertible to a date"},
      {R"({"$dateAdd":{"startDate":{"$date":"2020-01-01T00:00:00Z"},"unit":"day","amount":1.5}})", "5166405 $dateAdd expects integer amount of time units"},
      {R"({"$dateAdd":{"startDate":{"$date":"2020-01-01T00:00:00Z"},"unit":"day","amount":{"$numberLong":"9223372036854775807"}}})",
       "5976500 invalid dateAdd 'amount' parameter value: 9223372036854775807 day"},
      {R"({"$dateSubtract":{"startDate":{"$date":"2020-01-01T00:00:00Z"},"unit":"day","amount":{"$numberLong":"-9223372036854775808"}}})",
       "6045000 invalid $dateSubtract 'amount' parameter value: -9223372036854775808"},
      {R"({"$dateFromParts":{"isoWeekYear":0}})", "31095 'isoWeekYear' must evaluate to an integer in the range 1 to 9999, found 0"},
      {R"({"$dateToString":{"date":null,"format":5}})", "18533 $dateToString requires that 'format' be a string, found: int with value 5"},
      {R"({"$year":{"date":null,"timezone":"Nowhere"}})", "null"}};
  for (const auto& [expression, result] : kCases) EXPECT_EQ(value_of(expression, "{}", {8, 0, 4}), result) << expression;
}

TEST(Expressions, ConvertBinaryDataSinceEight) {
  const std::string bytes = R"({"$binary":{"base64":"hn3uUsMxSE6S0cVkebjmfg==","subType":"00"}})";
  const std::string uuid = R"({"$binary":{"base64":"hn3uUsMxSE6S0cVkebjmfg==","subType":"04"}})";
  const std::string written_bytes = R"({ "$binary" : { "base64" : "hn3uUsMxSE6S0cVkebjmfg==", "subType" : "00" } })";
  const std::string written_uuid = R"({ "$binary" : { "base64" : "hn3uUsMxSE6S0cVkebjmfg==", "subType" : "04" } })";
  const std::string text = "867dee52-c331-484e-92d1-c56479b8e67e";
  const auto quoted = [](const std::string& inside) { return '"' + inside + '"'; };
  const auto converted = [](const std::string& input, const std::string& rest) {
    return value_of(R"({"$convert":{"input":)" + input + "," + rest + "}}", "{}", {8, 0, 4});
  };
  EXPECT_EQ(converted(bytes, R"("to":"string","format":"base64")"), R"("hn3uUsMxSE6S0cVkebjmfg==")");
  EXPECT_EQ(converted(bytes, R"("to":"string","format":"base64url")"), R"("hn3uUsMxSE6S0cVkebjmfg")");
  EXPECT_EQ(converted(bytes, R"("to":"string","format":"hex")"), R"("867DEE52C331484E92D1C56479B8E67E")");
  EXPECT_EQ(converted(uuid, R"("to":"string","format":"auto")"), quoted(text));
  EXPECT_EQ(converted(bytes, R"("to":"string","format":"auto")"), R"("hn3uUsMxSE6S0cVkebjmfg==")");
  EXPECT_EQ(converted(R"({"$binary":{"base64":"aGk=","subType":"00"}})", R"("to":{"type":"string"},"format":"utf8")"), R"("hi")");
  EXPECT_EQ(converted(quoted("867dee52c331484e92D1C56479B8E67E"), R"("to":"binData","format":"hex")"), written_bytes);
  EXPECT_EQ(converted(quoted("hn3uUsMxSE6S0cVkebjmfg"), R"("to":{"type":"binData"},"format":"base64url")"), written_bytes);
  EXPECT_EQ(converted(quoted(text), R"("to":{"type":"binData","subtype":4},"format":"uuid")"), written_uuid);
  EXPECT_EQ(converted(uuid, R"("to":{"type":"binData","subtype":4})"), written_uuid);
  EXPECT_EQ(converted(uuid, R"("to":"binData")"), "241 Conversions between different BinData subtypes are not supported");
  EXPECT_EQ(converted(uuid, R"("to":"binData","onError":"no")"), R"("no")");
  EXPECT_EQ(converted(bytes, R"("to":"string")"), "4341115 Format must be speficied when converting from 'binData' to 'string'");
  EXPECT_EQ(converted(quoted("x"), R"("to":"binData","format":"base64")"), "241 Failed to parse BinData 'x' in $convert with no onError value: invalid base64");
  EXPECT_EQ(converted(quoted("abc"), R"("to":"binData","format":"hex","onError":null)"), "null");
  EXPECT_EQ(converted(quoted("x"), R"("to":"binData","format":"uuid")"),
            "241 Failed to parse BinData 'x' in $convert with no onError value: Only the 'uuid' format is allowed with the UUID subtype");
  EXPECT_EQ(converted(quoted("x"), R"("to":{"type":"binData","subtype":127},"format":"hex")"),
            "4341107 In $convert, numeric value for 'subtype' does not correspond to a BinData type: 127");
  EXPECT_EQ(converted("1", R"("to":{"type":"long"})"), R"({ "$numberLong" : "1" })");
  EXPECT_EQ(value_of(R"({"$toUUID":)" + quoted(text) + "}", "{}", {8, 0, 4}), written_uuid);
  EXPECT_EQ(value_of(R"({"$toString":)" + uuid + "}", "{}", {8, 0, 4}), quoted(text));
  EXPECT_EQ(value_of(R"({"$toUUID":"x"})", "{}", {7, 0, 16}), "168 Unrecognized expression '$toUUID'");
  EXPECT_EQ(value_of(R"({"$convert":{"input":1,"to":"int","format":"hex"}})", "{}", {7, 0, 16}), "9 $convert found an unknown argument: format");
  EXPECT_EQ(value_of(R"({"$toString":)" + uuid + "}", "{}", {7, 0, 16}), "241 Unsupported conversion from binData to string in $convert with no onError value");
}

TEST(Expressions, HashAsHashedIndexesDo) {
  const auto hashed = [](const std::string& value) { return value_of(R"({"$toHashedIndexKey":)" + value + "}", "{}", {7, 0, 16}); };
  EXPECT_EQ(hashed("42"), R"({ "$numberLong" : "-944302157085130861" })");  // of the server's own tests
  // Numbers of one whole part share their key; what is missing has null's.
  EXPECT_EQ(hashed("1"), hashed(R"({"$numberDouble":"1.9"})"));
  EXPECT_EQ(hashed("1"), hashed(R"({"$numberDecimal":"1.5"})"));
  EXPECT_NE(hashed("1"), hashed("2"));
  EXPECT_NE(hashed(R"({"$literal":{"a":1}})"), hashed(R"({"$literal":{"b":1}})"));
  EXPECT_EQ(hashed("\"$missing\""), hashed("null"));
}

TEST(Expressions, KnowTheirVersion) {
  EXPECT_EQ(value_of(R"({"$getField":"a"})", "{}", {4, 4, 0}), "168 Unrecognized expression '$getField'");
}

TEST(Expressions, PrintDoublesToSixDigits) {
  const auto text = [](const std::string& number) { return value_of(R"({"$toString":{"$literal":{"$numberDouble":")" + number + "\"}}}"); };
  EXPECT_EQ(text("1234567.5"), "\"1.23457e+06\"");
  EXPECT_EQ(text("123456"), "\"123456\"");
  EXPECT_EQ(text("0.1"), "\"0.1\"");
  EXPECT_EQ(text("-0.0"), "\"-0\"");
  EXPECT_EQ(text("Infinity"), "\"Infinity\"");
  EXPECT_EQ(value_of(R"({"$toUpper":{"$literal":{"$numberDouble":"Infinity"}}})"), "\"INF\"");
  EXPECT_EQ(value_of(R"({"$toLower":{"$literal":{"$timestamp":{"t":1606755571,"i":18}}}})"), "\"nov 30 16:59:31:12\"");
}

TEST(Expressions, MakeDatesOfTimestampsSinceFiveOne) {
  const std::string expression = R"({"$toDate":{"$literal":{"$timestamp":{"t":1,"i":2}}}})";
  EXPECT_EQ(value_of(expression, "{}", {5, 0, 0}), "241 Unsupported conversion from timestamp to date in $convert with no onError value");
  EXPECT_EQ(value_of(expression, "{}", {5, 1, 0}), R"({ "$date" : { "$numberLong" : "1000" } })");
}

TEST(Expressions, TakePositionsOfThirtyTwoBits) {
  const std::string large = R"({"$numberLong":"5000000000"})";
  EXPECT_EQ(value_of(R"({"$arrayElemAt":["$arr",)" + large + "]}"), "28691 $arrayElemAt's second argument must be representable as a 32-bit integer: 5e+09");
  EXPECT_EQ(value_of(R"({"$slice":["$arr",)" + large + "]}"), "28726 Second argument to $slice can't be represented as a 32-bit integer: 5e+09");
  EXPECT_EQ(value_of(R"({"$slice":["$arr",0,)" + large + "]}"), "28728 Third argument to $slice can't be represented as a 32-bit integer: 5e+09");
  EXPECT_EQ(value_of(R"({"$indexOfArray":["$arr",2,)" + large + "]}").substr(0, 5), "40096");
  EXPECT_EQ(value_of(R"({"$indexOfCP":["$s","l",)" + large + "]}").substr(0, 5), "40096");
  EXPECT_EQ(value_of(R"({"$substrCP":["$s",0,)" + large + "]}").substr(0, 5), "34453");
  EXPECT_EQ(value_of(R"({"$filter":{"input":"$arr","cond":true,"limit":1.5}})"), "327391 $filter: limit must be represented as a 32-bit integral value: 1.5");
  EXPECT_EQ(value_of(R"({"$filter":{"input":"$arr","cond":true,"limit":0}})"), "327392 $filter: limit must be greater than 0: 0");
}

TEST(Expressions, IntersectFromTheSmallerSet) {
  EXPECT_EQ(value_of(R"({"$setIntersection":[[1,2,3],[{"$numberLong":"2"}]]})"), R"([ { "$numberLong" : "2" } ])");
  EXPECT_EQ(value_of(R"({"$setIntersection":[[2],[{"$numberLong":"2"},3]]})"), R"([ { "$numberInt" : "2" } ])");
  EXPECT_EQ(value_of(R"({"$setIntersection":[[1],[2],"$n"]})"), "[  ]");  // what comes after nothing is not looked at
  EXPECT_EQ(value_of(R"({"$setIntersection":[[1],"$n",[2]]})"), "null");
}

TEST(Expressions, SortItemsByWholeValues) {
  const auto sorted = [](const std::string& items, const std::string& by) {
    auto text = value_of(R"({"$sortArray":{"input":{"$literal":)" + items + R"(},"sortBy":)" + by + "}}");
    std::erase(text, ' ');
    return text;
  };
  // An array is larger than a number, whatever its items are; no path goes into it.
  EXPECT_EQ(sorted(R"([{"x":["a"]},{"x":"b"},{},{"x":null}])", R"({"x":1})"), R"([{},{"x":null},{"x":"b"},{"x":["a"]}])");
  EXPECT_EQ(sorted(R"([{"x":[{"y":"b"}]},{"x":{"y":"a"}}])", R"({"x.y":-1})"), R"([{"x":{"y":"a"}},{"x":[{"y":"b"}]}])");
  EXPECT_EQ(sorted(R"([{"x":["b"]},{"x":["a"]}])", R"({"x.0":1})"), R"([{"x":["a"]},{"x":["b"]}])");
  EXPECT_EQ(sorted(R"(["b","a",["c"]])", "1"), R"(["a","b",["c"]])");
  EXPECT_EQ(value_of(R"({"$sortArray":{"input":[],"sortBy":1,"x":1}})"), "2942501 $sortArray found an unknown argument: x");
}

TEST(Expressions, CheckWhatNIs) {
  EXPECT_EQ(value_of(R"({"$firstN":{"n":"x","input":"$s"}})"), "5787902 Value for 'n' must be of integral type, but found \"x\"");
  EXPECT_EQ(value_of(R"({"$firstN":{"n":1.5,"input":"$arr"}})"), "5787903 Value for 'n' must be of integral type, but found 1.5");
  EXPECT_EQ(value_of(R"({"$lastN":{"n":-1,"input":"$arr"}})"), "5787908 'n' must be greater than 0, found -1");
  EXPECT_EQ(value_of(R"({"$minN":{"n":1,"input":"$arr","x":1}})"), "5787901 Unknown argument for 'n' operator: x");
}

TEST(Expressions, NameVariablesAndFieldsAsTheServerHasThem) {
  EXPECT_EQ(value_of(R"({"$map":{"input":"$arr","as":"a-b","in":1}})"), "16868 'a-b' contains an invalid character for a variable name: '-'");
  EXPECT_EQ(value_of(R"({"$filter":{"input":"$arr","as":5,"cond":1}})"), "16866 empty variable names are not allowed");
  EXPECT_EQ(value_of(R"({"$getField":{"field":5,"input":"$d"}})"), "5654602 $getField requires 'field' to evaluate to type String, but got int");
  EXPECT_EQ(value_of(R"({"$getField":{"field":{"$toLower":"$s"},"input":"$d"}})"),
            "5654601 $getField requires 'field' to evaluate to a constant, but got a non-constant argument");
  EXPECT_EQ(value_of(R"({"$setField":{"field":"$s","input":"$d","value":1}})"),
            "4161108 '$CURRENT.s' is a field path reference which is not allowed in this context. Did you mean {$literal: '$CURRENT.s'}?");
  EXPECT_EQ(value_of(R"({"$setField":{"field":{"a":1},"input":"$d","value":1}})"),
            "4161106 $setField requires 'field' to evaluate to a constant, but got a non-constant argument");
  EXPECT_EQ(value_of(R"({"$arrayToObject":{"$literal":[["a\u0000b",1]]}})"), "4940400 Key field cannot contain an embedded null byte");
}

TEST(Expressions, ReplaceNothingByBytes) {
  EXPECT_EQ(value_of(R"({"$replaceAll":{"input":"ab","find":"","replacement":"-"}})"), "\"-a-b-\"");
  EXPECT_EQ(value_of(R"({"$strLenBytes":{"$replaceAll":{"input":"$s","find":"","replacement":"-"}}})"), R"({ "$numberInt" : "13" })");
}

TEST(Expressions, TruncateToAsManyDigitsAsThereAre) {
  EXPECT_EQ(value_of(R"({"$trunc":[{"$numberDecimal":"1.298"},{"$numberDecimal":"100"}]})"), R"({ "$numberDecimal" : "1.298000000000000000000000000000000" })");
}

TEST(Expressions, DatesAtTheEndsOfTime) {
  const std::string first = R"({"$literal":{"$date":{"$numberLong":"-9223372036854775808"}}})", last = R"({"$literal":{"$date":{"$numberLong":"9223372036854775807"}}})";
  const auto trunc = [&](const std::string& date, const std::string& more) { return value_of(R"({"$dateTrunc":{"date":)" + date + "," + more + "}}"); };
  EXPECT_EQ(trunc(first, R"("unit":"week")"), "5439002 dateTrunc overflowed");
  EXPECT_EQ(trunc(first, R"("unit":"year","binSize":{"$numberLong":"100000000000"})"), "5439002 dateTrunc overflowed");
  EXPECT_EQ(trunc(last, R"("unit":"week","binSize":{"$numberLong":"100000000000"})"), R"({ "$date" : { "$numberLong" : "946771200000" } })");
  const auto diff = [&](const std::string& unit) { return value_of(R"({"$dateDiff":{"startDate":)" + first + R"(,"endDate":)" + last + R"(,"unit":")" + unit + "\"}}"); };
  EXPECT_EQ(diff("day"), R"({ "$numberLong" : "213503982335" })");
  EXPECT_EQ(diff("week"), R"({ "$numberLong" : "30500568905" })");
  EXPECT_EQ(diff("second"), R"({ "$numberLong" : "18446744073709551" })");
  EXPECT_EQ(value_of(R"({"$subtract":[)" + last + "," + first + "]}"), R"({ "$numberLong" : "-1" })");
  EXPECT_EQ(value_of(R"({"$isoWeek":)" + last + "}"), R"({ "$numberInt" : "33" })");
}

TEST(Expressions, ReadDatesInWords) {
  const auto read = [](const std::string& text, const std::string& more = "") {
    return value_of(R"({"$toString":{"$dateFromString":{"dateString":")" + text + "\"" + more + "}}}");
  };
  EXPECT_EQ(read("July 4th, 2017 12:39:30 BST"), R"("2017-07-04T11:39:30.000Z")");
  EXPECT_EQ(read("July 4th, 2017 11am"), R"("2017-07-04T11:00:00.000Z")");
  EXPECT_EQ(read("Nov 30 2026 12:00"), R"("2026-11-30T12:00:00.000Z")");
  EXPECT_EQ(read("4 July 2017 11:56:02.5 P.M."), R"("2017-07-04T23:56:02.500Z")");
  EXPECT_EQ(read("Tue, 04 Jul 2017 11:56:02 +0200"), R"("2017-07-04T09:56:02.000Z")");
  EXPECT_EQ(read("Wed Jul 04 2017 11:56:02 GMT-0130"), R"("2017-07-05T13:26:02.000Z")");  // the next Wednesday
  EXPECT_EQ(read("04-Jul-17"), R"("2017-07-04T00:00:00.000Z")");
  EXPECT_EQ(read("2017-Jul-04T11:56Z"), R"("2017-07-04T11:56:00.000Z")");
  EXPECT_EQ(read("July 1970"), R"("1970-07-01T00:00:00.000Z")");
  EXPECT_EQ(read("30.11.2026 12:00 AM"), R"("2026-11-30T00:00:00.000Z")");
  EXPECT_EQ(read("2017-07-04 11:56 Europe/Berlin"), R"("2017-07-04T09:56:00.000Z")");
  EXPECT_EQ(read("2017-07-04 tomorrow noon"), R"("2017-07-05T12:00:00.000Z")");
  EXPECT_EQ(read("@86400"), R"("1970-01-02T00:00:00.000Z")");
  EXPECT_EQ(read("2026-W05"), R"("2026-01-26T00:00:00.000Z")");
  EXPECT_EQ(read("2026W05"), R"("2026-01-26T00:00:00.000Z")");
  EXPECT_EQ(read("2017-W01-1"), R"("2017-01-02T00:00:00.000Z")");
  EXPECT_EQ(read("2021W537 10:15"), R"("2022-01-09T10:15:00.000Z")");
  EXPECT_EQ(read("2020-W53-5T10:15Z"), R"("2021-01-01T10:15:00.000Z")");
  EXPECT_EQ(read("2016-W01-0"), R"("2016-01-03T00:00:00.000Z")") << "the Sunday before";
  EXPECT_EQ(read("2026.334"), R"("2026-11-30T00:00:00.000Z")");
  EXPECT_EQ(read("2026334 11:56"), R"("2026-11-30T11:56:00.000Z")");
  EXPECT_EQ(read("2016.366"), R"("2016-12-31T00:00:00.000Z")");
  EXPECT_EQ(read("2017.366"), R"("2018-01-01T00:00:00.000Z")");
  EXPECT_EQ(read("20261130T120001"), R"("2026-11-30T12:00:01.000Z")");
  EXPECT_EQ(read("20261130T120001+0200"), R"("2026-11-30T10:00:01.000Z")");
  EXPECT_EQ(read("20261130t1200"), R"("2026-11-30T12:00:00.000Z")");
  EXPECT_EQ(read("20261130120001"), R"("2026-11-30T12:00:01.000Z")");
  EXPECT_EQ(read("July 4th, 2017 12:00", R"(,"timezone":"Europe/Berlin")"), R"("2017-07-04T10:00:00.000Z")");
  EXPECT_EQ(read("July 4th, 2017 12:00 EST", R"(,"timezone":"Europe/Berlin")"),
            "241 you cannot pass in a date/time string with time zone information ('EST') together with a timezone argument");
  for (const char* part : {"July 4th", "12:50:53", "today", "Tuesday", "noon"}) {
    EXPECT_EQ(read(part), "241 an incomplete date/time string has been found, with elements missing: \"" + std::string(part) + "\"");
  }
  for (const char* none : {"July 32nd, 2017", "Feb 30 2017", "4 Juli 2017", "July 4 2017 25:00", "July 4 2017 12:00 12:00", "July 4 2017 x", "2026-W54", "2026-W5", "2026W051x", "2026.367", "2026.000", "20261130T250000",
                           "20261330120000", "2026113012000"}) {
    EXPECT_EQ(read(none).substr(0, 30), "241 Error parsing date string ") << none;
  }
}

}  // namespace
}  // namespace drover::sandbox::query
