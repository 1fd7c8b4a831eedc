#include "api/monitoring_routes.h"

#include <algorithm>
#include <array>
#include <memory>

#include <fmt/format.h>

#include "api/monitoring_json.h"
#include "control/clusters.h"
#include "net/address_range.h"

namespace drover::api {
namespace {

using control::Access;
const std::vector<Family> kManager{Family::kCloudManager};

std::string text_in(const Json& object, std::string_view key) {
  const auto* value = object.find(key);
  const auto* text = value ? value->as_string() : nullptr;
  return text ? *text : std::string();
}

tl::unexpected<RestError> bad_field(std::string_view code, std::string_view field, std::string why) {
  RestError error{400, std::string(code), fmt::format("{} {}.", field, why), {std::string(field)}, {}};
  error.fields.emplace_back(field, std::move(why));
  return tl::unexpected(std::move(error));
}

// Which fields a body may have; others are refused by name, so that nothing that was asked for is silently left out.
RestResult<int> only(const Json& body, std::initializer_list<std::string_view> known) {
  for (const auto& [key, value] : *body.as_object())
    if (std::find(known.begin(), known.end(), key) == known.end()) return bad_field("INVALID_ATTRIBUTE", key, "is not supported here");
  return 0;
}

RestResult<bool> flag(const Json& body, std::string_view field, bool otherwise) {
  const auto* value = body.find(field);
  if (value == nullptr || value->is_null()) return otherwise;
  if (value->as_bool() == nullptr) return bad_field("INVALID_ATTRIBUTE", field, "must be true or false");
  return *value->as_bool();
}

RestResult<control::MonitoringCredentials> credentials_of(const Json& body) {
  control::MonitoringCredentials how;
  const auto name = text_in(body, "authMechanismName");
  if (name == "MONGODB-OIDC" || name == "OIDC")
    return bad_field("INVALID_ENUM_VALUE", "authMechanismName", "must not be OIDC: a live migration accepts SCRAM only, and an agent cannot log in by OIDC");
  const auto mechanism = auth_mechanism_of(name.empty() ? "NONE" : name);
  if (!mechanism)
    return bad_field("INVALID_ENUM_VALUE", "authMechanismName", "must be one of NONE, SCRAM-SHA-1, SCRAM-SHA-256, MONGODB-X509, PLAIN (LDAP), GSSAPI (Kerberos)");
  how.mechanism = *mechanism;
  how.username = text_in(body, "username");
  how.password = text_in(body, "password");
  how.auth_source = text_in(body, "authSource");
  how.tls = TRY_BODY(flag(body, "sslEnabled", false));
  how.ca_path = text_in(body, "caCertificatePath");
  how.client_certificate_path = text_in(body, "clientCertificatePath");
  TRY_REST(control::check_credentials(how));
  return how;
}

Json with_tls_of(const control::MonitoringCredentials& known, const Json& body) {
  auto fields = *body.as_object();
  const auto named = [&](const char* field) {
    const auto* value = body.find(field);
    return value != nullptr && !value->is_null();
  };
  const auto keep = [&](const char* field, Json value) {
    std::erase_if(fields, [&](const auto& one) { return one.first == field; });
    fields.emplace_back(field, std::move(value));
  };
  const bool stays = known.tls && !named("sslEnabled");
  if (stays) keep("sslEnabled", true);
  if (stays && !named("caCertificatePath")) keep("caCertificatePath", known.ca_path);
  return fields;
}

class MonitoringRoutes {
 public:
  explicit MonitoringRoutes(MonitoringParts parts) : parts_(parts) {}

  // ---- agent API keys

