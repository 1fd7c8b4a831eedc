// Validations and migrations: L4 to L8 of spec/control-plane.md 3.2, and of our own below /api/ext/v1 the list, the whole of
// one, cancel and extend.
#include <algorithm>

#include <fmt/format.h>

#include "api/body_fields.h"
#include "api/live_import_body.h"
#include "api/live_migration_routes.h"
#include "control/import_attention.h"

namespace drover::api {
namespace {

using control::Access;
using control::ImportKind;
using control::ImportRefusal;
using control::LiveImport;

constexpr std::string_view kStatuses[] = {"NEW", "WORKING", "FAILED", "COMPLETE", "EXPIRED"};
constexpr std::int64_t kDefaultExtensionHours = 24;
constexpr std::int64_t kMaxExtensionHours = 24 * 30;

Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

Json validation_json(const LiveImport& one) {
  return Json::Object{{"_id", one.id},
                      {"errorMessage", text_or_null(one.error)},
                      {"groupId", one.group},
                      {"sourceGroupId", one.request.source_group},
                      {"status", one.public_status()}};
}

Json migration_json(const LiveImport& one) {
  Json::Object body{{"_id", one.id},
                    {"migrationHosts", Json::Array{Json(one.request.host)}},
                    {"readyForCutover", one.ready()},
                    {"status", one.public_status()}};
  const auto lag = one.lag_seconds();
  if (!control::is_terminal(one.state)) body.emplace_back("lagTimeSeconds", lag ? Json(*lag) : Json());
  return body;
}

std::string iso(std::int64_t millis) { return control::iso_time(std::chrono::system_clock::time_point(std::chrono::milliseconds(millis))); }

Json time_or_null(std::int64_t millis) { return millis == 0 ? Json() : Json(iso(millis)); }

// Everything but secrets.
Json whole_json(const LiveImport& one, const std::string& attention) {
  auto body = *migration_json(one).as_object();
  const auto request = control::json_of(one.request);
  for (const auto& field : *request.as_object())
    if (field.first != "migrationHosts") body.push_back(field);
  body.emplace_back("groupId", one.group);
  body.emplace_back("created", one.created);
  body.emplace_back("path", one.path);
  body.emplace_back("state", control::name_of(one.state));
  body.emplace_back("outcome", text_or_null(one.outcome));
  body.emplace_back("errorMessage", text_or_null(one.error));
  body.emplace_back("attention", text_or_null(attention));
  body.emplace_back("cutoverGivenUp", text_or_null(one.state == control::ImportState::kWorking ? one.cutover_given_up : ""));
  body.emplace_back("hostSilentSince", time_or_null(one.host_silent_since));
  body.emplace_back("engineSilentSince", time_or_null(one.engine_silent_since));
  body.emplace_back("enginePaused", one.engine_paused);
  body.emplace_back("lastReportAt", time_or_null(one.sequence == 0 ? 0 : one.heard_millis));
  body.emplace_back("stopsAtLatest", time_or_null(control::stop_given_up_at(one).value_or(0)));
  body.emplace_back("timerExpiresAt", time_or_null(one.timer_end));
  body.emplace_back("checks", one.checks);
  // The same fields before the first report as after it.
  const std::pair<const char*, Json> reported[] = {{"phase", Json()}, {"copiedBytes", Json()}, {"totalBytes", Json()}, {"appliedEvents", Json()},
                                                   {"etaSeconds", Json()}, {"warnings", Json::Array()}, {"canCommit", false}};
  for (const auto& [name, otherwise] : reported) {
    const bool over = control::is_terminal(one.state) && (name == std::string_view("phase") || name == std::string_view("canCommit"));
    const auto* value = over ? nullptr : one.report.find(name);
    body.emplace_back(name, value != nullptr ? *value : otherwise);
  }
  if (control::is_terminal(one.state)) body.emplace_back("lagTimeSeconds", Json());
  return body;
}

control::Asker asker_of(const RestRequest& request) { return {request.caller->public_key, request.caller->id, request.peer}; }

class ImportRoutes {
 public:
  explicit ImportRoutes(ImportServices services) : services_(services) {}

  RestResult<RestReply> validate(const RestRequest& request) const {
    return RestReply{200, validation_json(TRY_BODY(take(ImportKind::kValidation, request)))};
  }
  RestResult<RestReply> validation(const RestRequest& request) const {
    return RestReply{200, validation_json(TRY_BODY(find(ImportKind::kValidation, request, "validationId")))};
  }
  RestResult<RestReply> create(const RestRequest& request) const {
    return RestReply{201, migration_json(TRY_BODY(take(ImportKind::kMigration, request)))};
  }
  RestResult<RestReply> migration(const RestRequest& request) const { return RestReply{200, migration_json(TRY_BODY(one(request)))}; }

