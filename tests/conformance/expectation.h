// Compares a reply with what the corpus expects of it, field by field in order.
#pragma once

#include <optional>
#include <string>

#include "base/json.h"
#include "bson/document.h"

namespace drover::conformance {

// Where and how they differ; nothing when they do not. Fields that the corpus leaves out ($clusterTime, ...) are ignored.
// `unordered` is the path of an array that is compared sorted by name; empty for none.
std::optional<std::string> difference(const Json::Object& expected, bson::View reply, const std::string& unordered);

}  // namespace drover::conformance
