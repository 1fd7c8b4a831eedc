#include <fmt/format.h>

#include "model/catalog_meaning.h"
#include "preflight/checks.h"

namespace drover::preflight {
namespace {

class CatalogCheck {
 public:
  CatalogCheck(const ServerVersion& destination, Findings& findings) : destination_(destination), findings_(findings) {}

  void look_at(const CollectionInfo& info) {
    const auto ns = info.ns.to_string();
    if (is_system_collection(info.ns.collection)) {
      refuse("source-system-collection", fmt::format("{} is a system collection", ns),
             "drop it, or exclude its database");
      return;
    }
    if (info.kind == CollectionKind::kTimeseries) refuse_collection("source-timeseries", ns, "a time-series collection");
    if (info.options["capped"].is_truthy()) refuse_collection("source-capped", ns, "a capped collection");
    if (info.options["clusteredIndex"].is_truthy()) refuse_collection("source-clustered", ns, "a clustered collection");
    if (info.options["encryptedFields"].exists()) refuse_collection("source-encrypted", ns, "a collection with encrypted fields");
    if (info.options["recordPreImages"].is_truthy() && destination_ >= ServerVersion{6, 0, 0}) {
      refuse("source-record-pre-images", fmt::format("{} records pre-images (recordPreImages), an option that 6.0 removed", ns),
             fmt::format("turn it off: db.runCommand({{collMod: \"{}\", recordPreImages: false}})", info.ns.collection));
    }
    if (info.kind != CollectionKind::kCollection || info.options["clusteredIndex"].is_truthy()) return;
    bool has_id_index = false;
    for (const auto& index : info.indexes) {
      if (index["name"].to_string_view() == "_id_") has_id_index = true;
      look_at_index(ns, index);
    }
    if (!has_id_index) {
      refuse("source-no-id-index", fmt::format("{} has no index on _id", ns), "create it: createIndex({_id: 1})");
    }
  }

 private:
  void look_at_index(const std::string& ns, bson::View index) {
    const auto name = index["name"].to_string_view().value_or("?");
    if (index["expireAfterSeconds"].exists()) {
      refuse("source-ttl", fmt::format("index {} of {} is a TTL index", name, ns),
             "drop it (or hide the collection with --exclude) and create it again after the migration");
    }
    for (const auto& field : index) {
      if (is_known_index_field(field.key())) continue;
      refuse("source-index-option", fmt::format("index {} of {} has the field '{}', which servers refuse in a new index", name, ns, field.key()),
             "drop it and create it again without that field");
    }
    for (const auto& field : index["key"].to_document().value_or(bson::View())) {
      if (field.to_string_view() == "geoHaystack" && destination_ >= ServerVersion{5, 0, 0}) {
        refuse("source-geo-haystack", fmt::format("index {} of {} is a geoHaystack index, which 5.0 removed", name, ns),
               "drop it");
      }
    }
  }
  void refuse_collection(const char* id, const std::string& ns, const char* what) {
    refuse(id, fmt::format("{} is {}, which this version does not carry", ns, what), fmt::format("leave it out: --exclude {}", ns));
  }
  void refuse(const char* id, std::string what, std::string remedy) {
    findings_.push_back(
        {id, Side::kSource, Severity::kRefuse, ErrorCode::kUnsupported, std::move(what), std::move(remedy)});
  }

  const ServerVersion destination_;
  Findings& findings_;
};

}  // namespace

void check_catalog(const std::vector<CollectionInfo>& collections, const ServerVersion& destination,
                   const NamespaceFilter& filter, Findings& findings) {
  CatalogCheck check(destination, findings);
  for (const auto& info : collections) {
    if (filter.matches(info.ns)) check.look_at(info);
  }
}

void check_filter(const std::vector<CollectionInfo>& collections, const NamespaceFilter& filter, Findings& findings) {
  std::vector<Namespace> present;
  bool any = false, refused = false;
  for (const auto& info : collections) {
    present.push_back(info.ns);
    any = any || filter.matches(info.ns);
  }
  for (const auto& ns : filter.unmatched_includes(present)) {
    findings.push_back({"source-include", Side::kSource, any ? Severity::kWarn : Severity::kRefuse, ErrorCode::kUsage,
                        fmt::format("it holds nothing of the name {} (--include)", ns.to_string()),
                        any ? "it will be followed once it is there" : "see to the spelling; nothing would be migrated"});
    refused = refused || !any;
  }
  for (const auto& ns : filter.unmatched_excludes(present)) {
    findings.push_back({"source-exclude", Side::kSource, Severity::kWarn, ErrorCode::kUsage,
                        fmt::format("it holds nothing of the name {} (--exclude)", ns.to_string()),
                        "see to the spelling; what else it was to leave out is migrated"});
  }
  if (any || collections.empty() || refused) return;
  findings.push_back({"source-nothing-left", Side::kSource, Severity::kRefuse, ErrorCode::kUsage,
                      fmt::format("{} leave nothing of it to be migrated", filter.has_includes() ? "--include and --exclude" : "the names given with --exclude"),
                      "leave one of them away"});
}

Result<std::vector<CollectionInfo>> list_all(cluster::Deployment& deployment) {
  std::vector<CollectionInfo> all;
  const auto databases = TRY(deployment.list_databases());
  for (const auto& db : databases) {
    if (is_internal_database(db)) continue;
    auto infos = TRY(deployment.list_collections(db));
    for (auto& info : infos) all.push_back(std::move(info));
  }
  return all;
}

}  // namespace drover::preflight
