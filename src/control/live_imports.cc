#include "control/live_imports.h"

#include <algorithm>

#include <fmt/format.h>

#include "control/events.h"
#include "control/fields.h"
#include "control/identity.h"
#include "control/json_document.h"
#include "net/crypto.h"

namespace drover::control {
namespace {

constexpr const char* kImports = "liveImports";
constexpr int kAttempts = 50;
constexpr std::int64_t kDeletedAtOnce = 100;

bson::Document by_id(std::string_view id) { return bson::make_document({{"_id", id}}); }

std::string destination_lock(const std::string& group, const std::string& cluster) { return fmt::format("destination {}/{}", group, cluster); }

std::vector<std::string> locks_of(const LiveImport& import, bool one_per_link) {
  const auto& request = import.request;
  std::vector<std::string> locks{destination_lock(import.group, request.destination_cluster),
                                 fmt::format("source {}/{}/{}", import.link, request.source_group, request.source_cluster),
                                 fmt::format("host {}/{}/{}", import.link, request.source_group, request.host)};
  // The same one may be registered under several names, and in several projects.
  if (!import.deployment.empty()) locks.push_back("deployment " + import.deployment);
  if (one_per_link) locks.push_back("link " + import.link);
  return locks;
}

std::string iso_of(std::int64_t millis) { return iso_time(std::chrono::system_clock::time_point(std::chrono::milliseconds(millis))); }

bson::Document event_of(Runtime& runtime, const char* type, const Asker& by, const std::string& detail = {}) {
  bson::Builder event;
  event.append("id", new_id(runtime)).append("type", type).append("created", iso_time(runtime));
  if (!detail.empty()) event.append("detail", detail);
  if (!by.public_key.empty()) event.append("publicKey", by.public_key).append("apiKeyId", by.key_id).append("remoteAddress", by.address);
  return std::move(event).finish();
}

// Of another organization's migration, which may have the same deployment, nothing is told.
tl::unexpected<Error> busy(const LiveImport& wanted, const LiveImports::Held& held) {
  const auto& request = wanted.request;
  const auto what = held.lock.starts_with("destination ") ? fmt::format("The cluster {} is the destination of a running live migration, {}", request.destination_cluster, held.by)
                    : held.lock.starts_with("source ")    ? fmt::format("The deployment {} is the source of a running live migration, {}", request.source_cluster, held.by)
                    : held.lock.starts_with("host ")      ? fmt::format("The migration host {} carries out a running live migration, {}", request.host, held.by)
                    : held.lock.starts_with("link ")      ? fmt::format("The link of the source's organization has a running live migration, {}, and one at a time", held.by)
                                                          : "A live migration is running that has the same deployment, under another name, as its source or its destination";
  return fail(ErrorCode::kWrongState, what + ". Wait for its end, or cancel it.");
}

// Those whose public status is that; empty: all.
bson::Document migrations(const std::string& group, std::string_view status) {
  bson::Builder filter;
  filter.append("groupId", group).append("kind", "migration");
  if (!status.empty()) {
    auto state = filter.open_document("state");
    auto in = state.open_array("$in");
    LiveImport one;
    for (int i = 0; i <= static_cast<int>(ImportState::kExpired); ++i) {
      one.state = static_cast<ImportState>(i);
      if (one.public_status() == status) in.append(name_of(one.state));
    }
  }
  return std::move(filter).finish();
}

}  // namespace

std::int64_t LiveImports::now_millis() const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(runtime_.wall_time().time_since_epoch()).count();
}

// As the store has it, and whether its host is silent by this site's clock.
LiveImport LiveImports::read(bson::View document) const {
  auto import = live_import_of(document);
  const bool silent = import.kind == ImportKind::kMigration && needs_host(import) && now_millis() - import.heard_millis >= options_.host_silent_after.count();
  if (silent) {
    import.host_silent_since = import.heard_millis;
    import.engine_silent_since = 0;
    import.engine_paused = false;
  }
  return import;
}

