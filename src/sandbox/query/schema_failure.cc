// Which rules of a $jsonSchema a document breaks. Rules are told in the order in which the server translates them, whatever
// their order in the schema.
#include <algorithm>

#include "bson/builder.h"
#include "sandbox/query/match_node.h"
#include "sandbox/query/schema_encrypt.h"
#include "sandbox/query/validation_failure.h"

namespace drover::sandbox::query {

using bson::Builder;
using bson::Document;
using bson::Element;
using bson::View;

namespace {

class SchemaExplainer {
 public:
  SchemaExplainer(ServerVersion version, FailureBudget& budget) : version_(version), budget_(budget) {}

  // Every rule of `schema` that `value` breaks.
  std::vector<Document> broken_rules(View schema, const Element& value, bool is_root) {
    std::vector<Document> out;
    const auto add = [&](std::optional<Document> rule) {
      if (rule) out.push_back(std::move(*rule));
    };
    for (const std::string_view name : {"pattern", "maxLength", "minLength", "multipleOf", "maximum", "minimum"}) add(scalar(schema, name, value));
    for (const std::string_view name : {"minItems", "maxItems"}) add(item_count(schema, name, value));
    add(unique_items(schema, value));
    add(items(schema, value));
    add(additional_items(schema, value));
    add(encryption(schema, value));
    if (value.is_document()) {
      add(properties(schema, value));
      add(additional_properties(schema, value));
      add(pattern_properties(schema, value));
      add(required(schema, value));
      for (const std::string_view name : {"minProperties", "maxProperties"}) add(property_count(schema, name, value));
      add(dependencies(schema, value));
    }
    add(all_of(schema, value));
    add(any_of(schema, value));
    add(one_of(schema, value));
    add(negated(schema, value));
    add(enumeration(schema, value));
    if (!is_root) add(type(schema, value));
    return out;
  }

  // `title` and `description`, told since 5.1.
  void annotate(Builder& out, View schema) const {
    if (version_ < ServerVersion{5, 1, 0}) return;
    for (const auto name : {"title", "description"}) {
      if (const auto text = schema[name]) out.append_raw(text);
    }
  }

 private:
  bool accepts(View schema, const Element& value) const { return schema_accepts(schema, value, version_); }

  // Whether `value` breaks the schema that has only these keywords.
  bool breaks(View schema, std::initializer_list<std::string_view> keywords, const Element& value) const {
    Builder part;
    for (const auto name : keywords) {
      if (const auto keyword = schema[name]) part.append_raw(keyword);
    }
    return !part.empty() && !accepts(std::move(part).finish(), value);
  }

  Builder begin(View schema, std::initializer_list<std::string_view> keywords) const {
    Builder out;
    out.append("operatorName", *keywords.begin());
    if (!budget_.brief) {
      auto specified = out.open_document("specifiedAs");
      for (const auto name : keywords) {
        if (const auto keyword = schema[name]) specified.append_raw(keyword);
      }
    }
    return out;
  }
  Document end(Builder out) const {
    budget_.take(out.size());
    return std::move(out).finish();
  }
  void append_details(Builder& out, View schema, const Element& value) {
    const auto rules = budget_.exhausted() ? std::vector<Document>() : broken_rules(schema, value, false);
    out.append("details", bson::ArrayView{bson::make_array(rules).view()});
  }

  std::optional<Document> scalar(View schema, std::string_view name, const Element& value) const {
    if (!schema[name]) return std::nullopt;
    const std::string_view exclusive = name == "maximum" ? "exclusiveMaximum" : name == "minimum" ? "exclusiveMinimum" : "";
    if (!breaks(schema, {name, exclusive}, value)) return std::nullopt;
    auto out = begin(schema, {name, exclusive});
    out.append("reason", name == "pattern"                             ? "regular expression did not match"
                         : name == "maxLength" || name == "minLength" ? "specified string length was not satisfied"
                         : name == "multipleOf"                       ? "considered value is not a multiple of the specified value"
                                                                      : "comparison failed");
    if (!budget_.brief) out.append("consideredValue", value);
    return end(std::move(out));
  }

