// Opens pipelines: the source of their documents (a collection through a plan, a view's pipeline, the server's own state),
// their foreign collections, and the cursor that runs them. What comes out of $out and $merge is in aggregate_output.cc.
#include "sandbox/commands/aggregate.h"

#include <fmt/format.h>

#include "bson/ejson.h"
#include "sandbox/commands/aggregate_output.h"
#include "sandbox/commands/aggregate_server.h"
#include "sandbox/commands/scan.h"
#include "sandbox/commands/timeseries.h"
#include "sandbox/query/matcher.h"
#include "sandbox/query/sort.h"

namespace drover::sandbox {

namespace {

constexpr int kMaxViewDepth = 20;
constexpr std::int64_t kCheckEvery = 256;

// The command that a pipeline works for at the moment: its maxTimeMS and its end are the pipeline's, also while a stage gathers
// documents and gives none.
class Asking {
 public:
  class Scope {
   public:
    Scope(Asking& asking, const CommandContext& context) : asking_(asking) { asking_.command_ = &context; }
    ~Scope() { asking_.command_ = nullptr; }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Asking& asking_;
  };
  Status check() {
    if (command_ == nullptr || ++steps_ % kCheckEvery != 0) return {};
    return check_interrupt(*command_);
  }

 private:
  const CommandContext* command_ = nullptr;
  std::int64_t steps_ = 0;
};

// What every source of one pipeline reads by. Kept by the cursor for as long as it lives.
struct PipelineState {
  std::shared_ptr<const Reader> reader;
  std::shared_ptr<const query::EvaluationContext> evaluation;
  std::shared_ptr<const bson::Collator> collator;
  std::string db;
  ServerVersion version;
  PlanRules rules;
  MemoryBudget* memory = nullptr;
  std::shared_ptr<Asking> asking = std::make_shared<Asking>();
};
using StatePtr = std::shared_ptr<const PipelineState>;

class ScanSource final : public query::DocumentSource {
 public:
  // `evaluation` is told where each document comes from, where somebody asks; null: nobody may.
  ScanSource(Scan scan, std::shared_ptr<Asking> asking, std::shared_ptr<const query::EvaluationContext> evaluation)
      : scan_(std::move(scan)), asking_(std::move(asking)), evaluation_(std::move(evaluation)) {}
  void rest() override { scan_.rest(); }
  Result<std::optional<bson::Document>> next() override {
    TRY(asking_->check());
    const auto document = TRY(scan_.next());
    if (!document) return std::optional<bson::Document>();
    if (evaluation_ && evaluation_->origin_asked.any()) evaluation_->origin = TRY(origin_of(evaluation_->origin_asked, scan_.plan().index.get(), scan_.record_id(), *document));
    return std::optional(bson::Document(*document));
  }