// What is over is kept, but not for ever; nothing else is deleted. A validation that is over is of no use but to whoever asked for it; a migration is
// looked up by the events that tell of it, for as long as there are any. They are counted apart, and by project: nobody's refused validations
// drive out what others have.
Status LiveImports::make_room(ImportKind kind, const std::string& group) {
  const bool migration = kind == ImportKind::kMigration;
  const auto limit = migration ? options_.kept_migrations : options_.kept_validations;
  const auto of_kind = bson::make_document({{"groupId", group}, {"kind", migration ? "migration" : "validation"}});
  const auto kept = TRY(store_.count(kImports, of_kind));
  if (kept < limit) return {};
  bson::Builder over;
  over.append_all(of_kind);
  over.open_document("open").append("$exists", false);
  if (migration) {
    const auto told_until = runtime_.wall_time() - kEventsKept;
    over.open_document("_id").append("$lt", first_id_of(told_until));
    auto ended = over.open_document("endedMillis");
    ended.open_document("$not").append("$gte", std::chrono::duration_cast<std::chrono::milliseconds>(told_until.time_since_epoch()).count());
  }
  const auto most = static_cast<int>(std::min<std::int64_t>(kept - limit + 1, kDeletedAtOnce));
  std::int64_t gone = 0;
  for (const auto& document : TRY(store_.find(kImports, std::move(over).finish(), {1, most}))) {
    bson::Builder this_one;
    this_one.append("_id", text_of(document, "_id"));
    this_one.open_document("open").append("$exists", false);
    gone += TRY(store_.remove(kImports, std::move(this_one).finish()));
  }
  if (!migration || gone != 0) return {};
  return fail(ErrorCode::kUnsupported, fmt::format("{} migrations of the project {} are kept, and events of the last {} days tell of each of them; begin this one in another project", kept,
                                                   group, std::chrono::duration_cast<std::chrono::hours>(kEventsKept).count() / 24));
}

// What is copied from is written by no other one. What a source is its own organization's manager says: nobody else's is kept from anything by it, and
// copies of one deployment, which have one identity, may be copied from side by side.
Result<bool> LiveImports::copies_from_what_is_written(const LiveImport& import) {
  for (const auto& [field, is] : {std::pair{"deployment", import.source_deployment}, std::pair{"sourceDeployment", import.deployment}}) {
    if (is.empty()) continue;
    if (TRY(store_.find_one(kImports, bson::make_document({{"orgId", import.org}, {"kind", "migration"}, {"locks", bson::make_document({{"$exists", true}})}, {field, is}})))) return true;
  }
  return false;
}

Result<LiveImport> LiveImports::create(LiveImport first, const std::string& source_password, const Asker& by) {
  const bool migration = first.kind == ImportKind::kMigration;
  first.id = new_id(runtime_);
  first.created = iso_time(runtime_);
  first.created_millis = now_millis();
  first.revision = 1;
  bson::Builder document;
  document.append("_id", first.id).append("kind", migration ? "migration" : "validation").append("orgId", first.org);
  document.append("groupId", first.group).append("linkId", first.link).append("state", name_of(first.state)).append("revision", first.revision);
  document.append("created", first.created).append("createdMillis", first.created_millis).append("heardMillis", first.created_millis);
  document.append("path", first.path).append("errorMessage", first.error).append("sequence", std::int64_t{0});
  document.append("deployment", first.deployment).append("sourceDeployment", first.source_deployment).append("clusterId", first.cluster_id).append("clusterRevision", first.cluster_revision);
  append_json(document, "request", json_of(first.request));
  append_json(document, "checks", first.checks);
  if (!is_terminal(first.state)) {
    document.append("open", true);
    document.append("sealedDestination", new_destination_password(first.id));
    if (!source_password.empty()) document.append("sealedPassword", keys_.seal("import source " + first.id, source_password));
  }
  TRY(make_room(first.kind, first.group));
  const auto locks = locks_of(first, options_.one_migration_per_link);
  if (migration) {
    if (const auto held = TRY(held_lock(locks))) return busy(first, *held);
    if (const auto used = TRY(used_unlocked(first, locks))) return busy(first, *used);
    if (TRY(copies_from_what_is_written(first))) return busy(first, {"deployment ", ""});
    {
      auto list = document.open_array("locks");
      for (const auto& lock : locks) list.append(lock);
    }
    auto outbox = document.open_array("outbox");
    outbox.append(event_of(runtime_, "CLUSTER_IMPORT_STARTED", by));
  }
  if (TRY(store_.insert(kImports, std::move(document).finish()))) return first;
  if (const auto held = TRY(held_lock(locks))) return busy(first, *held);
  return fail(ErrorCode::kTemporary, "another migration has just ended; try again");
}

