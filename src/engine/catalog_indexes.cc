// CatalogChanger, what concerns indexes and options: createIndexes, dropIndexes, collMod, and the collection that is copied
// anew for a unique index.
#include <algorithm>

#include <fmt/format.h>

#include "bson/builder.h"
#include "engine/catalog_changer.h"
#include "engine/mutants.h"
#include "engine/retry.h"
#include "engine/server_codes.h"

namespace drover::engine {
namespace {

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

// "'expireAfterSeconds' of index at_1 of shop.orders", "'cappedSize' of shop.orders".
std::string what_changed(const Namespace& ns, const bson::Element& field, const std::vector<bson::Document>& indexes) {
  const auto change = field.key() == "index" ? field.to_document() : std::nullopt;
  if (!change) return fmt::format("'{}' of {}", field.key(), ns.to_string());
  std::string fields;
  for (const auto& one : *change)
    if (one.key() != "name" && one.key() != "keyPattern") fields += fmt::format("{}'{}'", fields.empty() ? "" : ", ", one.key());
  std::string name((*change)["name"].to_string_view().value_or("?"));
  for (const auto& index : indexes)
    if (index["key"].same_value_bytes((*change)["keyPattern"])) name = index["name"].to_string_view().value_or("?");
  return fmt::format("{} of index {} of {}", fields, name, ns.to_string());
}

}  // namespace

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
    if (const auto what = index_not_carried(spec)) return refuse_index(event.ns, spec, *what);
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
    TRY(router_.drain(*collection, stop));
    auto alone = collection->gate.enter_exclusive(stop);
    if (!alone) return tl::unexpected(stopped_error());
    const Status built = on_destination_.create_indexes(*collection, unique, stop);
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
    old->being_replaced = true;
    for (const auto& partition : old->partitions)
      if (partition->held) partition->held->clear();
    router_.lock().notify_all();
  }
  auto fresh = std::make_shared<Collection>(runtime_, old->info);
  {
    // None begins any more; one that has begun would build on the fresh one.
    const auto building = on_destination_.end_build(*old, stop);
    if (!building) return tl::unexpected(stopped_error());
  }
  fresh->collator = old->collator;
  return copy_fresh(fresh, time, stop);
}

Status CatalogChanger::copy_fresh(const std::shared_ptr<Collection>& fresh, ChangeTime time, const std::stop_token& stop) {
  fresh->ddl_time = time;
  fresh->indexes_valid_from = time.ts;
  TRY(save_collection(state_, *fresh, stop));  // without a UUID here it is created and planned anew after a crash
  runtime_.reached("ddl.before_copy_anew");
  TRY(on_destination_.create(*fresh, stop));
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
  if (name.empty() || name == "*") return refuse(event.ns, fmt::format("{} lost indexes in another form than one by one", event.ns.to_string()));
  const auto building = on_destination_.end_build(*collection, stop);
  if (!building) return tl::unexpected(stopped_error());
  auto alone = collection->gate.enter_exclusive(stop);
  if (!alone) return tl::unexpected(stopped_error());
  {
    MonitorLock lock(router_.lock());
    ++collection->index_changes;
    if (!mutant("dropped_index_built"))
      std::erase_if(collection->info.indexes, [&](const auto& index) { return index["name"].to_string_view() == name; });
    collection->built.erase(name);
  }
  TRY(on_destination_.drop_index(*collection, name, stop));
  collection->ddl_time = ChangeTime::of(event);
  return save_collection(state_, *collection, stop);
}

Status CatalogChanger::coll_mod(const ChangeEvent& event, const std::stop_token& stop) {
  const auto collection = pending_change(event);
  if (!collection) return {};
  // Before looking at what is built: the index builder may be at it.
  const auto building = on_destination_.end_build(*collection, stop);
  if (!building) return tl::unexpected(stopped_error());
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
      return refuse(event.ns, fmt::format("collMod has changed {}", what_changed(event.ns, field, indexes)));
    }
  }
  const auto fields = std::move(to_send).finish();
  if (!fields.empty()) TRY(on_destination_.coll_mod(*collection, fields, stop));
  for (const auto& change : index_changes) {
    const Status hidden = on_destination_.coll_mod(*collection, change, stop);
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

}  // namespace drover::engine
