// What a server says of itself: buildInfo, getCmdLineOpts, getLog, listCommands, and what runs on it: currentOp, killOp. Its counters are in
// status_commands.cc. Nothing here touches data, except that fsync makes it durable.
#include <fmt/format.h>

#include "bson/ejson.h"
#include "sandbox/commands/authorize.h"
#include "sandbox/commands/member.h"
#include "sandbox/commands/recent_log.h"
#include "sandbox/commands/server_facts.h"
#include "sandbox/commands/support.h"
#include "sandbox/commands/tables.h"
#include "sandbox/query/matcher.h"
#include "sandbox/storage/engine.h"

namespace drover::sandbox {

namespace {

constexpr std::int64_t kMaxShutdownSeconds = 1'000'000'000;

Result<bson::Document> build_info(CommandContext& context) {
  bson::Builder out;
  append_build_info(out, context.settings().version, context.services.scripts != nullptr);
  out.open_array("storageEngines").append("rocksdb");
  return std::move(out).finish();
}

Result<bson::Document> command_line_options(CommandContext& context) {
  bson::Builder out;
  {
    auto argv = out.open_array("argv");
    for (const auto& argument : context.settings().arguments) argv.append(argument);
  }
  out.append("parsed", parsed_options(context.settings()));
  return std::move(out).finish();
}

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
  if (*name != "global" && *name != "startupWarnings") {
    if (!context.settings().at_least(5, 0)) return server_error(-1, fmt::format("no RamLog named: {}", *name));
    return server_error(96, fmt::format("No log named '{}'", *name));
  }
  const auto& log = context.services.recent_log;
  const auto lines = *name == "global" ? log.global() : log.startup_warnings();
  out.append("totalLinesWritten", static_cast<std::int32_t>(lines.written));
  auto list = out.open_array("log");
  for (const auto& line : lines.kept) list.append(line);
  list.close();
  return std::move(out).finish();
}

// As a server's: a primary that nobody can take over from ends only when it is forced to. What was acknowledged is on the disk when it has
// ended; the client finds its connection closed.
Result<bson::Document> shut_down(CommandContext& context) {
  TRY(check_fields(context, {"force", "timeoutSecs"}));
  const bool force = TRY(bool_field(context, "force"));
  const auto given = context.body["timeoutSecs"];
  if (given && !given.is_number()) {
    return server_error(code::kTypeMismatch, fmt::format("BSON field 'shutdown.timeoutSecs' is the wrong type '{}', expected types '[long, int, decimal, double']",
                                                         bson::type_name(given.type())));
  }
  const auto seconds = given ? given.to_int64().value_or(0) : context.settings().at_least(5, 0) ? 15 : 10;
  if (seconds < 0 || seconds > kMaxShutdownSeconds) return server_error(code::kBadValue, fmt::format("timeoutSecs must be between 0 and {}", kMaxShutdownSeconds));
  if (!context.services.shut_down) return server_error(code::kIllegalOperation, "this server is part of another program, and ends with it");
  if (!force && context.engine().is_primary()) return refuse_step_down(context, std::chrono::seconds(seconds));
  context.services.log.info("a client shuts the server down", {{"peer", context.connection.remote}});
  context.services.shut_down();
  context.close_connection = true;
  return bson::Document();
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
  if (context.engine().write_locks() > 0) out.append("fsyncLock", true).append("info", "use db.fsyncUnlock() to terminate the fsync write/snapshot lock");
  return std::move(out).finish();
}

// The number of an operation has 32 bits without a sign; as BSON has none like that, the upper half may be given as below zero.
Result<std::int64_t> operation_id(const CommandContext& context) {
  const auto op = context.body["op"];
  if (!op) return server_error(4, "Missing expected field \"op\"");
  if (!op.is_number()) {
    return server_error(code::kTypeMismatch, fmt::format("Expected field \"op\" to have numeric type, but found {}", bson::type_name(op.type())));
  }
  const auto number = op.to_int64();
  if (!number || op.to_double() != static_cast<double>(*number)) {
    return server_error(code::kBadValue, fmt::format("Expected field \"op\" to have a value exactly representable as a 64-bit integer, but found op: {}", bson::to_shell(op)));
  }
  constexpr std::int64_t kIds = std::int64_t{1} << 32;
  const std::int64_t id = *number < 0 && *number >= -kIds ? *number + kIds : *number;
  if (id < 0 || id >= kIds) return server_error(26823, fmt::format("invalid op : {}", id));
  return id;
}

Result<bson::Document> kill_op(CommandContext& context) {
  context.services.operations.kill(TRY(operation_id(context)));
  return bson::make_document({{"info", "attempting to kill op"}});
}

Result<bson::Document> fsync(CommandContext& context) {
  if (context.body["lock"].is_truthy()) {
    const auto locks = TRY(context.engine().lock_writes({context.patience(), context.stop}));
    if (auto durable = context.engine().make_durable(); !durable) {
      context.engine().unlock_writes();
      return tl::unexpected(std::move(durable).error());
    }
    return bson::make_document({{"info", "now locked against writes, use db.fsyncUnlock() to unlock"}, {"lockCount", locks},
                                {"seeAlso", "http://dochub.mongodb.org/core/fsynccommand"}});
  }
  TRY(context.engine().make_durable());
  return bson::make_document({{"numFiles", 1}});
}

Result<bson::Document> fsync_unlock(CommandContext& context) {
  const auto locks = context.engine().unlock_writes();
  if (!locks) return server_error(code::kIllegalOperation, "fsyncUnlock called when not locked");
  return bson::make_document({{"info", "fsyncUnlock completed"}, {"lockCount", *locks}});
}

Result<bson::Document> features(CommandContext&) { return bson::make_document({{"oidMachine", 0}}); }
Result<bson::Document> nothing(CommandContext&) { return bson::Document(); }
Result<bson::Document> connection_pools(CommandContext&) {
  return bson::make_document({{"numClientConnections", 0}, {"numAScopedConnections", 0}, {"totalInUse", 0}, {"totalAvailable", 0},
                              {"totalCreated", 0}, {"totalRefreshing", 0}, {"pools", bson::Document()}, {"hosts", bson::Document()},
                              {"replicaSets", bson::Document()}});
}

constexpr auto kCluster = ResourceKind::kCluster;
constexpr Command kRows[] = {
    {.name = "buildInfo", .flags = kNoAuth, .handler = build_info, .help = "the server's version", .alias = "buildinfo"},
    {.name = "getCmdLineOpts", .flags = kAdminOnly, .resource = kCluster, .action = "getCmdLineOpts", .handler = command_line_options,
     .help = "how the server was started"},
    {.name = "getLog", .flags = kAdminOnly, .resource = kCluster, .action = "getLog", .handler = get_log, .help = "the last 1,024 lines of the log, and the warnings of the start"},
    {.name = "shutdown", .flags = kAdminOnly, .resource = kCluster, .action = "shutdown", .handler = shut_down, .help = "ends the server, with force: true while it is primary"},
    {.name = "listCommands", .resource = ResourceKind::kAuthenticated, .handler = list_commands, .help = "the commands of this server"},
    {.name = "currentOp", .flags = kAdminOnly, .resource = ResourceKind::kCustom, .handler = current_op, .help = "what runs now"},
    {.name = "killOp", .flags = kAdminOnly, .resource = ResourceKind::kCustom, .also = authorize_kill_op, .handler = kill_op,
     .help = "interrupts an operation"},
    {.name = "fsync", .flags = kAdminOnly, .resource = kCluster, .action = "fsync", .handler = fsync, .help = "makes all commits durable; with lock: true clients' writes wait from then on"},
    {.name = "fsyncUnlock", .flags = kAdminOnly, .resource = kCluster, .action = "unlock", .handler = fsync_unlock, .help = "takes a lock of fsync back"},
    {.name = "features", .resource = ResourceKind::kAuthenticated, .handler = features, .help = "features of the build"},
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