Result<std::optional<LiveImport>> LiveImports::find(ImportKind kind, const std::string& group, const std::string& id) {
  const auto found = TRY(store_.find_one(
      kImports, bson::make_document({{"_id", id}, {"groupId", group}, {"kind", kind == ImportKind::kMigration ? "migration" : "validation"}})));
  if (!found) return std::optional<LiveImport>();
  return std::optional(read(*found));
}

Result<std::vector<LiveImport>> LiveImports::migrations_of(const std::string& group, Page page, std::string_view status) {
  std::vector<LiveImport> all;
  for (const auto& document : TRY(store_.find(kImports, migrations(group, status), page, Order::kNewestFirst))) all.push_back(read(document));
  return all;
}

Result<std::int64_t> LiveImports::count_migrations(const std::string& group, std::string_view status) {
  return store_.count(kImports, migrations(group, status));
}

Result<std::vector<LiveImport>> LiveImports::active_of_link(const std::string& link) {
  std::vector<LiveImport> active;
  TRY(each_open(bson::make_document({{"linkId", link}}), [&](const LiveImport& one) -> Status {
    if (!is_terminal(one.state)) active.push_back(one);
    return {};
  }));
  return active;
}

Result<std::int64_t> LiveImports::count_open_of_link(const std::string& link) { return store_.count(kImports, bson::make_document({{"linkId", link}, {"open", true}})); }

Status LiveImports::move_to_link(const std::string& from, const std::string& to) {
  std::vector<std::string> ids;
  TRY(each_open(bson::make_document({{"linkId", from}}), [&](const LiveImport& one) -> Status {
    ids.push_back(one.id);
    return {};
  }));
  for (const auto& id : ids) {
    TRY(change(id, [&](const LiveImport& seen) -> Result<std::optional<Change>> {
      if (seen.link != from) return std::optional<Change>();
      Change change;
      change.set.append("linkId", to);
      if (seen.kind == ImportKind::kMigration && !is_terminal(seen.state)) {
        auto moved = seen;
        moved.link = to;
        const auto locks = TRY(locks_left(moved));
        auto list = change.set.open_array("locks");
        for (const auto& lock : locks) list.append(lock);
      }
      return std::optional(std::move(change));
    }));
  }
  return {};
}

// Those of its locks that no other one holds.
Result<std::vector<std::string>> LiveImports::locks_left(const LiveImport& import) {
  std::vector<std::string> left;
  for (auto& lock : locks_of(import, options_.one_migration_per_link)) {
    bson::Builder others;
    others.append("locks", lock);
    others.open_document("_id").append("$ne", import.id);
    if (!TRY(store_.find_one(kImports, std::move(others).finish()))) left.push_back(std::move(lock));
  }
  return left;
}

// Which of the locks is that of a migration which came with a former link, and does not hold it itself. One that holds none has given all of them up.
// The first of them, and whose it is.
Result<std::optional<LiveImports::Held>> LiveImports::held_lock(const std::vector<std::string>& locks) {
  for (const auto& lock : locks)
    if (const auto holder = TRY(store_.find_one(kImports, bson::make_document({{"locks", lock}})))) return std::optional(Held{lock, text_of(*holder, "_id")});
  return std::optional<Held>();
}

Result<std::optional<LiveImports::Held>> LiveImports::used_unlocked(const LiveImport& first, const std::vector<std::string>& locks) {
  bson::Builder holding;
  holding.append("linkId", first.link);
  holding.open_document("locks").append("$exists", true);
  std::optional<Held> found;
  TRY(each_open(std::move(holding).finish(), [&](const LiveImport& active) -> Status {
    for (const auto& used : locks_of(active, options_.one_migration_per_link))
      if (std::find(locks.begin(), locks.end(), used) != locks.end()) found = Held{used, active.id};
    return {};
  }));
  return found;
}

