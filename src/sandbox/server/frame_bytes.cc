#include "sandbox/server/frame_bytes.h"

#include <atomic>

#include <fmt/core.h>

#include "bson/validate.h"

namespace drover::sandbox {

namespace {

constexpr int kTooDeep = 15;  // answered, in the server's words

}  // namespace

tl::unexpected<Error> malformed(std::string_view what) { return fail(ErrorCode::kUsage, fmt::format("a malformed message: {}", what)); }

Result<bson::View> take_document(std::span<const std::uint8_t>& rest) {
  if (rest.size() < 5) return malformed("a document is cut off");
  const auto size = read_at<std::uint32_t>(rest, 0);
  if (size < 5 || size > rest.size()) return malformed("a document's length is impossible");
  auto view = bson::validate(rest.first(size));
  if (!view && view.error().server_code != kTooDeep) return malformed(view.error().message);
  rest = rest.subspan(size);
  return view;
}

Result<std::string_view> take_cstring(std::span<const std::uint8_t>& rest) {
  const auto* end = rest.empty() ? nullptr : static_cast<const std::uint8_t*>(std::memchr(rest.data(), 0, rest.size()));
  if (end == nullptr) return malformed("a name without an end");
  const auto size = static_cast<std::size_t>(end - rest.data());
  std::string_view name(reinterpret_cast<const char*>(rest.data()), size);
  rest = rest.subspan(size + 1);
  return name;
}

Status take_documents(DocumentSequence& sequence, std::span<const std::uint8_t>& rest) {
  // What is too many for any command is checked and counted, but takes no memory: it is refused by its number.
  while (!rest.empty()) {
    const auto document = TRY(take_document(rest));
    if (sequence.documents.size() <= kMaxBatchItems) {
      sequence.documents.push_back(document);
    } else {
      ++sequence.left_out;
    }
  }
  return {};
}

std::int32_t next_request_id() {
  static std::atomic<std::uint32_t> next{1};
  return static_cast<std::int32_t>(next++ & 0x7fffffff);
}

}  // namespace drover::sandbox
