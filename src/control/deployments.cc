#include "control/deployments.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "control/deployment_summary.h"
#include "control/fields.h"
#include "control/identity.h"
#include "control/json_document.h"
#include "net/crypto.h"

namespace drover::control {
namespace {

constexpr const char* kDeployments = "deployments";
constexpr const char* kHosts = "hosts";
constexpr const char* kMeasurements = "measurements";
constexpr const char* kSizes = "databaseMeasurements";
constexpr std::size_t kMaxDeploymentName = 100;
constexpr std::size_t kMaxCredentialBytes = 1024;

bson::Document by_id(std::string_view id) { return bson::make_document({{"_id", id}}); }
bson::Document in_group(const std::string& group, const std::string& id) { return bson::make_document({{"_id", id}, {"groupId", group}}); }

void append_texts(bson::Builder& to, std::string_view key, const std::vector<std::string>& texts) {
  auto array = to.open_array(key);
  for (const auto& text : texts) array.append(text);
}

bson::Document hosts_filter(const std::string& group, const std::string& deployment) {
  bson::Builder filter;
  filter.append("groupId", group);
  if (!deployment.empty()) filter.append("deploymentId", deployment);
  return std::move(filter).finish();
}

}  // namespace

Status check_credentials(const MonitoringCredentials& credentials) {
  for (const auto* text : {&credentials.username, &credentials.password, &credentials.auth_source, &credentials.ca_path,
                           &credentials.client_certificate_path}) {
    if (text->size() > kMaxCredentialBytes || text->find('\0') != std::string::npos)
      return fail(ErrorCode::kUsage, fmt::format("credentials have at most {} characters", kMaxCredentialBytes));
  }
  const bool none = credentials.mechanism == AuthMechanism::kNone;
  if (none && !credentials.username.empty()) return fail(ErrorCode::kUsage, "authMechanismName is missing: there is a username");
  if (!none && credentials.mechanism != AuthMechanism::kX509 && credentials.username.empty())
    return fail(ErrorCode::kUsage, fmt::format("username is needed with {}", name_of(credentials.mechanism)));
  if (needs_password(credentials.mechanism) && credentials.password.empty())
    return fail(ErrorCode::kUsage, fmt::format("password is needed with {}", name_of(credentials.mechanism)));
  if (!needs_password(credentials.mechanism) && !credentials.password.empty())
    return fail(ErrorCode::kUsage, fmt::format("there is no password with {}", name_of(credentials.mechanism)));
  if (credentials.mechanism == AuthMechanism::kX509 && (!credentials.tls || credentials.client_certificate_path.empty()))
    return fail(ErrorCode::kUsage, "MONGODB-X509 needs sslEnabled and clientCertificatePath, a PEM file on the agent's host");
  return {};
}

ConnectionParts source_parts(const MonitoredDeployment& deployment) {
  ConnectionParts parts;
  parts.hosts = deployment.hosts;
  parts.replica_set = deployment.replica_set;
  const auto& how = deployment.credentials;
  parts.mechanism = how.mechanism;
  parts.user = how.username;
  parts.password = how.password;
  parts.auth_source = how.auth_source;
  parts.tls = how.tls;
  parts.tls_ca_file = how.ca_path;
  parts.tls_certificate_key_file = how.client_certificate_path;
  return parts;
}

std::string Deployments::seal_name(std::string_view id) const { return fmt::format("deployment {}", id); }

std::int64_t Deployments::now_millis() const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(runtime_.wall_time().time_since_epoch()).count();
}

std::string Deployments::host_id(const std::string& group, const std::string& host_and_port) {
  return net::hex_encode(net::digest(net::Digest::kMd5, fmt::format("{}/{}", group, host_and_port)));
}

