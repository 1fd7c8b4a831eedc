#include "control/deployment_summary.h"

#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>

#include "control/fields.h"
#include "model/server_version.h"

namespace drover::control {
namespace {

constexpr std::array<std::string_view, 18> kFacts{"typeName", "version", "community", "featureCompatibilityVersion", "os", "memSizeMB", "numCores",
                                                  "replicaSetName", "replicaStateName", "uptimeMsec", "tlsEnabled", "oplogSizeBytes",
                                                  "missingActions", "balancerMode", "journalingEnabled", "hiddenSecondary", "secondaryDelaySecs", "shardName"};
constexpr std::size_t kMaxFactBytes = 4096;
constexpr std::size_t kMaxDatabaseName = 255;
constexpr std::size_t kMaxLastErrorBytes = 800;

std::string text_in(const Json& object, std::string_view key) {
  const auto* value = object.find(key);
  const auto* text = value ? value->as_string() : nullptr;
  return text ? *text : std::string();
}
bool flag_in(const Json& object, std::string_view key) {
  const auto* value = object.find(key);
  const auto* flag = value ? value->as_bool() : nullptr;
  return flag && *flag;
}
double number_in(const Json& object, std::string_view key) {
  const auto* value = object.find(key);
  if (value == nullptr) return 0;
  if (const auto* whole = value->as_int()) return static_cast<double>(*whole);
  if (const auto* real = value->as_double()) return *real;
  return 0;
}
// Of what an agent says to be bytes: 0 for what is no number, or below.
std::int64_t bytes_in(const Json& object, std::string_view key) {
  constexpr double kMost = static_cast<double>(std::int64_t{1} << 60);  // an exabyte: sums of some hosts' stay numbers
  const double bytes = number_in(object, key);
  return bytes > 0 ? static_cast<std::int64_t>(std::min(bytes, kMost)) : 0;
}
std::vector<std::string> texts_in(const Json& object, std::string_view key) {
  std::vector<std::string> texts;
  if (const auto* list = object.find(key); list && list->as_array())
    for (const auto& item : *list->as_array())
      if (const auto* text = item.as_string()) texts.push_back(*text);
  return texts;
}

bool is_older(const std::string& one, const std::string& other) {
  const auto a = ServerVersion::parse(one), b = ServerVersion::parse(other);
  return a && (!b || *a < *b);
}

// Of the databases that users fill.
bool is_internal(const std::string& database) { return database == "local" || database == "config" || database == "admin"; }

struct Sizes {
  std::int64_t stored = 0, data = 0;       // of what users have
  std::int64_t all_data = 0, indexes = 0;  // of all
  HostSizes host;
};
Sizes sizes_of(const Json& host) {
  Sizes sizes;
  if (const auto* list = host.find("databases"); list && list->as_array()) {
    for (const auto& database : *list->as_array()) {
      sizes.all_data += bytes_in(database, "dataSize");
      sizes.indexes += bytes_in(database, "indexSize");
      const auto name = text_in(database, "name");
      if (name != "local") {
        sizes.host.data += bytes_in(database, "dataSize");
        sizes.host.indexes += bytes_in(database, "indexSize");
      }
      if (is_internal(name)) continue;
      sizes.stored += bytes_in(database, "storageSize");
      sizes.data += bytes_in(database, "dataSize");
    }
  }
  return sizes;
}

void append_texts(bson::Builder& to, std::string_view key, const std::vector<std::string>& texts) {
  auto array = to.open_array(key);
  for (const auto& text : texts) array.append(text);
}

// Whoever sends samples chooses the names: they become fields of what is kept.
Json numbers_in(const Json* object) {
  constexpr std::size_t kMaxNameBytes = 64;
  Json::Object numbers;
  if (object == nullptr || object->as_object() == nullptr) return Json(std::move(numbers));
  for (const auto& [name, value] : *object->as_object()) {
    const bool named = !name.empty() && name.size() <= kMaxNameBytes && name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == std::string::npos;
    if (named && (value.as_int() || value.as_double()) && numbers.size() < kMaxFigures) numbers.emplace_back(name, value);
  }
  return Json(std::move(numbers));
}

}  // namespace

SampleSummary summary_of(const MonitoredDeployment& before, const Json::Array& hosts) {
  SampleSummary summary;
  auto& next = summary.next;
  next = before;
  std::set<std::string> missing;
  std::string lowest, error;
  std::int64_t stored = 0, data = 0;
  bool has_sizes = false, login_failed = false;
  int shards = 0;
  for (const auto& host : hosts) {
    login_failed = login_failed || flag_in(host, "loginFailed");
    if (!flag_in(host, "reached")) {
      if (error.empty()) error = fmt::format("{}: {}", text_in(host, "host"), text_in(host, "error")).substr(0, kMaxLastErrorBytes);
      continue;
    }
    if (!summary.reached) next.topology.clear();
    summary.reached = true;
    summary.members.push_back(text_in(host, "host"));
    const auto type = text_in(host, "typeName");
    if (type == "SHARD_MONGOS") next.topology = "SHARDED";
    else if (next.topology != "SHARDED") next.topology = type.ends_with("STANDALONE") ? "STANDALONE" : "REPLICA_SET";
    if (const auto version = text_in(host, "version"); lowest.empty() || is_older(version, lowest)) lowest = version;
    if (const auto set = text_in(host, "replicaSetName"); !set.empty()) next.replica_set = set;
    if (const auto id = text_in(host, "replicaSetId"); is_id(id)) next.replica_set_id = id;
    if (const auto fcv = text_in(host, "featureCompatibilityVersion"); !fcv.empty()) next.fcv = fcv;
    if (const auto os = text_in(host, "os"); !os.empty()) next.os = os;
    if (const auto* community = host.find("community"); community && community->as_bool()) next.community = *community->as_bool();
    next.tls_enabled = flag_in(host, "tlsEnabled");
    if (const auto oplog = bytes_in(host, "oplogSizeBytes"); oplog > 0) next.oplog_bytes = oplog;
    if (auto mechanisms = texts_in(host, "authMechanisms"); !mechanisms.empty()) next.mechanisms = std::move(mechanisms);
    for (auto& action : texts_in(host, "missingActions")) missing.insert(std::move(action));
    if (const auto* list = host.find("shards"); list && list->as_array()) shards = static_cast<int>(list->as_array()->size());
    if (const auto* list = host.find("databases"); list && list->as_array()) {
      const auto sizes = sizes_of(host);
      has_sizes = true;
      stored += sizes.stored;
      data += sizes.data;
    }
  }
  next.login_failed = login_failed;
  next.last_error = error;
  if (!summary.reached) return summary;
  next.version = lowest;
  next.shards = shards > 0 ? shards : 1;
  next.missing_actions.assign(missing.begin(), missing.end());
  // A sharded cluster's replica sets are not its name.
  if (next.topology != "REPLICA_SET") {
    next.replica_set.clear();
    next.replica_set_id.clear();
  }
  if (has_sizes) {
    next.db_bytes = stored;
    next.data_bytes = data;
  }
  return summary;
}

bson::Document summary_document(const MonitoredDeployment& one) {
  bson::Builder out;
  out.append("topology", one.topology).append("replicaSetName", one.replica_set).append("replicaSetId", one.replica_set_id).append("version", one.version).append("fcv", one.fcv);
  out.append("os", one.os).append("agentVersion", one.agent_version).append("shards", one.shards).append("tlsEnabled", one.tls_enabled);
  if (one.community) out.append("community", *one.community);
  out.append("dbBytes", one.db_bytes).append("dataBytes", one.data_bytes).append("oplogBytes", one.oplog_bytes);
  append_texts(out, "mechanisms", one.mechanisms);
  append_texts(out, "missingActions", one.missing_actions);
  out.append("loginFailed", one.login_failed).append("loginFailedSince", one.login_failed_since).append("missingSince", one.missing_since);
  out.append("lastError", one.last_error);
  return std::move(out).finish();
}

void read_summary(bson::View document, MonitoredDeployment& one) {
  one.topology = text_of(document, "topology");
  one.replica_set = text_of(document, "replicaSetName");
  one.replica_set_id = text_of(document, "replicaSetId");
  one.version = text_of(document, "version");
  one.fcv = text_of(document, "fcv");
  one.os = text_of(document, "os");
  one.agent_version = text_of(document, "agentVersion");
  one.shards = std::max<int>(1, static_cast<int>(number_of(document, "shards")));
  one.tls_enabled = flag_of(document, "tlsEnabled");
  if (document["community"].exists()) one.community = flag_of(document, "community");
  one.db_bytes = number_of(document, "dbBytes");
  one.data_bytes = number_of(document, "dataBytes");
  one.oplog_bytes = number_of(document, "oplogBytes");
  one.mechanisms = texts_of(document, "mechanisms");
  one.missing_actions = texts_of(document, "missingActions");
  one.login_failed = flag_of(document, "loginFailed");
  one.login_failed_since = number_of(document, "loginFailedSince");
  one.missing_since = number_of(document, "missingSince");
  one.last_error = text_of(document, "lastError");
}

Json facts_of(const Json& host) {
  Json::Object facts;
  for (const auto key : kFacts) {
    const auto* value = host.find(key);
    if (value == nullptr || value->dump().size() > kMaxFactBytes) continue;
    facts.emplace_back(key, *value);
  }
  return facts;
}

std::optional<HostSizes> sizes_told(const Json& host) {
  const auto* list = host.find("databases");
  if (list == nullptr || list->as_array() == nullptr) return std::nullopt;
  return sizes_of(host).host;
}

std::vector<std::string> events_of(bson::View before, const Json& facts) {
  std::vector<std::string> events;
  if (before.empty()) return events;
  const auto type = text_in(facts, "typeName");
  if (type != text_of(before, "typeName")) {
    if (type.ends_with("_PRIMARY")) events.emplace_back("HOST_NOW_PRIMARY");
    else if (type.ends_with("_SECONDARY")) events.emplace_back("HOST_NOW_SECONDARY");
    else if (type.ends_with("STANDALONE")) events.emplace_back("HOST_NOW_STANDALONE");
    else if (type == "RECOVERING") events.emplace_back("HOST_RECOVERING");
  }
  if (text_in(facts, "version") != text_of(before, "version")) events.emplace_back("VERSION_CHANGED");
  const auto uptime = before["uptimeMsec"].to_double();
  if (uptime && facts.find("uptimeMsec") && number_in(facts, "uptimeMsec") < *uptime) events.emplace_back("HOST_RESTARTED");
  return events;
}

namespace {

// Of rates: one for each of another; nothing where there were none of that.
void add_ratios(Json::Object& figures) {
  constexpr std::array<std::array<const char*, 3>, 5> kRatios{{{"OP_EXECUTION_TIME_READS", "OP_LATENCY_READS", "OP_COUNT_READS"},
                                                               {"OP_EXECUTION_TIME_WRITES", "OP_LATENCY_WRITES", "OP_COUNT_WRITES"},
                                                               {"OP_EXECUTION_TIME_COMMANDS", "OP_LATENCY_COMMANDS", "OP_COUNT_COMMANDS"},
                                                               {"QUERY_TARGETING_SCANNED_PER_RETURNED", "QUERY_EXECUTOR_SCANNED", "DOCUMENT_METRICS_RETURNED"},
                                                               {"QUERY_TARGETING_SCANNED_OBJECTS_PER_RETURNED", "QUERY_EXECUTOR_SCANNED_OBJECTS", "DOCUMENT_METRICS_RETURNED"}}};
  const Json known(figures);
  for (const auto& [name, of, for_each] : kRatios) {
    const auto count = number_in(known, for_each);
    if (known.find(of) != nullptr && count > 0) figures.emplace_back(name, number_in(known, of) / count);
  }
  std::erase_if(figures, [](const auto& figure) { return figure.first.starts_with("OP_LATENCY_") || figure.first.starts_with("OP_COUNT_"); });
}

}  // namespace

Json counters_of(const Json& host) { return numbers_in(host.find("counters")); }

Json figures_of(const Json& host, bson::View before, std::int64_t elapsed_millis) {
  const auto metrics = numbers_in(host.find("metrics")), counters = counters_of(host);
  Json::Object figures;
  for (const auto& [name, value] : *metrics.as_object()) figures.emplace_back(name, number_in(metrics, name));
  if (elapsed_millis > 0) {
    for (const auto& [name, value] : *counters.as_object()) {
      const auto last = before[name].to_double();
      const double now = number_in(counters, name);
      if (last && now >= *last) figures.emplace_back(name, (now - *last) * 1000.0 / static_cast<double>(elapsed_millis));
    }
  }
  add_ratios(figures);
  if (const auto* list = host.find("databases"); list && list->as_array()) {
    const auto sizes = sizes_of(host);
    figures.emplace_back("DB_STORAGE_TOTAL", sizes.stored);
    figures.emplace_back("DB_DATA_SIZE_TOTAL", sizes.all_data);
    figures.emplace_back("DB_DATA_SIZE_TOTAL_WO_SYSTEM", sizes.data);
    figures.emplace_back("DB_INDEX_SIZE_TOTAL", sizes.indexes);
  }
  return figures;
}

DatabaseSizes sizes_by_database(const Json& host) {
  constexpr std::pair<const char*, const char*> kFields[] = {
      {"DATABASE_AVERAGE_OBJECT_SIZE", "avgObjSize"}, {"DATABASE_COLLECTION_COUNT", "collections"}, {"DATABASE_DATA_SIZE", "dataSize"},
      {"DATABASE_INDEX_COUNT", "indexes"},            {"DATABASE_INDEX_SIZE", "indexSize"},         {"DATABASE_OBJECT_COUNT", "objects"},
      {"DATABASE_STORAGE_SIZE", "storageSize"}};
  DatabaseSizes sizes;
  const auto* list = host.find("databases");
  if (list == nullptr || list->as_array() == nullptr) return sizes;
  for (const auto& database : *list->as_array()) {
    const auto name = text_in(database, "name");
    if (name.empty() || name.size() > kMaxDatabaseName || sizes.databases.size() >= kMaxDatabasesOfHost) continue;
    Json::Object values;
    for (const auto& [measurement, field] : kFields) {
      const auto* value = database.find(field);
      if (value != nullptr && (value->as_int() != nullptr || value->as_double() != nullptr)) values.emplace_back(measurement, number_in(database, field));
    }
    sizes.databases.emplace_back(name, std::move(values));
    // Each database tells of the whole file system.
    const double total = number_in(database, "fsTotalSize"), used = number_in(database, "fsUsedSize");
    if (total <= 0 || used < 0 || used > total) continue;
    sizes.disk = Json::Object{{"DISK_PARTITION_SPACE_USED", used},
                              {"DISK_PARTITION_SPACE_FREE", total - used},
                              {"DISK_PARTITION_SPACE_PERCENT_USED", used * 100 / total},
                              {"DISK_PARTITION_SPACE_PERCENT_FREE", (total - used) * 100 / total}};
  }
  return sizes;
}

}  // namespace drover::control
