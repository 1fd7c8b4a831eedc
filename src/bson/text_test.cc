#include <limits>

#include <gtest/gtest.h>

#include "bson/builder.h"
#include "bson/decimal.h"
#include "bson/ejson.h"

namespace drover::bson {
namespace {

std::string shell(const char* ejson) { return to_shell(from_ejson(ejson).value().view()); }

TEST(Shell, PrintsAsTheServersMessages) {
  EXPECT_EQ(shell("{}"), "{}");
  EXPECT_EQ(shell(R"({"_id": 1, "d": 1.0, "x": 2.5, "l": {"$numberLong": "7"}, "s": "x", "n": null, "b": true, "e": [], "a": [1, {}]})"),
            "{ _id: 1, d: 1.0, x: 2.5, l: 7, s: \"x\", n: null, b: true, e: [], a: [ 1, {} ] }");
  EXPECT_EQ(shell(R"({"o": {"$oid": "0102030405060708090a0b0c"}, "t": {"$timestamp": {"t": 4000000000, "i": 1}},
    "d": {"$date": {"$numberLong": "5"}}, "m": {"$minKey": 1}, "M": {"$maxKey": 1}, "u": {"$undefined": true}})"),
            "{ o: ObjectId('0102030405060708090a0b0c'), t: Timestamp(4000000000, 1), d: new Date(5), m: MinKey, M: MaxKey, "
            "u: undefined }");
  EXPECT_EQ(shell(R"({"r": {"$regularExpression": {"pattern": "a", "options": "i"}}, "b": {"$binary": {"base64": "Af8=", "subType": "00"}},
    "u": {"$binary": {"base64": "ABEiM0RVZneImaq7zN3u/w==", "subType": "04"}}, "c": {"$code": "f"}, "n": {"$numberDecimal": "2.50"}})"),
            "{ r: /a/i, b: BinData(0, 01FF), u: UUID(\"00112233-4455-6677-8899-aabbccddeeff\"), c: f, n: 2.50 }");
  EXPECT_EQ(shell(R"({"big": 1e300, "third": 0.3333333333333333, "inf": {"$numberDouble": "Infinity"}})"),
            "{ big: 1e+300.0, third: 0.3333333333333333, inf: inf.0 }");
}

TEST(Shell, CutsLongStrings) {
  const std::string exact(159, 'x'), longer(160, 'x');
  EXPECT_EQ(to_shell(make_document({{"s", exact}})["s"]), "\"" + exact + "\"");
  EXPECT_EQ(to_shell(make_document({{"s", longer}})["s"]), "\"" + std::string(150, 'x') + "...\"");
}

TEST(ExtendedJson, ADecimalThatIsNoneIsRefused) {
  const auto reads = [](const std::string& number) { return from_ejson("{\"a\": [{\"$numberDecimal\" : \"" + number + "\"}]}").has_value(); };
  for (const char* number : {"1", "-1.50E+6144", "NaN", "-Infinity"}) EXPECT_TRUE(reads(number)) << number;
  for (const char* number : {"", "1x", "E5", "1E6145", "1234567890123456789012345678901234567"}) EXPECT_FALSE(reads(number)) << number;
  EXPECT_TRUE(from_ejson(R"({"a": "{\"$numberDecimal\": \"x\"}", "b": {"$numberInt": "1"}})"));
}

TEST(Decimal, PrintsByTheServersRule) {
  const auto printed = [](const char* text) { return decimal_to_string(decimal_from_string(text).value()); };
  EXPECT_EQ(printed("1"), "1");
  EXPECT_EQ(printed("-2.50"), "-2.50");
  EXPECT_EQ(printed("0.001"), "0.001");
  EXPECT_EQ(printed("0.0001"), "1E-4");
  EXPECT_EQ(printed("123456789012"), "123456789012");
  EXPECT_EQ(printed("1234567890123"), "1.234567890123E+12");
  EXPECT_EQ(printed("1E3"), "1E+3");
  EXPECT_EQ(printed("-inf"), "-Infinity");
  EXPECT_EQ(printed("NaN"), "NaN");
  for (const char* bad : {"", "-", ".", "1e", "1.2.3", "0x1", "1 ", "nano"}) EXPECT_FALSE(decimal_from_string(bad)) << bad;
}

TEST(Decimal, ConvertsDoublesWith15Digits) {
  EXPECT_EQ(decimal_to_string(decimal_from_double(0.1)), "0.100000000000000");
  EXPECT_EQ(decimal_to_string(decimal_from_double(2.5)), "2.50000000000000");
  EXPECT_EQ(decimal_to_string(decimal_from_double(-999999999999999.9)), "-1.00000000000000E+15");
  EXPECT_EQ(decimal_to_string(decimal_from_double(0)), "0");
  EXPECT_EQ(decimal_to_string(decimal_from_double(std::numeric_limits<double>::infinity())), "Infinity");
}

TEST(Decimal, CalculatesAndCompares) {
  const auto d = [](const char* text) { return decimal_from_string(text).value(); };
  EXPECT_EQ(decimal_to_string(decimal_add(d("0.1"), d("0.2"))), "0.3");
  EXPECT_EQ(decimal_to_string(decimal_subtract(d("1"), d("0.9"))), "0.1");
  EXPECT_EQ(decimal_to_string(decimal_multiply(d("1.5"), d("2"))), "3.0");
  EXPECT_EQ(decimal_to_string(decimal_divide(d("1"), d("4"))), "0.25");
  EXPECT_EQ(decimal_to_string(decimal_modulo(d("-7"), d("4"))), "-3");
  EXPECT_TRUE(decimal_is_nan(decimal_divide(d("0"), d("0"))));
  EXPECT_TRUE(decimal_is_zero(d("-0.00")));
  EXPECT_EQ(decimal_compare(d("NaN"), d("-inf")), -1);
  EXPECT_EQ(decimal_compare(d("NaN"), d("-NaN")), 0);
  EXPECT_EQ(decimal_compare(d("1.0"), d("1")), 0);
  EXPECT_EQ(decimal_to_int64(d("9223372036854775807.9")), INT64_MAX);
  EXPECT_EQ(decimal_to_int64(d("9223372036854775808")), std::nullopt);
  EXPECT_EQ(decimal_to_int64(d("NaN")), std::nullopt);
  EXPECT_EQ(decimal_to_int64(d("-7.9")), -7);
  EXPECT_EQ(decimal_to_double(d("0.1")), 0.1);
}

}  // namespace
}  // namespace drover::bson
