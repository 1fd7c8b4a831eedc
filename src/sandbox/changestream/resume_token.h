// Resume tokens: {_data: <hex>} whose bytes sort as the events do, by (cluster time, index in the transaction,
// invalidation, collection, document key). The layout is the server's of version 1 — 0x82 and the big-endian time first —
// so that clients can read the time and the collection from it; only the document key's encoding is our own.
// Source: MongoDB's src/mongo/db/pipeline/resume_token.{h,cpp}.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/uuid.h"
#include "bson/document.h"
#include "bson/types.h"

namespace drover::sandbox::changestream {

struct ResumeToken {
  bson::Timestamp time;
  bool is_event = false;          // else a high-water mark: everything before `time` has been seen
  std::int64_t txn_index = 0;
  bool from_invalidate = false;
  std::optional<Uuid> uuid;
  std::string document_key;       // encoded
  bool has_document_key = false;

  std::string to_hex() const;
  bson::Document to_document() const;  // {_data: hex}
  static ResumeToken high_water_mark(bson::Timestamp time) { return {.time = time}; }
  static ResumeToken event(bson::Timestamp time, std::int64_t txn_index, std::optional<Uuid> uuid,
                           const bson::Element& document_id);
  // Of {_data: ...} as a client sends it. 260 InvalidResumeToken and the like.
  static Result<ResumeToken> parse(const bson::Element& token);
};

}  // namespace drover::sandbox::changestream
