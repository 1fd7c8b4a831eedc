#include "bson/compare.h"

#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include <gtest/gtest.h>

#include "bson/builder.h"
#include "bson/collation.h"
#include "bson/decimal.h"
#include "bson/ejson.h"
#include "bson/key_string.h"
#include "bson/random_values.h"

namespace drover::bson {
namespace {

int sign(int value) { return value < 0 ? -1 : value > 0 ? 1 : 0; }

// Both orders of one pair, by comparison and by key string, ascending and descending.
void expect_order(const Element& a, const Element& b, int expected, const Collator* collator = nullptr) {
  const auto what = [&] { return to_ejson(a) + " against " + to_ejson(b); };
  EXPECT_EQ(sign(compare_values(a, b, collator)), expected) << what();
  EXPECT_EQ(sign(compare_values(b, a, collator)), -expected) << what();
  EXPECT_EQ(sign(key_string(a, collator).compare(key_string(b, collator))), expected) << what();
  std::string down_a, down_b;
  append_key_string(down_a, a, collator, true);
  append_key_string(down_b, b, collator, true);
  EXPECT_EQ(sign(down_a.compare(down_b)), -expected) << what();
}

Document parse_list(const char* ejson_array) {
  auto list = from_ejson(std::string("{\"l\": ") + ejson_array + "}");
  EXPECT_TRUE(list) << list.error().message;
  return list ? *std::move(list) : make_document({{"l", ArrayView{}}});
}

// Values written in ascending order.
void expect_ascending(const char* ejson_array) {
  const Document list = parse_list(ejson_array);
  std::vector<Element> items;
  for (const Element& item : list["l"].document_value()) items.push_back(item);
  for (std::size_t i = 0; i < items.size(); ++i) {
    for (std::size_t j = 0; j < items.size(); ++j) {
      expect_order(items[i], items[j], i < j ? -1 : i > j ? 1 : 0);
    }
  }
}

void expect_all_equal(const char* ejson_array) {
  const Document list = parse_list(ejson_array);
  for (const Element& a : list["l"].document_value()) {
    for (const Element& b : list["l"].document_value()) expect_order(a, b, 0);
  }
}

TEST(Compare, TypesHaveOneOrder) {
  expect_ascending(R"json([{"$minKey": 1}, {"$undefined": true}, null, {"$numberDouble": "NaN"}, 5, "a", {"a": 1}, [1],
    {"$binary": {"base64": "AQI=", "subType": "00"}}, {"$oid": "0102030405060708090a0b0c"}, false, true,
    {"$date": {"$numberLong": "-5"}}, {"$date": {"$numberLong": "3"}}, {"$timestamp": {"t": 1, "i": 3}},
    {"$timestamp": {"t": 4000000000, "i": 0}}, {"$regularExpression": {"pattern": "a", "options": ""}},
    {"$regularExpression": {"pattern": "a", "options": "i"}}, {"$regularExpression": {"pattern": "ab", "options": ""}},
    {"$maxKey": 1}])json");
}

TEST(Compare, CodeByTextThenScope) {
  const Document list = from_ejson(R"({"a": {"$code": "f"}, "b": {"$code": "g"}, "c": {"$code": "e", "$scope": {"z": 1}},
    "d": {"$code": "f", "$scope": {}}, "e": {"$code": "f", "$scope": {"a": 1}}, "f": {"$maxKey": 1}})").value();
  for (auto it = list.begin(), last = it++; it != list.end(); last = it++) expect_order(*last, *it, -1);
}

TEST(Compare, DbPointersByLengthFirst) {
  const auto pointer = [](const char* ns) {
    return from_ejson(std::string(R"({"p": {"$dbPointer": {"$id": {"$oid": "0102030405060708090a0b0c"}, "$ref": ")") + ns +
                      "\"}}}").value();
  };
  const Document z = pointer("z"), aa = pointer("aa"), ab = pointer("ab");
  expect_order(z["p"], aa["p"], -1);
  expect_order(aa["p"], ab["p"], -1);
  expect_order(make_document({{"r", Regex{"z", ""}}})["r"], z["p"], -1);
  expect_order(z["p"], make_document({{"c", Code{""}}})["c"], -1);
}

