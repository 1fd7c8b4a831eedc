// Frames as they come from a socket: whatever is accepted can be walked, packed, unpacked and answered.
#include <cstdint>
#include <vector>

#include "base/check.h"
#include "bson/builder.h"
#include "sandbox/server/legacy_operations.h"
#include "sandbox/server/message.h"

namespace {

using namespace drover;
using namespace drover::sandbox;

void walk(bson::View document) {
  bson::Builder copy;
  copy.append_all(document);
  CHECK(std::move(copy).finish().view().same_bytes(document), "a copied document differs");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kHeader = 16;
  if (size < kHeader) return 0;  // the connection reads the header first
  std::vector<std::uint8_t> frame(data, data + size);
  if (is_compressed(frame)) {
    auto unpacked = unpack_message(frame);
    if (!unpacked) return 0;
    frame = std::move(unpacked->frame);
    if (frame.size() < kHeader) return 0;
  }
  if (is_legacy_operation(frame)) {
    const auto operation = parse_legacy_operation(frame);
    if (!operation) return 0;
    walk(operation->command);
    for (const auto& sequence : operation->sequences) {
      for (const auto& document : sequence.documents) walk(document);
    }
    make_legacy_reply(*operation, operation->command, 0);
    return 0;
  }
  const auto message = parse_message(frame);
  if (!message) return 0;
  walk(message->body);
  for (const auto& sequence : message->sequences) {
    for (const auto& document : sequence.documents) walk(document);
  }
  const auto command = whole_command(*message);
  const auto reply = make_reply(*message, command);
  const auto again = pack_message(reply, net::Compressor::kZlib);
  if (!again) return 0;
  const auto back = unpack_message(*again);
  CHECK(back && back->frame.size() == reply.size(), "a packed reply comes back otherwise");
  return 0;
}
