#include "verifier/catalog_comparison.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

namespace drover::verifier {
namespace {

using Catalog = std::map<Namespace, CollectionInfo>;

Result<Catalog> read_catalog(cluster::Deployment& deployment, const std::function<bool(const Namespace&)>& included) {
  Catalog catalog;
  const auto databases = TRY(deployment.list_databases());
  for (const auto& db : databases) {
    if (is_internal_database(db)) continue;
    auto infos = TRY(deployment.list_collections(db));
    for (auto& info : infos) {
      if (is_system_collection(info.ns.collection) || !included(info.ns)) continue;
      auto ns = info.ns;
      catalog.emplace(std::move(ns), std::move(info));
    }
  }
  return catalog;
}

const char* noun(const CollectionInfo& info) { return info.is_view() ? "view" : "collection"; }

std::string_view name_of(const bson::Document& index) { return index["name"].to_string_view().value_or(""); }

bool has_index(const CollectionInfo& info, std::string_view name) {
  return std::any_of(info.indexes.begin(), info.indexes.end(), [&](const auto& index) { return name_of(index) == name; });
}

// Takes the indexes that only `info` has out of it.
void report_lone_indexes(CollectionInfo& info, const CollectionInfo& other, MismatchKind kind, const char* where,
                         std::vector<Mismatch>& mismatches) {
  std::erase_if(info.indexes, [&](const auto& index) {
    if (has_index(other, name_of(index))) return false;
    mismatches.push_back({kind, info.ns, {}, fmt::format("index {} is only on the {}", name_of(index), where)});
    return true;
  });
}

void compare_pair(CollectionInfo source, CollectionInfo destination, std::vector<Mismatch>& mismatches) {
  const CollectionInfo all_of_source = source;
  report_lone_indexes(source, destination, MismatchKind::kMissingIndex, "source", mismatches);
  report_lone_indexes(destination, all_of_source, MismatchKind::kExtraIndex, "destination", mismatches);
  // What is left has the same indexes by name.
  if (auto text = difference(source, destination)) {
    mismatches.push_back({MismatchKind::kCatalog, source.ns, {}, std::move(*text)});
  }
}

}  // namespace

Result<CatalogComparison> compare_catalogs(cluster::Deployment& source, cluster::Deployment& destination,
                                           const std::function<bool(const Namespace&)>& included) {
  auto on_source = TRY_WITH(read_catalog(source, included), "listing the collections of the source");
  auto on_destination = TRY_WITH(read_catalog(destination, included), "listing the collections of the destination");
  CatalogComparison result;
  for (auto& [ns, info] : on_source) {
    ++result.collections;
    const auto found = on_destination.find(ns);
    if (found == on_destination.end()) {
      result.mismatches.push_back(
          {MismatchKind::kMissingCollection, ns, {}, fmt::format("the {} is only on the source", noun(info))});
      if (info.kind == CollectionKind::kCollection) result.only_on_source.push_back(ns);
      continue;
    }
    compare_pair(info, found->second, result.mismatches);
    if (info.kind == CollectionKind::kCollection && found->second.kind == CollectionKind::kCollection) {
      result.pairs.push_back({std::move(info), std::move(found->second)});
    } else if (info.kind == CollectionKind::kCollection) {
      result.only_on_source.push_back(ns);
    } else if (found->second.kind == CollectionKind::kCollection) {
      result.only_on_destination.push_back(ns);
    }
    on_destination.erase(found);
  }
  for (const auto& [ns, info] : on_destination) {
    ++result.collections;
    result.mismatches.push_back(
        {MismatchKind::kExtraCollection, ns, {}, fmt::format("the {} is only on the destination", noun(info))});
    if (info.kind == CollectionKind::kCollection) result.only_on_destination.push_back(ns);
  }
  return result;
}

}  // namespace drover::verifier
