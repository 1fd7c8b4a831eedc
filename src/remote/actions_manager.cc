// What is done at a manager site in more than one request.
#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "remote/actions.h"
#include "remote/answer_error.h"
#include "remote/json_path.h"
#include "remote/private_file.h"
#include "remote/waiting.h"

namespace drover::remote {
namespace {

constexpr const char* kLoginFailed = "X_HOST_MONITORING_LOGIN_FAILED";

std::string key_description(const std::string& hostname, bool migrates) { return (migrates ? "migration host " : "monitoring agent ") + hostname; }

Outcome one(Json value) {
  Outcome outcome;
  outcome.value = std::move(value);
  return outcome;
}

Outcome nothing(std::string remark) {
  Outcome outcome;
  outcome.shape = Shape::kNothing;
  outcome.remark = std::move(remark);
  return outcome;
}

// What a site answers becomes lines of a file that an agent obeys: nothing that could be another line.
bool is_word(std::string_view text) {
  constexpr std::string_view kBeside = "-_.";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || kBeside.find(c) != std::string_view::npos;
  });
}

Result<std::vector<Json>> hosts_of(Session& session, const std::string& deployment) {
  auto call = session.call_to("GET", Api::kManager, TRY(session.path_of("/groups/{groupId}/hosts")));
  if (!deployment.empty()) call.query.emplace_back("clusterId", deployment);
  return session.list(call);
}

Status check_login(Session& session, const std::string& name) {
  const auto alerts = TRY(session.list(session.call_to("GET", Api::kManager, TRY(session.path_of("/groups/{groupId}/alerts")))));
  for (const auto& alert : alerts) {
    if (text_at(alert, "eventTypeName") != kLoginFailed || text_at(alert, "hostnameAndPort") != name) continue;
    return fail(ErrorCode::kSource, fmt::format("{}: {} ({}); `drover deployment set-credentials` gives others", name, text_at(alert, "detail"), kLoginFailed));
  }
  return {};
}

}  // namespace

Result<Outcome> add_deployment(Session& session) {
  auto added = TRY(session.call(TRY(session.request())));
  if (!session.flag("--wait")) return one(std::move(added));
  const auto host = text_at(added, "id"), name = expand(added, "{hostname}:{port}");
  const auto project = TRY(session.project());
  const auto path = fmt::format("/groups/{}/clusters/{}", project, url_encoded(text_at(added, "clusterId")));
  std::string last_error;
  auto waited = wait_for(session, std::chrono::seconds(session.number("--within")), fmt::format("the first sample of {}", name),
                         [&]() -> Result<std::optional<Json>> {
                           auto seen = TRY(session.call(session.call_to("GET", Api::kManager, path)));
                           TRY(check_login(session, text_at(seen, "clusterName")));
                           last_error = text_at(seen, "lastError");
                           if (text_at(seen, "lastHeartbeat").empty()) return std::optional<Json>();
                           return std::optional(std::move(seen));
                         });
  if (!waited && waited.error().code == ErrorCode::kTimedOut)
    waited.error().message += last_error.empty() ? "; no agent has tried it yet: `drover host agents` shows those that run" : "; the last attempt: " + last_error;
  return one(TRY(std::move(waited)));
}

// The credentials are the deployment's; they are set by way of one of its members.
Result<Outcome> set_deployment_credentials(Session& session) {
  const auto deployment = TRY(session.id_of(Thing::kDeployment, session.text("DEPLOYMENT")));
  const auto hosts = TRY(hosts_of(session, deployment));
  if (hosts.empty()) return tl::unexpected(not_found(fmt::format("the deployment {} has no host", session.text("DEPLOYMENT"))));
  auto call = session.call_to("PATCH", Api::kManager, TRY(session.path_of("/groups/{groupId}/hosts/")) + url_encoded(text_at(hosts.front(), "id")));
  const bool on = session.flag("--tls"), off = session.flag("--no-tls");
  if (on && off) return fail(ErrorCode::kUsage, "--tls and --no-tls exclude each other");
  auto body = *TRY(session.body()).as_object();
  if (!on) std::erase_if(body, [](const auto& field) { return field.first == "sslEnabled"; });  // the site leaves it as it is
  if (off) body.emplace_back("sslEnabled", false);
  call.body = Json(std::move(body));
  return one(TRY(session.call(call)));
}

// It goes with its last member.
Result<Outcome> remove_deployment(Session& session) {
  const auto& given = session.text("DEPLOYMENT");
  const auto deployment = TRY(session.id_of(Thing::kDeployment, given));
  const auto hosts = TRY(hosts_of(session, deployment));
  if (hosts.empty()) return tl::unexpected(not_found(fmt::format("there is no deployment {} in this project; `drover deployment list` shows what there is", given)));
  const auto path = TRY(session.path_of("/groups/{groupId}/hosts/"));
  for (const auto& host : hosts) {
    const auto removed = session.call(session.call_to("DELETE", Api::kManager, path + url_encoded(text_at(host, "id"))));
    if (!removed && removed.error().server_code != 404) return tl::unexpected(removed.error());
  }
  return nothing(fmt::format("The deployment {} is not monitored any more ({} host{}).", given, hosts.size(), hosts.size() == 1 ? "" : "s"));
}

