#include "engine/catalog_changer.h"

#include <fmt/format.h>

#include "bson/builder.h"
#include "engine/planner.h"
#include "engine/retry.h"
#include "engine/source_read.h"

namespace drover::engine {
namespace {

inline constexpr std::string_view kIdIndex = "_id_";

}  // namespace

Status CatalogChanger::refuse(const Namespace& ns, std::string_view what) const {
  return fail(ErrorCode::kUnsupported,
              fmt::format("following the source's changes: {}, which this version does not carry; undo that on "
                          "the source or leave the collection out (--exclude {}), then start anew with --cleanup",
                          what, without_buckets_prefix(ns).to_string()));
}

Status CatalogChanger::refuse_collection(const Namespace& ns, std::string_view what) const {
  return refuse(ns, fmt::format("{} is now {}", without_buckets_prefix(ns).to_string(), what));
}

Status CatalogChanger::refuse_index(const Namespace& ns, bson::View index, std::string_view what) const {
  return refuse(ns, fmt::format("index {} of {} is {}", index["name"].to_string_view().value_or("?"), ns.to_string(), what));
}

Status CatalogChanger::apply(const ChangeEvent& event, const std::stop_token& stop) {
  const auto turn = turn_.enter_exclusive(stop);
  if (!turn) return tl::unexpected(stopped_error());
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
      if (!filter_.matches(event.ns) || is_server_owned_collection(event.ns.collection)) return {};
      return refuse(event.ns, fmt::format("{} was changed by '{}'", without_buckets_prefix(event.ns).to_string(), event.document.view().first().key()));
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
  if (const auto what = not_carried(options); what && !mutant("not_carried_ignored")) {
    if (event.document["temp"].is_truthy()) return {};  // a step of convertToCapped: what counts is the name that it takes
    return refuse_collection(event.ns, *what);
  }
  if (is_server_owned_collection(event.ns.collection)) return {};
  if (is_system_collection(event.ns.collection)) return refuse_collection(event.ns, "a system collection");

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
  whole.check.born_empty = true;
  TRY(on_destination_.create(*collection, stop));
  runtime_.reached("ddl.after_create");
  TRY(save_plan(state_, *collection, stop));
  TRY(save_partition(state_, *collection, whole, 0, 0, stop));
  TRY(save_collection(state_, *collection, stop));
  MonitorLock lock(router_.lock());
  catalog_.collections[event.uuid] = std::move(collection);
  return {};
}

Status CatalogChanger::drop(const ChangeEvent& event, const std::stop_token& stop) {
  const auto collection = pending_change(event);
  return collection ? drop_collection(collection, ChangeTime::of(event), stop) : Status();
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
  {
    // None begins any more; one that has begun would make a collection under the old name, or hold another's.
    const auto building = on_destination_.end_build(*collection, stop);
    if (!building) return tl::unexpected(stopped_error());
    TRY(on_destination_.drop(*collection, stop));
  }
  runtime_.reached("ddl.after_drop");
  collection->ddl_time = time;
  TRY(save_collection(state_, *collection, stop));
  TRY(remove_plan(state_, *collection, stop));
  MonitorLock lock(router_.lock());
  collection->drop_recorded = true;  // forgotten once the checkpoint has passed it
  return {};
}

// A collection may come from outside of what is migrated, or leave it: $out and mapReduce write under a name of their own and
// take the wanted one at the end.
Status CatalogChanger::rename(const ChangeEvent& event, const std::stop_token& stop) {
  const auto time = ChangeTime::of(event);
  const bool to_ours = filter_.matches(event.target);
  const auto collection = find(event.uuid);
  const bool followed = collection && !collection->gone;
  if (collection && time <= collection->ddl_time && !mutant("ddl_done_ignored")) return {};
  if (!to_ours) return followed ? drop_collection(collection, time, stop) : Status();
  if (!event.drop_target.is_nil() && !mutant("rename_target_kept")) {
    auto target = find(event.drop_target);
    if (target && !target->gone && target->ddl_time < time) TRY(drop_collection(target, time, stop));
  }
  if (!followed) return adopt(event, stop);
  const auto building = on_destination_.end_build(*collection, stop);
  if (!building) return tl::unexpected(stopped_error());
  auto alone = collection->gate.enter_exclusive(stop);
  if (!alone) return tl::unexpected(stopped_error());
  TRY(on_destination_.rename(*collection, event.target, stop));
  runtime_.reached("ddl.after_rename");
  {
    MonitorLock lock(router_.lock());
    collection->info.ns = event.target;
  }
  collection->ddl_time = time;
  return save_collection(state_, *collection, stop);
}

// Its older changes were nobody's, so it is copied, as it is by now. Catalog changes between this one and now are on their way,
// and find done what they ask for.
Status CatalogChanger::adopt(const ChangeEvent& event, const std::stop_token& stop) {
  if (is_server_owned_collection(event.target.collection)) return {};
  if (is_system_collection(event.target.collection)) return refuse_collection(event.target, "a system collection");
  const auto look = [&] { return retry_temporary(runtime_, stop, [&] { return source_.find_collection(event.target.db, event.uuid); }); };
  auto found = TRY(look());
  if (!found) {  // an election may undo a drop that no majority has
    TRY(await_majority(source_, runtime_, stop));
    found = TRY(look());
  }
  if (!found) return {};  // dropped, or in another database since
  if (const auto what = not_carried(found->options)) return refuse_collection(event.target, *what);
  for (const auto& index : found->indexes)
    if (const auto what = index_not_carried(index)) return refuse_index(event.target, index, *what);
  CollectionInfo info = *found;
  info.ns = event.target;
  info.options = portable_options(info.options);
  auto fresh = std::make_shared<Collection>(runtime_, std::move(info));
  TRY(open_collation(*fresh));
  log_.info("a collection from outside of what is migrated took a name that is: it is copied", {{"namespace", event.target.to_string()}});
  return copy_fresh(fresh, ChangeTime::of(event), stop);
}

// Views are made as they are on the source now: one that came late goes, one that a late drop took comes back.
Status CatalogChanger::put_right(const std::stop_token& stop) {
  const auto turn = turn_.enter_exclusive(stop);
  if (!turn) return tl::unexpected(stopped_error());
  TRY(on_destination_.remove_strays(stop));
  const auto databases = TRY(retry_temporary(runtime_, stop, [&] { return list_wanted_databases(destination_, filter_); }));
  for (const auto& db : databases) TRY(synchronise_views(db, stop));
  return {};
}

Status CatalogChanger::forget_gone(ClusterTime checkpoint, const std::stop_token& stop) {
  // A change that is under way may be recording one of these anew: then another time.
  const auto turn = turn_.try_enter_exclusive();
  if (!turn && !mutant("forgotten_early") && !mutant("forgotten_meanwhile")) return {};
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
