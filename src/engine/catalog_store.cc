#include "engine/catalog_store.h"

#include <algorithm>

#include <fmt/format.h>

#include "bson/builder.h"
#include "bson/key_string.h"
#include "engine/state_fields.h"

namespace drover::engine {
namespace {

std::string partition_id(const Collection& collection, int number) {
  return fmt::format("{}.{}", collection.info.uuid.to_string(), number);
}

// As bytes: servers before 5.0 refuse `$` names inside a replacement, and validators and filters have them.
bson::Binary packed(const bson::Document& document) { return {0, document.view().bytes()}; }

}  // namespace

Status save_collection(StateStore& state, const Collection& collection, const std::stop_token& stop) {
  bson::Builder builder;
  builder.append("db", collection.info.ns.db).append("coll", collection.info.ns.collection);
  builder.append("options", packed(collection.info.options));
  {
    auto array = builder.open_array("indexes");
    for (const auto& index : collection.info.indexes) array.append(packed(index));
  }
  builder.append("destinationUuid", collection.destination_uuid).append("ddlTime", collection.ddl_time.ts);
  builder.append("ddlIndex", static_cast<std::int64_t>(collection.ddl_time.index));
  builder.append("indexesValidFrom", collection.indexes_valid_from).append("gone", collection.gone.load());
  builder.append("documents", collection.documents_expected).append("bytes", collection.bytes_expected);
  return state.save("x_catalog", value_of(collection.info.uuid), std::move(builder).finish(), stop);
}

Status save_plan(StateStore& state, const Collection& collection, const std::stop_token& stop) {
  bson::Builder builder;
  {
    auto bounds = builder.open_array("bounds");
    for (const auto& partition : collection.partitions)
      if (partition->min.exists()) bounds.append(partition->min);
  }
  return state.save("x_plans", value_of(collection.info.uuid), std::move(builder).finish(), stop);
}

Status save_partition(StateStore& state, const Collection& collection, const Partition& partition,
                      std::int64_t documents, std::int64_t bytes, const std::stop_token& stop) {
  bson::Builder builder;
  builder.append("uuid", collection.info.uuid).append("n", partition.number);
  builder.append("state", partition.state == PartitionState::kCopied ? "copied" : "copying");
  builder.append("r", partition.r).append("f", partition.f);
  builder.append("documents", documents).append("bytes", bytes);
  builder.append("largest", static_cast<std::int64_t>(collection.largest.load()));
  return state.save("x_partitions", partition_id(collection, partition.number), std::move(builder).finish(), stop);
}

Status remove_plan(StateStore& state, const Collection& collection, const std::stop_token& stop) {
  std::vector<bson::Value> ids;
  for (const auto& record : TRY(state.load("x_partitions", stop)))
    if (record["uuid"].to_uuid() == collection.info.uuid) ids.emplace_back(record["_id"]);
  TRY(state.remove("x_partitions", ids, stop));
  const std::vector<bson::Value> plan{value_of(collection.info.uuid)};
  return state.remove("x_plans", plan, stop);
}

void set_partitions(Collection& collection, const std::vector<bson::Value>& bounds) {
  collection.partitions.clear();
  for (std::size_t i = 0; i <= bounds.size(); ++i) {
    auto partition = std::make_unique<Partition>();
    partition->number = static_cast<int>(i);
    if (i > 0) partition->min = bounds[i - 1];
    if (i < bounds.size()) partition->max = bounds[i];
    if (i > 0) partition->min_key = collection.key_of(partition->min.element());
    collection.partitions.push_back(std::move(partition));
  }
}

Status open_collation(Collection& collection) {
  if (const auto spec = collection.info.options["collation"].to_document())
    collection.collator = TRY_WITH(bson::Collator::open(*spec), "collation of " + collection.info.ns.to_string());
  return {};
}

Result<Restored> restore_catalog(StateStore& state, Runtime& runtime, ClusterTime horizon, const std::stop_token& stop) {
  Restored restored;
  std::map<Uuid, std::shared_ptr<Collection>> by_uuid;
  for (const auto& document : TRY(state.load("x_catalog", stop))) {
    const StateFields fields("x_catalog", document);
    CollectionInfo info;
    info.uuid = TRY(fields.uuid("_id"));
    info.ns = Namespace{TRY(fields.text("db")), TRY(fields.text("coll"))};
    info.options = TRY(fields.packed(document["options"], "options"));
    for (const auto& index : TRY(fields.array("indexes"))) info.indexes.push_back(TRY(fields.packed(index, "indexes")));
    auto collection = std::make_shared<Collection>(runtime, std::move(info));
    collection->destination_uuid = TRY(fields.uuid("destinationUuid"));
    collection->ddl_time = {TRY(fields.time("ddlTime")), static_cast<std::uint32_t>(document["ddlIndex"].to_int64().value_or(0))};
    collection->indexes_valid_from = TRY(fields.time("indexesValidFrom"));
    collection->gone = collection->drop_recorded = TRY(fields.flag("gone"));
    collection->documents_expected = document["documents"].to_int64().value_or(0);
    collection->bytes_expected = document["bytes"].to_int64().value_or(0);
    TRY(open_collation(*collection));
    collection->seen.advance(horizon);
    by_uuid[collection->info.uuid] = collection;
    restored.collections.push_back(std::move(collection));
  }
  for (const auto& plan : TRY(state.load("x_plans", stop))) {
    const StateFields fields("x_plans", plan);
    const auto found = by_uuid.find(TRY(fields.uuid("_id")));
    if (found == by_uuid.end()) continue;
    if (found->second->destination_uuid.is_nil()) continue;  // to be created and planned anew
    std::vector<bson::Value> bounds;
    for (const auto& bound : TRY(fields.array("bounds"))) bounds.emplace_back(bound);
    set_partitions(*found->second, bounds);
  }
  for (const auto& record : TRY(state.load("x_partitions", stop))) {
    const StateFields fields("x_partitions", record);
    const auto found = by_uuid.find(TRY(fields.uuid("uuid")));
    if (found == by_uuid.end()) continue;
    auto& collection = *found->second;
    const auto number = static_cast<std::size_t>(TRY(fields.number("n")));
    if (number >= collection.partitions.size()) continue;
    raise(collection.largest, static_cast<std::size_t>(std::max<std::int64_t>(0, record["largest"].to_int64().value_or(0))));
    Partition& partition = *collection.partitions[number];
    if (TRY(fields.one_of("state", {"copying", "copied"})) == "copied") {
      partition.state = PartitionState::kCopied;
      partition.r = TRY(fields.time("r"));
      partition.f = std::max(TRY(fields.time("f")), horizon);
      collection.documents_copied += record["documents"].to_int64().value_or(0);
      collection.bytes_copied += record["bytes"].to_int64().value_or(0);
    } else if (!collection.gone) {
      restored.to_clear.emplace_back(found->second, &partition);
    }
  }
  return restored;
}

}  // namespace drover::engine
