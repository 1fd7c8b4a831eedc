#include "engine/start.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/check.h"
#include "bson/builder.h"
#include "engine/retry.h"
#include "engine/server_codes.h"
#include "engine/state_fields.h"

namespace drover::engine {
namespace {

std::int64_t wall_millis(Runtime& runtime) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(runtime.wall_time().time_since_epoch()).count();
}

}  // namespace

void set_load_level(Options& options, int level) {
  const int copiers[] = {1, 2, 4, 8};
  const int lanes[] = {2, 4, 8, 16};
  options.copiers = copiers[std::clamp(level, 1, 4) - 1];
  options.lanes = lanes[std::clamp(level, 1, 4) - 1];
  const int verifiers[] = {1, 1, 2, 4};
  options.verifiers = verifiers[std::clamp(level, 1, 4) - 1];
}

Result<Begun> Starter::begin(const std::stop_token& stop) {
  Begun begun;
  const auto documents = TRY(state_.load("x_migration", stop));
  const bool laid_out =
      !documents.empty() && TRY(StateFields("x_migration", documents.front()).one_of("phase", {"initializing", "running", "committed"})) != "initializing";
  if (laid_out) {
    TRY(begin_again(documents.front(), begun, stop));
  } else {
    // An earlier first start may have blocked the destination: it is still ours to unblock.
    if (!documents.empty()) destination_blocked_ = TRY(StateFields("x_migration", documents.front()).flag_if_there("destinationBlocked"));
    TRY(begin_first(begun, !documents.empty(), stop));
  }
  set_check_context("migration " + migration_.to_string());
  begun.destination_blocked = destination_blocked_;
  return begun;
}

Status Starter::save_migration(std::string_view phase, const std::stop_token& stop) {
  bson::Builder builder;
  builder.append("uuid", migration_).append("phase", phase).append("t0", t0_);
  builder.append("destinationBlocked", destination_blocked_).append("filter", options_.filter.to_string());
  if (!source_identity_.empty()) builder.append("source", source_identity_);
  builder.append("startedMillis", started_millis_).append("copiedMillis", copied_millis_);
  {
    auto listed = builder.open_array("listed");
    for (const auto& [db, at] : catalog_.listed_at) listed.append(bson::make_document({{"db", db}, {"at", at}}));
  }
  builder.append("listedDefault", catalog_.listed_default);
  return state_.save("x_migration", "migration", std::move(builder).finish(), stop);
}

Status Starter::begin_first(Begun& begun, bool begun_before, const std::stop_token& stop) {
  first_ = true;
  TRY(undo_unfinished_layout(begun_before, stop));
  migration_ = Uuid::random(runtime_);
  source_identity_ = options_.source;
  started_millis_ = begun.started_millis = wall_millis(runtime_);
  if (mutant("t0_after_listing")) listing_ = TRY(planner_.list(stop));
  // The start is fixed, readable and durable before anything is looked at.
  t0_ = TRY(retry_temporary(runtime_, stop, [&] { return source_.majority_time(); }));
  TRY_WITH(retry_temporary(runtime_, stop,
                           [&]() -> Status {
                             TRY(source_.tail_oplog(t0_));
                             return {};
                           }),
           "opening the source's change stream");
  TRY(save_migration("initializing", stop));
  runtime_.reached("start.after_t0");
  TRY(block_destination(stop));
  TRY(save_migration("initializing", stop));
  if (!mutant("t0_after_listing")) listing_ = TRY(planner_.list(stop));
  catalog_.listed_at = listing_.listed_at;
  catalog_.listed_default = listing_.listed_default;

  std::string refused;
  for (const auto& info : listing_.collections) {
    auto what = not_carried(info.options);
    for (const auto& index : info.indexes)
      if (const auto which = what ? std::nullopt : index_not_carried(index))
        what = fmt::format("index {} is {}", index["name"].to_string_view().value_or("?"), *which);
    if (what) refused += fmt::format("\n  {}: {}", info.ns.to_string(), *what);
  }
  if (!refused.empty()) {
    return fail(ErrorCode::kUnsupported,
                "the source holds what this version does not carry exactly; exclude it (--exclude) or change it:" + refused);
  }
  begun.position = t0_;
  return {};
}

