// A collection or view as the catalog describes it: raw option and index documents, so that nothing is lost on the way.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/uuid.h"
#include "bson/document.h"
#include "model/namespace.h"

namespace drover {

enum class CollectionKind { kCollection, kView, kTimeseries };

struct CollectionInfo {
  Namespace ns;
  CollectionKind kind = CollectionKind::kCollection;
  Uuid uuid;                            // nil for views
  bson::Document options;               // listCollections' `options`
  std::vector<bson::Document> indexes;  // listIndexes' documents without `ns`, _id_ first; empty for views

  bool is_view() const { return kind == CollectionKind::kView; }
};

// Secondary indexes with {unique: true}.
std::vector<bson::Document> unique_indexes(const CollectionInfo& info);
// Equal in everything a migration carries: options and indexes by what they mean (catalog_meaning.h), index list as a set by
// name. `difference` says the first difference in words, or nothing; the caller names the namespace.
std::optional<std::string> difference(const CollectionInfo& source, const CollectionInfo& destination);

}  // namespace drover
