// $jsonSchema: JSON Schema draft 4 as the server takes it, with bsonType and without $ref, format, default, integer.
#include <algorithm>
#include <cmath>

#include <fmt/core.h>

#include "bson/compare.h"
#include "bson/decimal.h"
#include "bson/ejson.h"
#include "sandbox/query/errors.h"
#include "sandbox/query/match_node.h"
#include "sandbox/query/schema_encrypt.h"

namespace drover::sandbox::query {

using bson::Element;
using bson::Type;
using bson::View;

namespace {

std::size_t code_points(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

// The order in which schemas compare documents: fields sorted by name.
int compare_unordered(const Element& a, const Element& b);

int compare_fields(std::vector<Element> a, std::vector<Element> b, bool by_name) {
  const auto name = [](const Element& x, const Element& y) { return x.key() < y.key(); };
  if (by_name) std::ranges::stable_sort(a, name);
  if (by_name) std::ranges::stable_sort(b, name);
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (const int order = by_name ? a[i].key().compare(b[i].key()) : 0; order != 0) return order;
    if (const int order = compare_unordered(a[i], b[i]); order != 0) return order;
  }
  return a.size() == b.size() ? 0 : a.size() < b.size() ? -1 : 1;
}

int compare_unordered(const Element& a, const Element& b) {
  const bool nested = a.type() == b.type() && (a.is_document() || a.is_array());
  if (!nested) return bson::compare_values(a, b);
  const View left = a.document_value();
  const View right = b.document_value();
  return compare_fields({left.begin(), left.end()}, {right.begin(), right.end()}, a.is_document());
}

struct Schema;
using SchemaPtr = std::unique_ptr<Schema>;

struct Dependency {
  std::string field;
  std::vector<std::string> required;
  SchemaPtr schema;
};

// What one schema object demands of a value. Each member is checked only when the value's type is one that the keyword
// is about.
struct Schema {
  std::optional<TypeSet> types;
  bool encrypted = false;
  std::optional<TypeSet> encrypted_types;
  std::vector<Element> enumeration;
  bool has_enum = false;
  Element minimum, maximum, multiple_of;
  bool exclusive_minimum = false, exclusive_maximum = false;
  std::optional<std::int64_t> min_length, max_length, min_items, max_items, min_properties, max_properties;
  std::shared_ptr<const CompiledRegex> pattern;
  bool unique_items = false;
  SchemaPtr items;
  std::vector<SchemaPtr> item_list;
  bool has_item_list = false;
  std::optional<bool> additional_items_allowed;
  SchemaPtr additional_items;
  std::vector<std::string> required;
  std::vector<std::pair<std::string, SchemaPtr>> properties;
  std::vector<std::pair<std::shared_ptr<const CompiledRegex>, SchemaPtr>> pattern_properties;
  std::optional<bool> additional_properties_allowed;
  SchemaPtr additional_properties;
  std::vector<Dependency> dependencies;
  std::vector<SchemaPtr> all_of, any_of, one_of;
  SchemaPtr negated;