TEST(Compare, NumbersByValueWhateverTheirType) {
  expect_ascending(R"([{"$numberDouble": "NaN"}, {"$numberDouble": "-Infinity"}, {"$numberDecimal": "-1E+6144"},
    {"$numberDouble": "-1.7976931348623157e308"}, {"$numberDouble": "-9223372036854777856"},
    {"$numberDecimal": "-9223372036854775809"}, {"$numberLong": "-9223372036854775808"},
    {"$numberDecimal": "-9223372036854775807.5"}, {"$numberLong": "-9223372036854775807"},
    {"$numberLong": "-9007199254740993"}, {"$numberDouble": "-9007199254740992"}, -1, {"$numberDecimal": "-0.1000001"},
    {"$numberDouble": "-0.1"}, {"$numberDecimal": "-0.1"}, {"$numberDouble": "-5e-324"}, {"$numberDecimal": "-1E-6176"},
    0, {"$numberDecimal": "1E-6176"}, {"$numberDouble": "5e-324"}, {"$numberDecimal": "0.1"}, {"$numberDouble": "0.1"},
    {"$numberDecimal": "0.1000000000000000055511151231257828"}, 1, {"$numberDouble": "9007199254740992"},
    {"$numberDecimal": "9007199254740992.5"}, {"$numberLong": "9007199254740993"}, {"$numberDecimal": "9007199254740993.1"},
    {"$numberDouble": "9223372036854774784"}, {"$numberLong": "9223372036854775806"},
    {"$numberDecimal": "9223372036854775806.9"}, {"$numberLong": "9223372036854775807"},
    {"$numberDecimal": "9223372036854775807.1"}, {"$numberDouble": "9223372036854775808"},
    {"$numberDecimal": "9223372036854775808.1"}, {"$numberDecimal": "9223372036854775810"},
    {"$numberDouble": "1.7976931348623157e308"}, {"$numberDecimal": "1E+309"}, {"$numberDouble": "Infinity"}])");
}

TEST(Compare, EqualNumbersHaveOneKey) {
  expect_all_equal(R"([1, {"$numberLong": "1"}, 1.0, {"$numberDecimal": "1"}, {"$numberDecimal": "1.000"}, {"$numberDecimal": "10E-1"}])");
  expect_all_equal(R"([0, {"$numberLong": "0"}, {"$numberDouble": "-0.0"}, {"$numberDecimal": "-0"}, {"$numberDecimal": "0E+30"}])");
  expect_all_equal(R"([{"$numberDouble": "NaN"}, {"$numberDecimal": "NaN"}])");
  expect_all_equal(R"([{"$numberDouble": "Infinity"}, {"$numberDecimal": "Infinity"}])");
  expect_all_equal(R"([{"$numberDouble": "-Infinity"}, {"$numberDecimal": "-Infinity"}])");
  expect_all_equal(R"([{"$numberLong": "9007199254740993"}, {"$numberDecimal": "9007199254740993.0"}])");
  expect_all_equal(R"([{"$numberDouble": "0.5"}, {"$numberDecimal": "0.50"}])");
  expect_all_equal(R"([{"$numberDecimal": "0.1"}, {"$numberDecimal": "0.10"}])");
  expect_all_equal(R"(["s", {"$symbol": "s"}])");
}

TEST(Compare, DocumentsByTypeThenNameThenValue) {
  expect_ascending(R"([{}, {"b": {"$numberDouble": "NaN"}}, {"b": 1}, {"b": 1, "a": 0}, {"b": 2}, {"c": 0}, {"a": "x"}, {"a": "x\u0000"},
    {"a": "x\u0000\u0000"}, {"a": "x\u0001"}, {"a": "xa"}, {"a": {}}, {"a": {"b": 1}}, {"a": []}, {"a": [1]}, {"a": [1, 1]}, {"a": [2]}])");
}

