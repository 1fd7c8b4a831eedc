#include "engine/catalog.h"

#include <algorithm>

#include "base/check.h"
#include "bson/builder.h"
#include "bson/key_string.h"

namespace drover::engine {

Partition& Collection::partition_of(const std::string& key) {
  CHECK(!partitions.empty(), "a collection without partitions");
  auto after = std::upper_bound(partitions.begin(), partitions.end(), key,
                                [](const std::string& k, const auto& partition) { return k < partition->min_key; });
  CHECK(after != partitions.begin(), "the first partition has no lower bound");
  return **std::prev(after);
}

bool Collection::copied() const {
  return std::all_of(partitions.begin(), partitions.end(),
                     [](const auto& partition) { return partition->state == PartitionState::kCopied; });
}

std::string Collection::key_of(const bson::Element& id) const { return bson::key_string(id, collator.get()); }

std::shared_ptr<Collection> Catalog::find(const Uuid& uuid) const {
  const auto it = collections.find(uuid);
  return it == collections.end() ? nullptr : it->second;
}

std::shared_ptr<Collection> Catalog::find(const Namespace& ns) const {
  for (const auto& [uuid, collection] : collections)
    if (collection->info.ns == ns) return collection;
  return nullptr;
}

ClusterTime Catalog::listing_time(const std::string& db) const {
  const auto it = listed_at.find(db);
  return it == listed_at.end() ? listed_default : it->second;
}

bson::Document without(bson::View document, std::initializer_list<std::string_view> fields) {
  bson::Builder builder;
  for (const auto& field : document)
    if (std::find(fields.begin(), fields.end(), field.key()) == fields.end()) builder.append_raw(field);
  return std::move(builder).finish();
}

std::optional<std::string> not_carried(bson::View options) {
  if (options["capped"].is_truthy()) return "a capped collection";
  if (options["timeseries"].exists()) return "a time-series collection";
  if (options["clusteredIndex"].exists()) return "a clustered collection";
  if (options["encryptedFields"].exists()) return "a collection with encrypted fields";
  if (options["expireAfterSeconds"].exists()) return "a collection whose documents expire";
  return std::nullopt;
}

std::optional<std::string> index_not_carried(bson::View index) {
  if (index["expireAfterSeconds"].exists()) return "a TTL index";
  if (index["prepareUnique"].is_truthy()) return "an index that is being made unique";
  return std::nullopt;
}

std::vector<bson::Document> secondary_indexes(const CollectionInfo& info) {
  std::vector<bson::Document> result;
  for (const auto& index : info.indexes)
    if (index["name"].to_string_view() != std::string_view("_id_")) result.push_back(index);
  return result;
}

std::vector<bson::Document> plain_secondary_indexes(const CollectionInfo& info) {
  auto result = secondary_indexes(info);
  std::erase_if(result, [](const auto& index) { return index["unique"].is_truthy(); });
  return result;
}

}  // namespace drover::engine