void Deployments::append_credentials(bson::Builder& document, const std::string& id, const MonitoringCredentials& how) const {
  document.append("authMechanismName", name_of(how.mechanism)).append("username", how.username).append("authSource", how.auth_source);
  document.append("sealedPassword", how.password.empty() ? "" : keys_.seal(seal_name(id), how.password));
  document.append("sslEnabled", how.tls).append("caCertificatePath", how.ca_path).append("clientCertificatePath", how.client_certificate_path);
}

Result<MonitoredDeployment> Deployments::deployment_of(bson::View document, const ProjectSettings& settings) const {
  MonitoredDeployment one;
  one.id = text_of(document, "_id");
  one.group = text_of(document, "groupId");
  one.name = text_of(document, "name");
  one.hosts = texts_of(document, "hosts");
  one.created = text_of(document, "created");
  one.collects_db_stats = settings.collects_db_stats && flag_of(document, "collectDbStats");
  one.last_ping_millis = number_of(document, "lastPing");
  one.leaving = text_of(document, "leaving");
  auto& how = one.credentials;
  how.mechanism = auth_mechanism_of(text_of(document, "authMechanismName")).value_or(AuthMechanism::kNone);
  how.username = text_of(document, "username");
  how.auth_source = text_of(document, "authSource");
  how.tls = flag_of(document, "sslEnabled");
  how.ca_path = text_of(document, "caCertificatePath");
  how.client_certificate_path = text_of(document, "clientCertificatePath");
  if (const auto sealed = text_of(document, "sealedPassword"); !sealed.empty()) how.password = TRY(keys_.unseal(seal_name(one.id), sealed));
  read_summary(object_of(document, "summary"), one);
  return one;
}

Result<MonitoredDeployment> Deployments::add(const std::string& group, const std::string& name, const std::vector<std::string>& hosts,
                                             const MonitoringCredentials& credentials) {
  TRY(check_credentials(credentials));
  if (hosts.empty() || hosts.size() > kMaxHostsOfDeployment) return fail(ErrorCode::kUsage, "at least one host:port is needed");
  for (const auto& host : hosts)
    if (!is_host_and_port(host)) return fail(ErrorCode::kUsage, fmt::format("{} is not host:port", host));
  if (!name.empty()) TRY(check_text("clusterName", name, kMaxDeploymentName));
  if (TRY(store_.count(kDeployments, bson::make_document({{"groupId", group}}))) >= kMaxDeploymentsOfProject)
    return fail(ErrorCode::kWrongState, fmt::format("the project has {} deployments already", kMaxDeploymentsOfProject));
  for (const auto& host : hosts) {
    if (TRY(store_.find_one(kHosts, in_group(group, host_id(group, host)))))
      return fail(ErrorCode::kWrongState, fmt::format("{} is monitored already", host));
  }
  const auto id = new_id(runtime_);
  bson::Builder document;
  document.append("_id", id).append("groupId", group).append("name", name.empty() ? hosts.front() : name).append("named", !name.empty());
  append_texts(document, "hosts", hosts);
  append_credentials(document, id, credentials);
  document.append("collectDbStats", true).append("created", iso_time(runtime_)).append("lastPing", std::int64_t{0});
  if (!TRY(store_.insert(kDeployments, std::move(document).finish())))
    return fail(ErrorCode::kWrongState, fmt::format("a deployment named {} is there already", name.empty() ? hosts.front() : name));
  for (const auto& host : hosts) {
    const auto colon = host.rfind(':');
    int port = 0;
    std::from_chars(host.data() + colon + 1, host.data() + host.size(), port);
    TRY(store_.insert(kHosts, bson::make_document({{"_id", host_id(group, host)},
                                                   {"groupId", group},
                                                   {"deploymentId", id},
                                                   {"host", host},
                                                   {"hostname", host.substr(0, colon)},
                                                   {"port", port},
                                                   {"created", iso_time(runtime_)},
                                                   {"lastPing", std::int64_t{0}}})));
  }
  const auto added = TRY(find(group, id));
  if (!added) {
    TRY(store_.remove(kHosts, bson::make_document({{"groupId", group}, {"deploymentId", id}})));
    return fail(ErrorCode::kWrongState, fmt::format("the deployment {} was removed while it was added; try again", name.empty() ? hosts.front() : name));
  }
  return *added;
}

