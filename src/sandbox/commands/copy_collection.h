// Copies of collections, inside one write unit: for renames to another database and conversions.
#pragma once

#include "sandbox/commands/support.h"

namespace drover::sandbox {

// A copy is gathered in memory before it is committed, and counted there: 146 for larger collections, and when there is no room for it.
inline constexpr std::int64_t kMaxCopiedBytes = 256ll << 20;

struct CopyTarget {
  Namespace ns;
  bson::Document options;
  bool with_indexes = true;  // besides that of _id
};
Result<CollectionPtr> copy_collection(CommandContext& context, WriteUnit& unit, const CollectionPtr& from, const CopyTarget& to);

// tmp1a2b3.<suffix>
Namespace temporary_name(CommandContext& context, std::string_view db, std::string_view suffix);
// With {temp: true} and without it.
bson::Document with_temp(bson::View options);

}  // namespace drover::sandbox
