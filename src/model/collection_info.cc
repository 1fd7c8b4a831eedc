#include "model/collection_info.h"

#include <map>

#include <fmt/format.h>

#include "bson/ejson.h"

namespace drover {

namespace {

std::string_view name_of(const bson::Document& index) { return index["name"].to_string_view().value_or(""); }

// The first field in which two documents differ, in words; keys, types, bytes and order count.
std::optional<std::string> field_difference(bson::View source, bson::View destination) {
  auto a = source.begin();
  auto b = destination.begin();
  for (; a != source.end() && b != destination.end(); ++a, ++b) {
    if (a->key() != b->key()) {
      return fmt::format("field {} on the source where the destination has {}", a->key(), b->key());
    }
    if (!a->same_value_bytes(*b)) {
      return fmt::format("{} is {} on the source and {} on the destination", a->key(), bson::to_ejson(*a),
                         bson::to_ejson(*b));
    }
  }
  if (a != source.end()) return fmt::format("field {} is only on the source", a->key());
  if (b != destination.end()) return fmt::format("field {} is only on the destination", b->key());
  return std::nullopt;
}

// As field_difference, but in any order at the top (servers differ in where they put `unique` and `hidden`), and without
// `background`, which newer servers drop.
std::optional<std::string> spec_difference(bson::View source, bson::View destination) {
  for (const auto& field : source) {
    if (field.key() == "background") continue;
    const auto other = destination[field.key()];
    if (!other) return fmt::format("field {} is only on the source", field.key());
    if (!field.same_value_bytes(other)) {
      return fmt::format("{} is {} on the source and {} on the destination", field.key(), bson::to_ejson(field), bson::to_ejson(other));
    }
  }
  for (const auto& field : destination)
    if (field.key() != "background" && !source[field.key()]) return fmt::format("field {} is only on the destination", field.key());
  return std::nullopt;
}

std::optional<std::string> index_difference(const CollectionInfo& source, const CollectionInfo& destination) {
  std::map<std::string_view, const bson::Document*> remaining;
  for (const auto& index : destination.indexes) remaining.emplace(name_of(index), &index);
  for (const auto& index : source.indexes) {
    const auto found = remaining.find(name_of(index));
    if (found == remaining.end()) return fmt::format("index {} is only on the source", name_of(index));
    if (auto difference = spec_difference(index, *found->second)) {
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
  auto found = field_difference(source.options, destination.options);
  if (found) return "options: " + *found;
  return index_difference(source, destination);
}

}  // namespace drover
