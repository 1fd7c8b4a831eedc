#include "api/schema_text.h"

#include <gtest/gtest.h>

#include <set>

#include "api/operation_schemas.h"
#include "api/rest.h"

namespace drover::api {
namespace {

TEST(SchemaText, IsReadAsASchema) {
  EXPECT_EQ(dump_sorted(schema_of_fields("id!:id note?:string on:bool kind!:'A|B' links:Link[] value!?:number"), false),
            R"({"properties":{"id":{"pattern":"^([a-f0-9]{24})$","type":"string"},"kind":{"enum":["A","B"],"type":"string"},)"
            R"("links":{"items":{"$ref":"#/components/schemas/Link"},"type":"array"},"note":{"nullable":true,"type":"string"},"on":{"type":"boolean"},)"
            R"("value":{"format":"double","nullable":true,"type":"number"}},"required":["id","kind","value"],"type":"object"})");
  EXPECT_EQ(dump_sorted(schema_of_fields("a:any b?:Link ..."), false),
            R"({"additionalProperties":true,"properties":{"a":{},"b":{"anyOf":[{"$ref":"#/components/schemas/Link"},{"enum":[null],"nullable":true,"type":"object"}]}},"type":"object"})");
  EXPECT_EQ(dump_sorted(Json(query_parameters("m:string[]")), false), R"([{"in":"query","name":"m","required":false,"schema":{"items":{"type":"string"},"type":"array"}}])");
}

// Every reference of a schema leads somewhere.
void follow(const Json& value, const std::set<std::string>& names) {
  if (const auto* target = value.find("$ref")) {
    EXPECT_TRUE(names.contains(target->as_string()->substr(std::string_view("#/components/schemas/").size()))) << *target->as_string();
  }
  if (value.as_object())
    for (const auto& [name, inner] : *value.as_object()) follow(inner, names);
  if (value.as_array())
    for (const auto& inner : *value.as_array()) follow(inner, names);
}

TEST(Components, ReferToEachOther) {
  const auto all = schema_components();
  std::set<std::string> names;
  for (const auto& [name, schema] : *all.as_object()) EXPECT_TRUE(names.insert(name).second) << name;
  EXPECT_TRUE(names.contains("PaginatedCluster"));
  follow(all, names);
}

}  // namespace
}  // namespace drover::api