// A first start that died half way: the destination was empty before it, and everything it created has a state document.
Status Starter::undo_unfinished_layout(bool begun_before, const std::stop_token& stop) {
  if (!begun_before) return {};
  std::vector<bson::Value> ids;
  for (const auto& document : TRY(state_.load("x_catalog", stop))) {
    const StateFields fields("x_catalog", document);
    const Namespace ns{TRY(fields.text("db")), TRY(fields.text("coll"))};
    TRY(retry_temporary(runtime_, stop, [&] { return destination_.drop_collection(ns); }));
    ids.emplace_back(document["_id"]);
  }
  // Views have no document of their own; only this migration can have made them.
  for (const auto& db : TRY(retry_temporary(runtime_, stop, [&] { return list_wanted_databases(destination_, options_.filter); }))) {
    for (const auto& info : TRY(retry_temporary(runtime_, stop, [&] { return list_wanted(destination_, db, options_.filter); })))
      if (info.is_view()) TRY(retry_temporary(runtime_, stop, [&] { return destination_.drop_collection(info.ns); }));
  }
  TRY(state_.remove("x_plans", ids, stop));
  return state_.remove("x_catalog", ids, stop);
}

Status Starter::block_destination(const std::stop_token& stop) {
  if (!options_.block_destination && !destination_blocked_) return {};
  const auto block = TRY(retry_temporary(runtime_, stop, [&] { return destination_.write_block(); }));
  if (!block.supported || !block.effective || (block.enabled && !destination_blocked_)) return {};
  destination_blocked_ = true;
  TRY(save_migration("initializing", stop));  // before the block: a crash in between must know whose it is
  return retry_temporary(runtime_, stop, [&] { return destination_.set_write_block(true); });
}

Status Starter::lay_out(CatalogChanger& changer, DestinationCatalog& on_destination, Begun& begun, const std::stop_token& stop) {
  if (!first_) {
    for (const auto& collection : begun.to_plan) {
      TRY(remove_plan(state_, *collection, stop));
      TRY(on_destination.create(*collection, stop));
      TRY(planner_.partition(*collection, stop));
      TRY(save_plan(state_, *collection, stop));
      TRY(save_collection(state_, *collection, stop));  // last: until then it has no UUID here and is made anew
    }
    return {};
  }
  std::vector<std::shared_ptr<Collection>> all;
  for (auto& info : listing_.collections) {
    auto collection = std::make_shared<Collection>(runtime_, std::move(info));
    collection->ddl_time = ChangeTime::all_of(catalog_.listing_time(collection->info.ns.db));
    TRY(open_collation(*collection));
    TRY(save_collection(state_, *collection, stop));  // before it is created: what a crash leaves has a name
    all.push_back(std::move(collection));
  }
  runtime_.reached("start.after_names");
  for (const auto& collection : all) {
    TRY(on_destination.create(*collection, stop));
    TRY(planner_.partition(*collection, stop));
    TRY(save_plan(state_, *collection, stop));
    TRY(save_collection(state_, *collection, stop));
    catalog_.collections[collection->info.uuid] = collection;
  }
  std::set<std::string> with_views;
  for (const auto& view : listing_.views) with_views.insert(view.ns.db);
  for (const auto& db : with_views) TRY(changer.synchronise_views(db, stop));
  TRY(state_.save("x_checkpoint", "checkpoint", bson::make_document({{"ts", t0_}}), stop));
  TRY(save_migration("running", stop));
  runtime_.reached("start.after_layout");
  log_.info("laid out the copy", {{"collections", static_cast<std::int64_t>(all.size())}, {"t0", t0_.to_string()}});
  return {};
}

