// `drover server`: the control plane, in either or both roles. Composition only.
#include <cstdio>
#include <filesystem>
#include <optional>

#include <fmt/format.h>

#include "api/access_list_routes.h"
#include "api/control_api.h"
#include "api/event_routes.h"
#include "api/identity_routes.h"
#include "api/openapi.h"
#include "api/private_api.h"
#include "api/project_settings_routes.h"
#include "base/log.h"
#include "base/runtime.h"
#include "cli/atlas_role.h"
#include "cli/commands.h"
#include "cli/embedded_agent.h"
#include "cli/embedded_store.h"
#include "cli/manager_role.h"
#include "cli/plain_http.h"
#include "cli/port_file.h"
#include "cli/signals.h"
#include "cli/version.h"
#include "control/deletions.h"
#include "control/event_log.h"
#include "control/store_key.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "terminal/table.h"

namespace drover::cli {
namespace {

constexpr std::chrono::seconds kFarewell{5};

// Keys, access tokens and what they open would go over the network for anybody to read.
constexpr const char* kWhyTls = "and without TLS agent keys and what is answered could be read on the way. Give --tls-certificate-key-file, or "
                                "--insecure-plain-http when something else encrypts all the way to this port";

// What is answered by this process alone: documents that are the same for everybody, and the challenge to whoever shows no login. An access token is asked for by one.
bool needs_no_store(const net::HttpRequest& request) {
  if (request.path.starts_with(api::kOauthPrefix)) return false;
  return request.header("Authorization").empty() || request.path == api::kOpenApiPath || request.path == api::kAddressesPath || request.path.starts_with(api::kPrivatePrefix);
}

class ServerCommand final : public Subcommand {
 public:
  std::string_view name() const override { return "server"; }
  std::string_view summary() const override { return "The control plane: projects, links, clusters, validations and migrations"; }
  void configure(OptionSet& options) override;
  int run() override {
    const auto status = execute(stop_on_signals());
    if (status) return 0;
    return report(name(), status.error());
  }

 private:
  struct Sites;
  Status execute(const std::stop_token& stop);
  Status create_organization(control::Identity& identity);
  Status serve(control::Store& store, control::Identity& identity, const control::SealedKeys& keys, std::stop_source& store_ends, const std::stop_token& stop);