 private:
  Scan scan_;
  std::shared_ptr<Asking> asking_;
  std::shared_ptr<const query::EvaluationContext> evaluation_;
};

// Constants that have no value. Since 5.0 it is said what was done when they failed.
Status check_literals(const query::EvaluationContext& evaluation) {
  auto checked = evaluation.literals();
  if (checked || evaluation.version < ServerVersion{5, 0, 0}) return checked;
  return tl::unexpected(caused_by("Failed to optimize pipeline", std::move(checked).error()));
}

query::PipelineContext pipeline_context(const StatePtr& state);

// The documents of a collection that a pipeline's front asks for; the front's $match and $sort are taken from it.
// `outermost`: the command's own pipeline, not one inside it.
Result<query::DocumentSourcePtr> open_collection(const StatePtr& state, const ResolvedNamespace& resolved, query::Pipeline& pipeline,
                                                 const bson::Element& hint, bool outermost) {
  const auto filter = pipeline.take_leading_match();
  auto matcher = TRY(query::Matcher::parse(filter, state->collator, state->version, state->evaluation));
  const bool scored = outermost && matcher.has_text();
  if (scored) state->evaluation->text_score = matcher.text_scorer();
  if (!resolved.collection) return query::make_vector_source({});
  const auto order = pipeline.leading_sort();
  // By the text score no index has them; and who sorts says by what.
  const bool sorts_itself = scored || state->evaluation->origin_asked.sort_key;
  const auto sort = order && !sorts_itself ? TRY(query::SortPattern::parse(*order, state->collator)) : query::SortPattern();
  auto plan = TRY(make_plan(*resolved.collection, {.rules = state->rules, .filter = &matcher, .sort = &sort, .collator = state->collator, .hint = hint,
                                                        .sort_spec = order ? order->view() : bson::View()}));
  if (order && !sorts_itself && plan.sorted) pipeline.drop_leading_sort();
  return query::DocumentSourcePtr(std::make_unique<ScanSource>(Scan(state->reader, resolved.collection, std::move(plan), std::move(matcher), *state->memory), state->asking,
                                                               outermost ? state->evaluation : nullptr));
}

Result<query::DocumentSourcePtr> run_over(const StatePtr& state, const ResolvedNamespace& resolved, const bson::Element& hint) {
  TRY(state->asking->check());  // any number of them may have no documents
  auto pipeline = TRY(query::Pipeline::parse(resolved.pipeline, pipeline_context(state)));
  TRY(check_literals(*state->evaluation));
  auto source = TRY(open_collection(state, resolved, pipeline, hint, false));
  return std::move(pipeline).run(std::move(source));
}

query::PipelineContext pipeline_context(const StatePtr& state) {
  query::PipelineContext context;
  context.evaluation = state->evaluation;
  context.memory = state->memory;
  context.interrupted = [asking = state->asking] { return asking->check(); };
  context.open_foreign = [state](const query::ForeignQuery& wanted) -> Result<query::DocumentSourcePtr> {
    bson::ArrayBuilder stages;
    stages.open_document().append("$match", wanted.filter);
    const auto front = std::move(stages).finish();
    const Namespace ns{wanted.db.empty() ? state->db : wanted.db, wanted.collection};
    return run_over(state, TRY(resolve_namespace(*state->reader, ns, front)), {});
  };
  return context;
}

class PipelineCursor final : public CommandCursor {
 public:
  PipelineCursor(query::DocumentSourcePtr documents, std::shared_ptr<Asking> asking)
      : documents_(std::move(documents)), asking_(std::move(asking)) {}

  Status next_batch(CommandContext& context, CursorBatch& batch) override {
    const Asking::Scope working(*asking_, context);
    while (!batch.full() && !exhausted_) {
      if (++steps_ % kCheckEvery == 0) TRY(check_interrupt(context));
      auto document = pending_ ? std::exchange(pending_, std::nullopt) : TRY(documents_->next());
      if (!document) {
        exhausted_ = true;
      } else if (!batch.append(*document)) {
        pending_ = std::move(document);
        return {};
      }
    }
    return {};
  }
  bool exhausted() const override { return exhausted_; }
  void rest() override { documents_->rest(); }
  std::size_t kept_bytes() const override { return pending_ ? pending_->size() : 0; }

