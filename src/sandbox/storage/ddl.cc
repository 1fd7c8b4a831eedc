// The catalog half of WriteUnit: every change of a collection or index with its oplog entry.
#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "base/check.h"
#include "bson/ejson.h"
#include "sandbox/storage/engine_impl.h"
#include "sandbox/storage/index_keys.h"
#include "sandbox/storage/oplog_entry.h"

namespace drover::sandbox {

namespace {

bson::Document number_of_records(const CollectionPtr& collection) {
  return bson::make_document({{"numRecords", collection->counters->copy().records}});
}

bool is_filled_by(const IndexInfo& index, const Uuid& build) { return !index.ready && index.build == build; }

bson::Document build_command(std::string_view command, const CollectionInfo& collection, const Uuid& build, const Error* cause) {
  bson::Builder o;
  o.append(command, collection.ns.collection).append("indexBuildUUID", build);
  {
    auto specs = o.open_array("indexes");
    for (const auto& index : collection.indexes) {
      if (is_filled_by(*index, build)) specs.append(index->spec);
    }
  }
  if (cause) {
    auto why = o.open_document("cause");
    why.append("ok", false).append("code", cause->server_code).append("errmsg", cause->message);
  }
  return std::move(o).finish();
}

Result<std::shared_ptr<const IndexInfo>> made_now(Result<std::shared_ptr<const IndexInfo>> index, Runtime& runtime) {
  if (index) (*index)->uses->since_millis = std::chrono::duration_cast<std::chrono::milliseconds>(runtime.wall_time().time_since_epoch()).count();
  return index;
}

}  // namespace

Catalog& WriteUnit::writable_catalog() {
  if (!new_catalog_) new_catalog_ = std::make_shared<Catalog>(*catalog_);
  return *new_catalog_;
}

Ident WriteUnit::new_ident() {
  new_idents_ = true;
  return engine_.impl_->next_ident++;
}

std::shared_ptr<CollectionInfo> WriteUnit::copy(const CollectionPtr& collection) const {
  return std::make_shared<CollectionInfo>(*collection);
}

void WriteUnit::put_collection(CollectionPtr collection) {
  batch().put(kMeta, meta_key('c', collection->ident), bytes_of(to_stored(*collection)));
  writable_catalog().put(std::move(collection));
}

void WriteUnit::drop_index_data(const IndexInfo& index) {
  batch().remove_range(kIndexes, big_endian(index.ident), big_endian(index.ident + 1));
  batch().remove(kMeta, meta_key('m', index.ident));
}

void WriteUnit::drop_data(const CollectionInfo& collection) {
  batch().remove_range(kRecords, big_endian(collection.ident), big_endian(collection.ident + 1));
  for (const auto& index : collection.indexes) drop_index_data(*index);
  batch().remove(kMeta, meta_key('c', collection.ident));
  batch().remove(kMeta, meta_key('n', collection.ident));
  deltas_.erase(collection.ident);
}

Status WriteUnit::check_no_transaction(const CollectionPtr& collection) const {
  if (!engine_.impl_->locked_collections.contains(collection->ident)) return {};
  return fail(ErrorCode::kTemporary, fmt::format("a transaction holds documents of {}", collection->ns.to_string()), code::kWriteConflict);
}

Result<CollectionPtr> WriteUnit::create_collection(const Namespace& ns, bson::View options, bson::View id_index, std::optional<Uuid> uuid) {
  if (catalog().find(ns)) {
    return fail(ErrorCode::kFailure, fmt::format("Collection already exists. NS: {}", ns.to_string()), code::kNamespaceExists);
  }
  if (!catalog().has_database(ns.db)) {
    if (const auto other = catalog().differently_written(ns.db); !other.empty()) {
      return fail(ErrorCode::kFailure, fmt::format("db already exists with different case already have: [{}] trying to create [{}]", other, ns.db), code::kDatabaseDifferCase);
    }
  }
  auto collection = std::make_shared<CollectionInfo>();
  collection->ns = ns;
  collection->uuid = uuid.value_or(Uuid::random(engine_.runtime()));
  collection->ident = new_ident();
  collection->options = bson::Document(options);
  TRY(derive_from_options(*collection, engine_.options().version));
  if (!id_index.empty()) collection->indexes.push_back(TRY(made_now(make_index(id_index, new_ident(), true), engine_.runtime())));
  collection->counters = std::make_shared<Guarded<CollectionCounters>>();
  collection->next_record = std::make_shared<std::atomic<RecordId>>(1);
  collection->open_buckets = std::make_shared<Guarded<std::map<std::string, RecordId>>>();
  bson::Builder o;
  o.append("create", ns.collection).append_all(options);
  if (!id_index.empty() && !collection->is_clustered()) o.append("idIndex", id_index);
  log_command(ns.db, collection->uuid, std::move(o).finish());
  put_collection(collection);
  if (transaction_) transaction_->created_.push_back(collection);
  return collection;
}

Status WriteUnit::drop_collection(const CollectionPtr& given) {
  TRY(check_no_transaction(given));
  auto collection = given;
  for (const auto& build : builds_of(*given)) {
    const auto cause = fmt::format("Collection {}({}) is being dropped", given->ns.to_string(), given->uuid.to_string());
    collection = TRY(abort_index_build(collection, build, Error{ErrorCode::kFailure, cause, code::kIndexBuildAborted, {}}));
  }
  const auto o2 = number_of_records(collection);
  const bool is_replicated = collection->ns.collection != "system.profile";
  if (is_replicated) log_command(collection->ns.db, collection->uuid, bson::make_document({{"drop", collection->ns.collection}}), &o2);
  drop_data(*collection);
  writable_catalog().erase(collection->ns);
  touch_views(collection);
  touch_timeseries(collection);
  return {};
}

Result<CollectionPtr> WriteUnit::rename_collection(const CollectionPtr& collection, const Namespace& to, bool stay_temp) {
  CHECK(collection->ns.db == to.db, "a rename to another database is a copy");
  TRY(check_no_transaction(collection));
  TRY(check_no_build(*collection));
  const auto target = catalog().find(to);
  bson::Builder o;
  o.append("renameCollection", collection->ns.to_string()).append("to", to.to_string()).append("stayTemp", stay_temp);
  std::optional<bson::Document> o2;
  if (target) {
    TRY(check_no_transaction(target));
    TRY(check_no_build(*target));
    o.append("dropTarget", target->uuid);
    o2 = number_of_records(target);
    drop_data(*target);
    writable_catalog().erase(to);
    touch_timeseries(target);
  }
  log_command(to.db, collection->uuid, std::move(o).finish(), o2 ? &*o2 : nullptr);
  auto renamed = copy(collection);
  renamed->ns = to;
  if (!stay_temp && renamed->options["temp"]) {
    bson::Builder options;
    for (const auto& option : renamed->options) {
      if (option.key() != "temp") options.append_raw(option);
    }
    renamed->options = std::move(options).finish();
  }
  writable_catalog().erase(collection->ns);
  put_collection(renamed);
  touch_timeseries(renamed);
  if (const auto delta = deltas_.find(renamed->ident); delta != deltas_.end()) delta->second.collection = renamed;
  return CollectionPtr(renamed);
}

Result<std::shared_ptr<CollectionInfo>> WriteUnit::with_new_indexes(const CollectionPtr& collection, const std::vector<bson::Document>& specs,
                                                                    const Uuid* build) {
  auto changed = copy(collection);
  for (const auto& spec : specs) {
    auto index = build ? make_index(spec, new_ident(), false, *build) : make_index(spec, new_ident(), true);
    changed->indexes.push_back(TRY(made_now(std::move(index), engine_.runtime())));
  }
  return changed;
}

Result<CollectionPtr> WriteUnit::create_indexes(const CollectionPtr& collection, const std::vector<bson::Document>& specs) {
  TRY(check_no_transaction(collection));
  auto changed = TRY(with_new_indexes(collection, specs));
  const std::size_t first = changed->indexes.size() - specs.size();
  RecordCursor records(*this, *collection);
  std::vector<std::pair<RecordId, bson::Document>> found;
  while (const auto document = TRY(records.next())) found.emplace_back(records.id(), *document);
  for (std::size_t i = first; i < changed->indexes.size(); ++i) {
    const auto& index = *changed->indexes[i];
    for (const auto& [id, document] : found) {
      const auto keys = TRY(index_keys(index, document));
      note_multikey(index, keys.multikey);
      for (const auto& key : keys.keys) {
        if (index.unique) TRY(check_unique(collection, index, key, id, document));
        put_key(index, key, id);
      }
    }
  }
  for (const auto& spec : specs) {
    bson::Builder o;
    o.append("createIndexes", collection->ns.collection).append_all(spec);
    log_command(collection->ns.db, collection->uuid, std::move(o).finish());
  }
  if (transaction_) std::replace(transaction_->created_.begin(), transaction_->created_.end(), collection, CollectionPtr(changed));
  put_collection(changed);
  return CollectionPtr(changed);
}

Result<CollectionPtr> WriteUnit::start_index_build(const CollectionPtr& collection, const Uuid& build, const std::vector<bson::Document>& specs) {
  TRY(check_no_transaction(collection));
  auto changed = TRY(with_new_indexes(collection, specs, &build));
  log_command(collection->ns.db, collection->uuid, build_command("startIndexBuild", *changed, build, nullptr));
  put_collection(changed);
  return CollectionPtr(changed);
}

Result<std::optional<RecordId>> WriteUnit::add_index_entries(const CollectionPtr& collection, const Uuid& build, std::optional<RecordId> after,
                                                             std::size_t limit) {
  RecordCursor records(*this, *collection, true, after);
  std::optional<RecordId> last;
  std::size_t read = 0;
  const auto began_with = bytes();
  for (std::size_t n = 0; n < limit && read < kMaxBuildStepBytes && bytes() - began_with < kMaxBuildStepBytes; ++n) {
    const auto document = TRY(records.next());
    if (!document) break;
    last = records.id();
    read += document->size();
    for (const auto& index : collection->indexes) {
      if (!is_filled_by(*index, build)) continue;
      const auto keys = TRY(index_keys(*index, *document));
      note_multikey(*index, keys.multikey);
      // The cursor runs over another key space than the one written here.
      for (const auto& key : keys.keys) put_key(*index, key, *last);
    }
  }
  return last;
}

// While it was built nobody checked: equal keys of two records now lie side by side.
Status WriteUnit::check_no_duplicates(const CollectionPtr& collection, const IndexInfo& index) {
  IndexCursor entries(*this, index, "", std::string(1, '\xff') + std::string(8, '\xff'));
  std::string previous;
  bool first = true;
  while (const auto id = TRY(entries.next())) {
    if (!first && entries.key() == previous) {
      const auto document = TRY(find_record(*collection, *id));
      duplicate_ = DuplicateKey{index.name, bson::Document(index.key_pattern()),
                                document ? index_key_value(index, *document, previous) : bson::Document()};
      const auto collation = index.collator ? fmt::format(" collation: {}", bson::to_shell(index.collator->spec())) : std::string();
      return fail(ErrorCode::kFailure,
                  fmt::format("E11000 duplicate key error collection: {} index: {}{} dup key: {}", collection->ns.to_string(), index.name,
                              collation, bson::to_shell(duplicate_->key_value)), code::kDuplicateKey);
    }
    previous = entries.key();
    first = false;
  }
  return {};
}

Result<CollectionPtr> WriteUnit::commit_index_build(const CollectionPtr& collection, const Uuid& build) {
  for (const auto& index : collection->indexes) {
    if (!is_filled_by(*index, build) || !index->unique) continue;
    // Who has written in it so far did not ask whether a key was taken: what it will commit would lie beside equal keys.
    TRY(check_no_transaction(collection));
    TRY(check_no_duplicates(collection, *index));
  }
  log_command(collection->ns.db, collection->uuid, build_command("commitIndexBuild", *collection, build, nullptr));
  auto changed = copy(collection);
  for (auto& index : changed->indexes) {
    if (!is_filled_by(*index, build)) continue;
    auto done = std::make_shared<IndexInfo>(*index);
    done->ready = true;
    done->build = {};
    index = std::move(done);
  }
  put_collection(changed);
  return CollectionPtr(changed);
}

Result<CollectionPtr> WriteUnit::abort_index_build(const CollectionPtr& collection, const Uuid& build, const Error& cause) {
  log_command(collection->ns.db, collection->uuid, build_command("abortIndexBuild", *collection, build, &cause));
  engine_.impl_->note_aborted(build, cause);
  auto changed = copy(collection);
  std::erase_if(changed->indexes, [&](const auto& index) {
    if (!is_filled_by(*index, build)) return false;
    drop_index_data(*index);
    return true;
  });
  put_collection(changed);
  return CollectionPtr(changed);
}

Result<CollectionPtr> WriteUnit::abort_abandoned_builds(const CollectionPtr& collection) {
  auto now = collection;
  for (const auto& build : builds_of(*collection)) {
    if (engine_.is_carried_on(build)) continue;
    now = TRY(abort_index_build(now, build, Error{ErrorCode::kFailure, "nobody carries the index build on", code::kIndexBuildAborted, {}}));
  }
  return now;
}

Status WriteUnit::check_no_build(const CollectionInfo& collection) const {
  for (const auto& build : builds_of(collection)) {
    if (!engine_.is_carried_on(build)) continue;
    const bool named = engine_.options().version >= ServerVersion{5, 0, 0};
    return fail(ErrorCode::kFailure,
                fmt::format("cannot perform operation: an index build is currently running for collection with UUID: {}{}", collection.uuid.to_string(),
                            named ? ". Found index build: " + build.to_string() : ""),
                code::kBackgroundOperationInProgressForNamespace);
  }
  return {};
}

Status WriteUnit::check_can_be_unique(const CollectionPtr& collection, const IndexInfo& index, std::vector<bson::Document>& violations) {
  IndexCursor entries(*this, index, "", std::string(1, '\xff') + std::string(8, '\xff'));
  std::string previous;
  std::vector<RecordId> same;
  const auto note = [&]() -> Status {
    if (same.size() < 2) return {};
    bson::Builder violation;
    {
      auto ids = violation.open_array("ids");
      for (const auto id : same) {
        const auto document = TRY(find_record(*collection, id));
        if (document) ids.append((*document)["_id"]);
      }
    }
    violations.push_back(std::move(violation).finish());
    return {};
  };
  while (const auto id = TRY(entries.next())) {
    if (entries.key() != previous) {
      TRY(note());
      same.clear();
    }
    previous = entries.key();
    same.push_back(*id);
  }
  return note();
}

Result<CollectionPtr> WriteUnit::drop_index(const CollectionPtr& collection, std::string_view name) {
  TRY(check_no_transaction(collection));
  const auto* index = collection->index(name);
  CHECK(index, "the caller has found the index");
  log_command(collection->ns.db, collection->uuid,
              bson::make_document({{"dropIndexes", collection->ns.collection}, {"index", name}}), &index->spec);
  drop_index_data(*index);
  auto changed = copy(collection);
  std::erase_if(changed->indexes, [&](const auto& i) { return i->name == name; });
  put_collection(changed);
  return CollectionPtr(changed);
}

Result<CollectionPtr> WriteUnit::modify_collection(const CollectionPtr& collection, bson::View options,
                                                   const std::map<std::string, bson::Document>& index_specs, bson::View o, bson::View o2) {
  TRY(check_no_transaction(collection));  // what it has written was checked by what was there before: uniqueness, a validator
  auto changed = copy(collection);
  changed->options = bson::Document(options);
  TRY(derive_from_options(*changed, engine_.options().version));
  for (auto& index : changed->indexes) {
    const auto spec = index_specs.find(index->name);
    if (spec == index_specs.end()) continue;
    auto modified = std::make_shared<IndexInfo>(*TRY(make_index(spec->second, index->ident, index->ready, index->build)));
    modified->multikey = index->multikey;
    modified->uses = index->uses;
    index = std::move(modified);
  }
  const bson::Document before(o2);
  if (!o.empty()) log_command(collection->ns.db, collection->uuid, o, o2.empty() ? nullptr : &before);
  put_collection(changed);
  touch_timeseries(changed);
  return CollectionPtr(changed);
}

Status WriteUnit::log_drop_database(std::string_view db) {
  log_command(db, std::nullopt, bson::make_document({{"dropDatabase", 1}}));
  return {};
}

Status WriteUnit::empty_capped(const CollectionPtr& collection) {
  TRY(check_no_transaction(collection));
  log_command(collection->ns.db, collection->uuid, bson::make_document({{"emptycapped", collection->ns.collection}}));
  batch().remove_range(kRecords, big_endian(collection->ident), big_endian(collection->ident + 1));
  for (const auto& index : collection->indexes) batch().remove_range(kIndexes, big_endian(index->ident), big_endian(index->ident + 1));
  const auto counters = collection->counters->copy();
  count(collection, -counters.records, -counters.bytes);
  return {};
}

// --- views: the documents of <db>.system.views are the truth, the catalog's entries follow them.

void WriteUnit::touch_views(const CollectionPtr& collection) {
  if (collection->ns.collection == "system.views") refresh_views_later(collection);
}

// Of a time-series collection's buckets: the view over them shows their options, and is of no series without them.
void WriteUnit::touch_timeseries(const CollectionPtr& collection) {
  if (collection->options["timeseries"].is_document()) refresh_views_later(collection);
}

void WriteUnit::refresh_views_later(const CollectionPtr& collection) {
  if (std::find(view_databases_.begin(), view_databases_.end(), collection->ns.db) == view_databases_.end()) {
    view_databases_.push_back(collection->ns.db);
  }
}

namespace {

// What a 4.4 server checks of a definition when it reads it (durable_view_catalog.cpp).
bool defines_view(bson::View document, std::string_view db) {
  for (const auto& field : document) {
    const auto name = field.key();
    if (name != "_id" && name != "viewOn" && name != "pipeline" && name != "collation") return false;
  }
  const auto ns = Namespace::parse(document["_id"].to_string_view().value_or(""));
  const auto on = document["viewOn"].to_string_view().value_or("");
  const auto collation = document["collation"];
  return ns && ns->db == db && !on.empty() && on.front() != '.' && on.find('\0') == std::string_view::npos && document["pipeline"].is_array() &&
         (!collation || collation.is_document());
}

}  // namespace

Status WriteUnit::refresh_views(std::string_view db) {
  for (const auto& collection : catalog().of_database(db)) {
    if (collection->is_view()) writable_catalog().erase(collection->ns);
  }
  const auto definitions = catalog().find(Namespace{std::string(db), "system.views"});
  if (catalog().invalid_view(db)) writable_catalog().set_invalid_view(std::string(db), {});
  if (!definitions) return {};
  const bool strict = engine_.options().version < ServerVersion{5, 0, 0};
  RecordCursor records(*this, *definitions);
  while (const auto document = TRY(records.next())) {
    if (strict && !catalog().invalid_view(db) && !defines_view(*document, db)) {
      writable_catalog().set_invalid_view(std::string(db), "_id: " + bson::to_shell((*document)["_id"]));
    }
    const auto ns = Namespace::parse((*document)["_id"].to_string_view().value_or(""));
    const auto on = (*document)["viewOn"].to_string_view();
    if (!ns || ns->db != db || !on || on->empty() || catalog().find(*ns)) continue;
    auto view = std::make_shared<CollectionInfo>();
    view->ns = *ns;
    view->view_on = std::string(*on);
    view->view_pipeline = bson::Document((*document)["pipeline"].to_array().value_or(bson::View()));
    bson::Builder options;
    for (const auto& field : *document) {
      if (field.key() != "_id") options.append_raw(field);
    }
    view->options = std::move(options).finish();
    if (const auto buckets = catalog().find(Namespace{std::string(db), std::string(*on)}); buckets && on->starts_with("system.buckets.")) {
      const auto timeseries = buckets->options["timeseries"];
      if (timeseries.is_document()) {
        view->timeseries = bson::Document(timeseries.document_value());
        bson::Builder shown;
        if (const auto expire = buckets->options["expireAfterSeconds"]; expire.exists()) shown.append_raw(expire);
        shown.append_raw(timeseries);
        view->options = std::move(shown).finish();
      }
    }
    if (!derive_from_options(*view, engine_.options().version)) continue;
    view->counters = std::make_shared<Guarded<CollectionCounters>>();
    view->next_record = std::make_shared<std::atomic<RecordId>>(1);
    writable_catalog().put(std::move(view));
  }
  return {};
}

Status WriteUnit::refresh_all_views() {
  for (const auto& db : catalog().databases()) TRY(refresh_views(db));
  std::lock_guard lock(engine_.impl_->state);
  if (new_catalog_) engine_.impl_->catalog = new_catalog_;
  return {};
}

}  // namespace drover::sandbox
