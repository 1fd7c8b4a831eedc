#include "engine/destination_catalog.h"

#include <algorithm>

#include <fmt/format.h>

#include "bson/builder.h"
#include "engine/planner.h"
#include "engine/retry.h"
#include "engine/server_codes.h"

namespace drover::engine {
namespace {

inline constexpr std::chrono::seconds kShortBuild{1};
inline constexpr std::string_view kIdIndex = "_id_";

// What was found before the command was true no longer when it came: look again.
Status look_again(Status status, std::initializer_list<int> codes) {
  if (!status && std::find(codes.begin(), codes.end(), status.error().server_code) != codes.end())
    return tl::unexpected(Error(status.error()).with_code(ErrorCode::kTemporary));
  return status;
}

}  // namespace

template <typename F>
Status DestinationCatalog::change(std::string_view what, const Namespace& ns, const std::stop_token& stop, F&& command) {
  bool unanswered = false;
  const Status status = retry_temporary(runtime_, stop, [&]() -> Status {
    if (unanswered && TRY(destination_.running_operations(std::span(&session_, 1))) > 0)
      return fail(ErrorCode::kTemporary, "an earlier attempt is still being carried out");
    TRY(still_owner(stop));
    Status done = command();
    unanswered = !done && done.error().code == ErrorCode::kTemporary;
    return done;
  });
  if (status) return {};
  return tl::unexpected(Error(status.error()).with_context(fmt::format("{} {} on the destination", what, ns.to_string())));
}

// Names are not epochs: whoever was taken over must not change what his successor has made since.
Status DestinationCatalog::still_owner(const std::stop_token& stop) {
  return state_.confirm_owner(stop, true);
}

// Servers refuse most changes of a collection whose indexes are being built, an earlier run's build perhaps.
Status DestinationCatalog::after_builds(Status status, const Namespace& ns, const Uuid& uuid) {
  if (status || status.error().server_code != kServerBuildRuns) return status;
  TRY(destination_.abort_index_builds(ns, uuid));
  return tl::unexpected(Error(status.error()).with_code(ErrorCode::kTemporary));
}

std::shared_ptr<Collection> DestinationCatalog::known(const Uuid& destination_uuid) const {
  MonitorLock lock(lock_);
  for (const auto& [uuid, collection] : catalog_.collections)
    if (!collection->gone && collection->destination_uuid == destination_uuid) return collection;
  return nullptr;
}

Status DestinationCatalog::create(Collection& collection, const std::stop_token& stop) {
  const Namespace ns = collection.info.ns;
  const auto id_index = std::find_if(collection.info.indexes.begin(), collection.info.indexes.end(),
                                     [](const auto& index) { return index["name"].to_string_view() == kIdIndex; });
  const auto unique = unique_indexes(collection.info);
  TRY(change("creating", ns, stop, [&]() -> Status {
    TRY(clear_name(ns, collection));
    // An earlier attempt whose answer was lost.
    TRY(look_again(destination_.create_collection(ns, collection.info.options,
                                                  id_index == collection.info.indexes.end() ? nullptr : &*id_index),
                   {kServerNamespaceExists}));
    const auto created = TRY(destination_.find_collection(ns));
    if (!created) return fail(ErrorCode::kTemporary, "it is not listed after its creation");
    if (!unique.empty())
      TRY(look_again(destination_.create_indexes(ns, unique, {.collection = created->uuid}),
                     {kServerUuidMismatch, kServerIndexBuildAborted}));
    collection.destination_uuid = created->uuid;
    return {};
  }));
  collection.built = {std::string(kIdIndex)};
  for (const auto& index : unique) collection.built.emplace(index["name"].to_string_view().value_or(""));
  return {};
}

// A view, or what an interrupted creation, a collection to be copied anew or a late command left.
Status DestinationCatalog::clear_name(const Namespace& ns, const Collection& successor) {
  const auto existing = TRY(destination_.find_collection(ns));
  if (!existing) return {};
  if (existing->is_view()) return destination_.drop_collection(ns);
  if (const auto other = known(existing->uuid); other && other->info.uuid != successor.info.uuid)
    return fail(ErrorCode::kDestination, "a collection of that name is there already; has someone else written to it?");
  return look_again(after_builds(destination_.drop_collection(ns, {.collection = existing->uuid}), ns, existing->uuid),
                    {kServerUuidMismatch});
}

Status DestinationCatalog::drop(const Collection& collection, const std::stop_token& stop) {
  const Uuid uuid = collection.destination_uuid;
  return change("dropping", collection.info.ns, stop, [&]() -> Status {
    const auto there = TRY(destination_.find_collection(collection.info.ns.db, uuid));
    if (!there) return {};
    return look_again(after_builds(destination_.drop_collection(there->ns, {.collection = uuid}), there->ns, uuid),
                      {kServerUuidMismatch});
  });
}

Status DestinationCatalog::rename(const Collection& collection, const Namespace& to, const std::stop_token& stop) {
  const Uuid uuid = collection.destination_uuid;
  return change("renaming", collection.info.ns, stop, [&]() -> Status {
    const auto there = TRY(destination_.find_collection(collection.info.ns.db, uuid));
    if (!there) return fail(ErrorCode::kDestination, "the collection is not there; has someone else written to it?");
    if (there->ns == to) return {};
    const auto occupied = TRY(destination_.find_collection(to));
    if (occupied && occupied->is_view()) TRY(destination_.drop_collection(to));
    if (occupied && !occupied->is_view() && !known(occupied->uuid)) TRY(remove_unknown(*occupied, stop));
    const Status renamed =
        after_builds(destination_.rename_collection(there->ns, to, false, {.collection = uuid}), there->ns, uuid);
    if (!occupied) TRY(look_again(renamed, {kServerNamespaceExists}));
    return look_again(renamed, {kServerNamespaceNotFound, kServerUuidMismatch});
  });
}

Status DestinationCatalog::create_indexes(const Collection& collection, std::span<const bson::Document> specs,
                                          const std::stop_token& stop) {
  return change("building a unique index of", collection.info.ns, stop, [&] {
    return look_again(build_indexes(collection, collection.info.ns, specs, stop),
                      {kServerIndexBuildAborted, kServerIndexBuildInProgress});
  });
}

Status DestinationCatalog::drop_index(const Collection& collection, const std::string& name, const std::stop_token& stop) {
  const auto& ns = collection.info.ns;
  const Uuid uuid = collection.destination_uuid;
  return change("dropping an index of", ns, stop,
                [&] { return after_builds(destination_.drop_index(ns, name, {.collection = uuid}), ns, uuid); });
}

Status DestinationCatalog::coll_mod(const Collection& collection, bson::View fields, const std::stop_token& stop) {
  const auto& ns = collection.info.ns;
  const Uuid uuid = collection.destination_uuid;
  return change("changing options of", ns, stop,
                [&] { return after_builds(destination_.coll_mod(ns, fields, {.collection = uuid}), ns, uuid); });
}

Status DestinationCatalog::create_view(const CollectionInfo& view, const std::stop_token& stop) {
  return change("creating the view", view.ns, stop,
                [&] { return destination_.create_collection(view.ns, view.options, nullptr); });
}

Status DestinationCatalog::drop_view(const Namespace& ns, const std::stop_token& stop) {
  return change("dropping the view", ns, stop, [&]() -> Status {
    const auto there = TRY(destination_.find_collection(ns));
    return there && there->is_view() ? destination_.drop_collection(ns) : Status();
  });
}

CollectionGate::Hold DestinationCatalog::end_build(Collection& collection, const std::stop_token& stop) {
  return collection.build_gate.enter_exclusive(stop, kShortBuild, [&] {
    log_.info("an index build is given up, because its collection changes", {{"namespace", collection.info.ns.to_string()}});
    const Status asked = destination_.abort_index_builds(collection.info.ns, collection.destination_uuid);
    if (!asked) log_.warn("giving up an index build failed; it is tried again", {{"error", asked.error().message}});
  });
}

Status DestinationCatalog::build_indexes(const Collection& collection, const Namespace& ns,
                                         std::span<const bson::Document> specs, const std::stop_token& stop) {
  TRY(still_owner(stop));
  return destination_.create_indexes(ns, specs, {.collection = collection.destination_uuid, .stop = stop, .detached = true});
}

Status DestinationCatalog::remove_strays(const std::stop_token& stop) {
  const auto databases = TRY(retry_temporary(runtime_, stop, [&] { return list_wanted_databases(destination_, filter_); }));
  for (const auto& db : databases) {
    for (const auto& info : TRY(retry_temporary(runtime_, stop, [&] { return list_wanted(destination_, db, filter_); }))) {
      if (info.is_view()) continue;
      if (const auto collection = known(info.uuid)) {
        TRY(remove_unwanted_indexes(*collection, info, stop));
      } else {
        TRY(change("dropping", info.ns, stop, [&] { return remove_unknown(info, stop); }));
      }
    }
  }
  return {};
}

// One with documents is somebody else's: the comparison of the catalogs will name it.
Status DestinationCatalog::remove_unknown(const CollectionInfo& info, const std::stop_token& stop) {
  const auto there = TRY(destination_.find_collection(info.ns.db, info.uuid));
  if (!there || there->ns != info.ns || !TRY(is_empty(info, stop))) return {};
  log_.warn("dropping an empty collection of the destination that a late command made",
            {{"namespace", info.ns.to_string()}, {"uuid", info.uuid.to_string()}});
  return look_again(after_builds(destination_.drop_collection(info.ns, {.collection = info.uuid}), info.ns, info.uuid),
                    {kServerUuidMismatch});
}

Result<bool> DestinationCatalog::is_empty(const CollectionInfo& info, const std::stop_token& stop) {
  cluster::RangeRead range;
  range.ns = info.ns;
  range.uuid = info.uuid;
  range.ids_only = true;
  range.batch_documents = 1;
  range.at.time = TRY(destination_.majority_time());
  const auto cursor = TRY(destination_.read_range(range));
  return TRY(cursor->next(stop)).array.empty();
}

Status DestinationCatalog::remove_unwanted_indexes(Collection& collection, const CollectionInfo& found,
                                                   const std::stop_token& stop) {
  std::vector<bson::Document> wanted;
  {
    MonitorLock lock(lock_);
    wanted = collection.info.indexes;
  }
  std::set<std::string> there;
  for (const auto& index : found.indexes) {
    const std::string name(index["name"].to_string_view().value_or(""));
    const bool known = std::any_of(wanted.begin(), wanted.end(), [&](const auto& one) { return one["name"].to_string_view() == name; });
    if (known) {
      there.insert(name);
      continue;
    }
    log_.warn("dropping an index of the destination that a late command made",
              {{"namespace", found.ns.to_string()}, {"index", name}});
    TRY(drop_index(collection, name, stop));
  }
  MonitorLock lock(lock_);
  // Not those built since the listing: they are only forgotten, and found again.
  collection.built = std::move(there);
  return {};
}

}  // namespace drover::engine
