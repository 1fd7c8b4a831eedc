#include "engine/catalog_changer.h"

#include <algorithm>

#include <fmt/format.h>

#include "bson/builder.h"
#include "engine/planner.h"
#include "engine/retry.h"

namespace drover::engine {
namespace {

inline constexpr int kServerDuplicateKey = 11000;
inline constexpr int kServerNamespaceNotFound = 26;
inline constexpr int kServerNamespaceExists = 48;
inline constexpr int kServerIndexNotFound = 27;
inline constexpr std::string_view kIdIndex = "_id_";

std::optional<CollectionInfo> find_in(const std::vector<CollectionInfo>& infos, const Namespace& ns) {
  for (const auto& info : infos)
    if (info.ns == ns) return info;
  return std::nullopt;
}

bson::Document without(bson::View document, std::initializer_list<std::string_view> fields) {
  bson::Builder builder;
  for (const auto& field : document)
    if (std::find(fields.begin(), fields.end(), field.key()) == fields.end()) builder.append_raw(field);
  return std::move(builder).finish();
}

bson::Document with_field(bson::View document, const bson::Element& field) {
  bson::Builder builder;
  bool replaced = false;
  for (const auto& old : document) {
    const bool same = old.key() == field.key();
    builder.append_raw(same ? field : old);
    replaced |= same;
  }
  if (!replaced) builder.append_raw(field);
  return std::move(builder).finish();
}

}  // namespace

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

template <typename F>
Status CatalogChanger::on_destination(std::string_view what, const Namespace& ns, const std::stop_token& stop, F&& call) {
  const Status status = retry_temporary(runtime_, stop, std::forward<F>(call));
  if (status) return {};
  return tl::unexpected(Error(status.error()).with_context(fmt::format("{} {} on the destination", what, ns.to_string())));
}

Status CatalogChanger::refuse(const ChangeEvent& event, std::string_view what) const {
  return fail(ErrorCode::kUnsupported,
              fmt::format("following the source's changes: {} became {}, which this version does not carry; undo that on "
                          "the source or exclude the namespace (--exclude {}), then start anew with --cleanup",
                          event.ns.to_string(), what, event.ns.to_string()));
}

Status CatalogChanger::apply(const ChangeEvent& event, const std::stop_token& stop) {
  if (event.ts <= catalog_.listing_time(event.ns.db) && !mutant("listing_time_ignored")) return {};
  switch (event.kind) {
    case ChangeKind::kCreate: return create(event, stop);
    case ChangeKind::kDrop: return drop(event, stop);
    case ChangeKind::kRename: return rename(event, stop);
    case ChangeKind::kCreateIndexes: return create_indexes(event, stop);
    case ChangeKind::kDropIndexes: return drop_indexes(event, stop);
    case ChangeKind::kCollMod: return coll_mod(event, stop);
    case ChangeKind::kViewsChanged: return synchronise_views(event.ns.db, stop);
    case ChangeKind::kDropDatabase: {
      std::vector<std::shared_ptr<Collection>> left;
      {
        MonitorLock lock(router_.lock());
        for (const auto& [uuid, collection] : catalog_.collections)
          if (!collection->gone && collection->info.ns.db == event.ns.db && collection->ddl_time < ChangeTime::of(event))
            left.push_back(collection);
      }
      for (const auto& collection : left) TRY(drop_collection(collection, ChangeTime::of(event), stop));
      return synchronise_views(event.ns.db, stop);
    }
    case ChangeKind::kUnsupported:
      if (!filter_.matches(event.ns) || is_system_collection(event.ns.collection)) return {};
      return refuse(event, fmt::format("changed by '{}'", event.document.view().first().key()));
    default: return {};
  }
}

std::shared_ptr<Collection> CatalogChanger::find(const Uuid& uuid) const {
  MonitorLock lock(router_.lock());
  return catalog_.find(uuid);
}

// The collection that this change is about, unless the change is past or the collection not ours.
std::shared_ptr<Collection> CatalogChanger::pending_change(const ChangeEvent& event) const {
  auto collection = find(event.uuid);
  if (!collection || collection->gone) return nullptr;
  if (ChangeTime::of(event) <= collection->ddl_time && !mutant("ddl_done_ignored")) return nullptr;
  return collection;
}

Status CatalogChanger::create(const ChangeEvent& event, const std::stop_token& stop) {
  if (find(event.uuid) && !mutant("ddl_done_ignored")) return {};
  if (!filter_.matches(event.ns)) return {};
  const bson::Document options = without(event.document, {"create", "idIndex", "temp", "autoIndexId"});
  if (const auto what = not_carried(options); what && !mutant("not_carried_ignored")) return refuse(event, *what);
  if (is_system_collection(event.ns.collection)) return {};

  CollectionInfo info;
  info.ns = event.ns;
  info.uuid = event.uuid;
  info.options = options;
  if (const auto id_index = event.document["idIndex"].to_document()) {
    info.indexes.emplace_back(without(*id_index, {"ns"}));
  } else {
    info.indexes.push_back(bson::make_document(
        {{"v", 2}, {"key", bson::make_document({{"_id", 1}})}, {"name", std::string_view(kIdIndex)}}));
  }
  auto collection = std::make_shared<Collection>(runtime_, std::move(info));
  collection->ddl_time = ChangeTime::of(event);
  TRY(open_collation(*collection));
  set_partitions(*collection, {});
  Partition& whole = *collection->partitions.front();  // born copied: everything in it comes by the stream
  whole.state = PartitionState::kCopied;
  // Nothing of this collection is older, and a transaction's documents come at the same time: none is to be dropped.
  whole.r = whole.f = ClusterTime{};
  TRY(create_on_destination(*collection, stop));
  runtime_.reached("ddl.after_create");
  TRY(save_plan(state_, *collection, stop));
  TRY(save_partition(state_, *collection, whole, 0, 0, stop));
  TRY(save_collection(state_, *collection, stop));
  MonitorLock lock(router_.lock());
  catalog_.collections[event.uuid] = std::move(collection);
  return {};
}

Status CatalogChanger::create_on_destination(Collection& collection, const std::stop_token& stop) {
  const Namespace ns = collection.info.ns;
  const auto id_index = std::find_if(collection.info.indexes.begin(), collection.info.indexes.end(),
                                     [](const auto& index) { return index["name"].to_string_view() == kIdIndex; });
  const auto unique = unique_indexes(collection.info);
  TRY(on_destination("creating", ns, stop, [&]() -> Status {
    bool leftover = false;
    if (const auto existing = TRY(destination_.find_collection(ns))) {
      TRY(still_owner(stop));
      MonitorLock lock(router_.lock());
      for (const auto& [uuid, other] : catalog_.collections) {
        if (!existing->is_view() && !other->gone && uuid != collection.info.uuid && other->destination_uuid == existing->uuid) {
          return fail(ErrorCode::kDestination, "a collection of that name is there already; has someone else written to it?");
        }
      }
      leftover = true;
    }
    if (leftover) TRY(destination_.drop_collection(ns));  // a view, or left over from an interrupted creation
    const Status made = destination_.create_collection(
        ns, collection.info.options, id_index == collection.info.indexes.end() ? nullptr : &*id_index);
    // An earlier attempt whose answer was lost: look again.
    if (!made && made.error().server_code == kServerNamespaceExists)
      return tl::unexpected(Error(made.error()).with_code(ErrorCode::kTemporary));
    TRY(made);
    if (!unique.empty()) TRY(destination_.create_indexes(ns, unique));
    const auto created = TRY(destination_.find_collection(ns));
    if (!created) return fail(ErrorCode::kDestination, "it is not listed after its creation");
    collection.destination_uuid = created->uuid;
    return {};
  }));
  collection.built = {std::string(kIdIndex)};
  for (const auto& index : unique) collection.built.emplace(index["name"].to_string_view().value_or(""));
  return {};
}

Status CatalogChanger::drop(const ChangeEvent& event, const std::stop_token& stop) {
  const auto collection = pending_change(event);
  return collection ? drop_collection(collection, ChangeTime::of(event), stop) : Status();
}

Result<std::optional<CollectionInfo>> CatalogChanger::destination_by_uuid(const std::string& db, const Uuid& uuid,
                                                                          const std::stop_token& stop) {
  return retry_temporary(runtime_, stop, [&] { return destination_.find_collection(db, uuid); });
}

// Names are not epochs: whoever was taken over must not drop or rename what his successor has made since.
Status CatalogChanger::still_owner(const std::stop_token& stop) {
  return state_.save("x_ddl", "ddl", bson::make_document({{"changing", true}}), stop);
}

Status CatalogChanger::drop_collection(const std::shared_ptr<Collection>& collection, ChangeTime time,
                                       const std::stop_token& stop) {
  {
    auto alone = collection->gate.enter_exclusive(stop);
    if (!alone) return tl::unexpected(stopped_error());
    MonitorLock lock(router_.lock());
    collection->gone = true;
    for (const auto& partition : collection->partitions)
      if (partition->held) partition->held->clear();
    router_.lock().notify_all();
  }
  const Namespace ns = collection->info.ns;
  TRY(on_destination("dropping", ns, stop, [&]() -> Status {
    const auto there = TRY(destination_.find_collection(ns.db, collection->destination_uuid));
    if (!there) return {};
    TRY(still_owner(stop));
    return destination_.drop_collection(there->ns);
  }));
  runtime_.reached("ddl.after_drop");
  collection->ddl_time = time;
  TRY(save_collection(state_, *collection, stop));
  TRY(remove_plan(state_, *collection, stop));
  MonitorLock lock(router_.lock());
  collection->drop_recorded = true;  // forgotten once the checkpoint has passed it
  return {};
}

Status CatalogChanger::rename(const ChangeEvent& event, const std::stop_token& stop) {
  const bool from_ours = filter_.matches(event.ns);
  const bool to_ours = filter_.matches(event.target);
  if (const auto known = find(event.uuid); known && (known->gone || ChangeTime::of(event) <= known->ddl_time)) return {};
  if (!from_ours && !to_ours) return {};
  if (from_ours != to_ours) {
    return fail(ErrorCode::kUnsupported,
                fmt::format("following the source's changes: {} was renamed to {}, across the border that --include and "
                            "--exclude draw; include both or exclude both, then start anew with --cleanup",
                            event.ns.to_string(), event.target.to_string()));
  }
  const auto collection = pending_change(event);
  if (!collection) return {};
  if (!event.drop_target.is_nil() && !mutant("rename_target_kept")) {
    auto target = find(event.drop_target);
    if (target && !target->gone && target->ddl_time < ChangeTime::of(event))
      TRY(drop_collection(target, ChangeTime::of(event), stop));
  }
  auto alone = collection->gate.enter_exclusive(stop);
  if (!alone) return tl::unexpected(stopped_error());
  TRY(on_destination("renaming", event.ns, stop, [&]() -> Status {
    const auto there = TRY(destination_by_uuid(event.ns.db, collection->destination_uuid, stop));
    if (!there) return fail(ErrorCode::kDestination, "the collection is not there; has someone else written to it?");
    if (there->ns == event.target) return {};
    const auto occupied = TRY(destination_.find_collection(event.target));
    TRY(still_owner(stop));
    if (occupied && occupied->is_view()) TRY(destination_.drop_collection(event.target));
    const Status renamed = destination_.rename_collection(there->ns, event.target, false);
    // An earlier attempt whose answer was lost may have come through since the look: look again.
    if (!renamed && renamed.error().server_code == kServerNamespaceNotFound)
      return tl::unexpected(Error(renamed.error()).with_code(ErrorCode::kTemporary));
    return renamed;
  }));
  runtime_.reached("ddl.after_rename");
  {
    MonitorLock lock(router_.lock());
    collection->info.ns = event.target;
  }
  collection->ddl_time = ChangeTime::of(event);
  return save_collection(state_, *collection, stop);
}

Status CatalogChanger::create_indexes(const ChangeEvent& event, const std::stop_token& stop) {
  const auto collection = pending_change(event);
  if (!collection) return {};
  std::vector<bson::Document> added;
  if (const auto list = event.document["indexes"].to_array()) {
    for (const auto& item : *list)
      if (const auto spec = item.to_document()) added.push_back(without(*spec, {"ns"}));
  } else {
    added.push_back(without(event.document, {"createIndexes", "ns"}));
  }
  std::vector<bson::Document> unique;
  for (const auto& spec : added) {
    if (const auto what = index_not_carried(spec)) return refuse(event, *what);
    if (spec["unique"].is_truthy()) unique.push_back(spec);
  }
  {
    auto alone = collection->gate.enter_exclusive(stop);
    if (!alone) return tl::unexpected(stopped_error());
    MonitorLock lock(router_.lock());
    ++collection->index_changes;
    for (const auto& spec : added) {
      std::erase_if(collection->info.indexes, [&](const auto& index) {
        return index["name"].to_string_view() == spec["name"].to_string_view();
      });
      collection->info.indexes.push_back(spec);
    }
    collection->indexes_valid_from = event.ts;
  }
  if (!unique.empty()) {
    TRY(router_.drain(stop));
    auto alone = collection->gate.enter_exclusive(stop);
    if (!alone) return tl::unexpected(stopped_error());
    const Status built = on_destination("building a unique index of", collection->info.ns, stop, [&] {
      return destination_.create_indexes(collection->info.ns, unique);
    });
    if (!built && built.error().server_code != kServerDuplicateKey) return built;
    alone.release();
    if (!built) return copy_anew(collection, ChangeTime::of(event), stop);
    MonitorLock lock(router_.lock());
    for (const auto& spec : unique) collection->built.emplace(spec["name"].to_string_view().value_or(""));
  }
  runtime_.reached("ddl.after_create_indexes");
  collection->ddl_time = ChangeTime::of(event);
  return save_collection(state_, *collection, stop);
}

// The destination holds documents of different times, which a new unique index need not accept; copied after the index
// exists they are accepted one by one, with the conflict resolver.
Status CatalogChanger::copy_anew(const std::shared_ptr<Collection>& old, ChangeTime time, const std::stop_token& stop) {
  log_.warn("a collection is copied anew, for a unique index was created on it while it was being followed",
            {{"namespace", old->info.ns.to_string()}});
  {
    auto alone = old->gate.enter_exclusive(stop);
    if (!alone) return tl::unexpected(stopped_error());
    MonitorLock lock(router_.lock());
    old->gone = true;  // not forgotten, which would take the new one's record with it
    for (const auto& partition : old->partitions)
      if (partition->held) partition->held->clear();
    router_.lock().notify_all();
  }
  auto fresh = std::make_shared<Collection>(runtime_, old->info);
  fresh->collator = old->collator;
  fresh->ddl_time = time;
  fresh->indexes_valid_from = time.ts;
  TRY(save_collection(state_, *fresh, stop));  // without a UUID here it is created and planned anew after a crash
  runtime_.reached("ddl.before_copy_anew");
  TRY(create_on_destination(*fresh, stop));
  TRY(remove_plan(state_, *fresh, stop));
  TRY(plan(*fresh, stop));
  TRY(save_plan(state_, *fresh, stop));
  TRY(save_collection(state_, *fresh, stop));
  {
    MonitorLock lock(router_.lock());
    catalog_.collections[fresh->info.uuid] = fresh;
  }
  on_planned(fresh);
  return {};
}

Status CatalogChanger::drop_indexes(const ChangeEvent& event, const std::stop_token& stop) {
  const auto collection = pending_change(event);
  if (!collection) return {};
  const auto name = std::string(event.document["index"].to_string_view().value_or(""));
  if (name.empty() || name == "*") return refuse(event, "stripped of its indexes in a form this version does not know");
  auto alone = collection->gate.enter_exclusive(stop);
  if (!alone) return tl::unexpected(stopped_error());
  {
    MonitorLock lock(router_.lock());
    ++collection->index_changes;
    if (!mutant("dropped_index_built"))
      std::erase_if(collection->info.indexes, [&](const auto& index) { return index["name"].to_string_view() == name; });
    collection->built.erase(name);
  }
  TRY(on_destination("dropping an index of", collection->info.ns, stop,
                     [&] { return destination_.drop_index(collection->info.ns, name); }));
  collection->ddl_time = ChangeTime::of(event);
  return save_collection(state_, *collection, stop);
}

Status CatalogChanger::coll_mod(const ChangeEvent& event, const std::stop_token& stop) {
  const auto collection = pending_change(event);
  if (!collection) return {};
  // Before looking at what is built: the index builder may be at it.
  auto alone = collection->gate.enter_exclusive(stop);
  if (!alone) return tl::unexpected(stopped_error());
  bson::Builder to_send;
  std::vector<bson::Document> index_changes;
  bson::Document options = collection->info.options;
  std::vector<bson::Document> indexes = collection->info.indexes;
  for (const auto& field : event.document) {
    const auto name = field.key();
    if (name == "collMod") continue;
    if (name == "validator" || name == "validationLevel" || name == "validationAction" || name == "recordPreImages" ||
        name == "changeStreamPreAndPostImages") {
      options = with_field(options, field);
      to_send.append_raw(field);
    } else if (name == "index" && field.is_document() && field.document_value()["hidden"].exists() &&
               !field.document_value()["expireAfterSeconds"].exists()) {
      const auto change = field.document_value();
      for (auto& index : indexes) {
        const bool named = change["name"].exists()
                               ? index["name"].to_string_view() == change["name"].to_string_view()
                               : index["key"].same_value_bytes(change["keyPattern"]);
        if (!named) continue;
        index = change["hidden"].is_truthy() ? with_field(index, change["hidden"]) : without(index, {"hidden"});
        if (collection->built.contains(std::string(index["name"].to_string_view().value_or(""))))
          index_changes.push_back(bson::make_document(
              {{"index", bson::make_document({{"name", index["name"].to_string_view().value_or("")},
                                              {"hidden", change["hidden"].is_truthy()}})}}));
      }
    } else {
      return refuse(event, fmt::format("changed by collMod in '{}'", name));
    }
  }
  const auto fields = std::move(to_send).finish();
  if (!fields.empty()) {
    TRY(on_destination("changing options of", collection->info.ns, stop,
                       [&] { return destination_.coll_mod(collection->info.ns, fields); }));
  }
  for (const auto& change : index_changes) {
    const Status hidden = on_destination("hiding or showing an index of", collection->info.ns, stop,
                                         [&] { return destination_.coll_mod(collection->info.ns, change); });
    // The conflict resolver may have dropped it already, because the source has: that change is on the way.
    if (!hidden && hidden.error().server_code != kServerIndexNotFound) return hidden;
  }
  {
    MonitorLock lock(router_.lock());
    ++collection->index_changes;
    collection->info.options = std::move(options);
    collection->info.indexes = std::move(indexes);
  }
  collection->ddl_time = ChangeTime::of(event);
  return save_collection(state_, *collection, stop);
}

// By state: views hold no data, and every later change of them comes again.
Status CatalogChanger::synchronise_views(const std::string& db, const std::stop_token& stop) {
  if (mutant("views_ignored")) return {};
  const auto wanted = TRY(retry_temporary(runtime_, stop, [&] { return list_wanted(source_, db, filter_); }));
  const auto present = TRY(retry_temporary(runtime_, stop, [&] { return list_wanted(destination_, db, filter_); }));
  for (const auto& info : present) {
    if (!info.is_view()) continue;
    const auto same = find_in(wanted, info.ns);
    if (same && same->is_view() && same->options == info.options) continue;
    TRY(on_destination("dropping the view", info.ns, stop, [&] { return destination_.drop_collection(info.ns); }));
  }
  for (const auto& info : wanted) {
    if (!info.is_view()) continue;
    const auto same = find_in(present, info.ns);
    if (same && same->is_view() && same->options == info.options) continue;
    const Status created = on_destination("creating the view", info.ns, stop, [&] {
      return destination_.create_collection(info.ns, info.options, nullptr);
    });
    // Its name is still a collection's here: the drop, and then the view's own change, are on the way.
    if (!created && created.error().server_code != kServerNamespaceExists) return created;
  }
  return {};
}

Status CatalogChanger::forget_gone(ClusterTime checkpoint, const std::stop_token& stop) {
  std::vector<bson::Value> ids;
  {
    MonitorLock lock(router_.lock());
    for (const auto& [uuid, collection] : catalog_.collections)
      if ((collection->drop_recorded || (collection->gone && mutant("forgotten_early"))) &&
          collection->ddl_time.ts <= checkpoint)
        ids.push_back(value_of(uuid));
  }
  if (ids.empty()) return {};
  TRY(state_.remove("x_catalog", ids, stop));
  MonitorLock lock(router_.lock());
  std::erase_if(catalog_.collections, [&](const auto& entry) {
    return entry.second->drop_recorded && entry.second->ddl_time.ts <= checkpoint;
  });
  return {};
}

}  // namespace drover::engine
