// The corpus's JSON (MongoDB Extended JSON v2, canonical) to BSON, with the scenario's own values put in. Unlike a general
// parser it takes only whole wrappers for types, so that {$type: ...} and {$regex: ...} in a filter stay operators.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/json.h"
#include "bson/builder.h"
#include "bson/document.h"

namespace drover::conformance {

// The value of {"$$saved": name} or {"$$uuid": name}, as a document of one field.
using Named = std::function<bson::Document(const std::string& kind, const std::string& name)>;

// A document of one field "" that holds the value.
bson::Document to_value(const Json& json, const Named& named);
bson::Document to_document(const Json::Object& object, const Named& named);
// Whether an object is one of the wrappers, {"$numberInt": "1"} and the like.
bool is_wrapper(const Json& json);

}  // namespace drover::conformance