  bool accepts(const Element& value) const;
  bool accepts_number(const Element& value) const;
  bool accepts_string(std::string_view text) const;
  bool accepts_array(View array) const;
  bool accepts_object(View object) const;
  bool accepts_document(View object) const;  // the same, with the keywords that are about any type
  bool accepts_field(const Element& field) const;
};

bool Schema::accepts_number(const Element& value) const {
  // As in comparisons: NaN lies within no bounds but its own.
  const auto beside = [&](const Element& bound) { return bound.exists() && is_nan(value) != is_nan(bound); };
  if (beside(minimum) || beside(maximum)) return false;
  if (minimum.exists()) {
    const int order = bson::compare_values(value, minimum);
    if (order < 0 || (order == 0 && exclusive_minimum)) return false;
  }
  if (maximum.exists()) {
    const int order = bson::compare_values(value, maximum);
    if (order > 0 || (order == 0 && exclusive_maximum)) return false;
  }
  if (!multiple_of.exists()) return true;
  const auto decimal = [](const Element& e) {
    if (e.type() == Type::kDecimal128) return e.decimal_value();
    return e.type() == Type::kDouble ? bson::decimal_from_double(e.double_value()) : bson::decimal_from_int64(e.to_int64().value_or(0));
  };
  return bson::decimal_is_zero(bson::decimal_modulo(decimal(value), decimal(multiple_of)));
}

bool Schema::accepts_string(std::string_view text) const {
  if (min_length || max_length) {
    const auto length = static_cast<std::int64_t>(code_points(text));
    if ((min_length && length < *min_length) || (max_length && length > *max_length)) return false;
  }
  return !pattern || pattern->found_in(text);
}

bool Schema::accepts_array(View array) const {
  const auto count = static_cast<std::int64_t>(array.field_count());
  if ((min_items && count < *min_items) || (max_items && count > *max_items)) return false;
  std::size_t index = 0;
  for (const Element& item : array) {
    if (items && !items->accepts(item)) return false;
    if (index < item_list.size()) {
      if (!item_list[index]->accepts(item)) return false;
    } else if (has_item_list) {
      if (additional_items_allowed == false) return false;
      if (additional_items && !additional_items->accepts(item)) return false;
    }
    ++index;
  }
  return !unique_items || !schema_duplicate(array).exists();
}

bool Schema::accepts_field(const Element& field) const {
  bool known = false;
  for (const auto& [name, schema] : properties) {
    if (name != field.key()) continue;
    known = true;
    if (!schema->accepts(field)) return false;
  }
  for (const auto& [regex, schema] : pattern_properties) {
    if (!regex->found_in(field.key())) continue;
    known = true;
    if (!schema->accepts(field)) return false;
  }
  if (known) return true;
  if (additional_properties_allowed == false) return false;
  return !additional_properties || additional_properties->accepts(field);
}

bool Schema::accepts_object(View object) const {
  for (const auto& name : required) {
    if (!object[name]) return false;
  }
  const auto count = static_cast<std::int64_t>(object.field_count());
  if ((min_properties && count < *min_properties) || (max_properties && count > *max_properties)) return false;
  for (const auto& dependency : dependencies) {
    if (!object[dependency.field]) continue;
    for (const auto& name : dependency.required) {
      if (!object[name]) return false;
    }
    if (dependency.schema && !dependency.schema->accepts_document(object)) return false;
  }
  for (const Element& field : object) {
    if (!accepts_field(field)) return false;
  }
  const auto holds = [&](const SchemaPtr& schema) { return schema->accepts_document(object); };
  if (!std::all_of(all_of.begin(), all_of.end(), holds)) return false;
  if (!any_of.empty() && std::none_of(any_of.begin(), any_of.end(), holds)) return false;
  if (!one_of.empty() && std::count_if(one_of.begin(), one_of.end(), holds) != 1) return false;
  return !negated || !negated->accepts_document(object);
}

bool Schema::accepts_document(View object) const {
  if (encrypted || (types && !types->contains(Type::kDocument))) return false;
  const auto same = [&](const Element& allowed) {
    if (!allowed.is_document()) return false;
    const View other = allowed.document_value();
    return compare_fields({object.begin(), object.end()}, {other.begin(), other.end()}, true) == 0;
  };
  return (!has_enum || std::ranges::any_of(enumeration, same)) && accepts_object(object);
}

bool Schema::accepts(const Element& value) const {
  if (types && !types->contains(value.type())) return false;
  if (encrypted && !is_encrypted(value)) return false;
  if (encrypted_types && !is_encrypted_from(value, *encrypted_types)) return false;
  if (has_enum && std::none_of(enumeration.begin(), enumeration.end(),
                               [&](const Element& allowed) { return compare_unordered(allowed, value) == 0; })) {
    return false;
  }
  if (value.is_number() && !accepts_number(value)) return false;
  if (value.is_string() && !accepts_string(value.string_value())) return false;
  if (value.is_array() && !accepts_array(value.document_value())) return false;
  if (value.is_document()) return accepts_object(value.document_value());
  const auto holds = [&](const SchemaPtr& schema) { return schema->accepts(value); };
  if (!std::all_of(all_of.begin(), all_of.end(), holds)) return false;
  if (!any_of.empty() && std::none_of(any_of.begin(), any_of.end(), holds)) return false;
  if (!one_of.empty() && std::count_if(one_of.begin(), one_of.end(), holds) != 1) return false;
  return !negated || !negated->accepts(value);
}

class SchemaParser {
 public:
  explicit SchemaParser(ServerVersion version) : version_(version) {}