  RestResult<RestReply> create_key(const RestRequest& request) const {
    TRY_BODY(only(request.body, {"desc"}));
    const auto description = TRY_BODY(required_text(request.body, "desc"));
    const auto key = TRY_REST(parts_.keys.create(request.name("groupId"), description, request.caller->id, request.peer));
    return RestReply{200, key_json(key)};
  }
  RestResult<RestReply> list_keys(const RestRequest& request) const {
    Json::Array all;
    for (const auto& key : TRY_REST(parts_.keys.list(request.name("groupId")))) all.push_back(key_json(key));
    return RestReply{200, Json(std::move(all)), true};
  }
  RestResult<RestReply> delete_key(const RestRequest& request) const {
    const auto& id = request.name("keyId");
    const auto force = request.query.find("force");
    const bool forced = force != request.query.end() && force->second == "true";
    const auto removed = TRY_REST(parts_.removals.remove_key(request.name("groupId"), id,
                                                             forced ? control::SourceRemovals::How::kForced : control::SourceRemovals::How::kUnlessNeeded));
    if (!removed.needed_by.empty())
      return needed("MIGRATION_HOST_IN_USE", fmt::format("The agent API key {} is that of a migration host and", id), removed.needed_by,
                    " force=true deletes the key all the same, and leaves them without their host: for a key that strangers have.");
    if (!removed.there)
      return refuse(404, "AGENT_API_KEY_NOT_FOUND", fmt::format("No agent API key with ID {} exists.", id), {id});
    return RestReply{204, {}};
  }

  // ---- agents

  RestResult<RestReply> list_agents(const RestRequest& request) const {
    Json::Array all;
    for (const char* type : {"MONITORING", "AUTOMATION"})
      for (auto& agent : TRY_BODY(agents_of(request, type))) all.push_back(std::move(agent));
    return paged(request, std::move(all));
  }
  RestResult<RestReply> list_agents_of_type(const RestRequest& request) const {
    const auto& type = request.name("type");
    if (type != "MONITORING" && type != "AUTOMATION" && type != "BACKUP")
      return refuse(400, "INVALID_AGENT_TYPE_NAME", fmt::format("An invalid agent type name {} was specified.", type), {type});
    return paged(request, TRY_BODY(agents_of(request, type)));
  }

  // ---- hosts