Result<bool> Deployments::set_credentials(const std::string& group, const std::string& id, const MonitoringCredentials& credentials) {
  TRY(check_credentials(credentials));
  bson::Builder set;
  append_credentials(set, id, credentials);
  set.append("leaving", "");  // of a removal that did not come to its end
  return store_.update(kDeployments, in_group(group, id), bson::make_document({{"$set", std::move(set).finish()}}));
}

Status Deployments::take_away(const MonitoredDeployment& deployment, const std::string& mark) {
  TRY(store_.update(kDeployments, by_id(deployment.id), bson::make_document({{"$set", bson::make_document({{"leaving", mark}})}})));
  return {};
}

Status Deployments::give_back(const MonitoredDeployment& deployment, const std::string& mark) {
  TRY(store_.update(kDeployments, bson::make_document({{"_id", deployment.id}, {"leaving", mark}}),
                    bson::make_document({{"$set", bson::make_document({{"leaving", ""}})}})));
  return {};
}

Result<bool> Deployments::remove(const std::string& group, const std::string& id) {
  const bool there = TRY(store_.remove(kDeployments, in_group(group, id))) > 0;
  for (const auto& host : TRY(hosts(group, id)))
    for (const auto* collection : {kMeasurements, kSizes}) TRY(store_.remove(collection, bson::make_document({{"hostId", host.id}})));
  TRY(store_.remove(kHosts, bson::make_document({{"groupId", group}, {"deploymentId", id}})));
  return there;
}

Result<std::vector<MonitoredDeployment>> Deployments::of_project(const std::string& group) {
  std::vector<MonitoredDeployment> all;
  const auto settings = TRY(settings_.of(group));
  for (const auto& document : TRY(store_.find(kDeployments, bson::make_document({{"groupId", group}})))) all.push_back(TRY(deployment_of(document, settings)));
  return all;
}

Result<std::optional<MonitoredDeployment>> Deployments::find(const std::string& group, const std::string& id) {
  return first_of(group, in_group(group, id));
}

Result<std::optional<MonitoredDeployment>> Deployments::by_name(const std::string& group, const std::string& name) {
  return first_of(group, bson::make_document({{"groupId", group}, {"name", name}}));
}

Result<std::optional<MonitoredDeployment>> Deployments::first_of(const std::string& group, bson::View filter) {
  const auto found = TRY(store_.find_one(kDeployments, filter));
  if (!found) return std::optional<MonitoredDeployment>();
  return std::optional(TRY(deployment_of(*found, TRY(settings_.of(group)))));
}

MonitoredHost Deployments::host_of(bson::View document) const {
  MonitoredHost host;
  host.id = text_of(document, "_id");
  host.group = text_of(document, "groupId");
  host.deployment = text_of(document, "deploymentId");
  host.hostname = text_of(document, "hostname");
  host.port = static_cast<int>(number_of(document, "port"));
  host.created = text_of(document, "created");
  host.last_ping_millis = number_of(document, "lastPing");
  host.down = flag_of(document, "down");
  if (const auto facts = document["facts"].to_document()) host.facts = json_of(*facts);
  host.databases = texts_of(document, "databases");
  host.tells_disk = flag_of(document, "tellsDisk");
  return host;
}

Result<std::vector<MonitoredHost>> Deployments::hosts(const std::string& group, const std::string& deployment) {
  std::vector<MonitoredHost> all;
  TRY(store_.each(kHosts, hosts_filter(group, deployment), [&](bson::View document) -> Status {
    all.push_back(host_of(document));
    return {};
  }));
  return all;
}

Result<std::vector<MonitoredHost>> Deployments::hosts(const std::string& group, const std::string& deployment, Page page) {
  std::vector<MonitoredHost> some;
  for (const auto& document : TRY(store_.find(kHosts, hosts_filter(group, deployment), page))) some.push_back(host_of(document));
  return some;
}

