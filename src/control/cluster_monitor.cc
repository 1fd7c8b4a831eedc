#include "control/cluster_monitor.h"

#include <set>

#include <fmt/format.h>

#include "control/cluster_processes.h"
#include "control/fields.h"
#include "model/process_figures.h"
#include "net/crypto.h"

namespace drover::control {
namespace {

constexpr const char* kHosts = "clusterHosts";
constexpr std::chrono::seconds kLookEvery{5};  // whether one is due

std::string id_of(const std::string& group, const std::string& host) {
  return net::hex_encode(net::digest(net::Digest::kMd5, fmt::format("cluster {}/{}", group, host)));
}

constexpr std::int64_t millis_of(std::chrono::milliseconds time) { return time.count(); }

// The process that answers, as the public API calls it; empty: nobody can tell which it is.
std::string host_that_answers(const Cluster& cluster, const cluster::Facts& facts) {
  if (!facts.is_mongos) return facts.primary;
  const auto parts = split_uri(cluster.shown_uri);
  if (!parts || parts->scheme.starts_with("mongodb+srv") || parts->hosts.find(',') != std::string::npos) return "";
  const auto [host, port] = host_and_port_of(parts->hosts);
  return fmt::format("{}:{}", host, port);
}

// What the user may not ask is left out.
Result<bson::Document> optional(cluster::Deployment& deployment, const std::string& database, bson::View command) {
  auto reply = deployment.run_command(database, command);
  if (reply || reply.error().code == ErrorCode::kTemporary || reply.error().server_code == 0) return reply;
  return bson::Document();
}

Result<Json> sizes_of(cluster::Deployment& deployment) {
  const auto listed = TRY(optional(deployment, "admin", bson::make_document({{"listDatabases", 1}, {"nameOnly", true}})));
  Json::Array all;
  for (const auto& item : listed["databases"].to_array().value_or(bson::View())) {
    const auto name = text_of(item.to_document().value_or(bson::View()), "name");
    if (name.empty() || all.size() >= kMaxDatabasesOfHost) continue;
    if (const auto stats = TRY(optional(deployment, name, bson::make_document({{"dbStats", 1}}))); !stats.view().empty()) all.push_back(database_sizes(name, stats));
  }
  return Json(std::move(all));
}

}  // namespace

std::int64_t ClusterMonitor::now_millis() const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(runtime_.wall_time().time_since_epoch()).count();
}

ClusterMonitor::ClusterMonitor(Store& store, Clusters& clusters, Runtime& runtime, Log& log)
    : store_(store),
      clusters_(clusters),
      runtime_(runtime),
      log_(log),
      measurements_(store),
      asking_(runtime, "server.measure", kMeasuredAtOnce),
      first_(runtime, "server.measure first", kFirstAtOnce),
      unanswered_(runtime, "server.measure again", kUnansweredAtOnce) {}

void ClusterMonitor::run(const std::stop_token& stop) {
  do {
    auto done = ask_those_due();
    if (done) done = forget_old();
    if (!done && !stop.stop_requested()) log_.warn("measuring the clusters: the store does not answer", {{"error", done.error().message}});
  } while (runtime_.sleep(kLookEvery, stop));
}

Status ClusterMonitor::step() {
  TRY(ask_those_due());
  asking_.await();
  first_.await();
  unanswered_.await();
  return forget_old();
}

// Those that were measured as lately as any: the server may have been down for long, and none of them then is new or silent. Clocks that are ahead count for nothing.
Status ClusterMonitor::learn_who_answered() {
  std::map<std::string, std::int64_t> last;
  std::int64_t latest = 0;
  const auto limit = now_millis() + millis_of(kMeasureEvery);
  TRY(store_.each(kHosts, bson::Document(), [&](bson::View host) -> Status {
    const auto at = number_of(host, "lastPing");
    if (at > limit) return {};
    auto& of_cluster = last[text_of(host, "clusterId")];
    of_cluster = std::max(of_cluster, at);
    latest = std::max(latest, at);
    return {};
  }));
  known_.with([&](auto& known) {
    for (const auto& [cluster, at] : last)
      if (at >= latest - millis_of(kLongestMeasurePause)) known[cluster].answered = true;
  });
  learned_ = true;
  return {};
}

Status ClusterMonitor::ask_those_due() {
  if (!learned_) TRY(learn_who_answered());
  std::set<std::string> there;
  TRY(clusters_.each([&](const Cluster& cluster) -> Status {
    if (cluster.state != "IDLE") return {};
    there.insert(cluster.id);
    const auto now = runtime_.now();
    if (!known_.with([&](auto& known) { return !known[cluster.id].asked && now >= known[cluster.id].next; }) || !TRY(is_due(cluster))) return {};
    auto& pool = known_.with([&](auto& known) -> SideBySide& {
      auto& one = known[cluster.id];
      one.asked = true;
      return one.answered ? asking_ : one.failures == 0 ? first_ : unanswered_;
    });
    Cluster named;  // the rest is read when its turn comes
    named.id = cluster.id;
    named.group = cluster.group;
    named.name = cluster.name;
    pool.add([this, named = std::move(named)](const std::stop_token& stop) {
      if (!stop.stop_requested()) ask(named);
    });
    return {};
  }));
  known_.with([&](auto& known) { std::erase_if(known, [&](const auto& one) { return !one.second.asked && !there.contains(one.first); }); });
  return {};
}

