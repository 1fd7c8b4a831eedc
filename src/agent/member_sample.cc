#include "agent/member_sample.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "model/migration_platform.h"
#include "model/process_figures.h"

namespace drover::agent {
namespace {

// Of the cluster resource, as the role clusterMonitor has them; enough of it to tell a user without it.
constexpr std::array<std::string_view, 8> kMonitorActions{"serverStatus", "replSetGetStatus", "listDatabases", "hostInfo",
                                                          "getCmdLineOpts", "getParameter", "connPoolStats", "top"};

std::string text(const bson::Element& element) { return std::string(element.to_string_view().value_or("")); }

Json number_or_null(const bson::Element& element) {
  const auto value = element.to_double();
  return value ? Json(*value) : Json();
}

// As Cloud Manager names what a process is.
std::string type_name(bson::View hello, bson::View options) {
  if (hello["msg"].to_string_view() == "isdbgrid") return "SHARD_MONGOS";
  const auto role = text(options.at_path("parsed.sharding.clusterRole"));
  if (role == "configsvr") return "SHARD_CONFIG";
  const bool shard = role == "shardsvr";
  if (!hello["setName"].to_string_view()) return shard ? "SHARD_STANDALONE" : "STANDALONE";
  if (hello["arbiterOnly"].is_truthy()) return "REPLICA_ARBITER";
  if (hello["ismaster"].is_truthy()) return shard ? "SHARD_PRIMARY" : "REPLICA_PRIMARY";
  if (hello["secondary"].is_truthy()) return shard ? "SHARD_SECONDARY" : "REPLICA_SECONDARY";
  return "RECOVERING";
}

bool uses_tls(bson::View options) {
  for (const char* path : {"parsed.net.tls.mode", "parsed.net.ssl.mode"}) {
    const auto mode = text(options.at_path(path));
    if (!mode.empty() && mode != "disabled") return true;
  }
  return false;
}

Json::Array mechanisms(bson::View parameters) {
  Json::Array all;
  if (const auto list = parameters["authenticationMechanisms"].to_array())
    for (const auto& item : *list) all.emplace_back(text(item));
  return all;
}

std::string own_state(bson::View status, bson::View hello) {
  if (const auto members = status["members"].to_array()) {
    for (const auto& item : *members)
      if (item.to_document().value_or(bson::View())["self"].is_truthy()) return text(item.to_document().value_or(bson::View())["stateStr"]);
  }
  if (!hello["setName"].to_string_view()) return "";
  return hello["ismaster"].is_truthy() ? "PRIMARY" : hello["secondary"].is_truthy() ? "SECONDARY" : "UNKNOWN";
}

// Of the set's configuration, as it is spelled from 5.0 on and before.
std::optional<double> delay_of(bson::View config, std::string_view me) {
  if (const auto members = config.at_path("config.members").to_array()) {
    for (const auto& item : *members) {
      const auto member = item.to_document().value_or(bson::View());
      if (member["host"].to_string_view() != me) continue;
      return member["secondaryDelaySecs"].exists() ? member["secondaryDelaySecs"].to_double() : member["slaveDelay"].to_double();
    }
  }
  return std::nullopt;
}

std::string_view set_of(std::string_view host_of_shard) { return host_of_shard.substr(0, host_of_shard.find('/')); }

void add_hosts(const bson::Element& array, std::set<std::string>& all) {
  if (const auto list = array.to_array())
    for (const auto& item : *list)
      if (const auto host = item.to_string_view()) all.emplace(*host);
}

}  // namespace

bool asks_for_login(bson::View options) {
  if (options.at_path("parsed.security.transitionToAuth").is_truthy()) return false;
  return options.at_path("parsed.security.authorization").to_string_view() == "enabled" ||
         options.at_path("parsed.security.keyFile").exists() || options.at_path("parsed.security.clusterAuthMode").exists();
}

Json::Object member_json(const MemberReplies& replies) {
  const bson::View hello = replies.is_master.view(), build = replies.build_info.view(), options = replies.options.view(),
                   status = replies.server_status.view();
  const auto modules = build["modules"].to_array();
  Json::Object out;
  out.emplace_back("typeName", type_name(hello, options));
  out.emplace_back("version", text(build["version"]));
  // The route of the community edition is to be shown; unknown while buildInfo says nothing of modules.
  out.emplace_back("community", modules ? Json(modules->empty()) : Json());
  out.emplace_back("featureCompatibilityVersion", text(replies.parameters.view().at_path("featureCompatibilityVersion.version")));
  out.emplace_back("authMechanisms", mechanisms(replies.parameters));
  out.emplace_back("os", os_of_host_info(text(replies.host_info.view().at_path("os.type"))));
  out.emplace_back("memSizeMB", number_or_null(replies.host_info.view().at_path("system.memSizeMB")));
  out.emplace_back("numCores", number_or_null(replies.host_info.view().at_path("system.numCores")));
  out.emplace_back("replicaSetName", text(hello["setName"]));
  // What tells it from another set of the same name and members' names.
  if (const auto id = replies.repl_set_config.view().at_path("config.settings.replicaSetId"); id.type() == bson::Type::kObjectId)
    out.emplace_back("replicaSetId", id.object_id_value().to_string());
  out.emplace_back("replicaStateName", own_state(replies.repl_set_status, hello));
  out.emplace_back("me", text(hello["me"]));
  out.emplace_back("uptimeMsec", number_or_null(status["uptimeMillis"]));
  out.emplace_back("tlsEnabled", uses_tls(options));
  // On unless it was put off, which servers up to 6.0 could. Not told by who hides its options.
  if (!options.empty()) {
    const auto enabled = options.at_path("parsed.storage.journal.enabled");
    out.emplace_back("journalingEnabled", hello["msg"].to_string_view() != "isdbgrid" && (!enabled.exists() || enabled.is_truthy()));
  }
  if (hello["secondary"].is_truthy()) out.emplace_back("hiddenSecondary", hello["hidden"].is_truthy());
  if (const auto delay = delay_of(replies.repl_set_config, text(hello["me"])); delay && *delay > 0) out.emplace_back("secondaryDelaySecs", *delay);
  out.emplace_back("oplogSizeBytes", number_or_null(replies.oplog.view()["maxSize"]));
  if (const auto enabled = text(replies.balancer.view()["mode"]); !enabled.empty()) out.emplace_back("balancerMode", enabled);
  if (const auto shards = replies.shards.view()["shards"].to_array()) {
    Json::Array all;
    for (const auto& item : *shards)
      all.push_back(Json::Object{{"name", text(item.to_document().value_or(bson::View())["_id"])}, {"host", text(item.to_document().value_or(bson::View())["host"])}});
    out.emplace_back("shards", std::move(all));
  }
  Json::Array missing;
  // Options that were refused are hidden from this user: so somebody asks for a login. An arbiter lets nobody log in.
  const bool authorization = (options.empty() || asks_for_login(options)) && !hello["arbiterOnly"].is_truthy();
  for (const auto& action : missing_actions(replies.connection, authorization)) missing.emplace_back(action);
  out.emplace_back("missingActions", std::move(missing));
  out.emplace_back("metrics", process_metrics(status, replies.repl_set_status, replies.oplog));
  out.emplace_back("counters", process_counters(status));
  return out;
}

void name_shards(Json::Array& hosts) {
  std::map<std::string, std::string, std::less<>> shard_of_set;
  for (const auto& host : hosts) {
    const auto* shards = host.find("shards");
    if (shards == nullptr || shards->as_array() == nullptr) continue;
    for (const auto& shard : *shards->as_array()) {
      const auto *name = shard.find("name"), *members = shard.find("host");
      if (name && name->as_string() && members && members->as_string()) shard_of_set.emplace(set_of(*members->as_string()), *name->as_string());
    }
  }
  for (auto& host : hosts) {
    const auto *type = host.find("typeName"), *set = host.find("replicaSetName");
    if (type == nullptr || type->as_string() == nullptr || set == nullptr || set->as_string() == nullptr) continue;
    if (*type->as_string() == "SHARD_CONFIG") continue;  // also one that is a shard itself is told by that
    const auto found = shard_of_set.find(*set->as_string());
    if (found == shard_of_set.end()) continue;
    auto fields = *host.as_object();
    fields.emplace_back("shardName", found->second);
    host = Json(std::move(fields));
  }
}

std::vector<std::string> hosts_of_set(std::string_view text) {
  if (const auto slash = text.find('/'); slash != std::string_view::npos) text.remove_prefix(slash + 1);
  std::vector<std::string> hosts;
  while (!text.empty()) {
    const auto end = text.find(',');
    if (end != 0) hosts.emplace_back(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  return hosts;
}

std::vector<std::string> members_named(const MemberReplies& replies) {
  std::set<std::string> all;
  for (const char* list : {"hosts", "passives", "arbiters"}) add_hosts(replies.is_master.view()[list], all);
  if (const auto shards = replies.shards.view()["shards"].to_array()) {
    for (const auto& item : *shards)
      for (auto& host : hosts_of_set(text(item.to_document().value_or(bson::View())["host"]))) all.insert(std::move(host));
  }
  if (const auto config = replies.shard_map.view().at_path("map.config").to_string_view())
    for (auto& host : hosts_of_set(*config)) all.insert(std::move(host));
  return {all.begin(), all.end()};
}

std::vector<std::string> missing_actions(bson::View connection_status, bool authorization) {
  std::vector<std::string> missing;
  if (!authorization) return missing;
  std::set<std::string, std::less<>> held;
  if (const auto privileges = connection_status.at_path("authInfo.authenticatedUserPrivileges").to_array()) {
    for (const auto& item : *privileges) {
      const auto resource = item.to_document().value_or(bson::View())["resource"].to_document().value_or(bson::View());
      if (!resource["cluster"].is_truthy() && !resource["anyResource"].is_truthy()) continue;
      for (const auto& action : item.to_document().value_or(bson::View())["actions"].to_array().value_or(bson::View()))
        if (const auto name = action.to_string_view()) held.emplace(*name);
    }
  }
  if (held.contains("anyAction")) return missing;
  for (const auto action : kMonitorActions)
    if (!held.contains(action)) missing.emplace_back(action);
  return missing;
}

}  // namespace drover::agent
