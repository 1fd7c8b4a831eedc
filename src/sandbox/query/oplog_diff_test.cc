#include "sandbox/query/oplog_diff.h"

#include <gtest/gtest.h>

#include "bson/builder.h"
#include "bson/ejson.h"
#include "sandbox/query/doc_for_tests.h"

namespace drover::sandbox::query {
namespace {

using bson::Document;

std::string show(const Document& document) { return bson::to_relaxed_ejson(document); }

TEST(OplogDiff, BringsBeforeToAfter) {
  const std::string pad =
      R"("pad":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"({"_id":1,"a":1,)" + pad + "}", R"({"_id":1,"a":2,)" + pad + "}"},
      {R"({"_id":1,"a":1,)" + pad + "}", R"({"_id":1,)" + pad + "}"},
      {R"({"_id":1,"a":1,"b":2,)" + pad + "}", R"({"_id":1,"b":2,)" + pad + R"(,"a":1})"},
      {R"({"_id":1,"a":[1,2,3,4],)" + pad + "}", R"({"_id":1,"a":[1,9],)" + pad + "}"},
      {R"({"_id":1,"a":{"b":{"c":1}},)" + pad + "}", R"({"_id":1,"a":{"b":{"c":2,"d":[]}},)" + pad + "}"},
      {R"({"_id":1,"a":[{"k":1,"long":"yyyyyyyyyyyyyyyyyyyyyyyyyyyy"},2],)" + pad + "}",
       R"({"_id":1,"a":[{"k":2,"long":"yyyyyyyyyyyyyyyyyyyyyyyyyyyy"},2,3],)" + pad + "}"},
  };
  for (const auto& [before, after] : cases) {
    const auto diff = compute_diff(doc(before), doc(after));
    ASSERT_TRUE(diff) << before;
    const auto result = apply_diff(doc(before), *diff);
    ASSERT_TRUE(result);
    EXPECT_EQ(show(*result), show(doc(after))) << show(*diff);
  }
}

TEST(OplogDiff, AReplacementWhenItWouldBeLarger) {
  EXPECT_FALSE(compute_diff(doc(R"({"_id":1,"a":1})"), doc(R"({"_id":1,"b":"x"})")));
}

TEST(OplogDiff, DescribesUpdates) {
  const Document entry = doc(
      R"({"$v":2,"diff":{"d":{"z":false},"u":{"a":2},"i":{"n":{"m":1}},"sarr":{"a":true,"l":3,"u2":3},"sb":{"u":{"0":5}}}})");
  EXPECT_EQ(
      show(update_description(entry, {.truncated_arrays = true, .disambiguated_paths = true})),
      R"({ "updatedFields" : { "a" : 2, "n" : { "m" : 1 }, "arr.2" : 3, "b.0" : 5 }, "removedFields" : [ "z" ], )"
      R"("truncatedArrays" : [ { "field" : "arr", "newSize" : 3 } ], "disambiguatedPaths" : { "b.0" : [ "b", "0" ] } })");
  EXPECT_EQ(show(update_description(doc(R"({"$v":1,"$set":{"a.b":1},"$unset":{"c":true}})"), {})),
            R"({ "updatedFields" : { "a.b" : 1 }, "removedFields" : [ "c" ] })");
}

}  // namespace
}  // namespace drover::sandbox::query
