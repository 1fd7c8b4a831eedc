// JSON that clients send, as documents of the store and back: objects, arrays, strings, int64, doubles, booleans, null. What
// only BSON has comes back as null.
#pragma once

#include "base/json.h"
#include "bson/builder.h"
#include "bson/document.h"

namespace drover::control {

// `object` is one; else the document is empty. A key with a NUL character ends there, as BSON's do.
bson::Document document_of(const Json& object);
Json json_of(bson::View document);
void append_json(bson::Builder& to, std::string_view key, const Json& value);

}  // namespace drover::control
