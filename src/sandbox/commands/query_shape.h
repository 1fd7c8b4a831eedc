// What two queries have in common that differ in their values alone: paths, operators, sort, projection and collation. Its hash is what
// the profiler tells as queryHash; with the collection's indexes, as planCacheKey. The numbers are not a server's: each is only good for
// finding the like.
#pragma once

#include <string>

#include "bson/document.h"
#include "sandbox/query/matcher.h"
#include "sandbox/storage/catalog.h"

namespace drover::sandbox {

struct QueryParts {
  bson::View filter, sort, projection, collation;
};
std::string query_shape(const QueryParts& parts);
// Of a query as it is planned: with the collation that it has, also where that is the collection's.
QueryParts shape_parts(const query::Matcher& filter, bson::View sort, bson::View projection, const bson::Collator* collator);

// Eight hexadecimal digits, in capitals.
std::string shape_hash(std::string_view shape);
std::string plan_cache_key(std::string_view shape, const CollectionInfo& collection);

}  // namespace drover::sandbox
