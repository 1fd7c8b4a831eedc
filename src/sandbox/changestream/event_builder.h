// Oplog entries to change events, in the shape of each server version. Knows no cursors and does no reads but through the
// lookups that it is given. Facts: corpus changestream/*; MongoDB's document_source_change_stream_transform.cpp.
#pragma once

#include <functional>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "base/uuid.h"
#include "bson/document.h"
#include "sandbox/changestream/options.h"
#include "sandbox/changestream/resume_token.h"

namespace drover::sandbox::changestream {

// An operation as it stands in an entry, or within a transaction's applyOps.
struct Operation {
  std::string_view op;
  std::string_view ns;
  std::optional<Uuid> uuid;
  bson::View o;
  std::optional<bson::View> o2;
  bson::Timestamp time;            // of the event: a transaction's commit
  bson::Timestamp entry;           // of the entry that holds it: of a long transaction, one of several
  std::int64_t entry_index = 0;    // within the entry's applyOps
  bson::Element wall;
  std::int64_t txn_index = 0;
  std::optional<bson::View> lsid;  // within a transaction
  std::int64_t txn_number = 0;
  std::optional<bson::Timestamp> pre_image;  // the entry that holds it, before 6.0

  static Operation parse(bson::View entry);
};

struct Event {
  bson::Document document;
  ResumeToken token;
  bool invalidates = false;    // the stream ends after it, with an invalidate event
  bool is_drop_database = false;
};

struct Lookups {
  // The document of that _id now; nothing when it, or the collection of that UUID, is gone.
  std::function<Result<std::optional<bson::Document>>(const Uuid&, const bson::Element& id)> current_document;
  // The document before the operation, if that was recorded and is still kept.
  std::function<Result<std::optional<bson::Document>>(const Operation&)> before;
};

// Nothing when the stream is not about that operation.
Result<std::optional<Event>> make_event(const Options& options, const Operation& operation, const Lookups& lookups);
Event make_invalidate(const Options& options, const Event& cause, const Operation& operation);

}  // namespace drover::sandbox::changestream
