// The $changeStream stage: its options, and which oplog entries it is about.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "bson/document.h"
#include "model/namespace.h"
#include "model/server_version.h"
#include "sandbox/changestream/resume_token.h"

namespace drover::sandbox::changestream {

struct Options {
  enum class Scope { kCollection, kDatabase, kCluster };
  enum class Image { kOff, kWhenAvailable, kRequired, kLookup };

  Scope scope = Scope::kCollection;
  Namespace ns;
  Image full_document = Image::kOff;
  Image before_change = Image::kOff;
  bool expanded_events = false;
  bool system_events = false;
  bool raw_update_description = false;
  std::optional<bson::Timestamp> start_at;
  std::optional<ResumeToken> resume;  // resumeAfter or startAfter
  ServerVersion version;
  int token_version = 1;              // of the tokens of events after the one to resume after
  bool splits_large_events = false;

  // Up to the event that a stream is resumed after, tokens are compared with the client's, and made as that was.
  int token_version_at(bson::Timestamp time) const { return resume && time <= resume->time ? resume->version : token_version; }

  static Result<Options> parse(const Namespace& ns, const bson::Element& stage, ServerVersion version);
  // Of a document's namespace, "db.collection".
  bool concerns(std::string_view ns) const;
  // Of a command's database.
  bool concerns_database(std::string_view db) const;
};

}  // namespace drover::sandbox::changestream