 private:
  query::DocumentSourcePtr documents_;
  std::shared_ptr<Asking> asking_;
  std::optional<bson::Document> pending_;
  std::int64_t steps_ = 0;
  bool exhausted_ = false;
};

}  // namespace

Result<ResolvedNamespace> resolve_namespace(const Reader& reader, const Namespace& ns, bson::View pipeline) {
  ResolvedNamespace resolved{.ns = ns, .collection = reader.catalog().find(ns), .pipeline = bson::Document(pipeline)};
  TRY(check_views(reader.catalog(), ns, resolved.collection));
  for (int depth = 0; resolved.collection && resolved.collection->is_view(); ++depth) {
    if (depth >= kMaxViewDepth) {
      return server_error(165, fmt::format("View depth limit exceeded; maximum depth is {}", kMaxViewDepth));
    }
    const auto view = resolved.collection;
    resolved.pipeline = query::concatenate_pipelines(view->view_pipeline, resolved.pipeline);
    if (!resolved.through_view) resolved.view_collator = view->collator;
    resolved.through_view = true;
    resolved.ns = {view->ns.db, view->view_on};
    resolved.collection = reader.catalog().find(resolved.ns);
  }
  return resolved;
}

Result<std::shared_ptr<const bson::Collator>> collation_of(bson::View statement, const Namespace& ns, const ResolvedNamespace& resolved) {
  if (!resolved.through_view) return effective_collation(statement, resolved.collection.get());
  auto given = TRY(effective_collation(statement, nullptr));
  const bool same = !given || (resolved.view_collator && given->same_as(resolved.view_collator.get()));
  if (!same) return server_error(167, "Cannot override a view's default collation" + std::string(" of ") + ns.to_string());
  return resolved.view_collator;
}

Result<OpenAggregate> open_aggregate(CommandContext& context, AggregateRequest request) {
  auto scope = TRY(read_scope(context));
  // Of a view $collStats tells itself, of a time series $indexStats, too.
  const auto front = request.pipeline.view().first().to_document();
  const auto first = front ? front->first().key() : std::string_view();
  const auto named = first == "$indexStats" ? scope.reader->catalog().find(request.ns) : nullptr;
  const bool of_itself = first == "$collStats" || (named && named->is_timeseries());
  auto resolved = of_itself ? ResolvedNamespace{.ns = request.ns, .collection = scope.reader->catalog().find(request.ns), .pipeline = request.pipeline}
                            : TRY(resolve_namespace(*scope.reader, request.ns, request.pipeline));
  auto state = std::make_shared<PipelineState>();
  state->reader = scope.reader;
  state->db = request.ns.db;
  state->version = context.settings().version;
  state->rules = plan_rules(context);
  state->memory = &context.services.memory.work;
  state->collator = TRY(collation_of(request.statement, request.ns, resolved));
  const auto let = request.let.empty() ? bson::Document() : TRY(query::evaluate_let(request.let, *evaluation_context(context)));
  state->evaluation = evaluation_context(context, let, state->collator);

  auto stages_context = pipeline_context(state);
  stages_context.reads_collection = true;
  auto pipeline = TRY(query::Pipeline::parse(resolved.pipeline, stages_context));
  TRY(check_literals(*state->evaluation));
  state->evaluation->origin_state = query::EvaluationContext::OriginState::kNone;  // for views that are opened while it runs
  const auto output = pipeline.output();
  if (output && context.read_concern.level == ReadConcern::Level::kLinearizable) {
    return server_error(code::kInvalidOptions, fmt::format("{} cannot be used with a 'linearizable' read concern level", output->kind == query::PipelineOutput::Kind::kOut ? "$out" : "$merge"));
  }
  if (output) TRY(check_output(context, request.ns, *output));
  query::DocumentSourcePtr source;
  if (pipeline.leading() && pipeline.leading()->name == "$documents" && !request.ns.collection.empty()) {
    return server_error(code::kInvalidNamespace, "'$documents' can only be run with {aggregate: 1}");
  }
  if (pipeline.leading()) {
    source = TRY(open_server_source(context, resolved.ns, *scope.reader, *pipeline.leading()));
  } else if (request.ns.collection.empty()) {
    const auto first = request.pipeline.view().first();
    const auto name = first ? std::string(first.document_value().first().key()) : std::string();
    return server_error(code::kInvalidNamespace, first ? fmt::format("{{aggregate: 1}} is not valid for '{}'; a collection is required.", name)
                                                       : "{aggregate: 1} is not valid for an empty pipeline.");
  } else {
    const auto timeseries = resolved.through_view && resolved.collection ? resolved.collection->options["timeseries"].to_document() : std::nullopt;
    const auto hint = timeseries && request.hint ? bucket_hint(context, TimeseriesOptions::of(*timeseries), request.hint) : bson::Document();
    source = TRY(open_collection(state, resolved, pipeline, hint.empty() ? request.hint : hint.view().first(), true));
  }
  auto documents = std::move(pipeline).run(std::move(source));
  if (!output) return OpenAggregate{.cursor = std::make_unique<PipelineCursor>(std::move(documents), state->asking), .at = scope.at};
  const Asking::Scope working(*state->asking, context);
  TRY(write_output(context, request.ns, *output, *documents, state->collator));
  return OpenAggregate{.cursor = make_list_cursor({}), .at = {}, .is_output = true};
}

std::string failing_aggregate(const CommandContext& context, const Namespace& ns) {
  if (!context.settings().at_least(8, 0)) return "PlanExecutor error during aggregation";
  return "Executor error during aggregate command on namespace: " + ns.to_string();
}

bson::Document pipeline_of_find(bson::View filter, bson::View sort, std::int64_t skip, std::int64_t limit, bson::View projection) {
  bson::ArrayBuilder stages;
  if (!filter.empty()) stages.open_document().append("$match", filter);
  if (!sort.empty()) stages.open_document().append("$sort", sort);
  if (skip > 0) stages.open_document().append("$skip", skip);
  if (limit > 0) stages.open_document().append("$limit", limit);
  if (!projection.empty()) stages.open_document().append("$project", projection);
  return std::move(stages).finish();
}

}  // namespace drover::sandbox
