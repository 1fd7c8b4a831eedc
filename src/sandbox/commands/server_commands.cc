// What a server says of itself: buildInfo, hostInfo, serverStatus, getCmdLineOpts, getLog, listCommands, and what runs on it:
// currentOp, killOp. Nothing here touches data, except that fsync makes it durable.
#include <unistd.h>

#include <fstream>
#include <thread>

#include <fmt/format.h>

#include "sandbox/commands/authorize.h"
#include "sandbox/commands/sessions.h"
#include "sandbox/commands/support.h"
#include "sandbox/commands/tables.h"
#include "sandbox/commands/write_block.h"
#include "sandbox/query/matcher.h"
#include "sandbox/storage/engine.h"

namespace drover::sandbox {

namespace {

constexpr std::int32_t kMaxBsonBytes = 16777216;
constexpr std::int32_t kUnblockedMode = 1, kBlockedMode = 2;

std::string storage_note() { return "drover sandbox (RocksDB)"; }

Result<bson::Document> build_info(CommandContext& context) {
  const auto version = context.settings().version;
  bson::Builder out;
  out.append("version", version.to_string()).append("gitVersion", "drover-sandbox");
  out.open_array("modules");
  out.append("allocator", "system").append("javascriptEngine", "none").append("sysInfo", "deprecated");
  {
    auto numbers = out.open_array("versionArray");
    numbers.append(version.major).append(version.minor).append(version.patch).append(0);
  }
  out.open_document("openssl").append("running", "OpenSSL").append("compiled", "OpenSSL");
  out.open_document("buildEnvironment").append("distmod", "debian").append("distarch", "x86_64").append("target_os", "linux");
  out.append("bits", 64).append("debug", false).append("maxBsonObjectSize", kMaxBsonBytes);
  {
    auto engines = out.open_array("storageEngines");
    engines.append("rocksdb");
  }
  return std::move(out).finish();
}

std::int64_t memory_of_process_mb() {
  std::ifstream statm("/proc/self/statm");
  std::int64_t pages = 0, resident = 0;
  statm >> pages >> resident;
  return resident * ::sysconf(_SC_PAGESIZE) >> 20;
}

std::string host_name() {
  char name[256] = "localhost";
  ::gethostname(name, sizeof name - 1);
  return name;
}

Result<bson::Document> host_info(CommandContext& context) {
  bson::Builder out;
  {
    auto system = out.open_document("system");
    system.append("currentTime", bson::DateTime{wall_millis(context.services.runtime)}).append("hostname", host_name());
    system.append("cpuAddrSize", 64).append("memSizeMB", static_cast<std::int64_t>(::sysconf(_SC_PHYS_PAGES)) * ::sysconf(_SC_PAGESIZE) >> 20);
    system.append("numCores", static_cast<std::int32_t>(std::thread::hardware_concurrency())).append("cpuArch", "x86_64").append("numaEnabled", false);
  }
  out.open_document("os").append("type", "Linux").append("name", "Linux").append("version", "unknown");
  out.open_document("extra");
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

Result<bson::Document> server_status(CommandContext& context) {
  const auto& settings = context.settings();
  auto& services = context.services;
  const auto uptime = std::chrono::duration_cast<std::chrono::milliseconds>(services.runtime.now() - services.started).count();
  bson::Builder out;
  out.append("host", fmt::format("{}:{}", settings.host, settings.port)).append("version", settings.version.to_string());
  out.append("process", "mongod").append("pid", static_cast<std::int64_t>(::getpid()));
  out.append("uptime", static_cast<double>(uptime / 1000)).append("uptimeMillis", static_cast<std::int64_t>(uptime));
  out.append("uptimeEstimate", static_cast<std::int64_t>(uptime / 1000));
  out.append("localTime", bson::DateTime{wall_millis(services.runtime)});
  out.open_document("asserts").append("regular", 0).append("warning", 0).append("msg", 0).append("user", 0).append("rollovers", 0);
  const auto connections = static_cast<std::int32_t>(services.operations.current_connections());
  out.open_document("connections").append("current", connections).append("available", 2000 - connections)
      .append("totalCreated", static_cast<std::int32_t>(services.operations.total_connections())).append("active", static_cast<std::int32_t>(services.operations.running()));
  const auto sessions = services.sessions.counts();
  out.open_document("logicalSessionRecordCache").append("activeSessionsCount", static_cast<std::int32_t>(services.sessions.list().size()));
  out.open_document("mem").append("bits", 64).append("resident", static_cast<std::int32_t>(memory_of_process_mb())).append("supported", true);
  {
    const auto cursors = services.cursors.counts();
    auto metrics = out.open_document("metrics");
    auto cursor = metrics.open_document("cursor");
    cursor.append("timedOut", cursors.timed_out).append("totalOpened", cursors.total_opened);
    cursor.open_document("open").append("noTimeout", cursors.open_no_timeout).append("pinned", cursors.pinned).append("total", cursors.open);
  }
  TRY(append_repl(out, context));
  {
    auto engine = out.open_document("storageEngine");
    engine.append("name", "rocksdb").append("supportsCommittedReads", true).append("supportsSnapshotReadConcern", true);
    engine.append("readOnly", false).append("persistent", !context.settings().dbpath.empty()).append("note", storage_note());
  }
  out.open_document("transactions")
      .append("retriedCommandsCount", std::int64_t{0})
      .append("currentActive", sessions.active)
      .append("currentInactive", std::int64_t{0})
      .append("currentOpen", sessions.active)
      .append("totalAborted", sessions.aborted)
      .append("totalCommitted", sessions.committed)
      .append("totalStarted", sessions.started);
  return std::move(out).finish();
}

Result<bson::Document> command_line_options(CommandContext& context) {
  const auto& settings = context.settings();
  bson::Builder out;
  {
    auto argv = out.open_array("argv");
    for (const auto& argument : settings.arguments) argv.append(argument);
  }
  {
    auto parsed = out.open_document("parsed");
    parsed.open_document("net").append("port", settings.port);
    parsed.open_document("replication").append("replSet", settings.repl_set);
    if (settings.auth) parsed.open_document("security").append("authorization", "enabled");
    parsed.open_document("setParameter").append("enableTestCommands", "1");  // fail points are always there; tests look here for them
    parsed.open_document("storage").append("dbPath", settings.dbpath);
  }
  return std::move(out).finish();
}

// The log is a file or standard error, not kept in memory; the lists are there, and empty.
Result<bson::Document> get_log(CommandContext& context) {
  const auto name = context.body.first().to_string_view();
  if (!name) {
    return server_error(code::kTypeMismatch, "Argument to getLog must be of type String; found " + std::string(bson::type_name(context.body.first().type())));
  }
  bson::Builder out;
  if (*name == "*") {
    out.open_array("names").append("global").append("startupWarnings");
    return std::move(out).finish();
  }
  if (*name != "global" && *name != "startupWarnings" && *name != "rs") {
    return server_error(-1, fmt::format("no RamLog named: {}", *name));
  }
  out.append("totalLinesWritten", 0);
  out.open_array("log");
  return std::move(out).finish();
}

Result<bson::Document> list_commands(CommandContext& context) {
  bson::Builder out;
  {
    auto commands = out.open_document("commands");
    for (const auto& [name, row] : context.services.commands.all()) {
      if (name != row->name || (row->flags & kHidden) != 0 || !context.services.commands.find(name, context.settings().version)) continue;
      auto one = commands.open_document(name);
      one.append("help", row->help).append("requiresAuth", (row->flags & kNoAuth) == 0);
      one.append("secondaryOk", (row->flags & kWrite) == 0).append("adminOnly", (row->flags & kAdminOnly) != 0);
    }
  }
  return std::move(out).finish();
}

// A user may see its own operations without any privilege.
Result<bson::Document> current_op(CommandContext& context) {
  const bool own = context.body["$ownOps"].is_truthy();
  if (!own) TRY(context.authorize("inprog", {Resource::Kind::kCluster, {}}));
  // Fields that are no options choose among the operations as a filter does.
  bson::Builder chosen;
  bool first = true;
  for (const auto& field : context.body) {
    if (!std::exchange(first, false) && !is_generic_field(field.key()) && !field.key().starts_with('$')) chosen.append_raw(field);
  }
  const auto wanted = std::move(chosen).finish();
  const auto filter = TRY(query::Matcher::parse(wanted, nullptr, context.settings().version, evaluation_context(context), {.text = false, .near = false}));
  bson::Builder out;
  {
    auto list = out.open_array("inprog");
    for (const auto& operation : context.services.operations.describe(context.body["$all"].is_truthy(), own ? user_names(context) : std::vector<std::string>())) {
      if (TRY(filter.try_matches(operation))) list.append(operation);
    }
  }
  return std::move(out).finish();
}

Result<bson::Document> kill_op(CommandContext& context) {
  const auto id = context.body["op"].to_int64();
  if (!id) return server_error(4, "Missing expected field \"op\"");
  context.services.operations.kill(*id);
  return bson::make_document({{"info", "attempting to kill op"}});
}

Result<bson::Document> fsync(CommandContext& context) {
  if (context.body["lock"].is_truthy()) return server_error(code::kInvalidOptions, "fsync with lock is not supported by this server");
  TRY(context.engine().make_durable());
  return bson::make_document({{"numFiles", 1}});
}

Result<bson::Document> features(CommandContext&) { return bson::make_document({{"oidMachine", 0}}); }
Result<bson::Document> nothing(CommandContext&) { return bson::Document(); }
Result<bson::Document> top(CommandContext&) { return bson::make_document({{"totals", bson::make_document({{"note", "all times in microseconds"}})}}); }
Result<bson::Document> connection_pools(CommandContext&) {
  return bson::make_document({{"numClientConnections", 0}, {"numAScopedConnections", 0}, {"totalInUse", 0}, {"totalAvailable", 0},
                              {"totalCreated", 0}, {"totalRefreshing", 0}});
}

constexpr auto kCluster = ResourceKind::kCluster;
constexpr Command kRows[] = {
    {.name = "buildInfo", .flags = kNoAuth, .handler = build_info, .help = "the server's version", .alias = "buildinfo"},
    {.name = "hostInfo", .flags = kAdminOnly, .resource = kCluster, .action = "hostInfo", .handler = host_info, .help = "the machine"},
    {.name = "serverStatus", .resource = kCluster, .action = "serverStatus", .handler = server_status, .help = "counters of the server"},
    {.name = "getCmdLineOpts", .flags = kAdminOnly, .resource = kCluster, .action = "getCmdLineOpts", .handler = command_line_options,
     .help = "how the server was started"},
    {.name = "getLog", .flags = kAdminOnly, .resource = kCluster, .action = "getLog", .handler = get_log, .help = "log lines kept in memory: none"},
    {.name = "listCommands", .resource = ResourceKind::kAuthenticated, .handler = list_commands, .help = "the commands of this server"},
    {.name = "currentOp", .flags = kAdminOnly, .resource = ResourceKind::kCustom, .handler = current_op, .help = "what runs now"},
    {.name = "killOp", .flags = kAdminOnly, .resource = ResourceKind::kCustom, .also = authorize_kill_op, .handler = kill_op,
     .help = "interrupts an operation"},
    {.name = "fsync", .flags = kAdminOnly, .resource = kCluster, .action = "fsync", .handler = fsync, .help = "makes all commits durable"},
    {.name = "features", .resource = ResourceKind::kAuthenticated, .handler = features, .help = "features of the build"},
    {.name = "top", .flags = kAdminOnly, .resource = kCluster, .action = "top", .handler = top, .help = "times by collection: not kept"},
    {.name = "connPoolStats", .resource = kCluster, .action = "connPoolStats", .handler = connection_pools, .help = "outgoing connections: none"},
    {.name = "invalidateUserCache", .flags = kAdminOnly, .resource = kCluster, .action = "invalidateUserCache", .handler = nothing,
     .help = "users are never stale here"},
    {.name = "getFreeMonitoringStatus", .flags = kAdminOnly, .resource = kCluster, .action = "checkFreeMonitoringStatus",
     .handler = [](CommandContext&) -> Result<bson::Document> { return bson::make_document({{"state", "disabled"}}); },
     .help = "disabled", .removed = {7, 0, 0}},
};

}  // namespace

std::span<const Command> server_commands() { return kRows; }

}  // namespace drover::sandbox
