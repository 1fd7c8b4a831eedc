#include "api/service_account_routes.h"

#include <algorithm>
#include <memory>

#include <fmt/format.h>

#include "api/basic_auth.h"
#include "api/body_fields.h"
#include "api/control_api.h"
#include "api/role_guard.h"
#include "net/address_range.h"

namespace drover::api {
namespace {

using control::Access;
using control::ServiceAccount;
using control::ServiceSecret;

Json time_or_null(const std::string& time) { return time.empty() ? Json() : Json(time); }

// The secret itself is there only when it has just been made.
Json secret_json(const ServiceSecret& secret) {
  Json::Object body{{"createdAt", secret.created}, {"expiresAt", secret.expires}, {"id", secret.id}, {"lastUsedAt", time_or_null(secret.last_used)}};
  if (secret.secret.empty()) body.emplace_back("maskedSecretValue", "mdb_sa_sk_..." + secret.tail);
  else body.emplace_back("secret", secret.secret);
  return body;
}

// Its roles in the organization, or in the project that the path is about.
Json account_json(const RestRequest& request, const ServiceAccount& account) {
  Json::Array roles, secrets;
  const auto group = request.names.find("groupId");
  for (const auto& grant : account.grants)
    if (group == request.names.end() ? !grant.org.empty() : grant.group == group->second) roles.emplace_back(grant.role);
  for (const auto& secret : account.secrets) secrets.push_back(secret_json(secret));
  return Json::Object{{"clientId", account.client_id}, {"createdAt", account.created}, {"description", account.description},
                      {"name", account.name},          {"roles", std::move(roles)},    {"secrets", std::move(secrets)}};
}

RestResult<std::int64_t> hours_of(const Json& body) {
  const auto* hours = body.find("secretExpiresAfterHours");
  if (hours == nullptr || hours->as_int() == nullptr)
    return refuse(400, hours == nullptr ? "MISSING_ATTRIBUTE" : "INVALID_ATTRIBUTE", "secretExpiresAfterHours must be a whole number.", {"secretExpiresAfterHours"});
  return *hours->as_int();
}

class AccountRoutes {
 public:
  AccountRoutes(control::ServiceAccounts& accounts, control::Identity& identity) : accounts_(accounts), identity_(identity) {}

  RestResult<RestReply> create(const RestRequest& request) const {
    const auto name = TRY_BODY(required_text(request.body, "name"));
    const auto description = TRY_BODY(required_text(request.body, "description"));
    const auto roles = TRY_BODY(text_list(request.body, "roles", true));
    const auto hours = TRY_BODY(hours_of(request.body));
    return made(request, TRY_REST(accounts_.create(request.org, name, description, roles, hours)));
  }
  RestResult<RestReply> list(const RestRequest& request) const {
    const auto listed = TRY_REST(accounts_.of_org(request.org, request.page));
    Json::Array all;
    for (const auto& account : listed.items) all.push_back(account_json(request, account));
    return RestReply{200, page_of(request, std::move(all), listed.total)};
  }
  RestResult<RestReply> get(const RestRequest& request) const {
    const auto found = TRY_REST(accounts_.find(request.org, request.name("clientId")));
    if (!found) return missing(request);
    return RestReply{200, account_json(request, *found)};
  }
  RestResult<RestReply> change(const RestRequest& request) const {
    TRY_BODY(only(request.body, {"description", "name", "roles"}));
    control::ServiceAccounts::Changes changes;
    const auto gives = [&](const char* field) { return request.body.find(field) != nullptr && !request.body.find(field)->is_null(); };
    if (gives("name")) changes.name = TRY_BODY(required_text(request.body, "name"));
    if (gives("description")) changes.description = TRY_BODY(required_text(request.body, "description"));
    if (gives("roles")) changes.org_roles = TRY_BODY(text_list(request.body, "roles", true));
    if (!TRY_REST(accounts_.change(request.org, request.name("clientId"), changes))) return missing(request);
    return get(request);
  }

  // ---- in a project