Result<std::int64_t> Deployments::count_hosts(const std::string& group, const std::string& deployment) { return store_.count(kHosts, hosts_filter(group, deployment)); }

Result<std::vector<MonitoredHost>> Deployments::hosts_down(const std::string& group) {
  std::vector<MonitoredHost> all;
  TRY(store_.each(kHosts, bson::make_document({{"groupId", group}, {"down", true}}), [&](bson::View document) -> Status {
    all.push_back(host_of(document));
    return {};
  }));
  return all;
}

Result<std::map<std::string, HostCounts>> Deployments::host_counts(const std::vector<std::string>& groups) {
  std::map<std::string, HostCounts> counts;
  if (groups.empty()) return counts;
  const auto count = [&](const char* what, std::int64_t HostCounts::* into) -> Status {
    bson::Builder filter;
    {
      auto of = filter.open_document("groupId");
      append_texts(of, "$in", groups);
    }
    if (*what != '\0') {
      auto any = filter.open_array("$or");
      any.append(bson::make_document({{"down", true}}));
      if (std::string_view(what) == "silent") any.append(bson::make_document({{"lastPing", 0}}));
    }
    for (const auto& [deployment, number] : TRY(store_.count_by(kHosts, std::move(filter).finish(), "deploymentId"))) counts[deployment].*into = number;
    return {};
  };
  TRY(count("", &HostCounts::all));
  TRY(count("silent", &HostCounts::silent));
  TRY(count("down", &HostCounts::down));
  return counts;
}

Result<std::optional<MonitoredHost>> Deployments::host(const std::string& group, const std::string& id) {
  const auto found = TRY(store_.find_one(kHosts, in_group(group, id)));
  if (!found) return std::optional<MonitoredHost>();
  return std::optional(host_of(*found));
}

Result<bool> Deployments::remove_host(const std::string& group, const std::string& id) {
  const auto found = TRY(host(group, id));
  if (!found) return false;
  const auto name = fmt::format("{}:{}", found->hostname, found->port);
  bson::Builder update;
  update.open_document("$pull").append("hosts", name);
  TRY(store_.update(kDeployments, in_group(group, found->deployment), std::move(update).finish()));
  for (const auto* collection : {kMeasurements, kSizes}) TRY(store_.remove(collection, bson::make_document({{"hostId", id}})));
  TRY(store_.remove(kHosts, in_group(group, id)));
  if (TRY(hosts(group, found->deployment)).empty()) TRY(remove(group, found->deployment));
  return true;
}

Status Deployments::take_sample(const std::string& group, const std::string& agent_version, const Json& sample) {
  const auto* id = sample.find("deploymentId");
  const auto* hosts = sample.find("hosts");
  if (id == nullptr || id->as_string() == nullptr || hosts == nullptr || hosts->as_array() == nullptr)
    return fail(ErrorCode::kUsage, "a sample needs deploymentId and hosts");
  const auto deployment = TRY(find(group, *id->as_string()));
  if (!deployment) return {};
  const auto now = now_millis();
  std::size_t taken = 0;
  for (const auto& host : *hosts->as_array()) {
    if (++taken > kMaxHostsOfDeployment) break;
    TRY(take_host(*deployment, host, now));
  }
  return summarize(*deployment, agent_version, *hosts, now);
}