Status Starter::begin_again(const bson::Document& migration, Begun& begun, const std::stop_token& stop) {
  const StateFields fields("x_migration", migration);
  migration_ = TRY(fields.uuid("uuid"));
  t0_ = TRY(fields.time("t0"));
  if (const auto source = migration["source"].to_document()) source_identity_ = bson::Document(*source);
  destination_blocked_ = TRY(fields.flag_if_there("destinationBlocked"));
  started_millis_ = begun.started_millis = migration["startedMillis"].to_int64().value_or(0);
  copied_millis_ = begun.copied_millis = migration["copiedMillis"].to_int64().value_or(0);
  if (migration["filter"].to_string_view() != std::string_view(options_.filter.to_string())) {
    return fail(ErrorCode::kWrongState,
                migration["phase"].to_string_view() == std::string_view("committed")
                    ? fmt::format("the destination holds the record of a migration that was committed with other --include/--exclude ({}); what it copied may be in use. "
                                  "Nothing is left to do; repeat them to see that, or remove the record with --cleanup",
                                  migration["filter"].to_string_view().value_or("?"))
                    : fmt::format("the destination holds a migration that was begun with other --include/--exclude ({}); repeat "
                                  "them to go on, or --cleanup to start anew",
                                  migration["filter"].to_string_view().value_or("?")));
  }
  for (const auto& item : TRY(fields.array("listed"))) {
    const StateFields one("x_migration", item.to_document().value_or(bson::View()));
    catalog_.listed_at[TRY(one.text("db"))] = TRY(one.time("at"));
  }
  catalog_.listed_default = TRY(fields.time("listedDefault"));

  const auto cutover = TRY(recover_cutover(source_, runtime_, log_, state_, stop));
  if (migration["phase"].to_string_view() == std::string_view("committed")) begun.committed = true;
  if (cutover == CutoverFound::kDecided) begun.decided = true;
  if (begun.committed || begun.decided) return {};

  begun.position = t0_;
  const auto checkpoints = TRY(state_.load("x_checkpoint", stop));
  if (checkpoints.empty()) {  // it is there before the layout is recorded as done
    return fail(ErrorCode::kWrongState,
                "the destination holds only a part of this migration's state: removing it was interrupted, or somebody else removed "
                "some of it; remove the rest with --cleanup, empty the destination, then start anew");
  }
  for (const auto& checkpoint : checkpoints) {
    const StateFields applied("x_checkpoint", checkpoint);
    begun.position = TRY(applied.time("ts"));
    if (checkpoint["lastChange"].exists())
      begun.last_change = {TRY(applied.time("lastChange")), {TRY(applied.text("lastChangeDb")), TRY(applied.text("lastChangeColl"))}};
    begun.events_applied = static_cast<std::uint64_t>(checkpoint["applied"].to_int64().value_or(0));
    begun.max_lag_seconds = checkpoint["maxLagSeconds"].to_double().value_or(0);
  }
  const auto window = TRY(retry_temporary(runtime_, stop, [&] { return source_.oplog_window(); }));
  if (window.first > begun.position) {
    return fail(ErrorCode::kSource,
                fmt::format("the source's oplog begins at {} and no longer reaches back to the checkpoint {}: changes in "
                            "between are lost to this migration; enlarge the oplog and start anew with --cleanup",
                            window.first.to_string(), begun.position.to_string()),
                kServerHistoryLost);
  }
  // What was applied before the crash may be newer than the checkpoint, but not newer than this.
  const ClusterTime horizon = TRY(retry_temporary(runtime_, stop, [&] { return source_.majority_time(); }));
  auto restored = TRY(restore_catalog(state_, runtime_, horizon, stop));
  std::map<std::string, std::vector<CollectionInfo>> present;
  for (const auto& collection : restored.collections) {
    catalog_.collections[collection->info.uuid] = collection;
    if (collection->gone) continue;
    if (collection->partitions.empty()) {
      begun.to_plan.push_back(collection);
      continue;
    }
    const auto& db = collection->info.ns.db;
    if (!present.contains(db))
      present[db] = TRY(retry_temporary(runtime_, stop, [&] { return destination_.list_collections(db); }));
    bool there = false;
    for (const auto& info : present[db]) {
      if (info.is_view() || info.uuid != collection->destination_uuid) continue;
      there = true;
      collection->info.ns = info.ns;  // a rename that was carried out but not recorded; it will be replayed
      for (const auto& index : info.indexes) collection->built.emplace(index["name"].to_string_view().value_or(""));
    }
    // A drop that was carried out but not recorded: what is still to come of it would create it again by its name.
    if (!there) collection->gone = true;
  }
  begun.to_clear = std::move(restored.to_clear);
  log_.info("continuing where the last run ended",
            {{"position", begun.position.to_string()},
             {"partitionsToClear", static_cast<std::int64_t>(begun.to_clear.size())}});
  return {};
}

}  // namespace drover::engine
