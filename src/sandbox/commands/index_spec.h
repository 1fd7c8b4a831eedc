// Index definitions as clients send them, checked and brought into the form that listIndexes returns (v, unique, hidden, key,
// name, the rest as given). Facts: corpus catalog/indexes.
#pragma once

#include "sandbox/commands/support.h"

namespace drover::sandbox {

// 2: the index on _id orders as its collection does. null: by bytes.
Status check_id_collation(std::string_view index_name, const bson::Collator* index, const bson::Collator* collection);
Result<bson::Document> normalize_index(const CommandContext& context, bson::View spec, const CollectionInfo* collection);

enum class IndexMatch {
  kNew,
  kExists,
  kBuilding,  // another's build makes the same, and may still fail
};
// 85 and 86 when it contradicts one that exists.
Result<IndexMatch> compare_with_existing(const CommandContext& context, const CollectionInfo& collection, bson::View spec);
// The same against those that are made by the same command.
Status compare_with_others(const CommandContext& context, const std::vector<bson::Document>& others, bson::View spec);

}  // namespace drover::sandbox
