#include "bson/collation.h"
#include "bson/sasl_prep.h"

#include <gtest/gtest.h>

#include "bson/builder.h"
#include "bson/ejson.h"

namespace drover::bson {
namespace {

std::shared_ptr<const Collator> open(const char* spec) { return Collator::open(from_ejson(spec).value()).value(); }

int sign(int value) { return value < 0 ? -1 : value > 0 ? 1 : 0; }

// Also checks that sort keys agree.
int order(const Collator& collator, std::string_view a, std::string_view b) {
  const int by_compare = collator.compare(a, b);
  EXPECT_EQ(sign(by_compare), sign(collator.sort_key(a).compare(collator.sort_key(b)))) << a << " " << b;
  return by_compare;
}

TEST(SaslPrep, NormalizesAndRefuses) {
  EXPECT_EQ(*sasl_prep("pencil"), "pencil");
  EXPECT_EQ(*sasl_prep("I\xc2\xad" "X"), "IX");         // soft hyphen is mapped to nothing
  EXPECT_EQ(*sasl_prep("\xc2\xaa"), "a");               // compatibility form
  EXPECT_EQ(*sasl_prep("\xe2\x85\xa8"), "IX");          // one character becomes two
  EXPECT_FALSE(sasl_prep("\x07"));                      // prohibited
  EXPECT_FALSE(sasl_prep("\xd8\xa7" "1"));              // a bidirectional text must end as it began
  EXPECT_FALSE(sasl_prep("\xff"));
}

TEST(Collation, SpecHasAllFieldsAsTheServerListsThem) {
  EXPECT_EQ(to_shell(open(R"({"locale": "en", "strength": 2})")->spec()),
            R"({ locale: "en", caseLevel: false, caseFirst: "off", strength: 2, numericOrdering: false, alternate: "non-ignorable", maxVariable: "punct", normalization: false, backwards: false, version: "57.1" })");
  const auto canadian = open(R"({"locale": "fr_CA"})");
  EXPECT_TRUE(canadian->spec()["backwards"].bool_value());
  EXPECT_EQ(canadian->spec()["strength"].type(), Type::kInt32);
  EXPECT_EQ(canadian->spec()["strength"].int32_value(), 3);
  EXPECT_EQ(open(R"({"locale": "da"})")->spec()["caseFirst"].string_value(), "upper");
  EXPECT_EQ(open(R"({"locale": "en", "strength": 5})")->spec()["strength"].int32_value(), 5);
}

TEST(Collation, ItsOwnSpecOpensTheSameAgain) {
  const auto first = open(R"({"locale": "de@collation=phonebook", "strength": 1, "alternate": "shifted", "maxVariable": "space"})");
  const auto again = Collator::open(first->spec()).value();
  EXPECT_TRUE(first->same_as(again.get()));
  EXPECT_FALSE(first->same_as(open(R"({"locale": "de"})").get()));
  EXPECT_FALSE(first->same_as(nullptr));
}

TEST(Collation, SimpleHasNone) { EXPECT_EQ(open(R"({"locale": "simple"})"), nullptr); }

TEST(Collation, ComparesByItsOptions) {
  const auto two = open(R"({"locale": "en", "strength": 2})");
  EXPECT_EQ(order(*two, "a", "A"), 0);
  EXPECT_LT(order(*two, "e", "é"), 0);
  EXPECT_LT(order(*two, "é", "f"), 0);
  EXPECT_EQ(order(*open(R"({"locale": "en", "strength": 1})"), "e", "É"), 0);
  EXPECT_LT(order(*open(R"({"locale": "en"})"), "a", "A"), 0);
  EXPECT_GT(order(*open(R"({"locale": "en", "caseFirst": "upper"})"), "a", "A"), 0);
  EXPECT_LT(order(*two, "10", "9"), 0);
  EXPECT_GT(order(*open(R"({"locale": "en", "numericOrdering": true})"), "10", "9"), 0);
  EXPECT_EQ(order(*open(R"({"locale": "en", "alternate": "shifted"})"), "a-b", "ab"), 0);
  EXPECT_EQ(order(*two, "", ""), 0);
  EXPECT_LT(order(*two, "", "a"), 0);
  EXPECT_LT(order(*two, "a\xff", "b"), 0);  // invalid UTF-8
}

TEST(Collation, RefusesWithTheServersCodesAndWords) {
  const auto refused = [](const char* spec) {
    const auto opened = Collator::open(from_ejson(spec).value());
    return opened ? std::string("opened") : std::to_string(opened.error().server_code) + " " + opened.error().message;
  };
  EXPECT_EQ(refused("{}"), "4 Missing expected field \"locale\"");
  EXPECT_EQ(refused(R"({"locale": 1})"), "14 \"locale\" had the wrong type. Expected string, found int");
  EXPECT_EQ(refused(R"({"locale": "xx"})"), R"(2 Field 'locale' is invalid in: { locale: "xx" })");
  EXPECT_EQ(refused(R"({"locale": "en_us"})"),
            R"(2 Field 'locale' is invalid in: { locale: "en_us" }. Did you mean 'en_US'?)");
  EXPECT_EQ(refused(R"({"locale": "simple", "strength": 1})"),
            R"(9 If locale=simple, no other fields should be present in: { locale: "simple", strength: 1 })");
  EXPECT_EQ(refused(R"({"locale": "en", "strength": 6})"), "9 Field 'strength' must be an integer 1 through 5. Got: 6");
  EXPECT_EQ(refused(R"({"locale": "en", "strength": "2"})"),
            "14 Expected field \"strength\" to have numeric type, but found string");
  EXPECT_EQ(refused(R"({"locale": "en", "caseLevel": 1})"),
            "14 \"caseLevel\" had the wrong type. Expected bool, found int");
  EXPECT_EQ(refused(R"({"locale": "en", "alternate": "x"})"),
            "9 Field 'alternate' must be 'non-ignorable' or 'shifted'. Got: x");
  EXPECT_EQ(refused(R"({"locale": "en", "caseFirst": "x"})"),
            "9 Field 'caseFirst' must be 'upper', 'lower', or 'off'. Got: x");
  EXPECT_EQ(refused(R"({"locale": "en", "other": 1})"),
            R"(9 Collation spec contains unknown field. Collation spec: { locale: "en", other: 1 })");
  EXPECT_TRUE(refused(R"({"locale": "en", "version": "58.1"})").starts_with("161 Requested collation version 58.1"));
  EXPECT_TRUE(refused(R"({"locale": "en", "strength": 1, "backwards": true})").starts_with("2 'backwards' is invalid"));
}

}  // namespace
}  // namespace drover::bson
