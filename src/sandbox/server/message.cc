#include "sandbox/server/message.h"

#include <algorithm>
#include <cstring>

#include <fmt/core.h>

#include "bson/builder.h"
#include "net/wire_server.h"
#include "sandbox/server/crc32c.h"
#include "sandbox/server/frame_bytes.h"

namespace drover::sandbox {

namespace {

constexpr std::size_t kCompressionHeaderBytes = 9;  // original operation, size, compressor
// No command has more than two; each is compared with all others.
constexpr std::size_t kMaxSequences = 64;
constexpr int kOverflow = 15;
constexpr int kDuplicateSequence = 40431;
constexpr int kSequenceInBody = 40433;
constexpr std::int32_t kAwaitCapable = 1 << 3;

Result<DocumentSequence> take_sequence(std::span<const std::uint8_t>& rest) {
  if (rest.size() < 4) return malformed("a section is cut off");
  const auto size = read_at<std::uint32_t>(rest, 0);
  if (size < 5 || size > rest.size()) return malformed("a section's length is impossible");
  auto section = rest.subspan(4, size - 4);
  rest = rest.subspan(size);
  DocumentSequence sequence;
  sequence.name = TRY(take_cstring(section));
  TRY(take_documents(sequence, section));
  return sequence;
}

Status parse_sections(Message& message, std::span<const std::uint8_t> rest) {
  bool body_seen = false;
  while (!rest.empty()) {
    const auto kind = rest[0];
    rest = rest.subspan(1);
    if (kind == 0) {
      if (body_seen) return malformed("two bodies");
      body_seen = true;
      message.body = TRY(take_document(rest));
    } else if (kind == 1) {
      if (message.sequences.size() == kMaxSequences) return malformed("too many sections");
      auto sequence = TRY(take_sequence(rest));
      for (const auto& other : message.sequences) {
        if (other.name == sequence.name) return server_error(kDuplicateSequence, fmt::format("Duplicate document sequence: {}", sequence.name));
      }
      message.sequences.push_back(std::move(sequence));
    } else {
      return malformed(fmt::format("a section of kind {}", kind));
    }
  }
  if (!body_seen) return malformed("no body");
  for (const auto& sequence : message.sequences) {
    if (!message.body.at_path(sequence.name)) continue;
    return server_error(kSequenceInBody, fmt::format("Duplicate field between body and document sequence {}", sequence.name));
  }
  return {};
}

Status parse_msg(Message& message, std::span<const std::uint8_t> frame) {
  if (frame.size() < kHeaderBytes + 4 + 6) return malformed("too short");
  message.flags = read_at<std::uint32_t>(frame, kHeaderBytes);
  constexpr std::uint32_t kRequired = 0xffff & ~(kChecksumPresent | kMoreToCome);
  if ((message.flags & kRequired) != 0) return malformed(fmt::format("unknown required flags {:#x}", message.flags));
  if ((message.flags & kChecksumPresent) != 0) {
    const auto sent = read_at<std::uint32_t>(frame, frame.size() - 4);
    frame = frame.first(frame.size() - 4);
    if (sent != crc32c(frame)) return malformed("its checksum does not match");
  }
  return parse_sections(message, frame.subspan(kHeaderBytes + 4));
}

Status parse_query(Message& message, std::span<const std::uint8_t> frame) {
  if (frame.size() < kHeaderBytes + 4) return malformed("too short");
  auto rest = frame.subspan(kHeaderBytes + 4);
  message.query_ns = TRY(take_cstring(rest));
  if (rest.size() < 8) return malformed("too short");
  rest = rest.subspan(8);  // skip and batch size mean nothing to a command
  message.body = TRY(take_document(rest));
  return {};
}

std::vector<std::uint8_t> make_msg(std::int32_t id, std::int32_t to, bson::View body, std::uint32_t flags) {
  const bool checksum = (flags & kChecksumPresent) != 0;
  const auto size = kHeaderBytes + 4 + 1 + body.size() + (checksum ? 4 : 0);
  std::vector<std::uint8_t> out;
  out.reserve(size);
  put_header(out, size, id, to, OpCode::kMsg);
  put<std::uint32_t>(out, flags);
  out.push_back(0);
  out.insert(out.end(), body.data(), body.data() + body.size());
  if (checksum) put<std::uint32_t>(out, crc32c(out));
  return out;
}

std::vector<std::uint8_t> make_op_reply(std::int32_t to, bson::View body, std::int32_t flags) {
  const auto size = kHeaderBytes + 20 + body.size();
  std::vector<std::uint8_t> out;
  out.reserve(size);
  put_header(out, size, next_request_id(), to, OpCode::kReply);
  put<std::int32_t>(out, flags);
  put<std::int64_t>(out, 0);
  put<std::int32_t>(out, 0);
  put<std::int32_t>(out, 1);
  out.insert(out.end(), body.data(), body.data() + body.size());
  return out;
}

}  // namespace

Result<Message> parse_message(std::span<const std::uint8_t> frame) {
  if (frame.size() < kHeaderBytes) return malformed("too short");
  Message message;
  message.request_id = read_at<std::int32_t>(frame, 4);
  message.op = static_cast<OpCode>(read_at<std::int32_t>(frame, 12));
  switch (message.op) {
    case OpCode::kMsg: TRY(parse_msg(message, frame)); break;
    case OpCode::kQuery: TRY(parse_query(message, frame)); break;
    default: return malformed(fmt::format("operation code {} is not served", static_cast<int>(message.op)));
  }
  return message;
}

Message unparsed_message(std::span<const std::uint8_t> frame) {
  Message message;
  message.request_id = read_at<std::int32_t>(frame, 4);
  message.op = static_cast<OpCode>(read_at<std::int32_t>(frame, 12));
  if (message.op == OpCode::kMsg && frame.size() >= kHeaderBytes + 4) message.flags = read_at<std::uint32_t>(frame, kHeaderBytes);
  return message;
}

bool is_answered(const Error& error) {
  return error.server_code == kOverflow || error.server_code == kDuplicateSequence || error.server_code == kSequenceInBody;
}

bool is_compressed(std::span<const std::uint8_t> frame) {
  return frame.size() >= kHeaderBytes && read_at<std::int32_t>(frame, 12) == static_cast<std::int32_t>(OpCode::kCompressed);
}

Result<Unpacked> unpack_message(std::span<const std::uint8_t> frame) {
  if (frame.size() < kHeaderBytes + kCompressionHeaderBytes) return malformed("too short");
  const auto inner = read_at<std::int32_t>(frame, kHeaderBytes);
  const auto size = read_at<std::int32_t>(frame, kHeaderBytes + 4);
  const auto compressor = net::compressor_of_id(frame[kHeaderBytes + 8]);
  if (inner == static_cast<std::int32_t>(OpCode::kCompressed)) return malformed("compressed twice");
  if (size < 0 || static_cast<std::size_t>(size) > net::kMaxWireMessageBytes - kHeaderBytes) {
    return malformed("its uncompressed size is impossible");
  }
  if (!compressor) return malformed(fmt::format("compressor {} is not served", frame[kHeaderBytes + 8]));
  const auto body = TRY(net::decompress(*compressor, frame.subspan(kHeaderBytes + kCompressionHeaderBytes), static_cast<std::size_t>(size)));
  Unpacked out{.compressor = *compressor};
  out.frame.reserve(kHeaderBytes + body.size());
  put_header(out.frame, kHeaderBytes + body.size(), read_at<std::int32_t>(frame, 4), read_at<std::int32_t>(frame, 8), static_cast<OpCode>(inner));
  out.frame.insert(out.frame.end(), body.begin(), body.end());
  return out;
}

Result<std::vector<std::uint8_t>> pack_message(std::span<const std::uint8_t> frame, net::Compressor compressor) {
  const auto body = frame.subspan(kHeaderBytes);
  const auto packed = TRY(net::compress(compressor, body));
  const auto size = kHeaderBytes + kCompressionHeaderBytes + packed.size();
  std::vector<std::uint8_t> out;
  out.reserve(size);
  put_header(out, size, read_at<std::int32_t>(frame, 4), read_at<std::int32_t>(frame, 8), OpCode::kCompressed);
  put<std::int32_t>(out, read_at<std::int32_t>(frame, 12));
  put<std::int32_t>(out, static_cast<std::int32_t>(body.size()));
  out.push_back(static_cast<std::uint8_t>(compressor));
  out.insert(out.end(), packed.begin(), packed.end());
  return out;
}

bson::Document whole_command(const Message& message) {
  bson::Builder out;
  auto body = message.body;
  if (message.op == OpCode::kQuery) {
    for (const char* wrapper : {"$query", "query"}) {
      const auto first = body.first();
      if (first.key() == wrapper && first.is_document()) body = first.document_value();
    }
  }
  out.append_all(body);
  for (const auto& sequence : message.sequences) {
    auto array = out.open_array(sequence.name);
    for (const auto& document : sequence.documents) array.append(document);
  }
  if (message.op == OpCode::kQuery && !body["$db"]) {
    out.append("$db", message.query_ns.substr(0, message.query_ns.find('.')));
  }
  return std::move(out).finish();
}

std::vector<std::uint8_t> make_reply(const Message& request, bson::View reply, std::uint32_t flags) {
  if (request.op == OpCode::kQuery) return make_op_reply(request.request_id, reply, kAwaitCapable);
  return make_msg(next_request_id(), request.request_id, reply, flags | (request.flags & kChecksumPresent));
}

std::optional<std::vector<std::uint8_t>> make_reply_head(const Message& request, std::size_t reply_bytes, std::uint32_t flags) {
  if (request.op == OpCode::kQuery || (request.flags & kChecksumPresent) != 0) return std::nullopt;
  std::vector<std::uint8_t> out;
  put_header(out, kHeaderBytes + 4 + 1 + reply_bytes, next_request_id(), request.request_id, OpCode::kMsg);
  put<std::uint32_t>(out, flags);
  out.push_back(0);
  return out;
}

std::vector<std::uint8_t> make_request(std::int32_t request_id, bson::View body, std::uint32_t flags) {
  return make_msg(request_id, 0, body, flags);
}

}  // namespace drover::sandbox
