// What servers up to 5.0 take of the wire protocol beside commands: OP_INSERT, OP_UPDATE, OP_DELETE, OP_QUERY on a collection, OP_GET_MORE and
// OP_KILL_CURSORS. Each becomes the command that does the same, so every check, right, limit and count is the command's.
// Facts: MongoDB's manual, "MongoDB Wire Protocol", legacy opcodes; query_request.cpp of 4.4 for what a query's document may carry.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "bson/document.h"
#include "sandbox/server/message.h"

namespace drover::sandbox {

// At most so many cursors in one OP_KILL_CURSORS, as on a server.
inline constexpr std::int32_t kMaxLegacyKills = 29'999;

// Borrows from its frame.
struct LegacyOperation {
  OpCode op = OpCode::kQuery;
  std::int32_t request_id = 0;
  std::string_view ns;                      // "db.collection"; empty for OP_KILL_CURSORS
  bson::Document command;                   // with $db; none for OP_KILL_CURSORS
  std::vector<DocumentSequence> sequences;  // of an insert
  std::int32_t to_return = 0;               // OP_QUERY and OP_GET_MORE: numberToReturn
  std::int64_t cursor_id = 0;               // OP_GET_MORE
  std::vector<std::int64_t> kills;          // OP_KILL_CURSORS: each by itself, as the rights to each are asked for by themselves
  bool exhaust = false;                     // the next batches are to come without being asked for
  bool explains = false;                    // the reply is one document

  bool wants_reply() const { return op == OpCode::kQuery || op == OpCode::kGetMore; }
};

// Not OP_QUERY on "<db>.$cmd", which is a command. `frame` is at least a header.
bool is_legacy_operation(std::span<const std::uint8_t> frame);
// An error closes the connection, as for every malformed message.
Result<LegacyOperation> parse_legacy_operation(std::span<const std::uint8_t> frame);

// The OP_REPLY to a query or getMore whose command was answered so. `position`: how many documents its cursor gave before.
struct LegacyReply {
  std::vector<std::uint8_t> frame;
  std::int64_t cursor_id = 0;  // 0: there is no more
  std::int32_t documents = 0;
};
LegacyReply make_legacy_reply(const LegacyOperation& operation, bson::View reply, std::int32_t position);
// {$err, code, ok: 0}.
std::vector<std::uint8_t> make_legacy_failure(std::int32_t request_id, std::string_view message, int code);
// What asks for the next batch of an exhausted query: as if the client had sent it in answer to the last one.
std::vector<std::uint8_t> make_legacy_get_more(std::int32_t request_id, std::string_view ns, std::int32_t to_return, std::int64_t cursor_id);

}  // namespace drover::sandbox
