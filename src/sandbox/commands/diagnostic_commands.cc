// What tools ask a server for when they connect or are asked about it: the profiler, locks, the log.
#include <fmt/format.h>

#include "bson/ejson.h"
#include "sandbox/commands/authorize.h"
#include "sandbox/commands/profiler.h"
#include "sandbox/commands/support.h"
#include "sandbox/commands/tables.h"
#include "sandbox/query/matcher.h"

namespace drover::sandbox {

namespace {

// What of the profiler's settings the command changes; `was` has them before.
Status change_profiler(CommandContext& context, std::int64_t level, const Profiler::Database& was) {
  auto& profiler = context.services.profiler;
  auto slow = profiler.slow();
  const auto slow_millis = context.body["slowms"], rate = context.body["sampleRate"], filter = context.body["filter"];
  if (slow_millis) slow.millis = slow_millis.to_int64().value_or(slow.millis);
  if (rate) slow.sample_rate = rate.to_double().value_or(slow.sample_rate);
  if (slow.sample_rate < 0 || slow.sample_rate > 1) return server_error(code::kBadValue, "'sampleRate' must be between 0.0 and 1.0 inclusive");
  Profiler::Database now = was;
  if (const auto document = filter.to_document()) {
    TRY(query::Matcher::parse(*document, nullptr, context.settings().version));
    now.filter = bson::Document(*document);
  } else if (filter) {
    if (filter.to_string_view() != "unset") return server_error(code::kBadValue, "Expected an object, or the string 'unset'.");
    now.filter.reset();
  }
  if (level >= 0 && level <= 2) now.level = static_cast<int>(level);
  if (now.level > 0) TRY(make_profile_collection(context));
  profiler.set_slow(slow);
  profiler.set(context.database, std::move(now));
  return {};
}

Result<bson::Document> profile(CommandContext& context) {
  TRY(check_fields(context, {"slowms", "sampleRate", "filter"}));
  const auto level = context.body.first().is_number() ? context.body.first().to_int64() : std::nullopt;
  if (!level) {
    return server_error(code::kTypeMismatch, fmt::format("BSON field 'profile.profile' is the wrong type '{}', expected types '[long, int, decimal, double']",
                                                         bson::type_name(context.body.first().type())));
  }
  for (const std::string_view name : {"slowms", "sampleRate"}) {
    const auto field = context.body[name];
    if (!field || field.is_number() || field.is_null()) continue;
    return server_error(code::kTypeMismatch, fmt::format("BSON field 'profile.{}' is the wrong type '{}', expected types '[long, int, decimal, double']", name,
                                                         bson::type_name(field.type())));
  }
  const auto was = context.services.profiler.of(context.database);
  const auto slow = context.services.profiler.slow();
  const bool asks = (*level < 0 || *level > 2) && !context.body["slowms"] && !context.body["sampleRate"] && !context.body["filter"];
  if (!asks) TRY(change_profiler(context, *level, was));
  bson::Builder out;
  out.append("was", static_cast<std::int32_t>(was.level)).append("slowms", static_cast<std::int32_t>(slow.millis)).append("sampleRate", slow.sample_rate);
  if (was.filter) {
    out.append("filter", *was.filter);
    out.append("note", "When a filter expression is set, slowms and sampleRate are not used for profiling and slow-query log lines.");
  }
  return std::move(out).finish();
}

constexpr int kNotImplemented = 238;

// There is no rotation by itself: whoever has moved the file away is given a new one.
Result<bson::Document> rotate_log(CommandContext& context) {
  const auto what = context.body.first();
  if (what.is_string() && what.string_value() != "server") {
    return server_error(kNotImplemented, fmt::format("this server has no log named '{}' to rotate", what.string_value()));
  }
  if (context.services.reopen_log) TRY(context.services.reopen_log());
  return bson::Document();
}

// There is no lock manager: who writes waits for a mutex, which belongs to nobody who could be told.
Result<bson::Document> lock_info(CommandContext& context) {
  TRY(check_fields(context, {"includeStorageEngineLocks"}));
  bson::Builder out;
  out.open_array("lockInfo").close();
  return std::move(out).finish();
}

constexpr Command kRows[] = {
    {.name = "profile", .resource = ResourceKind::kCustom, .also = authorize_profile, .handler = profile,
     .help = "the profiler's level: what system.profile records"},
    {.name = "logRotate", .flags = kAdminOnly, .resource = ResourceKind::kCluster, .action = "logRotate", .handler = rotate_log,
     .help = "opens the log's file anew"},
    {.name = "lockInfo", .flags = kAdminOnly, .resource = ResourceKind::kCluster, .action = "serverStatus", .handler = lock_info,
     .help = "locks: none, for there is no lock manager"},
};

}  // namespace

std::span<const Command> diagnostic_commands() { return kRows; }

}  // namespace drover::sandbox
