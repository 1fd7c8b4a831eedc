// MongoDB wire messages that carry commands (OP_MSG, OP_QUERY on "<db>.$cmd", OP_COMPRESSED around either; legacy_operations.h has the others): bytes to sections and back. Everything is
// checked here, once: after `parse` the views iterate safely. Specification: mongodb/specifications message/OP_MSG.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "bson/document.h"
#include "net/compression.h"
#include "sandbox/commands/command.h"

namespace drover::sandbox {

enum class OpCode : std::int32_t {
  kReply = 1,
  // Up to 5.0 (legacy_operations.h); kQuery for the handshake ever since.
  kUpdate = 2001, kInsert = 2002, kQuery = 2004, kGetMore = 2005, kDelete = 2006, kKillCursors = 2007,
  kCompressed = 2012,
  kMsg = 2013,
};

inline constexpr std::uint32_t kChecksumPresent = 1u << 0;
inline constexpr std::uint32_t kMoreToCome = 1u << 1;
inline constexpr std::uint32_t kExhaustAllowed = 1u << 16;

struct Message {
  std::int32_t request_id = 0;
  OpCode op = OpCode::kMsg;
  std::uint32_t flags = 0;       // OP_MSG's
  std::string_view query_ns;     // OP_QUERY: "admin.$cmd"
  bson::View body;               // borrowed from the frame
  std::vector<DocumentSequence> sequences;

  bool wants_reply() const { return op != OpCode::kMsg || (flags & kMoreToCome) == 0; }
};

// An error closes the connection: what came is no protocol that we know. Some are answered: a command that is nested too
// deeply (15), or has a field twice (40431, 40433). `frame` must outlive the message.
Result<Message> parse_message(std::span<const std::uint8_t> frame);
bool is_answered(const Error& error);

// An OP_COMPRESSED message: the frame that is inside, and what it was packed with. `frame` is of that operation.
struct Unpacked {
  std::vector<std::uint8_t> frame;
  net::Compressor compressor = net::Compressor::kNone;
};
bool is_compressed(std::span<const std::uint8_t> frame);
Result<Unpacked> unpack_message(std::span<const std::uint8_t> frame);
// The same message as OP_COMPRESSED.
Result<std::vector<std::uint8_t>> pack_message(std::span<const std::uint8_t> frame, net::Compressor compressor);

// The body with its sequences as arrays at the end, and for OP_QUERY without {$query: ...} around it and with $db.
bson::Document whole_command(const Message& message);

// Of a frame that could not be parsed, as far as an answer needs it.
Message unparsed_message(std::span<const std::uint8_t> frame);

// The answer to `request` in the protocol it came in.
std::vector<std::uint8_t> make_reply(const Message& request, bson::View reply, std::uint32_t flags = 0);
// What comes before a reply of so many bytes, to be sent without copying it; nothing where the bytes behind depend on it.
std::optional<std::vector<std::uint8_t>> make_reply_head(const Message& request, std::size_t reply_bytes, std::uint32_t flags = 0);
// A request, as a client sends it. For tests and for exhaust.
std::vector<std::uint8_t> make_request(std::int32_t request_id, bson::View body, std::uint32_t flags = 0);

}  // namespace drover::sandbox