Result<std::optional<LiveImport>> LiveImports::active_on_cluster(const std::string& group, const std::string& cluster) {
  const auto found = TRY(store_.find_one(kImports, bson::make_document({{"locks", destination_lock(group, cluster)}})));
  if (!found) return std::optional<LiveImport>();
  return std::optional(read(*found));
}

Result<bool> LiveImports::uses_network(const std::string& group, const std::string& schema) {
  bool uses = false;
  TRY(each_open(bson::make_document({{"groupId", group}}), [&](const LiveImport& import) -> Status {
    uses = uses || (import.request.schema == schema && !is_terminal(import.state));
    return {};
  }));
  return uses;
}

Result<LiveImport> LiveImports::change(const std::string& id, const std::function<Result<std::optional<Change>>(const LiveImport&)>& decide) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const auto found = TRY(store_.find_one(kImports, by_id(id)));
    if (!found) return fail(ErrorCode::kWrongState, "it is not there any more");
    auto seen = read(*found);
    auto change = TRY(decide(seen));
    if (!change) return seen;
    bson::Builder update;
    change->set.append("revision", seen.revision + 1);
    update.append("$set", std::move(change->set).finish());
    if (!change->unset.empty()) {
      auto unset = update.open_document("$unset");
      for (const auto& field : change->unset) unset.append(field, "");
    }
    if (change->event != nullptr) {
      auto push = update.open_document("$push");
      push.append("outbox", event_of(runtime_, change->event, change->by, change->detail));
    }
    if (TRY(store_.update(kImports, bson::make_document({{"_id", id}, {"revision", seen.revision}}), std::move(update).finish()))) {
      const auto now = TRY(store_.find_one(kImports, by_id(id)));
      return now ? read(*now) : seen;
    }
  }
  return fail(ErrorCode::kTemporary, "it changes all the time; try again");
}

LiveImports::Change to_cleaning(const char* outcome, const std::string& error) {
  LiveImports::Change change;
  change.set.append("state", name_of(ImportState::kCleaning)).append("outcome", outcome).append("errorMessage", error).append("open", true);
  change.set.append("leftBehind", false);
  change.unset = {"sealedPassword"};
  return change;
}

LiveImports::Change nothing_left(const std::string& error, std::int64_t now_millis) {
  LiveImports::Change change;
  change.set.append("leftBehind", false).append("cleaningSince", now_millis).append("errorMessage", error);
  change.unset = {"sealedPassword", "sealedDestination"};
  return change;
}

Result<LiveImport> LiveImports::cutover(const std::string& id, const Asker& by) {
  return change(id, [&by](const LiveImport& seen) -> Result<std::optional<Change>> {
    if (seen.state == ImportState::kCutover || seen.outcome == "COMPLETE") return std::optional<Change>();
    if (seen.state != ImportState::kWorking) return fail(ErrorCode::kWrongState, fmt::format("the migration is {}", seen.outcome.empty() ? seen.public_status() : seen.outcome));
    if (seen.host_silent_since != 0)
      return fail(ErrorCode::kWrongState, fmt::format("its migration host {} has been silent since {}; bring it back first, applications would wait for it",
                                                      seen.request.host, iso_of(seen.host_silent_since)));
    if (!seen.held_because.empty()) return fail(ErrorCode::kWrongState, fmt::format("its manager site cannot go on with it: {}; put that right first", seen.held_because));
    if (!seen.ready()) return fail(ErrorCode::kWrongState, why_not_ready(seen));
    Change change;
    change.set.append("state", name_of(ImportState::kCutover)).append("cutovers", seen.cutovers + 1);
    change.unset = {"cutoverGivenUp"};
    change.event = "CLUSTER_IMPORT_CUTOVER";
    change.by = by;
    return std::optional(std::move(change));
  });
}

