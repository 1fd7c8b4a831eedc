// Oplog entries in the server's form and field order.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/uuid.h"
#include "bson/builder.h"
#include "bson/document.h"
#include "bson/types.h"
#include "model/server_version.h"

namespace drover::sandbox {

// Of the election that a set begins with.
inline constexpr std::int64_t kFirstTerm = 1;

struct OplogEntry {
  const bson::Document* lsid = nullptr;  // with txn_number
  std::int64_t txn_number = 0;
  std::string_view op;
  std::string_view ns;
  std::optional<Uuid> uuid;
  bson::View o;
  const bson::Document* o2 = nullptr;
  bson::Timestamp ts;
  std::int64_t term = kFirstTerm;
  std::int64_t previous_term = kFirstTerm;     // of the entry at `previous`
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
// The whole entry but for the bytes of `o`, which may be many: they belong before byte `o_at`.
struct OplogFrame {
  std::vector<std::uint8_t> bytes;
  std::size_t o_at = 0;
};
OplogFrame frame_of(const OplogEntry& entry, ServerVersion version);

}  // namespace drover::sandbox