Status Deployments::take_host(const MonitoredDeployment& deployment, const Json& host, std::int64_t now) {
  const auto* name = host.find("host");
  if (name == nullptr || name->as_string() == nullptr || !is_host_and_port(*name->as_string()))
    return fail(ErrorCode::kUsage, "a host of a sample needs host: \"host:port\"");
  const auto id = host_id(deployment.group, *name->as_string());
  const auto known = TRY(store_.find_one(kHosts, by_id(id)));
  // Whoever has an agent API key may name hosts, but not for ever.
  if (!known && TRY(store_.count(kHosts, hosts_filter(deployment.group, deployment.id))) >= static_cast<std::int64_t>(kMaxHostsOfDeployment)) return {};
  const auto* reached = host.find("reached");
  const bool answered = reached && reached->as_bool() && *reached->as_bool();
  bson::Builder set;
  const auto colon = name->as_string()->rfind(':');
  const auto hostname = name->as_string()->substr(0, colon);
  int port = 0;
  std::from_chars(name->as_string()->data() + colon + 1, name->as_string()->data() + name->as_string()->size(), port);
  std::vector<std::string> events;
  if (!known) {
    events.emplace_back("NEW_HOST");
    set.append("groupId", deployment.group).append("deploymentId", deployment.id).append("host", *name->as_string());
    set.append("hostname", hostname).append("port", port).append("created", iso_time(runtime_));
  }
  const auto last = known ? number_of(*known, "lastPing") : 0;
  const auto patience = std::chrono::duration_cast<std::chrono::milliseconds>(kHostDownAfter).count();
  const bool down = !answered && last != 0 && now - last > patience;
  const bool was_down = known && flag_of(*known, "down");
  set.append("down", down);
  if (down != was_down) events.emplace_back(down ? "HOST_DOWN" : "HOST_UP");
  if (!answered) {
    const auto* error = host.find("error");
    set.append("lastError", error && error->as_string() ? error->as_string()->substr(0, 500) : "");
    if (!known) set.append("lastPing", std::int64_t{0});
  } else {
    set.append("lastPing", now).append("lastError", "");
    const auto facts = facts_of(host);
    set.append("facts", document_of(facts));
    for (auto& event : events_of(known ? object_of(*known, "facts") : bson::View(), facts)) events.push_back(std::move(event));
    set.append("counters", document_of(counters_of(host)));
    // A figure for each metric, a rate for each counter that did not begin anew.
    const auto before = known ? object_of(*known, "counters") : bson::View();
    const auto figures = figures_of(host, before, last == 0 ? 0 : now - last);
    const auto minute = now / 60'000 * 60'000;
    bson::Builder point;
    point.append("hostId", id).append("at", bson::DateTime{minute}).append("values", document_of(figures));
    TRY(store_.upsert(kMeasurements, by_id(fmt::format("{}/{}", id, minute)), bson::make_document({{"$set", std::move(point).finish()}})));
    TRY(take_sizes(set, id, host, now));
    bson::Builder old;
    old.append("hostId", id);
    old.open_document("at").append("$lt", bson::DateTime{now - std::chrono::duration_cast<std::chrono::milliseconds>(kMeasurementsKept).count()});
    const auto filter = std::move(old).finish();
    for (const auto* collection : {kMeasurements, kSizes}) TRY(store_.remove(collection, filter));
  }
  TRY(store_.upsert(kHosts, by_id(id), bson::make_document({{"$set", std::move(set).finish()}})));
  for (const auto& event : events) TRY(events_.tell(deployment.group, event, hostname, port));
  return {};
}

Status Deployments::summarize(const MonitoredDeployment& deployment, const std::string& agent_version, const Json& hosts, std::int64_t now) {
  auto summary = summary_of(deployment, *hosts.as_array());
  bson::Builder set;
  if (summary.reached) set.append("lastPing", now);
  summary.next.agent_version = agent_version;
  set.append("summary", summary_document(summary.next));
  // Members that left the set are kept while they answer to nobody: an operator removes them.
  std::vector<std::string> all = deployment.hosts;
  for (const auto& host : summary.members)
    if (std::find(all.begin(), all.end(), host) == all.end() && all.size() < kMaxHostsOfDeployment) all.push_back(host);
  append_texts(set, "hosts", all);
  // Called by its first host until its own name is known; another deployment may have that already.
  if (!summary.next.replica_set.empty() && !deployment.hosts.empty() && deployment.name == deployment.hosts.front()) {
    bson::Builder filter;
    filter.append_all(in_group(deployment.group, deployment.id));
    filter.append("named", false);
    const auto renamed = bson::make_document({{"$set", bson::make_document({{"name", summary.next.replica_set}})}});
    TRY(store_.try_update(kDeployments, std::move(filter).finish(), renamed));
  }
  const auto update = bson::make_document({{"$set", std::move(set).finish()}});
  TRY(store_.update(kDeployments, in_group(deployment.group, deployment.id), update));
  return {};
}