  RestResult<RestReply> cutover(const RestRequest& request) const {
    const auto found = TRY_BODY(one(request));
    auto asked = services_.imports.cutover(found.id, asker_of(request));
    if (!asked && asked.error().code == ErrorCode::kWrongState)
      return refuse(400, "LIVE_MIGRATION_NOT_READY_FOR_CUTOVER", fmt::format("The migration cannot be cut over: {}.", asked.error().message));
    const auto now = TRY_REST(std::move(asked));
    if (request.family != Family::kAtlasV1) return RestReply{202, {}};
    auto body = *validation_json(now).as_object();  // v1.0 answers so, whatever it is of
    for (auto& [name, value] : body)
      if (name == "status") value = "PENDING";
    return RestReply{200, std::move(body)};
  }

  RestResult<RestReply> list(const RestRequest& request) const {
    Json::Array all;
    const auto& group = request.name("groupId");
    const auto asked = request.query.find("status");
    const auto status = asked == request.query.end() ? std::string() : asked->second;
    if (asked != request.query.end() && std::find(std::begin(kStatuses), std::end(kStatuses), status) == std::end(kStatuses))
      return bad_field("INVALID_ENUM_VALUE", "status", "must be one of NEW, WORKING, FAILED, COMPLETE, EXPIRED");
    for (const auto& found : TRY_REST(services_.imports.migrations_of(group, request.page, status))) all.push_back(TRY_BODY(shown(found)));
    return RestReply{200, page_of(request, std::move(all), TRY_REST(services_.imports.count_migrations(group, status)))};
  }
  RestResult<RestReply> whole(const RestRequest& request) const { return RestReply{200, TRY_BODY(shown(TRY_BODY(one(request))))}; }
  RestResult<RestReply> whole_validation(const RestRequest& request) const {
    const auto found = TRY_BODY(find(ImportKind::kValidation, request, "validationId"));
    auto body = *validation_json(found).as_object();
    body.emplace_back("checks", found.checks);
    return RestReply{200, std::move(body)};
  }
  RestResult<RestReply> log(const RestRequest& request) const {
    const auto found = TRY_BODY(one(request));
    const auto* lines = found.report.find("log");
    return RestReply{200, Json::Object{{"lines", lines != nullptr && lines->as_array() != nullptr ? *lines : Json(Json::Array())}}};
  }

  RestResult<RestReply> cancel(const RestRequest& request) const {
    using Cancel = control::LiveImports::Cancel;
    TRY_BODY(only(request.body, {}));
    const auto force = request.query.find("force");
    if (force != request.query.end() && force->second != "true" && force->second != "false")
      return refuse(400, "INVALID_QUERY_PARAMETER", "Invalid query parameter force: it must be true or false.", {"force"});
    const bool forced = force != request.query.end() && force->second == "true";
    return changed(services_.imports.cancel(TRY_BODY(one(request)).id, asker_of(request), forced ? Cancel::kForced : Cancel::kBeforeCutover));
  }
  RestResult<RestReply> extend(const RestRequest& request) const {
    TRY_BODY(only(request.body, {"hours"}));
    const auto found = TRY_BODY(one(request));
    std::int64_t hours = kDefaultExtensionHours;
    if (const auto* value = request.body.find("hours"); value != nullptr && !value->is_null()) {
      if (value->as_int() == nullptr || *value->as_int() < 1 || *value->as_int() > kMaxExtensionHours)
        return refuse(400, "INVALID_ATTRIBUTE", fmt::format("hours must be a whole number from 1 to {}.", kMaxExtensionHours), {"hours"});
      hours = *value->as_int();
    }
    return changed(services_.imports.extend(found.id, std::chrono::hours(hours), asker_of(request)));
  }

 private:
  RestResult<Json> shown(const LiveImport& one) const {
    const auto link = one.host_silent_since == 0 ? std::optional<control::Link>() : TRY_REST(services_.links.find(one.link));
    return whole_json(one, control::attention_of(one, link, services_.imports.now_millis()));
  }

  RestResult<RestReply> changed(Result<LiveImport> found) const {
    if (!found && found.error().code == ErrorCode::kWrongState)
      return refuse(409, "CONFLICT", fmt::format("Not in this state: {}.", found.error().message));
    return RestReply{200, TRY_BODY(shown(TRY_REST(std::move(found))))};
  }

