#include "model/catalog_meaning.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bson/ejson.h"
#include "model/collection_info.h"

namespace drover {
namespace {

using ::testing::HasSubstr;

std::string options_difference(const std::string& source, const std::string& destination) {
  const CollectionInfo a{.ns = {"d", "c"}, .options = bson::from_ejson(source).value()};
  const CollectionInfo b{.ns = {"d", "c"}, .options = bson::from_ejson(destination).value()};
  const auto there = difference(a, b), back = difference(b, a);
  EXPECT_EQ(there.has_value(), back.has_value());
  return there.value_or("");
}

// Of two specs of one name, without their braces.
std::string index_difference(const std::string& source, const std::string& destination) {
  CollectionInfo a{.ns = {"d", "c"}}, b{.ns = {"d", "c"}};
  a.indexes = {bson::from_ejson(R"({"name": "i", )" + source + "}").value()};
  b.indexes = {bson::from_ejson("{" + destination + R"(, "name": "i"})").value()};
  const auto there = difference(a, b), back = difference(b, a);
  EXPECT_EQ(there.has_value(), back.has_value());
  return there.value_or("");
}

constexpr const char* kFull = R"({"locale": "de", "caseLevel": false, "caseFirst": "off", "strength": 3, "numericOrdering": false,
    "alternate": "non-ignorable", "maxVariable": "punct", "normalization": false, "backwards": false, "version": "57.1"})";

TEST(CatalogMeaning, OptionsThatSayTheSame) {
  const std::pair<const char*, const char*> same[] = {
      {R"({"capped": true, "size": 4096})", R"({"size": {"$numberLong": "4096"}, "capped": 1})"},
      {"{}", R"({"capped": false, "temp": false, "autoIndexId": true, "flags": 1, "usePowerOf2Sizes": true})"},
      {R"({"validator": {"a": 1}})", R"({"validator": {"a": 1}, "validationLevel": "strict", "validationAction": "error"})"},
      {"{}", R"({"validator": {}, "storageEngine": {}, "indexOptionDefaults": {}})"},
      {"{}", R"({"changeStreamPreAndPostImages": {"enabled": false}, "recordPreImages": false, "collation": {"locale": "simple"}})"},
      {R"({"expireAfterSeconds": 60})", R"({"expireAfterSeconds": {"$numberLong": "60"}})"},
  };
  for (const auto& [a, b] : same) EXPECT_EQ(options_difference(a, b), "") << a << " " << b;
  EXPECT_EQ(options_difference(R"({"collation": {"locale": "de"}})", std::string(R"({"collation": )") + kFull + "}"), "");
  EXPECT_EQ(options_difference(R"({"collation": {"locale": "de", "strength": 3.0, "version": "58"}})",
                               std::string(R"({"collation": )") + kFull + "}"),
            "");
}

TEST(CatalogMeaning, OptionsThatDoNot) {
  const std::pair<const char*, const char*> different[] = {
      {R"({"capped": true})", "{}"},
      {R"({"size": 4096})", R"({"size": 4097})"},
      {R"({"autoIndexId": false})", "{}"},
      {R"({"validationLevel": "moderate"})", "{}"},
      {R"({"validationAction": "warn"})", R"({"validationAction": "error"})"},
      {R"({"validator": {"a": 1, "b": 1}})", R"({"validator": {"b": 1, "a": 1}})"},
      {R"({"validator": {"a": 1}})", R"({"validator": {"a": 1.0}})"},
      {R"({"collation": {"locale": "de"}})", "{}"},
      {R"({"collation": {"locale": "de", "strength": 2}})", R"({"collation": {"locale": "de"}})"},
      {R"({"pipeline": [{"$match": {"a": 1}}]})", R"({"pipeline": [{"$match": {"a": 2}}]})"},
      {R"({"viewOn": "a"})", R"({"viewOn": "b"})"},
      {R"({"ofTheFuture": 1})", R"({"ofTheFuture": 1.0})"},
      {R"({"ofTheFuture": false})", "{}"},
  };
  for (const auto& [a, b] : different) EXPECT_NE(options_difference(a, b), "") << a << " " << b;
  EXPECT_EQ(options_difference(R"({"validationLevel": "off"})", R"({"validationLevel": "strict"})"),
            R"(options: validationLevel is "off" on the source and "strict" on the destination)");
  EXPECT_EQ(options_difference(R"({"validationLevel": "off"})", "{}"), "options: field validationLevel is only on the source");
}

