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
  if (none && !credentials.username.empty()) return fail(ErrorCode::kUsage, "username is for an authMechanismName other than NONE; name the mechanism, such as SCRAM-SHA-256");
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
    TRY(forget_hosts(group, id));
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

Status Deployments::forget_project(const std::string& group) {
  TRY(store_.remove(kDeployments, bson::make_document({{"groupId", group}})));
  return forget_hosts(group, "");
}

// What was measured first: without the host nobody knows that it is there.
Status Deployments::forget_hosts(const std::string& group, const std::string& deployment, const std::string& id) {
  for (const auto& host : TRY(hosts(group, deployment))) {
    if (!id.empty() && host.id != id) continue;
    TRY(measurements_.forget(host.id));
    TRY(store_.remove(kHosts, in_group(group, host.id)));
  }
  return {};
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
  host.unreached_since = number_of(document, "unreachedSince");
  host.last_error = text_of(document, "lastError");
  if (const auto facts = document["facts"].to_document()) host.facts = json_of(*facts);
  if (document["dataBytes"].exists()) host.sizes = HostSizes{number_of(document, "dataBytes"), number_of(document, "indexBytes")};
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

Status Deployments::each_host_of(const std::vector<std::string>& groups, const std::function<void(const MonitoredHost&)>& see) {
  return store_.each(kHosts, of_any_group(groups), [&](bson::View document) -> Status {
    see(host_of(document));
    return {};
  });
}

Result<std::map<std::string, std::int64_t>> Deployments::shards_of(const std::vector<std::string>& groups) {
  std::map<std::string, std::int64_t> shards;
  bson::Builder sharded;
  sharded.append_all(of_any_group(groups)).append("summary.topology", "SHARDED");
  TRY(store_.each(kDeployments, std::move(sharded).finish(), [&](bson::View document) -> Status {
    shards[text_of(document, "groupId")] += number_of(object_of(document, "summary"), "shards");
    return {};
  }));
  return shards;
}

Result<std::map<std::string, HostCounts>> Deployments::host_counts(const std::vector<std::string>& groups) {
  std::map<std::string, HostCounts> counts;
  if (groups.empty()) return counts;
  const auto count = [&](const char* what, std::int64_t HostCounts::* into) -> Status {
    bson::Builder filter;
    filter.append_all(of_any_group(groups));
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

Result<Deployments::Removal> Deployments::remove_host(const std::string& group, const std::string& id, const std::string& mark, Last last) {
  const auto found = TRY(host(group, id));
  if (!found) return Removal::kNotThere;
  const auto& deployment = found->deployment;
  const auto marked = bson::make_document({{"_id", deployment}, {"groupId", group}, {"leaving", mark}});
  if (TRY(count_hosts(group, deployment)) <= 1) {
    const auto known = TRY(find(group, deployment));
    if (last == Last::kStaysOnceSeen && known && known->last_ping_millis != 0) return Removal::kLast;
    // Without its mark it is not to go: work has come to it, or another one takes it away.
    if (TRY(store_.remove(kDeployments, marked)) == 0 && TRY(store_.find_one(kDeployments, in_group(group, deployment)))) return Removal::kNotMarked;
    TRY(forget_hosts(group, deployment));
    return Removal::kDone;
  }
  bson::Builder update;
  update.open_document("$pull").append("hosts", fmt::format("{}:{}", found->hostname, found->port));
  if (!TRY(store_.update(kDeployments, marked, std::move(update).finish())) && TRY(store_.find_one(kDeployments, in_group(group, deployment)))) return Removal::kNotMarked;
  TRY(forget_hosts(group, deployment, id));
  return Removal::kDone;
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
  TRY(summarize(*deployment, agent_version, *hosts, now));
  // It may have been removed while its hosts were written, after they were taken away.
  if (!TRY(store_.find_one(kDeployments, in_group(group, deployment->id)))) TRY(forget_hosts(group, deployment->id));
  return {};
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
  // One that has never answered is down as well, from the first time that it was tried.
  const auto tried = known ? number_of(*known, "unreachedSince") : 0;
  const auto since = last != 0 ? last : tried != 0 ? tried : now;
  const bool down = !answered && now - since > patience;
  const bool was_down = known && flag_of(*known, "down");
  set.append("down", down);
  if (down != was_down) events.emplace_back(down ? "HOST_DOWN" : "HOST_UP");
  if (!answered) {
    const auto* error = host.find("error");
    set.append("lastError", error && error->as_string() ? error->as_string()->substr(0, 500) : "");
    if (!known) set.append("lastPing", std::int64_t{0});
    if (last == 0) set.append("unreachedSince", since);
  } else {
    set.append("lastPing", now).append("lastError", "").append("unreachedSince", std::int64_t{0});
    const auto facts = facts_of(host);
    set.append("facts", document_of(facts));
    if (const auto sizes = sizes_told(host)) set.append("dataBytes", sizes->data).append("indexBytes", sizes->indexes);
    for (auto& event : events_of(known ? object_of(*known, "facts") : bson::View(), facts)) events.push_back(std::move(event));
    TRY(measurements_.take(id, host, known ? known->view() : bson::View(), now, set));
  }
  TRY(store_.upsert(kHosts, by_id(id), bson::make_document({{"$set", std::move(set).finish()}})));
  for (const auto& event : events) TRY(events_.tell(deployment.group, event, hostname, port));
  return {};
}

Status Deployments::summarize(const MonitoredDeployment& deployment, const std::string& agent_version, const Json& hosts, std::int64_t now) {
  auto summary = summary_of(deployment, *hosts.as_array());
  const auto since = [&](bool is_so, std::int64_t known) { return !is_so ? 0 : known != 0 ? known : now; };
  summary.next.login_failed_since = since(summary.next.login_failed, deployment.login_failed_since);
  summary.next.missing_since = since(!summary.next.missing_actions.empty(), deployment.missing_since);
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

}  // namespace drover::control
