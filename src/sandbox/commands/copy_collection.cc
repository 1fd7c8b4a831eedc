#include "sandbox/commands/copy_collection.h"

#include <fmt/format.h>

#include "bson/builder.h"

namespace drover::sandbox {

namespace {

// Interrupts are looked for once in so many documents.
constexpr std::size_t kCheckEvery = 1024;

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
  if (from->counters->copy().bytes > kMaxCopiedBytes) {
    return server_error(code::kIllegalOperation, fmt::format("{} has more than {} bytes, which this server does not copy in one command",
                                                             from->ns.to_string(), kMaxCopiedBytes));
  }
  const auto* id_index = from->id_index();
  auto copy = TRY(unit.create_collection(to.ns, to.options, id_index ? id_index->spec.view() : bson::View()));
  std::vector<bson::Document> specs;
  for (const auto& index : from->indexes) {
    if (to.with_indexes && !index->is_id() && index->ready) specs.push_back(index->spec);
  }
  if (!specs.empty()) copy = TRY(unit.create_indexes(copy, specs));
  // An iterator over the unit's writes does not outlive the next write.
  std::vector<bson::Document> documents;
  {
    RecordCursor records(unit, *from);
    while (const auto document = TRY(records.next())) {
      documents.emplace_back(*document);
      if (documents.size() % kCheckEvery == 0) TRY(check_interrupt(context));
    }
  }
  for (auto& document : documents) {
    TRY(unit.insert(copy, document));
    document = bson::Document();
  }
  return copy;
}

}  // namespace drover::sandbox
