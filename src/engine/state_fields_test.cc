#include "engine/state_fields.h"

#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bson/builder.h"

namespace drover::engine {
namespace {

using ::testing::HasSubstr;

template <typename T>
void expect_altered(const Result<T>& result, const std::string& field) {
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kWrongState);
  EXPECT_THAT(result.error().message, HasSubstr("'" + field + "' of \"one\" in __mdb_internal_mongosync.x_catalog is not"));
}

TEST(StateFields, what_is_missing_or_something_else_is_named) {
  const auto inner = bson::make_document({{"a", 1}});
  const auto document = bson::make_document({{"_id", "one"}, {"text", "t"}, {"number", std::int64_t{-7}}, {"flag", true}, {"time", ClusterTime{5, 6}},
                                             {"list", bson::ArrayView{bson::make_document({{"0", "x"}, {"1", "y"}})}},
                                             {"last", std::numeric_limits<std::int64_t>::max()}, {"half", 0.5}});
  const StateFields fields("x_catalog", document);
  EXPECT_EQ(fields.text("text").value(), "t");
  EXPECT_EQ(fields.number("number").value(), -7);
  EXPECT_EQ(fields.flag("flag").value(), true);
  EXPECT_EQ(fields.time("time").value(), (ClusterTime{5, 6}));
  EXPECT_EQ(fields.texts_if_there("list").value(), (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(fields.texts_if_there("none").value().size(), 0u);
  EXPECT_EQ(fields.flag_if_there("none").value(), false);
  EXPECT_EQ(fields.one_of("text", {"s", "t"}).value(), "t");
  for (const char* name : {"none", "half"}) {
    expect_altered(fields.text(name), name);
    expect_altered(fields.number(name), name);
    expect_altered(fields.flag(name), name);
    expect_altered(fields.time(name), name);
    expect_altered(fields.uuid(name), name);
    expect_altered(fields.array(name), name);
    expect_altered(fields.one_of(name, {"t"}), name);
    expect_altered(fields.packed(document[name], name), name);
  }
  expect_altered(fields.number("last"), "last");
  expect_altered(fields.one_of("text", {"s"}), "text");
  expect_altered(fields.flag_if_there("text"), "text");
  expect_altered(fields.texts_if_there("text"), "text");
}

TEST(StateFields, packed_documents_are_documents) {
  const auto inner = bson::make_document({{"validator", bson::make_document({{"$jsonSchema", 1}})}});
  const auto packed = [&](std::vector<std::uint8_t> bytes) {
    const auto document = bson::make_document({{"_id", "one"}, {"options", bson::Binary{0, bytes}}});
    return StateFields("x_catalog", document).packed(document["options"], "options");
  };
  EXPECT_EQ(packed(inner.bytes()).value(), inner);
  for (std::size_t size = 0; size < inner.size(); ++size) {
    expect_altered(packed({inner.bytes().begin(), inner.bytes().begin() + static_cast<std::ptrdiff_t>(size)}), "options");
  }
}

}  // namespace
}  // namespace drover::engine
