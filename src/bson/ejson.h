// MongoDB Extended JSON v2 text, over libbson. For tests, tools, logs of shapes and the console; not on hot paths.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "bson/document.h"

namespace drover::bson {

// Strings that are not UTF-8, which a server stores and JSON cannot hold, make a document print as {"$bson": "hex bytes"}.
Result<Document> from_ejson(std::string_view text);
std::string to_canonical_ejson(View document);
std::string to_relaxed_ejson(View document);
// One value, as it would stand after "key": in canonical EJSON. For printing _ids.
std::string to_ejson(const Element& value);
// As the server prints values in messages: { _id: 1.0, a: "x" } ; ObjectId('...'), new Date(...), MinKey, ...
std::string to_shell(const Element& value);
std::string to_shell(View document);

}  // namespace drover::bson
