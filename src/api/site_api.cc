#include "api/site_api.h"

#include <algorithm>

#include <fmt/format.h>

#include "api/control_api.h"
#include "api/machine_response.h"
#include "api/report_body.h"
#include "net/address_range.h"

namespace drover::api {
namespace {

constexpr int kProtocol = 1;
constexpr std::size_t kSecretDigits = 64;
constexpr std::size_t kMaxOrgNameBytes = 256;
constexpr int kBusyPollSeconds = 1;
constexpr int kIdlePollSeconds = 5;

std::vector<std::string> segments_of(std::string_view path) {
  std::vector<std::string> segments;
  while (!path.empty()) {
    path.remove_prefix(path.front() == '/' ? 1 : 0);
    const auto end = path.find('/');
    segments.emplace_back(path.substr(0, end));
    path = end == std::string_view::npos ? std::string_view() : path.substr(end);
  }
  return segments;
}

bool is_secret(std::string_view text) {
  return text.size() == kSecretDigits && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// A whole number of at least 1.
RestResult<std::int64_t> required_revision(const Json& body) {
  const auto* value = body.find("revision");
  if (value == nullptr || value->as_int() == nullptr || *value->as_int() < 1)
    return refuse(400, "INVALID_ATTRIBUTE", "revision must be a whole number from 1.", {"revision"});
  return *value->as_int();
}

tl::unexpected<RestError> bad_attribute(std::string_view field, std::string_view why) {
  RestError error{400, "INVALID_ATTRIBUTE", fmt::format("{} {}.", field, why), {std::string(field)}, {}};
  error.fields.emplace_back(field, why);
  return tl::unexpected(std::move(error));
}

// What the public API promises of a deployment must be there, and be of its type.
RestResult<int> check_deployment(const Json& deployment) {
  for (const auto* field : {"name", "mongoDBVersion", "featureCompatibilityVersion"}) {
    const auto* value = deployment.find(field);
    if (value == nullptr || value->as_string() == nullptr) return bad_attribute(fmt::format("deployments[].{}", field), "must be a string");
  }
  for (const auto* field : {"managed", "sharded", "tlsEnabled"}) {
    const auto* value = deployment.find(field);
    if (value == nullptr || value->as_bool() == nullptr) return bad_attribute(fmt::format("deployments[].{}", field), "must be true or false");
  }
  // Which migrations meet in one deployment is told by it. Empty: it is not known.
  if (const auto* id = deployment.find("replicaSetId"); id != nullptr && !id->is_null()) {
    if (id->as_string() == nullptr || (!id->as_string()->empty() && !control::is_id(*id->as_string())))
      return bad_attribute("deployments[].replicaSetId", "must be 24 hexadecimal digits, in small letters, or empty");
  }
  return 0;
}

RestResult<int> check_project(const Json& project) {
  TRY_BODY(required_text(project, "name"));
  for (const auto* field : {"migrationHosts", "deployments"}) {
    const auto* list = project.find(field);
    if (list == nullptr || list->as_array() == nullptr) return bad_attribute(field, "must be an array");
  }
  for (const auto& host : *project.find("migrationHosts")->as_array()) TRY_BODY(required_text(host, "hostname"));
  for (const auto& deployment : *project.find("deployments")->as_array()) TRY_BODY(check_deployment(deployment));
  return 0;
}

RestResult<std::vector<control::FormerLink>> former_links(const Json& body) {
  std::vector<control::FormerLink> all;
  const auto* list = body.find("formerLinks");
  if (list == nullptr || list->is_null()) return all;
  if (list->as_array() == nullptr || list->as_array()->size() > control::kMaxFormerLinks)
    return bad_attribute("formerLinks", fmt::format("must be an array of at most {} objects", control::kMaxFormerLinks));
  for (const auto& one : *list->as_array()) all.push_back({TRY_BODY(required_text(one, "linkId")), TRY_BODY(required_text(one, "proof"))});
  return all;
}

}  // namespace

net::HttpResponse SiteApi::handle(const net::HttpRequest& request) {
  const auto begun = runtime_.now();
  std::string link;
  auto response = machine_response(answer(request, link), "drover site");
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(runtime_.now() - begun).count();
  const auto level = request.method == "GET" && response.status == 200 ? LogLevel::kDebug : LogLevel::kInfo;
  log_.write(level, "site request", {{"method", request.method}, {"path", request.path}, {"status", response.status},
                                     {"millis", took}, {"peer", request.peer}, {"link", link}});
  return response;
}

RestResult<RestReply> SiteApi::answer(const net::HttpRequest& request, std::string& link) {
  Call call;
  call.method = request.method;
  call.path = segments_of(std::string_view(request.path).substr(kSitePrefix.size()));
  call.peer = net::host_of_peer(request.peer);
  call.shown = request.header("Authorization");
  if (!logins_.admits(lockout_name(call.peer), call.shown)) return refuse(429, "RATE_LIMITED", "Too many failed logins from this address.");
  auto login = parse_basic(call.shown);
  if (!login) return refuse(401, "LINK_INVALID", "A link's id and secret are needed.");
  std::tie(call.user, call.secret) = std::move(*login);
  if (call.method == "PUT" || call.method == "POST") {
    auto json = Json::parse(request.body);
    if (!json || json->as_object() == nullptr) return refuse(400, "INVALID_JSON", "The body is not a JSON object.");
    call.body = std::move(*json);
    call.body_bytes = request.body.size();
  }
  if (call.method == "POST" && call.path == std::vector<std::string>{"claim"}) {
    link = control::is_id(call.user) ? call.user : "";
    return claim(call);
  }
  const auto known = TRY_BODY(authenticate(call));
  logins_.succeeded(lockout_name(call.peer), call.shown);
  link = known.id;
  if (requests_.take(known.id) < 0) return refuse(429, "RATE_LIMITED", fmt::format("More than {} requests in a minute.", requests_.limit()));
  return route(call, known);
}

tl::unexpected<RestError> SiteApi::invalid(const Call& call) {
  logins_.failed(lockout_name(call.peer), call.shown);
  return refuse(401, "LINK_INVALID", "The link is not known, has expired or was deleted, or the secret is another one.");
}

RestResult<RestReply> SiteApi::claim(const Call& call) {
  const auto* protocol = call.body.find("protocol");
  if (protocol == nullptr || protocol->as_int() == nullptr || *protocol->as_int() != kProtocol)
    return refuse(400, "UNSUPPORTED_PROTOCOL", fmt::format("This site speaks protocol {}.", kProtocol));
  control::Claim claim;
  claim.site = TRY_BODY(required_text(call.body, "siteId"));
  claim.org = TRY_BODY(required_text(call.body, "orgId"));
  claim.org_name = TRY_BODY(required_text(call.body, "orgName"));
  claim.address = call.peer;
  claim.secret = TRY_BODY(required_text(call.body, "linkSecret"));
  if (!is_secret(claim.secret)) return bad_attribute("linkSecret", fmt::format("must be {} hexadecimal digits", kSecretDigits));
  for (const auto& [field, text] : {std::pair{"siteId", &claim.site}, {"orgId", &claim.org}, {"orgName", &claim.org_name}})
    TRY_REST(control::check_text(field, *text, kMaxOrgNameBytes));
  if (!control::is_id(call.user)) return invalid(call);
  auto claimed = links_.claim(call.user, call.secret, claim);
  if (!claimed && claimed.error().code == ErrorCode::kWrongState) return refuse(409, "LINK_TAKEN", claimed.error().message);
  if (!claimed && claimed.error().code == ErrorCode::kUnsupported) return refuse(403, "IP_ADDRESS_NOT_ON_WHITELIST", claimed.error().message, {call.peer});
  const auto link = TRY_REST(std::move(claimed));
  if (!link) return invalid(call);
  // It carries on what it had by links that it was cut off from. A claim whose answer was lost is repeated, and so is this.
  for (const auto& former : TRY_REST(links_.succeeded_by(*link, TRY_BODY(former_links(call.body))))) {
    TRY_REST(links_.succeed(former, link->id));
    TRY_REST(imports_.move_to_link(former, link->id));  // what this does not come to, or is begun meanwhile, the reconciler moves
    log_.info("a link takes over what another one of the same site had", {{"link", link->id}, {"former", former}});
  }
  return RestReply{200, TRY_BODY(link_json(*link))};
}

RestResult<control::Link> SiteApi::authenticate(const Call& call) {
  const auto link = TRY_REST(links_.authenticate(call.user, call.secret));
  if (!link) return invalid(call);
  if (!link->access_list.empty() && !net::any_contains(link->access_list, call.peer))
    return refuse(403, "IP_ADDRESS_NOT_ON_WHITELIST", fmt::format("The link may not be used from {}.", call.peer), {call.peer});
  return *link;
}

RestResult<RestReply> SiteApi::route(const Call& call, const control::Link& link) {
  const auto& path = call.path;
  const auto is = [&](std::string_view method, std::size_t size, std::string_view first) {
    return call.method == method && path.size() == size && path[0] == first;
  };
  if (is("GET", 1, "link")) return RestReply{200, TRY_BODY(link_json(link))};
  if (is("PUT", 1, "projects")) return finish_sync(call, link);
  if (is("PUT", 2, "projects")) return put_project(call, link);
  if (is("GET", 1, "work")) return work(link);
  if (is("PUT", 3, "work") && path[2] == "report") return report(call, link);
  if (is("PUT", 3, "work") && path[2] == "held") return held(call, link);
  if (is("DELETE", 1, "link")) return remove(link);
  return refuse(404, "RESOURCE_NOT_FOUND", "There is no such resource in this protocol.");
}

RestResult<RestReply> SiteApi::put_project(const Call& call, const control::Link& link) {
  const auto& project = call.path[1];
  if (!control::is_id(project)) return bad_attribute("projectId", "must be 24 hexadecimal digits");
  const auto revision = TRY_BODY(required_revision(call.body));
  TRY_BODY(check_project(call.body));
  return RestReply{200, Json::Object{{"revision", TRY_REST(links_.put_project(link.id, project, revision, call.body, call.body_bytes))}}};
}

RestResult<RestReply> SiteApi::finish_sync(const Call& call, const control::Link& link) {
  const auto revision = TRY_BODY(required_revision(call.body));
  const auto projects = TRY_BODY(text_list(call.body, "projectIds", true));
  const auto removed = TRY_REST(links_.finish_sync(link.id, revision, projects));
  return RestReply{200, Json::Object{{"revision", revision}, {"removed", removed}}};
}

RestResult<RestReply> SiteApi::work(const control::Link& link) {
  Json::Array items;
  bool active = false;
  // Before the items: what is given out in between is among those.
  auto coming = TRY_REST(imports_.coming_of(link.id));
  for (auto& item : TRY_REST(imports_.work_of(link.id))) {
    const auto* desired = item.find("desired");
    active = active || *desired->as_string() != "FORGET";
    items.push_back(std::move(item));
  }
  active = active || !coming.empty();
  return RestReply{200, Json::Object{{"items", std::move(items)}, {"coming", Json::Array(coming.begin(), coming.end())}, {"pollSeconds", active ? kBusyPollSeconds : kIdlePollSeconds}}};
}

RestResult<RestReply> SiteApi::report(const Call& call, const control::Link& link) {
  TRY_BODY(check_report(call.body, call.body_bytes, control::kMaxReportBytes));
  const auto reported = TRY_REST(imports_.report(link.id, call.path[1], call.body));
  if (!reported) return refuse(404, "RESOURCE_NOT_FOUND", fmt::format("The link has no item {}; forget it.", call.path[1]), {call.path[1]});
  return RestReply{200, Json::Object{{"sequence", reported->sequence}, {"desired", reported->desired}}};
}

RestResult<RestReply> SiteApi::held(const Call& call, const control::Link& link) {
  const auto because = TRY_BODY(required_text(call.body, "because"));
  if (because.size() > control::kMaxErrorBytes) return bad_attribute("because", fmt::format("is longer than {} bytes", control::kMaxErrorBytes));
  const auto noted = TRY_REST(imports_.held(link.id, call.path[1], because));
  if (!noted) return refuse(404, "RESOURCE_NOT_FOUND", fmt::format("The link has no item {}; forget it.", call.path[1]), {call.path[1]});
  return RestReply{200, Json::Object{{"sequence", noted->sequence}, {"desired", noted->desired}}};
}

RestResult<RestReply> SiteApi::remove(const control::Link& link) {
  for (const auto& import : TRY_REST(imports_.active_of_link(link.id))) {
    if (import.kind == control::ImportKind::kMigration)
      return refuse(409, "CANNOT_DELETE_ORG_ACTIVE_LIVE_MIGRATION_ATLAS_ORG_LINK", fmt::format("The link is used by the active live migration {}.", import.id), {import.id});
  }
  TRY_REST(links_.remove(link.id));
  return RestReply{204, {}};
}

RestResult<Json> SiteApi::link_json(const control::Link& link) {
  const auto org = TRY_REST(identity_.organization(link.org));
  return Json(Json::Object{{"linkId", link.id},
                           {"orgId", link.org},
                           {"orgName", org ? org->name : ""},
                           {"state", control::name_of(link.state)},
                           {"lastSyncAt", link.last_sync.empty() ? Json() : Json(link.last_sync)}});
}

}  // namespace drover::api