  RestResult<RestReply> add_host(const RestRequest& request) const {
    TRY_BODY(may_name_files(request, nullptr));
    TRY_BODY(only(request.body, {"hostname", "port", "authMechanismName", "username", "password", "authSource", "sslEnabled", "caCertificatePath",
                                 "clientCertificatePath", "alertsEnabled", "logsEnabled", "profilerEnabled", "clusterName"}));
    for (const char* field : {"logsEnabled", "profilerEnabled"})
      if (TRY_BODY(flag(request.body, field, false))) return bad_field("INVALID_ATTRIBUTE", field, "must be false: logs and profiles hold data of users");
    const auto hostname = TRY_BODY(required_text(request.body, "hostname"));
    const auto* port = request.body.find("port");
    if (port == nullptr || port->as_int() == nullptr || *port->as_int() < 1 || *port->as_int() > 65535)
      return bad_field("INVALID_HOST_PORT", "port", "must be a number from 1 to 65535");
    const auto how = TRY_BODY(credentials_of(request.body));
    const auto name = fmt::format("{}:{}", hostname.find(':') == std::string::npos ? hostname : "[" + hostname + "]", *port->as_int());
    if (hostname.find(':') != std::string::npos && !net::AddressRange::parse(hostname)) return bad_field("INVALID_HOSTNAME", "hostname", "is not a host's name or address; its port is port");
    if (!is_host_and_port(name)) return bad_field("INVALID_HOSTNAME", "hostname", "is not a host's name or address");
    auto added = parts_.deployments.add(request.name("groupId"), text_in(request.body, "clusterName"), {name}, how);
    if (!added && added.error().code == ErrorCode::kWrongState) return refuse(409, "DUPLICATE_CLUSTER_NAME", added.error().message, {name});
    const auto deployment = TRY_REST(std::move(added));
    const auto host = TRY_REST(parts_.deployments.host(deployment.group, control::Deployments::host_id(deployment.group, name)));
    if (!host) return refuse(409, "CONFLICT", "The host was removed while it was added. Try again.");
    return RestReply{201, host_json(request, *host, &deployment), false, {{"hostname", host->hostname}, {"port", host->port}, {"hostId", host->id}}};
  }
  RestResult<RestReply> list_hosts(const RestRequest& request) const {
    const auto cluster = request.query.find("clusterId");
    if (cluster != request.query.end() && !control::is_id(cluster->second))
      return refuse(404, "INVALID_CLUSTER_ID", fmt::format("An invalid cluster ID {} was specified.", cluster->second), {cluster->second});
    const auto deployments = TRY_REST(parts_.deployments.of_project(request.name("groupId")));
    Json::Array all;
    const auto of_one = cluster == request.query.end() ? std::string() : cluster->second;
    for (const auto& host : TRY_REST(parts_.deployments.hosts(request.name("groupId"), of_one, request.page))) all.push_back(host_json(request, host, of(deployments, host.deployment)));
    return RestReply{200, page_of(request, std::move(all), TRY_REST(parts_.deployments.count_hosts(request.name("groupId"), of_one)))};
  }
  RestResult<RestReply> get_host(const RestRequest& request) const { return one_host(request, request.name("hostId")); }
  RestResult<RestReply> get_host_by_name(const RestRequest& request) const {
    const auto& name = request.name("hostAndPort");
    const auto id = control::Deployments::host_id(request.name("groupId"), name);
    if (!TRY_REST(parts_.deployments.host(request.name("groupId"), id)))
      return refuse(404, "HOSTNAME_AND_PORT_NOT_FOUND", fmt::format("No host {} exists in group {}.", name, request.name("groupId")), {name, request.name("groupId")});
    return one_host(request, id);
  }
  RestResult<RestReply> change_host(const RestRequest& request) const {
    TRY_BODY(only(request.body, {"authMechanismName", "username", "password", "authSource", "sslEnabled", "caCertificatePath", "clientCertificatePath", "hostname", "port"}));
    const auto host = TRY_BODY(found_host(request, request.name("hostId")));
    // A client sends both, also when it has nothing to say with them.
    if (const auto* name = request.body.find("hostname"); name != nullptr && (name->as_string() == nullptr || (!name->as_string()->empty() && *name->as_string() != host.hostname)))
      return bad_field("INVALID_ATTRIBUTE", "hostname", "cannot be changed");
    if (const auto* port = request.body.find("port"); port != nullptr && (port->as_int() == nullptr || (*port->as_int() != 0 && *port->as_int() != host.port)))
      return bad_field("INVALID_ATTRIBUTE", "port", "cannot be changed");
    const auto has = [&](const char* field) { return request.body.find(field) != nullptr; };
    constexpr std::array kCredentials{"authMechanismName", "username", "password", "authSource", "sslEnabled", "caCertificatePath", "clientCertificatePath"};
    if (std::ranges::none_of(kCredentials, has)) return one_host(request, host.id);
    // Who logs in is replaced as a whole: who names a part of it must not lose the rest unawares. How the deployment is reached, by TLS or not, stays as it was
    // where it is not named.
    if (!has("authMechanismName") && !has("username")) return bad_field("INVALID_ATTRIBUTE", "authMechanismName", "must be given, with everything that belongs to it: credentials are replaced as a whole");
    const auto deployment = TRY_REST(parts_.deployments.find(host.group, host.deployment));
    if (!deployment) return one_host(request, host.id);  // gone: it says so
    TRY_BODY(may_name_files(request, &*deployment));
    TRY_REST(parts_.deployments.set_credentials(host.group, host.deployment, TRY_BODY(credentials_of(with_tls_of(deployment->credentials, request.body)))));
    return one_host(request, host.id);
  }
  RestResult<RestReply> delete_host(const RestRequest& request) const {
    const auto host = TRY_BODY(found_host(request, request.name("hostId")));
    using Last = control::Deployments::Last;
    const auto removed = TRY_REST(parts_.removals.remove_host(host.group, host.id, owns(request) ? Last::kGoes : Last::kStaysOnceSeen));
    if (removed.last)
      return refuse(403, "USER_UNAUTHORIZED", "Only an owner of the project takes away a deployment that monitoring has seen, with its last host: another one could be called as it "
                    "was, and be migrated in its place.");
    if (!removed.needed_by.empty())
      return needed("DEPLOYMENT_IN_USE", fmt::format("The deployment of the host {}:{}", host.hostname, host.port), removed.needed_by);
    return RestReply{204, {}, false, {{"hostname", host.hostname}, {"port", host.port}}};
  }