// One document for all databases of a sample that has their sizes.
Status Deployments::take_sizes(bson::Builder& host_fields, const std::string& id, const Json& host, std::int64_t now) {
  const auto sizes = sizes_by_database(host);
  if (sizes.databases.empty()) return {};
  {
    auto names = host_fields.open_array("databases");
    for (const auto& [name, values] : sizes.databases) names.append(name);
  }
  host_fields.append("tellsDisk", sizes.disk.as_object() != nullptr);
  const auto minute = now / 60'000 * 60'000;
  bson::Builder point;
  point.append("hostId", id).append("at", bson::DateTime{minute});
  {
    // By place, not by name: a name may be anything.
    auto databases = point.open_array("databases");
    for (const auto& [name, values] : sizes.databases) {
      auto one = databases.open_document();
      one.append("name", name);
      append_json(one, "values", values);
    }
  }
  append_json(point, "disk", sizes.disk);
  TRY(store_.upsert(kSizes, by_id(fmt::format("{}/{}", id, minute)), bson::make_document({{"$set", std::move(point).finish()}})));
  return {};
}

namespace {

MeasuredPoint point_of(bson::View document, bson::View values) {
  MeasuredPoint point;
  const auto at = document["at"];
  point.millis = at.type() == bson::Type::kDateTime ? at.date_value().millis : 0;
  for (const auto& value : values)
    if (const auto number = value.to_double()) point.values.emplace_back(value.key(), *number);
  return point;
}

}  // namespace

Result<std::vector<MeasuredPoint>> Deployments::measurements(const std::string& host, std::int64_t from_millis, std::int64_t to_millis) {
  std::vector<MeasuredPoint> points;
  for (const auto& document : TRY(points_of(kMeasurements, host, from_millis, to_millis))) points.push_back(point_of(document, object_of(document, "values")));
  return points;
}

Result<std::vector<MeasuredPoint>> Deployments::database_measurements(const std::string& host, const std::string& database, std::int64_t from_millis,
                                                                      std::int64_t to_millis) {
  std::vector<MeasuredPoint> points;
  for (const auto& document : TRY(points_of(kSizes, host, from_millis, to_millis))) {
    const auto databases = document["databases"].to_array();
    if (!databases) continue;
    for (const auto& item : *databases)
      if (text_of(item.document_value(), "name") == database) points.push_back(point_of(document, object_of(item.document_value(), "values")));
  }
  return points;
}

Result<std::vector<MeasuredPoint>> Deployments::disk_measurements(const std::string& host, std::int64_t from_millis, std::int64_t to_millis) {
  std::vector<MeasuredPoint> points;
  for (const auto& document : TRY(points_of(kSizes, host, from_millis, to_millis))) points.push_back(point_of(document, object_of(document, "disk")));
  return points;
}

Result<std::vector<bson::Document>> Deployments::points_of(const char* collection, const std::string& host, std::int64_t from_millis, std::int64_t to_millis) {
  bson::Builder filter;
  filter.append("hostId", host);
  {
    auto at = filter.open_document("at");
    at.append("$gte", bson::DateTime{from_millis}).append("$lte", bson::DateTime{to_millis});
  }
  const auto limit = static_cast<int>(std::chrono::duration_cast<std::chrono::minutes>(kMeasurementsKept).count()) + 60;
  return store_.find(collection, std::move(filter).finish(), {1, limit});
}

}  // namespace drover::control
