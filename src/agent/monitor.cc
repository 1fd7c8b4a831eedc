#include "agent/monitor.h"

#include <algorithm>
#include <deque>
#include <set>

#include <fmt/format.h>

#include "agent/member_sample.h"
#include "agent/monitoring_commands.h"
#include "bson/builder.h"
#include "cluster/mongo_deployment.h"
#include "model/process_figures.h"

namespace drover::agent {
namespace {

constexpr int kAuthenticationFailed = 18;

std::string text_of(const Json& object, std::string_view key) {
  const auto* value = object.find(key);
  const auto* text = value ? value->as_string() : nullptr;
  return text ? *text : std::string();
}
bool is_true(const Json& object, std::string_view key, bool otherwise) {
  const auto* value = object.find(key);
  const auto* flag = value ? value->as_bool() : nullptr;
  return flag ? *flag : otherwise;
}

// What a server refuses or does not know is left out; what cannot be reached ends the sample.
Result<bson::Document> optional(cluster::Deployment& member, std::string_view db, const bson::Document& command) {
  auto reply = ask(member, db, command);
  if (reply) return reply;
  if (reply.error().server_code == 0 || reply.error().server_code == kAuthenticationFailed) return reply;
  return bson::Document();
}

Result<MemberReplies> ask_all(cluster::Deployment& member) {
  const auto one = [](const char* name) { return bson::make_document({{name, 1}}); };
  MemberReplies replies;
  replies.is_master = TRY(ask(member, "admin", one("isMaster")));
  replies.build_info = TRY(optional(member, "admin", one("buildInfo")));
  replies.connection = TRY(optional(member, "admin", bson::make_document({{"connectionStatus", 1}, {"showPrivileges", true}})));
  // An arbiter lets nobody log in.
  if (replies.is_master["arbiterOnly"].is_truthy()) return replies;
  const bool is_mongos = replies.is_master["msg"].to_string_view() == "isdbgrid";
  replies.options = TRY(optional(member, "admin", one("getCmdLineOpts")));
  replies.host_info = TRY(optional(member, "admin", one("hostInfo")));
  replies.server_status = TRY(optional(member, "admin", bson::make_document({{"serverStatus", 1}, {"oplog", 1}})));
  replies.parameters = TRY(optional(member, "admin", bson::make_document({{"getParameter", 1},
                                                                         {"featureCompatibilityVersion", 1},
                                                                         {"authenticationMechanisms", 1}})));
  // A mongos has no version of its own, and refuses the whole command for it.
  if (replies.parameters.view().empty())
    replies.parameters = TRY(optional(member, "admin", bson::make_document({{"getParameter", 1}, {"authenticationMechanisms", 1}})));
  if (replies.is_master["setName"].to_string_view()) {
    replies.repl_set_status = TRY(optional(member, "admin", one("replSetGetStatus")));
    replies.repl_set_config = TRY(optional(member, "admin", one("replSetGetConfig")));
    replies.oplog = TRY(optional(member, "local", bson::make_document({{"collStats", "oplog.rs"}})));
  }
  if (is_mongos) {
    replies.shards = TRY(optional(member, "admin", one("listShards")));
    replies.shard_map = TRY(optional(member, "admin", one("getShardMap")));
    replies.balancer = TRY(optional(member, "admin", one("balancerStatus")));
  }
  return replies;
}

// Of the databases that users have. The oplog and what the server keeps for itself are not data of theirs.
Result<Json> database_stats(cluster::Deployment& member) {
  const auto listed = TRY(optional(member, "admin", bson::make_document({{"listDatabases", 1}})));
  const auto databases = listed["databases"].to_array();
  if (!databases) return Json();
  Json::Array all;
  for (const auto& item : *databases) {
    const std::string name(item.to_document().value_or(bson::View())["name"].to_string_view().value_or(""));
    if (name.empty() || all.size() >= kMaxDatabases) continue;
    const auto stats = TRY(optional(member, name, bson::make_document({{"dbStats", 1}})));
    all.push_back(database_sizes(name, stats));
  }
  return Json(std::move(all));
}

}  // namespace

Result<MonitoredDeployment> parse_monitored(const Json& entry) {
  MonitoredDeployment deployment;
  deployment.id = text_of(entry, "deploymentId");
  if (deployment.id.empty()) return fail(ErrorCode::kUnsupported, "a deployment to monitor without an id");
  if (const auto* hosts = entry.find("hosts"); hosts && hosts->as_array()) {
    for (const auto& host : *hosts->as_array())
      if (const auto* name = host.as_string(); name && is_host_and_port(*name) && deployment.hosts.size() < kMaxMembers)
        deployment.hosts.push_back(*name);
  }
  const auto mechanism = text_of(entry, "authMechanismName");
  const auto known = auth_mechanism_of(mechanism.empty() ? "NONE" : mechanism);
  if (!known) return fail(ErrorCode::kUnsupported, fmt::format("this version of the agent does not know the mechanism {}", mechanism));
  auto& how = deployment.how;
  how.mechanism = *known;
  how.user = text_of(entry, "username");
  how.password = text_of(entry, "password");
  how.auth_source = text_of(entry, "authSource");
  how.tls = is_true(entry, "sslEnabled", false);
  how.tls_ca_file = text_of(entry, "caCertificatePath");
  how.tls_certificate_key_file = text_of(entry, "clientCertificatePath");
  how.direct = true;
  deployment.collect_db_stats = is_true(entry, "collectDbStats", true);
  return deployment;
}

void Monitor::want(std::vector<MonitoredDeployment> deployments) {
  if (deployments.size() > kMaxDeployments) deployments.resize(kMaxDeployments);
  wanted_.with([&](auto& wanted) { wanted = std::move(deployments); });
}

void Monitor::run(const std::stop_token& stop, std::chrono::seconds interval) {
  while (!stop.stop_requested()) {
    const auto begun = host_.runtime.now();
    const auto wanted = wanted_.copy();
    std::erase_if(known_, [&](const auto& entry) {
      return std::none_of(wanted.begin(), wanted.end(), [&](const auto& one) { return one.id == entry.first; });
    });
    for (const auto& deployment : wanted) {
      Json::Array one;
      one.push_back(sample(deployment, stop));
      if (stop.stop_requested()) return;
      if (const auto sent = host_.site.monitoring(std::move(one), stop); !sent)
        host_.log.warn("a sample cannot be sent", {{"deployment", deployment.id}, {"error", sent.error().message}});
    }
    // A deployment that is new is looked at soon.
    const auto next = begun + (wanted.empty() ? std::chrono::seconds(1) : interval);
    while (host_.runtime.now() < next) {
      if (!host_.runtime.sleep(std::chrono::milliseconds(500), stop)) return;
      const auto now = wanted_.copy();
      if (std::any_of(now.begin(), now.end(), [&](const auto& one) { return !known_.contains(one.id); })) break;
    }
  }
}

Json Monitor::sample(const MonitoredDeployment& deployment, const std::stop_token& stop) {
  auto& known = known_[deployment.id];
  const auto now = host_.runtime.now();
  const bool with_stats = deployment.collect_db_stats && (known.stats_at == SteadyTime{} || now - known.stats_at >= kStatsEvery);
  std::deque<std::string> left(deployment.hosts.begin(), deployment.hosts.end());
  std::set<std::string> seen(left.begin(), left.end());
  Json::Array hosts;
  bool has_stats = false;
  while (!left.empty() && !stop.stop_requested()) {
    const auto name = left.front();
    left.pop_front();
    std::vector<std::string> named;
    auto host = sample_member(deployment, known, name, with_stats, named, stop);
    for (const auto& [key, value] : host) has_stats = has_stats || (key == "databases" && !value.is_null());
    hosts.push_back(std::move(host));
    for (auto& other : named)
      if (is_host_and_port(other) && seen.size() < kMaxMembers && seen.insert(other).second) left.push_back(std::move(other));
  }
  if (has_stats) known.stats_at = now;
  name_shards(hosts);
  return Json::Object{{"deploymentId", deployment.id}, {"hosts", std::move(hosts)}};
}

Json::Object Monitor::sample_member(const MonitoredDeployment& deployment, Known& known, const std::string& name, bool with_stats,
                                    std::vector<std::string>& named, const std::stop_token& stop) {
  Json::Object out{{"host", name}};
  const auto unreached = [&](const Error& error) {
    out.emplace_back("reached", false);
    out.emplace_back("loginFailed", error.server_code == kAuthenticationFailed);
    out.emplace_back("error", error.message);
    return std::move(out);
  };
  auto how = deployment.how;
  how.hosts = {name};
  auto uri = connection_string(how);
  uri += fmt::format("&serverSelectionTimeoutMS={}&socketTimeoutMS=30000", host_.server_selection_timeout.count() * 1000);
  auto& member = known.members[name];
  if (!member.connection || member.uri != uri) {
    auto connection = cluster::connect({.uri = uri, .side = cluster::Side::kSource, .app_name = "drover agent monitoring", .max_connections = 4},
                                       host_.runtime, stop);
    if (!connection) return unreached(connection.error());
    member = {std::move(*connection), uri};
  }
  const auto replies = ask_all(*member.connection);
  if (!replies) return unreached(replies.error());
  out.emplace_back("reached", true);
  for (auto& [key, value] : member_json(*replies)) out.emplace_back(key, std::move(value));
  named = members_named(*replies);
  // Sizes of a deployment are those of its primaries; a mongos sums them up itself, and is left out.
  const bool primary = replies->is_master["ismaster"].is_truthy() && replies->is_master["msg"].to_string_view() != "isdbgrid";
  if (with_stats && primary) {
    const auto stats = database_stats(*member.connection);
    if (stats) out.emplace_back("databases", *stats);
  }
  return out;
}

}  // namespace drover::agent
