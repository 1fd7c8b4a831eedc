#include "control/cluster_processes.h"

#include <charconv>

#include <fmt/format.h>

#include "control/fields.h"

namespace drover::control {
namespace {

constexpr int kDefaultPort = 27017;
constexpr const char* kNoData = "NO_DATA";

const char* type_of(std::int64_t state) {
  switch (state) {
    case 1: return "REPLICA_PRIMARY";
    case 2: return "REPLICA_SECONDARY";
    case 3: case 9: return "RECOVERING";
    case 7: return "REPLICA_ARBITER";
    default: return kNoData;  // it starts, is down, unknown or removed
  }
}

// Those that the connection string names.
std::vector<ClusterProcess> named(const Cluster& cluster, const char* type) {
  std::vector<ClusterProcess> all;
  const auto parts = split_uri(cluster.shown_uri);
  if (!parts || parts->scheme.starts_with("mongodb+srv")) return all;  // it names no host
  for (std::string_view rest = parts->hosts; !rest.empty();) {
    const auto comma = rest.find(',');
    const auto [host, port] = host_and_port_of(rest.substr(0, comma));
    all.push_back({.host = fmt::format("{}:{}", host, port), .type = type});
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
  }
  return all;
}

std::int64_t now_millis(Runtime& runtime) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(runtime.wall_time().time_since_epoch()).count();
}

}  // namespace

std::pair<std::string, int> host_and_port_of(std::string_view name) {
  const auto colon = name.rfind(':');
  int port = 0;
  const bool has_port = colon != std::string_view::npos && !name.ends_with(']') &&
                        std::from_chars(name.data() + colon + 1, name.data() + name.size(), port).ptr == name.data() + name.size();
  if (!has_port) return {std::string(name), kDefaultPort};
  return {std::string(name.substr(0, colon)), port};
}

std::vector<ClusterProcess> processes_of_status(bson::View status, const std::string& version, std::int64_t asked_at) {
  std::vector<ClusterProcess> all;
  const auto members = status["members"].to_array();
  if (!members) return all;
  for (const auto& item : *members) {
    const auto member = item.to_document().value_or(bson::View());
    const bool self = flag_of(member, "self");
    ClusterProcess one{.host = text_of(member, "name"), .type = type_of(number_of(member, "state")), .replica_set = text_of(status, "set")};
    const auto heard = member["lastHeartbeat"];
    one.last_ping_millis = self ? asked_at : heard.type() == bson::Type::kDateTime ? heard.date_value().millis : 0;
    if (self) one.version = version;
    if (!self && number_of(member, "health") == 0) one.type = kNoData;
    all.push_back(std::move(one));
  }
  return all;
}

std::vector<std::vector<ClusterProcess>> ClusterProcesses::of(const std::vector<Cluster>& clusters) {
  std::vector<std::vector<ClusterProcess>> all;
  const auto begun = runtime_.now();
  for (const auto& cluster : clusters) all.push_back(of(cluster, runtime_.now() - begun < kLookBudget));
  return all;
}

std::vector<ClusterProcess> ClusterProcesses::of(const Cluster& cluster, bool may_look) {
  const auto now = runtime_.now();
  std::vector<ClusterProcess> known;
  const bool mine = seen_.with([&](auto& all) {
    if (all.size() >= kMaxClustersSeen && !all.contains(cluster.id)) std::erase_if(all, [](const auto& one) { return !one.second.looking; });
    auto& one = all[cluster.id];
    known = one.ever ? one.processes : named(cluster, kNoData);
    if (!may_look || one.looking || (one.ever && now - one.at < kProcessesFresh)) return false;
    return one.looking = true;
  });
  if (!mine) return known;
  auto found = look(cluster);
  if (found) {
    known = std::move(*found);
  } else {
    for (auto& one : known) one.type = kNoData;
  }
  seen_.with([&](auto& all) { all[cluster.id] = Seen{runtime_.now(), true, false, known}; });
  return known;
}

Result<std::vector<ClusterProcess>> ClusterProcesses::look(const Cluster& cluster) {
  if (cluster.shown_uri.empty()) return std::vector<ClusterProcess>();  // it is being made
  const auto deployment = TRY(clusters_.connect(cluster));
  const auto facts = TRY(deployment->facts());
  const auto asked_at = now_millis(runtime_);
  if (facts.is_mongos) {
    // The driver has spoken to one of them; which, it does not say.
    auto all = named(cluster, "SHARD_MONGOS");
    if (all.size() == 1) all.front().version = facts.version.to_string();
    for (auto& one : all) one.last_ping_millis = all.size() == 1 ? asked_at : 0;
    return all;
  }
  const auto status = deployment->run_command("admin", bson::make_document({{"replSetGetStatus", 1}}));
  if (status) return processes_of_status(*status, facts.version.to_string(), asked_at);
  if (status.error().code == ErrorCode::kTemporary) return tl::unexpected(status.error());
  // Its user may not ask: the primary is known by having answered, of the others only that there are some.
  std::vector<ClusterProcess> all;
  for (const auto& host : facts.hosts) {
    const bool primary = host == facts.primary;
    all.push_back({.host = host, .type = primary ? "REPLICA_PRIMARY" : kNoData, .replica_set = facts.set_name, .version = primary ? facts.version.to_string() : "",
                   .last_ping_millis = primary ? asked_at : 0});
  }
  return all;
}

}  // namespace drover::control
