// Codes and words of refusals, operator by operator: clients and tests compare them with the server's.
#include <gtest/gtest.h>

#include "bson/builder.h"
#include "bson/ejson.h"
#include "sandbox/query/doc_for_tests.h"
#include "sandbox/query/matcher.h"
#include "sandbox/query/projection.h"
#include "sandbox/query/sort.h"
#include "sandbox/query/update.h"

namespace drover::sandbox::query {
namespace {

using bson::Document;

std::string show(const Error& error) { return std::to_string(error.server_code) + " " + error.message; }

struct Case {
  const char* input;
  const char* answer;
};

std::string filter_answer(const std::string& filter) {
  const auto matcher = Matcher::parse(doc(filter));
  return matcher ? "accepted" : show(matcher.error());
}

TEST(Refusals, Filters) {
  constexpr Case kCases[] = {
      {R"({"a":{"$mod":[]}})", "2 malformed mod, not enough elements"},
      {R"({"a":{"$mod":["x"]}})", "2 malformed mod, divisor not a number"},
      {R"({"a":{"$mod":[2,"x"]}})", "accepted"},
      {R"({"a":{"$size":{"$numberDecimal":"1"}}})", "2 $size needs a number"},
      {R"({"a":{"$size":1e10}})", "2 $size must be a whole number"},
      {R"({"a":{"$bitsAllSet":"x"}})", "2 a takes an Array, a number, or a BinData but received: $bitsAllSet: \"x\""},
      {R"({"a":{"$bitsAllSet":-1}})", "9 Expected a positive number in: $bitsAllSet: -1"},
      {R"({"a":{"$bitsAnySet":[1.5]}})", "2 bit positions must be an integer but got: 0: 1.5"},
      {R"({"a":{"$bitsAnySet":[-1]}})", "2 bit positions must be >= 0 but got: 0: -1"},
      {R"({"a":{"$where":"x"}})", "2 $where cannot be applied to a field"},
      {R"({"a":{"$id":1}})", "2 unknown operator: $id"},
      {R"({"a":{"$ref":"c","$id":1}})", "accepted"},
      {R"({"a":{"$all":[{"$gt":1}]}})", "2 no $ expressions in $all"},
      {R"({"a":{"$elemMatch":{"$expr":{"$eq":[1,1]}}}})", "2 $expr can only be applied to the top-level document"},
      {R"({"$alwaysTrue":2})", "9 $alwaysTrue must be an integer value of 1"},
      {R"({"a":{"$maxDistance":1,"$near":[0,0]}})", "2 unknown operator: $maxDistance"},
  };
  for (const Case& c : kCases) EXPECT_EQ(filter_answer(c.input), c.answer) << c.input;
}

TEST(Refusals, Schemas) {
  constexpr Case kCases[] = {
      {R"({"required":[]})", "9 $jsonSchema keyword 'required' cannot be an empty array"},
      {R"({"required":["a","a"]})", "9 $jsonSchema keyword 'required' array cannot contain duplicate values"},
      {R"({"enum":[{"a":1,"b":2},{"b":2,"a":1}]})", "9 $jsonSchema keyword 'enum' array cannot contain duplicate values."},
      {R"({"type":"integer"})", "9 $jsonSchema type 'integer' is not currently supported."},
      {R"({"type":"int"})", "2 Unknown type name alias: int"},
      {R"({"type":"string","bsonType":"string"})", "9 Cannot specify both $jsonSchema keywords 'type' and 'bsonType'"},
      {R"({"properties":{"a":1}})", "14 Nested schema for $jsonSchema property 'a' must be an object"},
      {R"({"minLength":-1})", "9 Expected a positive number in: minLength: -1"},
      {R"({"multipleOf":0})", "9 $jsonSchema keyword 'multipleOf' must have a positive value"},
      {R"({"items":1})", "14 $jsonSchema keyword 'items' must be an array or an object, not int"},
      {R"({"dependencies":{"a":[]}})", "9 property 'a' in $jsonSchema keyword 'dependencies' cannot be an empty array"},
      {R"({"allOf":[1]})", "14 $jsonSchema keyword 'allOf' must be an array of objects, but found an element of type int"},
      {R"({"$ref":"x"})", "9 $jsonSchema keyword '$ref' is not currently supported"},
      {R"({"foo":1})", "9 Unknown $jsonSchema keyword: foo"},
      {R"({"encrypt":1})", "14 $jsonSchema keyword 'encrypt' must be an object "},
      {R"({"encrypt":{"foo":1}})", "40415 BSON field 'encrypt.foo' is an unknown field."},
      {R"({"encrypt":{"algorithm":1}})", "14 BSON field 'encrypt.algorithm' is the wrong type 'int', expected type 'string'"},
      {R"({"encrypt":{"algorithm":"AES"}})", "2 Enumeration value 'AES' for field 'encrypt.algorithm' is not a valid value."},
      {R"({"encrypt":{"keyId":[1]}})", "51084 Array elements must have type UUID, found int"},
      {R"({"encrypt":{"keyId":1}})", "51085 Expected either string or array of UUID for EncryptSchemaKeyId, found int"},
      {R"({"encrypt":{},"bsonType":"binData"})", "9 $jsonSchema keyword 'encrypt' cannot be used in conjunction with 'bsonType', 'encrypt' implies type 'bsonType::BinData'"},
      {R"({"encrypt":{},"encryptMetadata":{"keyId":"/a"}})", "9 Cannot specify both $jsonSchema keywords 'encrypt' and 'encryptMetadata'"},
      {R"({"encryptMetadata":{}})", "9 $jsonSchema keyword 'encryptMetadata' cannot be an empty object "},
      {R"({"encryptMetadata":{"bsonType":"int"}})", "40415 BSON field 'encryptMetadata.bsonType' is an unknown field."},
  };
  for (const Case& c : kCases) {
    EXPECT_EQ(filter_answer(std::string(R"({"$jsonSchema":)") + c.input + "}"), c.answer) << c.input;
  }
}

std::string update_answer(const std::string& update, const std::string& document) {
  const Document statement = doc("{\"u\":" + update + "}");
  const auto parsed = Update::parse(statement["u"], {});
  if (!parsed) return show(parsed.error());
  const auto applied = parsed->apply(doc(document), {});
  if (!applied) return show(applied.error());
  return (applied->modified ? "" : "unchanged ") + bson::to_relaxed_ejson(applied->document);
}

TEST(Refusals, Updates) {
  constexpr Case kCases[] = {
      {R"({"$push":{"o.b":1}})", "2 The field 'o.b' must be an array but is of type int in document {_id: 1}"},
      {R"({"$push":{"a":{"$each":[1],"$position":"x"}}})", "2 The value for $position must be an integer value, not of type: string"},
      {R"({"$push":{"a":{"$each":[1],"$slice":1.5}}})", "2 The value for $slice must be an integer value but was given type: double"},
      {R"({"$push":{"a":{"$each":[],"$sort":{"k.":1}}}})", "2 The $sort field is a dotted field but has an empty part: k."},
      {R"({"$push":{"a":{"$each":[],"$sort":{"":1}}}})", "2 The $sort field cannot be empty"},
      {R"({"$addToSet":{"a":{"$each":[1],"x":1}}})", "2 Found unexpected fields after $each in $addToSet: { $each: [ 1 ], x: 1 }"},
      {R"({"$pull":{"o.b.c":1}})", "28 Cannot use the part (c) of (o.b.c) to traverse the element ({b: 1})"},
      {R"({"$pull":{"a":{"$expr":1}}})", "224 $expr is not allowed in this context"},
      {R"({"$pull":{"a":{"$eq":1}}})", "2 unknown top level operator: $eq"},
      {R"({"$pop":{"o.b":1}})", "14 Path 'o.b' contains an element of non-array type 'int'"},
  };
  for (const Case& c : kCases) EXPECT_EQ(update_answer(c.input, R"({"_id":1,"a":[1,2],"o":{"b":1}})"), c.answer) << c.input;
}

TEST(Refusals, AnUpsertTakesItsFieldsFromTheFilterInTheOrderOfTheirPaths) {
  const auto upsert = [](const std::string& filter, const std::string& update) -> std::string {
    const Document statement = doc("{\"u\":" + update + "}");
    const auto parsed = Update::parse(statement["u"], {});
    const auto matcher = Matcher::parse(doc(filter));
    EXPECT_TRUE(parsed && matcher);
    const auto made = parsed->upsert_document(*matcher, {}, [] { return bson::ObjectId(); });
    return made ? bson::to_relaxed_ejson(*made) : show(made.error());
  };
  EXPECT_EQ(upsert(R"({"b":2,"_id":1,"a":1})", R"({"$set":{"z":1}})"), R"({ "_id" : 1, "a" : 1, "b" : 2, "z" : 1 })");
  EXPECT_EQ(upsert(R"({"a.b":1,"a":{"b":2}})", R"({"$set":{"z":1}})"),
            "54 cannot infer query fields to set, both paths 'a.b' and 'a' are matched");
  EXPECT_EQ(upsert(R"({"_id.x":1})", R"({"z":1})"), "111 field at '_id' must be exactly specified, field at sub-path '_id.x'found");
}

TEST(Refusals, Projections) {
  const auto project = [](const std::string& spec) -> std::string {
    const auto projection = Projection::parse(doc(spec));
    if (!projection) return show(projection.error());
    const auto result = projection->apply(doc(R"({"_id":1,"a":[1,2,3],"o":{"b":1,"c":2}})"));
    return result ? bson::to_relaxed_ejson(*result) : show(result.error());
  };
  constexpr Case kCases[] = {
      {R"({"a.$.b":1})",
       "31394 As of 4.4, it's illegal to specify positional operator in the middle of a path.Positional projection may only be "
       "used at the end, for example: a.b.$. If the query previously used a form like a.b.$.d, remove the parts following the "
       "'$' and the results will be equivalent."},
      {R"({"a.$":{"b":1}})", "31271 positional projection cannot be used with an expression or sub object"},
      {R"({"a.$":"x"})", "31308 positional projection cannot be used with a literal"},
      {R"({"a.$":1,"o":{"$elemMatch":{}}})", "31255 Cannot specify positional operator and $elemMatch."},
      {R"({"o":{"b":1},"o.b.c":1})", "31249 Path collision at o.b.c remaining portion b.c"},
      {R"({"a":1,"a":{"$slice":1}})", "31250 Path collision at a"},
      {R"({"x":{"$nope":1}})", "31325 Unknown expression $nope"},
      {R"({"a":0,"x":"y"})", "31310 Cannot use an expression x: \"y\" in an exclusion projection"},
      {R"({"o":{"$add":[1],"b":1}})", "16410 FieldPath field names may not start with '$'."},
      {R"({"a":{"$slice":1},"_id":0})", R"({ "a" : [ 1 ], "o" : { "b" : 1, "c" : 2 } })"},
      {R"({"a":{"$slice":1},"_id":1})", R"({ "_id" : 1, "a" : [ 1 ] })"},
      {R"({"a":{"$elemMatch":{"$gt":1}},"_id":0})", R"({ "a" : [ 2 ] })"},
      {R"({"o":{"b":1},"o.c":1})", R"({ "_id" : 1, "o" : { "b" : 1, "c" : 2 } })"},
  };
  for (const Case& c : kCases) EXPECT_EQ(project(c.input), c.answer) << c.input;
}

TEST(Refusals, Sorts) {
  const auto answer = [](const std::string& spec) {
    const auto sort = SortPattern::parse(doc(spec));
    return sort ? "accepted" : show(sort.error());
  };
  EXPECT_EQ(answer(R"({"a.":1})"), "40353 FieldPath must not end with a '.'.");
  EXPECT_EQ(answer(R"({"a..b":1})"), "15998 FieldPath field names may not be empty strings.");
  EXPECT_EQ(answer(R"({"a":{"$meta":5}})"), "17307 $meta only supports string arguments");
}

TEST(Refusals, ModOfWhatIsNoLongDependsOnTheVersion) {
  const auto matches = [](ServerVersion version) {
    return Matcher::parse(doc(R"({"a":{"$mod":[2,0]}})"), nullptr, version)->matches(doc(R"({"a":{"$numberDouble":"NaN"}})"));
  };
  EXPECT_TRUE(matches({4, 4, 0}));
  EXPECT_FALSE(matches({6, 0, 0}));
}

TEST(Refusals, PlannersShowFiltersSorted) {
  const auto matcher = Matcher::parse(doc(R"({"b":{"$ne":2},"a":{"$gt":1},"c":{"$in":[1,2]},"d":"x"})"));
  ASSERT_TRUE(matcher);
  EXPECT_EQ(matcher->debug_string(), "$and\n    d $eq \"x\"\n    a $gt 1\n    c $in [ 1 2 ]\n    $not\n        b $eq 2\n");
}

}  // namespace
}  // namespace drover::sandbox::query
