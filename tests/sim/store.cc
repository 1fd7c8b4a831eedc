#include "store.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "bson/key_string.h"

namespace drover::sim {

Store::Store() {
  catalogs_.emplace_back(ClusterTime{}, std::make_shared<const Catalog>());
}

const Catalog& Store::catalog_at(ClusterTime ts) const {
  const auto after = std::upper_bound(catalogs_.begin(), catalogs_.end(), ts,
                                      [](ClusterTime time, const auto& item) { return time < item.first; });
  return *std::prev(after)->second;
}

const CatalogEntry* Store::find(const Namespace& ns) const {
  const auto at = catalog().find(ns);
  return at == catalog().end() ? nullptr : &at->second;
}

const CatalogEntry* Store::find(const Uuid& uuid) const {
  for (const auto& [ns, entry] : catalog()) {
    if (!entry.info.is_view() && entry.info.uuid == uuid) return &entry;
  }
  return nullptr;
}

const CollectionData& Store::data(const Uuid& uuid) const {
  static const CollectionData kNone;
  const auto at = data_.find(uuid);
  return at == data_.end() ? kNone : at->second;
}

const Version* Store::version_at(const Uuid& uuid, const std::string& key, ClusterTime ts) const {
  const auto& documents = data(uuid).documents;
  const auto at = documents.find(key);
  if (at == documents.end()) return nullptr;
  const Version* found = nullptr;
  for (const auto& version : at->second) {
    if (version.ts <= ts) found = &version;
  }
  return found;
}

DocumentPtr Store::document_at(const Uuid& uuid, const std::string& key, ClusterTime ts) const {
  const auto* version = version_at(uuid, key, ts);
  return version == nullptr ? nullptr : version->document;
}

DocumentPtr Store::latest(const Uuid& uuid, const std::string& key) const {
  const auto& documents = data(uuid).documents;
  const auto at = documents.find(key);
  return at == documents.end() || at->second.empty() ? nullptr : at->second.back().document;
}

std::vector<DocumentPtr> Store::documents_at(const Uuid& uuid, ClusterTime ts) const {
  std::vector<DocumentPtr> documents;
  for (const auto& [key, history] : data(uuid).documents) {
    if (auto document = document_at(uuid, key, ts)) documents.push_back(std::move(document));
  }
  return documents;
}

std::vector<ClusterTime> Store::reserve(std::uint32_t now_seconds, int count) {
  ClusterTime next = oplog_.empty() ? ClusterTime{now_seconds, 0} : last();
  if (next.seconds < now_seconds) next = {now_seconds, 0};
  std::vector<ClusterTime> times;
  for (int i = 0; i < count; ++i) times.push_back({next.seconds, ++next.increment});
  return times;
}

Status Store::apply(const std::vector<Write>& writes, ClusterTime ts, bool by_user, int* refused) {
  for (std::size_t i = 0; i < writes.size(); ++i) {
    const auto& write = writes[i];
    if (auto allowed = check(write); !allowed) {
      for (std::size_t done = i; done-- > 0;) data_[writes[done].uuid].documents[writes[done].key].pop_back();
      if (refused != nullptr) *refused = static_cast<int>(i);
      return allowed;
    }
    data_[write.uuid].documents[write.key].push_back({ts, write.document, by_user});
  }
  return {};
}

Status Store::check(const Write& write) const {
  const auto* entry = find(write.uuid);
  CHECK(entry != nullptr, "a write to a collection that does not exist");
  if (write.kind == Write::Kind::kInsert && latest(write.uuid, write.key)) {
    return fail(ErrorCode::kFailure,
                fmt::format("E11000 duplicate key error collection: {} index: _id_", write.ns.to_string()), 11000);
  }
  if (!write.document) return {};
  for (const auto& index : unique_indexes(entry->info)) {
    if (holders(*entry, index, *write.document, write.key).empty()) continue;
    return fail(ErrorCode::kFailure,
                fmt::format("E11000 duplicate key error collection: {} index: {}", write.ns.to_string(),
                            index["name"].to_string_view().value_or("")),
                11000);
  }
  return {};
}

void Store::append(ClusterTime ts, bson::Document entry) { oplog_.push_back({ts, std::move(entry)}); }

void Store::set_catalog(ClusterTime ts, Catalog catalog) {
  catalogs_.emplace_back(ts, std::make_shared<const Catalog>(std::move(catalog)));
  last_ddl_ = ts;
}

void Store::truncate_oplog(ClusterTime ts) {
  auto first = std::lower_bound(oplog_.begin(), oplog_.end(), ts,
                                [](const OplogEntry& entry, ClusterTime time) { return entry.ts < time; });
  if (first == oplog_.end()) --first;
  oplog_.erase(oplog_.begin(), first);
}

void Store::roll_back(ClusterTime ts) {
  CHECK(ts >= last_ddl_, "a catalog change is not rolled back");
  while (oplog_.back().ts > ts) oplog_.pop_back();
  for (auto& [uuid, data] : data_) {
    for (auto at = data.documents.begin(); at != data.documents.end();) {
      auto& history = at->second;
      while (!history.empty() && history.back().ts > ts) history.pop_back();
      at = history.empty() ? data.documents.erase(at) : std::next(at);
    }
  }
}

std::vector<DocumentPtr> Store::holders(const CatalogEntry& entry, bson::View index, bson::View document,
                                        const std::string& own_key) const {
  std::vector<DocumentPtr> found;
  const auto keys = index_keys(index, document);
  if (keys.empty()) return found;
  for (const auto& [key, history] : data(entry.info.uuid).documents) {
    if (key == own_key || history.empty() || !history.back().document) continue;
    const auto theirs = index_keys(index, *history.back().document);
    const bool same = std::any_of(theirs.begin(), theirs.end(), [&](const auto& value) {
      return std::find(keys.begin(), keys.end(), value) != keys.end();
    });
    if (same) found.push_back(history.back().document);
  }
  return found;
}

std::optional<std::string> Store::duplicates_in(const CatalogEntry& entry, bson::View index) const {
  for (const auto& [key, history] : data(entry.info.uuid).documents) {
    if (history.empty() || !history.back().document) continue;
    if (!holders(entry, index, *history.back().document, key).empty()) {
      return fmt::format("E11000 duplicate key error collection: {} index: {}", entry.info.ns.to_string(),
                         index["name"].to_string_view().value_or(""));
    }
  }
  return std::nullopt;
}

std::vector<std::string> index_keys(bson::View index, bson::View document) {
  std::vector<std::string> keys{""};
  bool any = false;
  const auto pattern = index["key"].to_document().value_or(bson::View());
  for (const auto& field : pattern) {
    std::vector<std::string> values;
    const auto element = document.at_path(field.key());
    any = any || element.exists();
    if (element.is_array()) {
      for (const auto& item : element.document_value()) values.push_back(bson::key_string(item));
    }
    if (values.empty()) {
      static const bson::Document kNull(std::vector<std::uint8_t>{8, 0, 0, 0, 0x0a, 'n', 0, 0});
      values.push_back(bson::key_string(element.exists() ? element : kNull.view().first()));
    }
    std::vector<std::string> next;
    for (const auto& prefix : keys) {
      for (const auto& value : values) next.push_back(prefix + value);
    }
    keys = std::move(next);
  }
  if (!any && index["sparse"].is_truthy()) return {};
  return keys;
}

std::string logical_key(const CatalogEntry& entry, const bson::Element& id) {
  return bson::key_string(id, entry.collator.get());
}

}  // namespace drover::sim