  std::string role_ = "both", data_ = "./drover-server", store_, bind_ip_ = "127.0.0.1", public_url_, port_file_, log_path_;
  std::string tls_file_, tls_ca_file_, key_file_, organization_;
  std::int64_t cutover_window_ = 120 * 3600, host_silent_ = control::kHostSilentAfter.count();
  bool local_clusters_ = false, endpoints_for_sharded_ = false, matching_versions_ = false, one_per_link_ = false;
  std::string link_ca_file_, agent_config_, agent_hostname_, inbound_, outbound_;
  bool end_engines_ = false, plain_http_ = false;
  std::int64_t events_days_ = control::kEventsKept.count() / 24;
  std::int64_t port_ = 8080, poll_seconds_ = 5, monitoring_seconds_ = 60;
  std::unique_ptr<Runtime> runtime_ = make_real_runtime();
  std::unique_ptr<Log> log_;
};

void ServerCommand::configure(OptionSet& options) {
  options.string("--role", role_, "manager: the source site's API (/api/public/v1.0); atlas: the destination's (/api/atlas)")
      .one_of({"manager", "atlas", "both"});
  options.path("--data", data_, "Directory of this server: its key file, and its store unless --store names another");
  options.uri("--store", store_, "Replica set that holds the control plane's documents; without it an embedded one is used");
  options.path("--key-file", key_file_, "The key that secrets in the store are sealed with (DIR/key). Servers on one store share it");
  options.integer("--port", port_, "Port of the HTTP API").range(0, 65535);
  options.string("--bind-ip", bind_ip_, "Addresses to listen on, with commas");
  options.string("--public-url", public_url_, "How clients reach this server, in links (http://127.0.0.1:PORT)");
  options.string("--inbound-addresses", inbound_, "IP addresses and ranges, with commas, by which clients reach this server: told by …/unauth/controlPlaneIPAddresses");
  options.string("--outbound-addresses", outbound_, "The same of those from which this server calls the clusters of its projects");
  options.path("--tls-certificate-key-file", tls_file_, "PEM file with certificate and key: serve HTTPS");
  options.flag("--insecure-plain-http", plain_http_, "Listen beyond loopback without TLS all the same, as behind a proxy on this host that speaks it");
  options.path("--tls-ca-file", tls_ca_file_, "Clients must show a certificate of this authority");
  options.path("--link-ca-file", link_ca_file_, "Authority of the certificates of the Atlas sites that link-tokens name (the system's)");
  options.integer("--agent-poll-seconds", poll_seconds_, "How often agents ask for work while they have none").range(1, 300);
  options.integer("--monitoring-seconds", monitoring_seconds_, "How often agents sample what is monitored").range(5, 3600);
  auto agent = options.path("--agent-config", agent_config_,
                            "Be an agent and migration host, too, with this configuration (drover agent -f); it is waited for until it is there");
  options.string("--agent-hostname", agent_hostname_, "How the host of that agent is called, instead of its own name").needs(agent);
  options.flag("--end-engines", end_engines_, "End that agent's engines with this process, for rehearsals; else the next start takes them over")
      .needs(agent);
  options.path("--port-file", port_file_, "Write the port to this file once it listens");
  options.path("--log", log_path_, "File for the log, JSON lines (standard error)");
  options.flag("--local-clusters", local_clusters_, "Run the clusters that clients create on this machine, as embedded servers, for rehearsals");
  options.integer("--cutover-window-seconds", cutover_window_, "How long a migration that is ready waits for its cutover before it expires; 120 hours")
      .range(1, 10'000'000);
  options.integer("--host-silent-seconds", host_silent_, "How long a migration host may tell nothing before its migration is said to wait for it; it reports every 10 seconds")
      .range(15, 86'400);
  options.integer("--events-kept-days", events_days_, "How long events are kept").range(1, 36'500);
  options.flag("--private-endpoints-for-sharded", endpoints_for_sharded_, "Allow private endpoints for sharded clusters, as newer documents do");
  options.flag("--matching-versions", matching_versions_, "Refuse migrations between different feature compatibility versions");
  options.flag("--one-migration-per-link", one_per_link_, "Run the migrations of a linked organization one at a time");
  options.string("--create-organization", organization_,
                 "Make an organization and an owner's API key, print both as one JSON object, and end. The private key is "
                 "shown this once");
  options.description(
      "Keeps everything in a MongoDB deployment. Callers authenticate with programmatic API keys (HTTP digest), as with "
      "Atlas and Cloud Manager. Beyond loopback it listens with TLS only, unless --insecure-plain-http is given.");
  options.example("drover server --data /var/lib/drover --create-organization Shop", "the first key");
  options.example("drover server --data /var/lib/drover --port 8080");
  options.example("drover server --data /var/lib/drover --agent-config /etc/drover/agent.config", "both sites and the migration host in one process");
  options.example("curl http://127.0.0.1:8080/api/atlas/v2/orgs --digest --user PUBLIC:PRIVATE "
                  "--header 'Accept: application/vnd.atlas.2025-03-12+json'");
}

Status ServerCommand::execute(const std::stop_token& stop) {
  if (!agent_config_.empty() && role_ == "atlas")
    return fail(ErrorCode::kUsage, "--agent-config needs the role manager: agents belong to the source's site");
  if (!public_url_.empty()) TRY_WITH(net::parse_url(public_url_), "--public-url");
  while (public_url_.ends_with('/')) public_url_.pop_back();
  if (tls_file_.empty() && !plain_http_) TRY(check_loopback("--bind-ip", bind_ip_, kWhyTls));
  log_ = TRY(open_log(log_path_.empty() ? "-" : log_path_, LogLevel::kInfo));
  if (tls_file_.empty() && plain_http_) log_->warn("plain HTTP may be read and changed on its way", {{"bindIp", bind_ip_}});
  std::error_code failed;
  std::filesystem::create_directories(data_, failed);
  if (failed) return fail(ErrorCode::kUnsupported, fmt::format("creating --data {}: {}", data_, failed.message()));
  std::filesystem::permissions(data_, std::filesystem::perms::owner_all, failed);
  const auto keys = TRY(control::SealedKeys::open(key_file_.empty() ? data_ + "/key" : key_file_));
  std::stop_source store_ends;
  auto embedded = TRY(EmbeddedStore::open(data_, store_, keys, *runtime_, *log_, store_ends.get_token()));
  control::Store store(embedded.deployment(), *runtime_);
  if (auto opened = store.open(); !opened) {
    constexpr int kUnauthorized = 13, kAuthenticationFailed = 18;
    auto error = std::move(opened).error().with_context("opening the control plane's store");
    const bool refused = error.server_code == kUnauthorized || error.server_code == kAuthenticationFailed;
    return tl::unexpected(refused ? std::move(error).with_code(ErrorCode::kUnsupported) : std::move(error));
  }
  TRY_WITH(control::bind_key(store, keys), "opening the control plane's store");
  control::Identity identity(store, keys, *runtime_);
  if (!organization_.empty()) return create_organization(identity);
  return serve(store, identity, keys, store_ends, stop);
}

Status ServerCommand::create_organization(control::Identity& identity) {
  // Told before it is there: whoever was not told, because this was killed or the disk is full, has no organization that nobody can get into, and asks again.
  TRY(identity.found_organization(organization_, "first owner", {"ORG_OWNER"}, "", [this](const control::Identity::Founded& made) -> Status {
    fmt::print("{}\n", Json(Json::Object{{"orgId", made.org.id}, {"publicKey", made.key.public_key}, {"privateKey", made.key.private_key}}).dump());
    if (std::fflush(stdout) != 0) return fail(ErrorCode::kFailure, "the key could not be written to the standard output; no organization was made");
    runtime_->reached("server.before_organization");
    return {};
  }));
  return {};
}

// What answers requests; made when the port is known. Both roles are there in any case: what is deleted goes whole, also on a store where each role has a process of
// its own. Only those that this process has are served.
struct ServerCommand::Sites {
  bool serves_atlas = false, serves_manager = false;
  std::unique_ptr<api::ControlApi> control;
  std::unique_ptr<AtlasRole> atlas;
  std::unique_ptr<ManagerRole> manager;
  std::unique_ptr<api::PrivateApi> private_api;

  net::HttpResponse handle(const net::HttpRequest& request) const {
    if (serves_atlas && request.path.starts_with(api::kSitePrefix)) return atlas->handle_site(request);
    if (serves_manager && request.path.starts_with(api::kAgentPrefix)) return manager->handle_agent(request);
    if (serves_atlas && request.path.starts_with(api::kOauthPrefix)) return atlas->handle_oauth(request);
    if (request.path.starts_with(api::kPrivatePrefix) || (serves_atlas && request.path == api::kAddressesPath)) return private_api->handle(request);
    return control->handle(request);
  }
};

// `store_ends`: what is under way when the process is to end may still use the store for kFarewell; one that does not answer keeps it no longer.
Status ServerCommand::serve(control::Store& store, control::Identity& identity, const control::SealedKeys& keys, std::stop_source& store_ends,
                            const std::stop_token& stop) {
  std::unique_ptr<Runtime::Thread> farewell;  // outlives what uses the store
  net::HttpServer::Options http;
  http.bind_ip = bind_ip_;
  http.port = static_cast<int>(port_);
  http.tls_certificate_key_file = tls_file_;
  http.tls_ca_file = tls_ca_file_;
  http.never_waits = needs_no_store;
  const bool atlas = role_ != "manager", manager = role_ != "atlas";
  control::Events events(store, *runtime_);
  control::EventLog audit(store, *runtime_);
  control::ProjectSettingsRecords settings(store);
  Sites sites{.serves_atlas = atlas, .serves_manager = manager, .control = nullptr, .atlas = nullptr, .manager = nullptr, .private_api = nullptr};
  control::Deletions::Parts forget;
  forget.forget_project = [&sites, &settings](const std::string& group) -> Status {
    TRY(sites.manager->forget_project(group));
    TRY(sites.atlas->forget_project(group));
    return settings.forget(group);
  };
  forget.forget_organization = [&sites](const std::string& org, const std::string& but) -> Status {
    TRY(sites.manager->forget_organization(org));
    return sites.atlas->forget_organization(org, but);
  };
  forget.projects_of_agent_keys = [&sites] { return sites.manager->projects_of_agent_keys(); };
  control::Deletions deletions(identity, std::move(forget), *runtime_, *log_);
  auto inbound = TRY_WITH(api::parse_addresses(inbound_), "--inbound-addresses");
  auto outbound = TRY_WITH(api::parse_addresses(outbound_), "--outbound-addresses");
  sites.private_api = std::make_unique<api::PrivateApi>(version_text(), "8.0", api::ControlPlaneAddresses{std::move(inbound), std::move(outbound)});
  std::atomic<const Sites*> ready{nullptr};
  const auto server = TRY(net::HttpServer::start(http, [&](const net::HttpRequest& request) {
    if (const auto* all = ready.load()) return all->handle(request);
    net::HttpResponse starting;
    starting.status = 503;
    starting.headers.emplace_back("Retry-After", "5");
    starting.body = R"({"error":503,"errorCode":"SERVICE_UNAVAILABLE","reason":"Service Unavailable"})";
    return starting;
  }, *log_));
  api::ControlApi::Options options;
  options.public_url = !public_url_.empty() ? public_url_
                                            : fmt::format("{}://127.0.0.1:{}", tls_file_.empty() ? "http" : "https", server->port());
  options.nonce_key = keys.hash("digest nonces");
  options.version = version_text();
  options.tell = [&audit](const Json::Object& event) { return audit.tell(event); };
  api::RouteTable routes;
  options.deletions = &deletions;
  api::IdentityHooks hooks;
  hooks.may_delete_project = [&sites](const std::string& group) -> api::RestResult<int> {
    TRY_BODY(sites.atlas->may_delete_project(group));
    return sites.manager->may_delete_project(group);
  };
  hooks.count_clusters = [&sites](const std::vector<std::string>& groups) -> Result<std::map<std::string, std::int64_t>> {
    return sites.atlas->count_clusters(groups);
  };
  hooks.may_delete_organization = [&sites](const std::string& org) { return sites.manager->may_delete_organization(org); };
  hooks.monitored_facts = [&sites](const std::vector<std::string>& groups) { return sites.manager->monitored_facts(groups); };
  hooks.project_of_agent_key = [&sites](const std::string& key) { return sites.manager->project_of_agent_key(key); };
  hooks.give_account_project = [&sites](const control::Project& project, const std::string& account) { return sites.atlas->give_account_project(project, account); };
  api::add_identity_routes(routes, identity, deletions, std::move(hooks));
  api::add_key_access_list_routes(routes, identity);
  api::add_event_routes(routes, events);
  api::add_project_settings_routes(routes, settings);
  sites.atlas = std::make_unique<AtlasRole>(store, keys, identity, *runtime_, *log_,
                                              AtlasRole::Options{.imports = {.cutover_window = std::chrono::seconds(cutover_window_),
                                                                             .host_silent_after = std::chrono::seconds(host_silent_),
                                                                             .one_migration_per_link = one_per_link_},
                                                                 .policy = {.private_endpoints_for_sharded = endpoints_for_sharded_,
                                                                            .matching_versions = matching_versions_,
                                                                            .one_migration_per_link = one_per_link_},
                                                                 .local_directory = atlas && local_clusters_ ? data_ : "",
                                                                 .host_id = atlas ? TRY(LocalClusters::host_id(data_, *runtime_)) : "",
                                                                 .stop = stop});
  sites.manager = std::make_unique<ManagerRole>(store, keys, identity, *runtime_, *log_,
                                                ManagerRole::Options{link_ca_file_, static_cast<int>(poll_seconds_), static_cast<int>(monitoring_seconds_)});
  if (atlas) {
    options.families = {api::Family::kAtlasV2, api::Family::kAtlasV1};
    sites.atlas->add_routes(routes);
    options.bearer = [&sites](const std::string& token) { return sites.atlas->caller_of_token(token); };
  }
  if (manager) {
    options.families.push_back(api::Family::kCloudManager);
    sites.manager->add_routes(routes);
  }
  options.families.push_back(api::Family::kExt);
  sites.control = std::make_unique<api::ControlApi>(std::move(routes), identity, *runtime_, *log_, options);
  ready = &sites;
  std::unique_ptr<Runtime::Thread> atlas_thread, clusters_thread, measuring_thread;
  const auto events_thread = runtime_->spawn("events", [&](const std::stop_token& ending) { events.keep_for(std::chrono::hours(24 * events_days_), *log_, ending); });
  if (sites.atlas->has_local_clusters())
    clusters_thread = runtime_->spawn("clusters", [&](const std::stop_token& ending) { sites.atlas->run_clusters(ending); });
  if (atlas) atlas_thread = runtime_->spawn("atlas", [&](const std::stop_token& ending) { sites.atlas->run(ending); });
  if (atlas) measuring_thread = runtime_->spawn("measuring", [&](const std::stop_token& ending) { sites.atlas->measure(ending); });
  if (manager) sites.manager->start();
  const auto deletions_thread = runtime_->spawn("deletions", [&](const std::stop_token& ending) { deletions.run(ending); });
  std::optional<EmbeddedAgent> agent;
  std::unique_ptr<Runtime::Thread> agent_thread;
  if (!agent_config_.empty()) {
    agent::Contact::Tell tell;
    if (!log_path_.empty()) tell = [](std::string_view sentence) { fmt::print(stderr, "drover server: its agent: {}\n", terminal::printable(sentence)); };
    agent.emplace(EmbeddedAgent::Options{agent_config_, data_ + "/agent", agent_hostname_, end_engines_, std::move(tell)}, *runtime_, *log_);
    agent_thread = runtime_->spawn("agent", [&](const std::stop_token& ending) { agent->run(ending); });
  }
  TRY(write_port_file(port_file_, server->port(), "--port-file"));
  fmt::print("drover server: ready on {}\n", options.public_url);
  std::fflush(stdout);
  while (runtime_->sleep(std::chrono::hours(1), stop)) {
  }
  farewell = runtime_->spawn("farewell", [&](const std::stop_token& ended) {
    if (runtime_->sleep(kFarewell, ended)) store_ends.request_stop();
  });
  agent_thread.reset();  // it speaks to this very server
  server->stop();
  return {};
}

}  // namespace

std::unique_ptr<Subcommand> make_server_command() { return std::make_unique<ServerCommand>(); }

}  // namespace drover::cli