  RestResult<RestReply> create_in_project(const RestRequest& request) const {
    const auto name = TRY_BODY(required_text(request.body, "name"));
    const auto description = TRY_BODY(required_text(request.body, "description"));
    const auto roles = TRY_BODY(text_list(request.body, "roles", true));
    const auto hours = TRY_BODY(hours_of(request.body));
    const auto project = TRY_BODY(project_of(request));
    TRY_BODY(may_give(request, roles));
    return made(request, TRY_REST(accounts_.create_in_project(project, name, description, roles, hours, ranges_of_maker(request))));
  }
  RestResult<RestReply> list_in_project(const RestRequest& request) const {
    const auto listed = TRY_REST(accounts_.of_project(request.name("groupId"), request.page));
    Json::Array all;
    for (const auto& account : listed.items) all.push_back(account_json(request, account));
    return RestReply{200, page_of(request, std::move(all), listed.total)};
  }
  RestResult<RestReply> get_in_project(const RestRequest& request) const { return RestReply{200, account_json(request, TRY_BODY(found_in_project(request)))}; }
  RestResult<RestReply> invite(const RestRequest& request) const {
    TRY_BODY(only(request.body, {"roles"}));
    return with_roles(request, TRY_BODY(text_list(request.body, "roles", true)));
  }
  // What it is called is its organization's to say.
  RestResult<RestReply> change_in_project(const RestRequest& request) const {
    TRY_BODY(found_in_project(request));
    for (const auto* field : {"name", "description"})
      if (const auto* value = request.body.find(field); value != nullptr && !value->is_null())
        return bad_field("INVALID_ATTRIBUTE", field, "is changed at the organization's service accounts");
    return invite(request);
  }
  RestResult<RestReply> remove_from_project(const RestRequest& request) const {
    TRY_BODY(found_in_project(request));
    TRY_BODY(changed(request, {}));
    return RestReply{204, {}};
  }

  RestResult<RestReply> remove(const RestRequest& request) const {
    if (!TRY_REST(accounts_.remove(request.org, request.name("clientId")))) return missing(request);
    return RestReply{204, {}};
  }
  RestResult<RestReply> add_secret(const RestRequest& request) const {
    const auto made = TRY_REST(accounts_.add_secret(request.org, request.name("clientId"), TRY_BODY(hours_of(request.body))));
    if (!made) return missing(request);
    return RestReply{201, secret_json(*made), false, {{"secretId", made->id}}};
  }
  RestResult<RestReply> remove_secret(const RestRequest& request) const {
    const auto& id = request.name("secretId");
    if (!TRY_REST(accounts_.remove_secret(request.org, request.name("clientId"), id)))
      return refuse(404, "SERVICE_ACCOUNT_SECRET_NOT_FOUND", fmt::format("No secret with ID {} exists.", id), {id});
    return RestReply{204, {}};
  }

 private:
  static RestReply made(const RestRequest& request, const ServiceAccount& account) {
    return {201, account_json(request, account), false, {{"clientId", account.client_id}}};
  }
  static tl::unexpected<RestError> missing(const RestRequest& request) {
    const auto& id = request.name("clientId");
    return refuse(404, "SERVICE_ACCOUNT_NOT_FOUND", fmt::format("No service account with ID {} exists.", id), {id});
  }
  // It was there when the request was let in.
  RestResult<control::Project> project_of(const RestRequest& request) const {
    const auto& id = request.name("groupId");
    auto project = TRY_REST(identity_.project(id));
    if (!project) return refuse(404, "GROUP_NOT_FOUND", fmt::format("No group with ID {} exists.", id), {id});
    return std::move(*project);
  }
  RestResult<ServiceAccount> found_in_project(const RestRequest& request) const {
    auto found = TRY_REST(accounts_.find(request.org, request.name("clientId")));
    const auto of_it = [&](const control::Grant& grant) { return grant.group == request.name("groupId"); };
    if (!found || std::none_of(found->grants.begin(), found->grants.end(), of_it)) return missing(request);
    return std::move(*found);
  }
  RestResult<RestReply> with_roles(const RestRequest& request, const std::vector<std::string>& roles) const {
    if (roles.empty()) return bad_field("INVALID_ATTRIBUTE", "roles", "must name at least one role");
    TRY_BODY(changed(request, roles));
    return get_in_project(request);
  }
  // Gives the account of the path these roles in the project, if the caller may.
  RestResult<int> changed(const RestRequest& request, const std::vector<std::string>& roles) const {
    const auto& id = request.name("clientId");
    std::optional<RestError> refused;
    const auto done = TRY_REST(accounts_.set_project_roles(TRY_BODY(project_of(request)), id, roles, may_give_at_change(request, roles, id, refused)));
    if (done == control::RoleChange::kRefused && refused) return tl::unexpected(std::move(*refused));
    if (done != control::RoleChange::kDone) return missing(request);
    return 0;
  }
  control::ServiceAccounts& accounts_;
  control::Identity& identity_;
};

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// A value of a form; empty when it is not there.
std::string form_value(std::string_view form, std::string_view name) {
  while (!form.empty()) {
    const auto end = form.find('&');
    const auto pair = form.substr(0, end);
    form = end == std::string_view::npos ? std::string_view() : form.substr(end + 1);
    if (pair.substr(0, pair.find('=')) != name || pair.find('=') == std::string_view::npos) continue;
    std::string out;
    const auto text = pair.substr(pair.find('=') + 1);
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0) {
        out += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
        i += 2;
      } else {
        out += text[i] == '+' ? ' ' : text[i];
      }
    }
    return out;
  }
  return "";
}

}  // namespace

