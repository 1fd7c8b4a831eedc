// What the catalog's documents mean, whatever words a server uses for it. Servers from 4.4 to 8.0 keep what old ones and old
// drivers wrote (`unique: 1`, `sparse: false`, `background`, `dropDups`), write out defaults or leave them away, and order
// fields as they like: bytes that differ there are no difference between two deployments.
//
// A meaning is a set of fields by name, each in one canonical form; what only says a default is not in it. What the table in
// catalog_meaning.cc does not name counts by its bytes: a field that nobody knows is never waved through.
#pragma once

#include <map>
#include <string>

#include "bson/document.h"

namespace drover {

using Meaning = std::map<std::string, bson::Value, std::less<>>;

Meaning meaning_of_options(bson::View options);  // listCollections' `options`
Meaning meaning_of_index(bson::View spec);       // a document of listIndexes
// Whether the table knows the field. Old servers took any field in an index; later ones list it, and refuse it in a new index.
bool is_known_index_field(std::string_view field);

}  // namespace drover
