// Values in JSON by dotted paths: "source.clusterName"; "roles.roleName" is that field of each role; "migrationHosts.0" the first.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"

namespace drover::remote {

// As text: several values with commas between them, nothing for what is not there or null, one line of JSON for an object.
std::string text_at(const Json& value, std::string_view path);
// A path; or, with braces, text around paths: "{hostname}:{port}".
std::string expand(const Json& value, std::string_view pattern);

// `value` with `added` at the path. Objects and arrays on the way are made; an array grows by one at most.
Json with(const Json& value, std::string_view path, Json added);

// Every value with its path, for people: objects are opened, arrays of plain values joined. `links` are left out.
std::vector<std::pair<std::string, std::string>> fields_of(const Json& value);

}  // namespace drover::remote
