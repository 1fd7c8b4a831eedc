#include "model/collection_info.h"

#include <map>

#include <fmt/format.h>

#include "bson/ejson.h"
#include "model/catalog_meaning.h"

namespace drover {

namespace {

std::string_view name_of(const bson::Document& index) { return index["name"].to_string_view().value_or(""); }

// The first difference in what two documents of the catalog mean, in their own words.
std::optional<std::string> meaning_difference(bson::View source, const Meaning& on_source, bson::View destination,
                                              const Meaning& on_destination) {
  const auto written = [](bson::View document, const std::string& name) {
    const auto field = document[name];
    return field ? bson::to_ejson(field) : std::string("absent");
  };
  for (const auto& [name, value] : on_source) {
    const auto other = on_destination.find(name);
    if (other == on_destination.end() && !destination[name]) return fmt::format("field {} is only on the source", name);
    if (other != on_destination.end() && value.element().same_value_bytes(other->second.element())) continue;
    return fmt::format("{} is {} on the source and {} on the destination", name, written(source, name), written(destination, name));
  }
  for (const auto& [name, value] : on_destination) {
    if (on_source.contains(name)) continue;
    if (!source[name]) return fmt::format("field {} is only on the destination", name);
    return fmt::format("{} is {} on the source and {} on the destination", name, written(source, name), written(destination, name));
  }
  return std::nullopt;
}

std::optional<std::string> index_difference(const CollectionInfo& source, const CollectionInfo& destination) {
  std::map<std::string_view, const bson::Document*> remaining;
  for (const auto& index : destination.indexes) remaining.emplace(name_of(index), &index);
  for (const auto& index : source.indexes) {
    const auto found = remaining.find(name_of(index));
    if (found == remaining.end()) return fmt::format("index {} is only on the source", name_of(index));
    if (auto difference = meaning_difference(index, meaning_of_index(index), *found->second, meaning_of_index(*found->second))) {
      return fmt::format("index {}: {}", name_of(index), *difference);
    }
    remaining.erase(found);
  }
  if (!remaining.empty()) return fmt::format("index {} is only on the destination", remaining.begin()->first);
  return std::nullopt;
}

const char* kind_name(CollectionKind kind) {
  switch (kind) {
    case CollectionKind::kCollection: return "collection";
    case CollectionKind::kView: return "view";
    case CollectionKind::kTimeseries: return "time-series collection";
  }
  return "unknown";
}

}  // namespace

std::vector<bson::Document> unique_indexes(const CollectionInfo& info) {
  std::vector<bson::Document> unique;
  for (const auto& index : info.indexes) {
    if (name_of(index) != "_id_" && index["unique"].is_truthy()) unique.push_back(index);
  }
  return unique;
}

std::optional<std::string> difference(const CollectionInfo& source, const CollectionInfo& destination) {
  if (source.ns != destination.ns) {
    return fmt::format("{} on the source is {} on the destination", source.ns.to_string(), destination.ns.to_string());
  }
  if (source.kind != destination.kind) {
    return fmt::format("a {} on the source and a {} on the destination", kind_name(source.kind), kind_name(destination.kind));
  }
  const auto found = meaning_difference(source.options, meaning_of_options(source.options), destination.options,
                                        meaning_of_options(destination.options));
  if (found) return "options: " + *found;
  return index_difference(source, destination);
}

}  // namespace drover
