#include "control/live_import_reconciler.h"

#include <set>

#include <fmt/format.h>

#include "base/backoff.h"
#include "control/destination_user.h"
#include "model/server_version.h"

namespace drover::control {
namespace {

using Change = LiveImports::Change;
using Decision = Result<std::optional<Change>>;

constexpr int kUnauthorized = 13;
constexpr std::int64_t kHour = 3600 * 1000;
constexpr std::int64_t kReminders[] = {24, 4};  // hours before the end

std::int64_t millis(std::chrono::milliseconds time) { return time.count(); }

std::string user_of(const LiveImport& import) { return "drover-import-" + import.id; }
// Who removes what a host left that was given up. Another one than that host has had: what still runs there is shut out.
std::string ending_user_of(const LiveImport& import) { return user_of(import) + "-end"; }

// A final state for each outcome; the public API has no CANCELLED.
ImportState end_of(const std::string& outcome) {
  if (outcome == "COMPLETE") return ImportState::kComplete;
  if (outcome == "EXPIRED") return ImportState::kExpired;
  return ImportState::kFailed;
}

// It ends without its host. What the host needs to put things right is kept for a while: it may come back.
Change unconfirmed(const LiveImport& seen, const std::string& sealed_password) {
  if (seen.kind != ImportKind::kMigration)
    return to_cleaning(seen.outcome.c_str(), seen.error + " The migration host did not confirm that it has stopped.");
  Change change;
  change.set.append("state", name_of(ImportState::kCleaning)).append("leftBehind", true).append("errorMessage", seen.error + fmt::format(
      " The migration host {} did not confirm within {} minutes that it has stopped: the destination may still hold the write block and the state (__mdb_internal_mongosync) that "
      "its engine left there. The host removes them when its agent comes back within {} hours; `drover migrate --cleanup --job {} --source SOURCE --destination DESTINATION` "
      "does it from any host, and so does a new migration into it with dropDestinationData.{}", seen.request.host, kReportPatience.count(), kLeftPatience.count(), seen.id,
      seen.held_because.empty() ? "" : fmt::format(" Its manager site says: {}.", seen.held_because)));
  if (!seen.destination_user.empty()) change.set.append("destinationUser", ending_user_of(seen)).append("sealedDestination", sealed_password);
  change.event = "X_CLUSTER_IMPORT_LEFT";
  return change;
}

}  // namespace

Status LiveImportReconciler::step() {
  std::set<std::string> open;
  TRY(imports_.each_open(bson::View(), [&](const LiveImport& import) -> Status {
    open.insert(import.id);
    const auto waits = failures_.with([&](auto& failures) {
      const auto failed = failures.find(import.id);
      return failed != failures.end() && runtime_.now() < failed->second.next;
    });
    if (waits) return {};
    const auto done = advance(import);
    failures_.with([&](auto& failures) {
      if (done) {
        failures.erase(import.id);
      } else {
        auto& failure = failures[import.id];
        failure.next = runtime_.now() + pause_after(++failure.in_a_row, runtime_.random());
      }
    });
    if (!done) log_.warn("live migration: a step failed, it is tried again", {{"id", import.id}, {"state", name_of(import.state)}, {"error", done.error().message}});
    return {};
  }));
  failures_.with([&](auto& failures) { std::erase_if(failures, [&](const auto& known) { return !open.contains(known.first); }); });
  return {};
}

Status LiveImportReconciler::advance(const LiveImport& import) {
  TRY(imports_.tell_events(import));
  if (!TRY(links_.exists(import.link))) {
    const auto successor = TRY(links_.successor_of(import.link));
    TRY(successor ? imports_.move_to_link(import.link, *successor) : without_link(import));
  }
  switch (import.state) {
    case ImportState::kNew: return prepare(import);
    case ImportState::kCleaning: return clean(import);
    case ImportState::kWorking:
    case ImportState::kStopping: return watch(import);
    case ImportState::kCutover: return {};
    default: return close(import);
  }
}

// At its end, forgotten by the manager site or for too long not, all events told: nobody looks at it any more.
Status LiveImportReconciler::close(const LiveImport& import) {
  if (const auto until = left_until(import)) return end_wait(import, *until);  // what comes after it is decided on what is there then
  if (import.user_may_exist) TRY(settle_user(import));
  const auto now = imports_.now_millis();
  TRY(imports_.change(import.id, [&](const LiveImport& seen) -> Decision {
    Change change;
    if (is_terminal(seen.state) && seen.ended_millis == 0) {  // of an older store: it waits from now on
      change.set.append("endedMillis", now);
      return std::optional(std::move(change));
    }
    const bool forgotten = seen.forgotten || now - seen.ended_millis >= millis(kForgetPatience);
    if (!is_terminal(seen.state) || !forgotten || seen.untold || seen.user_may_exist) return std::optional<Change>();
    change.unset = {"open"};
    return std::optional(std::move(change));
  }));
  return {};
}

// A host that left something behind is waited for; without its cluster, or for too long, it is not.
Status LiveImportReconciler::end_wait(const LiveImport& import, std::int64_t until) {
  const auto now = imports_.now_millis();
  if (now < until && TRY(clusters_.cluster(import.group, import.request.destination_cluster))) return {};
  TRY(imports_.change(import.id, [&](const LiveImport& seen) -> Decision {
    if (!seen.left_behind) return std::optional<Change>();
    return std::optional(nothing_left(seen.error + " The migration host was not heard of since, and is not waited for any more.", now));
  }));
  return {};
}

// The temporary user of what has ended. It is dropped a second time after a while: a process that was making it when another one
// dropped it may have died since. A destination that does not answer keeps it; an operator is told when it is given up.
Status LiveImportReconciler::settle_user(const LiveImport& import) {
  const auto now = imports_.now_millis();
  if (import.user_dropped != 0 && now - import.user_dropped < millis(kUserGrace)) return {};
  const bool gone = !TRY(clusters_.cluster(import.group, import.request.destination_cluster));
  const bool given_up = import.user_dropped == 0 && (gone || now - import.cleaning_since >= millis(kUserPatience));
  const bool enough = import.user_dropped != 0 && now - import.user_dropped >= millis(kUserPatience);
  const auto dropped = given_up || enough ? Status() : drop_user(import);
  TRY(imports_.change(import.id, [&](const LiveImport& seen) -> Decision {
    if (!seen.user_may_exist || !dropped) return std::optional<Change>();
    Change change;
    if (given_up) change.event = "X_CLUSTER_IMPORT_USER_LEFT";
    if (given_up || seen.user_dropped != 0) change.set.append("userMayExist", false);
    else change.set.append("userDropped", now);
    return std::optional(std::move(change));
  }));
  return dropped;
}

// Nobody can report of it any more, nor is there anybody to forget it.
Status LiveImportReconciler::without_link(const LiveImport& import) {
  TRY(imports_.change(import.id, [&](const LiveImport& seen) -> Decision {
    if (seen.link != import.link) return std::optional<Change>();  // it has moved to another link since it was read
    if (is_terminal(seen.state)) {
      if (seen.forgotten) return std::optional<Change>();
      auto change = seen.left_behind ? nothing_left(seen.error, imports_.now_millis()) : Change();
      change.set.append("forgotten", true);
      return std::optional(std::move(change));
    }
    if (seen.state == ImportState::kCleaning) return std::optional<Change>();
    return std::optional(to_cleaning("FAILED", "The link with the source's organization was deleted."));
  }));
  return {};
}

// That there may be a user is kept before it is made, and it is made before the state says so: whoever finds the state unchanged makes
// it again, and whatever happens in between, it is dropped at the end.
Status LiveImportReconciler::prepare(const LiveImport& import) {
  const auto cluster = TRY(clusters_.cluster(import.group, import.request.destination_cluster));
  // A migration that begins counts itself on its cluster: to what else was asked for then the cluster has changed.
  const auto other = TRY(imports_.active_on_cluster(import.group, import.request.destination_cluster));
  const auto kept = TRY(imports_.change(import.id, [&](const LiveImport& seen) -> Decision {
    if (seen.state != ImportState::kNew || seen.user_may_exist) return std::optional<Change>();
    if (cluster && (cluster->revision != seen.cluster_revision || (!seen.cluster_id.empty() && cluster->id != seen.cluster_id))) {
      if (!other || other->id == seen.id) return std::optional(to_cleaning("FAILED", "The destination cluster was changed while this was asked for. Ask for it again."));
      return std::optional(to_cleaning("FAILED", fmt::format("The live migration {} into {} was begun before this had begun. Nothing else is checked or begun there until it has ended.", other->id,
                                                             import.request.destination_cluster)));
    }
    if (!cluster || !cluster->authorization) return std::optional<Change>();  // there is nobody to be
    Change change;
    change.set.append("userMayExist", true);
    return std::optional(std::move(change));
  }));
  if (kept.state != ImportState::kNew) return {};
  std::string user;
  bool refused_at_once = false;
  const auto made = make_user(import, user_of(import), user, refused_at_once);
  // What its user may not do does not pass by itself. Nothing was made, unless an earlier attempt or an earlier command was done.
  const bool forbidden = !made && made.error().server_code == kUnauthorized;
  const bool patient = !forbidden && imports_.now_millis() - import.created_millis < millis(kPreparePatience);
  if (!made && (patient || made.error().code == ErrorCode::kInterrupted)) return made;  // this process ends: another one goes on
  const auto now = TRY(imports_.change(import.id, [&](const LiveImport& seen) -> Decision {
    if (seen.state != ImportState::kNew) return std::optional<Change>();
    if (forbidden) {
      auto change = to_cleaning("FAILED", fmt::format("The destination cluster {}: the user of its connection string may not make the temporary user of a migration (createRole, createUser, grantRole). "
                                                      "Grant it readWriteAnyDatabase, restore and clusterMonitor on admin, of which restore holds those, or root; or register the cluster with one that has them.", import.request.destination_cluster));
      if (refused_at_once && !import.user_may_exist) change.set.append("userMayExist", false);
      return std::optional(std::move(change));
    }
    if (!made) return std::optional(to_cleaning("FAILED", fmt::format("The destination cluster: {}", made.error().message)));
    Change change;
    change.set.append("state", name_of(ImportState::kWorking)).append("destinationUser", user).append("heardMillis", imports_.now_millis());
    return std::optional(std::move(change));
  }));
  // It has ended meanwhile, and another process dropped the user before this one made it.
  if (is_terminal(now.state)) return drop_user(import);
  return {};
}

Status LiveImportReconciler::make_user(const LiveImport& import, const std::string& name, std::string& user, bool& refused_at_once) {
  const auto cluster = TRY(clusters_.cluster(import.group, import.request.destination_cluster));
  if (!cluster) return fail(ErrorCode::kWrongState, fmt::format("{} is gone", import.request.destination_cluster));
  if (!cluster->authorization) return {};  // there is nobody to be
  const auto deployment = TRY(clusters_.connect(*cluster));
  user = name;
  const auto version = ServerVersion::parse(cluster->version).value_or(ServerVersion{});
  return make_destination_user(*deployment, {.name = user,
                                             .password = TRY(imports_.destination_password(import)),
                                             .sharded = cluster->sharded,
                                             .drops_data = import.request.drop && !import.left_behind,
                                             .write_block = version.major >= 6}, refused_at_once);
}

Status LiveImportReconciler::watch(const LiveImport& import) {
  const auto now = imports_.now_millis();
  TRY(imports_.change(import.id, [&](const LiveImport& seen) -> Decision {
    const bool silent = now - seen.heard_millis >= millis(kReportPatience);
    if (seen.state == ImportState::kStopping && now - seen.stop_asked >= millis(kReportPatience)) return std::optional(unconfirmed(seen, imports_.new_destination_password(seen.id)));
    if (seen.state != ImportState::kWorking) return std::optional<Change>();
    if (seen.kind == ImportKind::kValidation) {
      if (!silent) return std::optional<Change>();
      return std::optional(to_cleaning("FAILED", "The migration host did not answer. Check that its agent runs, and the link with its site."));
    }
    if (seen.timer_end == 0) return std::optional<Change>();
    Change change;
    if (now >= seen.timer_end) {
      change.set.append("state", name_of(ImportState::kStopping)).append("outcome", "EXPIRED").append("stopAsked", now);
      change.set.append("errorMessage", "The migration was ready for its cutover for as long as it may wait, and nobody cut over.");
      change.event = "CLUSTER_IMPORT_EXPIRED";
      return std::optional(std::move(change));
    }
    for (const auto hours : kReminders) {
      const bool due = seen.timer_end - now <= hours * kHour && (seen.reminded_hours == 0 || seen.reminded_hours > hours);
      const bool later_one = hours != kReminders[1] && seen.timer_end - now <= kReminders[1] * kHour;
      if (!due || later_one) continue;
      change.set.append("remindedHours", hours);
      change.event = "X_CLUSTER_IMPORT_EXPIRES_SOON";
      return std::optional(std::move(change));
    }
    return std::optional<Change>();
  }));
  return {};
}

Status LiveImportReconciler::drop_user(const LiveImport& import) {
  const auto cluster = TRY(clusters_.cluster(import.group, import.request.destination_cluster));
  if (!cluster || (import.destination_user.empty() && !cluster->authorization)) return {};
  const auto deployment = TRY(clusters_.connect(*cluster));
  TRY(drop_destination_user(*deployment, user_of(import)));
  return drop_destination_user(*deployment, ending_user_of(import));
}

// The user that its host has goes, with whatever still runs there under it; another one is there for the clean-up.
Status LiveImportReconciler::replace_user(const LiveImport& import) {
  TRY(drop_user(import));
  std::string user;
  bool refused_at_once = false;
  return import.destination_user.empty() ? Status() : make_user(import, import.destination_user, user, refused_at_once);
}

// A destination that does not answer does not keep what else waits for the end: locks, the source's password.
Status LiveImportReconciler::clean(const LiveImport& import) {
  const bool never_made = !import.user_may_exist && import.destination_user.empty();
  const auto dropped = import.left_behind ? replace_user(import) : never_made ? Status() : drop_user(import);
  const auto now = imports_.now_millis();
  TRY(imports_.change(import.id, [&](const LiveImport& seen) -> Decision {
    if (seen.state != ImportState::kCleaning || seen.left_behind != import.left_behind) return std::optional<Change>();
    // While the host's user may still be there, it is not the other one's turn: the user goes when the destination answers.
    const bool waits_for_host = seen.left_behind && dropped;
    Change change;
    // What may not be done now may not be done in ten minutes: the outcome is told, and the user is looked for later on (settle_user).
    const bool forbidden = !dropped && dropped.error().server_code == kUnauthorized;
    if (!dropped && seen.cleaning_since == 0) {
      change.set.append("cleaningSince", now);
      if (!forbidden) return std::optional(std::move(change));
    }
    if (!dropped && !forbidden && now - seen.cleaning_since < millis(kDropPatience)) return std::optional<Change>();
    if (dropped && !seen.left_behind) change.set.append("userDropped", now);
    if (seen.left_behind && !dropped) change.set.append("leftBehind", false);
    change.set.append("state", name_of(end_of(seen.outcome))).append("endedMillis", now);
    change.unset = {"locks"};
    if (!waits_for_host) change.unset.insert(change.unset.end(), {"sealedPassword", "sealedDestination"});
    if (seen.kind == ImportKind::kMigration && seen.outcome == "COMPLETE") change.event = "CLUSTER_IMPORT_COMPLETED";
    if (seen.kind == ImportKind::kMigration && seen.outcome == "FAILED") change.event = "X_CLUSTER_IMPORT_FAILED";
    return std::optional(std::move(change));
  }));
  return dropped;
}

}  // namespace drover::control
