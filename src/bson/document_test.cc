#include "bson/document.h"

#include <gtest/gtest.h>

#include "bson/builder.h"
#include "bson/ejson.h"
#include "bson/hash.h"
#include "bson/types.h"
#include "bson/validate.h"

namespace drover::bson {
namespace {

constexpr const char* kEveryType = R"json({
  "double": 1.5, "string": "x", "document": {"a": 1}, "array": [1, "two"], "binary": {"$binary": {"base64": "AQI=", "subType": "00"}},
  "undefined": {"$undefined": true}, "oid": {"$oid": "0102030405060708090a0b0c"}, "bool": true,
  "date": {"$date": {"$numberLong": "-5"}}, "null": null, "regex": {"$regularExpression": {"pattern": "a.b", "options": "i"}},
  "pointer": {"$dbPointer": {"$ref": "db.c", "$id": {"$oid": "0102030405060708090a0b0c"}}}, "code": {"$code": "f()"},
  "symbol": {"$symbol": "s"}, "scoped": {"$code": "g()", "$scope": {"v": 2}}, "int": 7,
  "timestamp": {"$timestamp": {"t": 9, "i": 3}}, "long": {"$numberLong": "9007199254740993"},
  "decimal": {"$numberDecimal": "0.1"}, "min": {"$minKey": 1}, "max": {"$maxKey": 1}})json";

TEST(Document, ReadsEveryType) {
  const Document document = from_ejson(kEveryType).value();
  ASSERT_TRUE(validate(document.bytes()));
  EXPECT_EQ(document.view().field_count(), 21u);
  EXPECT_EQ(document["double"].double_value(), 1.5);
  EXPECT_EQ(document["string"].string_value(), "x");
  EXPECT_EQ(document["document"].document_value()["a"].int32_value(), 1);
  EXPECT_EQ(document.view().at_path("array.1").string_value(), "two");
  EXPECT_FALSE(document.view().at_path("array.1.x"));
  EXPECT_EQ(document["binary"].binary_value().data[1], 2);
  EXPECT_EQ(document["oid"].object_id_value().to_string(), "0102030405060708090a0b0c");
  EXPECT_TRUE(document["bool"].bool_value());
  EXPECT_EQ(document["date"].date_value().millis, -5);
  EXPECT_EQ(document["regex"].regex_value().pattern, "a.b");
  EXPECT_EQ(document["regex"].regex_value().options, "i");
  EXPECT_EQ(document["pointer"].db_pointer_value().ns, "db.c");
  EXPECT_EQ(document["pointer"].db_pointer_value().id, document["oid"].object_id_value());
  EXPECT_EQ(document["code"].string_value(), "f()");
  EXPECT_EQ(document["scoped"].code_with_scope_code(), "g()");
  EXPECT_EQ(document["scoped"].code_with_scope_scope()["v"].int32_value(), 2);
  EXPECT_EQ(document["timestamp"].timestamp_value(), (Timestamp{9, 3}));
  EXPECT_EQ(document["timestamp"].timestamp_value().to_string(), "9.3");
  EXPECT_EQ(document["long"].int64_value(), 9007199254740993);
  EXPECT_EQ(document["max"].type(), Type::kMaxKey);
  EXPECT_FALSE(document["absent"]);
}

TEST(Document, BuilderReproducesEveryElement) {
  const Document document = from_ejson(kEveryType).value();
  Builder by_value, raw;
  for (const Element& element : document) {
    by_value.append(element.key(), element);
    raw.append_raw(element);
  }
  EXPECT_EQ(std::move(by_value).finish(), document);
  EXPECT_EQ(std::move(raw).finish(), document);
}

TEST(Document, BuilderBuildsWhatLibbsonParses) {
  Builder builder;
  builder.append("find", "t").append("limit", 1).append("big", std::int64_t{1} << 40).append("half", 0.5);
  {
    auto filter = builder.open_document("filter");
    filter.append("a", true).append("n", Null{});
    auto list = filter.open_array("in");
    list.append(1).append("x");
    { auto inner = list.open_document(); inner.append("k", MinKey{}); }
    list.open_array().append(MaxKey{});
  }
  builder.append("t", Timestamp{1, 2}).append("r", Regex{"p", "i"}).append("c", Code{"f"}).append("u", Undefined{});
  const auto size = builder.size();
  const Document built = std::move(builder).finish();
  EXPECT_EQ(built.size(), size);
  EXPECT_EQ(built, from_ejson(R"({"find": "t", "limit": 1, "big": {"$numberLong": "1099511627776"}, "half": 0.5,
    "filter": {"a": true, "n": null, "in": [1, "x", {"k": {"$minKey": 1}}, [{"$maxKey": 1}]]},
    "t": {"$timestamp": {"t": 1, "i": 2}}, "r": {"$regularExpression": {"pattern": "p", "options": "i"}},
    "c": {"$code": "f"}, "u": {"$undefined": true}})").value());
}

