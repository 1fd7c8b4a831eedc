#include "control/json_document.h"

namespace drover::control {
namespace {

void append_fields(bson::Builder& to, const Json::Object& fields) {
  for (const auto& [key, value] : fields) append_json(to, std::string_view(key).substr(0, key.find('\0')), value);
}

Json value_of(const bson::Element& element) {
  switch (element.type()) {
    case bson::Type::kString: return Json(element.string_value());
    case bson::Type::kInt32:
    case bson::Type::kInt64: return Json(element.to_int64().value_or(0));
    case bson::Type::kDouble: return Json(element.double_value());
    case bson::Type::kBool: return Json(element.bool_value());
    case bson::Type::kDocument: return json_of(element.document_value());
    case bson::Type::kArray: {
      Json::Array items;
      for (const auto& item : element.document_value()) items.push_back(value_of(item));
      return items;
    }
    default: return {};
  }
}

}  // namespace

void append_json(bson::Builder& to, std::string_view key, const Json& value) {
  if (const auto* text = value.as_string()) {
    to.append(key, *text);
  } else if (const auto* whole = value.as_int()) {
    to.append(key, *whole);
  } else if (const auto* number = value.as_double()) {
    to.append(key, *number);
  } else if (const auto* flag = value.as_bool()) {
    to.append(key, *flag);
  } else if (const auto* fields = value.as_object()) {
    auto object = to.open_document(key);
    append_fields(object, *fields);
  } else if (const auto* items = value.as_array()) {
    bson::Builder list;  // an array's bytes are a document's with the keys "0", "1", ...
    std::size_t index = 0;
    for (const auto& item : *items) append_json(list, std::to_string(index++), item);
    const auto array = std::move(list).finish();
    to.append(key, bson::ArrayView{array});
  } else {
    to.append(key, bson::Null{});
  }
}

bson::Document document_of(const Json& object) {
  bson::Builder builder;
  if (const auto* fields = object.as_object()) append_fields(builder, *fields);
  return std::move(builder).finish();
}

Json json_of(bson::View document) {
  Json::Object fields;
  for (const auto& element : document) fields.emplace_back(std::string(element.key()), value_of(element));
  return fields;
}

}  // namespace drover::control