  std::optional<Document> item_count(View schema, std::string_view name, const Element& value) const {
    if (!value.is_array() || !breaks(schema, {name}, value)) return std::nullopt;
    auto out = begin(schema, {name});
    out.append("reason", "array did not match specified length").append("consideredValue", value);
    out.append("numberOfItems", static_cast<std::int32_t>(value.document_value().field_count()));
    return end(std::move(out));
  }

  std::optional<Document> unique_items(View schema, const Element& value) const {
    if (!value.is_array() || !breaks(schema, {"uniqueItems"}, value)) return std::nullopt;
    auto out = begin(schema, {"uniqueItems"});
    out.append("reason", "found a duplicate item").append("consideredValue", value);
    if (const auto twice = schema_duplicate(value.document_value())) out.append("duplicatedValue", twice);
    return end(std::move(out));
  }

  std::optional<Document> items(View schema, const Element& value) {
    if (!value.is_array() || !breaks(schema, {"items"}, value)) return std::nullopt;
    const auto rule = schema["items"];
    if (rule.is_document()) return item_rule("items", rule.document_value(), value, 0, "At least one item did not match the sub-schema");
    Builder out;
    out.append("operatorName", "items");
    {
      auto details = out.open_array("details");
      auto schemas = rule.document_value().begin();
      for (const Element& item : value.document_value()) {
        if (schemas == rule.document_value().end()) break;
        const auto part = (*schemas).document_value();
        ++schemas;
        if (accepts(part, item)) continue;
        auto entry = details.open_document();
        entry.append("itemIndex", static_cast<std::int64_t>(std::stoll(std::string(item.key()))));
        append_details(entry, part, item);
      }
    }
    return std::move(out).finish();
  }

  std::optional<Document> additional_items(View schema, const Element& value) {
    const auto listed = schema["items"].to_array();
    if (!value.is_array() || !listed || !schema["additionalItems"]) return std::nullopt;
    const auto count = static_cast<std::int64_t>(listed->field_count());
    const auto rule = schema["additionalItems"];
    if (rule.is_document()) {
      return item_rule("additionalItems", rule.document_value(), value, count, "At least one additional item did not match the sub-schema");
    }
    if (rule.is_truthy() || static_cast<std::int64_t>(value.document_value().field_count()) <= count) return std::nullopt;
    auto out = begin(schema, {"additionalItems"});
    out.append("reason", "found additional items");
    {
      auto additional = out.open_array("additionalItems");
      std::int64_t at = 0;
      for (const Element& item : value.document_value()) {
        if (at++ >= count) additional.append(item);
      }
    }
    return end(std::move(out));
  }

  // The first item from `first` on that one schema for all does not accept.
  std::optional<Document> item_rule(std::string_view name, View rule, const Element& value, std::int64_t first, std::string_view reason) {
    std::int64_t at = 0;
    for (const Element& item : value.document_value()) {
      if (at++ < first || accepts(rule, item)) continue;
      Builder out;
      out.append("operatorName", name);
      annotate(out, rule);
      out.append("reason", reason).append("itemIndex", static_cast<std::int32_t>(at - 1));
      append_details(out, rule, item);
      return std::move(out).finish();
    }
    return std::nullopt;
  }

  std::optional<Document> properties(View schema, const Element& value) {
    std::vector<Document> broken;
    const auto object = value.document_value();
    for (const Element& property : schema["properties"].to_document().value_or(View())) {
      const auto field = object[property.key()];
      if (!field || accepts(property.document_value(), field)) continue;
      Builder entry;
      entry.append("propertyName", property.key());
      annotate(entry, property.document_value());
      append_details(entry, property.document_value(), field);
      broken.push_back(std::move(entry).finish());
    }
    if (broken.empty()) return std::nullopt;
    Builder out;
    out.append("operatorName", "properties").append("propertiesNotSatisfied", bson::ArrayView{bson::make_array(broken).view()});
    return std::move(out).finish();
  }

  // Fields that neither `properties` nor `patternProperties` speaks of.
  std::vector<Element> additional_fields(View schema, View object) const {
    std::vector<Element> out;
    const auto named = schema["properties"].to_document().value_or(View());
    for (const Element& field : object) {
      if (named[field.key()]) continue;
      bool meant = false;
      for (const Element& pattern : schema["patternProperties"].to_document().value_or(View())) meant |= is_meant(pattern.key(), field.key());
      if (!meant) out.push_back(field);
    }
    return out;
  }
  bool is_meant(std::string_view pattern, std::string_view name) const {
    const auto regex = CompiledRegex::compile(pattern, "", version_);
    return regex && (*regex)->found_in(name);
  }