  // ---- clusters

  RestResult<RestReply> list_clusters(const RestRequest& request) const {
    Json::Array all;
    for (const auto& one : TRY_REST(parts_.deployments.of_project(request.name("groupId")))) all.push_back(cluster_json(request, one));
    return paged(request, std::move(all));
  }
  RestResult<RestReply> get_cluster(const RestRequest& request) const {
    const auto& id = request.name("clusterId");
    const auto found = TRY_REST(parts_.deployments.find(request.name("groupId"), id));
    if (!found) return refuse(404, "CLUSTER_NOT_FOUND", fmt::format("No cluster with ID {} exists in group {}.", id, request.name("groupId")), {id, request.name("groupId")});
    return RestReply{200, cluster_json(request, *found)};
  }

  // ---- measurements

  RestResult<RestReply> measurements(const RestRequest& request) const {
    const auto host = TRY_BODY(found_host(request, request.name("hostId")));
    const auto query = TRY_BODY(parse_measurement_query(Measured::kHost, request, now_millis()));
    const auto points = TRY_REST(parts_.deployments.measurements().of_host(host.id, query.start, query.end));
    return RestReply{200, measured(request, host, "", measurements_json(Measured::kHost, query, points))};
  }

  RestResult<RestReply> list_databases(const RestRequest& request) const {
    const auto host = TRY_BODY(found_host(request, request.name("hostId")));
    Json::Array all;
    for (const auto& name : host.databases) all.push_back(part_json(request, host, "databaseName", "databases", name));
    return paged(request, std::move(all));
  }
  RestResult<RestReply> get_database(const RestRequest& request) const {
    const auto host = TRY_BODY(found_host(request, request.name("hostId")));
    return RestReply{200, part_json(request, host, "databaseName", "databases", TRY_BODY(found_database(request, host)))};
  }
  RestResult<RestReply> database_measurements(const RestRequest& request) const {
    const auto host = TRY_BODY(found_host(request, request.name("hostId")));
    const auto name = TRY_BODY(found_database(request, host));
    const auto query = TRY_BODY(parse_measurement_query(Measured::kDatabase, request, now_millis()));
    const auto points = TRY_REST(parts_.deployments.measurements().of_database(host.id, name, query.start, query.end));
    auto body = measurements_json(Measured::kDatabase, query, points);
    body.emplace_back("databaseName", name);
    return RestReply{200, measured(request, host, "/databases/" + control::percent_encoded(name), std::move(body))};
  }

  // The partition that the data is on, where the server tells of it; no other is seen by monitoring.
  RestResult<RestReply> list_disks(const RestRequest& request) const {
    const auto host = TRY_BODY(found_host(request, request.name("hostId")));
    Json::Array all;
    if (host.tells_disk) all.push_back(part_json(request, host, "partitionName", "disks", control::kDataPartition));
    return paged(request, std::move(all));
  }
  RestResult<RestReply> get_disk(const RestRequest& request) const {
    const auto host = TRY_BODY(found_host(request, request.name("hostId")));
    return RestReply{200, part_json(request, host, "partitionName", "disks", TRY_BODY(found_disk(request, host)))};
  }
  RestResult<RestReply> disk_measurements(const RestRequest& request) const {
    const auto host = TRY_BODY(found_host(request, request.name("hostId")));
    const auto name = TRY_BODY(found_disk(request, host));
    const auto query = TRY_BODY(parse_measurement_query(Measured::kDisk, request, now_millis()));
    const auto points = TRY_REST(parts_.deployments.measurements().of_disk(host.id, query.start, query.end));
    auto body = measurements_json(Measured::kDisk, query, points);
    body.emplace_back("partitionName", name);
    return RestReply{200, measured(request, host, "/disks/" + name, std::move(body))};
  }

  // ---- alerts: what is so now

  RestResult<RestReply> alerts(const RestRequest& request) const { return paged(request, TRY_BODY(open_alerts(request))); }
  RestResult<RestReply> alert(const RestRequest& request) const { return alert_named(request, TRY_BODY(open_alerts(request))); }

