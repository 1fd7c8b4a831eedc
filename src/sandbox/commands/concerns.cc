#include "sandbox/commands/concerns.h"

#include <algorithm>

#include <fmt/format.h>

#include "bson/ejson.h"
#include "sandbox/commands/support.h"
#include "sandbox/storage/engine.h"

namespace drover::sandbox {

namespace {

constexpr int kFailedToParse = 9;
constexpr int kTypeMismatch = 14;
constexpr int kInvalidOptions = 72;
constexpr int kCommandNotSupported = 115;
constexpr std::int64_t kMaxMembers = 50;  // of a replica set

Result<ReadConcern::Level> parse_level(const bson::Element& field) {
  if (!field.is_string()) {
    return server_error(kTypeMismatch, fmt::format("\"level\" had the wrong type. Expected string, found {}", bson::type_name(field.type())));
  }
  using Level = ReadConcern::Level;
  const auto text = field.string_value();
  if (text == "local") return Level::kLocal;
  if (text == "available") return Level::kAvailable;
  if (text == "majority") return Level::kMajority;
  if (text == "linearizable") return Level::kLinearizable;
  if (text == "snapshot") return Level::kSnapshot;
  return server_error(kFailedToParse,
                      "readConcern.level must be either 'local', 'majority', 'linearizable', 'available', or 'snapshot'");
}

Result<bson::Timestamp> parse_time(const bson::Element& field) {
  if (const auto ts = field.to_timestamp()) return *ts;
  return server_error(kTypeMismatch, fmt::format("\"{}\" had the wrong type. Expected timestamp, found {}", field.key(), bson::type_name(field.type())));
}

std::string shown(bson::Timestamp ts) { return fmt::format("{{ ts: Timestamp({}, {}) }}", ts.seconds, ts.increment); }

// As messages show what a client has asked for.
bson::Document as_given(bson::View document) {
  bson::Builder out;
  {
    auto inner = out.open_document("readConcern");
    for (const auto* name : {"level", "afterOpTime", "afterClusterTime", "atClusterTime"}) {
      if (const auto field = document[name]) inner.append_raw(field);
    }
    if (const auto field = document["provenance"]) inner.append_raw(field);
    else inner.append("provenance", "clientSupplied");
  }
  return std::move(out).finish();
}

// The stages of a pipeline that are read at one level only.
struct StageLevel {
  std::string_view stage;
  std::string_view only;
};
constexpr StageLevel kStageLevels[] = {{"$changeStream", "majority"}, {"$currentOp", "local"}, {"$listLocalSessions", "local"}};

// The first of a pipeline's stages that is read at one level only.
const StageLevel* fixed_level(const CommandContext& context) {
  if (context.command->name != "aggregate") return nullptr;
  const auto stages = context.body["pipeline"].to_array().value_or(bson::View());
  for (const auto& stage : stages) {
    const auto spec = stage.to_document().value_or(bson::View());
    const auto level = std::ranges::find(kStageLevels, spec.first().key(), &StageLevel::stage);
    if (level != std::end(kStageLevels)) return level;
  }
  return nullptr;
}

std::string why_not_in_pipeline(const CommandContext& context, std::string_view level) {
  if (context.body["explain"].is_truthy() && level != "local" && !context.settings().at_least(8, 0)) {
    return fmt::format("Explain for the aggregate command cannot run with a readConcern other than 'local'. Current readConcern level: {}", level);
  }
  const auto* fixed = fixed_level(context);
  if (fixed == nullptr || fixed->only == level) return {};
  return fmt::format("Aggregation stage {} cannot run with a readConcern other than '{}'. Current readConcern: {}", fixed->stage, fixed->only, level);
}

// Why the command cannot be read at a level; nothing when it can.
std::string why_not_at(const CommandContext& context, std::string_view level) {
  const auto flags = context.command->flags;
  if (context.command->name == "aggregate") return why_not_in_pipeline(context, level);
  if (level == "local") return {};
  // Snapshot sessions name their time in every command; a cursor reads at its own.
  if (level == "snapshot" && context.command->name == "getMore" && context.settings().at_least(5, 0)) return {};
  if ((flags & kReadConcern) == 0) return "read concern not supported";
  if (level == "snapshot" && (flags & kSnapshotRead) == 0) return "read concern snapshot not supported";
  return {};
}

}  // namespace

bool is_read_at_one_level(const CommandContext& context) { return fixed_level(context) != nullptr; }

Result<ReadConcern> parse_read_concern(bson::View body) {
  const auto element = body["readConcern"];
  if (!element) return ReadConcern{};
  const auto document = element.to_document();
  if (!document) return server_error(kTypeMismatch, fmt::format("\"readConcern\" had the wrong type. Expected object, found {}", bson::type_name(element.type())));
  auto concern = TRY(read_concern_of(*document));
  concern.given = as_given(*document);
  return concern;
}

Status check_read_concern(const CommandContext& context, TransactionStep step) {
  const auto& concern = context.read_concern;
  using Level = ReadConcern::Level;
  if (step == TransactionStep::kFirst) {
    if (!concern.level || *concern.level == Level::kLocal || *concern.level == Level::kMajority || *concern.level == Level::kSnapshot) return {};
    return server_error(kInvalidOptions, "The readConcern level must be either 'local' (default), 'majority' or 'snapshot' in order to run in a transaction");
  }
  if (step == TransactionStep::kLater || !concern.given || !concern.level) return {};
  const auto level = concern.given->view().at_path("readConcern.level").string_value();
  if (const auto why = why_not_at(context, level); !why.empty()) {
    return server_error(kInvalidOptions, fmt::format("Command {} does not support {} :: caused by :: {}", context.command->name, bson::to_shell(*concern.given), why));
  }
  if (level == "snapshot" && !context.settings().at_least(5, 0)) {
    return server_error(kInvalidOptions, "read concern level snapshot is only valid in a transaction");
  }
  return {};
}

Status check_takes_write_concern(const CommandContext& context) {
  if (!context.body["writeConcern"] || (context.command->flags & (kWrite | kWriteConcern)) != 0) return {};
  return server_error(kInvalidOptions, "Command does not support writeConcern");
}

Result<ReadConcern> read_concern_of(bson::View document) {
  ReadConcern concern;
  for (const auto& field : document) {
    if (field.key() == "level") {
      concern.level = TRY(parse_level(field));
    } else if (field.key() == "afterClusterTime") {
      concern.after_cluster_time = TRY(parse_time(field));
    } else if (field.key() == "atClusterTime") {
      concern.at_cluster_time = TRY(parse_time(field));
    } else if (field.key() == "provenance") {
      static constexpr std::string_view kSources[] = {"clientSupplied", "implicitDefault", "customDefault", "getLastErrorDefaults", "internalWriteDefault"};
      const auto source = field.to_string_view();
      if (!source) return server_error(kTypeMismatch, fmt::format("BSON field 'readConcern.provenance' is the wrong type '{}', expected type 'string'", bson::type_name(field.type())));
      if (std::ranges::find(kSources, *source) == std::end(kSources)) {
        return server_error(2, fmt::format("Enumeration value '{}' for field 'readConcern.provenance' is not a valid value.", *source));
      }
    } else if (field.key() != "afterOpTime") {
      return server_error(kInvalidOptions, fmt::format("Unrecognized option in readConcern: {}", field.key()));
    }
  }
  using Level = ReadConcern::Level;
  if (concern.after_cluster_time && (concern.level == Level::kAvailable || concern.level == Level::kLinearizable)) {
    return server_error(kInvalidOptions, "afterClusterTime field can be set only if level is equal to majority, local, or snapshot");
  }
  if (concern.after_cluster_time && concern.at_cluster_time) {
    return server_error(kInvalidOptions, "Specifying a timestamp for readConcern snapshot in a causally consistent session is not allowed. "
                                         "See https://www.mongodb.com/docs/manual/core/read-isolation-consistency-recency/");
  }
  if (concern.at_cluster_time && concern.level != ReadConcern::Level::kSnapshot) {
    return server_error(kInvalidOptions, "atClusterTime field can be set only if level is equal to snapshot");
  }
  return concern;
}

Status apply_read_concern(CommandContext& context) {
  const auto& concern = context.read_concern;
  const auto wanted = concern.after_cluster_time ? concern.after_cluster_time : concern.at_cluster_time;
  if (!wanted) return {};
  if (wanted->is_zero()) return server_error(kInvalidOptions, "Missing or empty cluster time in readConcern");
  const auto current = context.engine().cluster_time();
  if (*wanted > current) {
    return server_error(kInvalidOptions,
                        fmt::format("readConcern {} value must not be greater than the current clusterTime. Requested clusterTime: {}; "
                                    "current clusterTime: {}",
                                    concern.after_cluster_time ? "afterClusterTime" : "atClusterTime", shown(*wanted), shown(current)));
  }
  // A time that was only heard of comes with the next write, the server's own periodic one at the latest. Nothing is written for it: that is
  // what members of a sharded cluster do (makeNoopWriteIfNeeded in read_concern_mongod.cpp).
  const auto left = context.time_left();
  const auto longest = left ? std::max<Duration>(*left, std::chrono::milliseconds(1)) : Duration::zero();
  if (!context.engine().wait_for(*wanted, longest, context.stop)) return interrupted_wait(context);
  return {};
}

namespace {

// Since 5.0 a refusal shows what was found.
Status check_w(const bson::Element& w, ServerVersion version) {
  const bool five = version >= ServerVersion{5, 0, 0};
  if (w.is_string() || w.is_null() || w.type() == bson::Type::kUndefined) return {};
  if (w.is_number()) {
    const auto number = w.to_int64().value_or(-1);
    if (number >= 0 && number <= kMaxMembers) return {};
    return server_error(kFailedToParse, fmt::format("w has to be a non-negative number and not greater than {}{}", kMaxMembers, five ? fmt::format("; found: {}", number) : ""));
  }
  if (!five) return server_error(kFailedToParse, "w has to be a number or a string");
  if (!w.is_document()) return server_error(kFailedToParse, fmt::format("w has to be a number, string, or object; found: {}", bson::type_name(w.type())));
  return server_error(kCommandNotSupported, "a write concern of tags is not supported by this server");
}

}  // namespace

Result<WriteConcern> parse_write_concern(bson::View body, ServerVersion version) {
  const auto element = body["writeConcern"];
  if (!element) return WriteConcern{};
  const auto document = element.to_document();
  if (!document) return server_error(kTypeMismatch, fmt::format("\"writeConcern\" had the wrong type. Expected object, found {}", bson::type_name(element.type())));
  return write_concern_of(*document, version);
}

Result<WriteConcern> write_concern_of(bson::View document, ServerVersion version) {
  WriteConcern concern;
  concern.provided = !document.empty();
  for (const auto& field : document) {
    const auto key = field.key();
    if (key == "w") {
      TRY(check_w(field, version));
      if (field.is_number()) concern.w = field.to_int64().value_or(1);
      if (field.is_string()) concern.w_mode = std::string(field.string_value());
    } else if (key == "j" || key == "fsync") {
      if (!field.is_number() && field.type() != bson::Type::kBool) return server_error(kFailedToParse, fmt::format("{} must be numeric or a boolean value", key));
      if (concern.journal && field.is_truthy()) return server_error(kFailedToParse, "fsync and j options cannot be used together");
      concern.journal = concern.journal || field.is_truthy();
    } else if (key == "wtimeout") {
      concern.timeout_ms = field.to_int64().value_or(0);
    } else if (key != "getLastError" && key != "wElectionId" && key != "wOpTime" && key != "provenance") {
      return server_error(kFailedToParse, fmt::format("unrecognized write concern field: {}", key));
    }
  }
  return concern;
}

Status check_satisfiable(const WriteConcern& concern) {
  if (!concern.w_mode.empty() && concern.w_mode != "majority") {
    return server_error(79, fmt::format("No write concern mode named '{}' found in replica set configuration", concern.w_mode));
  }
  if (concern.w > 1) return server_error(100, "Not enough data-bearing nodes");
  return {};
}

Result<std::optional<bson::Document>> apply_write_concern(CommandContext& context) {
  const auto& concern = context.write_concern;
  const bool majority = concern.w_mode == "majority" || (!concern.provided && !concern.by_default && context.settings().at_least(5, 0) && !context.internal);
  // What was written is there by now, whether or not the journal can be: it is the concern that is not met.
  if (const auto durable = concern.journal || majority ? context.engine().make_durable() : Status(); !durable) {
    const auto& why = durable.error();
    return std::optional(bson::make_document({{"code", why.server_code}, {"codeName", error_code_name(why.server_code)}, {"errmsg", why.message}}));
  }
  const auto satisfiable = check_satisfiable(concern);
  if (satisfiable) return std::optional<bson::Document>();
  const auto& why = satisfiable.error();
  const bool unknown_mode = !concern.w_mode.empty();
  bson::Builder out;
  out.append("code", why.server_code).append("codeName", error_code_name(why.server_code)).append("errmsg", why.message);
  {
    auto info = out.open_document("errInfo");
    auto given = info.open_document("writeConcern");
    unknown_mode ? given.append("w", concern.w_mode) : given.append("w", static_cast<std::int32_t>(concern.w));
    given.append("wtimeout", static_cast<std::int32_t>(concern.timeout_ms)).append("provenance", "clientSupplied");
  }
  return std::optional(std::move(out).finish());
}

}  // namespace drover::sandbox
