// What tools ask a server for when they connect or are asked about it: default concerns, the profiler, the plan cache.
#include <fmt/format.h>

#include "bson/ejson.h"
#include "sandbox/commands/authorize.h"
#include "sandbox/commands/support.h"
#include "sandbox/commands/tables.h"

namespace drover::sandbox {

namespace {

constexpr std::int32_t kSlowMillis = 100;

// The server's own defaults: nobody can set others here.
Result<bson::Document> default_concerns(CommandContext& context) {
  TRY(check_fields(context, {"inMemory"}));
  bson::Builder out;
  if (context.settings().at_least(5, 0)) {
    out.open_document("defaultReadConcern").append("level", "local");
    out.open_document("defaultWriteConcern").append("w", "majority").append("wtimeout", 0);
    out.append("defaultWriteConcernSource", "implicit").append("defaultReadConcernSource", "implicit");
  }
  if (context.body["inMemory"].is_truthy()) out.append("inMemory", true);
  out.append("localUpdateWallClockTime", bson::DateTime{wall_millis(context.services.runtime)});
  return std::move(out).finish();
}

Result<bson::Document> set_default_concerns(CommandContext&) {
  return server_error(115, "setDefaultRWConcern is not supported by this server: name read and write concern in the connection string");
}

// Level 0 is the only one: operations are not recorded.
Result<bson::Document> profile(CommandContext& context) {
  TRY(check_fields(context, {"slowms", "sampleRate", "filter"}));
  const auto level = context.body.first().is_number() ? context.body.first().to_int64() : std::nullopt;
  if (!level) {
    return server_error(code::kTypeMismatch, fmt::format("BSON field 'profile.profile' is the wrong type '{}', expected types '[long, int, decimal, double']",
                                                         bson::type_name(context.body.first().type())));
  }
  if (*level > 0 && *level <= 2) {
    return server_error(115, "the profiler is not supported by this server: operations are not recorded in system.profile");
  }
  return bson::make_document({{"was", 0}, {"slowms", kSlowMillis}, {"sampleRate", 1.0}});
}

// Plans are chosen by rules, none is cached.
Result<bson::Document> clear_plan_cache(CommandContext& context) {
  if (!context.body.first().is_string()) {
    return server_error(code::kInvalidNamespace, fmt::format("Collection name must be provided. Received {}", bson::to_shell(context.body.first())));
  }
  return bson::Document();
}

constexpr auto kCluster = ResourceKind::kCluster;
constexpr Command kRows[] = {
    {.name = "getDefaultRWConcern", .flags = kAdminOnly, .resource = kCluster, .action = "getDefaultRWConcern", .handler = default_concerns,
     .help = "read and write concern of commands that name none"},
    {.name = "setDefaultRWConcern", .flags = kAdminOnly, .resource = kCluster, .action = "setDefaultRWConcern", .handler = set_default_concerns,
     .help = "refused: the defaults are the server's"},
    {.name = "profile", .resource = ResourceKind::kCustom, .also = authorize_profile, .handler = profile, .help = "the profiler's level: 0"},
    {.name = "planCacheClear", .resource = ResourceKind::kCollection, .action = "planCacheWrite", .handler = clear_plan_cache,
     .help = "nothing to clear: plans are not cached"},
};

}  // namespace

std::span<const Command> diagnostic_commands() { return kRows; }

}  // namespace drover::sandbox