 private:
  static bool owns(const RestRequest& request) { return control::allows(request.caller->grants, Access::kGroupOwn, request.org, request.name("groupId")); }
  // Files of the agents' hosts are an owner's to name. `now`: what has credentials that are to be replaced.
  static RestResult<int> may_name_files(const RestRequest& request, const control::MonitoredDeployment* now) {
    if (owns(request)) return 0;
    for (const char* field : {"caCertificatePath", "clientCertificatePath"})
      if (const auto* value = request.body.find(field); value != nullptr && !value->is_null())
        return refuse(403, "USER_UNAUTHORIZED", fmt::format("Only an owner of the project gives {}: it names a file on the agents' hosts.", field), {field});
    if (now != nullptr && !(now->credentials.ca_path.empty() && now->credentials.client_certificate_path.empty()))
      return refuse(403, "USER_UNAUTHORIZED", "Only an owner of the project replaces credentials with certificate paths: they name files on the agents' hosts.");
    return 0;
  }
  // What the public API has no name for has an X_ in front.
  RestResult<Json::Array> open_alerts(const RestRequest& request) const {
    const auto& group = request.name("groupId");
    Json::Array all;
    const auto now = iso_of_millis(now_millis());
    const auto add = [&](std::string_view type, std::string_view about, std::string detail, std::int64_t since) {
      const auto created = since == 0 ? now : iso_of_millis(since);
      // As long as it is so, it is the same one.
      const auto id = control::Deployments::host_id(group, fmt::format("{}/{}", type, about)).substr(0, 24);
      all.push_back(Json::Object{{"id", id},
                                 {"eventTypeName", type},
                                 {"groupId", group},
                                 {"status", "OPEN"},
                                 {"typeName", type.find("HOST") != std::string_view::npos ? "HOST" : "AGENT"},
                                 {"hostnameAndPort", about},
                                 {"detail", std::move(detail)},
                                 {"created", created},
                                 {"updated", now},
                                 {"links", self_link(request, fmt::format("/groups/{}/alerts/{}", group, id))}});
    };
    for (const auto& agent : TRY_REST(parts_.agents.of_project(group))) {
      if (agent.alive || !agent.leaving.empty()) continue;
      add(agent.cloud_migration ? "AUTOMATION_AGENT_DOWN" : "MONITORING_AGENT_DOWN", agent.hostname, "the agent does not poll", agent.last_poll_millis);
    }
    for (const auto& job : TRY_REST(parts_.jobs.open_of_project(group)))
      if (job.undecided() && !job.held.empty() && job.desired != "FORGET")
        add("X_MIGRATION_HOST_MISSING", job.hostname, fmt::format("the migration {} had begun, and cannot go on: {}; put that right under the same name, or cancel it at the Atlas site", job.id, job.held), job.held_since);
    for (const auto& host : TRY_REST(parts_.deployments.hosts_down(group)))
      add("HOST_DOWN", fmt::format("{}:{}", host.hostname, host.port),
          fmt::format("{}{}", host.last_ping_millis == 0 ? "it has never answered to monitoring" : "it does not answer to monitoring",
                      host.last_error.empty() ? "" : ": " + host.last_error),
          host.last_ping_millis == 0 ? host.unreached_since : host.last_ping_millis);
    for (const auto& one : TRY_REST(parts_.deployments.of_project(group))) {
      if (one.login_failed) add("X_HOST_MONITORING_LOGIN_FAILED", one.name, "monitoring cannot log in: give its user and password again", one.login_failed_since);
      if (one.missing_actions.empty()) continue;
      std::string actions;
      for (const auto& action : one.missing_actions) actions += (actions.empty() ? "" : ", ") + action;
      add("X_HOST_MONITORING_ACCESS_MISSING", one.name, fmt::format("monitoring's user lacks {}: grant it the role clusterMonitor on admin", actions), one.missing_since);
    }
    return all;
  }

  static Json key_json(const control::AgentKey& key) {
    const bool shown = !key.key.empty();
    return Json::Object{{"_id", key.id},
                        {"key", shown ? key.key : std::string(8, '*') + key.last_four},
                        {"desc", key.description},
                        {"createdTime", key.created_millis},
                        {"createdUserId", nullptr},
                        {"createdIpAddr", key.created_from},
                        {"createdBy", key.created_by.empty() ? "SYSTEM" : "PUBLIC_API"}};
  }