TEST(Document, MakeDocumentKeepsOrderAndTypes) {
  const Document made = make_document({{"ping", 1}, {"$db", "admin"}, {"x", make_document({{"y", 2.0}})}});
  EXPECT_EQ(to_canonical_ejson(made),
            R"({ "ping" : { "$numberInt" : "1" }, "$db" : "admin", "x" : { "y" : { "$numberDouble" : "2.0" } } })");
  EXPECT_EQ(make_array(std::vector{made, Document()}).view().field_count(), 2u);
  EXPECT_EQ(to_ejson(made["x"]), R"({ "y" : { "$numberDouble" : "2.0" } })");
  EXPECT_EQ(to_ejson(made["$db"]), R"("admin")");
}

TEST(Document, PrintsWhatIsNotUtf8) {
  const Document odd = make_document({{"a", "\xff"}});
  EXPECT_EQ(to_canonical_ejson(odd), R"({ "$bson" : "0e00000002610002000000ff0000" })");
  EXPECT_TRUE(to_ejson(odd["a"]).starts_with(R"({ "$bson" : )"));
}

TEST(Document, ForgivingReaders) {
  const Document document = from_ejson(R"({"i": 3, "d": 3.9, "nan": {"$numberDouble": "NaN"}, "huge": 1e300, "s": "x", "zero": 0.0,
    "dec": {"$numberDecimal": "-7.9"}, "dzero": {"$numberDecimal": "0E+3"}, "null": null, "no": false, "doc": {}})").value();
  EXPECT_EQ(document["i"].to_int64(), 3);
  EXPECT_EQ(document["d"].to_int64(), 3);
  EXPECT_EQ(document["dec"].to_int64(), -7);
  EXPECT_EQ(document["nan"].to_int64(), std::nullopt);
  EXPECT_EQ(document["huge"].to_int64(), std::nullopt);
  EXPECT_EQ(document["s"].to_int64(), std::nullopt);
  EXPECT_EQ(document["absent"].to_int64(), std::nullopt);
  EXPECT_EQ(document["dec"].to_double(), -7.9);
  EXPECT_EQ(document["s"].to_string_view(), "x");
  EXPECT_TRUE(document["doc"].to_document());
  EXPECT_FALSE(document["doc"].to_array());
  for (const char* key : {"zero", "dzero", "null", "no", "absent"}) EXPECT_FALSE(document[key].is_truthy()) << key;
  for (const char* key : {"i", "nan", "s", "doc", "dec"}) EXPECT_TRUE(document[key].is_truthy()) << key;
}

TEST(Document, UuidsRoundTrip) {
  const Uuid uuid = *Uuid::parse("00112233-4455-6677-8899-aabbccddeeff");
  const Document document = make_document({{"u", uuid}});
  EXPECT_EQ(document["u"].to_uuid(), uuid);
}

TEST(Document, ValueOutlivesItsDocument) {
  Value value;
  EXPECT_FALSE(value.exists());
  EXPECT_EQ(value.type(), Type::kEnd);
  { value = Value(make_document({{"_id", "key"}})["_id"]); }
  EXPECT_EQ(value.element().string_value(), "key");
  EXPECT_TRUE(value.element().same_value_bytes(make_document({{"other", "key"}}).view().first()));
}

TEST(Hash, SumDoesNotDependOnOrder) {
  const Hash128 a{~0ull, 1}, b{2, ~0ull}, c = hash_bytes(make_document({{"a", 1}}).bytes());
  HashSum forward, backward;
  for (const auto& hash : {a, b, c}) forward.add(hash);
  for (const auto& hash : {c, b, a}) backward.add(hash);
  EXPECT_EQ(forward, backward);
  forward.remove(b);
  forward.remove(c);
  EXPECT_EQ(forward, (HashSum{a.low, a.high, 1}));
  EXPECT_EQ(a.to_hex(), "0000000000000001ffffffffffffffff");
}

}  // namespace
}  // namespace drover::bson