  Result<SchemaPtr> parse(const Element& source) const {
    if (!source.is_document()) {
      return bad(code::kTypeMismatch, fmt::format("$jsonSchema keyword '{}' must be an object", source.key()));
    }
    return parse(source.document_value());
  }

  Result<SchemaPtr> parse(View object) const {
    auto schema = std::make_unique<Schema>();
    for (const Element& e : object) {
      if (object[e.key()].value_bytes().data() != e.value_bytes().data()) {
        return bad(code::kFailedToParse, fmt::format("Duplicate $jsonSchema keyword: {}", e.key()));
      }
    }
    if (object["type"] && object["bsonType"]) {
      return bad(code::kFailedToParse, "Cannot specify both $jsonSchema keywords 'type' and 'bsonType'");
    }
    for (const std::string_view type : {"type", "bsonType"}) {
      if (!object[type] || !object["encrypt"]) continue;
      return bad(code::kFailedToParse, fmt::format("$jsonSchema keyword 'encrypt' cannot be used in conjunction with '{}', 'encrypt' implies type 'bsonType::BinData'", type));
    }
    if (object["encrypt"] && object["encryptMetadata"]) {
      return bad(code::kFailedToParse, "Cannot specify both $jsonSchema keywords 'encrypt' and 'encryptMetadata'");
    }
    for (const Element& e : object) TRY(keyword(*schema, e, object));
    return schema;
  }

 private:
  static tl::unexpected<Error> mistyped(const Element& e, std::string_view wanted) {
    return bad(code::kTypeMismatch, fmt::format("$jsonSchema keyword '{}' must be {}", e.key(), wanted));
  }

  Status keyword(Schema& schema, const Element& e, View object) const {
    const std::string_view name = e.key();
    if (name == "title" || name == "description") return e.is_string() ? Status() : mistyped(e, "of type string");
    if (name == "bsonType" || name == "type") return type_keyword(schema, e);
    if (name == "enum") return enum_keyword(schema, e);
    if (name == "required") return required(e, schema.required);
    if (name == "pattern") {
      if (!e.is_string()) return mistyped(e, "a string");
      schema.pattern = TRY(CompiledRegex::compile(e.string_value(), "", version_));
      return {};
    }
    if (name == "minimum") return number(e, schema.minimum);
    if (name == "maximum") return number(e, schema.maximum);
    if (name == "multipleOf") return multiple_of(e, schema.multiple_of);
    if (name == "exclusiveMinimum") return exclusive(e, object["minimum"], schema.exclusive_minimum);
    if (name == "exclusiveMaximum") return exclusive(e, object["maximum"], schema.exclusive_maximum);
    if (name == "uniqueItems") return boolean(e, schema.unique_items);
    if (name == "minLength") return count(e, schema.min_length);
    if (name == "maxLength") return count(e, schema.max_length);
    if (name == "minItems") return count(e, schema.min_items);
    if (name == "maxItems") return count(e, schema.max_items);
    if (name == "minProperties") return count(e, schema.min_properties);
    if (name == "maxProperties") return count(e, schema.max_properties);
    return nested_keyword(schema, e);
  }

