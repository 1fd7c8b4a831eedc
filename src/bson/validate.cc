#include "bson/validate.h"

#include <fmt/format.h>

namespace drover::bson {

namespace {

constexpr std::uint64_t kMinDocument = 5;
constexpr const char* kTooDeep = "nested too deeply";

struct Problem {
  const char* what = nullptr;
  explicit operator bool() const { return what != nullptr; }
};

// Walks the bytes between `at_` and the end of the innermost open document. Recursion is bounded by the nesting limit.
class Walker {
 public:
  explicit Walker(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

  // A document starting at `start` and ending exactly at `limit`.
  Problem document(std::size_t start, std::size_t limit, int depth_left);
  std::size_t at() const { return at_; }

 private:
  Problem value(Type type, std::size_t limit, int depth_left);
  Problem skip(std::uint64_t count, std::size_t limit);
  Problem c_string(std::size_t limit);
  Problem string(std::size_t limit);
  Problem nested(std::size_t limit, int depth_left);
  Problem code_with_scope(std::size_t limit, int depth_left);
  Problem binary(std::size_t limit);

  // Nothing when fewer than 4 bytes are left. Sizes are signed in BSON; a negative one becomes larger than any limit.
  std::optional<std::uint64_t> size_at(std::size_t at, std::size_t limit) const {
    if (limit < 4 || at > limit - 4) return std::nullopt;
    std::uint32_t size;
    std::memcpy(&size, bytes_.data() + at, sizeof size);
    return size > INT32_MAX ? UINT64_MAX / 2 : size;
  }

  const std::span<const std::uint8_t> bytes_;
  std::size_t at_ = 0;
};

Problem Walker::document(std::size_t start, std::size_t limit, int depth_left) {
  at_ = start;
  if (depth_left < 0) return {kTooDeep};
  const auto size = size_at(start, limit);
  if (!size || *size < kMinDocument || *size != limit - start) return {"wrong document length"};
  if (bytes_[limit - 1] != 0) return {"no end of document"};
  at_ = start + 4;
  const std::size_t end = limit - 1;  // where the end marker stands
  while (at_ < end) {
    const auto type = static_cast<Type>(bytes_[at_]);
    if (type == Type::kEnd) return {"end of document before its length"};
    ++at_;
    if (const auto problem = c_string(end)) return problem;
    if (const auto problem = value(type, end, depth_left)) return problem;
  }
  ++at_;
  return {};
}

Problem Walker::value(Type type, std::size_t limit, int depth_left) {
  switch (type) {
    case Type::kNull:
    case Type::kUndefined:
    case Type::kMinKey:
    case Type::kMaxKey: return {};
    case Type::kBool:
      if (at_ < limit && bytes_[at_] > 1) return {"a boolean that is neither 0 nor 1"};
      return skip(1, limit);
    case Type::kInt32: return skip(4, limit);
    case Type::kDouble:
    case Type::kInt64:
    case Type::kDateTime:
    case Type::kTimestamp: return skip(8, limit);
    case Type::kObjectId: return skip(12, limit);
    case Type::kDecimal128: return skip(16, limit);
    case Type::kString:
    case Type::kSymbol:
    case Type::kCode: return string(limit);
    case Type::kDocument:
    case Type::kArray: return nested(limit, depth_left);
    case Type::kBinary: return binary(limit);
    case Type::kRegex:
      if (const auto problem = c_string(limit)) return problem;
      return c_string(limit);
    case Type::kDbPointer:
      if (const auto problem = string(limit)) return problem;
      return skip(12, limit);
    case Type::kCodeWithScope: return code_with_scope(limit, depth_left);
    case Type::kEnd: break;
  }
  return {"unknown type"};
}

Problem Walker::skip(std::uint64_t count, std::size_t limit) {
  if (count > limit - at_) return {"a value reaches past its document"};
  at_ += count;
  return {};
}

Problem Walker::c_string(std::size_t limit) {
  const void* end = std::memchr(bytes_.data() + at_, 0, limit - at_);
  if (end == nullptr) return {"a name without its end"};
  at_ = static_cast<std::size_t>(static_cast<const std::uint8_t*>(end) - bytes_.data()) + 1;
  return {};
}

Problem Walker::string(std::size_t limit) {
  const auto size = size_at(at_, limit);
  if (!size || *size < 1) return {"wrong string length"};
  at_ += 4;
  if (const auto problem = skip(*size, limit)) return problem;
  if (bytes_[at_ - 1] != 0) return {"a string without its end"};
  return {};
}

Problem Walker::nested(std::size_t limit, int depth_left) {
  const auto size = size_at(at_, limit);
  if (!size || *size < kMinDocument || *size > limit - at_) return {"wrong length of a nested document"};
  return document(at_, at_ + *size, depth_left - 1);
}

Problem Walker::code_with_scope(std::size_t limit, int depth_left) {
  const auto size = size_at(at_, limit);
  if (!size || *size < 4 + 5 + kMinDocument || *size > limit - at_) return {"wrong length of code with scope"};
  const std::size_t end = at_ + *size;
  at_ += 4;
  if (const auto problem = string(end)) return problem;
  return document(at_, end, depth_left - 1);
}

Problem Walker::binary(std::size_t limit) {
  const auto size = size_at(at_, limit);
  if (!size) return {"wrong length of binary data"};
  at_ += 4;
  return skip(*size + 1, limit);
}

}  // namespace

Result<View> validate(std::span<const std::uint8_t> bytes, int max_depth) {
  Walker walker(bytes);
  if (const auto problem = walker.document(0, bytes.size(), max_depth)) {
    if (problem.what == kTooDeep) return fail(ErrorCode::kFailure, fmt::format("BSONObj exceeds maximum nested object depth: {}", max_depth), 15);
    return fail(ErrorCode::kFailure, fmt::format("invalid BSON at byte {}: {}", walker.at(), problem.what), 22);
  }
  return View(bytes.data());
}

bool exceeds_levels(View document, int levels) {
  constexpr std::size_t kLeastOfLevel = 7;  // a type, an empty name, a length, an end
  if (document.empty()) return false;
  if (levels == 0) return true;
  if (document.size() < static_cast<std::size_t>(levels) * kLeastOfLevel) return false;
  for (const auto& field : document) {
    if ((field.is_document() || field.is_array()) && exceeds_levels(field.document_value(), levels - 1)) return true;
  }
  return false;
}

}  // namespace drover::bson
