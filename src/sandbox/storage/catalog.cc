#include "sandbox/storage/catalog.h"

#include <algorithm>

#include "bson/builder.h"
#include "sandbox/query/matcher.h"

namespace drover::sandbox {

bool IndexInfo::is_plain() const {
  for (const auto& field : fields) {
    if (!field.kind.empty()) return false;
  }
  return true;
}

bson::View IndexInfo::key_pattern() const { return spec["key"].to_document().value_or(bson::View()); }

std::set<Uuid> builds_of(const CollectionInfo& collection) {
  std::set<Uuid> builds;
  for (const auto& index : collection.indexes) {
    if (!index->ready) builds.insert(index->build);
  }
  return builds;
}

const IndexInfo* CollectionInfo::index(std::string_view name) const {
  for (const auto& index : indexes) {
    if (index->name == name) return index.get();
  }
  return nullptr;
}

const IndexInfo* CollectionInfo::id_index() const {
  return !indexes.empty() && indexes.front()->is_id() ? indexes.front().get() : nullptr;
}

std::size_t CollectionInfo::largest_document() const {
  const auto now = counters->copy();
  const auto average = now.records > 0 ? now.bytes / now.records : 0;
  return std::max(largest_seen->load(std::memory_order_relaxed), static_cast<std::size_t>(std::max<std::int64_t>(average, 0)));
}

Result<std::shared_ptr<const IndexInfo>> make_index(bson::View spec, Ident ident, bool ready, const Uuid& build) {
  auto index = std::make_shared<IndexInfo>();
  index->spec = bson::Document(spec);
  index->ident = ident;
  index->ready = ready;
  index->build = build;
  index->name = std::string(spec["name"].to_string_view().value_or(""));
  for (const auto& field : index->key_pattern()) {
    IndexField out{.path = std::string(field.key())};
    if (field.is_string()) {
      out.kind = std::string(field.string_value());
    } else {
      out.descending = field.to_double().value_or(1) < 0;
      if (out.path == "$**" || out.path.ends_with(".$**")) out.kind = "wildcard";
    }
    index->fields.push_back(std::move(out));
  }
  index->clustered = spec["clustered"].is_truthy();
  // prepareUnique: no new duplicates, whatever there was before.
  index->unique = spec["unique"].is_truthy() || spec["prepareUnique"].is_truthy() || index->is_id();
  index->sparse = spec["sparse"].is_truthy();
  if (const auto collation = spec["collation"].to_document()) index->collator = TRY(bson::Collator::open(*collation));
  if (const auto filter = spec["partialFilterExpression"].to_document()) {
    index->partial_filter = std::make_shared<query::Matcher>(TRY(query::Matcher::parse(*filter, index->collator)));
  }
  index->multikey = std::make_shared<std::atomic<std::uint64_t>>(0);
  return index;
}

// A capped collection whose size is 0 holds this much.
constexpr std::int64_t kCappedBytesOfNone = 4096;

Status derive_from_options(CollectionInfo& collection, ServerVersion version) {
  const bson::View options = collection.options;
  collection.capped = options["capped"].is_truthy();
  collection.capped_size = options["size"].to_int64().value_or(0);
  if (collection.capped && collection.capped_size == 0) collection.capped_size = kCappedBytesOfNone;
  collection.capped_max = options["max"].to_int64().value_or(0);
  collection.record_pre_images = options["recordPreImages"].is_truthy();
  if (const auto images = options["changeStreamPreAndPostImages"].to_document()) {
    collection.record_pre_images |= (*images)["enabled"].is_truthy();
  }
  collection.collator = nullptr;
  if (const auto collation = options["collation"].to_document()) collection.collator = TRY(bson::Collator::open(*collation));
  collection.validator = nullptr;
  if (const auto validator = options["validator"].to_document(); validator && !validator->empty()) {
    collection.validator = std::make_shared<query::Matcher>(TRY(query::Matcher::parse(*validator, collection.collator, version)));
  }
  return {};
}

bson::Document to_stored(const CollectionInfo& collection) {
  bson::Builder out;
  out.append("ns", collection.ns.to_string()).append("uuid", collection.uuid);
  out.append("ident", static_cast<std::int64_t>(collection.ident)).append("options", collection.options);
  auto indexes = out.open_array("indexes");
  for (const auto& index : collection.indexes) {
    auto entry = indexes.open_document();
    entry.append("ident", static_cast<std::int64_t>(index->ident)).append("ready", index->ready).append("spec", index->spec);
    if (!index->ready && !index->build.is_nil()) entry.append("build", index->build);
  }
  indexes.close();
  return std::move(out).finish();
}

Result<std::shared_ptr<CollectionInfo>> from_stored(bson::View stored, ServerVersion version) {
  auto collection = std::make_shared<CollectionInfo>();
  const auto ns = Namespace::parse(stored["ns"].to_string_view().value_or(""));
  const auto uuid = stored["uuid"].to_uuid();
  if (!ns || !uuid) return fail(ErrorCode::kFailure, "reading the catalog: a collection's record is damaged");
  collection->ns = *ns;
  collection->uuid = *uuid;
  collection->ident = static_cast<Ident>(stored["ident"].to_int64().value_or(0));
  collection->options = bson::Document(stored["options"].to_document().value_or(bson::View()));
  TRY_WITH(derive_from_options(*collection, version), "reading the catalog of " + ns->to_string());
  for (const auto& entry : stored["indexes"].to_array().value_or(bson::View())) {
    const auto index = entry.document_value();
    collection->indexes.push_back(TRY(make_index(index["spec"].document_value(),
                                                 static_cast<Ident>(index["ident"].to_int64().value_or(0)),
                                                 index["ready"].is_truthy(), index["build"].to_uuid().value_or(Uuid()))));
  }
  collection->counters = std::make_shared<Guarded<CollectionCounters>>();
  collection->next_record = std::make_shared<std::atomic<RecordId>>(0);
  collection->open_buckets = std::make_shared<Guarded<std::map<std::string, RecordId>>>();
  return collection;
}

CollectionPtr Catalog::find(const Namespace& ns) const {
  const auto it = by_name_.find(ns);
  return it == by_name_.end() ? nullptr : it->second;
}

CollectionPtr Catalog::find(const Uuid& uuid) const {
  const auto it = by_uuid_.find(uuid);
  return it == by_uuid_.end() ? nullptr : it->second;
}

std::vector<CollectionPtr> Catalog::of_database(std::string_view db) const {
  std::vector<CollectionPtr> result;
  for (auto it = by_name_.lower_bound(Namespace{std::string(db), ""}); it != by_name_.end() && it->first.db == db; ++it) {
    result.push_back(it->second);
  }
  return result;
}

std::vector<CollectionPtr> Catalog::all() const {
  std::vector<CollectionPtr> result;
  for (const auto& [ns, collection] : by_name_) result.push_back(collection);
  return result;
}

std::set<std::string> Catalog::databases() const {
  std::set<std::string> result;
  for (const auto& [ns, collection] : by_name_) result.insert(ns.db);
  return result;
}

bool Catalog::has_database(std::string_view db) const {
  const auto it = by_name_.lower_bound(Namespace{std::string(db), ""});
  return it != by_name_.end() && it->first.db == db;
}

std::string Catalog::differently_written(std::string_view db) const {
  const auto lower = [](unsigned char c) { return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c; };
  // From the first of a database to the first of the next.
  for (auto it = by_name_.begin(); it != by_name_.end(); it = by_name_.lower_bound(Namespace{it->first.db + '\0', ""})) {
    const auto& name = it->first.db;
    if (name != db && std::ranges::equal(name, db, {}, lower, lower)) return name;
  }
  return {};
}

void Catalog::put(CollectionPtr collection) {
  erase(collection->ns);
  if (!collection->uuid.is_nil()) by_uuid_[collection->uuid] = collection;
  by_name_[collection->ns] = std::move(collection);
}

void Catalog::erase(const Namespace& ns) {
  const auto it = by_name_.find(ns);
  if (it == by_name_.end()) return;
  const auto by_uuid = by_uuid_.find(it->second->uuid);
  if (by_uuid != by_uuid_.end() && by_uuid->second == it->second) by_uuid_.erase(by_uuid);
  by_name_.erase(it);
}

void Catalog::set_invalid_view(const std::string& db, std::string shown_id) {
  if (shown_id.empty()) invalid_views_.erase(db);
  else invalid_views_[db] = std::move(shown_id);
}

const std::string* Catalog::invalid_view(std::string_view db) const {
  const auto it = invalid_views_.find(db);
  return it == invalid_views_.end() ? nullptr : &it->second;
}

}  // namespace drover::sandbox
