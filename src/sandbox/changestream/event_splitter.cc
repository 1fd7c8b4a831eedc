#include "sandbox/changestream/event_splitter.h"

#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

#include <fmt/core.h>

#include "bson/builder.h"
#include "sandbox/commands/command.h"

namespace drover::sandbox::changestream {

namespace {

tl::unexpected<Error> fatal(std::string message) {
  Error error{ErrorCode::kFailure, std::move(message), 280, {}};
  error.labels = {"NonResumableChangeStreamError"};
  return tl::unexpected(std::move(error));
}

std::vector<bson::Element> by_size(bson::View event) {
  std::vector<bson::Element> fields;
  for (const auto& field : event) {
    if (field.key() != "_id") fields.push_back(field);
  }
  std::sort(fields.begin(), fields.end(), [](const bson::Element& a, const bson::Element& b) {
    return std::make_tuple(a.raw().size(), a.key()) < std::make_tuple(b.raw().size(), b.key());
  });
  return fields;
}

bson::Document fragment_document(const ResumeToken& token, int number, int of, const std::vector<bson::Element>& fields) {
  bson::Builder out;
  out.append("_id", token.to_document());
  out.open_document("splitEvent").append("fragment", number).append("of", of);
  for (const auto& field : fields) out.append_raw(field);
  return std::move(out).finish();
}

}  // namespace

Result<std::deque<Fragment>> split_event(bson::View event, const ResumeToken& token, std::size_t max_bytes) {
  const auto fields = by_size(event);
  if (fields.empty()) return server_error(7182502, "Cannot split an empty event or an event containing solely '_id' field");
  // Room for the reply's postBatchResumeToken.
  const auto limit = max_bytes - token.to_document().size();
  std::vector<std::vector<bson::Element>> groups;
  std::size_t bytes = 0;
  for (const auto& field : fields) {
    const auto size = field.raw().size();
    if (groups.empty() || bytes + size > limit) {
      auto numbered = token;
      numbered.fragment = static_cast<int>(groups.size());
      bytes = fragment_document(numbered, 0, 0, {}).size();
      groups.emplace_back();
    }
    groups.back().push_back(field);
    bytes += size;
    if (bytes > limit) {
      return server_error(7182500, fmt::format("Splitting change event failed: fragment size {} is greater than maximum allowed fragment size {}",
                                               bytes, limit));
    }
  }
  std::deque<Fragment> fragments;
  for (const auto& group : groups) {
    auto numbered = token;
    numbered.fragment = static_cast<int>(fragments.size());
    const auto number = *numbered.fragment + 1;
    fragments.push_back({fragment_document(numbered, number, static_cast<int>(groups.size()), group), std::move(numbered)});
  }
  return fragments;
}

Result<std::deque<Fragment>> EventSplitter::split(bson::Document event, const ResumeToken& token) {
  std::optional<int> had;
  if (const auto resume = std::exchange(resume_, std::nullopt)) {
    auto whole = *resume;
    whole.fragment.reset();
    if (whole.to_hex() != token.to_hex()) {
      return fatal(fmt::format("cannot resume stream; the resume token was not found. {{ _data: \"{}\" }}", resume->to_hex()));
    }
    had = resume->fragment;
  }
  std::deque<Fragment> fragments;
  if (event.size() <= kMaxEventBytes) {
    if (had) {
      return fatal("Attempted to resume from a split event fragment, but the event in the resumed stream was not large enough to be split");
    }
    fragments.push_back({std::move(event), token});
    return fragments;
  }
  fragments = TRY(split_event(event, token));
  if (!had) return fragments;
  if (static_cast<std::size_t>(*had) >= fragments.size()) {
    return fatal("Attempted to resume from a split event, but the resumed stream produced a different split. Ensure that the pipeline used "
                 "to resume is the same as the original");
  }
  fragments.erase(fragments.begin(), fragments.begin() + *had + 1);
  return fragments;
}

}  // namespace drover::sandbox::changestream
