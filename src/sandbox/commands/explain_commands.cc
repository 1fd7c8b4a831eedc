// explain of find, count and distinct: which index, over what, and (executionStats) what it took. Others are refused.
#include <algorithm>

#include <fmt/format.h>

#include "bson/builder.h"
#include "bson/ejson.h"
#include "sandbox/commands/find_request.h"
#include "sandbox/commands/scan.h"
#include "sandbox/commands/support.h"
#include "sandbox/commands/tables.h"

namespace drover::sandbox {

namespace {

constexpr std::int64_t kCheckEvery = 1024;


// count and distinct read as find does, with their filter under another name.
Result<FindRequest> request_of(const CommandContext& context, bson::View command) {
  const auto name = command.first().key();
  if (name == "find") return parse_find(context, command);
  if (name == "count" || name == "distinct") {
    FindRequest request;
    request.filter = command["query"].to_document().value_or(bson::View());
    request.hint = command["hint"];
    request.skip = command["skip"].to_int64().value_or(0);
    request.limit = command["limit"].to_int64().value_or(0);
    return request;
  }
  if (context.services.commands.find(name, context.settings().version) == nullptr) {
    return server_error(59, fmt::format("Explain failed due to unknown command: {}", name));
  }
  return server_error(115, fmt::format("explain of '{}' is not supported by this server, only of find, count and distinct", name));
}

void append_bounds(bson::Builder& out, const Plan& plan) {
  auto bounds = out.open_document("indexBounds");
  for (const auto& field : plan.index->fields) {
    auto list = bounds.open_array(field.path);
    bool constrained = false;
    for (const auto& path : plan.bounds) {
      if (path.path != field.path) continue;
      constrained = true;
      for (const auto& interval : path.intervals) {
        list.append(fmt::format("{}{}, {}{}", interval.low_inclusive ? '[' : '(', bson::to_shell(interval.low.element()),
                                bson::to_shell(interval.high.element()), interval.high_inclusive ? ']' : ')'));
      }
    }
    if (!constrained) list.append("[MinKey, MaxKey]");
  }
}

bson::Document scan_stage(const Plan& plan, bson::View filter) {
  bson::Builder out;
  if (!plan.index) {
    out.append("stage", "COLLSCAN");
    if (!filter.empty()) out.append("filter", filter);
    out.append("direction", plan.forward ? "forward" : "backward");
    return std::move(out).finish();
  }
  out.append("stage", "FETCH");
  if (!filter.empty()) out.append("filter", filter);
  auto input = out.open_document("inputStage");
  input.append("stage", "IXSCAN").append("keyPattern", plan.index->key_pattern()).append("indexName", plan.index->name);
  input.append("isMultiKey", plan.index->multikey->load() != 0).append("isUnique", plan.index->unique).append("isSparse", plan.index->sparse);
  input.append("isPartial", plan.index->partial_filter != nullptr).append("indexVersion", 2);
  input.append("direction", plan.forward ? "forward" : "backward");
  append_bounds(input, plan);
  input.close();
  return std::move(out).finish();
}

bson::Document winning_plan(const Plan& plan, const FindRequest& request, bool sorts) {
  auto stage = scan_stage(plan, request.filter);
  const auto wrap = [&](std::string_view name, const auto& add) {
    bson::Builder out;
    out.append("stage", name);
    add(out);
    out.append("inputStage", stage);
    stage = std::move(out).finish();
  };
  if (sorts) wrap("SORT", [&](bson::Builder& out) { out.append("sortPattern", request.sort).append("type", "simple"); });
  if (request.skip > 0) wrap("SKIP", [&](bson::Builder& out) { out.append("skipAmount", request.skip); });
  if (request.limit > 0) wrap("LIMIT", [&](bson::Builder& out) { out.append("limitAmount", request.limit); });
  if (!request.projection.empty()) wrap("PROJECTION_DEFAULT", [&](bson::Builder& out) { out.append("transformBy", request.projection); });
  return stage;
}

// Reads as the command would; its documents go nowhere.
Result<bson::Document> execution_stats(CommandContext& context, std::shared_ptr<const Reader> reader, const CollectionPtr& collection, Plan plan,
                                       const query::Matcher& filter, const FindRequest& request, bool sorts) {
  const auto started = wall_millis(context.services.runtime);
  std::int64_t matched = 0, keys = 0, examined = 0;
  if (collection) {
    Scan scan(std::move(reader), collection, std::move(plan), filter);
    const std::int64_t wanted = request.limit > 0 && !sorts ? request.skip + request.limit : INT64_MAX;
    while (matched < wanted && TRY(scan.next())) {
      if (++matched % kCheckEvery == 0) TRY(check_interrupt(context));
    }
    keys = scan.keys_examined();
    examined = scan.examined();
  }
  std::int64_t returned = std::max<std::int64_t>(matched - request.skip, 0);
  if (request.limit > 0) returned = std::min(returned, request.limit);
  return bson::make_document({{"executionSuccess", true},
                              {"nReturned", static_cast<std::int32_t>(returned)},
                              {"executionTimeMillis", static_cast<std::int32_t>(wall_millis(context.services.runtime) - started)},
                              {"totalKeysExamined", static_cast<std::int32_t>(keys)},
                              {"totalDocsExamined", static_cast<std::int32_t>(examined)}});
}

Result<bson::Document> explain(CommandContext& context) {
  TRY(check_fields(context, {"verbosity"}));
  const auto inner = context.body.first().to_document();
  if (!inner || inner->empty()) return server_error(code::kFailedToParse, "explain command requires a nested object");
  const auto verbosity = context.body["verbosity"].to_string_view().value_or("allPlansExecution");
  if (verbosity != "queryPlanner" && verbosity != "executionStats" && verbosity != "allPlansExecution") {
    return server_error(code::kFailedToParse, "verbosity string must be one of {'queryPlanner', 'executionStats', 'allPlansExecution'}");
  }
  const auto request = TRY(request_of(context, *inner));
  const Namespace ns{std::string(context.database), std::string(inner->first().to_string_view().value_or(""))};
  TRY(check_collection_name(ns));
  TRY(context.authorize("find", {Resource::Kind::kCollection, ns}));
  const auto scope = TRY(read_scope(context));
  const auto collection = scope.reader->catalog().find(ns);
  if (collection && collection->is_view()) return server_error(115, "explain of a view is not supported by this server");
  const auto collator = TRY(effective_collation(*inner, collection.get()));
  const auto filter = TRY(query::Matcher::parse(request.filter, collator, context.settings().version, evaluation_context(context)));
  const auto sort = TRY(query::SortPattern::parse(request.sort, collator));
  Plan plan;
  if (collection) {
    plan = TRY(make_plan(*collection, {.filter = &filter, .sort = &sort, .collator = collator, .hint = request.hint, .min = request.min, .max = request.max}));
  }
  const bool sorts = !sort.empty() && sort.natural() == 0 && !plan.sorted;
  bson::Builder out;
  {
    auto planner = out.open_document("queryPlanner");
    planner.append("plannerVersion", 1).append("namespace", ns.to_string()).append("indexFilterSet", false);
    planner.append("parsedQuery", request.filter);
    planner.append("winningPlan", collection ? winning_plan(plan, request, sorts) : bson::make_document({{"stage", "EOF"}}));
    planner.open_array("rejectedPlans").close();
  }
  if (verbosity != "queryPlanner") {
    out.append("executionStats", TRY(execution_stats(context, scope.reader, collection, std::move(plan), filter, request, sorts)));
  }
  {
    auto server = out.open_document("serverInfo");
    server.append("host", context.settings().host).append("port", context.settings().port).append("version", context.settings().version.to_string());
  }
  return std::move(out).finish();
}

}  // namespace

std::span<const Command> explain_commands() {
  static const Command kRows[] = {
      {.name = "explain", .flags = kReadConcern, .resource = ResourceKind::kCustom, .handler = explain, .help = "how find, count or distinct would read"},
  };
  return kRows;
}

}  // namespace drover::sandbox
