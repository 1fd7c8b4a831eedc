// compact and reIndex: the files of one collection are written anew, and with them those of its neighbours. Entries of indexes are written with
// their documents and always theirs; so a rebuilt index is its own entries in new files.
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

// Once for all indexes: the store takes whole key spaces.
Status compact_indexes(const CommandContext& context, const CollectionInfo& collection) {
  const auto by_ident = [](const auto& a, const auto& b) { return a->ident < b->ident; };
  const auto [first, last] = std::minmax_element(collection.indexes.begin(), collection.indexes.end(), by_ident);
  if (first == collection.indexes.end()) return {};
  auto done = context.engine().store().compact(kIndexes, big_endian((*first)->ident), big_endian((*last)->ident + 1), context.stop);
  TRY(check_interrupt(context));
  return done;
}

Status compact_records(const CommandContext& context, const CollectionInfo& collection) {
  auto done = context.engine().store().compact(kRecords, big_endian(collection.ident), big_endian(collection.ident + 1), context.stop);
  TRY(check_interrupt(context));
  return done;
}

std::uint64_t bytes_of(const CommandContext& context, const CollectionInfo& collection) {
  auto& store = context.engine().store();
  // Large documents lie beside the others, and are counted for all collections together: what is freed of them is freed.
  std::uint64_t bytes = store.large_value_bytes(kRecords) + store.approximate_bytes(kRecords, big_endian(collection.ident), big_endian(collection.ident + 1));
  for (const auto& index : collection.indexes) bytes += store.approximate_bytes(kIndexes, big_endian(index->ident), big_endian(index->ident + 1));
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
  const auto before = bytes_of(context, *collection);
  TRY(compact_records(context, *collection));
  TRY(compact_indexes(context, *collection));
  const auto after = bytes_of(context, *collection);
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
  TRY(compact_indexes(context, *collection));
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
      {.name = "reIndex", .flags = kWriteConcern, .resource = ResourceKind::kCollection, .action = "reIndex", .handler = re_index,
       .help = "writes the files of a collection's indexes anew; refused from 5.0 on"},
  };
  return kRows;
}

}  // namespace drover::sandbox
