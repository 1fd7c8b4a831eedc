// What is said of a document that fails validation, as drivers and people see it in `errInfo.details`.
#include "sandbox/query/validation_failure.h"

#include <gtest/gtest.h>

#include "bson/builder.h"
#include "bson/ejson.h"
#include "sandbox/query/doc_for_tests.h"
#include "sandbox/query/expression.h"
#include "sandbox/query/matcher.h"

namespace drover::sandbox::query {
namespace {

bson::Document info_of(const std::string& validator, const bson::Document& document, ServerVersion version = {5, 0, 0}) {
  auto context = std::make_shared<EvaluationContext>();
  context->version = version;
  return explain_validation_failure(doc(validator), document, nullptr, context);
}

std::string details_of(const std::string& validator, const std::string& document, ServerVersion version = {5, 0, 0}) {
  return bson::to_relaxed_ejson(bson::Document(info_of(validator, doc(document), version)["details"].document_value()));
}

std::string plain(const std::string& text) { return bson::to_relaxed_ejson(doc(text)); }

TEST(ValidationFailure, NamesTheDocument) {
  EXPECT_EQ(bson::to_relaxed_ejson(info_of(R"({"a":{"$eq":2}})", doc(R"({"a":1,"_id":10})"))),
            plain(R"({"failingDocumentId":10,"details":{"operatorName":"$eq","specifiedAs":{"a":{"$eq":2}},"reason":"comparison failed","consideredValue":1}})"));
}

TEST(ValidationFailure, ComparisonsTellTheValuesThatTheyMet) {
  EXPECT_EQ(details_of(R"({"a":2})", R"({"b":1})"), plain(R"({"operatorName":"$eq","specifiedAs":{"a":2},"reason":"field was missing"})"));
  EXPECT_EQ(details_of(R"({"a.b":{"$gt":9}})", R"({"a":[{"b":[1,2]},{"b":3}]})"),
            plain(R"({"operatorName":"$gt","specifiedAs":{"a.b":{"$gt":9}},"reason":"comparison failed","consideredValues":[1,2,3]})"));
  EXPECT_EQ(details_of(R"({"a":{"$gte":3}})", R"({"a":[]})"),
            plain(R"({"operatorName":"$gte","specifiedAs":{"a":{"$gte":3}},"reason":"comparison failed","consideredValues":[]})"));
  EXPECT_EQ(details_of(R"({"a":{"$ne":2}})", R"({"a":2})"),
            plain(R"({"operatorName":"$ne","specifiedAs":{"a":{"$ne":2}},"reason":"comparison succeeded","consideredValue":2})"));
  EXPECT_EQ(details_of(R"({"a":0})", R"({"a":[1,2,3,4,5,6,7,8,9,10,11]})"),
            plain(R"({"operatorName":"$eq","specifiedAs":{"a":0},"reason":"comparison failed","consideredValues":[1,2,3,4,5,6,7,8,9,10],"consideredValuesTruncated":true})"));
}

TEST(ValidationFailure, TypesThatAnOperatorCannotUse) {
  EXPECT_EQ(details_of(R"({"a":{"$mod":[2,1]}})", R"({"a":"two"})"),
            plain(R"({"operatorName":"$mod","specifiedAs":{"a":{"$mod":[2,1]}},"reason":"type did not match","consideredType":"string","expectedTypes":["decimal","double","int","long"],"consideredValue":"two"})"));
  EXPECT_EQ(details_of(R"({"a":{"$size":2}})", R"({"a":1})"),
            plain(R"({"operatorName":"$size","specifiedAs":{"a":{"$size":2}},"reason":"type did not match","consideredType":"int","expectedType":"array","consideredValue":1})"));
  // Extended JSON reads {"$type": ...} as a binary.
  const auto by_type = bson::make_document({{"a", bson::make_document({{"$type", "double"}})}});
  const auto info = explain_validation_failure(by_type, doc(R"({"a":["x","y"]})"), nullptr, std::make_shared<EvaluationContext>());
  EXPECT_EQ(info.view().at_path("details.operatorName").to_string_view(), "$type");
  EXPECT_EQ(info.view().at_path("details.reason").to_string_view(), "type did not match");
  EXPECT_EQ(info.view().at_path("details.consideredValues.1").to_string_view(), "y");
  EXPECT_EQ(info.view().at_path("details.consideredType").to_string_view(), "string");
}

TEST(ValidationFailure, ListsTellTheClausesAtFault) {
  EXPECT_EQ(details_of(R"({"a":{"$gt":0,"$lt":10}})", R"({"a":11})"),
            plain(R"({"operatorName":"$and","clausesNotSatisfied":[{"index":1,"details":{"operatorName":"$lt","specifiedAs":{"a":{"$lt":10}},"reason":"comparison failed","consideredValue":11}}]})"));
  EXPECT_EQ(details_of(R"({"$nor":[{"a":{"$gt":10}},{"b":{"$lt":10}}]})", R"({"a":9,"b":9})"),
            plain(R"({"operatorName":"$nor","clausesSatisfied":[{"index":1,"details":{"operatorName":"$lt","specifiedAs":{"b":{"$lt":10}},"reason":"comparison succeeded","consideredValue":9}}]})"));
  EXPECT_EQ(details_of(R"({"a":{"$not":{"$lt":20,"$gt":5}}})", R"({"a":10})"),
            plain(R"({"operatorName":"$not","details":{"operatorName":"$and","clausesSatisfied":[{"index":0,"details":{"operatorName":"$lt","specifiedAs":{"a":{"$lt":20}},"reason":"comparison succeeded","consideredValue":10}},{"index":1,"details":{"operatorName":"$gt","specifiedAs":{"a":{"$gt":5}},"reason":"comparison succeeded","consideredValue":10}}]}})"));
  EXPECT_EQ(details_of(R"({"$or":[{"a":1},{"a":{"$exists":false}}]})", R"({"a":2})"),
            plain(R"({"operatorName":"$or","clausesNotSatisfied":[{"index":0,"details":{"operatorName":"$eq","specifiedAs":{"a":1},"reason":"comparison failed","consideredValue":2}},{"index":1,"details":{"operatorName":"$exists","specifiedAs":{"a":{"$exists":false}},"reason":"path does exist"}}]})"));
}

TEST(ValidationFailure, ExpressionsTellTheirResult) {
  EXPECT_EQ(details_of(R"({"$expr":{"$eq":["$a","$b"]}})", R"({"a":1,"b":2})"),
            plain(R"({"operatorName":"$expr","specifiedAs":{"$expr":{"$eq":["$a","$b"]}},"reason":"expression did not match","expressionResult":false})"));
  EXPECT_EQ(details_of(R"({"$expr":{"$divide":[10,0]}})", "{}"),
            plain(R"({"operatorName":"$expr","specifiedAs":{"$expr":{"$divide":[10,0]}},"reason":"failed to evaluate aggregation expression","details":{"code":2,"codeName":"BadValue","errmsg":"can't $divide by zero"}})"));
}

// The part of a schema's failure that is about the property `a`.
std::string rules_of_a(const std::string& schema, const std::string& document, ServerVersion version = {5, 0, 0}) {
  const auto info = info_of(R"({"$jsonSchema":{"properties":{"a":)" + schema + "}}}", doc(document), version);
  const auto property = info.view().at_path("details.schemaRulesNotSatisfied.0.propertiesNotSatisfied.0");
  return property ? bson::to_relaxed_ejson(bson::Document(property.document_value())) : bson::to_relaxed_ejson(info);
}
std::string property_a(const std::string& rules) { return plain(R"({"propertyName":"a","details":[)" + rules + "]}"); }

TEST(ValidationFailure, SchemaRulesOfValues) {
  EXPECT_EQ(rules_of_a(R"({"minimum":10,"maximum":1,"exclusiveMaximum":true})", R"({"a":5})"),
            property_a(R"({"operatorName":"maximum","specifiedAs":{"maximum":1,"exclusiveMaximum":true},"reason":"comparison failed","consideredValue":5},)"
                       R"({"operatorName":"minimum","specifiedAs":{"minimum":10},"reason":"comparison failed","consideredValue":5})"));
  EXPECT_EQ(rules_of_a(R"({"type":"string","minimum":5})", R"({"a":6})"),
            property_a(R"({"operatorName":"type","specifiedAs":{"type":"string"},"reason":"type did not match","consideredValue":6,"consideredType":"int"})"));
  EXPECT_EQ(rules_of_a(R"({"pattern":"^S","maxLength":2})", R"({"a":"slow"})"),
            property_a(R"({"operatorName":"pattern","specifiedAs":{"pattern":"^S"},"reason":"regular expression did not match","consideredValue":"slow"},)"
                       R"({"operatorName":"maxLength","specifiedAs":{"maxLength":2},"reason":"specified string length was not satisfied","consideredValue":"slow"})"));
  EXPECT_EQ(rules_of_a(R"({"enum":[1,2]})", R"({"a":0})"),
            property_a(R"({"operatorName":"enum","specifiedAs":{"enum":[1,2]},"reason":"value was not found in enum","consideredValue":0})"));
}

TEST(ValidationFailure, WhatIsNotEncrypted) {
  const auto told = [](std::string_view reason) { return property_a(R"({"operatorName":"encrypt","reason":")" + std::string(reason) + "\"}"); };
  const std::string any = R"({"encrypt":{"keyId":[{"$uuid":"01234567-89ab-cdef-0123-456789abcdef"}],"algorithm":"AEAD_AES_256_CBC_HMAC_SHA_512-Random"}})";
  const std::string string = R"({"encrypt":{"bsonType":["string","number"]}})";
  // Kind 1 (deterministic), a UUID of nothing, of a string; of an object.
  const std::string of_string = R"({"a":{"$binary":{"base64":"AQAAAAAAAAAAAAAAAAAAAAAC","subType":"06"}}})";
  const std::string of_object = R"({"a":{"$binary":{"base64":"AQAAAAAAAAAAAAAAAAAAAAAD","subType":"06"}}})";
  const std::string queryable = R"({"a":{"$binary":{"base64":"BgAAAAAAAAAAAAAAAAAAAAAC","subType":"06"}}})";
  const std::string short_one = R"({"a":{"$binary":{"base64":"AQ==","subType":"06"}}})";
  for (const char* plain : {R"({"a":"x"})", R"({"a":{"$binary":{"base64":"AQAAAAAAAAAAAAAAAAAAAAAC","subType":"00"}}})", R"({"a":{}})", R"({"a":[]})"}) {
    EXPECT_EQ(rules_of_a(any, plain), told("value was not encrypted")) << plain;
    EXPECT_EQ(rules_of_a(string, plain), told("value was not encrypted")) << plain;
  }
  const auto accepted = [](const std::string& rule, const std::string& document) {
    const auto filter = doc(R"({"$jsonSchema":{"properties":{"a":)" + rule + "}}}");
    return Matcher::parse(filter).value().matches(doc(document));
  };
  EXPECT_TRUE(accepted(any, of_string));
  EXPECT_TRUE(accepted(any, of_object));
  EXPECT_TRUE(accepted(any, short_one));
  EXPECT_TRUE(accepted(any, "{}"));
  EXPECT_TRUE(accepted(string, of_string));
  for (const auto& other : {of_object, queryable, short_one}) EXPECT_EQ(rules_of_a(string, other), told("encrypted value has wrong type")) << other;
  EXPECT_TRUE(accepted(R"({"encryptMetadata":{"keyId":"/key","algorithm":"AEAD_AES_256_CBC_HMAC_SHA_512-Random"}})", R"({"a":1})"));
  EXPECT_FALSE(Matcher::parse(doc(R"({"$jsonSchema":{"encrypt":{}}})")).value().matches(doc("{}")));  // no document is binary
}

TEST(ValidationFailure, SchemaRulesOfArrays) {
  EXPECT_EQ(rules_of_a(R"({"minItems":3,"uniqueItems":true})", R"({"a":[1,1]})"),
            property_a(R"({"operatorName":"minItems","specifiedAs":{"minItems":3},"reason":"array did not match specified length","consideredValue":[1,1],"numberOfItems":2},)"
                       R"({"operatorName":"uniqueItems","specifiedAs":{"uniqueItems":true},"reason":"found a duplicate item","consideredValue":[1,1],"duplicatedValue":1})"));
  EXPECT_EQ(rules_of_a(R"({"items":{"bsonType":"int"}})", R"({"a":[1,"x"]})"),
            property_a(R"({"operatorName":"items","reason":"At least one item did not match the sub-schema","itemIndex":1,"details":[{"operatorName":"bsonType","specifiedAs":{"bsonType":"int"},"reason":"type did not match","consideredValue":"x","consideredType":"string"}]})"));
  EXPECT_EQ(rules_of_a(R"({"items":[{"minimum":2}],"additionalItems":false})", R"({"a":[1,7]})"),
            property_a(R"({"operatorName":"items","details":[{"itemIndex":0,"details":[{"operatorName":"minimum","specifiedAs":{"minimum":2},"reason":"comparison failed","consideredValue":1}]}]},)"
                       R"({"operatorName":"additionalItems","specifiedAs":{"additionalItems":false},"reason":"found additional items","additionalItems":[7]})"));
}

TEST(ValidationFailure, SchemaRulesOfObjects) {
  EXPECT_EQ(details_of(R"({"$jsonSchema":{"title":"T","required":["z","b"],"properties":{"a":{"description":"D","bsonType":"int"}},"additionalProperties":false}})",
                       R"({"_id":1,"a":"x"})", {6, 0, 0}),
            plain(R"({"operatorName":"$jsonSchema","title":"T","schemaRulesNotSatisfied":[)"
                  R"({"operatorName":"properties","propertiesNotSatisfied":[{"propertyName":"a","description":"D","details":[{"operatorName":"bsonType","specifiedAs":{"bsonType":"int"},"reason":"type did not match","consideredValue":"x","consideredType":"string"}]}]},)"
                  R"({"operatorName":"additionalProperties","specifiedAs":{"additionalProperties":false},"additionalProperties":["_id"]},)"
                  R"({"operatorName":"required","specifiedAs":{"required":["z","b"]},"missingProperties":["b","z"]}]})"));
  EXPECT_EQ(details_of(R"({"$jsonSchema":{"patternProperties":{"^n":{"bsonType":"int"}},"dependencies":{"x":["y"]},"minProperties":5}})", R"({"_id":1,"n1":"s","x":1})"),
            plain(R"({"operatorName":"$jsonSchema","schemaRulesNotSatisfied":[)"
                  R"({"operatorName":"patternProperties","details":[{"propertyName":"n1","regexMatched":"^n","details":[{"operatorName":"bsonType","specifiedAs":{"bsonType":"int"},"reason":"type did not match","consideredValue":"s","consideredType":"string"}]}]},)"
                  R"({"operatorName":"minProperties","specifiedAs":{"minProperties":5},"reason":"specified number of properties was not satisfied","numberOfProperties":3},)"
                  R"({"operatorName":"dependencies","failingDependencies":[{"conditionalProperty":"x","missingProperties":["y"]}]}]})"));
}

TEST(ValidationFailure, SchemaRulesThatCombineOthers) {
  EXPECT_EQ(rules_of_a(R"({"oneOf":[{"minimum":1},{"maximum":3}]})", R"({"a":2})"),
            property_a(R"({"operatorName":"oneOf","reason":"more than one subschema matched","matchingSchemaIndexes":[0,1]})"));
  EXPECT_EQ(rules_of_a(R"({"anyOf":[{"type":"string"},{"maximum":3}]})", R"({"a":4})"),
            property_a(R"({"operatorName":"anyOf","schemasNotSatisfied":[{"index":0,"details":[{"operatorName":"type","specifiedAs":{"type":"string"},"reason":"type did not match","consideredValue":4,"consideredType":"int"}]},{"index":1,"details":[{"operatorName":"maximum","specifiedAs":{"maximum":3},"reason":"comparison failed","consideredValue":4}]}]})"));
  EXPECT_EQ(details_of(R"({"$jsonSchema":{"not":{}}})", "{}"),
            plain(R"({"operatorName":"$jsonSchema","schemaRulesNotSatisfied":[{"operatorName":"not","reason":"child expression matched"}]})"));
  EXPECT_EQ(details_of(R"({"$nor":[{"$jsonSchema":{"required":["a"]}}]})", R"({"a":1})"),
            plain(R"({"operatorName":"$nor","clausesSatisfied":[{"index":0,"details":{"operatorName":"$jsonSchema","reason":"schema matched"}}]})"));
}

TEST(ValidationFailure, IsBoundedWhateverTheDocument) {
  bson::Builder large;
  large.append("_id", 1).append("a", std::string(7 << 20, 'x'));
  const auto document = std::move(large).finish();
  const auto info = info_of(R"({"$or":[{"a":1},{"a":2},{"a":3}]})", document);
  EXPECT_TRUE(info["truncated"].is_truthy());
  EXPECT_LT(info.size(), 1000U);
  EXPECT_FALSE(info.view().at_path("details.clausesNotSatisfied.0.details.consideredValue"));
}

}  // namespace
}  // namespace drover::sandbox::query
