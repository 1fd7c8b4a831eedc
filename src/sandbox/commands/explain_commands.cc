// explain of reads and of single writes: which index, over what, and (executionStats) what finding the documents took. Nothing
// is written. Of a pipeline its front is explained, what a find would do; the stages behind it are shown as they came.
#include <algorithm>
#include <cstdlib>

#include <fmt/format.h>

#include "bson/builder.h"
#include "bson/ejson.h"
#include "sandbox/commands/aggregate.h"
#include "sandbox/commands/authorize.h"
#include "sandbox/commands/covered.h"
#include "sandbox/commands/explain.h"
#include "sandbox/commands/explain_stages.h"
#include "sandbox/commands/find_request.h"
#include "sandbox/commands/map_reduce_request.h"
#include "sandbox/commands/scan.h"
#include "sandbox/commands/support.h"
#include "sandbox/commands/tables.h"
#include "sandbox/commands/timeseries.h"
#include "sandbox/commands/write_support.h"
#include "sandbox/query/pipeline.h"

namespace drover::sandbox {

namespace {

constexpr std::int64_t kCheckEvery = 1024;

// What a command reads, as a find; what is done with it.
struct Explained {
  FindRequest find;
  bson::View statement;           // whose collation counts: the command, or a write's one statement
  ExplainedUse use = ExplainedUse::kRead;
  bool returns_document = false;  // a write: findAndModify
  std::vector<bson::View> behind;  // stages of a pipeline that no find does
  std::vector<bson::Document> made;  // what `behind` shows of a mapReduce
  bson::Document joined_filter;    // of several $match at a pipeline's front: find.filter is a view of it
  bool server_source = false;     // the pipeline's documents are the server's own
};

tl::unexpected<Error> not_one_statement() { return server_error(16, "explained write batches must be of size 1"); }

// update and delete: their one statement.
Result<Explained> of_write(bson::View command, std::string_view list, ExplainedUse use) {
  const auto statements = command[list].to_array();
  if (!statements || statements->field_count() != 1) return not_one_statement();
  const auto statement = statements->first().to_document();
  if (!statement) return server_error(code::kTypeMismatch, fmt::format("BSON field '{}.{}.0' is the wrong type, expected type 'object'", command.first().key(), list));
  Explained explained{.statement = *statement, .use = use};
  explained.find.filter = (*statement)["q"].to_document().value_or(bson::View());
  explained.find.hint = (*statement)["hint"];
  const bool single = use == ExplainedUse::kDelete ? (*statement)["limit"].is_truthy() : !(*statement)["multi"].is_truthy();
  if (single) explained.find.limit = 1;
  return explained;
}

bson::Document both(bson::View first, bson::View second) {
  bson::Builder out;
  out.open_array("$and").append(first).append(second);
  return std::move(out).finish();
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
    if (!query::is_pipeline_stage(only.key(), context.settings().version)) return server_error(40324, fmt::format("Unrecognized pipeline stage name: '{}'", only.key()));
    const auto value = only.to_document();
    auto& find = explained.find;
    if (front && only.key() == "$match" && value && find.sort.empty()) {
      if (!find.filter.empty()) explained.joined_filter = both(find.filter, *value);
      find.filter = explained.joined_filter.empty() ? *value : explained.joined_filter.view();
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

Result<Explained> of_map_reduce(const CommandContext& context, bson::View command) {
  if (context.services.scripts == nullptr) return server_error(31264, "Cannot run server-side javascript without the javascript engine enabled");
  auto own = context;
  own.body = command;
  const auto request = TRY(parse_map_reduce(own));
  Explained explained{.statement = command};
  explained.find.filter = request.query;
  explained.find.sort = request.sort.value_or(bson::View());
  explained.find.limit = request.limit.value_or(0);
  explained.made = map_reduce_stages(request, context.database);
  for (const auto& stage : explained.made) explained.behind.push_back(stage.view());
  return explained;
}

Result<Explained> explained_command(const CommandContext& context, bson::View command) {
  const auto name = command.first().key();
  if (name == "find") return Explained{.find = TRY(parse_find(context, command)), .statement = command};
  if (name == "update") return of_write(command, "updates", ExplainedUse::kUpdate);
  if (name == "delete") return of_write(command, "deletes", ExplainedUse::kDelete);
  if (name == "aggregate") return of_pipeline(context, command);
  if (name == "mapReduce" || name == "mapreduce") return of_map_reduce(context, command);
  if (name == "count" || name == "distinct" || name == "findAndModify" || name == "findandmodify") {
    Explained explained{.statement = command};
    auto& request = explained.find;
    request.filter = command["query"].to_document().value_or(bson::View());
    request.hint = command["hint"];
    if (name == "count") {
      request.skip = command["skip"].to_int64().value_or(0);
      request.limit = std::abs(command["limit"].to_int64().value_or(0));
      explained.use = ExplainedUse::kCount;
    } else if (name != "distinct") {
      request.sort = command["sort"].to_document().value_or(bson::View());
      request.limit = 1;
      request.projection = command["fields"].to_document().value_or(bson::View());
      explained.use = command["remove"].is_truthy() ? ExplainedUse::kDelete : ExplainedUse::kUpdate;
      explained.returns_document = true;
    }
    return explained;
  }
  if (context.services.commands.find(name, context.settings().version) == nullptr) {
    return server_error(59, fmt::format("Explain failed due to unknown command: {}", name));
  }
  return server_error(code::kIllegalOperation, fmt::format("Cannot explain cmd: {}", name));
}

// Reads as the command would; its documents go nowhere.
Result<ExplainedScan> carry_out(CommandContext& context, const std::shared_ptr<const Reader>& reader, const CollectionPtr& collection, const Plan& plan,
                                const query::Matcher& filter, const ExplainedPlan& explained) {
  ExplainedScan result;
  if (!collection) return result;
  result.records = collection->counters->copy().records;
  if (explained.counts_records) return result;
  const auto started = wall_millis(context.services.runtime);
  const auto& find = *explained.find;
  Scan scan(reader, collection, plan, filter, context.services.memory.work);
  const std::int64_t wanted = find.limit > 0 && !explained.sorts ? saturating_sum(find.skip, find.limit) : INT64_MAX;
  while (explained.counts_keys && result.matched < wanted) {
    if (!TRY(scan.next_key())) {
      result.ended = true;
      break;
    }
    if (++result.matched % kCheckEvery == 0) TRY(check_interrupt(context));
  }
  while (!explained.counts_keys && result.matched < wanted) {
    const auto document = TRY(scan.next());
    if (!document) {
      result.ended = true;
      break;
    }
    result.bytes += static_cast<std::int64_t>(document->size());
    if (++result.matched % kCheckEvery == 0) TRY(check_interrupt(context));
  }
  result.keys = reads_cluster(explained) ? 0 : scan.keys_examined();
  result.examined = scan.examined();
  if (!plan.others.empty()) result.branch_keys = scan.keys_of_branches();
  result.millis = wall_millis(context.services.runtime) - started;
  return result;
}

void append_stats(bson::Builder& out, const ShownStages& shown, const ExplainedScan& scan, ExplainVerbosity verbosity) {
  auto stats = out.open_document("executionStats");
  stats.append("executionSuccess", true);
  append_count(stats, "nReturned", shown.returned);
  append_count(stats, "executionTimeMillis", scan.millis);
  append_count(stats, "totalKeysExamined", scan.keys);
  append_count(stats, "totalDocsExamined", scan.examined);
  stats.append("executionStages", shown.stages);
  if (verbosity == ExplainVerbosity::kAllPlans) stats.open_array("allPlansExecution").close();
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
  if (const auto db = (*inner)["$db"]) {
    if (!db.is_string()) return server_error(13111, fmt::format("wrong type for field ($db) {} != 2", static_cast<int>(db.type())));
    if (db.string_value() != context.database) {
      return server_error(code::kInvalidNamespace, fmt::format("Mismatched $db in explain command. Expected {} but got {}", context.database, db.string_value()));
    }
  }
  const auto given = context.body["verbosity"];
  const bool idl = context.settings().at_least(5, 0);
  if (given && !given.is_string() && !(idl && given.is_null())) {
    if (!idl) return server_error(code::kFailedToParse, "explain verbosity must be a string");
    return server_error(code::kTypeMismatch, fmt::format("BSON field 'explain.verbosity' is the wrong type '{}', expected type 'string'", bson::type_name(given.type())));
  }
  const auto verbosity = given.to_string_view().value_or("allPlansExecution");
  if (verbosity != "queryPlanner" && verbosity != "executionStats" && verbosity != "allPlansExecution") {
    if (idl) return server_error(code::kBadValue, fmt::format("Enumeration value '{}' for field 'explain.verbosity' is not a valid value.", verbosity));
    return server_error(code::kFailedToParse, "verbosity string must be one of {'queryPlanner', 'executionStats', 'allPlansExecution'}");
  }
  return explain_command(context, *inner, verbosity == "queryPlanner"     ? ExplainVerbosity::kPlan
                                          : verbosity == "executionStats" ? ExplainVerbosity::kExecution
                                                                          : ExplainVerbosity::kAllPlans);
}

// What a server puts behind the filter of a count on a view, and of a distinct.
bson::Document count_stages() {
  bson::ArrayBuilder stages;
  stages.open_document().append("$count", "count");
  return std::move(stages).finish();
}

bson::Document distinct_stages(std::string_view key) {
  bson::ArrayBuilder stages;
  for (auto dot = key.find('.');; dot = key.find('.', dot + 1)) {
    auto stage = stages.open_document();
    stage.open_document("$unwind").append("path", fmt::format("${}", key.substr(0, dot))).append("preserveNullAndEmptyArrays", true);
    if (dot == std::string_view::npos) break;
  }
  if (const auto last = key.rfind('.'); last != std::string_view::npos) {
    auto stage = stages.open_document();
    auto match = stage.open_document("$match");
    match.open_document(key.substr(0, last)).append("$_internalSchemaType", "object");
  }
  {
    auto stage = stages.open_document();
    auto group = stage.open_document("$group");
    group.append("_id", bson::Null{});
    group.open_document("distinct").append("$addToSet", fmt::format("${}", key));
  }
  return std::move(stages).finish();
}

// The plan of a find over one collection.
Result<bson::Document> explain_find(CommandContext& context, const ReadScope& scope, const Namespace& ns, const Explained& explained, ExplainVerbosity verbosity) {
  const auto& request = explained.find;
  const auto collection = scope.reader->catalog().find(ns);
  const auto collator = TRY(effective_collation(explained.statement, collection.get()));
  const auto evaluation = evaluation_context(context, {}, collator);
  const auto filter = TRY(query::Matcher::parse(request.filter, collator, context.settings().version, evaluation));
  query::read_text_score(filter, *evaluation);
  const auto sort = TRY(query::SortPattern::parse(request.sort, collator, context.settings().version, evaluation));
  Plan plan;
  if (collection) {
    plan = TRY(make_plan(*collection, {.rules = plan_rules(context), .filter = &filter, .sort = &sort, .collator = collator,
                                       .hint = request.hint, .min = request.min, .max = request.max, .sort_spec = request.sort, .projection = request.projection}));
  }
  const auto normal = filter.normal_form();
  const bool counts = explained.use == ExplainedUse::kCount;
  const bool clustered = collection && collection->is_clustered();
  const bool express = context.settings().at_least(8, 0) && explained.use == ExplainedUse::kRead;
  const bool shows = explained.use == ExplainedUse::kRead && !request.projection.empty() && !request.return_key && !request.show_record_id;
  const auto projection = shows ? TRY(query::Projection::parse(request.projection, &filter, context.settings().version, evaluation)) : query::Projection();
  ExplainedPlan shown{.plan = collection ? &plan : nullptr, .find = &request, .filter = normal,
                            .sorts = !sort.empty() && sort.natural() == 0 && !plan.sorted,
                            .by_id = !counts && !plan.nothing && plan.index && plan.index->is_id() && filter.is_id_equality() && !request.hint && request.skip == 0 && (!clustered || express),
                            .counts_records = counts && request.filter.empty() && !request.hint && !context.transaction && !scope.at,
                            .clustered = clustered, .use = explained.use, .returns_document = explained.returns_document, .covered = shows && CoveredProjection::of(plan, filter, sort, projection).has_value(), .version = context.settings().version};
  if (shown.by_id) shown.covered = false;
  shown.counts_keys = counts && collection && is_counted_by_keys(plan, filter, *collection);
  bson::Builder out;
  {
    auto planner = out.open_document("queryPlanner");
    const bool five = context.settings().at_least(5, 0);
    if (!five) planner.append("plannerVersion", 1);
    planner.append("namespace", ns.to_string()).append("indexFilterSet", plan.filtered).append("parsedQuery", normal);
    if (five) {
      for (const auto* limit : {"maxIndexedOrSolutionsReached", "maxIndexedAndSolutionsReached", "maxScansToExplodeReached"}) planner.append(limit, false);
    }
    planner.append("winningPlan", show_stages(shown, std::nullopt).stages);
    planner.open_array("rejectedPlans").close();
  }
  if (verbosity != ExplainVerbosity::kPlan) {
    const auto scan = TRY(carry_out(context, scope.reader, collection, plan, filter, shown));
    auto told = scan;
    if (shown.covered) told.examined = 0;  // documents: keys alone were looked at
    append_stats(out, show_stages(shown, scan), told, verbosity);
  }
  return std::move(out).finish();
}

Status append_plan(CommandContext& context, const ReadScope& scope, const Namespace& ns, const Explained& explained, ExplainVerbosity verbosity, bson::Builder& out) {
  const auto plan = TRY(explain_find(context, scope, ns, explained, verbosity));
  if (explained.behind.empty()) {
    out.append_all(plan);
    return {};
  }
  auto stages = out.open_array("stages");
  stages.open_document().append("$cursor", plan);
  for (const auto& stage : explained.behind) stages.append(stage);
  return {};
}

// The pipeline that does to a view what the command asks for.
bson::Document pipeline_on_view(bson::View command, const Explained& explained) {
  const auto name = command.first().key();
  if (name == "aggregate") return bson::Document(command["pipeline"].to_array().value_or(bson::View()));
  const auto& find = explained.find;
  const auto found = pipeline_of_find(find.filter, find.sort, find.skip, find.limit, find.projection);
  if (name == "count") return query::concatenate_pipelines(found, count_stages());
  if (name == "distinct") return query::concatenate_pipelines(found, distinct_stages(command["key"].to_string_view().value_or("")));
  return found;
}

// A read of a view is a pipeline over what the view stands on: that is explained, and shown as the command.
Status explain_view(CommandContext& context, const ReadScope& scope, const CollectionInfo& view, const Explained& explained, bson::View command,
                    ExplainVerbosity verbosity, bson::Builder& out) {
  if (explained.use == ExplainedUse::kUpdate || explained.use == ExplainedUse::kDelete) return refuse_on_view(view, "this");
  if (!explained.made.empty()) return server_error(code::kCommandNotSupportedOnView, "mapReduce on a view is not supported");
  TRY(check_aggregable(context, explained.find));
  const auto resolved = TRY(resolve_namespace(*scope.reader, view.ns, pipeline_on_view(command, explained)));
  const auto collator = TRY(collation_of(command, view.ns, resolved));
  const auto collation = collator ? bson::Document(collator->spec()) : bson::make_document({{"locale", "simple"}});
  bson::Builder shown;
  shown.append("aggregate", resolved.ns.collection).append("pipeline", bson::ArrayView{resolved.pipeline}).append("cursor", bson::Document());
  if (collator) shown.append("collation", collation);
  if (explained.find.hint) {
    const auto timeseries = resolved.collection ? resolved.collection->options["timeseries"].to_document() : std::nullopt;
    const auto hint = timeseries ? bucket_hint(context, TimeseriesOptions::of(*timeseries), explained.find.hint) : bson::Document();
    shown.append("hint", hint.empty() ? explained.find.hint : hint.view().first());
  }
  const auto carried_out = std::move(shown).finish();
  auto pipeline = TRY(of_pipeline(context, carried_out));
  const auto statement = bson::make_document({{"collation", collation}});
  pipeline.statement = statement;
  TRY(append_plan(context, scope, resolved.ns, pipeline, verbosity, out));
  append_server(out, context, carried_out);
  return {};
}

}  // namespace

Result<bson::Document> explain_command(CommandContext& context, bson::View command, ExplainVerbosity verbosity) {
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
  TRY(check_collection_name(context, ns));
  const auto scope = TRY(read_scope(context));
  const auto collection = scope.reader->catalog().find(ns);
  if (collection && collection->is_view()) {
    TRY(explain_view(context, scope, *collection, explained, command, verbosity, out));
  } else {
    TRY(append_plan(context, scope, ns, explained, verbosity, out));
    append_server(out, context, command);
  }
  return std::move(out).finish();
}

std::span<const Command> explain_commands() {
  static const Command kRows[] = {
      {.name = "explain", .flags = kReadConcern | kSnapshotRead, .resource = ResourceKind::kCustom, .also = authorize_explain, .handler = explain, .help = "how a read or a single write would find its documents"},
  };
  return kRows;
}

}  // namespace drover::sandbox
