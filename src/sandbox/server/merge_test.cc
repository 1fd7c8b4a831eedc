// $merge: what of its target it finds.
#include "sandbox/server/client_for_tests.h"

namespace drover::sandbox {
namespace {

using MergeTest = SandboxClientTest;

// What is unique by one collation need not be by another.
TEST_F(MergeTest, AsksForAnIndexOfItsOwnCollation) {
  for (const auto version : {kTest44, kTest80}) {
    start(version);
    run("t", R"({"insert": "source", "documents": [{"_id": "a", "k": "x"}]})");
    ASSERT_EQ(code("t", R"({"create": "folded", "collation": {"locale": "en", "strength": 2}})"), 0);
    ASSERT_EQ(code("t", R"({"createIndexes": "folded", "indexes": [{"key": {"k": 1}, "name": "k", "unique": true}]})"), 0);
    const auto merge = [&](const std::string& stage, const std::string& collation) {
      return run("t", R"({"aggregate": "source", "pipeline": [{"$merge": )" + stage + R"(}], "cursor": {})" + collation + "}");
    };
    const std::string same = R"(, "collation": {"locale": "en", "strength": 2})";
    for (const auto* on : {R"("_id")", R"("k")"}) {
      const auto stage = std::string(R"({"into": "folded", "on": )") + on + "}";
      const auto refused = merge(stage, "");
      EXPECT_EQ(code_of(refused), 51183) << on;
      EXPECT_EQ(refused["errmsg"].to_string_view(), "Cannot find index to verify that join fields will be unique");
      EXPECT_EQ(code_of(merge(stage, same)), 0) << on;
      EXPECT_EQ(code_of(merge(std::string(R"({"into": "plain", "on": )") + on + "}", same)), on == std::string(R"("_id")") ? 0 : 51183) << "there is none yet";
      run("t", R"({"drop": "plain"})");
    }
    // Where `on` is left out nobody asks; what is there is found as the aggregation compares.
    run("t", R"({"delete": "folded", "deletes": [{"q": {}, "limit": 0}]})");
    run("t", R"({"insert": "folded", "documents": [{"_id": "A"}]})");
    EXPECT_EQ(code_of(merge(R"({"into": "folded"})", "")), 11000);
    EXPECT_EQ(code_of(merge(R"({"into": "folded", "whenMatched": "keepExisting"})", same)), 0);
    EXPECT_EQ(find("t", "folded").size(), 1u);
    run("t", R"({"insert": "plain", "documents": [{"_id": "A"}]})");
    EXPECT_EQ(code_of(merge(R"({"into": "plain", "whenMatched": "keepExisting"})", same)), 0);
    EXPECT_EQ(find("t", "plain").size(), 1u);
    EXPECT_EQ(code_of(merge(R"({"into": "plain", "whenMatched": "keepExisting"})", "")), 0);
    EXPECT_EQ(find("t", "plain").size(), 2u);
  }
}

}  // namespace
}  // namespace drover::sandbox
