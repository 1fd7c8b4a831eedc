// The keys that a document has in an index, as the server makes them: arrays give a key per element, a missing field is
// null, an empty array undefined.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "bson/document.h"
#include "sandbox/storage/catalog.h"

namespace drover::sandbox {

struct IndexKeys {
  std::vector<std::string> keys;  // encoded, sorted, no two equal
  std::uint64_t multikey = 0;     // bit i: field i went through an array
};

// No keys for documents that a sparse or partial index leaves out, and for indexes that are kept but not maintained
// (hashed, text, geo, wildcard). 171 CannotIndexParallelArrays.
Result<IndexKeys> index_keys(const IndexInfo& index, bson::View document);
// {a: 1, b: 2}: the values behind one of those keys, for the duplicate key error.
bson::Document index_key_value(const IndexInfo& index, bson::View document, std::string_view encoded);

}  // namespace drover::sandbox
