#include "api/monitoring_json.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <map>
#include <span>

#include <fmt/format.h>

namespace drover::api {
namespace {

struct Measurement {
  std::string_view name;
  std::string_view units;
};
// Some are of storage engines or machines that nobody here sees into: known, and without a value.
constexpr Measurement kDatabaseMeasurements[] = {
    {"DATABASE_AVERAGE_OBJECT_SIZE", "BYTES"}, {"DATABASE_COLLECTION_COUNT", "SCALAR"}, {"DATABASE_DATA_SIZE", "BYTES"},
    {"DATABASE_EXTENT_COUNT", "SCALAR"},       {"DATABASE_FILE_SIZE", "BYTES"},         {"DATABASE_INDEX_COUNT", "SCALAR"},
    {"DATABASE_INDEX_SIZE", "BYTES"},          {"DATABASE_OBJECT_COUNT", "SCALAR"},     {"DATABASE_STORAGE_SIZE", "BYTES"},
};
constexpr Measurement kDiskMeasurements[] = {
    {"DISK_PARTITION_IOPS_READ", "SCALAR_PER_SECOND"},  {"DISK_PARTITION_IOPS_TOTAL", "SCALAR_PER_SECOND"}, {"DISK_PARTITION_IOPS_WRITE", "SCALAR_PER_SECOND"},
    {"DISK_PARTITION_LATENCY_READ", "MILLISECONDS"},    {"DISK_PARTITION_LATENCY_WRITE", "MILLISECONDS"},   {"DISK_PARTITION_SPACE_FREE", "BYTES"},
    {"DISK_PARTITION_SPACE_PERCENT_FREE", "PERCENT"},   {"DISK_PARTITION_SPACE_PERCENT_USED", "PERCENT"},   {"DISK_PARTITION_SPACE_USED", "BYTES"},
};
constexpr std::int64_t kMaxPoints = 5000;  // of one answer and measurement
constexpr std::pair<std::string_view, std::int64_t> kGranularities[] = {
    {"PT10S", 10'000}, {"PT1M", 60'000}, {"PT5M", 300'000}, {"PT30M", 1'800'000}, {"PT1H", 3'600'000}, {"P1D", 86'400'000}};
constexpr Measurement kMeasurements[] = {
    {"ASSERT_MSG", "SCALAR_PER_SECOND"},
    {"ASSERT_REGULAR", "SCALAR_PER_SECOND"},
    {"ASSERT_USER", "SCALAR_PER_SECOND"},
    {"ASSERT_WARNING", "SCALAR_PER_SECOND"},
    {"CACHE_BYTES_READ_INTO", "BYTES_PER_SECOND"},
    {"CACHE_BYTES_WRITTEN_FROM", "BYTES_PER_SECOND"},
    {"CACHE_DIRTY_BYTES", "BYTES"},
    {"CACHE_USED_BYTES", "BYTES"},
    {"CONNECTIONS", "SCALAR"},
    {"CURSORS_TOTAL_OPEN", "SCALAR"},
    {"CURSORS_TOTAL_TIMED_OUT", "SCALAR_PER_SECOND"},
    {"DB_DATA_SIZE_TOTAL", "BYTES"},
    {"DB_DATA_SIZE_TOTAL_WO_SYSTEM", "BYTES"},
    {"DB_INDEX_SIZE_TOTAL", "BYTES"},
    {"DB_STORAGE_TOTAL", "BYTES"},
    {"DOCUMENT_METRICS_DELETED", "SCALAR_PER_SECOND"},
    {"DOCUMENT_METRICS_INSERTED", "SCALAR_PER_SECOND"},
    {"DOCUMENT_METRICS_RETURNED", "SCALAR_PER_SECOND"},
    {"DOCUMENT_METRICS_UPDATED", "SCALAR_PER_SECOND"},
    {"EXTRA_INFO_PAGE_FAULTS", "SCALAR_PER_SECOND"},
    {"GLOBAL_LOCK_CURRENT_QUEUE_READERS", "SCALAR"},
    {"GLOBAL_LOCK_CURRENT_QUEUE_TOTAL", "SCALAR"},
    {"GLOBAL_LOCK_CURRENT_QUEUE_WRITERS", "SCALAR"},
    {"MEMORY_MAPPED", "MEGABYTES"},
    {"MEMORY_RESIDENT", "MEGABYTES"},
    {"MEMORY_VIRTUAL", "MEGABYTES"},
    {"NETWORK_BYTES_IN", "BYTES_PER_SECOND"},
    {"NETWORK_BYTES_OUT", "BYTES_PER_SECOND"},
    {"NETWORK_NUM_REQUESTS", "SCALAR_PER_SECOND"},
    {"OPCOUNTER_CMD", "SCALAR_PER_SECOND"},
    {"OPCOUNTER_DELETE", "SCALAR_PER_SECOND"},
    {"OPCOUNTER_GETMORE", "SCALAR_PER_SECOND"},
    {"OPCOUNTER_INSERT", "SCALAR_PER_SECOND"},
    {"OPCOUNTER_QUERY", "SCALAR_PER_SECOND"},
    {"OPCOUNTER_REPL_CMD", "SCALAR_PER_SECOND"},
    {"OPCOUNTER_REPL_DELETE", "SCALAR_PER_SECOND"},
    {"OPCOUNTER_REPL_INSERT", "SCALAR_PER_SECOND"},
    {"OPCOUNTER_REPL_UPDATE", "SCALAR_PER_SECOND"},
    {"OPCOUNTER_UPDATE", "SCALAR_PER_SECOND"},
    {"OPERATIONS_SCAN_AND_ORDER", "SCALAR_PER_SECOND"},
    {"OPLOG_MASTER_LAG_TIME_DIFF", "SECONDS"},
    {"OPLOG_MASTER_TIME", "SECONDS"},
    {"OPLOG_RATE_GB_PER_HOUR", "GIGABYTES_PER_HOUR"},
    {"OPLOG_REPLICATION_LAG_TIME", "SECONDS"},
    {"OP_EXECUTION_TIME_COMMANDS", "MILLISECONDS"},
    {"OP_EXECUTION_TIME_READS", "MILLISECONDS"},
    {"OP_EXECUTION_TIME_WRITES", "MILLISECONDS"},
    {"QUERY_EXECUTOR_SCANNED", "SCALAR_PER_SECOND"},
    {"QUERY_EXECUTOR_SCANNED_OBJECTS", "SCALAR_PER_SECOND"},
    {"QUERY_TARGETING_SCANNED_OBJECTS_PER_RETURNED", "SCALAR"},
    {"QUERY_TARGETING_SCANNED_PER_RETURNED", "SCALAR"},
    {"RESTARTS_IN_LAST_HOUR", "SCALAR"},
    {"TICKETS_AVAILABLE_READS", "SCALAR"},
    {"TICKETS_AVAILABLE_WRITE", "SCALAR"},
};

std::span<const Measurement> all_of(Measured what) {
  switch (what) {
    case Measured::kDatabase: return kDatabaseMeasurements;
    case Measured::kDisk: return kDiskMeasurements;
    case Measured::kHost: break;
  }
  return kMeasurements;
}

const Json& fact(const control::MonitoredHost& host, std::string_view key) {
  static const Json kNothing;
  const auto* value = host.facts.find(key);
  return value ? *value : kNothing;
}

// Whole numbers come from the servers as doubles, by way of the agent.
Json whole(const Json& value) {
  const auto* real = value.as_double();
  return real && std::floor(*real) == *real ? Json(static_cast<std::int64_t>(*real)) : value;
}

}  // namespace

std::string iso_of_millis(std::int64_t millis) {
  const auto seconds = static_cast<std::time_t>(millis / 1000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

std::optional<std::int64_t> millis_of_iso(std::string_view text) {
  std::tm utc{};
  char zone = 0;
  const std::string copy(text);
  if (std::sscanf(copy.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d%c", &utc.tm_year, &utc.tm_mon, &utc.tm_mday, &utc.tm_hour, &utc.tm_min, &utc.tm_sec,
                  &zone) != 7 || zone != 'Z' || copy.size() != 20)
    return std::nullopt;
  utc.tm_year -= 1900;
  utc.tm_mon -= 1;
  return static_cast<std::int64_t>(timegm(&utc)) * 1000;
}

std::optional<std::int64_t> millis_of_duration(std::string_view text) {
  if (!text.starts_with('P') || text.size() < 3) return std::nullopt;
  text.remove_prefix(1);
  std::int64_t seconds = 0, number = -1;
  bool time = false;
  for (const char c : text) {
    if (c >= '0' && c <= '9') {
      if (number > 100'000) return std::nullopt;
      number = std::max<std::int64_t>(number, 0) * 10 + (c - '0');
    } else if (c == 'T' && number < 0 && !time) {
      time = true;
    } else {
      if (number < 0) return std::nullopt;
      const std::int64_t unit = !time && c == 'D' ? 86'400 : !time && c == 'W' ? 604'800 : time && c == 'H' ? 3600 : time && c == 'M' ? 60 : time && c == 'S' ? 1 : 0;
      if (unit == 0) return std::nullopt;
      seconds += number * unit;
      number = -1;
    }
  }
  if (number >= 0 || seconds == 0) return std::nullopt;
  return seconds * 1000;
}

Json host_json(const RestRequest& request, const control::MonitoredHost& host, const control::MonitoredDeployment* deployment) {
  const bool seen = host.last_ping_millis != 0;
  Json::Object out;
  out.emplace_back("id", host.id);
  out.emplace_back("groupId", host.group);
  out.emplace_back("clusterId", host.deployment);
  out.emplace_back("hostname", host.hostname);
  out.emplace_back("port", host.port);
  out.emplace_back("created", host.created);
  out.emplace_back("typeName", seen ? fact(host, "typeName") : Json("NO_DATA"));
  out.emplace_back("aliases", Json::Array{Json(fmt::format("{}:{}", host.hostname, host.port))});
  out.emplace_back("alertsEnabled", true);
  out.emplace_back("logsEnabled", false);
  out.emplace_back("profilerEnabled", false);
  out.emplace_back("hostEnabled", true);
  out.emplace_back("deactivated", false);
  out.emplace_back("hidden", false);
  out.emplace_back("hasStartupWarnings", false);
  out.emplace_back("lowUlimit", false);
  out.emplace_back("links", self_link(request, fmt::format("/groups/{}/hosts/{}", host.group, host.id)));
  if (deployment) {
    out.emplace_back("authMechanismName", name_of(deployment->credentials.mechanism));
    out.emplace_back("sslEnabled", deployment->credentials.tls);
    if (!deployment->credentials.username.empty()) out.emplace_back("username", deployment->credentials.username);
  }
  if (!host.last_error.empty()) out.emplace_back("lastError", host.last_error);
  if (!seen) return Json(std::move(out));
  out.emplace_back("lastPing", iso_of_millis(host.last_ping_millis));
  for (const char* key : {"version", "replicaSetName", "replicaStateName", "shardName"}) {
    const auto& value = fact(host, key);
    if (value.as_string() && !value.as_string()->empty()) out.emplace_back(key, value);
  }
  for (const char* key : {"journalingEnabled", "hiddenSecondary"})
    if (const auto& value = fact(host, key); value.as_bool()) out.emplace_back(key, value);
  if (const auto delay = whole(fact(host, "secondaryDelaySecs")); delay.as_int()) out.emplace_back("secondaryDelaySecs", delay);
  if (host.sizes) {
    out.emplace_back("lastDataSizeBytes", host.sizes->data);
    out.emplace_back("lastIndexSizeBytes", host.sizes->indexes);
  }
  if (const auto uptime = whole(fact(host, "uptimeMsec")); uptime.as_int()) {
    out.emplace_back("uptimeMsec", uptime);
    out.emplace_back("lastRestart", iso_of_millis(host.last_ping_millis - *uptime.as_int()));
  }
  out.emplace_back("systemInfo", Json::Object{{"memSizeMB", whole(fact(host, "memSizeMB"))}, {"numCores", whole(fact(host, "numCores"))}});
  return Json(std::move(out));
}

Json cluster_json(const RestRequest& request, const control::MonitoredDeployment& one) {
  Json::Object out{{"id", one.id}, {"clusterName", one.name}, {"groupId", one.group}};
  out.emplace_back("typeName", one.topology == "SHARDED" ? "SHARDED_REPLICA_SET" : one.topology == "STANDALONE" ? "STANDALONE" : "REPLICA_SET");
  if (!one.replica_set.empty()) out.emplace_back("replicaSetName", one.replica_set);
  if (one.last_ping_millis != 0) out.emplace_back("lastHeartbeat", iso_of_millis(one.last_ping_millis));
  if (!one.last_error.empty()) out.emplace_back("lastError", one.last_error);
  out.emplace_back("links", self_link(request, fmt::format("/groups/{}/clusters/{}", one.group, one.id)));
  return Json(std::move(out));
}

Json agent_json(const RestRequest&, const control::Agent& agent, std::string_view type, bool active) {
  Json::Object out{{"typeName", type}, {"hostname", agent.hostname}, {"confCount", agent.polls}, {"lastConf", iso_of_millis(agent.last_poll_millis)}};
  out.emplace_back("stateName", !agent.alive ? "INACTIVE" : active ? "ACTIVE" : "STANDBY");
  if (type == "MONITORING") {
    out.emplace_back("pingCount", agent.pings);
    out.emplace_back("lastPing", agent.last_ping_millis == 0 ? Json() : Json(iso_of_millis(agent.last_ping_millis)));
    out.emplace_back("isManaged", false);
  }
  out.emplace_back("tag", nullptr);
  return Json(std::move(out));
}

std::optional<std::string_view> units_of(Measured what, std::string_view measurement) {
  for (const auto& one : all_of(what))
    if (one.name == measurement) return one.units;
  return std::nullopt;
}

RestResult<MeasurementQuery> parse_measurement_query(Measured what, const RestRequest& request, std::int64_t now) {
  const auto given = [&](const char* name) {
    const auto found = request.query.find(name);
    return found == request.query.end() ? std::string() : found->second;
  };
  const auto wrong = [](const char* name, std::string_view why) {
    return refuse(400, "INVALID_QUERY_PARAMETER", fmt::format("Invalid query parameter {}: {}.", name, why), {name});
  };
  MeasurementQuery query;
  query.granularity = given("granularity");
  for (const auto& [name, step] : kGranularities)
    if (name == query.granularity) query.step = step;
  if (query.step == 0) return wrong("granularity", "it must be PT10S, PT1M, PT5M, PT30M, PT1H or P1D");
  const auto period = given("period"), start = given("start"), end = given("end");
  if (!period.empty()) {
    if (!start.empty() || !end.empty()) return wrong("period", "it cannot be there with start and end");
    const auto length = millis_of_duration(period);
    if (!length) return wrong("period", "it must be an ISO 8601 duration, such as PT1H or P1D");
    query.end = now;
    query.start = query.end - *length;
  } else {
    const auto from = millis_of_iso(start), to = millis_of_iso(end);
    if (!from || !to) return wrong("period", "it, or start and end in ISO 8601 (2026-02-01T09:10:00Z), must be there");
    if (*from >= *to) return wrong("start", "it must be before end");
    query.start = *from;
    query.end = *to;
  }
  if ((query.end - query.start) / query.step > kMaxPoints) return wrong("granularity", fmt::format("it makes more than {} points", kMaxPoints));
  for (const auto& [key, name] : request.every_query) {
    if (key != "m" || std::find(query.names.begin(), query.names.end(), name) != query.names.end()) continue;
    if (!units_of(what, name)) return refuse(400, "INVALID_METRIC_NAME", fmt::format("An invalid metric name {} was specified.", name), {name});
    query.names.push_back(name);
  }
  return query;
}

RestResult<RestReply> alert_named(const RestRequest& request, Json::Array open) {
  const auto& id = request.name("alertId");
  for (auto& one : open)
    if (*one.find("id")->as_string() == id) return RestReply{200, std::move(one)};
  return refuse(404, "RESOURCE_NOT_FOUND", fmt::format("No alert with ID {} is open in group {}.", id, request.name("groupId")), {id, request.name("groupId")});
}

Json::Object measurements_json(Measured what, const MeasurementQuery& query, const std::vector<control::MeasuredPoint>& points) {
  struct Bucket {
    double sum = 0;
    int count = 0;
  };
  std::map<std::string, std::map<std::int64_t, Bucket>, std::less<>> series;
  for (const auto& point : points) {
    const auto step = point.millis / query.step * query.step;
    for (const auto& [name, value] : point.values) {
      auto& bucket = series[name][step];
      bucket.sum += value;
      ++bucket.count;
    }
  }
  Json::Array all;
  for (const auto& known : all_of(what)) {
    const bool wanted = query.names.empty() || std::find(query.names.begin(), query.names.end(), known.name) != query.names.end();
    if (!wanted) continue;
    const auto found = series.find(known.name);
    Json::Array data;
    for (auto at = query.start / query.step * query.step; at <= query.end; at += query.step) {
      Json value;
      if (found != series.end()) {
        if (const auto bucket = found->second.find(at); bucket != found->second.end()) value = bucket->second.sum / bucket->second.count;
      }
      data.push_back(Json::Object{{"timestamp", iso_of_millis(at)}, {"value", std::move(value)}});
    }
    all.push_back(Json::Object{{"name", known.name}, {"units", known.units}, {"dataPoints", std::move(data)}});
  }
  return {{"start", iso_of_millis(query.start)}, {"end", iso_of_millis(query.end)}, {"granularity", query.granularity}, {"measurements", std::move(all)}};
}

}  // namespace drover::api
