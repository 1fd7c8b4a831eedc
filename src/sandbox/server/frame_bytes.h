// Reading and writing the bytes of wire messages, for message.cc and legacy_operations.cc. What is taken is checked: an error is a malformed
// message, which closes the connection.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "bson/document.h"
#include "sandbox/server/message.h"

namespace drover::sandbox {

inline constexpr std::size_t kHeaderBytes = 16;  // of every message: size, id, the id that it answers, operation

// The caller knows that so many bytes are there.
template <typename T>
T read_at(std::span<const std::uint8_t> bytes, std::size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

tl::unexpected<Error> malformed(std::string_view what);

// Each takes something from the front of `rest`.
Result<bson::View> take_document(std::span<const std::uint8_t>& rest);
Result<std::string_view> take_cstring(std::span<const std::uint8_t>& rest);
template <typename T>
Result<T> take_number(std::span<const std::uint8_t>& rest) {
  if (rest.size() < sizeof(T)) return malformed("too short");
  const auto value = read_at<T>(rest, 0);
  rest = rest.subspan(sizeof(T));
  return value;
}
// Documents until `rest` is empty: the first kMaxBatchItems + 1 and the number of the others.
Status take_documents(DocumentSequence& sequence, std::span<const std::uint8_t>& rest);

template <typename T>
void put(std::vector<std::uint8_t>& out, T value) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(&value);
  out.insert(out.end(), bytes, bytes + sizeof value);
}
inline void put_header(std::vector<std::uint8_t>& out, std::size_t size, std::int32_t id, std::int32_t to, OpCode op) {
  for (const auto field : {static_cast<std::int32_t>(size), id, to, static_cast<std::int32_t>(op)}) put(out, field);
}
// Of the server's own messages.
std::int32_t next_request_id();

}  // namespace drover::sandbox
