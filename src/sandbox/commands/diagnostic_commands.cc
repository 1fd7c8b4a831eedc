// What tools ask a server for when they connect or are asked about it: the profiler, the plan cache, locks, the log.
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

Status check_plan_cache_collection(const CommandContext& context) {
  const auto name = context.body.first();
  if (name.is_string()) return {};
  return server_error(code::kInvalidNamespace, fmt::format("Collection name must be provided. Received {}", bson::to_shell(name)));
}

// The query whose plans or filters are meant, where the command names one; all of the collection's where it does not.
Status check_named_query(const CommandContext& context) {
  const auto query = context.body["query"];
  if (!query) {
    const bool part = context.body["sort"] || context.body["projection"];
    return part ? Status(server_error(code::kBadValue, "sort or projection provided without query")) : Status();
  }
  for (const std::string_view part : {"query", "sort", "projection", "collation"}) {
    const auto field = context.body[part];
    if (field && !field.is_document()) return server_error(code::kBadValue, fmt::format("{} field {} must be an object", part == "query" ? "required" : "optional", part));
  }
  const auto collator = TRY(effective_collation(context.body, nullptr));
  TRY(query::Matcher::parse(query.document_value(), collator, context.settings().version));
  return {};
}

// Plans are chosen by rules: none is cached, and no filter says which indexes they may be of. What there is none of can be cleared and listed.
Result<bson::Document> clear_plan_cache(CommandContext& context) {
  TRY(check_plan_cache_collection(context));
  TRY(check_named_query(context));
  return bson::Document();
}

Result<bson::Document> list_index_filters(CommandContext& context) {
  TRY(check_plan_cache_collection(context));
  bson::Builder out;
  out.open_array("filters").close();
  return std::move(out).finish();
}

Result<bson::Document> set_index_filter(CommandContext& context) {
  TRY(check_plan_cache_collection(context));
  return server_error(kNotImplemented, "index filters are not implemented by this server: name the index in the query, as its hint");
}

Result<bson::Document> rotate_log(CommandContext&) {
  return server_error(kNotImplemented, "this server does not rotate its log: start it with --log -, and let what reads its standard error do that");
}

Result<bson::Document> lock_info(CommandContext&) {
  return server_error(kNotImplemented, "this server has no lock manager whose locks could be told: $currentOp tells which operations run, serverStatus how many wait");
}

constexpr Command kRows[] = {
    {.name = "profile", .resource = ResourceKind::kCustom, .also = authorize_profile, .handler = profile,
     .help = "the profiler's level: what system.profile records"},
    {.name = "planCacheClear", .resource = ResourceKind::kCollection, .action = "planCacheWrite", .handler = clear_plan_cache,
     .help = "nothing to clear: plans are not cached"},
    {.name = "planCacheListFilters", .resource = ResourceKind::kCollection, .action = "planCacheIndexFilter", .handler = list_index_filters,
     .help = "index filters: none"},
    {.name = "planCacheSetFilter", .resource = ResourceKind::kCollection, .action = "planCacheIndexFilter", .handler = set_index_filter,
     .help = "refused: index filters are not implemented"},
    {.name = "planCacheClearFilters", .resource = ResourceKind::kCollection, .action = "planCacheIndexFilter", .handler = clear_plan_cache,
     .help = "nothing to clear: there are no index filters"},
    {.name = "logRotate", .flags = kAdminOnly, .resource = ResourceKind::kCluster, .action = "logRotate", .handler = rotate_log,
     .help = "refused: the log is not rotated"},
    {.name = "lockInfo", .flags = kAdminOnly, .resource = ResourceKind::kCluster, .action = "serverStatus", .handler = lock_info,
     .help = "refused: there is no lock manager"},
};

}  // namespace

std::span<const Command> diagnostic_commands() { return kRows; }

}  // namespace drover::sandbox