  Status nested_keyword(Schema& schema, const Element& e) const {
    const std::string_view name = e.key();
    if (name == "properties") return named_schemas(e, schema.properties);
    if (name == "patternProperties") return pattern_schemas(schema, e);
    if (name == "additionalProperties") {
      return allowed_or_schema(e, "an object or a boolean", schema.additional_properties_allowed, schema.additional_properties);
    }
    if (name == "additionalItems")
      return allowed_or_schema(e, fmt::format("either an object or a boolean, but got a {}", bson::type_name(e.type())),
                               schema.additional_items_allowed, schema.additional_items);
    if (name == "items") {
      return items(e, schema);
    }
    if (name == "allOf") return schema_list(e, schema.all_of);
    if (name == "anyOf") return schema_list(e, schema.any_of);
    if (name == "oneOf") return schema_list(e, schema.one_of);
    if (name == "not") {
      if (!e.is_document()) return mistyped(e, fmt::format("an object, but found an element of type {}", bson::type_name(e.type())));
      schema.negated = TRY(parse(e));
      return {};
    }
    if (name == "dependencies") return dependencies(schema, e);
    if (name == "encrypt") {
      schema.encrypted_types = TRY(parse_encrypt(e));
      schema.encrypted = true;
      return {};
    }
    if (name == "encryptMetadata") return check_encrypt_metadata(e);
    for (const std::string_view known : {"$ref", "$schema", "default", "definitions", "format", "id"}) {
      if (name == known) {
        return bad(code::kFailedToParse, fmt::format("$jsonSchema keyword '{}' is not currently supported", name));
      }
    }
    return bad(code::kFailedToParse, fmt::format("Unknown $jsonSchema keyword: {}", name));
  }

  static Status type_keyword(Schema& schema, const Element& e) {
    if (!e.is_string() && !e.is_array()) {
      return mistyped(e, "either a string or an array of strings");
    }
    TypeSet types;
    std::vector<std::string_view> seen;
    const auto add = [&](const Element& alias) -> Status {
      const std::string_view name = alias.string_value();
      if (std::ranges::find(seen, name) != seen.end()) {
        return bad(code::kFailedToParse, fmt::format("$jsonSchema keyword '{}' has duplicate value: {}", e.key(), name));
      }
      seen.push_back(name);
      if (name == "integer") return bad(code::kFailedToParse, "$jsonSchema type 'integer' is not currently supported.");
      if (name == "number") {
        types.all_numbers = true;
        return {};
      }
      const auto type = e.key() == "bsonType" ? type_from_alias(name) : standard_type(name);
      if (!type) return bad(code::kBadValue, fmt::format("Unknown type name alias: {}", name));
      types.types.insert(*type);
      return {};
    };
    if (e.is_string()) {
      TRY(add(e));
    } else {
      for (const Element& item : e.document_value()) {
        if (!item.is_string()) {
          return bad(code::kTypeMismatch, fmt::format("$jsonSchema keyword '{}' array elements must be strings", e.key()));
        }
        TRY(add(item));
      }
    }
    if (seen.empty()) return bad(code::kFailedToParse, fmt::format("$jsonSchema keyword '{}' must name at least one type", e.key()));
    schema.types = std::move(types);
    return {};
  }

  // JSON Schema's own names, for "type".
  static std::optional<Type> standard_type(std::string_view name) {
    if (name == "array") return Type::kArray;
    if (name == "boolean") return Type::kBool;
    if (name == "null") return Type::kNull;
    if (name == "object") return Type::kDocument;
    if (name == "string") return Type::kString;
    return std::nullopt;
  }

  static Status enum_keyword(Schema& schema, const Element& e) {
    if (!e.is_array()) return mistyped(e, fmt::format("an array, but found an element of type {}", bson::type_name(e.type())));
    if (e.document_value().empty())
      return bad(code::kFailedToParse, "$jsonSchema keyword 'enum' cannot be an empty array");
    for (const Element& item : e.document_value()) {
      const auto same = [&](const Element& other) { return compare_unordered(item, other) == 0; };
      if (std::ranges::any_of(schema.enumeration, same)) {
        return bad(code::kFailedToParse, "$jsonSchema keyword 'enum' array cannot contain duplicate values.");
      }
      schema.enumeration.push_back(item);
    }
    schema.has_enum = true;
    return {};
  }