TEST(CatalogMeaning, IndexesThatSayTheSame) {
  const std::pair<const char*, const char*> same[] = {
      {R"("v": 1, "ns": "d.c", "key": {"a": 1}, "background": true, "dropDups": true, "safe": true)", R"("v": 2, "key": {"a": 1})"},
      {R"("key": {"a": 1.0, "b": -1})", R"("key": {"a": {"$numberLong": "1"}, "b": -1.0})"},
      {R"("key": {"a": 5})", R"("key": {"a": 1})"},
      {R"("key": {"a": 1}, "unique": 1, "sparse": 1.0)", R"("sparse": true, "unique": true, "key": {"a": 1})"},
      {R"("key": {"a": 1}, "unique": false, "sparse": 0, "hidden": false)", R"("key": {"a": 1})"},
      {R"("key": {"a": 1}, "expireAfterSeconds": 3600)", R"("key": {"a": 1}, "expireAfterSeconds": 3600.5)"},
      {R"("key": {"a": 1}, "expireAfterSeconds": {"$numberDouble": "NaN"})", R"("key": {"a": 1}, "expireAfterSeconds": 2147483647)"},
      {R"("key": {"a": 1}, "expireAfterSeconds": {"$numberLong": "99999999999"})", R"("key": {"a": 1}, "expireAfterSeconds": 2147483647)"},
      {R"("key": {"$**": 1}, "wildcardProjection": {"a": {"b": 1}, "_id": 0})", R"("key": {"$**": 1}, "wildcardProjection": {"_id": false, "a.b": true})"},
      {R"("key": {"_fts": "text", "_ftsx": 1}, "weights": {"b": 1, "a": 2.0}, "default_language": "english", "language_override": "language", "textIndexVersion": 3)",
       R"("key": {"_fts": "text", "_ftsx": 1}, "weights": {"a": 2, "b": {"$numberLong": "1"}}, "textIndexVersion": 3.0)"},
      {R"("key": {"p": "2d"}, "bits": 26, "min": -180, "max": 180.0)", R"("key": {"p": "2d"})"},
      {R"("key": {"p": "2dsphere"}, "2dsphereIndexVersion": 3)", R"("key": {"p": "2dsphere"}, "2dsphereIndexVersion": {"$numberLong": "3"})"},
      {R"("key": {"a": 1}, "collation": {"locale": "simple"})", R"("key": {"a": 1})"},
  };
  for (const auto& [a, b] : same) EXPECT_EQ(index_difference(a, b), "") << a << " " << b;
}

TEST(CatalogMeaning, IndexesThatDoNot) {
  const std::pair<const char*, const char*> different[] = {
      {R"("key": {"a": 1})", R"("key": {"a": -1})"},
      {R"("key": {"a": 1, "b": 1})", R"("key": {"b": 1, "a": 1})"},
      {R"("key": {"a": 1})", R"("key": {"a": "hashed"})"},
      {R"("key": {"a": 1}, "unique": true)", R"("key": {"a": 1})"},
      {R"("key": {"a": 1}, "sparse": true)", R"("key": {"a": 1}, "sparse": false)"},
      {R"("key": {"a": 1}, "hidden": true)", R"("key": {"a": 1})"},
      {R"("key": {"a": 1}, "expireAfterSeconds": 0)", R"("key": {"a": 1})"},
      {R"("key": {"a": 1}, "expireAfterSeconds": {"$numberDouble": "NaN"})", R"("key": {"a": 1}, "expireAfterSeconds": 0)"},
      {R"("key": {"a": 1}, "partialFilterExpression": {"a": {"$gt": 1}})", R"("key": {"a": 1}, "partialFilterExpression": {"a": {"$gt": 1.0}})"},
      {R"("key": {"$**": 1}, "wildcardProjection": {"a": 1})", R"("key": {"$**": 1}, "wildcardProjection": {"a": 0})"},
      {R"("key": {"_fts": "text", "_ftsx": 1}, "weights": {"a": 1})", R"("key": {"_fts": "text", "_ftsx": 1}, "weights": {"a": 2})"},
      {R"("key": {"_fts": "text", "_ftsx": 1}, "default_language": "german")", R"("key": {"_fts": "text", "_ftsx": 1})"},
      {R"("key": {"p": "2dsphere"}, "2dsphereIndexVersion": 2)", R"("key": {"p": "2dsphere"}, "2dsphereIndexVersion": 3)"},
      {R"("key": {"p": "2d"}, "bits": 20)", R"("key": {"p": "2d"})"},
      {R"("key": {"a": 1}, "collation": {"locale": "de"})", R"("key": {"a": 1})"},
      {R"("key": {"a": 1}, "collation": {"locale": "de"})", R"("key": {"a": 1}, "collation": {"locale": "en"})"},
      {R"("key": {"a": 1}, "ofTheFuture": {"x": 1})", R"("key": {"a": 1})"},
  };
  for (const auto& [a, b] : different) EXPECT_NE(index_difference(a, b), "") << a << " " << b;
  EXPECT_THAT(index_difference(R"("key": {"a": 1})", R"("key": {"a": -1})"), HasSubstr("index i: key is"));
}

}  // namespace
}  // namespace drover