  RestResult<LiveImport> find(ImportKind kind, const RestRequest& request, const char* name) const {
    const auto& id = request.name(name);
    auto found = TRY_REST(services_.imports.find(kind, request.name("groupId"), id));
    if (!found)
      return refuse(404, "RESOURCE_NOT_FOUND",
                    fmt::format("No {} with ID {} exists in group {}.", kind == ImportKind::kMigration ? "live migration" : "validation", id, request.name("groupId")),
                    {id, request.name("groupId")});
    return std::move(*found);
  }
  RestResult<LiveImport> one(const RestRequest& request) const { return find(ImportKind::kMigration, request, "liveMigrationId"); }

  RestResult<LiveImport> take(ImportKind kind, const RestRequest& request) const {
    const auto body = TRY_BODY(parse_live_import(request));
    auto taken = services_.intake.take(kind, request.org, body, asker_of(request));
    if (taken) return std::move(*taken);
    const auto& refusal = taken.error();
    const auto& why = refusal.error.message;
    const auto& cluster = body.destination_cluster;
    switch (refusal.kind) {
      case ImportRefusal::Kind::kNoCluster: return refuse(404, "CLUSTER_NOT_FOUND", why, {cluster, body.destination_group});
      case ImportRefusal::Kind::kAmbiguous: return refuse(409, "CONFLICT", why, {body.source_group});
      case ImportRefusal::Kind::kNoSource: return refuse(404, "RESOURCE_NOT_FOUND", why);
      case ImportRefusal::Kind::kNoHost: return refuse(404, "RESOURCE_NOT_FOUND", why, {body.host});
      case ImportRefusal::Kind::kFlex: return refuse(400, "CANNOT_USE_FLEX_CLUSTER_IN_CLUSTER_API", why, {cluster});
      case ImportRefusal::Kind::kNotSupported: return refuse(400, "LIVE_MIGRATION_NOT_SUPPORTED", why);
      case ImportRefusal::Kind::kBusy: return refuse(409, "CANNOT_MODIFY_CLUSTER_WITH_RUNNING_LIVE_IMPORT", why, {cluster});
      case ImportRefusal::Kind::kTooMany:
      case ImportRefusal::Kind::kChanged: return refuse(409, "CONFLICT", why);
      case ImportRefusal::Kind::kOther: break;
    }
    return tl::unexpected(rest_error(refusal.error));
  }

  const ImportServices services_;
};

}  // namespace

void add_import_routes(RouteTable& table, ImportServices services) {
  const auto routes = std::make_shared<ImportRoutes>(services);
  using Handler = RestResult<RestReply> (ImportRoutes::*)(const RestRequest&) const;
  const auto add = [&](const char* method, std::string path, std::vector<Family> families, Access access, std::vector<std::string> versions, Handler handler,
                       Route::Body body = Route::Body::kObject) {
    table.add({method, std::move(path), std::move(families), access, std::move(versions),
               [routes, handler](const RestRequest& request) { return ((*routes).*handler)(request); }, body});
  };
  const std::vector<Family> atlas{Family::kAtlasV2, Family::kAtlasV1}, ext{Family::kExt};
  const std::vector<std::string> first{"2023-01-01"}, both{"2023-01-01", "2024-05-30"};
  const std::string all = "/groups/{groupId}/liveMigrations", one = all + "/{liveMigrationId}";
  add("POST", all + "/validate", atlas, Access::kOrgOwn, both, &ImportRoutes::validate);
  add("GET", all + "/validate/{validationId}", atlas, Access::kOrgOwn, first, &ImportRoutes::validation);
  add("POST", all, atlas, Access::kOrgOwn, both, &ImportRoutes::create);
  add("GET", one, atlas, Access::kOrgRead, first, &ImportRoutes::migration);
  add("PUT", one + "/cutover", atlas, Access::kOrgOwn, first, &ImportRoutes::cutover, Route::Body::kIgnored);
  add("GET", all, ext, Access::kOrgRead, first, &ImportRoutes::list);
  add("GET", one, ext, Access::kOrgRead, first, &ImportRoutes::whole);
  add("GET", all + "/validate/{validationId}", ext, Access::kOrgOwn, first, &ImportRoutes::whole_validation);
  add("GET", one + "/log", ext, Access::kOrgOwn, first, &ImportRoutes::log);
  add("POST", one + "/cancel", ext, Access::kOrgOwn, first, &ImportRoutes::cancel);
  add("POST", one + "/extend", ext, Access::kOrgOwn, first, &ImportRoutes::extend);
}

}  // namespace drover::api
