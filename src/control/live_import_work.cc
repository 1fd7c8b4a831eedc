// Protocol 1: what is wanted of a manager site, and what it reports.
#include <algorithm>

#include <fmt/format.h>

#include "control/fields.h"
#include "control/json_document.h"
#include "control/live_imports.h"

namespace drover::control {
namespace {

constexpr const char* kImports = "liveImports";
constexpr int kMaxItems = static_cast<int>(kMaxUnforgottenOfLink);

std::string text_at(const Json& object, std::string_view field) {
  const auto* value = object.find(field);
  return value == nullptr || value->as_string() == nullptr ? "" : *value->as_string();
}

// All checks that there are: those that were judged here, then the agent's.
Json joined(const Json& own, const Json& reported) {
  Json::Array all;
  for (const auto* checks : {&own, &reported})
    if (checks->as_array() != nullptr) all.insert(all.end(), checks->as_array()->begin(), checks->as_array()->end());
  return all;
}

LiveImports::Change after_checks(const LiveImport& seen, const Json& report) {
  const auto* reported = report.find("checks");
  if (reported == nullptr || reported->as_array() == nullptr || reported->as_array()->empty())
    return to_cleaning("FAILED", "The migration host reported no checks.");
  const auto checks = joined(seen.checks, *reported);
  const auto failures = failures_of(checks);
  auto change = to_cleaning(failures.empty() ? "COMPLETE" : "FAILED", failures);
  append_json(change.set, "checks", checks);
  return change;
}

std::string error_of(const Json& report) {
  const auto error = text_at(report, "error");
  return error.empty() ? "The migration host reported a failure without a reason." : error;
}

// Why the host has given up the request for the cutover that counts now; empty: it has not. What it says of an earlier one counts for nothing.
std::string given_up_in(const LiveImport& seen, const Json& report) {
  const auto* given_up = report.find("cutoverGivenUp");
  const auto* request = given_up == nullptr ? nullptr : given_up->find("request");
  if (request == nullptr || request->as_int() == nullptr || *request->as_int() != seen.cutovers) return "";
  const auto because = text_at(*given_up, "because");
  return because.empty() ? "its migration host does not say why" : because;
}

// The migration goes on, and the window for its cutover with it: it may have run out meanwhile.
LiveImports::Change back_to_work(const LiveImport& seen, const std::string& because, std::int64_t now) {
  LiveImports::Change change;
  change.set.append("state", name_of(ImportState::kWorking)).append("cutoverGivenUp", because);
  const auto at_least = now + std::chrono::duration_cast<std::chrono::milliseconds>(kAfterGivenUp).count();
  if (seen.timer_end != 0 && seen.timer_end < at_least) change.set.append("timerEnd", at_least);
  change.event = "X_CLUSTER_IMPORT_CUTOVER_GIVEN_UP";
  change.detail = because;
  return change;
}

// Where a report leads; nothing but the report itself when it leads nowhere.
LiveImports::Change after(const LiveImport& seen, const Json& report, std::int64_t now, std::chrono::milliseconds window) {
  const auto state = text_at(report, "state");
  const bool failed = state == "FAILED", stopped = state == "STOPPED", committed = state == "COMMITTED";
  if (seen.kind == ImportKind::kValidation) {
    if (seen.state != ImportState::kWorking) return {};
    if (state == "DONE") return after_checks(seen, report);
    if (failed || stopped) return to_cleaning("FAILED", error_of(report));
    return {};
  }
  // What is committed is committed, whatever was wanted.
  if (committed && seen.state != ImportState::kComplete && seen.outcome != "COMPLETE") {
    auto change = to_cleaning("COMPLETE", "");
    return change;
  }
  switch (seen.state) {
    case ImportState::kWorking: {
      if (failed || stopped) return to_cleaning("FAILED", stopped ? "The migration was stopped on its migration host." : error_of(report));
      auto next = seen;
      next.report = report;
      next.host_silent_since = next.engine_silent_since = 0;
      LiveImports::Change change;
      if (seen.timer_end == 0 && next.ready()) change.set.append("timerEnd", now + window.count());
      return change;
    }
    case ImportState::kCutover:
      if (failed || stopped) return to_cleaning("FAILED", stopped ? "The migration was stopped during its cutover." : error_of(report));
      if (const auto because = given_up_in(seen, report); !because.empty()) return back_to_work(seen, because, now);
      return {};
    case ImportState::kStopping:
      if (failed || stopped) return to_cleaning(seen.outcome.c_str(), seen.error);
      return {};
    default: break;
  }
  if (!seen.left_behind || (!failed && !stopped)) return {};
  // It came back after all.
  return stopped ? nothing_left(seen.error + " The migration host has come back since, and has removed what was left on the destination.", now)
                 : nothing_left(seen.error + fmt::format(" The migration host has come back since, but could not remove what was left: {}", error_of(report)), now);
}

// What there is to say of one that is to be forgotten, whatever became of its cluster.
Json::Object item_head(const LiveImport& import) {
  return {{"id", import.id},
          {"kind", import.kind == ImportKind::kMigration ? "migration" : "validation"},
          {"revision", import.revision},
          {"desired", desired_of(import)},
          {"sequence", import.sequence},
          {"cutoverRequest", import.cutovers},
          {"path", import.path},
          {"migrationHost", import.request.host},
          {"heldBecause", import.held_because.empty() ? Json() : Json(import.held_because)}};
}

}  // namespace

Result<std::vector<Json>> LiveImports::work_of(const std::string& link) {
  std::vector<Json> items;
  for (const auto& document : TRY(store_.find(kImports, bson::make_document({{"linkId", link}, {"open", true}}), {1, kMaxItems}))) {
    const auto import = read(document);
    if (import.state == ImportState::kNew || import.forgotten) continue;
    if (std::string_view(desired_of(import)) == "FORGET") {
      items.push_back(Json(item_head(import)));
      continue;
    }
    // Without its cluster it cannot be told; a validation ends by itself then, and a migration's cluster stays.
    if (const auto cluster = TRY(clusters_.cluster(import.group, import.request.destination_cluster)))
      items.push_back(TRY(item_of(import, document, *cluster)));
  }
  return items;
}

Result<std::vector<Json>> LiveImports::coming_of(const std::string& link) {
  std::vector<Json> coming;
  for (const auto& document : TRY(store_.find(kImports, bson::make_document({{"linkId", link}, {"open", true}, {"state", name_of(ImportState::kNew)}}), {1, kMaxItems}))) {
    const auto import = read(document);
    coming.push_back(Json::Object{{"id", import.id},
                                  {"kind", import.kind == ImportKind::kMigration ? "migration" : "validation"},
                                  {"migrationHost", import.request.host},
                                  {"sourceGroupId", import.request.source_group},
                                  {"sourceClusterName", import.request.source_cluster}});
  }
  return coming;
}

Result<Json> LiveImports::item_of(const LiveImport& import, bson::View document, const Cluster& cluster) {
  const auto& request = import.request;
  auto item = item_head(import);
  Json::Object source{{"groupId", request.source_group},
                      {"clusterName", request.source_cluster},
                      {"managedAuthentication", request.managed},
                      {"ssl", request.ssl}};
  if (!request.username.empty()) source.emplace_back("username", request.username);
  if (const auto sealed = text_of(document, "sealedPassword"); !sealed.empty())
    source.emplace_back("password", TRY(keys_.unseal("import source " + import.id, sealed)));
  if (!request.ca_path.empty()) source.emplace_back("caCertificatePath", request.ca_path);
  Json::Object destination{{"groupId", request.destination_group}, {"clusterName", request.destination_cluster}};
  const auto parts = TRY(split_uri(request.private_uri.empty() ? TRY(clusters_.uri(cluster)) : request.private_uri));
  const auto password = import.destination_user.empty()
                            ? std::string()
                            : TRY(keys_.unseal("import destination " + import.id, text_of(document, "sealedDestination")));
  destination.emplace_back("connectionString", uri_for(parts, import.destination_user, password));
  destination.emplace_back("sharded", cluster.sharded);
  item.emplace_back("source", std::move(source));
  item.emplace_back("destination", std::move(destination));
  item.emplace_back("dropDestinationData", request.drop);
  item.emplace_back("sharding", request.sharding);
  return Json(std::move(item));
}

Result<std::optional<LiveImports::Reported>> LiveImports::report(const std::string& link, const std::string& id, const Json& report) {
  const auto found = TRY(store_.find_one(kImports, bson::make_document({{"_id", id}, {"linkId", link}})));
  if (!found) return std::optional<Reported>();
  const auto sequence = *report.find("sequence")->as_int();
  const auto changed = TRY(change(id, [&](const LiveImport& seen) -> Result<std::optional<Change>> {
    if (text_at(report, "state") == "FORGOTTEN") {
      // A host that forgets what is still wanted of it has lost it: that shows as silence.
      if (std::string_view(desired_of(seen)) != "FORGET" || seen.forgotten) return std::optional<Change>();
      Change change;
      change.set.append("forgotten", true).append("sequence", std::max(sequence, seen.sequence));
      return std::optional(std::move(change));
    }
    if (sequence <= seen.sequence) return std::optional<Change>();
    auto change = after(seen, report, now_millis(), options_.cutover_window);
    change.set.append("sequence", sequence).append("heardMillis", now_millis());
    if (!seen.held_because.empty()) change.unset.emplace_back("heldBecause");
    append_json(change.set, "report", report);
    return std::optional(std::move(change));
  }));
  return std::optional(Reported{changed.sequence, desired_of(changed)});
}

Result<std::optional<LiveImports::Reported>> LiveImports::held(const std::string& link, const std::string& id, const std::string& because) {
  const auto found = TRY(store_.find_one(kImports, bson::make_document({{"_id", id}, {"linkId", link}})));
  if (!found) return std::optional<Reported>();
  const auto changed = TRY(change(id, [&](const LiveImport& seen) -> Result<std::optional<Change>> {
    if (seen.kind != ImportKind::kMigration || seen.held_because == because || (!needs_host(seen) && !seen.left_behind)) return std::optional<Change>();
    Change change;
    change.set.append("heldBecause", because);
    change.event = "X_CLUSTER_IMPORT_HELD";
    change.detail = because;
    return std::optional(std::move(change));
  }));
  return std::optional(Reported{changed.sequence, desired_of(changed)});
}

}  // namespace drover::control