Result<Outcome> list_hosts(Session& session) {
  const auto& given = session.text("--deployment");
  Outcome outcome;
  outcome.shape = Shape::kList;
  outcome.list = TRY(hosts_of(session, given.empty() ? "" : TRY(session.id_of(Thing::kDeployment, given))));
  return outcome;
}

// The agent's configuration file, with a key of its own: whoever has the file is a migration host of the project.
Result<Outcome> provision_host(Session& session) {
  const auto& hostname = session.text("HOSTNAME");
  const bool migrates = !session.flag("--monitoring-only");
  const auto project = TRY(session.project());
  const auto path = fmt::format("/groups/{}/agentapikeys", project);
  for (const auto& key : TRY(session.list(session.call_to("GET", Api::kManager, path)))) {
    if (text_at(key, "desc") != key_description(hostname, migrates)) continue;
    return fail(ErrorCode::kWrongState, fmt::format("{} is provisioned already (agent key {}); its key is shown only once. `drover host unprovision {}` locks it "
                                                    "out, then provision it again", hostname, text_at(key, "_id"), hostname));
  }
  auto call = session.call_to("POST", Api::kManager, path);
  call.body = Json(Json::Object{{"desc", key_description(hostname, migrates)}});
  auto outcome = one(TRY(session.call(call)));
  const auto& login = session.login();
  if (!is_word(project) || !is_word(text_at(outcome.value, "key")))
    return fail(ErrorCode::kFailure, "the site answered an agent key that is not one word of letters and digits; no configuration was made of it");
  outcome.text = fmt::format("mmsGroupId={}\nmmsApiKey={}\nmmsBaseUrl={}\n", project, text_at(outcome.value, "key"), login.site);
  if (migrates) outcome.text += "agentFeatureCloudMigrationEnabled=true\n";
  if (!login.ca_file.empty()) outcome.text += fmt::format("httpsCAFile={}\n", login.ca_file);
  if (const auto& log = session.text("--log-file"); !log.empty()) outcome.text += fmt::format("logFile={}\n", log);
  outcome.remark = fmt::format("This is the configuration of the agent on {0}, with a key that is shown this once. There: drover agent -f FILE --data DIR --hostname {0}", hostname);
  return outcome;
}

Result<Outcome> unprovision_host(Session& session) {
  const auto& hostname = session.text("HOSTNAME");
  const auto path = TRY(session.path_of("/groups/{groupId}/agentapikeys"));
  std::size_t removed = 0;
  for (const auto& key : TRY(session.list(session.call_to("GET", Api::kManager, path)))) {
    const auto what = text_at(key, "desc");
    if (what != key_description(hostname, true) && what != key_description(hostname, false)) continue;
    auto call = session.call_to("DELETE", Api::kManager, path + "/" + url_encoded(text_at(key, "_id")));
    if (session.flag("--force")) call.query.emplace_back("force", "true");
    TRY(session.call(call));
    ++removed;
  }
  if (removed == 0)
    return tl::unexpected(not_found(fmt::format("no host {} was provisioned by this command; `drover agent-key list` shows the keys that agents use", hostname)));
  return nothing(fmt::format("The agent of {} is locked out. Stop it there; an engine that it left running ends with SIGTERM.", hostname));
}

Result<Outcome> connect_link(Session& session) {
  const auto& file = session.text("--token-file");
  auto token = TRY(read_file(file.empty() ? "-" : file, "a link-token", Secrecy::kSecret, session.around().stop));
  if (token.starts_with('{')) {  // what `drover link create-token --json` prints
    const auto json = Json::parse(token);
    token = json ? text_at(*json, "linkToken") : "";
  }
  if (token.empty() || token.find_first_of(" \t\r\n") != std::string::npos)
    return fail(ErrorCode::kUsage, "what was read is not a link-token: it is one word, as `drover link create-token` prints it");
  auto call = TRY(session.request());
  call.body = Json(Json::Object{{"linkToken", token}});
  auto outcome = one(TRY(session.call(call)));
  if (text_at(outcome.value, "status") == "SYNCED") return outcome;
  const auto why = session.call(session.call_to("GET", Api::kExt, call.path + "/status"));
  const auto problem = why ? text_at(*why, "problem") : std::string();
  outcome.remark = fmt::format("Not synchronised yet{}. It is tried again; `drover link status` tells.",
                               problem.empty() ? ": the Atlas site that the token names may not be reached from the manager site" : ": " + problem);
  return outcome;
}

}  // namespace drover::remote
