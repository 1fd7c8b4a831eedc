// What monitoring asks for: serverStatus, hostInfo, top. The counters are those of activity.h. What a server tells of its storage engine, locks
// and flow control has no place here, and is left out.
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <thread>

#include <fmt/format.h>

#include "sandbox/commands/activity.h"
#include "sandbox/commands/server_facts.h"
#include "sandbox/commands/sessions.h"
#include "sandbox/commands/support.h"
#include "sandbox/commands/tables.h"
#include "sandbox/commands/write_block.h"
#include "sandbox/commands/write_support.h"
#include "sandbox/storage/engine.h"

namespace drover::sandbox {

namespace {

constexpr std::int32_t kUnblockedMode = 1, kBlockedMode = 2;
constexpr int kMegabyteShift = 20;

struct ProcessMemory {
  std::int64_t resident_mb = 0, virtual_mb = 0;
};

ProcessMemory memory_of_process() {
  std::ifstream statm("/proc/self/statm");
  std::int64_t pages = 0, resident = 0;
  statm >> pages >> resident;
  const auto page = static_cast<std::int64_t>(::sysconf(_SC_PAGESIZE));
  return {resident * page >> kMegabyteShift, pages * page >> kMegabyteShift};
}

std::string whole_file(const char* path) {
  std::ifstream file(path);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

// Of "NAME<separator>value" lines, the first of that name; quotes are taken away.
std::string value_in(const char* path, std::string_view name, char separator) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const auto at = line.find(separator);
    if (at == std::string::npos || !std::string_view(line).starts_with(name)) continue;
    auto value = line.substr(at + 1);
    std::erase(value, '"');
    return value.substr(std::min(value.find_first_not_of(" \t"), value.size()));
  }
  return "";
}

std::int64_t memory_of_machine_mb() { return static_cast<std::int64_t>(::sysconf(_SC_PHYS_PAGES)) * ::sysconf(_SC_PAGESIZE) >> kMegabyteShift; }

Result<bson::Document> host_info(CommandContext& context) {
  utsname kernel{};
  ::uname(&kernel);
  bson::Builder out;
  {
    auto system = out.open_document("system");
    system.append("currentTime", bson::DateTime{wall_millis(context.services.runtime)}).append("hostname", host_name());
    system.append("cpuAddrSize", 64).append("memSizeMB", memory_of_machine_mb()).append("memLimitMB", memory_of_machine_mb());
    system.append("numCores", static_cast<std::int32_t>(std::thread::hardware_concurrency())).append("cpuArch", kernel.machine).append("numaEnabled", false);
  }
  out.open_document("os").append("type", kernel.sysname).append("name", value_in("/etc/os-release", "PRETTY_NAME", '=')).append("version", fmt::format("Kernel {}", kernel.release));
  {
    auto extra = out.open_document("extra");
    extra.append("versionString", whole_file("/proc/version")).append("kernelVersion", kernel.release);
    extra.append("cpuString", value_in("/proc/cpuinfo", "model name", ':')).append("cpuFrequencyMHz", value_in("/proc/cpuinfo", "cpu MHz", ':'));
    extra.append("cpuFeatures", value_in("/proc/cpuinfo", "flags", ':')).append("pageSize", static_cast<std::int64_t>(::sysconf(_SC_PAGESIZE)));
    extra.append("numPages", static_cast<std::int32_t>(::sysconf(_SC_PHYS_PAGES))).append("maxOpenFiles", static_cast<std::int32_t>(::sysconf(_SC_OPEN_MAX)));
  }
  return std::move(out).finish();
}

Status append_repl(bson::Builder& out, CommandContext& context) {
  const auto& settings = context.settings();
  const auto self = fmt::format("{}:{}", settings.host, settings.port);
  const bool primary = context.engine().is_primary();
  auto repl = out.open_document("repl");
  repl.open_array("hosts").append(self);
  repl.append("setName", settings.repl_set).append("setVersion", 1);
  repl.append(settings.at_least(5, 0) ? "isWritablePrimary" : "ismaster", primary);
  repl.append("secondary", !primary);
  if (primary) repl.append("primary", self);
  repl.append("me", self).append("rbid", 1);
  if (settings.at_least(6, 0)) {
    const bool blocked = TRY(user_writes_blocked(*TRY(read_scope(context)).reader));
    repl.append("userWriteBlockMode", blocked ? kBlockedMode : kUnblockedMode);
  }
  return {};
}

void append_operations(bson::Builder& out, std::string_view name, const OperationCounts& counts) {
  out.open_document(name)
      .append("insert", counts.insert)
      .append("query", counts.query)
      .append("update", counts.update)
      .append("delete", counts.remove)
      .append("getmore", counts.getmore)
      .append("command", counts.command);
}

void append_connections(bson::Builder& out, CommandContext& context) {
  const auto& operations = context.services.operations;
  const auto current = static_cast<std::int32_t>(operations.current_connections());
  const auto most = static_cast<std::int32_t>(context.settings().max_connections);
  out.open_document("connections")
      .append("current", current)
      .append("available", std::max(most - current, 0))
      .append("totalCreated", static_cast<std::int32_t>(operations.total_connections()))
      .append("active", static_cast<std::int32_t>(operations.running()));
}

void append_extra_info(bson::Builder& out) {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto micros = [](const timeval& time) { return std::int64_t{time.tv_sec} * 1'000'000 + time.tv_usec; };
  out.open_document("extra_info")
      .append("note", "fields vary by platform")
      .append("user_time_us", micros(usage.ru_utime))
      .append("system_time_us", micros(usage.ru_stime))
      .append("maximum_resident_set_kb", std::int64_t{usage.ru_maxrss})
      .append("input_blocks", std::int64_t{usage.ru_inblock})
      .append("output_blocks", std::int64_t{usage.ru_oublock})
      .append("page_reclaims", std::int64_t{usage.ru_minflt})
      .append("page_faults", std::int64_t{usage.ru_majflt})
      .append("voluntary_context_switches", std::int64_t{usage.ru_nvcsw})
      .append("involuntary_context_switches", std::int64_t{usage.ru_nivcsw});
}

// Who waits for a place among those that run at once waits as others wait for a lock.
void append_global_lock(bson::Builder& out, const Operations::Load& load, std::int64_t uptime_micros) {
  auto lock = out.open_document("globalLock");
  lock.append("totalTime", uptime_micros);
  const auto append = [&](std::string_view name, std::int64_t readers, std::int64_t writers) {
    lock.open_document(name)
        .append("total", static_cast<std::int32_t>(readers + writers))
        .append("readers", static_cast<std::int32_t>(readers))
        .append("writers", static_cast<std::int32_t>(writers));
  };
  append("currentQueue", load.waiting_readers, load.waiting_writers);
  append("activeClients", load.readers - load.waiting_readers, load.writers - load.waiting_writers);
}

void append_network(bson::Builder& out, const Activity::Network& network) {
  out.open_document("network")
      .append("bytesIn", network.bytes_in)
      .append("bytesOut", network.bytes_out)
      .append("physicalBytesIn", network.wire_in)
      .append("physicalBytesOut", network.wire_out)
      .append("numRequests", network.requests);
}

void append_metrics(bson::Builder& out, CommandContext& context, const Activity::Server& activity) {
  auto metrics = out.open_document("metrics");
  {
    auto commands = metrics.open_document("commands");
    for (const auto& [name, counts] : activity.commands) commands.open_document(name).append("failed", counts.failed).append("total", counts.total);
  }
  {
    const auto cursors = context.services.cursors.counts();
    auto cursor = metrics.open_document("cursor");
    cursor.append("timedOut", cursors.timed_out).append("totalOpened", cursors.total_opened);
    cursor.open_document("open").append("noTimeout", cursors.open_no_timeout).append("pinned", cursors.pinned).append("total", cursors.open);
  }
  const auto& documents = activity.documents;
  metrics.open_document("document")
      .append("deleted", documents.removed)
      .append("inserted", documents.inserted)
      .append("returned", documents.returned)
      .append("updated", documents.updated);
  metrics.open_document("queryExecutor").append("scanned", activity.keys_scanned).append("scannedObjects", activity.documents_scanned);
}

void append_transactions(bson::Builder& out, CommandContext& context) {
  const auto sessions = context.services.sessions.counts();
  out.open_document("transactions")
      .append("retriedCommandsCount", sessions.retried_commands)
      .append("retriedStatementsCount", sessions.retried_statements)
      .append("currentActive", sessions.active)
      .append("currentInactive", sessions.open - sessions.active)
      .append("currentOpen", sessions.open)
      .append("totalAborted", sessions.aborted)
      .append("totalCommitted", sessions.committed)
      .append("totalStarted", sessions.started);
}

// A section is left out when the command says {section: 0}. All are made: they cost nothing beside the command itself.
Result<bson::Document> without_unwanted(bson::View command, const bson::Document& status) {
  bson::Builder out;
  for (const auto& section : status) {
    const auto wanted = command[section.key()];
    if (section.is_document() && wanted.exists() && !wanted.is_truthy()) continue;
    out.append_raw(section);
  }
  return std::move(out).finish();
}

Result<bson::Document> server_status(CommandContext& context) {
  const auto& settings = context.settings();
  auto& services = context.services;
  const auto uptime = std::chrono::duration_cast<std::chrono::microseconds>(services.runtime.now() - services.started).count();
  const auto activity = services.activity.server();
  bson::Builder out;
  out.append("host", fmt::format("{}:{}", settings.host, settings.port)).append("version", settings.version.to_string());
  out.append("process", "mongod").append("pid", static_cast<std::int64_t>(::getpid()));
  out.append("uptime", static_cast<double>(uptime / 1'000'000)).append("uptimeMillis", static_cast<std::int64_t>(uptime / 1000));
  out.append("uptimeEstimate", static_cast<std::int64_t>(uptime / 1'000'000));
  out.append("localTime", bson::DateTime{wall_millis(services.runtime)});
  out.open_document("asserts")
      .append("regular", 0)
      .append("warning", 0)
      .append("msg", 0)
      .append("user", static_cast<std::int32_t>(activity.user_asserts))
      .append("rollovers", 0);
  append_connections(out, context);
  append_extra_info(out);
  append_global_lock(out, services.operations.load(), uptime);
  out.open_document("logicalSessionRecordCache").append("activeSessionsCount", static_cast<std::int32_t>(services.sessions.count()));
  append_network(out, services.activity.network());
  {
    auto latencies = out.open_document("opLatencies");
    append_latencies(latencies, activity.latencies);
  }
  append_operations(out, "opcounters", activity.operations);
  append_operations(out, "opcountersRepl", {});  // of a member that follows another: there is none
  TRY(append_repl(out, context));
  {
    auto engine = out.open_document("storageEngine");
    engine.append("name", "rocksdb").append("supportsCommittedReads", true).append("supportsSnapshotReadConcern", true);
    engine.append("readOnly", false).append("persistent", !settings.dbpath.empty()).append("note", "drover sandbox (RocksDB)");
  }
  append_transactions(out, context);
  if (const auto& tls = settings.tls; !tls.mode.empty()) {
    out.open_document("security")
        .append("SSLServerSubjectName", tls.subject)
        .append("SSLServerHasCertificateAuthority", !tls.ca_file.empty())
        .append("SSLServerCertificateExpirationDate", bson::DateTime{tls.expires_millis});
  }
  const auto memory = memory_of_process();
  out.open_document("mem")
      .append("bits", 64)
      .append("resident", static_cast<std::int32_t>(memory.resident_mb))
      .append("virtual", static_cast<std::int32_t>(memory.virtual_mb))
      .append("supported", true);
  append_metrics(out, context, activity);
  return without_unwanted(context.body, std::move(out).finish());
}

// Counts are as small as they fit before 5.0.
Result<bson::Document> top(CommandContext& context) {
  bson::Builder out;
  {
    auto totals = out.open_document("totals");
    totals.append("note", "all times in microseconds");
    for (const auto& [name, activity] : context.services.activity.collections()) {
      auto one = totals.open_document(name);
      const std::pair<std::string_view, const Spent&> parts[] = {
          {"total", activity.total},     {"readLock", activity.read_lock}, {"writeLock", activity.write_lock},
          {"queries", activity.queries}, {"getmore", activity.getmore},    {"insert", activity.insert},
          {"update", activity.update},   {"remove", activity.remove},      {"commands", activity.commands}};
      for (const auto& [part, spent] : parts) {
        auto numbers = one.open_document(part);
        if (context.settings().at_least(5, 0)) {
          numbers.append("time", spent.micros).append("count", spent.count);
        } else {
          append_count(numbers, "time", spent.micros);
          append_count(numbers, "count", spent.count);
        }
      }
    }
  }
  return std::move(out).finish();
}

constexpr auto kCluster = ResourceKind::kCluster;
constexpr Command kRows[] = {
    {.name = "hostInfo", .flags = kAdminOnly, .resource = kCluster, .action = "hostInfo", .handler = host_info, .help = "the machine"},
    {.name = "serverStatus", .resource = kCluster, .action = "serverStatus", .handler = server_status, .help = "counters of the server"},
    {.name = "top", .flags = kAdminOnly, .resource = kCluster, .action = "top", .handler = top, .help = "times and counts by collection"},
};

}  // namespace

std::span<const Command> status_commands() { return kRows; }

}  // namespace drover::sandbox
