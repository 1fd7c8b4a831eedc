#include "sandbox/commands/copy_collection.h"

#include <algorithm>

#include <fmt/format.h>

#include "bson/builder.h"

namespace drover::sandbox {

namespace {

// Interrupts are looked for once in so many documents.
constexpr std::size_t kCheckEvery = 1024;
// A unit has every document twice, for its entry in the oplog, and needs as much again when it grows.
constexpr std::int64_t kCopiesInUnit = 4;
constexpr int kExceededMemoryLimit = 146;

// Counted until the unit ends.
Status count_copy(CommandContext& context, WriteUnit& unit, const CollectionInfo& from) {
  const auto bytes = from.counters->copy().bytes;
  const auto share = std::make_shared<MemoryShare>(&context.services.memory.work);
  unit.keep_until_end(share);
  if (bytes <= kMaxCopiedBytes && share->try_grow_to(static_cast<std::size_t>(kCopiesInUnit * std::max<std::int64_t>(bytes, 0)))) return {};
  return server_error(kExceededMemoryLimit, fmt::format("{} has {} bytes, and a copy is made in memory: there is not enough of it. Copy its documents by $merge, try again, "
                                                        "or start the server with more --memory.", from.ns.to_string(), bytes));
}

}  // namespace

Namespace temporary_name(CommandContext& context, std::string_view db, std::string_view suffix) {
  return {std::string(db), fmt::format("tmp{:05x}.{}", context.services.runtime.random() & 0xfffff, suffix)};
}

bson::Document with_temp(bson::View options) {
  bson::Builder out;
  out.append_all(options);
  if (!options["temp"]) out.append("temp", true);
  return std::move(out).finish();
}

Result<CollectionPtr> copy_collection(CommandContext& context, WriteUnit& unit, const CollectionPtr& from, const CopyTarget& to) {
  TRY(count_copy(context, unit, *from));
  const auto* id_index = from->id_index();
  auto copy = TRY(unit.create_collection(to.ns, to.options, id_index ? id_index->spec.view() : bson::View()));
  std::vector<bson::Document> specs;
  for (const auto& index : from->indexes) {
    if (to.with_indexes && !index->is_id() && index->ready) specs.push_back(index->spec);
  }
  if (!specs.empty()) copy = TRY(unit.create_indexes(copy, specs));
  // Of the newest state, which no other unit changes meanwhile; an iterator over the unit's own writes would not outlive the next one.
  const auto reader = make_reader(context.engine(), context.engine().view());
  RecordCursor records(*reader, *from);
  for (std::size_t n = 1; const auto document = TRY(records.next()); ++n) {
    TRY(unit.insert(copy, *document));
    if (n % kCheckEvery == 0) TRY(check_interrupt(context));
  }
  return copy;
}

}  // namespace drover::sandbox
