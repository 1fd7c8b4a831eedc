#include "model/process_figures.h"

#include <algorithm>
#include <optional>

namespace drover {
namespace {

constexpr double kBytesOfGigabyte = 1024.0 * 1024 * 1024;

struct Figure {
  const char* name;
  const char* path;  // in serverStatus
  double scale = 1;
};
// As they are.
constexpr Figure kMetrics[] = {
    {"CONNECTIONS", "connections.current"},
    {"CURSORS_TOTAL_OPEN", "metrics.cursor.open.total"},
    {"MEMORY_RESIDENT", "mem.resident"},
    {"MEMORY_VIRTUAL", "mem.virtual"},
    {"MEMORY_MAPPED", "mem.mapped"},
    {"CACHE_USED_BYTES", "wiredTiger.cache.bytes currently in the cache"},
    {"CACHE_DIRTY_BYTES", "wiredTiger.cache.tracked dirty bytes in the cache"},
    {"TICKETS_AVAILABLE_READS", "wiredTiger.concurrentTransactions.read.available"},
    {"TICKETS_AVAILABLE_WRITE", "wiredTiger.concurrentTransactions.write.available"},
    {"GLOBAL_LOCK_CURRENT_QUEUE_TOTAL", "globalLock.currentQueue.total"},
    {"GLOBAL_LOCK_CURRENT_QUEUE_READERS", "globalLock.currentQueue.readers"},
    {"GLOBAL_LOCK_CURRENT_QUEUE_WRITERS", "globalLock.currentQueue.writers"},
};
// They only grow: the site makes rates of them.
constexpr Figure kCounters[] = {
    {"OPCOUNTER_CMD", "opcounters.command"},
    {"OPCOUNTER_QUERY", "opcounters.query"},
    {"OPCOUNTER_UPDATE", "opcounters.update"},
    {"OPCOUNTER_DELETE", "opcounters.delete"},
    {"OPCOUNTER_GETMORE", "opcounters.getmore"},
    {"OPCOUNTER_INSERT", "opcounters.insert"},
    {"OPCOUNTER_REPL_CMD", "opcountersRepl.command"},
    {"OPCOUNTER_REPL_UPDATE", "opcountersRepl.update"},
    {"OPCOUNTER_REPL_DELETE", "opcountersRepl.delete"},
    {"OPCOUNTER_REPL_INSERT", "opcountersRepl.insert"},
    {"NETWORK_BYTES_IN", "network.bytesIn"},
    {"NETWORK_BYTES_OUT", "network.bytesOut"},
    {"NETWORK_NUM_REQUESTS", "network.numRequests"},
    {"ASSERT_REGULAR", "asserts.regular"},
    {"ASSERT_WARNING", "asserts.warning"},
    {"ASSERT_MSG", "asserts.msg"},
    {"ASSERT_USER", "asserts.user"},
    {"CURSORS_TOTAL_TIMED_OUT", "metrics.cursor.timedOut"},
    {"CACHE_BYTES_READ_INTO", "wiredTiger.cache.bytes read into cache"},
    {"CACHE_BYTES_WRITTEN_FROM", "wiredTiger.cache.bytes written from cache"},
    {"DOCUMENT_METRICS_RETURNED", "metrics.document.returned"},
    {"DOCUMENT_METRICS_INSERTED", "metrics.document.inserted"},
    {"DOCUMENT_METRICS_UPDATED", "metrics.document.updated"},
    {"DOCUMENT_METRICS_DELETED", "metrics.document.deleted"},
    {"QUERY_EXECUTOR_SCANNED", "metrics.queryExecutor.scanned"},
    {"QUERY_EXECUTOR_SCANNED_OBJECTS", "metrics.queryExecutor.scannedObjects"},
    {"OPERATIONS_SCAN_AND_ORDER", "metrics.operation.scanAndOrder"},
    {"EXTRA_INFO_PAGE_FAULTS", "extra_info.page_faults"},
    // Of these the site makes milliseconds for an operation.
    {"OP_LATENCY_READS", "opLatencies.reads.latency", 0.001},
    {"OP_LATENCY_WRITES", "opLatencies.writes.latency", 0.001},
    {"OP_LATENCY_COMMANDS", "opLatencies.commands.latency", 0.001},
    {"OP_COUNT_READS", "opLatencies.reads.ops"},
    {"OP_COUNT_WRITES", "opLatencies.writes.ops"},
    {"OP_COUNT_COMMANDS", "opLatencies.commands.ops"},
};
template <std::size_t N>
Json::Object figures(const Figure (&table)[N], bson::View status) {
  Json::Object out;
  for (const auto& figure : table) {
    if (const auto value = status.at_path(figure.path).to_double()) out.emplace_back(figure.name, *value * figure.scale);
  }
  return out;
}

// How far this member is behind the set's newest, by the times of their last entries.
Json replication_lag(bson::View status) {
  std::int64_t newest = 0, own = -1;
  const auto members = status["members"].to_array();
  if (!members) return nullptr;
  for (const auto& item : *members) {
    const auto member = item.to_document().value_or(bson::View());
    const auto at = member["optimeDate"];
    if (at.type() != bson::Type::kDateTime) continue;
    newest = std::max(newest, at.date_value().millis);
    if (member["self"].is_truthy()) own = at.date_value().millis;
  }
  if (own < 0) return nullptr;
  return (newest - own) / 1000;
}

std::optional<std::int64_t> seconds_at(bson::View status, std::string_view path) {
  const auto at = status.at_path(path);
  if (at.type() == bson::Type::kTimestamp) return static_cast<std::int64_t>(at.timestamp_value().seconds);
  if (const auto inner = at.to_document(); inner && (*inner)["ts"].type() == bson::Type::kTimestamp)
    return static_cast<std::int64_t>((*inner)["ts"].timestamp_value().seconds);
  return std::nullopt;
}

// The time that the oplog reaches over, what of it a member that is behind has left, and how fast it fills.
void add_oplog(Json::Object& metrics, bson::View status, bson::View oplog_stats, const Json& lag) {
  const auto first = seconds_at(status, "oplog.earliestOptime"), last = seconds_at(status, "oplog.latestOptime");
  if (!first || !last || *last < *first) return;
  const auto window = *last - *first;
  metrics.emplace_back("OPLOG_MASTER_TIME", window);
  if (const auto* behind = lag.as_int()) metrics.emplace_back("OPLOG_MASTER_LAG_TIME_DIFF", window - *behind);
  const auto bytes = oplog_stats["size"].to_double();
  if (bytes && window > 0) metrics.emplace_back("OPLOG_RATE_GB_PER_HOUR", *bytes / kBytesOfGigabyte * 3600.0 / static_cast<double>(window));
}

}  // namespace

Json::Object process_metrics(bson::View server_status, bson::View repl_set_status, bson::View oplog_stats) {
  auto metrics = figures(kMetrics, server_status);
  const auto lag = replication_lag(repl_set_status);
  if (!lag.is_null()) metrics.emplace_back("OPLOG_REPLICATION_LAG_TIME", lag);
  add_oplog(metrics, server_status, oplog_stats, lag);
  return metrics;
}

Json::Object process_counters(bson::View server_status) { return figures(kCounters, server_status); }

Json::Object database_sizes(const std::string& name, bson::View stats) {
  const auto figure = [&](const char* key) { return Json(stats[key].to_int64().value_or(0)); };
  const auto told = [&](const char* key) { return stats[key].to_double() ? Json(*stats[key].to_double()) : Json(); };
  return Json::Object{{"name", name},
                      {"collections", figure("collections")},
                      {"objects", figure("objects")},
                      {"avgObjSize", figure("avgObjSize")},
                      {"dataSize", figure("dataSize")},
                      {"storageSize", figure("storageSize")},
                      {"indexes", figure("indexes")},
                      {"indexSize", figure("indexSize")},
                      {"fsUsedSize", told("fsUsedSize")},
                      {"fsTotalSize", told("fsTotalSize")}};
}

}  // namespace drover
