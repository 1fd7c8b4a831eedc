// Views whose definitions were written by hand.
#include "sandbox/server/client_for_tests.h"

namespace drover::sandbox {
namespace {

using ViewsTest = SandboxClientTest;

TEST_F(ViewsTest, WithADefinitionThatIsNoneNothingIsSaidOfViews) {
  start(kTest44);
  run("t", R"({"insert": "c", "documents": [{"_id": 1}]})");
  ASSERT_EQ(code("t", R"({"create": "v", "viewOn": "c", "pipeline": []})"), 0);
  for (const char* broken : {R"({"_id": "t.bad", "viewOn": "c"})", R"({"_id": "t.bad", "viewOn": "c", "pipeline": {}})", R"({"_id": "t.bad", "viewOn": "", "pipeline": []})",
                             R"({"_id": "other.bad", "viewOn": "c", "pipeline": []})", R"({"_id": 7, "viewOn": "c", "pipeline": []})",
                             R"({"_id": "t.bad", "viewOn": "c", "pipeline": [], "collation": 1})", R"({"_id": "t.bad", "viewOn": "c", "pipeline": [], "more": 1})"}) {
    ASSERT_EQ(code("t", R"({"insert": "system.views", "documents": [)" + std::string(broken) + "]}"), 0) << broken;
    for (const char* command : {R"({"listCollections": 1})", R"({"find": "v"})", R"({"find": "nothing"})", R"({"aggregate": "v", "pipeline": [], "cursor": {}})", R"({"count": "v"})",
                                R"({"drop": "v"})", R"({"create": "w", "viewOn": "c", "pipeline": []})", R"({"create": "new"})"}) {
      const auto reply = run("t", std::string(command));
      EXPECT_EQ(code_of(reply), 182) << command << broken;
      EXPECT_EQ(reply["codeName"].to_string_view(), "InvalidViewDefinition");
    }
    const auto inserted = run("t", R"({"insert": "new", "documents": [{"_id": 1}]})");
    EXPECT_TRUE(code_of(inserted) == 182 || inserted.view().at_path("writeErrors.0.code").to_int64() == 182) << text(inserted);
    // Collections are, and other databases.
    EXPECT_EQ(find("t", "c").size(), 1U);
    EXPECT_EQ(code("t", R"({"insert": "c", "documents": [{"_id": 2}]})"), 0);
    EXPECT_EQ(code("u", R"({"listCollections": 1})"), 0);
    ASSERT_EQ(code("t", R"({"delete": "system.views", "deletes": [{"q": {"_id": {"$ne": "t.v"}}, "limit": 0}]})"), 0);
    EXPECT_EQ(code("t", R"({"listCollections": 1})"), 0);
    EXPECT_EQ(find("t", "v").size(), 2U);
    ASSERT_EQ(code("t", R"({"delete": "c", "deletes": [{"q": {"_id": 2}, "limit": 1}]})"), 0);
  }
  run("t", R"({"insert": "system.views", "documents": [{"_id": "t.bad", "viewOn": "c"}]})");
  EXPECT_EQ(run("t", R"({"listCollections": 1})")["errmsg"].to_string_view(), R"(found invalid view definition _id: "t.bad" while reading 't.system.views')");
  EXPECT_EQ(code("t", R"({"dropDatabase": 1})"), 0);
  EXPECT_EQ(code("t", R"({"listCollections": 1})"), 0);
}

}  // namespace
}  // namespace drover::sandbox