void add_service_account_routes(RouteTable& table, control::ServiceAccounts& accounts, control::Identity& identity) {
  const auto routes = std::make_shared<AccountRoutes>(accounts, identity);
  const auto add = [&](const char* method, const char* path, Access access, RestResult<RestReply> (AccountRoutes::*handler)(const RestRequest&) const,
                       const char* event = "") {
    table.add({method, path, {Family::kAtlasV2}, access, {"2024-08-05"},
               [routes, handler](const RestRequest& request) { return ((*routes).*handler)(request); }, Route::Body::kObject, event});
  };
  add("POST", "/orgs/{orgId}/serviceAccounts", Access::kOrgOwn, &AccountRoutes::create, "SERVICE_ACCOUNT_CREATED");
  add("GET", "/orgs/{orgId}/serviceAccounts", Access::kOrgRead, &AccountRoutes::list);
  add("GET", "/orgs/{orgId}/serviceAccounts/{clientId}", Access::kOrgRead, &AccountRoutes::get);
  add("PATCH", "/orgs/{orgId}/serviceAccounts/{clientId}", Access::kOrgOwn, &AccountRoutes::change, "SERVICE_ACCOUNT_DETAILS_CHANGED");
  add("GET", "/groups/{groupId}/serviceAccounts", Access::kGroupRead, &AccountRoutes::list_in_project);
  add("POST", "/groups/{groupId}/serviceAccounts", Access::kGroupKeys, &AccountRoutes::create_in_project, "SERVICE_ACCOUNT_CREATED");
  add("GET", "/groups/{groupId}/serviceAccounts/{clientId}", Access::kGroupRead, &AccountRoutes::get_in_project);
  add("POST", "/groups/{groupId}/serviceAccounts/{clientId}:invite", Access::kGroupKeys, &AccountRoutes::invite, "SERVICE_ACCOUNT_ADDED_TO_GROUP");
  add("PATCH", "/groups/{groupId}/serviceAccounts/{clientId}", Access::kGroupKeys, &AccountRoutes::change_in_project, "SERVICE_ACCOUNT_ROLES_CHANGED");
  add("DELETE", "/groups/{groupId}/serviceAccounts/{clientId}", Access::kGroupKeys, &AccountRoutes::remove_from_project, "SERVICE_ACCOUNT_REMOVED_FROM_GROUP");
  add("DELETE", "/orgs/{orgId}/serviceAccounts/{clientId}", Access::kOrgOwn, &AccountRoutes::remove, "SERVICE_ACCOUNT_DELETED");
  add("POST", "/orgs/{orgId}/serviceAccounts/{clientId}/secrets", Access::kOrgOwn, &AccountRoutes::add_secret, "SERVICE_ACCOUNT_SECRET_ADDED");
  add("DELETE", "/orgs/{orgId}/serviceAccounts/{clientId}/secrets/{secretId}", Access::kOrgOwn, &AccountRoutes::remove_secret, "SERVICE_ACCOUNT_SECRET_DELETED");
}

