#include "api/agent_api.h"

#include <algorithm>

#include <fmt/format.h>

#include "api/control_api.h"
#include "api/machine_response.h"
#include "api/report_body.h"
#include "api/site_api.h"
#include "net/address_range.h"
#include "control/live_import.h"
#include "model/connection_parts.h"

namespace drover::api {
namespace {

constexpr int kProtocol = 1;
constexpr std::size_t kMaxNameBytes = 255;
constexpr std::size_t kMaxSamples = 50;
constexpr std::size_t kMaxLogLineBytes = 4096;

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

std::string text_in(const Json& object, std::string_view key) {
  const auto* value = object.find(key);
  const auto* text = value ? value->as_string() : nullptr;
  return text ? *text : std::string();
}

RestResult<std::int64_t> required_number(const Json& body, const char* field, std::int64_t low) {
  const auto* value = body.find(field);
  if (value == nullptr || value->as_int() == nullptr || *value->as_int() < low)
    return refuse(400, "INVALID_ATTRIBUTE", fmt::format("{} must be a whole number from {}.", field, low), {field});
  return *value->as_int();
}

bool has(const std::vector<std::string>& all, std::string_view one) { return std::find(all.begin(), all.end(), one) != all.end(); }

std::string all_platforms() {
  std::string text;
  for (const auto& row : sync_platforms()) text += fmt::format("{}{}", text.empty() ? "" : ", ", row.named);
  return text;
}

Json monitored_json(const control::MonitoredDeployment& one) {
  Json::Array hosts;
  for (const auto& host : one.hosts) hosts.emplace_back(host);
  const auto& how = one.credentials;
  return Json::Object{{"deploymentId", one.id},
                      {"hosts", std::move(hosts)},
                      {"authMechanismName", name_of(how.mechanism)},
                      {"username", how.username},
                      {"password", how.password},
                      {"authSource", how.auth_source},
                      {"sslEnabled", how.tls},
                      {"caCertificatePath", how.ca_path},
                      {"clientCertificatePath", how.client_certificate_path},
                      {"collectDbStats", one.collects_db_stats}};
}

}  // namespace

net::HttpResponse AgentApi::handle(const net::HttpRequest& request) {
  const auto begun = runtime_.now();
  std::string group;
  auto response = machine_response(answer(request, group), "drover agent");
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(runtime_.now() - begun).count();
  const auto level = response.status == 200 ? LogLevel::kDebug : LogLevel::kInfo;
  log_.write(level, "agent request", {{"path", request.path}, {"status", response.status}, {"millis", took}, {"peer", request.peer},
                                      {"project", group}});
  return response;
}

RestResult<RestReply> AgentApi::answer(const net::HttpRequest& request, std::string& group) {
  Call call;
  call.path = segments_of(std::string_view(request.path).substr(kAgentPrefix.size()));
  call.peer = net::host_of_peer(request.peer);
  const auto from = lockout_name(call.peer);
  const auto shown = request.header("Authorization");
  if (!logins_.admits(from, shown)) return refuse(429, "RATE_LIMITED", "Too many failed logins from this address.");
  const auto login = parse_basic(shown);
  if (login && control::is_id(login->first)) call.key = TRY_REST(parts_.keys.id_of(login->first, login->second));
  if (call.key.empty()) {
    logins_.failed(from, shown);
    return refuse(401, "AGENT_API_KEY_NOT_FOUND", "A project's id and one of its agent API keys are needed.");
  }
  logins_.succeeded(from, shown);
  group = call.group = login->first;
  if (requests_.take(group) < 0) return refuse(429, "RATE_LIMITED", fmt::format("More than {} requests in a minute.", requests_.limit()));
  if (request.method != "POST") return refuse(405, "METHOD_NOT_ALLOWED", "Everything here is POST.");
  auto json = Json::parse(request.body);
  if (!json || json->as_object() == nullptr) return refuse(400, "INVALID_JSON", "The body is not a JSON object.");
  call.body = std::move(*json);
  const auto& path = call.path;
  using Beat = control::Agents::Beat;
  if (path == std::vector<std::string>{"hello"}) return hello(call, false);
  if (path == std::vector<std::string>{"hello", "free"}) return hello(call, true);
  if (path == std::vector<std::string>{"poll"}) return poll(call, TRY_BODY(session(call, Beat::kPoll)));
  if (path == std::vector<std::string>{"monitoring"}) return monitoring(call, TRY_BODY(session(call, Beat::kSample)));
  if (path.size() == 3 && path[0] == "jobs" && control::is_id(path[1])) {
    if (path[2] == "report") return report(call, TRY_BODY(session(call, Beat::kOther)), path[1]);
    if (path[2] == "log") return log(call, TRY_BODY(session(call, Beat::kOther)), path[1]);
  }
  return refuse(404, "RESOURCE_NOT_FOUND", "There is no such resource in this protocol.");
}

RestResult<control::Agent> AgentApi::session(const Call& call, control::Agents::Beat what) {
  const auto agent_id = TRY_BODY(required_text(call.body, "agentId"));
  const auto epoch = TRY_BODY(required_number(call.body, "epoch", 1));
  auto agent = TRY_REST(parts_.agents.beat(call.group, agent_id, epoch, call.peer, call.key, what));
  if (!agent) return refuse(409, "SESSION_REPLACED", "Another process has registered for this host since.");
  return std::move(*agent);
}

RestResult<RestReply> AgentApi::hello(const Call& call, bool only_if_free) {
  if (TRY_BODY(required_number(call.body, "protocol", 1)) != kProtocol)
    return refuse(400, "UNSUPPORTED_PROTOCOL", fmt::format("This site speaks protocol {}.", kProtocol));
  control::Hello hello;
  hello.agent_id = TRY_BODY(required_text(call.body, "agentId"));
  hello.hostname = TRY_BODY(required_text(call.body, "hostname"));
  hello.version = TRY_BODY(required_text(call.body, "version"));
  hello.address = call.peer;
  hello.key = call.key;
  hello.only_if_free = only_if_free;
  for (const auto& [field, text] : {std::pair{"agentId", &hello.agent_id}, {"hostname", &hello.hostname}, {"version", &hello.version}})
    TRY_REST(control::check_text(field, *text, kMaxNameBytes));
  const auto* platform = call.body.find("platform");
  if (platform == nullptr || platform->as_object() == nullptr)
    return refuse(400, "MISSING_ATTRIBUTE", "platform must not be blank.", {"platform"});
  hello.platform = {text_in(*platform, "os"), text_in(*platform, "arch"), text_in(*platform, "distribution"), text_in(*platform, "version")};
  const auto features = TRY_BODY(text_list(call.body, "features", true));
  hello.monitoring = has(features, "monitoring");
  hello.cloud_migration = has(features, "cloudMigration");
  if (hello.cloud_migration) {
    if (const auto why = refuses_host(hello.platform))
      return refuse(403, "PLATFORM_NOT_SUPPORTED", fmt::format("{}. For sources of 6.0.8 and later: {}; for 4.4 and 5.0 any 64-bit Linux.", *why, all_platforms()));
  }
  const auto [epoch, first] = TRY_REST(parts_.agents.hello(call.group, hello));
  // The key was deleted while this call was under way: it has let nobody in.
  if (!TRY_REST(parts_.keys.exists(call.group, call.key))) {
    if (const auto agent = TRY_REST(parts_.agents.by_hostname(call.group, hello.hostname))) TRY_REST(parts_.agents.take_away(*agent, call.key));
    return refuse(401, "AGENT_API_KEY_NOT_FOUND", "The agent API key was deleted.");
  }
  if (first) TRY_REST(parts_.events.tell(call.group, "NEW_AGENT", hello.hostname));
  log_.info("an agent has registered", {{"project", call.group}, {"hostname", hello.hostname}, {"epoch", epoch}, {"peer", call.peer}});
  return RestReply{200, Json::Object{{"epoch", epoch}, {"pollSeconds", options_.poll_seconds}, {"monitoringSeconds", options_.monitoring_seconds}}};
}

RestResult<RestReply> AgentApi::poll(const Call& call, const control::Agent& agent) {
  Json::Array jobs, monitor;
  bool open = false;
  if (agent.cloud_migration) {
    for (const auto& job : TRY_REST(parts_.jobs.for_agent(call.group, agent.hostname))) {
      open = true;
      jobs.push_back(TRY_BODY(job_json(job, call.group)));
    }
  }
  if (agent.monitoring && TRY_REST(parts_.agents.monitors(agent))) {
    for (const auto& one : TRY_REST(parts_.deployments.of_project(call.group))) monitor.push_back(monitored_json(one));
  }
  return RestReply{200, Json::Object{{"jobs", std::move(jobs)}, {"monitor", std::move(monitor)}, {"pollSeconds", open ? 1 : options_.poll_seconds}}};
}

// The item as it came, with the source's connection string: members and TLS as monitoring knows them, the user of the item, or
// monitoring's where the item says that it is managed.
RestResult<Json> AgentApi::job_json(const control::AgentJob& job, const std::string& group) {
  Json::Object out{{"id", job.id}, {"kind", job.kind}, {"revision", job.item_revision}, {"desired", job.desired}};
  if (job.item.as_object() == nullptr || job.desired == "FORGET") return Json(std::move(out));
  for (const auto& [key, value] : *job.item.as_object()) {
    if (key == "source" && value.as_object()) {
      Json::Object source = *value.as_object();
      const auto deployment = TRY_REST(parts_.deployments.by_name(group, text_in(value, "clusterName")));
      if (deployment) {
        auto parts = control::source_parts(*deployment);
        const auto* managed = value.find("managedAuthentication");
        if (!(managed && managed->as_bool() && *managed->as_bool())) {
          parts.user = text_in(value, "username");
          parts.password = text_in(value, "password");
          parts.mechanism = parts.user.empty() ? AuthMechanism::kNone : AuthMechanism::kScramSha256;
          parts.any_scram = true;
          parts.auth_source.clear();
          const auto* ssl = value.find("ssl");
          parts.tls = ssl && ssl->as_bool() && *ssl->as_bool();
          parts.tls_ca_file = text_in(value, "caCertificatePath");
          parts.tls_certificate_key_file.clear();
        }
        std::erase_if(source, [](const auto& field) { return field.first == "password"; });
        source.emplace_back("connectionString", connection_string(parts));
      }
      out.emplace_back("source", std::move(source));
    } else if (key != "id" && key != "kind" && key != "revision" && key != "desired") {
      out.emplace_back(key, value);
    }
  }
  return Json(std::move(out));
}

RestResult<RestReply> AgentApi::report(const Call& call, const control::Agent& agent, const std::string& job) {
  Json::Object report;
  for (const auto& [key, value] : *call.body.as_object())
    if (key != "agentId" && key != "epoch" && key != "sequence") report.emplace_back(key, value);
  const auto max_bytes = control::kMaxReportBytes - kReportMargin;
  const auto sequence = TRY_BODY(check_report(call.body, cut_log(report, max_bytes), max_bytes));
  const auto kept = TRY_REST(parts_.jobs.report(call.group, agent.hostname, job, sequence, Json(std::move(report))));
  if (!kept) return refuse(404, "RESOURCE_NOT_FOUND", "The job is not known; forget it.");
  return RestReply{200, Json::Object{{"sequence", kept->sequence}, {"desired", kept->desired}}};
}

RestResult<RestReply> AgentApi::log(const Call& call, const control::Agent& agent, const std::string& job) {
  const auto from = TRY_BODY(required_number(call.body, "from", 0));
  auto lines = TRY_BODY(text_list(call.body, "lines", true));
  if (lines.size() > kMaxLogLinesOfCall) return refuse(400, "INVALID_ATTRIBUTE", "Too many lines at once.", {"lines"});
  for (auto& line : lines)
    if (line.size() > kMaxLogLineBytes) line.resize(kMaxLogLineBytes);
  const auto next = TRY_REST(parts_.jobs.append_log(call.group, agent.hostname, job, from, lines));
  if (!next) return refuse(404, "RESOURCE_NOT_FOUND", "The job is not known; forget it.");
  return RestReply{200, Json::Object{{"next", *next}}};
}

RestResult<RestReply> AgentApi::monitoring(const Call& call, const control::Agent& agent) {
  const auto* samples = call.body.find("samples");
  if (samples == nullptr || samples->as_array() == nullptr || samples->as_array()->size() > kMaxSamples)
    return refuse(400, "INVALID_ATTRIBUTE", fmt::format("samples must be an array of at most {}.", kMaxSamples), {"samples"});
  for (const auto& sample : *samples->as_array()) TRY_REST(parts_.deployments.take_sample(call.group, agent.version, sample));
  return RestReply{200, Json::Object{}};
}

}  // namespace drover::api