  static RestResult<RestReply> paged(const RestRequest& request, Json::Array all) {
    const auto total = static_cast<std::int64_t>(all.size());
    const auto first = std::min<std::int64_t>(total, static_cast<std::int64_t>(request.page.number - 1) * request.page.items);
    const auto last = std::min<std::int64_t>(total, first + request.page.items);
    Json::Array some(all.begin() + first, all.begin() + last);
    return RestReply{200, page_of(request, std::move(some), total)};
  }

  // A process of this kind is there for each agent that has the function.
  RestResult<Json::Array> agents_of(const RestRequest& request, std::string_view type) const {
    Json::Array all;
    if (type == "BACKUP") return all;
    const auto agents = TRY_REST(parts_.agents.of_project(request.name("groupId")));
    for (const auto& agent : agents) {
      const bool monitoring = type == "MONITORING";
      if ((monitoring ? !agent.monitoring : !agent.cloud_migration) || !agent.leaving.empty()) continue;
      const bool active = monitoring ? control::Agents::monitors(agent, agents) : true;
      all.push_back(agent_json(request, agent, type, active));
    }
    return all;
  }

  static Json measured(const RestRequest& request, const control::MonitoredHost& host, const std::string& part, Json::Object body) {
    body.emplace_back("groupId", host.group);
    body.emplace_back("hostId", host.id);
    body.emplace_back("processId", fmt::format("{}:{}", host.hostname, host.port));
    body.emplace_back("links", self_link(request, fmt::format("/groups/{}/hosts/{}{}/measurements", host.group, host.id, part)));
    return Json(std::move(body));
  }
  static Json part_json(const RestRequest& request, const control::MonitoredHost& host, const char* field, const char* path, const std::string& name) {
    return Json::Object{{field, name}, {"links", self_link(request, fmt::format("/groups/{}/hosts/{}/{}/{}", host.group, host.id, path, control::percent_encoded(name)))}};
  }
  static RestResult<std::string> found_database(const RestRequest& request, const control::MonitoredHost& host) {
    const auto& name = request.name("databaseName");
    if (std::find(host.databases.begin(), host.databases.end(), name) == host.databases.end())
      return refuse(404, "RESOURCE_NOT_FOUND", fmt::format("No database {} is known of the host {}.", name, host.id), {name, host.id});
    return name;
  }
  static RestResult<std::string> found_disk(const RestRequest& request, const control::MonitoredHost& host) {
    const auto& name = request.name("partitionName");
    if (!host.tells_disk || name != control::kDataPartition)
      return refuse(404, "RESOURCE_NOT_FOUND", fmt::format("No partition {} is known of the host {}.", name, host.id), {name, host.id});
    return name;
  }

  RestResult<control::MonitoredHost> found_host(const RestRequest& request, const std::string& id) const {
    auto host = TRY_REST(parts_.deployments.host(request.name("groupId"), id));
    if (!host) return refuse(404, "HOST_NOT_FOUND", fmt::format("No host with ID {} exists in group {}.", id, request.name("groupId")), {id, request.name("groupId")});
    return std::move(*host);
  }
  RestResult<RestReply> one_host(const RestRequest& request, const std::string& id) const {
    const auto host = TRY_BODY(found_host(request, id));
    const auto deployment = TRY_REST(parts_.deployments.find(host.group, host.deployment));
    return RestReply{200, host_json(request, host, deployment ? &*deployment : nullptr)};
  }
  static const control::MonitoredDeployment* of(const std::vector<control::MonitoredDeployment>& all, const std::string& id) {
    for (const auto& one : all)
      if (one.id == id) return &one;
    return nullptr;
  }

  std::int64_t now_millis() const { return std::chrono::duration_cast<std::chrono::milliseconds>(parts_.runtime.wall_time().time_since_epoch()).count(); }

