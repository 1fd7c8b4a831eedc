#include "control/live_import.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "control/fields.h"
#include "control/json_document.h"

namespace drover::control {
namespace {

constexpr std::array<const char*, 8> kStates{"NEW", "WORKING", "CUTOVER", "STOPPING", "CLEANING", "COMPLETE", "FAILED", "EXPIRED"};

std::string text_at(const Json& object, std::string_view field) {
  const auto* value = object.find(field);
  return value == nullptr || value->as_string() == nullptr ? "" : *value->as_string();
}
bool flag_at(const Json& object, std::string_view field) {
  const auto* value = object.find(field);
  return value != nullptr && value->as_bool() != nullptr && *value->as_bool();
}
Json object_at(const Json& object, std::string_view field) {
  const auto* value = object.find(field);
  return value == nullptr ? Json() : *value;
}

ImportState state_of(std::string_view name) {
  for (std::size_t i = 0; i < kStates.size(); ++i)
    if (name == kStates[i]) return static_cast<ImportState>(i);
  return ImportState::kFailed;
}

// Cut between two characters.
std::string shortened(const std::string& text) {
  if (text.size() <= kMaxErrorBytes) return text;
  auto end = kMaxErrorBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + " …";
}

// On one line, with one full stop at its end.
std::string sentence(std::string text) {
  for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos;) text.replace(at, 1, text.substr(0, at).ends_with('.') ? " " : ". ");
  while (text.ends_with('.') || text.ends_with(' ')) text.pop_back();
  return text + ".";
}

// The host's clock may be another: it was silent at the latest when that was heard.
void note_engine(LiveImport& import) {
  import.engine_silent_since = 0;
  import.engine_paused = false;
  if (import.kind != ImportKind::kMigration || (import.state != ImportState::kWorking && import.state != ImportState::kCutover)) return;
  const auto* since = import.report.find("engineSilentSince");
  if (since != nullptr && since->as_int() != nullptr) import.engine_silent_since = std::max(import.created_millis, std::min(*since->as_int(), import.heard_millis));
  import.engine_paused = flag_at(import.report, "enginePaused");
}

}  // namespace

const char* name_of(ImportState state) { return kStates[static_cast<std::size_t>(state)]; }

// What has ended without a word of its host is still to be stopped: the host may come back, and what it left is there.
const char* desired_of(const LiveImport& import) {
  if (import.left_behind) return "STOP";
  switch (import.state) {
    case ImportState::kNew: return "";
    case ImportState::kWorking: return "RUN";
    case ImportState::kCutover: return "CUTOVER";
    case ImportState::kStopping: return "STOP";
    default: return "FORGET";
  }
}

bool is_terminal(ImportState state) {
  return state == ImportState::kComplete || state == ImportState::kFailed || state == ImportState::kExpired;
}

const char* LiveImport::public_status() const {
  if (kind == ImportKind::kValidation) {
    if (state == ImportState::kComplete) return "SUCCESS";
    return is_terminal(state) ? "FAILED" : "PENDING";
  }
  if (state == ImportState::kNew || is_terminal(state)) return name_of(state);
  return "WORKING";
}

std::optional<std::int64_t> LiveImport::lag_seconds() const {
  if ((state != ImportState::kWorking && state != ImportState::kCutover) || host_silent_since != 0 || engine_silent_since != 0) return std::nullopt;
  const auto* lag = report.find("lagTimeSeconds");
  if (lag == nullptr || lag->as_int() == nullptr) return std::nullopt;
  return *lag->as_int();
}

bool LiveImport::ready() const {
  const auto lag = lag_seconds();
  return kind == ImportKind::kMigration && state == ImportState::kWorking && held_because.empty() && flag_at(report, "canCommit") && lag && *lag <= kReadyLagSeconds;
}

std::string why_not_ready(const LiveImport& import) {
  if (import.report.is_null()) return "its migration host has not reported on it yet";
  const auto lag = import.lag_seconds();
  if (lag && *lag > kReadyLagSeconds) return fmt::format("source and destination are not nearly in sync yet; the lag is {} seconds", *lag);
  auto because = text_at(import.report, "cannotCommitBecause");
  while (because.ends_with('.')) because.pop_back();
  if (!because.empty()) return shortened(because);
  if (flag_at(import.report, "canCommit")) return "its lag is not known";
  const auto phase = text_at(import.report, "phase");
  if (import.timer_end == 0 && (phase.empty() || phase == "INITIALIZING" || phase == "COLLECTION_COPY")) return "the initial copy has not ended yet";
  return "its migration host does not say what it waits for; the migration's warnings and log may";
}

std::optional<std::int64_t> left_until(const LiveImport& import) {
  if (!import.left_behind || import.ended_millis == 0) return std::nullopt;
  return import.ended_millis + std::chrono::duration_cast<std::chrono::milliseconds>(kLeftPatience).count();
}