  static Status required(const Element& e, std::vector<std::string>& out) {
    if (!e.is_array()) return mistyped(e, fmt::format("an array, but found an element of type {}", bson::type_name(e.type())));
    for (const Element& item : e.document_value()) {
      if (!item.is_string()) {
        return mistyped(e, fmt::format("an array of strings, but found an element of type: {}", bson::type_name(item.type())));
      }
      out.emplace_back(item.string_value());
    }
    if (out.empty()) return bad(code::kFailedToParse, "$jsonSchema keyword 'required' cannot be an empty array");
    auto sorted = out;
    std::ranges::sort(sorted);
    if (std::ranges::adjacent_find(sorted) != sorted.end()) {
      return bad(code::kFailedToParse, "$jsonSchema keyword 'required' array cannot contain duplicate values");
    }
    return {};
  }

  static Status property_dependency(const Element& e, std::vector<std::string>& out) {
    const auto array = fmt::format("array '{}' in $jsonSchema keyword 'dependencies'", e.key());
    if (e.document_value().empty()) {
      return bad(code::kFailedToParse,
                 fmt::format("property '{}' in $jsonSchema keyword 'dependencies' cannot be an empty array", e.key()));
    }
    for (const Element& item : e.document_value()) {
      if (!item.is_string()) {
        return bad(code::kTypeMismatch, fmt::format("{} can only contain strings, but found element of type: {}", array,
                                                    bson::type_name(item.type())));
      }
      if (std::ranges::find(out, item.string_value()) != out.end()) {
        return bad(code::kFailedToParse, fmt::format("{} contains duplicate element: {}", array, item.string_value()));
      }
      out.emplace_back(item.string_value());
    }
    return {};
  }

  static Status multiple_of(const Element& e, Element& out) {
    TRY(number(e, out));
    if (!(e.to_double().value_or(0) > 0)) return bad(code::kFailedToParse, "$jsonSchema keyword 'multipleOf' must have a positive value");
    return {};
  }

  Status items(const Element& e, Schema& schema) const {
    if (e.is_document()) {
      schema.items = TRY(parse(e));
      return {};
    }
    if (!e.is_array()) return mistyped(e, fmt::format("an array or an object, not {}", bson::type_name(e.type())));
    schema.has_item_list = true;
    for (const Element& item : e.document_value()) {
      if (!item.is_document()) {
        return bad(code::kTypeMismatch,
                   fmt::format("$jsonSchema keyword 'items' requires that each element of the array is an object, but found a {}",
                               bson::type_name(item.type())));
      }
      schema.item_list.push_back(TRY(parse(item)));
    }
    return {};
  }

  static Status number(const Element& e, Element& out) {
    if (!e.is_number()) return mistyped(e, "a number");
    out = e;
    return {};
  }
  static Status boolean(const Element& e, bool& out) {
    if (e.type() != Type::kBool) return mistyped(e, "a boolean");
    out = e.bool_value();
    return {};
  }
  static Status exclusive(const Element& e, const Element& bound, bool& out) {
    if (!bound.exists()) {
      return bad(code::kFailedToParse, fmt::format("$jsonSchema keyword '{}' must be a present if {} is present",
                                                   e.key() == "exclusiveMinimum" ? "minimum" : "maximum", e.key()));
    }
    return boolean(e, out);
  }
  static Status count(const Element& e, std::optional<std::int64_t>& out) {
    const std::int64_t whole = TRY(whole_number(e));
    if (whole < 0) return bad(code::kFailedToParse, fmt::format("Expected a positive number in: {}: {}", e.key(), bson::to_shell(e)));
    out = whole;
    return {};
  }