Result<LiveImport> LiveImports::cancel(const std::string& id, const Asker& by, Cancel how) {
  return change(id, [this, &by, how](const LiveImport& seen) -> Result<std::optional<Change>> {
    if (seen.outcome == "CANCELLED") return std::optional<Change>();
    const bool forced = seen.state == ImportState::kCutover && how == Cancel::kForced && seen.host_silent_since != 0 &&
                        now_millis() - seen.host_silent_since >= std::chrono::milliseconds(kCutoverForced).count();
    if (seen.state == ImportState::kCutover && !forced)
      return fail(ErrorCode::kWrongState, fmt::format("the cutover was asked for; from here on the migration completes or fails by itself{}",
                                                      seen.host_silent_since == 0 ? "" : fmt::format(", once its migration host {} is back, which has been silent since {}; "
                                                                                                     "after an hour of silence force=true gives it up",
                                                                                                     seen.request.host, iso_of(seen.host_silent_since))));
    if (seen.state != ImportState::kNew && seen.state != ImportState::kWorking && !forced)
      return fail(ErrorCode::kWrongState, fmt::format("the migration is {}", seen.outcome.empty() ? seen.public_status() : seen.outcome));
    // While it is NEW no host has been told of it, and it has no user to log in with: there is nobody to wait for.
    const bool untold = seen.state == ImportState::kNew;
    auto change = untold ? to_cleaning("CANCELLED", "The migration was cancelled.") : Change();
    if (!untold) {
      change.set.append("state", name_of(ImportState::kStopping)).append("outcome", "CANCELLED").append("stopAsked", now_millis());
      change.set.append("errorMessage", forced ? "The migration was given up during its cutover, while its migration host was silent: look on the destination whether it was "
                                                 "committed, before applications write anywhere."
                                               : "The migration was cancelled.");
    }
    change.event = "CLUSTER_IMPORT_CANCELLED";
    change.by = by;
    return std::optional(std::move(change));
  });
}

Result<LiveImport> LiveImports::extend(const std::string& id, std::chrono::hours how_long, const Asker& by) {
  return change(id, [how_long, &by](const LiveImport& seen) -> Result<std::optional<Change>> {
    if (seen.state != ImportState::kWorking || seen.timer_end == 0)
      return fail(ErrorCode::kWrongState, "its timer does not run: it starts when source and destination are nearly in sync, and ends with the cutover");
    Change change;
    change.set.append("timerEnd", seen.timer_end + std::chrono::duration_cast<std::chrono::milliseconds>(how_long).count());
    change.set.append("remindedHours", std::int64_t{0});
    change.event = "CLUSTER_IMPORT_EXTENDED";
    change.by = by;
    return std::optional(std::move(change));
  });
}

Status LiveImports::each_open(bson::View filter, const std::function<Status(const LiveImport&)>& see) {
  bson::Builder open;
  open.append("open", true).append_all(filter);
  return store_.each(kImports, std::move(open).finish(), [&](bson::View document) { return see(read(document)); });
}

// An event is inserted under its own id before it leaves the outbox: told once, whoever dies in between.
Status LiveImports::tell_events(const LiveImport& import) {
  const auto found = TRY(store_.find_one(kImports, by_id(import.id)));
  if (!found) return {};
  const auto outbox = (*found)["outbox"].to_array();
  if (!outbox) return {};
  for (const auto& item : *outbox) {
    const auto event = object_in(item);
    const auto id = text_of(event, "id");
    bson::Builder told;
    told.append("_id", id).append("orgId", import.org).append("groupId", import.group).append("eventTypeName", text_of(event, "type"));
    told.append("created", text_of(event, "created")).append("clusterName", import.request.destination_cluster).append("liveMigrationId", import.id);
    for (const auto* field : {"detail", "publicKey", "apiKeyId", "remoteAddress"})
      if (event[field].exists()) told.append(field, text_of(event, field));
    TRY(store_.insert("events", std::move(told).finish()));
    bson::Builder pull;
    pull.open_document("$pull").open_document("outbox").append("id", id);
    TRY(store_.update(kImports, by_id(import.id), std::move(pull).finish()));
  }
  return {};
}

Result<std::string> LiveImports::destination_password(const LiveImport& import) {
  const auto found = TRY(store_.find_one(kImports, by_id(import.id)));
  if (!found) return fail(ErrorCode::kWrongState, "it is not there any more");
  return keys_.unseal("import destination " + import.id, text_of(*found, "sealedDestination"));
}

std::string LiveImports::new_destination_password(const std::string& id) const {
  return keys_.seal("import destination " + id, net::hex_encode(net::random_bytes(24)));
}

}  // namespace drover::control
