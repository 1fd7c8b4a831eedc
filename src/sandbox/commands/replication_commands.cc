// The replica set of one: status, configuration, notes in the oplog, the oplog's size. Facts: corpus engine/notes-and-times.
#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "sandbox/commands/support.h"
#include "sandbox/commands/tables.h"
#include "sandbox/storage/engine.h"
#include "sandbox/storage/oplog_entry.h"

namespace drover::sandbox {

namespace {

constexpr std::uint64_t kMegabyte = 1 << 20;
constexpr double kMinOplogMegabytes = 990;
constexpr std::size_t kMaxNoteBytes = 16 << 20;

std::string self(CommandContext& context) { return fmt::format("{}:{}", context.settings().host, context.settings().port); }

Result<bson::Document> status(CommandContext& context) {
  const auto now = bson::DateTime{wall_millis(context.services.runtime)};
  const auto last = context.engine().last_committed();
  const bson::DateTime last_date{static_cast<std::int64_t>(last.seconds) * 1000};
  const auto append_time = [&](bson::Builder& out, std::string_view name) {
    out.open_document(name).append("ts", last).append("t", kTerm);
  };
  bson::Builder out;
  out.append("set", context.settings().repl_set).append("date", now).append("myState", 1).append("term", kTerm);
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
    member.append("_id", 0).append("name", self(context)).append("health", 1.0).append("state", 1).append("stateStr", "PRIMARY");
    const auto uptime = std::chrono::duration_cast<std::chrono::seconds>(context.services.runtime.now() - context.services.started);
    member.append("uptime", static_cast<std::int32_t>(uptime.count()));
    append_time(member, "optime");
    member.append("optimeDate", last_date).append("syncSourceHost", "").append("syncSourceId", -1).append("infoMessage", "");
    member.append("configVersion", 1).append("configTerm", kTerm).append("self", true).append("lastHeartbeatMessage", "");
  }
  return std::move(out).finish();
}

// As durable and as unlike others as a collection that was made with the data.
Result<std::optional<bson::ObjectId>> replica_set_id(CommandContext& context) {
  const auto scope = TRY(read_scope(context));
  const auto versions = scope.reader->catalog().find(Namespace{"admin", "system.version"});
  if (!versions) return std::nullopt;
  bson::ObjectId id;
  std::copy_n(versions->uuid.bytes.begin(), id.bytes.size(), id.bytes.begin());
  return id;
}

Result<bson::Document> configuration(CommandContext& context) {
  bson::Builder out;
  auto config = out.open_document("config");
  config.append("_id", context.settings().repl_set).append("version", 1).append("term", kTerm);
  {
    auto members = config.open_array("members");
    auto member = members.open_document();
    member.append("_id", 0).append("host", self(context)).append("arbiterOnly", false).append("buildIndexes", true).append("hidden", false);
    member.append("priority", 1.0);
    member.open_document("tags");
    member.append(context.settings().at_least(5, 0) ? "secondaryDelaySecs" : "slaveDelay", std::int64_t{0}).append("votes", 1);
  }
  config.append("protocolVersion", std::int64_t{1}).append("writeConcernMajorityJournalDefault", true);
  {
    auto settings = config.open_document("settings");
    settings.append("chainingAllowed", true).append("heartbeatIntervalMillis", 2000).append("heartbeatTimeoutSecs", 10);
    settings.append("electionTimeoutMillis", 10000).append("catchUpTimeoutMillis", -1).append("catchUpTakeoverDelayMillis", 30000);
    settings.open_document("getLastErrorModes");
    settings.open_document("getLastErrorDefaults").append("w", 1).append("wtimeout", 0);
    if (const auto id = TRY(replica_set_id(context))) settings.append("replicaSetId", *id);
  }
  config.close();
  return std::move(out).finish();
}

Result<bson::Document> append_note(CommandContext& context) {
  const auto data = context.body["data"];
  if (!data) return server_error(4, "Missing expected field \"data\"");
  const auto note = data.to_document();
  if (!note) {
    return server_error(code::kTypeMismatch, fmt::format("\"data\" had the wrong type. Expected object, found {}", bson::type_name(data.type())));
  }
  if (note->size() > kMaxNoteBytes) return server_error(10334, "the note is too large");
  context.last_op = TRY(context.engine().append_note(*note));
  return bson::Document();
}

Result<bson::Document> resize_oplog(CommandContext& context) {
  const auto size = context.body["size"].to_double();
  if (!size) return server_error(4, "no size field");
  if (*size < kMinOplogMegabytes) return server_error(code::kBadValue, "the oplog size must be at least 990 megabytes");
  TRY(context.engine().resize_oplog(static_cast<std::uint64_t>(*size) * kMegabyte));
  return bson::Document();
}

Result<bson::Document> already_initiated(CommandContext&) { return server_error(23, "already initialized"); }

Result<bson::Document> cannot_step_down(CommandContext&) {
  return server_error(262, "No electable secondaries caught up: this is a replica set of one member");
}

Result<bson::Document> stay_primary(CommandContext&) { return bson::Document(); }

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
    {.name = "replSetStepDown", .flags = kAdminOnly, .resource = kCluster, .action = "replSetStateChange", .handler = cannot_step_down,
     .help = "refused: there is no other member"},
    {.name = "replSetStepUp", .flags = kAdminOnly, .resource = kCluster, .action = "replSetStateChange", .handler = stay_primary,
     .help = "the only member is primary already"},
};

}  // namespace

std::span<const Command> replication_commands() { return kRows; }

}  // namespace drover::sandbox