  std::optional<Document> additional_properties(View schema, const Element& value) {
    const auto rule = schema["additionalProperties"];
    if (!rule) return std::nullopt;
    const auto fields = additional_fields(schema, value.document_value());
    if (!rule.is_document()) {
      if (rule.is_truthy() || fields.empty()) return std::nullopt;
      Builder out;
      out.append("operatorName", "additionalProperties");
      out.open_document("specifiedAs").append("additionalProperties", false);
      {
        auto names = out.open_array("additionalProperties");
        for (const auto& field : fields) names.append(field.key());
      }
      return end(std::move(out));
    }
    for (const auto& field : fields) {
      if (accepts(rule.document_value(), field)) continue;
      Builder out;
      out.append("operatorName", "additionalProperties");
      annotate(out, rule.document_value());
      out.append("reason", "at least one additional property did not match the subschema").append("failingProperty", field.key());
      append_details(out, rule.document_value(), field);
      return std::move(out).finish();
    }
    return std::nullopt;
  }

  // The first field that each pattern's schema does not accept.
  std::optional<Document> pattern_properties(View schema, const Element& value) {
    std::vector<Document> broken;
    for (const Element& pattern : schema["patternProperties"].to_document().value_or(View())) {
      for (const Element& field : value.document_value()) {
        if (!is_meant(pattern.key(), field.key()) || accepts(pattern.document_value(), field)) continue;
        Builder entry;
        entry.append("propertyName", field.key());
        annotate(entry, pattern.document_value());
        entry.append("regexMatched", pattern.key());
        append_details(entry, pattern.document_value(), field);
        broken.push_back(std::move(entry).finish());
        break;
      }
    }
    if (broken.empty()) return std::nullopt;
    Builder out;
    out.append("operatorName", "patternProperties").append("details", bson::ArrayView{bson::make_array(broken).view()});
    return std::move(out).finish();
  }

  static std::vector<std::string_view> missing(View names, View object) {
    std::vector<std::string_view> out;
    for (const Element& name : names) {
      if (!object[name.string_value()]) out.push_back(name.string_value());
    }
    std::ranges::sort(out);
    return out;
  }
  static void append_names(Builder& out, std::string_view key, const std::vector<std::string_view>& names) {
    auto array = out.open_array(key);
    for (const auto name : names) array.append(name);
  }

  std::optional<Document> required(View schema, const Element& value) const {
    const auto names = missing(schema["required"].to_array().value_or(View()), value.document_value());
    if (names.empty()) return std::nullopt;
    auto out = begin(schema, {"required"});
    append_names(out, "missingProperties", names);
    return end(std::move(out));
  }

  std::optional<Document> property_count(View schema, std::string_view name, const Element& value) const {
    if (!breaks(schema, {name}, value)) return std::nullopt;
    auto out = begin(schema, {name});
    out.append("reason", "specified number of properties was not satisfied");
    out.append("numberOfProperties", static_cast<std::int32_t>(value.document_value().field_count()));
    return end(std::move(out));
  }

  std::optional<Document> dependencies(View schema, const Element& value) {
    std::vector<Document> broken;
    const auto object = value.document_value();
    for (const Element& dependency : schema["dependencies"].to_document().value_or(View())) {
      if (!object[dependency.key()]) continue;
      Builder entry;
      entry.append("conditionalProperty", dependency.key());
      if (dependency.is_array()) {
        const auto names = missing(dependency.document_value(), object);
        if (names.empty()) continue;
        append_names(entry, "missingProperties", names);
      } else {
        if (accepts(dependency.document_value(), value)) continue;
        append_details(entry, dependency.document_value(), value);
      }
      broken.push_back(end(std::move(entry)));
    }
    if (broken.empty()) return std::nullopt;
    Builder out;
    out.append("operatorName", "dependencies").append("failingDependencies", bson::ArrayView{bson::make_array(broken).view()});
    return std::move(out).finish();
  }

