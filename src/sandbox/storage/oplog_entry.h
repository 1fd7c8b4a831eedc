// Oplog entries in the server's form and field order.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "base/uuid.h"
#include "bson/builder.h"
#include "bson/document.h"
#include "bson/types.h"
#include "model/server_version.h"

namespace drover::sandbox {

inline constexpr std::int64_t kTerm = 1;

struct OplogEntry {
  const bson::Document* lsid = nullptr;  // with txn_number
  std::int64_t txn_number = 0;
  std::string_view op;
  std::string_view ns;
  std::optional<Uuid> uuid;
  bson::View o;
  const bson::Document* o2 = nullptr;
  bson::Timestamp ts;
  bson::DateTime wall;
  std::optional<std::int32_t> statement;
  std::span<const std::int32_t> statements;    // when there are several
  std::string_view retry_image;                // "preImage" or "postImage": it is in config.image_collection
  std::optional<bson::Timestamp> previous;     // prevOpTime: {0,0} means "none before" and is written as the null time
  std::optional<bson::Timestamp> pre_image;
  std::optional<bson::Timestamp> post_image;
};
// The part of an entry that stands in applyOps: op, ns, ui, o, o2.
bson::Document to_operation(const OplogEntry& entry);
bson::Document to_document(const OplogEntry& entry, ServerVersion version);

}  // namespace drover::sandbox