  Status schema_list(const Element& e, std::vector<SchemaPtr>& out) const {
    if (!e.is_array()) return mistyped(e, "an array");
    if (e.document_value().empty()) {
      return bad(code::kBadValue, fmt::format("$jsonSchema keyword '{}' must be a non-empty array", e.key()));
    }
    for (const Element& item : e.document_value()) {
      if (!item.is_document()) {
        return mistyped(e, fmt::format("an array of objects, but found an element of type {}", bson::type_name(item.type())));
      }
      out.push_back(TRY(parse(item)));
    }
    return {};
  }
  Status named_schemas(const Element& e, std::vector<std::pair<std::string, SchemaPtr>>& out) const {
    if (!e.is_document()) return mistyped(e, "an object");
    for (const Element& item : e.document_value()) {
      if (!item.is_document()) {
        return bad(code::kTypeMismatch, fmt::format("Nested schema for $jsonSchema property '{}' must be an object", item.key()));
      }
      out.emplace_back(std::string(item.key()), TRY(parse(item)));
    }
    return {};
  }
  Status pattern_schemas(Schema& schema, const Element& e) const {
    if (!e.is_document()) return mistyped(e, "an object");
    for (const Element& item : e.document_value()) {
      if (!item.is_document()) {
        return bad(code::kTypeMismatch,
                   fmt::format("$jsonSchema keyword 'patternProperties' has property '{}' which is not an object", item.key()));
      }
      auto regex = TRY(CompiledRegex::compile(item.key(), "", version_));
      schema.pattern_properties.emplace_back(std::move(regex), TRY(parse(item)));
    }
    return {};
  }
  Status allowed_or_schema(const Element& e, std::string_view wanted, std::optional<bool>& allowed, SchemaPtr& schema) const {
    if (e.type() == Type::kBool) {
      allowed = e.bool_value();
      return {};
    }
    if (!e.is_document()) return mistyped(e, wanted);
    schema = TRY(parse(e));
    return {};
  }
  Status dependencies(Schema& schema, const Element& e) const {
    if (!e.is_document()) return mistyped(e, "an object");
    for (const Element& item : e.document_value()) {
      Dependency dependency{std::string(item.key()), {}, nullptr};
      if (item.is_array()) {
        TRY(property_dependency(item, dependency.required));
      } else if (!item.is_document()) {
        return bad(code::kTypeMismatch,
                   fmt::format("property '{}' in $jsonSchema keyword 'dependencies' must be either an object or an array", item.key()));
      } else {
        dependency.schema = TRY(parse(item));
      }
      schema.dependencies.push_back(std::move(dependency));
    }
    return {};
  }

  ServerVersion version_;
};

struct SchemaNode final : MatchNode {
  explicit SchemaNode(SchemaPtr s) : MatchNode(MatchKind::kSchema), schema(std::move(s)) {}
  bool matches(View document, MatchState) const override {
    return schema->accepts_document(document);
  }
  bool matches_single(const Element& value, MatchState) const override { return schema->accepts(value); }
  SchemaPtr schema;
};

}  // namespace

Element schema_duplicate(View array) {
  std::vector<Element> sorted(array.begin(), array.end());
  std::ranges::stable_sort(sorted, [](const Element& a, const Element& b) { return compare_unordered(a, b) < 0; });
  const auto twice = std::ranges::adjacent_find(sorted, [](const Element& a, const Element& b) { return compare_unordered(a, b) == 0; });
  return twice == sorted.end() ? Element() : *twice;
}

bool schema_accepts(View schema, const Element& value, ServerVersion version) {
  const auto parsed = SchemaParser(version).parse(schema);
  return parsed && (*parsed)->accepts(value);
}

Result<MatchNodePtr> make_schema_node(const Element& schema, const MatchParser& parser) {
  if (!schema.is_document()) return bad(code::kTypeMismatch, "$jsonSchema must be an object");
  return std::make_unique<SchemaNode>(TRY(SchemaParser(parser.version).parse(schema.document_value())));
}

}  // namespace drover::sandbox::query
