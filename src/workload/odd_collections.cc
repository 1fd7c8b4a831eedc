#include "workload/odd_collections.h"

#include <limits>
#include <string>

#include <fmt/format.h>

#include "bson/builder.h"
#include "bson/decimal.h"

namespace drover::workload {
namespace {

using bson::make_document;

constexpr const char* kDatabase = "oddities";
constexpr std::size_t kLongestNamespace = 255;
constexpr std::size_t kLargeStringBytes = 15 << 20;  // a document a little below 16 MB

bson::Decimal128 decimal(const char* text) { return *bson::decimal_from_string(text); }

Uuid some_uuid() { return *Uuid::parse("5ca1ab1e-0000-4000-8000-00000000cafe"); }

// One document per builder call: {_id: value, kind: "..."}.
class Documents {
 public:
  template <typename T>
  Documents& id(std::string_view kind, const T& value) {
    bson::Builder out;
    out.append("_id", value).append("kind", kind);
    all_.push_back(std::move(out).finish());
    return *this;
  }
  std::vector<bson::Document> take() { return std::move(all_); }

 private:
  std::vector<bson::Document> all_;
};

std::vector<bson::Document> every_id() {
  static constexpr std::uint8_t kBytes[] = {0, 1, 2, 0xff};
  Documents out;
  out.id("minKey", bson::MinKey{}).id("maxKey", bson::MaxKey{}).id("null", bson::Null{});
  out.id("nan", std::numeric_limits<double>::quiet_NaN()).id("infinity", std::numeric_limits<double>::infinity());
  out.id("negative infinity", -std::numeric_limits<double>::infinity()).id("negative zero", -0.0);
  out.id("int32", std::int32_t{1}).id("double", 2.0).id("int64", std::int64_t{3}).id("decimal", decimal("4.00"));
  out.id("close to 2^53", std::int64_t{9007199254740993}).id("largest int64", std::numeric_limits<std::int64_t>::max());
  out.id("smallest double", std::numeric_limits<double>::denorm_min()).id("largest decimal", decimal("9.999E+6144"));
  out.id("string", "text").id("empty string", "").id("string with NUL", std::string_view("a\0b", 3)).id("numeric string", "1");
  out.id("empty document", bson::Document()).id("document", make_document({{"a", 1}, {"b", "x"}}));
  out.id("document, other order", make_document({{"b", "x"}, {"a", 1}}));
  out.id("binary", bson::Binary{0, kBytes}).id("user binary", bson::Binary{0x80, kBytes}).id("uuid", some_uuid());
  out.id("objectId", bson::ObjectId{{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}}).id("false", false).id("true", true);
  out.id("date", bson::DateTime{1'600'000'000'000}).id("date before 1970", bson::DateTime{-1});
  out.id("timestamp", bson::Timestamp{1'600'000'000, 7}).id("code", bson::Code{"function() { return 1; }"});
  return out.take();
}

std::vector<bson::Document> every_value() {
  static constexpr std::uint8_t kBytes[] = {9, 8, 7};
  bson::Builder out;
  out.append("_id", 1).append("double", 1.0).append("int32", 1).append("int64", std::int64_t{1}).append("decimal", decimal("1.0"));
  out.append("nan", std::numeric_limits<double>::quiet_NaN()).append("negativeZero", -0.0).append("decimalNan", decimal("NaN"));
  out.append("string", "z\xc3\xbcrich").append("null", bson::Null{}).append("bool", true).append("date", bson::DateTime{1});
  out.append("timestamp", bson::Timestamp{1, 2}).append("binary", bson::Binary{0, kBytes}).append("uuid", some_uuid());
  out.append("regex", bson::Regex{"^a.*b$", "im"}).append("code", bson::Code{"x"}).append("minKey", bson::MinKey{});
  out.append("maxKey", bson::MaxKey{}).append("objectId", bson::ObjectId{}).append("undefined", bson::Undefined{});
  out.append("empty", bson::Document());
  {
    auto array = out.open_array("mixed");
    array.append(1).append(1.0).append("1").append(bson::Null{}).append(make_document({{"deep", make_document({{"er", 1}})}}));
    auto inner = array.open_array();
    inner.append(true);
  }
  std::vector<bson::Document> all;
  all.push_back(std::move(out).finish());
  return all;
}

std::vector<bson::Document> odd_names() {
  std::vector<bson::Document> all;
  all.push_back(make_document({{"_id", 1}, {"", "empty name"}, {"a b", "space"}, {"\xc3\xbc", "not ASCII"}}));
  all.push_back(make_document({{"_id", 2}, {"nested", make_document({{"a.b", "dot"}, {"c.d.e", 1}, {"0", "digit"}})}}));
  all.push_back(make_document({{"_id", 3}, {std::string(1000, 'n'), "long name"}}));
  all.push_back(make_document({{"_id", 4}, {"z", 1}, {"y", 2}, {"x", 3}, {"_ID", 4}, {"length", 5}, {"__proto__", 6}}));
  return all;
}

std::vector<bson::Document> numbered(int count, const char* text) {
  std::vector<bson::Document> all;
  for (int i = 0; i < count; ++i) {
    bson::Builder out;
    out.append("_id", i).append("name", fmt::format("{} {}", text, i)).append("quantity", static_cast<std::int64_t>(i) * 7);
    out.append("rank", -static_cast<double>(i) / 4);
    auto tags = out.open_array("tags");
    for (int tag = 0; tag < i % 4; ++tag) tags.append(fmt::format("tag{}", (i + tag) % 10));
    tags.close();
    all.push_back(std::move(out).finish());
  }
  return all;
}

std::vector<bson::Document> large() {
  std::vector<bson::Document> all;
  for (int i = 0; i < 2; ++i)
    all.push_back(make_document({{"_id", i}, {"text", std::string(kLargeStringBytes, static_cast<char>('a' + i))}}));
  return all;
}

}  // namespace

std::vector<OddCollection> odd_collections() {
  const auto named = [](const std::string& name) { return Namespace{kDatabase, name}; };
  const std::string longest(kLongestNamespace - std::string(kDatabase).size() - 1, 'l');
  bson::ArrayBuilder pipeline;
  pipeline.append(make_document({{"$match", make_document({{"quantity", make_document({{"$gt", std::int64_t{100}}})}})}}));
  const auto stages = std::move(pipeline).finish();
  bson::Builder view;
  view.append("viewOn", "indexed").append("pipeline", bson::ArrayView{stages.view()});

  std::vector<OddCollection> all;
  all.push_back({.ns = named("every_id"), .documents = every_id(), .indexes = {R"({"key":{"kind":1},"name":"kind","unique":true})"}});
  all.push_back({.ns = named("every_value"), .documents = every_value()});
  all.push_back({.ns = named("field names"), .documents = odd_names()});
  all.push_back({.ns = named("empty")});
  all.push_back({.ns = named("empty.with.indexes"),
                 .indexes = {R"({"key":{"a":1,"b.c":-1},"name":"a_b","unique":true})", R"({"key":{"d":1},"name":"d","sparse":true})"}});
  all.push_back({.ns = named("collated"),
                 .options = make_document({{"collation", make_document({{"locale", "fr"}, {"strength", 2}})}}),
                 .documents = numbered(500, "\xc3\xa9t\xc3\xa9"),
                 .indexes = {R"({"key":{"name":1},"name":"name"})"}});
  all.push_back({.ns = named("validated"),
                 .options = make_document({{"validator", make_document({{"quantity", make_document({{"$gte", 0}})}})},
                                           {"validationLevel", "moderate"}}),
                 .documents = numbered(500, "valid")});
  all.push_back({.ns = named("indexed"),
                 .documents = numbered(2000, "item"),
                 .indexes = {R"({"key":{"name":1},"name":"by name","unique":true})",
                             R"({"key":{"quantity":-1,"rank":1},"name":"quantity_rank"})",
                             R"({"key":{"tags":1},"name":"tags"})",
                             R"({"key":{"rank":1},"name":"negative","partialFilterExpression":{"rank":{"$lt":-100}}})",
                             R"({"key":{"absent":1},"name":"absent","unique":true,"sparse":true})"}});
  all.push_back({.ns = named("large"), .documents = large()});
  all.push_back({.ns = named(longest), .documents = numbered(3, "long")});
  all.push_back({.ns = named("view of many"), .options = std::move(view).finish()});
  return all;
}

}  // namespace drover::workload
