// Resume tokens: {_data: <hex>} whose bytes sort as the events do, by (cluster time, index in the transaction,
// invalidation, collection, event, fragment). The layout is the server's — 0x82 and the big-endian time first — so that
// clients can read the time and the collection from it; only the encoding of values within the event's identifier is our
// own. Version 1 names an event by its document's key; version 2 (7.0+) by its operation and key or description, says
// null where there is no collection, and may end in a fragment's number.
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
  int version = 1;
  bool is_event = false;          // else a high-water mark: everything before `time` has been seen
  std::int64_t txn_index = 0;
  bool from_invalidate = false;
  std::optional<Uuid> uuid;
  std::string identifier;         // of the event, encoded
  bool has_identifier = false;
  std::optional<int> fragment;    // of a split event, from 0

  std::string to_hex() const;
  bson::Document to_document() const;  // {_data: hex}
  static ResumeToken high_water_mark(bson::Timestamp time, int version = 1) { return {.time = time, .version = version}; }
  // What an event is called by: {_id: ...} of its document, or the description of a catalog event.
  struct Identity {
    std::string_view operation_type;
    std::string_view key_name;  // "documentKey", "operationDescription", or empty when there is neither
    bson::View key;
    bool is_expanded = false;   // of those that are shown with showExpandedEvents only
  };
  static ResumeToken event(int version, bson::Timestamp time, std::int64_t txn_index, std::optional<Uuid> uuid, const Identity& identity);
  // Of {_data: ...} as a client sends it. 260 InvalidResumeToken and the like.
  static Result<ResumeToken> parse(const bson::Element& token);
};

}  // namespace drover::sandbox::changestream
