#include "api/control_api.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "api/identity_routes.h"
#include "api/openapi.h"
#include "net/address_range.h"

namespace drover::api {
namespace {

constexpr Family kFamilies[] = {Family::kAtlasV2, Family::kAtlasV1, Family::kCloudManager, Family::kExt};
constexpr int kUnauthorized = 401;
constexpr int kStale = -401;  // within this file: 401, with a challenge that says stale

std::optional<Family> family_of(std::string_view path) {
  for (const auto family : kFamilies) {
    const auto prefix = prefix_of(family);
    if (path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/')) return family;
  }
  return std::nullopt;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// In a query a plus is a space; in a path it is itself.
std::string decoded(std::string_view text, bool query) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (query && text[i] == '+') {
      out += ' ';
    } else if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0) {
      out += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::vector<std::pair<std::string, std::string>> query_of(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> query;
  while (!text.empty()) {
    const auto end = text.find('&');
    const auto pair = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    const auto equals = pair.find('=');
    query.emplace_back(decoded(pair.substr(0, equals), true), equals == std::string_view::npos ? "" : decoded(pair.substr(equals + 1), true));
  }
  return query;
}

bool is_set(const RestRequest& request, const char* name) {
  const auto found = request.query.find(name);
  return found != request.query.end() && found->second == "true";
}

RestResult<int> number(const RestRequest& request, const char* name, int otherwise, int low, int high) {
  const auto found = request.query.find(name);
  if (found == request.query.end()) return otherwise;
  int value = 0;
  const auto& text = found->second;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc() || end != text.data() + text.size() || value < low || value > high)
    return refuse(400, "INVALID_QUERY_PARAMETER", fmt::format("Invalid query parameter {}: it must be from {} to {}.", name, low, high), {name});
  return value;
}

tl::unexpected<RestError> not_allowed(std::string_view method, std::set<std::string> allowed) {
  if (allowed.contains("GET")) allowed.insert("HEAD");
  RestError error{405, "METHOD_NOT_ALLOWED", fmt::format("{} is not allowed here.", method), {}, {}};
  error.allow = fmt::format("{}", fmt::join(allowed, ", "));
  return tl::unexpected(std::move(error));
}

RestResult<Json> body_of(const net::HttpRequest& request, Route::Body body) {
  if (body == Route::Body::kIgnored) return Json(Json::Object());
  const bool array = body == Route::Body::kArray;
  if (request.method != "POST" && request.method != "PUT" && request.method != "PATCH") return Json();
  if (request.body.empty()) return array ? Json(Json::Array()) : Json(Json::Object());
  auto json = Json::parse(request.body);
  if (!json) return refuse(400, "INVALID_JSON", "Received JSON is malformed.");
  if (array && json->as_array() == nullptr) return refuse(400, "INVALID_JSON", "Received JSON is not an array.");
  if (!array && json->as_object() == nullptr) return refuse(400, "INVALID_JSON", "Received JSON is not an object.");
  return std::move(*json);
}

}  // namespace

std::string lockout_name(const std::string& address) {
  if (address.find(':') == std::string::npos) return address;
  const auto network = net::AddressRange::parse(address + "/64");
  return network ? network->cidr() : address;
}

ControlApi::ControlApi(RouteTable routes, control::Identity& identity, Runtime& runtime, Log& log, Options options)
    : routes_(std::move(routes)),
      identity_(identity),
      runtime_(runtime),
      log_(log),
      options_(std::move(options)),
      digest_(runtime, control::kDigestRealm, options_.nonce_key),
      requests_(runtime, kRequestsPerMinute),
      logins_(runtime, kFailuresPerMinute) {}

net::HttpResponse ControlApi::handle(const net::HttpRequest& request) {
  const auto begun = runtime_.now();
  RestRequest rest;
  rest.every_query = query_of(request.query);
  for (const auto& [name, value] : rest.every_query) rest.query[name] = value;
  rest.peer = request.peer.substr(0, request.peer.rfind(':'));
  std::optional<control::ApiKey> caller;
  if (method_served(request.method) == "GET" && request.path == kOpenApiPath) return openapi(rest);
  auto found = answer(request, rest, caller);
  net::HttpResponse response;
  if (found) {
    response = formed(rest, found->reply.status, found->reply.body, found->version);
    if (!found->deprecated.empty()) {
      response.headers.emplace_back("Deprecation", found->deprecated);
      response.headers.emplace_back("Sunset", kSunset);
    }
  } else if (std::abs(found.error().status) == kUnauthorized) {
    response = unauthorized(found.error().status == kStale);
  } else {
    response = formed(rest, found.error().status, error_body(found.error()), "");
    response.headers.emplace_back("X-Error-Code", found.error().code);
    if (!found.error().allow.empty()) response.headers.emplace_back("Allow", found.error().allow);
    if (found.error().status == 429) response.headers.emplace_back("Retry-After", "60");
    if (found.error().status == 503) response.headers.emplace_back("Retry-After", "5");
  }
  if (caller) {
    response.headers.emplace_back("RateLimit-Limit", std::to_string(requests_.limit()));
    response.headers.emplace_back("RateLimit-Remaining", std::to_string(std::max(0, requests_.left(caller->public_key))));
  }
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(runtime_.now() - begun).count();
  const auto secret = request.path.find(kByAgentApiKey);
  const auto path = secret == std::string::npos ? request.path : request.path.substr(0, secret + kByAgentApiKey.size()) + "…";
  log_.info("request", {{"method", request.method}, {"path", path}, {"status", response.status}, {"millis", took},
                        {"peer", request.peer}, {"key", caller ? caller->public_key : ""}});
  return response;
}

net::HttpResponse ControlApi::openapi(const RestRequest& request) {
  std::call_once(openapi_made_, [&] {
    openapi_ = openapi_document(routes_, options_.families, options_.public_url, options_.version);
    openapi_plain_ = formed({}, 200, openapi_, "");
  });
  return request.query.empty() ? openapi_plain_ : formed(request, 200, openapi_, "");
}

RestResult<ControlApi::Answer> ControlApi::answer(const net::HttpRequest& request, RestRequest& rest,
                                                  std::optional<control::ApiKey>& caller) {
  const auto family = family_of(request.path);
  const auto& served = options_.families;
  if (!family || std::find(served.begin(), served.end(), *family) == served.end())
    return refuse(404, "RESOURCE_NOT_FOUND", fmt::format("Cannot find resource {}.", request.path), {request.path});
  rest.family = *family;
  rest.public_url = options_.public_url;
  rest.base = options_.public_url + std::string(prefix_of(*family));
  rest.path = request.path.substr(prefix_of(*family).size());
  caller = TRY_BODY(authenticate(request));
  rest.caller = &*caller;
  if (requests_.take(caller->public_key) < 0)
    return refuse(429, "RATE_LIMITED", fmt::format("More than {} requests in a minute.", requests_.limit()));
  auto matched = routes_.match(rest.family, method_served(request.method), rest.path);
  if (matched.route == nullptr) {
    if (matched.other_method) return not_allowed(request.method, matched.allowed);
    return refuse(404, "RESOURCE_NOT_FOUND", fmt::format("Cannot find resource {}.", request.path), {request.path});
  }
  for (const auto& [name, value] : matched.names) rest.names[name] = decoded(value, false);
  std::string version;
  if (rest.family == Family::kAtlasV2) {
    const auto negotiated = negotiate_version(*matched.route, request.header("Accept"));
    if (!negotiated) return refuse(406, "INVALID_VERSION", "The version in the Accept header is not one of this resource's.");
    version = *negotiated;
    rest.version = version;
  }
  rest.org = TRY_BODY(authorize(*matched.route, rest));
  rest.page.number = TRY_BODY(number(rest, "pageNum", 1, 1, 1'000'000));
  rest.page.items = TRY_BODY(number(rest, "itemsPerPage", 100, 1, 500));
  rest.body = TRY_BODY(body_of(request, matched.route->body));
  auto reply = TRY_BODY(matched.route->handler(rest));
  TRY_BODY(check_still_there(*matched.route, rest));
  tell(*matched.route, rest, reply);
  auto deprecated = version.empty() ? std::string() : deprecated_since(*matched.route, version);
  return Answer{std::move(reply), std::move(version), std::move(deprecated)};
}

// In the shape of the public API's events: who did what to what, from where.
void ControlApi::tell(const Route& route, const RestRequest& request, const RestReply& reply) {
  if (*route.event == '\0' || !options_.tell) return;
  Json::Object event{{"eventTypeName", route.event}, {"publicKey", request.caller->public_key}, {"apiKeyId", request.caller->id}, {"remoteAddress", request.peer}};
  const auto add = [&](const std::string& name, const Json& value) {
    const bool known = std::any_of(event.begin(), event.end(), [&](const auto& field) { return field.first == name; });
    if (!known) event.emplace_back(name, value);
  };
  for (const auto& [name, value] : reply.about) add(name, value);
  if (!request.org.empty()) add("orgId", request.org);
  constexpr std::array kTold{"groupId", "clusterName", "containerId", "peerId", "endpointServiceId", "endpointId", "hostId", "clientId", "secretId"};
  for (const auto& [name, value] : request.names) {
    if (std::find(kTold.begin(), kTold.end(), name) != kTold.end()) add(name, value);
    if (name == "username") add("dbUserUsername", value);
    if (name == "apiUserId") add("targetApiKeyId", value);
    if (name == "ipAddress") add("accessListEntry", value);
  }
  if (const auto told = options_.tell(event); !told)
    log_.error("an audit event cannot be kept", {{"event", route.event}, {"key", request.caller->public_key}, {"error", told.error().message}});
}

RestResult<control::ApiKey> ControlApi::authenticate(const net::HttpRequest& request) {
  const auto address = net::host_of_peer(request.peer), from = lockout_name(address);
  constexpr std::string_view kBearer = "Bearer ";
  const auto header = request.header("Authorization");
  const bool by_token = header.starts_with(kBearer) && options_.bearer;
  const auto digest = by_token ? std::nullopt : parse_digest(header);
  // Whoever asks without a login gets the challenge, also from an address that is locked out: who is known there needs it.
  if (!by_token && !digest) return refuse(kUnauthorized, "UNEXPECTED_ERROR", "");
  const auto shown = digest ? std::string_view(digest->user) : header;
  if (!logins_.admits(from, shown)) return refuse(429, "RATE_LIMITED", "Too many failed logins from this address.");
  auto caller = by_token ? TRY_REST(options_.bearer(std::string(header.substr(kBearer.size())))) : TRY_BODY(by_digest(request, *digest));
  if (!caller) {
    logins_.failed(from, shown);
    return refuse(kUnauthorized, "UNEXPECTED_ERROR", "");
  }
  logins_.succeeded(from, shown);
  if (!caller->access_list.empty() && !net::any_contains(caller->access_list, address))
    return refuse(403, "IP_ADDRESS_NOT_ON_WHITELIST", fmt::format("IP address {} is not allowed to access this resource.", address), {address});
  return std::move(*caller);
}

// Nobody when the key is not known, or its private key is another one.
RestResult<std::optional<control::ApiKey>> ControlApi::by_digest(const net::HttpRequest& request, const DigestAnswer& digest) {
  auto key = TRY_REST(identity_.key_by_name(digest.user));
  const auto target = request.query.empty() ? request.path : request.path + "?" + request.query;
  // Also for a user that is not there, so that the time does not tell.
  const auto verdict = digest_.check(digest, key ? key->ha1 : std::string(32, '0'), request.method, target);
  if (!key || verdict == DigestVerdict::kWrong) return std::optional<control::ApiKey>();
  if (verdict == DigestVerdict::kStale) return refuse(kStale, "UNEXPECTED_ERROR", "");
  return key;
}

// The organization that the path is about. What the caller may not even see is not there.
RestResult<std::string> ControlApi::authorize(const Route& route, const RestRequest& request) {
  std::string org, group;
  if (const auto named = request.names.find("groupId"); named != request.names.end()) {
    group = named->second;
    if (!control::is_id(group)) return refuse(404, "INVALID_GROUP_ID", fmt::format("An invalid group ID {} was specified.", group), {group});
    const auto project = TRY_REST(identity_.project(group));
    // A route that asks for a role in the organization shows itself to whoever is of the organization.
    const bool of_org = route.access == control::Access::kOrgOwn || route.access == control::Access::kOrgRead;
    const auto seen = of_org ? control::Access::kOrgRead : control::Access::kGroupRead;
    const auto& grants = request.caller->grants;
    if (!project || !(control::allows(grants, seen, project->org, group) || control::allows(grants, control::Access::kGroupRead, project->org, group)))
      return refuse(404, "GROUP_NOT_FOUND", fmt::format("No group with ID {} exists.", group), {group});
    org = project->org;
  } else if (const auto of = request.names.find("orgId"); of != request.names.end()) {
    org = of->second;
    if (!control::is_id(org)) return refuse(404, "INVALID_ORG_ID", fmt::format("An invalid organization ID {} was specified.", org), {org});
    if (!control::sees_org(request.caller->grants, org))
      return refuse(404, "ORG_NOT_FOUND", fmt::format("No organization with ID {} exists.", org), {org});
  }
  if (route.access && !control::allows(request.caller->grants, *route.access, org, group))
    return refuse(403, "USER_UNAUTHORIZED", "Current user is not authorized to perform this action.");
  return org;
}

// Whoever deletes a project or an organization takes away what it has; what a request has written meanwhile, after that, goes now.
RestResult<int> ControlApi::check_still_there(const Route& route, const RestRequest& request) {
  if (route.method == "GET" || request.org.empty() || options_.deletions == nullptr) return 0;
  const auto group = request.names.find("groupId");
  const bool goes = route.method == "DELETE" && (route.path == "/groups/{groupId}" || route.path == "/orgs/{orgId}");
  if (goes) return 0;
  if (group != request.names.end() && !TRY_REST(identity_.project(group->second))) {
    TRY_REST(options_.deletions->finish_project(group->second));
    return refuse(404, "GROUP_NOT_FOUND", fmt::format("The group {} was deleted meanwhile.", group->second), {group->second});
  }
  if (!TRY_REST(identity_.organization(request.org))) {
    TRY_REST(options_.deletions->finish_organization(request.org, ""));
    return refuse(404, "ORG_NOT_FOUND", fmt::format("The organization {} was deleted meanwhile.", request.org), {request.org});
  }
  return 0;
}

std::vector<std::pair<std::string, std::string>> ControlApi::headers_of_all() const {
  return {{"X-Frame-Options", "DENY"},
          {"X-Content-Type-Options", "nosniff"},
          {"Referrer-Policy", "strict-origin-when-cross-origin"},
          {"Cache-Control", "no-store"},
          {"X-MongoDB-Service-Version", fmt::format("gitHash=drover; versionString={}", options_.version)}};
}

net::HttpResponse ControlApi::unauthorized(bool stale) {
  net::HttpResponse response;
  response.status = kUnauthorized;
  response.headers = headers_of_all();
  response.headers.emplace_back("WWW-Authenticate", digest_.challenge(stale));
  response.body = dump_sorted(Json::Object{{"error", kUnauthorized},
                                           {"reason", "Unauthorized"},
                                           {"errorCode", "UNEXPECTED_ERROR"},
                                           {"detail", "You are not authorized for this resource."}},
                              true);
  return response;
}

net::HttpResponse ControlApi::formed(const RestRequest& request, int status, const Json& body, const std::string& version) const {
  net::HttpResponse response;
  response.status = status;
  response.content_type = version.empty() ? "application/json" : fmt::format("application/vnd.atlas.{}+json;charset=utf-8", version);
  response.headers = headers_of_all();
  const bool pretty = is_set(request, "pretty");
  if (body.is_null()) return response;
  if (is_set(request, "envelope")) {
    Json wrapped;
    if (body.find("results") != nullptr) {
      auto fields = *body.as_object();
      fields.emplace_back("status", status);
      wrapped = std::move(fields);
    } else {
      wrapped = Json::Object{{"status", status}, {"content", body}};
    }
    response.status = 200;
    response.body = dump_sorted(wrapped, pretty);
    return response;
  }
  response.body = dump_sorted(body, pretty);
  return response;
}

}  // namespace drover::api
