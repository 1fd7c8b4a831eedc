#include "api/sync_routes.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "api/start_body.h"
#include "net/loopback.h"

namespace drover::api {
namespace {

constexpr std::string_view kPrefix = "/api/v1/";
constexpr std::array<std::string_view, 5> kVerbs{"start", "pause", "resume", "commit", "reverse"};

net::HttpResponse reply(int status, Json::Object body) {
  net::HttpResponse response;
  response.status = status;
  response.body = Json(std::move(body)).dump() + "\n";
  return response;
}

net::HttpResponse refusal(int status, std::string_view name, std::string_view description) {
  return reply(status, {{"success", false}, {"error", name}, {"errorDescription", description}});
}

net::HttpResponse refusal(const Error& error) {
  switch (error.code) {
    case ErrorCode::kUsage: return refusal(400, "InvalidRequest", error.message);
    case ErrorCode::kWrongState: return refusal(409, "InvalidStateTransition", error.message);
    case ErrorCode::kUnsupported: return refusal(400, "Unsupported", error.message);
    case ErrorCode::kSource: return refusal(400, "SourceCheckFailed", error.message);
    case ErrorCode::kDestination: return refusal(400, "DestinationCheckFailed", error.message);
    case ErrorCode::kTemporary:
    case ErrorCode::kTimedOut: return refusal(503, "ClusterUnavailable", error.message);
    case ErrorCode::kInterrupted: return refusal(503, "ShuttingDown", error.message);
    default: return refusal(500, "InternalError", error.message);
  }
}

// "127.0.0.1:27182" → "127.0.0.1", "[::1]:27182" → "[::1]".
std::string_view without_port(std::string_view host) {
  const auto end = host.starts_with('[') ? host.find(']') : std::string_view::npos;
  const auto colon = host.find(':', end == std::string_view::npos ? 0 : end);
  return host.substr(0, colon);
}

bool is_loopback(std::string_view host) {
  const auto name = without_port(host);
  return name == "[::1]" || net::is_loopback_host(name);
}

}  // namespace

net::HttpResponse SyncRoutes::handle(const net::HttpRequest& request) {
  const auto begun = runtime_.now();
  log_.info("Received request", {{"uri", request.path}, {"method", request.method}, {"body", request.body}});
  auto response = route(request);
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(runtime_.now() - begun).count();
  log_.info("sent response", {{"uri", request.path},
                              {"status", response.status},
                              {"latency", fmt::format("{:.3f}ms", static_cast<double>(took) / 1000.0)},
                              {"body", response.body}});
  return response;
}

net::HttpResponse SyncRoutes::route(const net::HttpRequest& request) {
  const auto host = request.header("Host");
  if (options_.loopback_only && !host.empty() && !is_loopback(host))
    return refusal(403, "Forbidden", "this listens on loopback: name it localhost or 127.0.0.1, or start it with --bindIp");
  const auto origin = request.header("Origin");
  if (!origin.empty() && origin != fmt::format("http://{}", host))
    return refusal(403, "Forbidden", "a page of another origin may not call this");
  if (!request.path.starts_with(kPrefix)) return refusal(404, "NotFound", "there is nothing at " + request.path);
  const auto verb = std::string_view(request.path).substr(kPrefix.size());
  if (verb == "progress" || verb == "x/collections") {
    if (request.method != "GET" && request.method != "HEAD")
      return refusal(405, "MethodNotAllowed", fmt::format("use GET for {}", request.path));
    const auto progress = control_.progress();
    if (verb == "progress") return reply(200, {{"progress", progress_json(progress, options_.names)}, {"success", true}});
    return reply(200, {{"collections", collections_json(progress)}, {"success", true}});
  }
  if (std::find(kVerbs.begin(), kVerbs.end(), verb) == kVerbs.end())
    return refusal(404, "NotFound", "there is nothing at " + request.path);
  if (request.method != "POST") return refusal(405, "MethodNotAllowed", fmt::format("use POST for {}", request.path));
  return post(request, verb);
}

net::HttpResponse SyncRoutes::post(const net::HttpRequest& request, std::string_view verb) {
  const auto done = act(verb, request.body);
  if (done) return reply(200, {{"success", true}});
  log_.warn("A request was refused", {{"uri", request.path}, {"reason", done.error().message}});
  return refusal(done.error());
}

Status SyncRoutes::act(std::string_view verb, std::string_view body) {
  if (verb == "start") return start(body);
  const auto json = TRY_WITH(Json::parse(body), "reading the request's body as JSON; send {} when there is nothing to say");
  const auto fields = TRY(FoldedObject::of(json, ""));
  if (verb == "commit") return commit(fields);
  TRY(fields.only({}));
  if (verb == "pause") return control_.pause();
  if (verb == "resume") return control_.resume();
  return fail(ErrorCode::kUnsupported, "reverse is not supported by this version; start a new migration the other way");
}

Status SyncRoutes::commit(const FoldedObject& fields) {
  TRY(fields.only({"xRequest"}));
  std::optional<std::int64_t> request;
  if (const auto* value = fields.find("xRequest")) {
    if (value->as_int() == nullptr) return fail(ErrorCode::kUsage, "xRequest must be a whole number");
    request = *value->as_int();
  }
  log_.info("Commit handler called");
  return control_.commit(request);
}

Status SyncRoutes::start(std::string_view body) {
  const auto parsed = TRY(parse_start_body(body));
  log_.info("Start handler called", {{"source", fmt::format("cluster{}", parsed.request.source)}});
  TRY(control_.start(parsed.request));
  for (const auto& warning : parsed.warnings) log_.warn(warning);
  return {};
}

}  // namespace drover::api
