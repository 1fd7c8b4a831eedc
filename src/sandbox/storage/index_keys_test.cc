#include "sandbox/storage/index_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bson/builder.h"
#include "bson/ejson.h"

namespace drover::sandbox {
namespace {

bson::Document doc(std::string_view json) { return bson::from_ejson(json).value(); }

std::shared_ptr<const IndexInfo> index(std::string_view key, std::string_view more = "{}") {
  bson::Builder spec;
  spec.append("v", 2).append("key", doc(key)).append("name", "i").append_all(doc(more));
  return make_index(std::move(spec).finish(), 1, true).value();
}

// The keys' values, in the index's order.
std::vector<std::string> values(const IndexInfo& info, std::string_view document) {
  const auto d = doc(document);
  std::vector<std::string> result;
  const auto keys = index_keys(info, d);
  EXPECT_TRUE(keys) << keys.error().message;
  for (const auto& key : keys->keys) result.push_back(bson::to_shell(index_key_value(info, d, key)));
  return result;
}

using testing::ElementsAre;
using testing::IsEmpty;

TEST(IndexKeys, AMissingFieldIsNull) {
  EXPECT_THAT(values(*index(R"({"a": 1})"), R"({"b": 1})"), ElementsAre("{ a: null }"));
  EXPECT_THAT(values(*index(R"({"a.b": 1})"), R"({"a": 5})"), ElementsAre("{ a.b: null }"));
}

TEST(IndexKeys, AnArrayGivesAKeyPerElement) {
  const auto info = index(R"({"a": 1})");
  EXPECT_THAT(values(*info, R"({"a": [3, 1, 3]})"), ElementsAre("{ a: 1 }", "{ a: 3 }"));
  EXPECT_THAT(values(*info, R"({"a": [[1, 2], 3]})"), ElementsAre("{ a: 3 }", "{ a: [ 1, 2 ] }"));
  EXPECT_EQ(index_keys(*info, doc(R"({"a": [1]})"))->multikey, 1u);
  EXPECT_EQ(index_keys(*info, doc(R"({"a": 1})"))->multikey, 0u);
}

TEST(IndexKeys, AnEmptyArrayIsUndefined) {
  EXPECT_THAT(values(*index(R"({"a": 1})"), R"({"a": []})"), ElementsAre("{ a: undefined }"));
}

TEST(IndexKeys, PathsGoThroughArraysOfDocuments) {
  const auto info = index(R"({"a.b": 1, "c": -1})");
  EXPECT_THAT(values(*info, R"({"a": [{"b": 1}, {"b": 2}, 7], "c": "x"})"),
              ElementsAre("{ a.b: null, c: \"x\" }", "{ a.b: 1, c: \"x\" }", "{ a.b: 2, c: \"x\" }"));
  EXPECT_THAT(values(*index(R"({"a.1": 1})"), R"({"a": [5, 6]})"), ElementsAre("{ a.1: 6 }"));
}

TEST(IndexKeys, ANumberThatIsAPlaceAndAFieldIsRefused) {
  const auto info = index(R"({"a.0.b": 1})");
  const auto keys = index_keys(*info, doc(R"({"a": [{"b": 1}, {"0": {"b": 2}}]})"));
  ASSERT_FALSE(keys);
  EXPECT_EQ(keys.error().server_code, 16746);
  EXPECT_EQ(keys.error().message,
            "Ambiguous field name found in array (do not use numeric field names in embedded elements in an array), field: '0' for array: "
            "{ 0: { b: 1 }, 1: { 0: { b: 2 } } }");
  EXPECT_THAT(values(*index(R"({"a.1": 1})"), R"({"a": [{"1": 7}]})"), ElementsAre("{ a.1: 7 }"));  // there is no second item
}

TEST(IndexKeys, ParallelArraysAreRefused) {
  const auto keys = index_keys(*index(R"({"a": 1, "b": 1})"), doc(R"({"a": [1], "b": [2]})"));
  ASSERT_FALSE(keys);
  EXPECT_EQ(keys.error().server_code, 171);
  EXPECT_EQ(keys.error().message, "cannot index parallel arrays [b] [a]");
  EXPECT_THAT(values(*index(R"({"a.x": 1, "a.y": 1})"), R"({"a": [{"x": 1, "y": 2}]})"), ElementsAre("{ a.x: 1, a.y: 2 }"));
}

TEST(IndexKeys, SparseAndPartialLeaveDocumentsOut) {
  const auto sparse = index(R"({"a": 1})", R"({"sparse": true})");
  EXPECT_THAT(values(*sparse, R"({"b": 1})"), IsEmpty());
  EXPECT_THAT(values(*sparse, R"({"a": null})"), ElementsAre("{ a: null }"));
  const auto partial = index(R"({"a": 1})", R"({"partialFilterExpression": {"on": true}})");
  EXPECT_THAT(values(*partial, R"({"a": 1})"), IsEmpty());
  EXPECT_THAT(values(*partial, R"({"a": 1, "on": true})"), ElementsAre("{ a: 1 }"));
}

TEST(IndexKeys, EqualNumbersAreOneKey) {
  const auto info = index(R"({"a": 1})");
  EXPECT_EQ(index_keys(*info, doc(R"({"a": 1})"))->keys, index_keys(*info, doc(R"({"a": {"$numberDouble": "1.0"}})"))->keys);
}

}  // namespace
}  // namespace drover::sandbox