  // The schemas of a list that do not accept `value`, each with its place.
  Document schemas_not_satisfied(std::string_view name, View schemas, const Element& value) {
    Builder out;
    out.append("operatorName", name);
    {
      auto list = out.open_array("schemasNotSatisfied");
      std::int32_t at = 0;
      for (const Element& part : schemas) {
        const auto index = at++;
        if (accepts(part.document_value(), value)) continue;
        auto entry = list.open_document();
        entry.append("index", index);
        annotate(entry, part.document_value());
        append_details(entry, part.document_value(), value);
      }
    }
    return std::move(out).finish();
  }

  std::optional<Document> all_of(View schema, const Element& value) {
    if (!breaks(schema, {"allOf"}, value)) return std::nullopt;
    return schemas_not_satisfied("allOf", schema["allOf"].document_value(), value);
  }
  std::optional<Document> any_of(View schema, const Element& value) {
    if (!breaks(schema, {"anyOf"}, value)) return std::nullopt;
    return schemas_not_satisfied("anyOf", schema["anyOf"].document_value(), value);
  }
  std::optional<Document> one_of(View schema, const Element& value) {
    if (!breaks(schema, {"oneOf"}, value)) return std::nullopt;
    std::vector<std::int32_t> accepting;
    std::int32_t at = 0;
    for (const Element& part : schema["oneOf"].document_value()) {
      if (accepts(part.document_value(), value)) accepting.push_back(at);
      ++at;
    }
    if (accepting.empty()) return schemas_not_satisfied("oneOf", schema["oneOf"].document_value(), value);
    Builder out;
    out.append("operatorName", "oneOf").append("reason", "more than one subschema matched");
    {
      auto indexes = out.open_array("matchingSchemaIndexes");
      for (const auto index : accepting) indexes.append(index);
    }
    return end(std::move(out));
  }
  std::optional<Document> negated(View schema, const Element& value) const {
    if (!breaks(schema, {"not"}, value)) return std::nullopt;
    Builder out;
    out.append("operatorName", "not").append("reason", "child expression matched");
    return end(std::move(out));
  }

  std::optional<Document> enumeration(View schema, const Element& value) const {
    if (!breaks(schema, {"enum"}, value)) return std::nullopt;
    auto out = begin(schema, {"enum"});
    out.append("reason", "value was not found in enum");
    if (!budget_.brief) out.append("consideredValue", value);
    return end(std::move(out));
  }

  std::optional<Document> encryption(View schema, const Element& value) const {
    if (!breaks(schema, {"encrypt"}, value)) return std::nullopt;
    Builder out;
    out.append("operatorName", "encrypt").append("reason", is_encrypted(value) ? "encrypted value has wrong type" : "value was not encrypted");
    return end(std::move(out));
  }

  std::optional<Document> type(View schema, const Element& value) const {
    for (const std::string_view name : {"type", "bsonType"}) {
      if (!breaks(schema, {name}, value)) continue;
      auto out = begin(schema, {name});
      out.append("reason", "type did not match");
      if (!budget_.brief) out.append("consideredValue", value);
      out.append("consideredType", bson::type_name(value.type()));
      return end(std::move(out));
    }
    return std::nullopt;
  }

  ServerVersion version_;
  FailureBudget& budget_;
};

}  // namespace

Document explain_schema_failure(View clause, View document, ServerVersion version, FailureBudget& budget) {
  const auto schema = clause.first().document_value();
  Builder wrapper;
  wrapper.append("", document);
  const auto wrapped = std::move(wrapper).finish();
  Builder out;
  out.append("operatorName", "$jsonSchema");
  Builder only_type;
  for (const auto name : {"type", "bsonType", "encrypt"}) {
    if (const auto keyword = schema[name]) only_type.append_raw(keyword);
  }
  if (!schema_accepts(std::move(only_type).finish(), wrapped.view().first(), version)) {  // no document can satisfy it
    if (!budget.brief) out.append("specifiedAs", clause);
    out.append("reason", "expression always evaluates to false");
    return std::move(out).finish();
  }
  SchemaExplainer explainer(version, budget);
  explainer.annotate(out, schema);
  const auto rules = explainer.broken_rules(schema, wrapped.view().first(), true);
  out.append("schemaRulesNotSatisfied", bson::ArrayView{bson::make_array(rules).view()});
  return std::move(out).finish();
}

}  // namespace drover::sandbox::query