void ClusterMonitor::ask(const Cluster& named) {
  const auto begun = runtime_.now();
  const auto measured = [&]() -> Status {
    const auto cluster = TRY(clusters_.cluster(named.group, named.name));
    return cluster && cluster->id == named.id ? measure(*cluster) : Status();
  }();
  const auto now = runtime_.now();
  known_.with([&](auto& known) {
    auto& one = known[named.id];
    one.asked = false;
    one.answered = measured.has_value();
    one.failures = measured ? 0 : one.failures + 1;
    one.next = measured ? begun + kMeasureEvery : now + measure_pause(one.failures);
  });
  if (!measured) log_.debug("a cluster cannot be measured", {{"project", named.group}, {"cluster", named.name}, {"error", measured.error().message}});
}

Status ClusterMonitor::forget_old() {
  bson::Builder old;
  old.open_document("lastPing").append("$lt", now_millis() - millis_of(kMeasurementsKept));
  return forget(std::move(old).finish());
}

// Whether no process has measured it just now. One whose clock is far ahead keeps nobody from it.
Result<bool> ClusterMonitor::is_due(const Cluster& cluster) {
  const auto now = now_millis(), near = millis_of(kMeasureEvery) - millis_of(kLookEvery);
  bson::Builder recent;
  recent.append("clusterId", cluster.id);
  recent.open_document("lastPing").append("$gt", now - near).append("$lt", now + near);
  return !TRY(store_.find_one(kHosts, std::move(recent).finish()));
}

Status ClusterMonitor::measure(const Cluster& cluster) {
  const auto deployment = TRY(clusters_.connect(cluster));
  const auto facts = TRY(deployment->facts());
  const auto host = host_that_answers(cluster, facts);
  if (host.empty()) return {};
  const auto status = TRY(optional(*deployment, "admin", bson::make_document({{"serverStatus", 1}, {"oplog", 1}})));
  if (status.view().empty()) return fail(ErrorCode::kUnsupported, "its user may not ask for serverStatus");
  const auto set = facts.is_mongos ? bson::Document() : TRY(optional(*deployment, "admin", bson::make_document({{"replSetGetStatus", 1}})));
  const auto id = id_of(cluster.group, host);
  const auto now = now_millis();
  const auto known = TRY(store_.find_one(kHosts, bson::make_document({{"_id", id}})));
  Json::Object sample{{"metrics", process_metrics(status, set)}, {"counters", process_counters(status)}};
  if (const auto uptime = status.view()["uptimeMillis"].to_double()) sample.emplace_back("uptimeMsec", *uptime);
  bson::Builder fields;
  fields.append("groupId", cluster.group).append("clusterId", cluster.id).append("host", host).append("lastPing", now);
  const auto sized = known ? number_of(*known, "sizesAt") : 0;
  if (sized > now || now - sized >= millis_of(kMeasureSizesEvery)) {
    sample.emplace_back("databases", TRY(sizes_of(*deployment)));
    fields.append("sizesAt", now);
  }
  TRY(measurements_.take(id, Json(std::move(sample)), known ? known->view() : bson::View(), now, fields));
  TRY(store_.upsert(kHosts, bson::make_document({{"_id", id}}), bson::make_document({{"$set", std::move(fields).finish()}})));
  // It, and its project, may be gone since.
  if (TRY(clusters_.cluster(cluster.group, cluster.name))) return {};
  return forget(bson::make_document({{"clusterId", cluster.id}}));
}

Result<std::optional<MeasuredProcess>> ClusterMonitor::find(const std::string& group, const std::string& host) {
  const auto found = TRY(store_.find_one(kHosts, bson::make_document({{"_id", id_of(group, host)}})));
  if (!found) return std::optional<MeasuredProcess>();
  return std::optional(MeasuredProcess{text_of(*found, "_id"), text_of(*found, "clusterId"), host, texts_of(*found, "databases"), flag_of(*found, "tellsDisk")});
}

Status ClusterMonitor::forget_project(const std::string& group) { return forget(bson::make_document({{"groupId", group}})); }

// What was measured first: without the host nobody knows that it is there.
Status ClusterMonitor::forget(bson::View filter) {
  return store_.each(kHosts, filter, [&](bson::View host) -> Status {
    TRY(measurements_.forget(text_of(host, "_id")));
    TRY(store_.remove(kHosts, bson::make_document({{"_id", text_of(host, "_id")}})));
    return {};
  });
}

}  // namespace drover::control