  MonitoringParts parts_;
};

}  // namespace

tl::unexpected<RestError> needed(std::string_view code, std::string_view what, const std::vector<control::AgentJob>& by, std::string_view else_how) {
  std::string names;
  std::vector<std::string> ids;
  bool migrates = false;
  for (const auto& job : by) {
    migrates = migrates || job.kind == "migration";
    names += fmt::format("{}the {} {}", names.empty() ? "" : ", ", job.kind == "migration" ? "live migration" : "validation", job.id);
    ids.push_back(job.id);
  }
  return refuse(409, std::string(code),
                fmt::format("{} is needed by {}. {}{}", what, names,
                            migrates ? "Let the migration end first, or cancel it at the Atlas site (drover migration cancel)." : "A validation ends by itself, within ten minutes; try again then.",
                            else_how),
                std::move(ids));
}

void add_monitoring_routes(RouteTable& table, MonitoringParts parts) {
  const auto routes = std::make_shared<MonitoringRoutes>(parts);
  const auto add = [&](const char* method, const std::string& path, Access access, RestResult<RestReply> (MonitoringRoutes::*handler)(const RestRequest&) const,
                       const char* event = "") {
    table.add({method, "/groups/{groupId}" + path, kManager, access, {"2023-01-01"},
               [routes, handler](const RestRequest& request) { return ((*routes).*handler)(request); }, Route::Body::kObject, event});
  };
  add("POST", "/agentapikeys", Access::kGroupOwn, &MonitoringRoutes::create_key, "AGENT_API_KEY_CREATED");
  add("GET", "/agentapikeys", Access::kGroupRead, &MonitoringRoutes::list_keys);
  add("DELETE", "/agentapikeys/{keyId}", Access::kGroupOwn, &MonitoringRoutes::delete_key, "AGENT_API_KEY_DELETED");
  add("GET", "/agents", Access::kGroupRead, &MonitoringRoutes::list_agents);
  add("GET", "/agents/{type}", Access::kGroupRead, &MonitoringRoutes::list_agents_of_type);
  add("POST", "/hosts", Access::kGroupHosts, &MonitoringRoutes::add_host, "ADD_HOST_AUDIT");
  add("GET", "/hosts", Access::kGroupRead, &MonitoringRoutes::list_hosts);
  add("GET", "/hosts/{hostId}", Access::kGroupRead, &MonitoringRoutes::get_host);
  add("GET", "/hosts/byName/{hostAndPort}", Access::kGroupRead, &MonitoringRoutes::get_host_by_name);
  add("PATCH", "/hosts/{hostId}", Access::kGroupHosts, &MonitoringRoutes::change_host, "X_HOST_CREDENTIALS_CHANGED");
  add("DELETE", "/hosts/{hostId}", Access::kGroupHosts, &MonitoringRoutes::delete_host, "DELETE_HOST_AUDIT");
  add("GET", "/hosts/{hostId}/measurements", Access::kGroupRead, &MonitoringRoutes::measurements);
  add("GET", "/hosts/{hostId}/databases", Access::kGroupRead, &MonitoringRoutes::list_databases);
  add("GET", "/hosts/{hostId}/databases/{databaseName}", Access::kGroupRead, &MonitoringRoutes::get_database);
  add("GET", "/hosts/{hostId}/databases/{databaseName}/measurements", Access::kGroupRead, &MonitoringRoutes::database_measurements);
  add("GET", "/hosts/{hostId}/disks", Access::kGroupRead, &MonitoringRoutes::list_disks);
  add("GET", "/hosts/{hostId}/disks/{partitionName}", Access::kGroupRead, &MonitoringRoutes::get_disk);
  add("GET", "/hosts/{hostId}/disks/{partitionName}/measurements", Access::kGroupRead, &MonitoringRoutes::disk_measurements);
  add("GET", "/clusters", Access::kGroupRead, &MonitoringRoutes::list_clusters);
  add("GET", "/clusters/{clusterId}", Access::kGroupRead, &MonitoringRoutes::get_cluster);
  add("GET", "/alerts", Access::kGroupRead, &MonitoringRoutes::alerts);
  add("GET", "/alerts/{alertId}", Access::kGroupRead, &MonitoringRoutes::alert);
}

}  // namespace drover::api
