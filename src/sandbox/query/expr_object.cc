// Objects: $mergeObjects, $objectToArray, $arrayToObject, $getField, $setField, $unsetField.
#include <algorithm>

#include <fmt/core.h>

#include "bson/builder.h"
#include "sandbox/query/expression_ops.h"

namespace drover::sandbox::query {

using bson::Element;
using bson::Type;
using bson::View;
using Operands = std::span<const Datum>;

namespace {

// `base` with the fields of `over` replaced in place or appended.
bson::Document merge(View base, View over) {
  bson::Builder builder;
  for (const Element& field : base) {
    const Element newer = over[field.key()];
    builder.append_raw(newer.exists() ? newer : field);
  }
  for (const Element& field : over) {
    if (!base[field.key()]) builder.append_raw(field);
  }
  return std::move(builder).finish();
}

Result<Datum> merge_objects(Operands operands, Variables&) {
  bson::Document merged;
  const auto add = [&](const Datum& value) -> Status {
    if (value.nullish()) return {};
    if (value.type() != Type::kDocument) {
      return bad(40400,
                 fmt::format("$mergeObjects requires object inputs, but input is of type {}", type_name_of(value)));
    }
    merged = merge(merged.view(), value.element().document_value());
    return {};
  };
  if (operands.size() == 1 && operands[0].type() == Type::kArray) {
    for (const Element& item : operands[0].element().document_value()) TRY(add(Datum::borrow(item)));
  } else {
    for (const Datum& value : operands) TRY(add(value));
  }
  return Datum::document(merged);
}

Result<Datum> object_to_array(Operands operands, Variables&) {
  const Datum& object = operands[0];
  if (object.nullish()) return Datum::null();
  if (object.type() != Type::kDocument) {
    return bad(40390, fmt::format("$objectToArray requires a document input, found: {}", type_name_of(object)));
  }
  bson::ArrayBuilder items;
  for (const Element& field : object.element().document_value()) {
    auto pair = items.open_document();
    pair.append("k", field.key()).append("v", field);
  }
  return Datum::array(std::move(items));
}

struct Pair {
  std::string key;
  Element value;
};

Result<Pair> pair_named(std::string_view key, const Element& value, int complaint) {
  if (key.find('\0') != std::string_view::npos) return bad(complaint, "Key field cannot contain an embedded null byte");
  return Pair{std::string(key), value};
}

Result<Pair> pair_of(const Element& item) {
  if (item.is_array()) {
    const View parts = item.document_value();
    if (parts.field_count() != 2) {
      return bad(40397, fmt::format("$arrayToObject requires an array of size 2 arrays,found array of size: {}",
                                    parts.field_count()));
    }
    if (!parts["0"].is_string()) {
      return bad(40395, fmt::format("$arrayToObject requires an array of key-value pairs, where the key must be of "
                                    "type string. Found key type: {}",
                                    bson::type_name(parts["0"].type())));
    }
    return pair_named(parts["0"].string_value(), parts["1"], 4940400);
  }
  if (!item.is_document()) {
    return bad(40398,
               fmt::format("Unrecognised input type format for $arrayToObject: {}", bson::type_name(item.type())));
  }
  const View object = item.document_value();
  if (object.field_count() != 2) {
    return bad(40392,
               fmt::format("$arrayToObject requires an object keys of 'k' and 'v'. Found incorrect number of keys:{}",
                           object.field_count()));
  }
  if (!object["k"] || !object["v"]) {
    return bad(40393, "$arrayToObject requires an object with keys 'k' and 'v'. Missing either or both keys from: " + printed(item));
  }
  if (!object["k"].is_string()) {
    return bad(40394, fmt::format("$arrayToObject requires an object with keys 'k' and 'v', where the value of 'k' "
                                  "must be of type string. Found type: {}",
                                  bson::type_name(object["k"].type())));
  }
  return pair_named(object["k"].string_value(), object["v"], 4940401);
}

// The first item decides the form of all.
Status check_form(const Element& first, const Element& item) {
  if (first.is_array() && !item.is_array()) {
    return bad(40396, fmt::format("$arrayToObject requires a consistent input format. Elements mustall be arrays or all be objects. "
                                  "Array was detected, now found: {}", bson::type_name(item.type())));
  }
  if (first.is_document() && !item.is_document()) {
    return bad(40391, fmt::format("$arrayToObject requires a consistent input format. Elements mustall be arrays or all be objects. "
                                  "Object was detected, now found: {}", bson::type_name(item.type())));
  }
  return {};
}

Result<Datum> array_to_object(Operands operands, Variables&) {
  const Datum& array = operands[0];
  if (array.nullish()) return Datum::null();
  if (array.type() != Type::kArray) {
    return bad(40386, fmt::format("$arrayToObject requires an array input, found: {}", type_name_of(array)));
  }
  std::vector<Pair> fields;
  for (const Element& item : array.element().document_value()) {
    TRY(check_form(array.element().document_value().first(), item));
    Pair pair = TRY(pair_of(item));
    const auto same = std::find_if(fields.begin(), fields.end(), [&](const Pair& f) { return f.key == pair.key; });
    if (same == fields.end()) {
      fields.push_back(std::move(pair));
    } else {
      same->value = pair.value;
    }
  }
  bson::Builder builder;
  for (const Pair& field : fields) builder.append(field.key, field.value);
  return Datum::document(std::move(builder).finish());
}

// {$getField: "name"} or {$getField: {field: ..., input: ...}}
struct GetFieldExpression final : Expression {
  Result<Datum> evaluate(Variables& variables) const override {
    if (!input) return Datum::borrow(variables.root()[field]);
    const Datum value = TRY(input->evaluate(variables));
    if (value.nullish()) return value.missing() ? Datum() : Datum::null();
    if (value.type() != Type::kDocument) return Datum();
    return value.inside(value.element().document_value()[field]);
  }
  std::string field;
  ExpressionPtr input;
};

struct FieldComplaints {
  int path, not_constant, not_text;
};
constexpr FieldComplaints kOfGet{5654600, 5654601, 5654602}, kOfSet{4161108, 4161106, 4161107};

Result<std::string> constant_field(const Element& e, std::string_view name, const Scope& scope, const FieldComplaints& complaints) {
  const auto expression = TRY(parse_expression(e, scope));
  if (e.is_string() && e.string_value().starts_with('$') && !e.string_value().starts_with("$$")) {
    return bad(complaints.path, fmt::format("'$CURRENT.{0}' is a field path reference which is not allowed in this context. Did you mean {{$literal: '$CURRENT.{0}'}}?", e.string_value().substr(1)));
  }
  const bool object = e.is_document() && !e.document_value().first().key().starts_with('$');
  const Datum* value = object ? nullptr : expression->constant();
  if (!value) {
    return bad(complaints.not_constant, fmt::format("{} requires 'field' to evaluate to a constant, but got a non-constant argument", name));
  }
  if (value->type() != Type::kString) {
    return bad(complaints.not_text, fmt::format("{} requires 'field' to evaluate to type String, but got {}", name, type_name_of(*value)));
  }
  return std::string(value->element().string_value());
}

Result<ExpressionPtr> parse_get_field(const Element& argument, const Scope& scope) {
  auto get = std::make_unique<GetFieldExpression>();
  const bool full = argument.is_document() && !argument.document_value().first().key().starts_with('$');
  if (!full) {
    get->field = TRY(constant_field(argument, "$getField", scope, kOfGet));
    return get;
  }
  const View object = argument.document_value();
  for (const Element& e : object) {
    if (e.key() != "field" && e.key() != "input")
      return bad(3041701, fmt::format("$getField found an unknown argument: {}", e.key()));
  }
  if (!object["field"]) return bad(3041702, "$getField requires 'field' to be specified");
  if (!object["input"]) return bad(3041703, "$getField requires 'input' to be specified");
  get->field = TRY(constant_field(object["field"], "$getField", scope, kOfGet));
  get->input = TRY(parse_expression(object["input"], scope));
  return get;
}

struct SetFieldExpression final : Expression {
  Result<Datum> evaluate(Variables& variables) const override {
    const Datum base = TRY(input->evaluate(variables));
    if (base.nullish()) return Datum::null();
    if (base.type() != Type::kDocument) {
      return bad(4161105, fmt::format("$setField requires 'input' to evaluate to type Object"));
    }
    const Datum newer = value ? TRY(value->evaluate(variables)) : Datum();
    bson::Builder builder;
    bool placed = newer.missing();
    for (const Element& e : base.element().document_value()) {
      if (e.key() != field) {
        builder.append_raw(e);
      } else if (!newer.missing()) {
        newer.append_to(builder, field);
        placed = true;
      }
    }
    if (!placed) newer.append_to(builder, field);
    return Datum::document(std::move(builder).finish());
  }
  std::string field;
  ExpressionPtr input, value;
};

Result<ExpressionPtr> parse_set_field(const Element& argument, const Scope& scope) {
  const std::string_view name = argument.key();
  if (!argument.is_document()) {
    return bad(4161100, fmt::format("{} only supports an object as its argument", name));
  }
  auto set = std::make_unique<SetFieldExpression>();
  const View object = argument.document_value();
  for (const Element& e : object) {
    const bool known = e.key() == "field" || e.key() == "input" || (name == "$setField" && e.key() == "value");
    if (!known) return bad(4161101, fmt::format("{} found an unknown argument: {}", name, e.key()));
  }
  if (!object["field"]) return bad(4161102, fmt::format("{} requires 'field' to be specified", name));
  if (!object["input"]) return bad(4161109, fmt::format("{} requires 'input' to be specified", name));
  if (name == "$setField" && !object["value"]) return bad(4161103, "$setField requires 'value' to be specified");
  set->field = TRY(constant_field(object["field"], name, scope, kOfSet));
  // What no document can hold. Facts: the codes that MongoDB's expression_set_field_null_chars.js expects.
  if (set->field.find('\0') != std::string::npos) return bad(9534700, fmt::format("{} requires 'field' not to contain an embedded null byte", name));
  set->input = TRY(parse_expression(object["input"], scope));
  if (name == "$setField") set->value = TRY(parse_expression(object["value"], scope));
  return set;
}

constexpr Operator kOperators[] = {
    {"$mergeObjects", 0, kAnyCount, merge_objects},
    {"$objectToArray", 1, 1, object_to_array},
    {"$arrayToObject", 1, 1, array_to_object},
};
constexpr SpecialForm kForms[] = {
    {"$getField", parse_get_field, {5, 0, 0}},
    {"$setField", parse_set_field, {5, 0, 0}},
    {"$unsetField", parse_set_field, {5, 0, 0}},
};

}  // namespace

std::span<const Operator> object_operators() { return kOperators; }
std::span<const SpecialForm> object_forms() { return kForms; }

}  // namespace drover::sandbox::query
