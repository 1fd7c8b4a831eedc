// What is done at an Atlas site, or at either, in more than one request.
#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "remote/actions.h"
#include "remote/json_path.h"
#include "remote/waiting.h"

namespace drover::remote {
namespace {

std::string text_of(const Values& values, std::string_view name) {
  const auto found = values.find(name);
  return found == values.end() ? "" : found->second.text;
}

const std::vector<std::string>& texts_of(const Values& values, std::string_view name) {
  static const std::vector<std::string> kNone;
  const auto found = values.find(name);
  return found == values.end() ? kNone : found->second.texts;
}

// Of one project's events, or the organization's.
Result<SiteCall> events_call(Session& session) {
  const bool of_project = !session.login().project.empty();
  const auto& from = session.text("--site-role");
  const auto api = from == "atlas" ? Api::kAtlas : from == "manager" ? Api::kManager : Api::kEither;
  return session.call_to("GET", api, TRY(session.path_of(of_project ? "/groups/{groupId}/events" : "/orgs/{orgId}/events")));
}

}  // namespace

// One region with what was said of it; nothing when nothing was said: the site has its own idea then.
Result<Json> with_replication_specs(const Values& values, Json body) {
  const auto provider = text_of(values, "--provider"), region = text_of(values, "--region"), tier = text_of(values, "--tier");
  if (provider.empty() && region.empty() && tier.empty()) return body;
  if (!provider.empty() && provider != "SELF_MANAGED" && region.empty())
    return fail(ErrorCode::kUsage, fmt::format("--provider {} needs --region, by the name that Atlas has for it: EU_WEST_1, US_EAST_2, WESTERN_EUROPE", provider));
  const Json specs(Json::Object{{"instanceSize", tier.empty() ? "M10" : tier}, {"nodeCount", 3}});
  const Json one(Json::Object{{"providerName", provider.empty() ? "SELF_MANAGED" : provider},
                              {"regionName", region.empty() ? "LOCAL" : region},
                              {"priority", 7},
                              {"electableSpecs", specs}});
  return with(body, "replicationSpecs.0.regionConfigs.0", one);
}

namespace {

tl::unexpected<Error> malformed(std::string_view option, std::string_view text, std::string_view forms) {
  return fail(ErrorCode::kUsage, fmt::format("{} {}: it must be {}", option, text, forms));
}

// What is in front of the first @, and what is behind it.
Result<std::pair<std::string, std::optional<std::string>>> split_at_sign(std::string_view option, const std::string& text, std::string_view forms) {
  const auto at = text.find('@');
  if (text.empty() || at == 0 || at == text.size() - 1) return malformed(option, text, forms);
  return std::pair(text.substr(0, at), at == std::string::npos ? std::optional<std::string>() : std::optional(text.substr(at + 1)));
}

}  // namespace

// "readWrite@shop": of one database; without one the role is of admin.
Result<Json> with_roles_and_scopes(const Values& values, Json body) {
  Json::Array roles, scopes;
  for (const auto& role : texts_of(values, "--role")) {
    const auto [name, database] = TRY(split_at_sign("--role", role, "ROLE or ROLE@DATABASE"));
    roles.push_back(Json::Object{{"roleName", name}, {"databaseName", database.value_or("admin")}});
  }
  for (const auto& cluster : texts_of(values, "--cluster")) scopes.push_back(Json::Object{{"name", cluster}, {"type", "CLUSTER"}});
  body = with(body, "roles", std::move(roles));
  return scopes.empty() ? body : with(body, "scopes", std::move(scopes));
}

// "FIND@shop.orders": on one collection; "FIND@shop": on a database; without an @ the action is of the cluster. One action may have several resources.
Result<Json> with_actions_and_roles(const Values& values, Json body) {
  std::vector<std::pair<std::string, Json::Array>> actions;
  for (const auto& text : texts_of(values, "--action")) {
    constexpr const char* kForms = "ACTION, ACTION@DATABASE or ACTION@DATABASE.COLLECTION";
    const auto split = TRY(split_at_sign("--action", text, kForms));
    const auto& name = split.first;
    const auto where = split.second.value_or("");
    const auto dot = where.find('.');
    // A name that is left out would be every database, or every collection.
    if (dot == 0 || where.ends_with('.')) return malformed("--action", text, kForms);
    Json resource = !split.second ? Json(Json::Object{{"cluster", true}})
                                  : Json(Json::Object{{"db", where.substr(0, dot)}, {"collection", dot == std::string::npos ? "" : where.substr(dot + 1)}});
    auto known = std::find_if(actions.begin(), actions.end(), [&](const auto& one) { return one.first == name; });
    if (known == actions.end()) known = actions.insert(actions.end(), std::pair(name, Json::Array()));
    known->second.push_back(std::move(resource));
  }
  Json::Array all, inherited;
  for (auto& [name, resources] : actions) all.push_back(Json::Object{{"action", name}, {"resources", std::move(resources)}});
  for (const auto& text : texts_of(values, "--inherit")) {
    const auto [name, database] = TRY(split_at_sign("--inherit", text, "ROLE or ROLE@DATABASE"));
    inherited.push_back(Json::Object{{"role", name}, {"db", database.value_or("admin")}});
  }
  if (!all.empty()) body = with(body, "actions", std::move(all));
  return inherited.empty() ? body : with(body, "inheritedRoles", std::move(inherited));
}

Result<Json> with_settings(const Values& values, Json body) {
  return with(body, "isCollectDatabaseSpecificsStatisticsEnabled", text_of(values, "--collect-database-statistics") == "on");
}

Result<Json> with_container_region(const Values& values, Json body) {
  const auto region = text_of(values, "--region");
  return region.empty() ? body : with(body, text_of(values, "--provider") == "AZURE" ? "region" : "regionName", region);
}

Result<Json> with_endpoint(const Values& values, Json body) {
  const auto id = text_of(values, "ENDPOINT");
  if (text_of(values, "--provider") != "GCP") return with(body, "id", id);
  Json::Array endpoints;
  for (const auto& one : texts_of(values, "--endpoint")) {
    const auto at = one.find('=');
    endpoints.push_back(Json::Object{{"endpointName", one.substr(0, at)}, {"ipAddress", at == std::string::npos ? "" : one.substr(at + 1)}});
  }
  return with(with(body, "endpointGroupName", id), "endpoints", std::move(endpoints));
}

Result<Outcome> create_project(Session& session) {
  auto call = TRY(session.request());
  call.body = with(call.body, "orgId", TRY(session.org()));
  Outcome outcome;
  outcome.value = TRY(session.call(call));
  return outcome;
}

Result<Outcome> create_cluster(Session& session) {
  Outcome outcome;
  outcome.value = TRY(session.call(TRY(session.request())));
  if (!session.flag("--wait")) return outcome;
  const auto path = TRY(session.path_of("/groups/{groupId}/clusters/")) + url_encoded(session.text("NAME"));
  outcome.value = TRY(wait_for(session, std::chrono::seconds(session.number("--within")), fmt::format("the cluster {}", session.text("NAME")),
                               [&]() -> Result<std::optional<Json>> {
                                 auto seen = TRY(session.call(session.call_to("GET", Api::kAtlas, path)));
                                 if (text_at(seen, "stateName") != "IDLE") return std::optional<Json>();
                                 return std::optional(std::move(seen));
                               }));
  return outcome;
}

// A line for each deployment, and one for a project that has none.
Result<Outcome> list_link_projects(Session& session) {
  Outcome outcome;
  outcome.shape = Shape::kList;
  outcome.list = TRY(session.list(TRY(session.request())));
  if (outcome.list.empty()) outcome.remark = "No source project is there: is the manager site connected (`drover link status` there), and is anything monitored?";
  return outcome;
}

Result<Outcome> list_events(Session& session) {
  auto call = TRY(events_call(session));
  const auto& type = session.text("--type");
  const auto limit = static_cast<std::size_t>(session.number("--limit"));
  if (!type.empty()) call.query.emplace_back("eventType", type);
  Outcome outcome;
  outcome.shape = Shape::kList;
  outcome.list = TRY(session.list(call, type.empty() ? limit : Session::kNoLimit));
  // Whatever a site makes of the query.
  if (!type.empty()) std::erase_if(outcome.list, [&](const Json& event) { return text_at(event, "eventTypeName") != type; });
  if (outcome.list.size() > limit) outcome.list.resize(limit);
  return outcome;
}

Result<Outcome> show_event(Session& session) {
  auto call = TRY(events_call(session));
  call.path += "/" + url_encoded(session.text("EVENT"));
  call.list = "drover event list";
  Outcome outcome;
  outcome.value = TRY(session.call(call));
  return outcome;
}

}  // namespace drover::remote
