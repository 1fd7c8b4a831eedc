// explain of reads and of single writes: which index, over what, and (executionStats) what finding the documents took. Nothing
// is written. Of a pipeline its front is explained, what a find would do; the stages behind it are shown as they came.
#include <algorithm>

#include <fmt/format.h>

#include "bson/builder.h"
#include "bson/ejson.h"
#include "sandbox/commands/authorize.h"
#include "sandbox/commands/explain.h"
#include "sandbox/commands/find_request.h"
#include "sandbox/commands/scan.h"
#include "sandbox/commands/support.h"
#include "sandbox/commands/tables.h"
#include "sandbox/query/pipeline.h"

namespace drover::sandbox {

namespace {

constexpr std::int64_t kCheckEvery = 1024;

// What a command reads, as a find; what is done with it.
struct Explained {
  FindRequest find;
  bson::View statement;           // whose collation counts: the command, or a write's one statement
  std::string_view over;          // a stage over the plan: COUNT, UPDATE, DELETE
  std::vector<bson::View> behind;  // stages of a pipeline that no find does
  bool server_source = false;     // the pipeline's documents are the server's own
};

tl::unexpected<Error> not_one_statement() { return server_error(16, "explained write batches must be of size 1"); }

// update and delete: their one statement.
Result<Explained> of_write(bson::View command, std::string_view list, std::string_view over) {
  const auto statements = command[list].to_array();
  if (!statements || statements->field_count() != 1) return not_one_statement();
  const auto statement = statements->first().to_document();
  if (!statement) return server_error(code::kTypeMismatch, fmt::format("BSON field '{}.{}.0' is the wrong type, expected type 'object'", command.first().key(), list));
  Explained explained{.statement = *statement, .over = over};
  explained.find.filter = (*statement)["q"].to_document().value_or(bson::View());
  explained.find.hint = (*statement)["hint"];
  const bool single = over == "DELETE" ? (*statement)["limit"].is_truthy() : !(*statement)["multi"].is_truthy();
  if (single) explained.find.limit = 1;
  return explained;
}

Result<Explained> of_pipeline(const CommandContext& context, bson::View command) {
  const auto stages = command["pipeline"].to_array();
  if (!stages) return server_error(code::kTypeMismatch, "'pipeline' option must be specified as an array");
  Explained explained{.statement = command};
  explained.find.hint = command["hint"];
  bool front = true;
  for (const auto& stage : *stages) {
    const auto spec = stage.to_document();
    if (!spec || spec->field_count() != 1) return server_error(40323, "A pipeline stage specification object must contain exactly one field.");
    const auto only = spec->first();
    if (!query::is_pipeline_stage(only.key())) return server_error(40324, fmt::format("Unrecognized pipeline stage name: '{}'", only.key()));
    const auto value = only.to_document();
    auto& find = explained.find;
    if (front && only.key() == "$match" && value && find.filter.empty() && find.sort.empty()) {
      find.filter = *value;
    } else if (front && only.key() == "$sort" && value && find.sort.empty()) {
      find.sort = *value;
    } else {
      front = false;
      explained.behind.push_back(*spec);
    }
  }
  explained.server_source = !command.first().to_string_view() || context.database.empty();
  return explained;
}

Result<Explained> explained_command(const CommandContext& context, bson::View command) {
  const auto name = command.first().key();
  if (name == "find") return Explained{.find = TRY(parse_find(context, command)), .statement = command};
  if (name == "update") return of_write(command, "updates", "UPDATE");
  if (name == "delete") return of_write(command, "deletes", "DELETE");
  if (name == "aggregate") return of_pipeline(context, command);
  if (name == "count" || name == "distinct" || name == "findAndModify" || name == "findandmodify") {
    Explained explained{.statement = command};
    auto& request = explained.find;
    request.filter = command["query"].to_document().value_or(bson::View());
    request.hint = command["hint"];
    if (name == "count") {
      request.skip = command["skip"].to_int64().value_or(0);
      request.limit = command["limit"].to_int64().value_or(0);
      explained.over = "COUNT";
    } else if (name != "distinct") {
      request.sort = command["sort"].to_document().value_or(bson::View());
      request.limit = 1;
      explained.over = command["remove"].is_truthy() ? "DELETE" : "UPDATE";
    }
    return explained;
  }
  if (context.services.commands.find(name, context.settings().version) == nullptr) {
    return server_error(59, fmt::format("Explain failed due to unknown command: {}", name));
  }
  return server_error(code::kIllegalOperation, fmt::format("Cannot explain cmd: {}", name));
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

bson::Document winning_plan(const Plan& plan, const FindRequest& request, bool sorts, std::string_view over) {
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
  if (!over.empty()) wrap(over, [](bson::Builder&) {});
  if (!request.projection.empty()) wrap("PROJECTION_DEFAULT", [&](bson::Builder& out) { out.append("transformBy", request.projection); });
  return stage;
}

// Reads as the command would; its documents go nowhere.
Result<bson::Document> execution_stats(CommandContext& context, std::shared_ptr<const Reader> reader, const CollectionPtr& collection, Plan plan,
                                       const query::Matcher& filter, const FindRequest& request, bool sorts) {
  const auto started = wall_millis(context.services.runtime);
  std::int64_t matched = 0, keys = 0, examined = 0;
  if (collection) {
    Scan scan(std::move(reader), collection, std::move(plan), filter, context.services.memory.work);
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

void append_stats(bson::Builder& out, bson::View stats, bson::View winning) {
  auto all = out.open_document("executionStats");
  all.append_all(stats);
  auto stages = all.open_document("executionStages");
  for (const auto& field : winning) {
    if (field.key() != "inputStage") stages.append_raw(field);
    if (field.key() == "stage") stages.append("nReturned", stats["nReturned"]).append("executionTimeMillisEstimate", 0);
  }
  if (winning["inputStage"]) stages.append("inputStage", winning["inputStage"].document_value());
}

void append_server(bson::Builder& out, const CommandContext& context, bson::View command) {
  const auto& settings = context.settings();
  if (settings.at_least(5, 0)) out.append("command", command);
  auto server = out.open_document("serverInfo");
  server.append("host", settings.host).append("port", settings.port).append("version", settings.version.to_string());
  server.append("gitVersion", "drover-sandbox");
}

Result<bson::Document> explain(CommandContext& context) {
  TRY(check_fields(context, {"verbosity"}));
  const auto inner = context.body.first().to_document();
  if (!inner || inner->empty()) return server_error(code::kFailedToParse, "explain command requires a nested object");
  const auto verbosity = context.body["verbosity"].to_string_view().value_or("allPlansExecution");
  if (verbosity != "queryPlanner" && verbosity != "executionStats" && verbosity != "allPlansExecution") {
    return server_error(code::kFailedToParse, "verbosity string must be one of {'queryPlanner', 'executionStats', 'allPlansExecution'}");
  }
  return explain_command(context, *inner, verbosity != "queryPlanner");
}

// The plan of a find over one collection.
Result<bson::Document> explain_find(CommandContext& context, const Namespace& ns, const Explained& explained, bool execute) {
  const auto& request = explained.find;
  const auto scope = TRY(read_scope(context));
  const auto collection = scope.reader->catalog().find(ns);
  if (collection && collection->is_view()) return server_error(115, "explain of a view is not supported by this server");
  const auto collator = TRY(effective_collation(explained.statement, collection.get()));
  const auto filter = TRY(query::Matcher::parse(request.filter, collator, context.settings().version, evaluation_context(context)));
  const auto sort = TRY(query::SortPattern::parse(request.sort, collator));
  Plan plan;
  if (collection) {
    plan = TRY(make_plan(*collection, {.filter = &filter, .sort = &sort, .collator = collator, .hint = request.hint, .min = request.min, .max = request.max}));
  }
  const bool sorts = !sort.empty() && sort.natural() == 0 && !plan.sorted;
  const auto winning = collection ? winning_plan(plan, request, sorts, explained.over) : bson::make_document({{"stage", "EOF"}});
  bson::Builder out;
  {
    auto planner = out.open_document("queryPlanner");
    if (!context.settings().at_least(5, 0)) planner.append("plannerVersion", 1);
    planner.append("namespace", ns.to_string()).append("indexFilterSet", false).append("parsedQuery", request.filter);
    planner.append("winningPlan", winning);
    planner.open_array("rejectedPlans").close();
  }
  if (execute) {
    append_stats(out, TRY(execution_stats(context, scope.reader, collection, std::move(plan), filter, request, sorts)), winning);
  }
  return std::move(out).finish();
}

}  // namespace

Result<bson::Document> explain_command(CommandContext& context, bson::View command, bool execute) {
  const auto explained = TRY(explained_command(context, command));
  bson::Builder out;
  if (context.settings().at_least(5, 0)) out.append("explainVersion", "1");
  if (explained.server_source) {
    auto stages = out.open_array("stages");
    for (const auto& stage : explained.behind) stages.append(stage);
    stages.close();
    append_server(out, context, command);
    return std::move(out).finish();
  }
  const Namespace ns{std::string(context.database), std::string(command.first().to_string_view().value_or(""))};
  TRY(check_collection_name(ns));
  const auto plan = TRY(explain_find(context, ns, explained, execute));
  if (explained.behind.empty()) {
    out.append_all(plan);
  } else {
    auto stages = out.open_array("stages");
    stages.open_document().append("$cursor", plan);
    for (const auto& stage : explained.behind) stages.append(stage);
  }
  append_server(out, context, command);
  return std::move(out).finish();
}

std::span<const Command> explain_commands() {
  static const Command kRows[] = {
      {.name = "explain", .flags = kReadConcern, .resource = ResourceKind::kCustom, .also = authorize_explain, .handler = explain, .help = "how a read or a single write would find its documents"},
  };
  return kRows;
}

}  // namespace drover::sandbox
