#include "sandbox/commands/concern_defaults.h"

#include <fmt/format.h>

#include "sandbox/commands/concerns.h"
#include "sandbox/commands/support.h"
#include "sandbox/commands/tables.h"
#include "sandbox/storage/engine.h"

namespace drover::sandbox {

namespace {

constexpr std::string_view kId = "ReadWriteConcernDefaults";

// As write concerns are spelled out: w, j, and wtimeout even when it is 0.
bson::Document spelled_out(bson::View given, const WriteConcern& concern) {
  bson::Builder out;
  concern.w_mode.empty() ? out.append("w", static_cast<std::int32_t>(concern.w)) : out.append("w", concern.w_mode);
  for (const auto* name : {"j", "fsync"}) {
    if (given[name]) out.append(name, given[name].is_truthy());
  }
  out.append("wtimeout", static_cast<std::int32_t>(concern.timeout_ms));
  return std::move(out).finish();
}

Status check_read(const ReadConcern& concern, bson::View given) {
  using Level = ReadConcern::Level;
  const auto unsuitable = [](std::string_view what) { return server_error(code::kBadValue, fmt::format("{} is not suitable for the default read concern", what)); };
  if (concern.level == Level::kSnapshot || concern.level == Level::kLinearizable) {
    return unsuitable(fmt::format("level: '{}'", concern.level == Level::kSnapshot ? "snapshot" : "linearizable"));
  }
  for (const std::string_view name : {"afterOpTime", "afterClusterTime", "atClusterTime"}) {
    if (given[name]) return unsuitable(fmt::format("'{}'", name));
  }
  if (given["provenance"]) return server_error(code::kBadValue, "'provenance' must be unset in default read concern");
  return {};
}

Status check_write(const WriteConcern& concern, bson::View given) {
  if (concern.w_mode.empty() && concern.w < 1) {
    return server_error(code::kBadValue, "Unacknowledged write concern is not suitable for the default write concern");
  }
  if (given["provenance"]) return server_error(code::kBadValue, "'provenance' must be unset in default write concern");
  return check_satisfiable(concern);
}

// The two that the command names; nothing for one that it does not.
struct Wanted {
  std::optional<bson::View> read, write;
};

Result<Wanted> wanted_by(const CommandContext& context) {
  Wanted wanted;
  for (auto [name, out] : {std::pair{"defaultReadConcern", &wanted.read}, std::pair{"defaultWriteConcern", &wanted.write}}) {
    const auto field = context.body[name];
    if (!field) continue;
    *out = field.to_document();
    if (!*out) {
      return server_error(code::kTypeMismatch, fmt::format("BSON field 'setDefaultRWConcern.{}' is the wrong type '{}', expected type 'object'", name,
                                                           bson::type_name(field.type())));
    }
  }
  if (!wanted.read && !wanted.write) {
    return server_error(code::kBadValue, "At least one of the \"defaultReadConcern\" or \"defaultWriteConcern\" fields must be present");
  }
  return wanted;
}

// What is stored from now on. {} takes a default away; from 5.0 on not that of writes.
Result<bson::Document> new_defaults(CommandContext& context, const Wanted& wanted, const ConcernDefaults::Values& current) {
  bson::Builder out;
  out.append("_id", kId);
  if (wanted.read && !wanted.read->empty()) {
    TRY(check_read(TRY(read_concern_of(*wanted.read)), *wanted.read));
    out.append("defaultReadConcern", *wanted.read);
  } else if (!wanted.read && current.has_read) {
    out.append_raw(current.stored["defaultReadConcern"]);
  }
  if (wanted.write && !wanted.write->empty()) {
    const auto concern = TRY(write_concern_of(*wanted.write, context.settings().version));
    TRY(check_write(concern, *wanted.write));
    out.append("defaultWriteConcern", spelled_out(*wanted.write, concern));
  } else if (!wanted.write && current.has_write) {
    out.append_raw(current.stored["defaultWriteConcern"]);
  } else if (wanted.write && current.has_write && context.settings().at_least(5, 0)) {
    return server_error(code::kIllegalOperation, "The global default write concern cannot be unset once it is set.");
  }
  out.append("updateOpTime", context.engine().last_committed());
  out.append("updateWallClockTime", bson::DateTime{wall_millis(context.services.runtime)});
  return std::move(out).finish();
}

bson::Document described(CommandContext& context, bool in_memory) {
  const auto values = context.services.concern_defaults.current();
  const bool five = context.settings().at_least(5, 0);
  bson::Builder out;
  if (values->has_read) {
    out.append_raw(values->stored["defaultReadConcern"]);
  } else if (five) {
    out.open_document("defaultReadConcern").append("level", "local");
  }
  if (values->has_write) {
    out.append_raw(values->stored["defaultWriteConcern"]);
  } else if (five) {
    out.open_document("defaultWriteConcern").append("w", "majority").append("wtimeout", 0);
  }
  for (const auto* name : {"updateOpTime", "updateWallClockTime"}) {
    if (const auto field = values->stored[name]) out.append_raw(field);
  }
  if (five) {
    out.append("defaultWriteConcernSource", values->has_write ? "global" : "implicit");
    out.append("defaultReadConcernSource", values->has_read ? "global" : "implicit");
  }
  if (in_memory) out.append("inMemory", true);
  out.append("localUpdateWallClockTime", bson::DateTime{values->loaded_millis});
  return std::move(out).finish();
}

Result<bson::Document> get_defaults(CommandContext& context) {
  TRY(check_fields(context, {"inMemory"}));
  return described(context, context.body["inMemory"].is_truthy());
}

Result<bson::Document> set_defaults(CommandContext& context) {
  TRY(check_fields(context, {"defaultReadConcern", "defaultWriteConcern"}));
  const auto wanted = TRY(wanted_by(context));
  const auto stored = TRY(new_defaults(context, wanted, *context.services.concern_defaults.current()));
  TRY(in_write_unit(context, [&](WriteUnit& unit) -> Status {
    const auto collection = TRY(collection_for_write(context, unit, kSettings, true));
    const auto record = TRY(unit.find_by_id(*collection, stored["_id"]));
    if (!record) return unit.insert(collection, stored).map([](RecordId) {});
    return unit.update(collection, record->id, record->document, stored, stored);
  }));
  TRY(context.services.concern_defaults.load(context.engine(), context.services.runtime));
  return described(context, false);
}

constexpr Command kRows[] = {
    {.name = "getDefaultRWConcern", .flags = kAdminOnly, .resource = ResourceKind::kCluster, .action = "getDefaultRWConcern", .handler = get_defaults,
     .help = "read and write concern of commands that name none"},
    {.name = "setDefaultRWConcern", .flags = kAdminOnly | kWrite, .resource = ResourceKind::kCluster, .action = "setDefaultRWConcern", .handler = set_defaults,
     .help = "sets read and write concern of commands that name none"},
};

}  // namespace

Status ConcernDefaults::load(Engine& engine, Runtime& runtime) {
  auto values = std::make_shared<Values>();
  values->loaded_millis = wall_millis(runtime);
  const auto reader = make_reader(engine, engine.view());
  if (const auto collection = reader->catalog().find(kSettings)) {
    const auto wanted = bson::make_document({{"_id", kId}});
    if (auto record = TRY(reader->find_by_id(*collection, wanted["_id"]))) values->stored = std::move(record->document);
  }
  if (const auto read = values->stored["defaultReadConcern"].to_document(); read && !read->empty()) {
    if (const auto concern = read_concern_of(*read)) {
      values->read = *concern;
      values->has_read = true;
    }
  }
  if (const auto write = values->stored["defaultWriteConcern"].to_document(); write && !write->empty()) {
    if (const auto concern = write_concern_of(*write, engine.options().version)) {
      values->write = *concern;
      values->write.provided = false;
      values->write.by_default = true;
      values->has_write = true;
    }
  }
  std::lock_guard lock(mutex_);
  values_ = std::move(values);
  return {};
}

void apply_concern_defaults(CommandContext& context, bool in_transaction) {
  if (context.internal || in_transaction) return;
  const auto values = context.services.concern_defaults.current();
  auto& read = context.read_concern;
  const bool reads = (context.command->flags & kReadConcern) != 0 && !is_read_at_one_level(context);
  if (values->has_read && reads && !read.level && !read.after_cluster_time && !read.at_cluster_time) read.level = values->read.level;
  if (values->has_write && !context.write_concern.provided) context.write_concern = values->write;
}

std::span<const Command> concern_default_commands() { return kRows; }

}  // namespace drover::sandbox
