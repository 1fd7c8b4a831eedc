#include "model/process_figures.h"

#include <algorithm>

namespace drover {
namespace {

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
    const auto member = item.document_value();
    const auto at = member["optimeDate"];
    if (at.type() != bson::Type::kDateTime) continue;
    newest = std::max(newest, at.date_value().millis);
    if (member["self"].is_truthy()) own = at.date_value().millis;
  }
  if (own < 0) return nullptr;
  return (newest - own) / 1000;
}

}  // namespace

Json::Object process_metrics(bson::View server_status, bson::View repl_set_status) {
  auto metrics = figures(kMetrics, server_status);
  if (const auto lag = replication_lag(repl_set_status); !lag.is_null()) metrics.emplace_back("OPLOG_REPLICATION_LAG_TIME", lag);
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
