// compact and reIndex: the files of one collection are written anew. Entries of indexes are written with their documents and always theirs;
// so a rebuilt index is its own entries in new files.
#include <algorithm>

#include <fmt/format.h>

#include "sandbox/commands/support.h"
#include "sandbox/commands/tables.h"
#include "sandbox/storage/keys.h"

namespace drover::sandbox {

namespace {

// "can't compact a view", and what there is to it.
Result<CollectionPtr> existing(const CommandContext& context, const Namespace& ns, std::string_view on_view) {
  const auto collection = context.engine().view()->catalog->find(ns);
  if (!collection) return server_error(code::kNamespaceNotFound, "collection does not exist");
  if (collection->is_view()) return server_error(code::kCommandNotSupportedOnView, std::string(on_view));
  return collection;
}

struct Range {
  kv::KeySpace space;
  Ident ident;
};

Status compact_range(const CommandContext& context, Range range) {
  auto done = context.engine().store().compact(range.space, big_endian(range.ident), big_endian(range.ident + 1), context.stop);
  TRY(check_interrupt(context));
  return done;
}

std::uint64_t bytes_of(const CommandContext& context, const std::vector<Range>& ranges) {
  std::uint64_t bytes = 0;
  for (const auto& range : ranges) {
    bytes += context.engine().store().approximate_bytes(range.space, big_endian(range.ident), big_endian(range.ident + 1));
  }
  return bytes;
}

Result<bson::Document> compact(CommandContext& context) {
  const auto ns = TRY(named_collection(context));
  if (!context.body["force"].is_truthy()) {
    return server_error(code::kIllegalOperation, "will not run compact on an active replica set primary as this will slow down other running operations. "
                                                 "use force:true to force");
  }
  if (ns.collection.starts_with("system.")) return server_error(code::kInvalidNamespace, "can't compact a system namespace");
  const auto collection = TRY(existing(context, ns, "can't compact a view"));
  std::vector<Range> ranges{{kRecords, collection->ident}};
  for (const auto& index : collection->indexes) ranges.push_back({kIndexes, index->ident});
  const auto before = bytes_of(context, ranges);
  for (const auto& range : ranges) TRY(compact_range(context, range));
  const auto after = bytes_of(context, ranges);
  bson::Builder out;
  const auto freed = static_cast<std::int64_t>(before > after ? before - after : 0);
  freed < (1 << 30) ? out.append("bytesFreed", static_cast<std::int32_t>(freed)) : out.append("bytesFreed", freed);
  return std::move(out).finish();
}

Result<bson::Document> re_index(CommandContext& context) {
  const auto ns = TRY(named_collection(context));
  if (context.settings().at_least(5, 0)) {
    return server_error(code::kIllegalOperation, fmt::format("reIndex is only allowed on a standalone mongod instance. Cannot reIndex '{}' while replication is active",
                                                             ns.to_string()));
  }
  const auto collection = TRY(existing(context, ns, "can't re-index a view"));
  const auto building = std::find_if(collection->indexes.begin(), collection->indexes.end(), [](const auto& index) { return !index->ready; });
  if (building != collection->indexes.end()) {
    return server_error(12587, fmt::format("cannot perform operation: an index build is currently running for collection with UUID: {}", collection->uuid.to_string()));
  }
  for (const auto& index : collection->indexes) TRY(compact_range(context, {kIndexes, index->ident}));
  const auto count = static_cast<std::int32_t>(collection->indexes.size());
  bson::Builder out;
  out.append("nIndexesWas", count).append("nIndexes", count);
  auto indexes = out.open_array("indexes");
  for (const auto& index : collection->indexes) indexes.append(index->spec);
  indexes.close();
  return std::move(out).finish();
}

}  // namespace

std::span<const Command> storage_commands() {
  static const Command kRows[] = {
      {.name = "compact", .resource = ResourceKind::kCollection, .action = "compact", .handler = compact, .help = "writes a collection's files anew"},
      {.name = "reIndex", .resource = ResourceKind::kCollection, .action = "reIndex", .handler = re_index,
       .help = "writes the files of a collection's indexes anew; refused from 5.0 on"},
  };
  return kRows;
}

}  // namespace drover::sandbox
