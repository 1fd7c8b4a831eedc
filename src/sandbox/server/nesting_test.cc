// How deep documents may be nested: in commands, and where they are stored.
#include <fmt/format.h>

#include "bson/validate.h"
#include "sandbox/server/client_for_tests.h"
#include "sandbox/server/message.h"

namespace drover::sandbox {
namespace {

class NestingTest : public SandboxClientTest {
 protected:
  // {a: {a: ... {a: 1}}}, of so many levels.
  static bson::Document nested(int levels) {
    auto document = bson::make_document({{"a", 1}});
    for (int i = 1; i < levels; ++i) document = bson::make_document({{"a", document}});
    return document;
  }
  static bson::Document with_id(const bson::Document& document) {
    bson::Builder out;
    out.append("_id", 1).append_all(document);
    return std::move(out).finish();
  }
  // Of the only statement, or of the command.
  static std::string outcome(const bson::Document& reply) {
    const auto error = reply.view().at_path("writeErrors.0.code");
    if (error) return fmt::format("statement {} {}", error.to_int64().value_or(0), reply.view().at_path("writeErrors.0.errmsg").to_string_view().value_or(""));
    if (reply["ok"].is_truthy()) return "ok";
    return fmt::format("{} {}", reply["code"].to_int64().value_or(0), reply["errmsg"].to_string_view().value_or(""));
  }
  bson::Document insert(const bson::Document& document) {
    bson::Builder command;
    command.append("insert", "c");
    command.open_array("documents").append(document);
    return run("t", std::move(command).finish().view());
  }
  template <typename Change>
  bson::Document update(const Change& change, bool upsert = false) {
    bson::Builder command;
    command.append("update", "c");
    {
      auto updates = command.open_array("updates");
      updates.open_document().append("q", bson::make_document({{"_id", 1}})).append("u", change).append("upsert", upsert);
    }
    return run("t", std::move(command).finish().view());
  }
};

TEST_F(NestingTest, DocumentsAreStoredWithAHundredAndEightyLevels) {
  const std::string insert_refused = "statement 15 cannot insert document because it exceeds 180 levels of nesting";
  const std::string update_refused = "statement 15 Document exceeds maximum nesting depth of 180";
  for (const auto version : {kTest44, kTest80}) {
    start(version);
    EXPECT_EQ(outcome(insert(with_id(nested(181)))), insert_refused);
    EXPECT_EQ(outcome(insert(nested(181))), insert_refused) << "whose _id is the server's";
    EXPECT_EQ(outcome(insert(with_id(nested(180)))), "ok");
    EXPECT_EQ(outcome(update(with_id(nested(181)))), update_refused);
    EXPECT_EQ(outcome(update(bson::make_document({{"$set", bson::make_document({{"b", nested(180)}})}}))), update_refused);
    EXPECT_EQ(outcome(update(bson::make_document({{"$set", bson::make_document({{"b", nested(179)}})}}))), "ok");
    EXPECT_EQ(find("t", "c").size(), 1u);
    run("t", R"({"delete": "c", "deletes": [{"q": {}, "limit": 0}]})");
    EXPECT_EQ(outcome(update(bson::make_document({{"$set", bson::make_document({{"b", nested(180)}})}}), true)), update_refused);
    EXPECT_EQ(find("t", "c").size(), 0u);
  }
}

TEST_F(NestingTest, CommandsAreNestedTwoHundredDeep) {
  for (const auto version : {kTest44, kTest50}) {
    start(version);
    const auto frame = make_request(1, nested(202));
    const auto message = parse_message(frame);
    ASSERT_FALSE(message);
    ASSERT_TRUE(is_answered(message.error()));
    EXPECT_EQ(outcome(sandbox_->dispatcher().refusal(message.error())),
              version == kTest44 ? "15 BSONObj exceeds maximum nested object depth: 200" : "15 BSONObj exceeds maximum nested object depth");
    EXPECT_TRUE(parse_message(make_request(1, nested(201))));
  }
}

}  // namespace
}  // namespace drover::sandbox
