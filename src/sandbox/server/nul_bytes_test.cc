// NUL bytes where a name or a pattern would end at them.
#include <fmt/format.h>

#include "sandbox/server/client_for_tests.h"

namespace drover::sandbox {
namespace {

using namespace std::string_literals;

class NulBytesTest : public SandboxClientTest {
 protected:
  static std::string outcome(const bson::Document& reply) {
    if (reply["ok"].is_truthy()) return "ok";
    return fmt::format("{} {}", reply["code"].to_int64().value_or(0), reply["errmsg"].to_string_view().value_or(""));
  }
  std::string outcome(const std::string& command) { return outcome(run("t", command)); }
  static bson::Document pattern(const std::string& text, const std::string& options) { return bson::make_document({{"$regex", text}, {"$options", options}}); }
  std::string found(const bson::Document& of_a) {
    bson::Builder find;
    find.append("find", "c").append("filter", bson::make_document({{"a", of_a}}));
    return outcome(run("t", std::move(find).finish().view()));
  }
  std::string aggregate(const std::string& stage) { return outcome(R"({"aggregate": "c", "cursor": {}, "pipeline": [)" + stage + "]}"); }
};

TEST_F(NulBytesTest, PatternsHaveNone) {
  for (const auto version : {kTest44, kTest60, kTest80}) {
    start(version);
    run("t", R"({"insert": "c", "documents": [{"_id": 1, "a": "x", "p": "a\u0000b", "o": "i\u0000"}]})");
    const std::string in_pattern = "2 Regular expression cannot contain an embedded null byte";
    EXPECT_EQ(found(pattern("a\0b"s, "")), in_pattern);
    EXPECT_EQ(found(pattern("\0"s, "i")), in_pattern);
    EXPECT_EQ(found(bson::make_document({{"$not", pattern("a\0b"s, "")}})), in_pattern);
    EXPECT_EQ(found(pattern("a", "i\0"s)), version < kTest70 ? "2 Regular expression options string cannot contain an embedded null byte"s
                                                             : "51108  invalid flag in regex options: \0"s);
    bson::Builder create;
    create.append("create", "v").append("validator", bson::make_document({{"a", pattern("a\0b"s, "")}}));
    EXPECT_EQ(outcome(run("t", std::move(create).finish().view())), in_pattern);
    for (const std::string name : {"$regexMatch", "$regexFind", "$regexFindAll"}) {
      const auto project = [&](const std::string& operands) { return aggregate(R"({"$project": {"x": {")" + name + R"(": {"input": "$a", )" + operands + "}}}}"); };
      const auto has = [&](const std::string& got, const std::string& wanted) { EXPECT_NE(got.find(wanted), std::string::npos) << got; };
      has(project(R"("regex": "a\u0000b")"), name + ": regular expression cannot contain an embedded null byte");
      has(project(R"("regex": "$p")"), name + ": regular expression cannot contain an embedded null byte");
      has(project(R"("regex": "a", "options": "i\u0000")"), name + ": regular expression options cannot contain an embedded null byte");
      has(project(R"("regex": "a", "options": "$o")"), name + ": regular expression options cannot contain an embedded null byte");
      EXPECT_EQ(project(R"("regex": "a\u0000b")").substr(0, 6), "51109 ");
      EXPECT_EQ(project(R"("regex": "a", "options": "$o")").substr(0, 6), "51110 ");
    }
  }
}

TEST_F(NulBytesTest, FieldNamesHaveNone) {
  for (const auto version : {kTest44, kTest80}) {
    start(version);
    run("t", R"({"insert": "c", "documents": [{"_id": 1, "a": [1]}]})");
    EXPECT_EQ(aggregate(R"({"$unwind": {"path": "$a", "includeArrayIndex": "_id\u0000b"}})"), "16411 FieldPath field names may not contain '\\0'.");
    if (version < kTest80) continue;
    for (const std::string form : {R"({"$setField": {"field": "_id\u0000b", "input": {}, "value": 1}})", R"({"$unsetField": {"field": "_id\u0000b", "input": {}}})"}) {
      EXPECT_NE(aggregate(R"({"$project": {"x": )" + form + "}}").find("requires 'field' not to contain an embedded null byte"), std::string::npos) << form;
    }
    const std::string refused = "2 The 'timeField' or the 'metaField' cannot contain embedded null bytes";
    EXPECT_EQ(outcome(R"({"create": "s", "timeseries": {"timeField": "t\u0000"}})"), refused);
    EXPECT_EQ(outcome(R"({"create": "s", "timeseries": {"timeField": "t", "metaField": "m\u0000"}})"), refused);
  }
}

TEST_F(NulBytesTest, UsersHaveNone) {
  for (const auto version : {kTest44, kTest80}) {
    start(version);
    EXPECT_EQ(outcome(R"({"createUser": "u\u0000v", "pwd": "x", "roles": []})"), "2 Username cannot contain NULL characters");
    // A built-in role is one of a database that there can be.
    EXPECT_EQ(outcome(R"({"createUser": "u", "pwd": "x", "roles": [{"role": "read", "db": "t\u0000"}]})").substr(0, 3), "31 ");
    EXPECT_EQ(outcome(R"({"createUser": "u", "pwd": "x", "roles": [{"role": "read", "db": "t"}]})"), "ok");
  }
}

}  // namespace
}  // namespace drover::sandbox