TEST(Compare, BinaryByLengthThenSubtypeThenBytes) {
  expect_ascending(R"([{"$binary": {"base64": "", "subType": "80"}}, {"$binary": {"base64": "/w==", "subType": "00"}},
    {"$binary": {"base64": "AQ==", "subType": "05"}}, {"$binary": {"base64": "AQI=", "subType": "00"}},
    {"$binary": {"base64": "AQI=", "subType": "80"}}])");
}

TEST(Compare, CollationReachesEveryDepthButScopes) {
  const auto collator = Collator::open(make_document({{"locale", "en"}, {"strength", 2}})).value();
  const Document document = from_ejson(R"({"a": "Abc", "b": "abC", "c": {"x": ["Q"]}, "d": {"x": ["q"]}, "e": "abd",
    "code": {"$code": "f", "$scope": {"s": "X"}}, "code2": {"$code": "f", "$scope": {"s": "x"}}})").value();
  expect_order(document["a"], document["b"], 0, collator.get());
  expect_order(document["a"], document["e"], -1, collator.get());
  expect_order(document["c"], document["d"], 0, collator.get());
  expect_order(document["c"], document["d"], -1);
  expect_order(document["code"], document["code2"], -1, collator.get());
}

TEST(KeyString, SortsBetweenItsBounds) {
  RandomValues random(7);
  for (int i = 0; i < 500; ++i) {
    const Value value = random.next();
    std::string up, down;
    append_key_string(up, value.element());
    append_key_string(down, value.element(), nullptr, true);
    for (const auto& key : {up, down}) {
      EXPECT_LT(key_string_lowest(), key);
      EXPECT_GT(key_string_highest(), key);
    }
  }
}

TEST(KeyString, OrdersRandomPairsAsCompareDoes) {
  RandomValues random(42);
  const auto collator = Collator::open(make_document({{"locale", "fr"}, {"strength", 1}})).value();
  for (int i = 0; i < 100'000 && !::testing::Test::HasFailure(); ++i) {
    const Value a = random.next();
    const Value b = random.near(a);
    expect_order(a.element(), b.element(), sign(compare_values(a.element(), b.element())));
    if (i % 20 != 0) continue;
    expect_order(a.element(), b.element(), sign(compare_values(a.element(), b.element(), collator.get())), collator.get());
  }
}

TEST(KeyString, CompoundKeysOrderByTheirParts) {
  RandomValues random(43);
  for (int i = 0; i < 20'000 && !::testing::Test::HasFailure(); ++i) {
    const Value a = random.next(), b = random.near(a), c = random.next(), d = random.next();
    std::string left, right;
    append_key_string(left, a.element(), nullptr, true);
    append_key_string(left, c.element());
    append_key_string(right, b.element(), nullptr, true);
    append_key_string(right, d.element());
    const int first = -sign(compare_values(a.element(), b.element()));
    const int expected = first ? first : sign(compare_values(c.element(), d.element()));
    EXPECT_EQ(sign(left.compare(right)), expected);
  }
}

TEST(Compare, IsTransitiveOverNumbers) {
  RandomValues random(44);
  for (int i = 0; i < 50'000 && !::testing::Test::HasFailure(); ++i) {
    const Value a = random.number(), b = random.near(a), c = random.near(b);
    const int ab = compare_values(a.element(), b.element());
    const int bc = compare_values(b.element(), c.element());
    if (ab <= 0 && bc <= 0) {
      EXPECT_LE(compare_values(a.element(), c.element()), ab == 0 && bc == 0 ? 0 : -1);
    }
  }
}

}  // namespace
}  // namespace drover::bson
