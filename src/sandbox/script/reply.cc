#include "sandbox/script/reply.h"

#include <algorithm>
#include <cstdint>
#include <iterator>

#include "bson/validate.h"
#include "sandbox/script/protocol.h"

namespace drover::sandbox::script {

namespace {

using bson::Element;
using bson::View;

// Of what functions throw, of what they do with BSON's types, and of what they return. None is an interruption or another that drivers try again.
constexpr std::int64_t kErrors[] = {2, 8, 9, 139, 10232, 10334, 10430, 10448, 16259, 16261, 16262, 16661, 16662, 16716, 16985, 17279, 31220, 31292};
constexpr std::size_t kMaxErrorText = 16 << 10;  // a message and a stack

bool is_error(View reply) {
  const auto code = reply["code"], message = reply["message"], last = reply["last"];
  return code.type() == bson::Type::kInt32 && std::ranges::binary_search(kErrors, code.to_int64().value_or(0)) && message.is_string() &&
         message.string_value().size() <= kMaxErrorText && last.type() == bson::Type::kBool;
}

bool is_value(View reply) { return reply.field_count() == 1 && reply.first().key() == "value" && reply.size() <= bson::kMaxInternalBytes + 64; }

// So many documents as there were, and for each emit its key and its value.
bool is_mapped(View request, View reply) {
  const auto documents = request["documents"], emits = reply["emits"], done = reply["done"];
  if (!documents.is_array() || !emits.is_array() || done.type() != bson::Type::kInt32) return false;
  if (done.int32_value() <= 0 || static_cast<std::size_t>(done.int32_value()) > documents.document_value().field_count()) return false;
  return std::ranges::all_of(emits.document_value(), [](const Element& pair) {
    return pair.is_document() && pair.document_value()["k"].exists() && pair.document_value()["v"].exists();
  });
}

}  // namespace

bool is_reply(View request, View reply) {
  if (reply["code"]) return is_error(reply);
  switch (static_cast<Request>(request["do"].to_int64().value_or(0))) {
    case Request::kBegin:
    case Request::kCompile: return reply.empty();
    case Request::kTest: return is_value(reply) && reply.first().type() == bson::Type::kBool;
    case Request::kCall:
    case Request::kFold: return is_value(reply);
    case Request::kMap: return is_mapped(request, reply);
    case Request::kEnd: break;  // has none
  }
  return false;
}

}  // namespace drover::sandbox::script