control::ApiKey caller_of(const ServiceAccount& account) {
  control::ApiKey caller;
  caller.id = account.client_id;
  caller.org = account.org;
  caller.description = account.name;
  caller.public_key = account.client_id;
  caller.grants = account.grants;
  caller.access_list = account.access_list;
  return caller;
}

net::HttpResponse OauthApi::handle(const net::HttpRequest& request) {
  const auto answered = answer(request);
  net::HttpResponse response;
  response.status = answered.status;
  response.headers = {{"Cache-Control", "no-store"}, {"Pragma", "no-cache"}, {"X-Content-Type-Options", "nosniff"}};
  if (answered.status == 401) response.headers.emplace_back("WWW-Authenticate", "Basic realm=\"oauth\"");
  if (answered.status == 429) response.headers.emplace_back("Retry-After", "60");
  if (answered.status == 503) response.headers.emplace_back("Retry-After", "5");
  response.body = answered.body.dump();
  log_.info("oauth request", {{"path", request.path}, {"status", response.status}, {"peer", request.peer}});
  return response;
}

OauthApi::Answer OauthApi::invalid_client(const std::string& address, std::string_view shown) {
  logins_.failed(lockout_name(address), shown);
  return {401, Json::Object{{"error", "invalid_client"}, {"error_description", "The client is not known, or its secret is another one or has expired."}}};
}

OauthApi::Answer OauthApi::answer(const net::HttpRequest& request) {
  const auto address = net::host_of_peer(request.peer);
  const auto action = std::string_view(request.path).substr(kOauthPrefix.size());
  if (action != "token" && action != "revoke")
    return {404, error_body({404, "RESOURCE_NOT_FOUND", fmt::format("Cannot find resource {}.", request.path), {request.path}, {}})};
  if (request.method != "POST") return {405, error_body({405, "METHOD_NOT_ALLOWED", fmt::format("{} is not allowed here.", request.method), {}, {}})};
  const auto shown = request.header("Authorization");
  if (!logins_.admits(lockout_name(address), shown)) return {429, error_body({429, "RATE_LIMITED", "Too many failed logins from this address.", {}, {}})};
  const auto login = parse_basic(shown);
  if (!login) return invalid_client(address, shown);
  // RFC 6749 2.3.1: both are form-encoded before they are joined.
  const auto client = form_value("v=" + login->first, "v"), secret = form_value("v=" + login->second, "v");
  const Answer unavailable{503, Json::Object{{"error", "temporarily_unavailable"}, {"error_description", "The site's store does not answer. Try again."}}};
  if (action == "revoke") {
    const auto known = accounts_.knows(client, secret);
    if (!known) return unavailable;
    if (!*known) return invalid_client(address, shown);
    if (!accounts_.revoke(client, form_value(request.body, "token"))) return unavailable;
    return {200, Json::Object{}};
  }
  if (form_value(request.body, "grant_type") != "client_credentials")
    return {400, Json::Object{{"error", "unsupported_grant_type"}, {"error_description", "grant_type must be client_credentials."}}};
  // Of those that are known: who is not is counted above, and takes nothing from whoever is.
  const auto known = accounts_.knows(client, secret);
  if (!known) return unavailable;
  if (!*known) return invalid_client(address, shown);
  if (requests_.take(client) < 0)
    return {429, error_body({429, "RATE_LIMITED", fmt::format("More than {} tokens in a minute. One is good for {} seconds: keep it.", requests_.limit(), control::kAccessTokenLife.count()), {}, {}})};
  const auto token = accounts_.token_for(client, secret);
  if (!token) return unavailable;
  if (!*token) return invalid_client(address, shown);
  logins_.succeeded(lockout_name(address), shown);
  return {200, Json::Object{{"access_token", **token}, {"expires_in", std::int64_t{control::kAccessTokenLife.count()}}, {"token_type", "Bearer"}}};
}

}  // namespace drover::api
