#include "extended_json.h"

#include <cstdlib>
#include <limits>

#include "bson/decimal.h"
#include "net/crypto.h"

namespace drover::conformance {

namespace {

const std::string& text_of(const Json& json) { return *json.as_string(); }

double to_double(const std::string& text) {
  if (text == "Infinity") return std::numeric_limits<double>::infinity();
  if (text == "-Infinity") return -std::numeric_limits<double>::infinity();
  if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  return std::strtod(text.c_str(), nullptr);
}

bson::ObjectId to_object_id(const std::string& hex) {
  bson::ObjectId id;
  for (std::size_t i = 0; i < 12; ++i) id.bytes[i] = static_cast<std::uint8_t>(std::stoi(hex.substr(2 * i, 2), nullptr, 16));
  return id;
}

std::int64_t integer(const Json& json) { return json.as_int() ? *json.as_int() : std::strtoll(text_of(json).c_str(), nullptr, 10); }

void append_wrapper(bson::Builder& out, const std::string& key, const Json::Object& object) {
  const auto& name = object[0].first;
  const auto& value = object[0].second;
  if (name == "$numberInt") out.append(key, static_cast<std::int32_t>(integer(value)));
  else if (name == "$numberLong") out.append(key, integer(value));
  else if (name == "$numberDouble") out.append(key, to_double(text_of(value)));
  else if (name == "$numberDecimal") out.append(key, *bson::decimal_from_string(text_of(value)));
  else if (name == "$oid") out.append(key, to_object_id(text_of(value)));
  else if (name == "$date") out.append(key, bson::DateTime{integer(*value.find("$numberLong"))});
  else if (name == "$timestamp") out.append(key, bson::Timestamp{static_cast<std::uint32_t>(integer(*value.find("t"))), static_cast<std::uint32_t>(integer(*value.find("i")))});
  else if (name == "$binary") {
    const auto data = *net::base64_decode(text_of(*value.find("base64")));
    const auto subtype = static_cast<std::uint8_t>(std::stoi(text_of(*value.find("subType")), nullptr, 16));
    out.append(key, bson::Binary{subtype, {reinterpret_cast<const std::uint8_t*>(data.data()), data.size()}});
  } else if (name == "$regularExpression") {
    out.append(key, bson::Regex{text_of(*value.find("pattern")), text_of(*value.find("options"))});
  } else if (name == "$code") out.append(key, bson::Code{text_of(value)});
  else if (name == "$minKey") out.append(key, bson::MinKey());
  else if (name == "$maxKey") out.append(key, bson::MaxKey());
  else if (name == "$undefined") out.append(key, bson::Undefined());
}

void append(bson::Builder& out, const std::string& key, const Json& json, const Named& named);

// {"$code": text, "$scope": {...}}, put together byte by byte.
void append_code_with_scope(bson::Builder& out, const std::string& key, const std::string& text, const bson::Document& scope) {
  std::vector<std::uint8_t> bytes(4);
  const auto put_int = [&](std::size_t value) {
    for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
  };
  bytes.push_back(static_cast<std::uint8_t>(bson::Type::kCodeWithScope));
  bytes.push_back(0);  // no name
  put_int(4 + 4 + text.size() + 1 + scope.size());
  put_int(text.size() + 1);
  bytes.insert(bytes.end(), text.begin(), text.end());
  bytes.push_back(0);
  bytes.insert(bytes.end(), scope.bytes().begin(), scope.bytes().end());
  bytes.push_back(0);
  for (int i = 0; i < 4; ++i) bytes[i] = static_cast<std::uint8_t>(bytes.size() >> (8 * i));
  out.append(key, bson::Document(std::move(bytes)).view().first());
}

void append(bson::Builder& out, const std::string& key, const Json& json, const Named& named) {
  if (const auto* object = json.as_object()) {
    const auto* scope = json.find("$scope");
    if (object->size() == 2 && (*object)[0].first == "$code" && scope && scope->as_object()) {
      append_code_with_scope(out, key, text_of((*object)[0].second), to_document(*scope->as_object(), named));
      return;
    }
    if (object->size() == 1 && (*object)[0].first.starts_with("$$")) {
      const auto value = named((*object)[0].first.substr(2), text_of((*object)[0].second));
      out.append(key, value.view().first());
    } else if (is_wrapper(json)) {
      append_wrapper(out, key, *object);
    } else {
      auto child = out.open_document(key);
      for (const auto& [name, value] : *object) append(child, name, value, named);
    }
  } else if (const auto* array = json.as_array()) {
    bson::Builder items;
    std::size_t index = 0;
    for (const auto& item : *array) append(items, std::to_string(index++), item, named);
    out.append(key, bson::ArrayView{std::move(items).finish()});
  } else if (json.as_string()) {
    out.append(key, text_of(json));
  } else if (json.as_bool()) {
    out.append(key, *json.as_bool());
  } else if (json.as_int()) {
    out.append(key, *json.as_int());
  } else if (json.as_double()) {
    out.append(key, *json.as_double());
  } else {
    out.append(key, bson::Null());
  }
}

}  // namespace

bool is_wrapper(const Json& json) {
  const auto* object = json.as_object();
  if (object == nullptr || object->size() != 1) return false;
  const auto& [name, value] = (*object)[0];
  if (name == "$numberInt" || name == "$numberLong" || name == "$numberDouble" || name == "$numberDecimal" || name == "$oid" ||
      name == "$code") {
    return value.as_string() != nullptr;
  }
  if (name == "$date") return value.find("$numberLong") && !value.find("$numberLong")->is_null();
  if (name == "$timestamp") return value.as_object() && value.as_object()->size() == 2;
  if (name == "$binary") return value.as_object() && value.as_object()->size() == 2;
  if (name == "$regularExpression") return value.as_object() != nullptr;
  if (name == "$minKey" || name == "$maxKey") return value.as_int() != nullptr;
  return name == "$undefined" && value.as_bool() != nullptr;
}

bson::Document to_document(const Json::Object& object, const Named& named) {
  bson::Builder out;
  for (const auto& [name, value] : object) append(out, name, value, named);
  return std::move(out).finish();
}

bson::Document to_value(const Json& json, const Named& named) {
  bson::Builder out;
  append(out, "", json, named);
  return std::move(out).finish();
}

}  // namespace drover::conformance
