#include "sandbox/commands/in_hand.h"

#include <algorithm>

#include "bson/validate.h"
#include "sandbox/storage/engine.h"

namespace drover::sandbox {

namespace {

constexpr int kMaxViewDepth = 20;

// What getMore names stands behind it; streams of whole databases name none and read the oplog.
CollectionPtr named(const CommandContext& context, const Catalog& catalog) {
  const bool more = context.command->name == "getMore";
  const auto field = more ? context.body["collection"] : context.body.first();
  if (const auto uuid = field.to_uuid()) return catalog.find(*uuid);
  const auto name = field.to_string_view();
  if (!name) return nullptr;
  if (more && *name == "$cmd.aggregate") return catalog.find(Namespace{"local", "oplog.rs"});
  auto found = catalog.find(Namespace{std::string(context.database), std::string(*name)});
  for (int depth = 0; found && found->is_view() && depth < kMaxViewDepth; ++depth) {
    found = catalog.find(Namespace{found->ns.db, found->view_on});
  }
  return found;
}

// Of what the whole of is parsed at once: not the statements of a write, which come one after the other.
std::size_t parsed_bytes(bson::View body) {
  if (body.size() < kLargeInHand) return 0;
  static constexpr std::string_view kStatements[] = {"documents", "updates", "deletes", "ops"};
  std::size_t bytes = 0;
  for (const auto& field : body) {
    if (std::ranges::find(kStatements, field.key()) == std::end(kStatements)) bytes += field.size();
  }
  return bytes >= kLargeInHand ? kParsedCopies * bytes : 0;
}

}  // namespace

std::size_t bytes_in_hand(const CommandContext& context) {
  const auto bytes = parsed_bytes(context.body);
  if (context.command->name == "insert") return bytes;
  const auto collection = named(context, *context.engine().view()->catalog);
  if (!collection || collection->is_view()) return bytes;
  const auto largest = std::min(collection->largest_document(), bson::kMaxInternalBytes);
  return largest >= kLargeInHand ? bytes + kDocumentsInHand * largest : bytes;
}

}  // namespace drover::sandbox
