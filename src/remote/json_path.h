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
// A path; with bars, the first of several that is there: "detail|hostname"; or, with braces, text around paths: "{hostname}:{port}".
std::string expand(const Json& value, std::string_view pattern);

// `value` with `added` at the path. Objects and arrays on the way are made; an array grows by one at most.
Json with(const Json& value, std::string_view path, Json added);

// A list of objects: a row each, a column for every field that one of them has.
struct ListOfObjects {
  std::string path;
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;
};
// Every value with its path, for people: objects are opened, arrays of plain values joined, lists of objects apart. A list in
// an object of a list has its own path, "specs.0.configs". `links` are left out.
struct Opened {
  std::vector<std::pair<std::string, std::string>> fields;
  std::vector<ListOfObjects> lists;
};
Opened opened(const Json& value);

}  // namespace drover::remote
