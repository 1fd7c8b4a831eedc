// $changeStreamSplitLargeEvent: an event that no reply can hold is given in fragments, each with some of its top-level
// fields, a resume token of its own and {splitEvent: {fragment, of}}. Facts: MongoDB's
// change_stream_split_event_helpers.cpp and its specification of the stage.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>

#include "base/error.h"
#include "bson/document.h"
#include "bson/validate.h"
#include "sandbox/changestream/resume_token.h"

namespace drover::sandbox::changestream {

// Larger events are split; a fragment is no larger.
inline constexpr std::size_t kMaxEventBytes = bson::kMaxInternalBytes - 8 * 1024;

struct Fragment {
  bson::Document document;
  ResumeToken token;
};

// In the order of their numbers. Fields go from small to large, so that the first fragment has as many as can be, and the
// same event always falls into the same fragments. 7182500 when a single field is too large for a fragment.
Result<std::deque<Fragment>> split_event(bson::View event, const ResumeToken& token, std::size_t max_bytes = kMaxEventBytes);

// A stream's splitting: small events pass as they are; after a resume from a fragment, those that the client has are left
// out. Used by one thread.
class EventSplitter {
 public:
  // `resume`: the token that the stream was resumed from, if it is a fragment's.
  explicit EventSplitter(std::optional<ResumeToken> resume) : resume_(std::move(resume)) {}
  // What is given for `event`; nothing when the client has all of it. 280 when the fragment to resume from is not met.
  Result<std::deque<Fragment>> split(bson::Document event, const ResumeToken& token);

 private:
  std::optional<ResumeToken> resume_;
};

}  // namespace drover::sandbox::changestream