bool needs_host(const LiveImport& import) {
  return import.state == ImportState::kWorking || import.state == ImportState::kCutover || import.state == ImportState::kStopping;
}

LiveImport live_import_of(bson::View document) {
  LiveImport one;
  one.id = text_of(document, "_id");
  one.org = text_of(document, "orgId");
  one.group = text_of(document, "groupId");
  one.link = text_of(document, "linkId");
  one.kind = text_of(document, "kind") == "validation" ? ImportKind::kValidation : ImportKind::kMigration;
  one.state = state_of(text_of(document, "state"));
  one.revision = number_of(document, "revision");
  one.sequence = number_of(document, "sequence");
  one.created = text_of(document, "created");
  one.path = text_of(document, "path");
  one.request = request_of(json_of(object_of(document, "request")));
  one.destination_user = text_of(document, "destinationUser");
  one.checks = object_at(json_of(document), "checks");
  one.error = text_of(document, "errorMessage");
  one.outcome = text_of(document, "outcome");
  if (document["report"].is_document()) one.report = json_of(object_of(document, "report"));
  one.deployment = text_of(document, "deployment");
  one.source_deployment = text_of(document, "sourceDeployment");
  one.cluster_id = text_of(document, "clusterId");
  one.cluster_revision = number_of(document, "clusterRevision");
  one.user_may_exist = flag_of(document, "userMayExist");
  one.cleaning_since = number_of(document, "cleaningSince");
  one.user_dropped = number_of(document, "userDropped");
  one.ended_millis = number_of(document, "endedMillis");
  one.cutovers = number_of(document, "cutovers");
  one.cutover_given_up = text_of(document, "cutoverGivenUp");
  one.held_because = text_of(document, "heldBecause");
  one.left_behind = flag_of(document, "leftBehind");
  one.forgotten = flag_of(document, "forgotten");
  one.untold = document.at_path("outbox.0").exists();
  one.created_millis = number_of(document, "createdMillis");
  one.heard_millis = number_of(document, "heardMillis");
  one.timer_end = number_of(document, "timerEnd");
  one.stop_asked = number_of(document, "stopAsked");
  one.reminded_hours = number_of(document, "remindedHours");
  note_engine(one);
  return one;
}

Json json_of(const LiveImportRequest& request) {
  return Json::Object{{"source", Json::Object{{"groupId", request.source_group},
                                              {"clusterName", request.source_cluster},
                                              {"managedAuthentication", request.managed},
                                              {"ssl", request.ssl},
                                              {"username", request.username},
                                              {"caCertificatePath", request.ca_path}}},
                      {"destination", Json::Object{{"groupId", request.destination_group},
                                                   {"clusterName", request.destination_cluster},
                                                   {"hostnameSchemaType", request.schema},
                                                   {"privateLinkId", request.private_link},
                                                   {"privateConnectionString", request.private_uri}}},
                      {"migrationHosts", Json::Array{Json(request.host)}},
                      {"dropDestinationData", request.drop},
                      {"sharding", request.sharding}};
}

LiveImportRequest request_of(const Json& json) {
  LiveImportRequest request;
  const auto source = object_at(json, "source"), destination = object_at(json, "destination");
  request.source_group = text_at(source, "groupId");
  request.source_cluster = text_at(source, "clusterName");
  request.managed = flag_at(source, "managedAuthentication");
  request.ssl = flag_at(source, "ssl");
  request.username = text_at(source, "username");
  request.ca_path = text_at(source, "caCertificatePath");
  request.destination_group = text_at(destination, "groupId");
  request.destination_cluster = text_at(destination, "clusterName");
  request.schema = text_at(destination, "hostnameSchemaType");
  request.private_link = text_at(destination, "privateLinkId");
  request.private_uri = text_at(destination, "privateConnectionString");
  if (const auto hosts = object_at(json, "migrationHosts"); hosts.as_array() != nullptr && !hosts.as_array()->empty() && hosts.as_array()->front().as_string() != nullptr)
    request.host = *hosts.as_array()->front().as_string();
  request.drop = flag_at(json, "dropDestinationData");
  request.sharding = object_at(json, "sharding");
  return request;
}

Json check_json(std::string_view id, std::string_view status, std::string_view title, std::string_view detail) {
  return Json::Object{{"id", id}, {"status", status}, {"title", title}, {"detail", detail}};
}

std::string failures_of(const Json& checks) {
  std::string all;
  if (checks.as_array() == nullptr) return all;
  for (const auto& check : *checks.as_array()) {
    if (text_at(check, "status") != "FAILED") continue;
    const auto title = text_at(check, "title"), detail = text_at(check, "detail");
    auto text = sentence(title.empty() ? text_at(check, "id") : title);
    if (!detail.empty()) text = text.substr(0, text.size() - 1) + ": " + sentence(detail);
    all += (all.empty() ? "" : " ") + text;
  }
  return shortened(all);
}

}  // namespace drover::control
