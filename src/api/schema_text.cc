#include "api/schema_text.h"

#include <cctype>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/check.h"

namespace drover::api {
namespace {

struct Field {
  std::string_view name, type;
  bool required = false, nullable = false;
};

std::vector<std::string_view> words(std::string_view text, char separator) {
  std::vector<std::string_view> all;
  while (!text.empty()) {
    const auto end = text.find(separator);
    if (end != 0) all.push_back(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  return all;
}

Field field_of(std::string_view word) {
  const auto colon = word.find(':');
  CHECK(colon != std::string_view::npos && colon != 0 && colon + 1 < word.size(), "a field of a schema has a name and a type");
  Field field{word.substr(0, colon), word.substr(colon + 1)};
  for (; field.name.ends_with('!') || field.name.ends_with('?'); field.name.remove_suffix(1)) (field.name.back() == '!' ? field.required : field.nullable) = true;
  return field;
}

Json typed(const char* type, const char* format = nullptr) {
  Json::Object schema{{"type", type}};
  if (format != nullptr) schema.emplace_back("format", format);
  return schema;
}

Json with_null(Json schema) {
  // OpenAPI 3.0 ignores what stands beside a reference, and `nullable` that stands beside no type: where all of a schema of a type must hold, null does not.
  if (schema.find("$ref") != nullptr) {
    Json nothing = Json::Object{{"type", "object"}, {"nullable", true}, {"enum", Json::Array{Json()}}};
    return Json::Object{{"anyOf", Json::Array{std::move(schema), std::move(nothing)}}};
  }
  auto fields = *schema.as_object();
  if (fields.empty()) return schema;
  fields.emplace_back("nullable", true);
  return fields;
}

}  // namespace

Json schema_of_type(std::string_view type) {
  if (type.ends_with("[]")) return Json::Object{{"type", "array"}, {"items", schema_of_type(type.substr(0, type.size() - 2))}};
  if (type == "string") return typed("string");
  if (type == "int") return typed("integer", "int32");
  if (type == "int64") return typed("integer", "int64");
  if (type == "number") return typed("number", "double");
  if (type == "bool") return typed("boolean");
  if (type == "time") return typed("string", "date-time");
  if (type == "object") return typed("object");
  if (type == "any") return Json::Object{};
  if (type == "id") return Json::Object{{"type", "string"}, {"pattern", "^([a-f0-9]{24})$"}};
  if (type.size() > 2 && type.front() == '\'' && type.back() == '\'') {
    Json::Array values;
    for (const auto word : words(type.substr(1, type.size() - 2), '|')) values.emplace_back(word);
    return Json::Object{{"type", "string"}, {"enum", std::move(values)}};
  }
  CHECK(std::isupper(static_cast<unsigned char>(type.front())) != 0, "a type of a schema is known, or another schema's name");
  return Json::Object{{"$ref", fmt::format("#/components/schemas/{}", type)}};
}

Json schema_of_fields(std::string_view fields) {
  Json::Object properties;
  Json::Array required;
  bool open = false;
  for (const auto word : words(fields, ' ')) {
    if (word == "...") {
      open = true;
      continue;
    }
    const auto field = field_of(word);
    auto schema = schema_of_type(field.type);
    properties.emplace_back(field.name, field.nullable ? with_null(std::move(schema)) : std::move(schema));
    if (field.required) required.emplace_back(field.name);
  }
  Json::Object schema{{"type", "object"}, {"properties", std::move(properties)}};
  if (!required.empty()) schema.emplace_back("required", std::move(required));
  if (open) schema.emplace_back("additionalProperties", true);
  return schema;
}

Json::Array query_parameters(std::string_view fields) {
  Json::Array parameters;
  for (const auto word : words(fields, ' ')) {
    const auto field = field_of(word);
    parameters.push_back(Json::Object{{"name", field.name}, {"in", "query"}, {"required", field.required}, {"schema", schema_of_type(field.type)}});
  }
  return parameters;
}

}  // namespace drover::api
