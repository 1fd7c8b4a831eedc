// Collections of what migrations get wrong: an _id of every BSON type, every value type, odd field names, empty
// collections, views, collations, validators, a long namespace, large documents. Deterministic.
#pragma once

#include <string_view>
#include <vector>

#include "bson/document.h"
#include "model/namespace.h"

namespace drover::workload {

struct OddCollection {
  Namespace ns;
  bson::Document options;  // of `create`
  std::vector<bson::Document> documents;
  std::vector<std::string_view> indexes;  // extended JSON of createIndexes' entries
};

// In the order in which they are to be created.
std::vector<OddCollection> odd_collections();

}  // namespace drover::workload
