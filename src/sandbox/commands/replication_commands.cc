// The replica set of one: status, configuration, notes in the oplog, the oplog's size. Facts: corpus engine/notes-and-times.
#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "sandbox/commands/fsync_lock.h"
#include "sandbox/commands/local_records.h"
#include "sandbox/commands/member.h"
#include "sandbox/commands/support.h"
#include "sandbox/commands/tables.h"
#include "sandbox/storage/engine.h"
#include "sandbox/storage/oplog_entry.h"

namespace drover::sandbox {

namespace {

constexpr std::uint64_t kMegabyte = 1 << 20;
constexpr double kMinOplogMegabytes = 990, kMaxOplogMegabytes = 1 << 30;
constexpr std::size_t kMaxNoteBytes = 16 << 20;
constexpr std::int64_t kDefaultStepDownSeconds = 60;
constexpr std::int64_t kDefaultCatchUpSeconds = 10;
constexpr std::int64_t kMaxSeconds = 1'000'000'000;
constexpr int kNotSecondary = 95;
constexpr int kNotWritablePrimary = 10107;

std::string self(CommandContext& context) { return fmt::format("{}:{}", context.settings().host, context.settings().port); }

Result<bson::Document> status(CommandContext& context) {
  const auto now = bson::DateTime{wall_millis(context.services.runtime)};
  const auto last = context.engine().last_committed();
  const auto term = context.engine().term();
  const bool primary = context.engine().is_primary();
  const bson::DateTime last_date{static_cast<std::int64_t>(last.seconds) * 1000};
  const auto append_time = [&](bson::Builder& out, std::string_view name) {
    out.open_document(name).append("ts", last).append("t", term);
  };
  bson::Builder out;
  out.append("set", context.settings().repl_set).append("date", now).append("myState", primary ? 1 : 2).append("term", term);
  out.append("syncSourceHost", "").append("syncSourceId", -1).append("heartbeatIntervalMillis", std::int64_t{2000});
  out.append("majorityVoteCount", 1).append("writeMajorityCount", 1).append("votingMembersCount", 1).append("writableVotingMembersCount", 1);
  {
    auto times = out.open_document("optimes");
    append_time(times, "lastCommittedOpTime");
    times.append("lastCommittedWallTime", last_date);
    append_time(times, "readConcernMajorityOpTime");
    times.append("readConcernMajorityWallTime", last_date);
    append_time(times, "appliedOpTime");
    append_time(times, "durableOpTime");
    times.append("lastAppliedWallTime", last_date).append("lastDurableWallTime", last_date);
  }
  {
    auto members = out.open_array("members");
    auto member = members.open_document();
    member.append("_id", 0).append("name", self(context)).append("health", 1.0).append("state", primary ? 1 : 2).append("stateStr", primary ? "PRIMARY" : "SECONDARY");
    const auto uptime = std::chrono::duration_cast<std::chrono::seconds>(context.services.runtime.now() - context.services.started);
    member.append("uptime", static_cast<std::int32_t>(uptime.count()));
    append_time(member, "optime");
    member.append("optimeDate", last_date).append("syncSourceHost", "").append("syncSourceId", -1).append("infoMessage", "");
    if (primary) {
      const auto elected = context.engine().election_time();
      member.append("electionTime", elected).append("electionDate", bson::DateTime{static_cast<std::int64_t>(elected.seconds) * 1000});
    }
    member.append("configVersion", 1).append("configTerm", term).append("self", true).append("lastHeartbeatMessage", "");
  }
  return std::move(out).finish();
}

Result<bson::Document> configuration(CommandContext& context) {
  const auto scope = TRY(read_scope(context));
  return bson::make_document({{"config", replica_set_configuration(*scope.reader, context.settings(), context.engine().term())}});
}

Result<bson::Document> append_note(CommandContext& context) {
  const auto data = context.body["data"];
  if (!data) return server_error(4, "Missing expected field \"data\"");
  const auto note = data.to_document();
  if (!note) {
    return server_error(code::kTypeMismatch, fmt::format("\"data\" had the wrong type. Expected object, found {}", bson::type_name(data.type())));
  }
  if (note->size() > kMaxNoteBytes) return server_error(10334, "the note is too large");
  context.last_op = TRY(context.engine().append_note(*note, {context.patience(), context.stop}));
  return bson::Document();
}

Result<bson::Document> resize_oplog(CommandContext& context) {
  TRY(check_fields(context, {"size", "minRetentionHours"}));
  if (context.body["minRetentionHours"].is_truthy()) return server_error(238, "'minRetentionHours' is not implemented by this server");
  const auto size = context.body["size"].to_double();
  if (!size) return server_error(4, "no size field");
  if (!(*size >= kMinOplogMegabytes)) return server_error(code::kBadValue, "the oplog size must be at least 990 megabytes");
  if (*size > kMaxOplogMegabytes) return server_error(code::kBadValue, "the oplog size cannot exceed 1 PB");
  TRY(wait_for_unlock(context));
  TRY(context.engine().resize_oplog(static_cast<std::uint64_t>(*size) * kMegabyte));
  return bson::Document();
}

Result<bson::Document> already_initiated(CommandContext&) { return server_error(23, "already initialized"); }

// Facts: MongoDB's repl_set_commands.cpp and topology_coordinator.cpp.
struct StepDown {
  bool force = false;
  std::int64_t seconds = kDefaultStepDownSeconds;
  std::int64_t catch_up_seconds = 0;
};

Result<StepDown> parse_step_down(const CommandContext& context) {
  TRY(check_fields(context, {"force", "secondaryCatchUpPeriodSecs"}));
  StepDown request{.force = TRY(bool_field(context, "force"))};
  request.seconds = context.body.first().to_int64().value_or(0);
  if (request.seconds == 0) request.seconds = kDefaultStepDownSeconds;
  if (request.seconds < 0) return server_error(code::kBadValue, "stepdown period must be a positive integer");
  request.catch_up_seconds = request.force ? 0 : kDefaultCatchUpSeconds;
  if (const auto given = context.body["secondaryCatchUpPeriodSecs"]) {
    if (!given.is_number()) {
      return server_error(code::kTypeMismatch, fmt::format("\"secondaryCatchUpPeriodSecs\" had the wrong type. Expected number, found {}", bson::type_name(given.type())));
    }
    request.catch_up_seconds = given.to_int64().value_or(-1);
  }
  if (request.catch_up_seconds < 0) return server_error(code::kBadValue, "secondaryCatchUpPeriodSecs period must be a positive or absent integer");
  if (request.seconds < request.catch_up_seconds) return server_error(code::kBadValue, "stepdown period must be longer than secondaryCatchUpPeriodSecs");
  if (request.seconds > kMaxSeconds) return server_error(code::kBadValue, "stepdown period is too long");
  return request;
}

// There is nobody who could take over: it waits for such a one in vain, and steps down when it is forced to.
Result<bson::Document> step_down(CommandContext& context) {
  const auto request = TRY(parse_step_down(context));
  const auto began = context.services.runtime.now();
  if (!context.engine().is_primary()) {
    return server_error(kNotWritablePrimary, context.settings().at_least(5, 0) ? "not primary so can't step down" : "not master so can't step down");
  }
  if (!request.force) return refuse_step_down(context, std::chrono::seconds(request.catch_up_seconds));
  (void)context.services.runtime.sleep(std::min<Duration>(std::chrono::seconds(request.catch_up_seconds), context.patience()), context.stop);
  TRY(check_interrupt(context));
  const auto left = std::chrono::seconds(request.seconds) - (context.services.runtime.now() - began);
  context.services.member.step_down(context.services, std::max<Duration>(left, Duration::zero()));
  return bson::Document();
}

Result<bson::Document> freeze(CommandContext& context) {
  const auto seconds = context.body.first().to_int64().value_or(0);
  if (seconds < 0 || seconds > kMaxSeconds) return server_error(code::kBadValue, "the period must be a number of seconds");
  if (context.engine().is_primary()) return server_error(kNotSecondary, "cannot freeze node when primary or running for election. state: Primary");
  context.services.member.freeze(context.services, std::chrono::seconds(seconds));
  bson::Builder out;
  if (seconds == 0) {
    out.append("info", "unfreezing");
    TRY(context.services.member.stand(context.services));
  }
  if (seconds == 1) out.append("warning", "you really want to freeze for only 1 second?");
  return std::move(out).finish();
}

Result<bson::Document> step_up(CommandContext& context) {
  if (TRY(context.services.member.stand(context.services))) return bson::Document();
  return server_error(125, "Election failed.");
}

// A primary has no such mode. Facts: TopologyCoordinator and ReplicationCoordinatorImpl::setMaintenanceMode.
Result<bson::Document> maintenance(CommandContext& context) {
  if (context.engine().is_primary()) return server_error(kNotSecondary, "primaries can't modify maintenance mode");
  if (!context.body.first().is_truthy()) return server_error(96, "already out of maintenance mode");
  return server_error(238, "maintenance mode is not implemented by this server: replSetFreeze keeps a member that has stepped down from being elected");
}

constexpr auto kCluster = ResourceKind::kCluster;
constexpr Command kRows[] = {
    {.name = "replSetGetStatus", .flags = kAdminOnly, .resource = kCluster, .action = "replSetGetStatus", .handler = status,
     .help = "state of the replica set"},
    {.name = "replSetGetConfig", .flags = kAdminOnly, .resource = kCluster, .action = "replSetGetConfig", .handler = configuration,
     .help = "configuration of the replica set"},
    {.name = "appendOplogNote", .flags = kAdminOnly | kWriteConcern, .resource = kCluster, .action = "appendOplogNote", .handler = append_note,
     .help = "writes a no-op entry into the oplog"},
    {.name = "replSetResizeOplog", .flags = kAdminOnly, .resource = kCluster, .action = "replSetResizeOplog", .handler = resize_oplog,
     .help = "changes the oplog's size"},
    {.name = "replSetInitiate", .flags = kAdminOnly, .resource = kCluster, .action = "replSetConfigure", .handler = already_initiated,
     .help = "refused: the set exists from the start"},
    {.name = "replSetStepDown", .flags = kAdminOnly, .resource = kCluster, .action = "replSetStateChange", .handler = step_down,
     .help = "with force: no primary for a while, until it is elected again; without: refused, for there is no other member"},
    {.name = "replSetFreeze", .flags = kAdminOnly, .resource = kCluster, .action = "replSetStateChange", .handler = freeze,
     .help = "keeps a member that has stepped down from being elected"},
    {.name = "replSetStepUp", .flags = kAdminOnly, .resource = kCluster, .action = "replSetStateChange", .handler = step_up,
     .help = "has the only member elected, where it may be"},
    {.name = "replSetMaintenance", .flags = kAdminOnly, .resource = kCluster, .action = "replSetStateChange", .handler = maintenance,
     .help = "refused: a primary has no maintenance mode, and no other member is there to take over"},
};

}  // namespace

std::span<const Command> replication_commands() { return kRows; }

}  // namespace drover::sandbox
