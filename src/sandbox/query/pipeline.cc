#include "sandbox/query/pipeline.h"

#include <algorithm>

#include <fmt/core.h>

#include "bson/builder.h"
#include "sandbox/query/expression.h"
#include "sandbox/query/matcher.h"
#include "sandbox/query/search.h"
#include "sandbox/query/stage.h"

namespace drover::sandbox::query {

using bson::Document;
using bson::Element;
using bson::Type;
using bson::View;

namespace {

constexpr std::string_view kLeading[] = {
    "$changeStream",      "$indexStats",  "$collStats", "$currentOp",      "$listSessions",
    "$listLocalSessions", "$listCatalog", "$documents", "$planCacheStats", "$geoNear",
};

bool is_leading(std::string_view name) { return std::ranges::find(kLeading, name) != std::end(kLeading); }

Result<Element> only_field(const Element& item) {
  if (!item.is_document()) return bad(code::kTypeMismatch, "Each element of the 'pipeline' array must be an object");
  if (item.document_value().field_count() != 1) {
    return bad(40323, "A pipeline stage specification object must contain exactly one field.");
  }
  return item.document_value().first();
}

const StageRow* find_row(std::string_view name, ServerVersion version) {
  for (const auto rows : {simple_stages(), group_stages(), lookup_stages(), foreign_stages(), array_stages(), bucket_stages(), window_stages(), densify_stages()}) {
    for (const StageRow& row : rows) {
      if (row.name == name) return version >= row.since ? &row : nullptr;
    }
  }
  return nullptr;
}

Document wrap(const Element& value) {
  bson::Builder builder;
  builder.append("", value);
  return std::move(builder).finish();
}

Status check_name(std::string_view name, ServerVersion version) {
  if (is_pipeline_stage(name, version)) return {};
  return bad(40324, fmt::format("Unrecognized pipeline stage name: '{}'", name));
}

// Names are looked at before anything else of a pipeline, in those within it too.
Status check_names(View stages, ServerVersion version) {
  for (const Element& item : stages) {
    if (!item.is_document() || item.document_value().field_count() != 1) continue;  // refused in its turn
    const Element stage = item.document_value().first();
    TRY(check_name(stage.key(), version));
    if (!stage.is_document()) continue;
    const bool facet = stage.key() == "$facet";
    const std::string_view other = stage.key() == "$lookup" ? "from" : stage.key() == "$unionWith" ? "coll" : "";
    if (!facet && other.empty()) continue;
    if (!facet && !stage.document_value()[other] && version < ServerVersion{5, 1, 0}) continue;  // that is what is said first
    for (const Element& field : stage.document_value()) {
      if (field.is_array() && (facet || field.key() == "pipeline")) TRY(check_names(field.document_value(), version));
    }
  }
  return {};
}

Status parse_one(const Element& stage, const PipelineContext& context, std::vector<StagePtr>& out) {
  const std::string_view name = stage.key();
  const StageRow* row = find_row(name, context.evaluation->version);
  if (!row) {
    TRY(check_not_search(name, context.evaluation->version));
    TRY(check_name(name, context.evaluation->version));
    if (name == "$changeStreamSplitLargeEvent") return bad(20, "$changeStreamSplitLargeEvent is only allowed as the last stage of a change stream's pipeline");
    return bad(40324, fmt::format("The pipeline stage {} is not supported by this server", name));
  }
  for (StagePtr& parsed : TRY(row->parse(stage, context))) out.push_back(std::move(parsed));
  return {};
}

bool asks_text(const Element& match, const PipelineContext& context) {
  const auto filter = Matcher::parse(match.document_value(), nullptr, context.evaluation->version, context.evaluation);
  return filter && filter->has_text();
}

// Stages behind which documents are still as the collection has them.
bool keeps_documents(std::string_view stage) {
  return stage == "$match" || stage == "$sort" || stage == "$limit" || stage == "$skip" || stage == "$sample";
}
// Stages that give what became of each document as they pull it.
bool passes_documents_on(std::string_view stage) {
  static constexpr std::string_view kStages[] = {"$project", "$addFields", "$set", "$unset", "$replaceRoot", "$replaceWith", "$unwind", "$redact", "$lookup", "$graphLookup",
                                                 "$setWindowFields", "$fill"};
  return std::ranges::find(kStages, stage) != std::end(kStages);
}
bool gathers_documents(std::string_view stage) {
  return stage == "$group" || stage == "$bucket" || stage == "$bucketAuto" || stage == "$count" || stage == "$sortByCount" || stage == "$facet";
}
// Stages whose expressions are about other documents too.
bool has_pipelines(std::string_view stage) { return stage == "$lookup" || stage == "$unionWith" || stage == "$graphLookup"; }
// Stages that are several, of which only the first sees the documents as the collection has them, or that keep documents for later.
bool has_stages(std::string_view stage) { return stage == "$facet" || stage == "$fill"; }
bool is_known(EvaluationContext::TextScore score) { return score == EvaluationContext::TextScore::kReadable || score == EvaluationContext::TextScore::kCarried; }

// The documents that it adds have no score, but where they are themselves asked for by $text.
bool adds_scored(const Element& union_with, const PipelineContext& context) {
  if (!union_with.is_document()) return false;
  const auto stages = union_with.document_value()["pipeline"].to_array().value_or(View());
  const auto first = stages.first().to_document().value_or(View()).first();
  return first.key() == "$match" && first.is_document() && asks_text(first, context);
}

using Score = EvaluationContext::TextScore;

// What is known of the score of $text behind `stage`.
Score score_behind(const Element& element, Score before, const PipelineContext& context) {
  const std::string_view stage = element.key();
  if (before == Score::kNone || before == Score::kLost) return before;
  if (gathers_documents(stage)) return Score::kLost;
  if (before == Score::kReadable && keeps_documents(stage)) return Score::kReadable;
  const bool known = is_known(before);
  if (known && stage == "$unionWith") return adds_scored(element, context) ? Score::kPassed : Score::kCarried;
  const bool carries = passes_documents_on(stage) || (keeps_documents(stage) && stage != "$sample");
  return known && carries ? Score::kCarried : Score::kPassed;
}

// What is known of where a document comes from behind `stage`.
EvaluationContext::OriginState origin_behind(std::string_view stage, EvaluationContext::OriginState before) {
  using State = EvaluationContext::OriginState;
  if (before != State::kKnown) return before;
  if (gathers_documents(stage)) return State::kLost;
  const bool in_turn = (keeps_documents(stage) && stage != "$sample") || (passes_documents_on(stage) && stage != "$setWindowFields" && stage != "$fill");
  return in_turn ? State::kKnown : State::kNone;
}

// Stands before the first stage that changes documents: notes the score of each as it passes.
struct ScoreStage final : Stage {
  struct Source final : MappedSource {
    Source(DocumentSourcePtr input, std::shared_ptr<const EvaluationContext> c) : MappedSource(std::move(input)), context(std::move(c)) {}
    Result<std::optional<Document>> next() override {
      auto document = TRY(input_->next());
      if (document && context->text_score) context->carried_score = TRY(context->text_score(*document));
      return document;
    }
    std::shared_ptr<const EvaluationContext> context;
  };
  DocumentSourcePtr over(DocumentSourcePtr input) const override { return std::make_unique<Source>(std::move(input), context); }
  std::shared_ptr<const EvaluationContext> context;
};

// One stage, with the score of $text as it stands before and behind it.
Status parse_scored(const Element& stage, const PipelineContext& context, std::vector<StagePtr>& out) {
  const std::string_view name = stage.key();
  auto& score = context.evaluation->text_score_state;
  const Score before = score;
  const std::size_t place = out.size();
  if (is_known(before) && has_pipelines(name)) score = Score::kPassed;
  if (before == Score::kReadable && has_stages(name)) score = Score::kCarried;
  auto& origin = context.evaluation->origin_state;
  const auto origin_before = origin;
  if (has_pipelines(name) || has_stages(name) || name == "$setWindowFields") origin = EvaluationContext::OriginState::kNone;
  TRY(parse_one(stage, context, out));
  score = score_behind(stage, before, context);
  origin = origin_behind(name, origin_before);
  if (before == Score::kReadable && (score == Score::kCarried || has_stages(name))) {
    auto note = std::make_shared<ScoreStage>();
    note->context = context.evaluation;
    out.insert(out.begin() + static_cast<std::ptrdiff_t>(place), std::move(note));
  }
  return {};
}

class VectorSource final : public DocumentSource {
 public:
  explicit VectorSource(std::vector<Document> documents) : documents_(std::move(documents)) {}
  Result<std::optional<Document>> next() override {
    if (at_ == documents_.size()) return std::nullopt;
    return std::move(documents_[at_++]);
  }

 private:
  std::vector<Document> documents_;
  std::size_t at_ = 0;
};

}  // namespace

struct Pipeline::Parsed {
  std::vector<StagePtr> stages;
  std::optional<LeadingStage> leading;
  std::optional<PipelineOutput> output;
};

Result<std::vector<StagePtr>> parse_stage_list(View stages, const PipelineContext& context, std::string_view inside) {
  std::vector<StagePtr> parsed;
  for (const Element& item : stages) {
    const Element stage = TRY(only_field(item));
    const bool banned = is_leading(stage.key()) || stage.key() == "$out" || stage.key() == "$merge" ||
                        (inside == "$facet" && stage.key() == "$facet");
    if (banned) {
      const int error_code = inside == "$facet" ? 40600 : 51047;
      return bad(error_code, fmt::format("{} is not allowed to be used within a {} stage", stage.key(), inside));
    }
    TRY(parse_scored(stage, context, parsed));
  }
  return parsed;
}

DocumentSourcePtr run_stages(const std::vector<StagePtr>& stages, DocumentSourcePtr source) {
  for (std::size_t i = 0; i < stages.size(); ++i) {
    if (stages[i]->name == "$sort" && i + 1 < stages.size()) {
      if (const auto limit = limit_of(*stages[i + 1])) {
        source = limited_sort(*stages[i], static_cast<std::size_t>(*limit))->over(std::move(source));
        continue;
      }
    }
    source = stages[i]->over(std::move(source));
  }
  return source;
}

Pipeline::Pipeline() = default;
Pipeline::Pipeline(Pipeline&&) noexcept = default;
Pipeline& Pipeline::operator=(Pipeline&&) noexcept = default;
Pipeline::~Pipeline() = default;

Result<Pipeline> Pipeline::parse(View stages, const PipelineContext& context) {
  Pipeline pipeline;
  pipeline.parsed_ = std::make_unique<Parsed>();
  Parsed& parsed = *pipeline.parsed_;
  PipelineContext own = context;
  if (!own.evaluation) own.evaluation = std::make_shared<EvaluationContext>();
  const std::size_t count = stages.field_count();
  if (count > kMaxStages) {
    return bad(7749501, fmt::format("Pipeline length must be no longer than {} stages", kMaxStages));
  }
  TRY(check_names(stages, own.evaluation->version));
  if (own.reads_collection) own.evaluation->origin_state = EvaluationContext::OriginState::kKnown;
  std::size_t index = 0;
  for (const Element& item : stages) {
    const Element stage = TRY(only_field(item));
    const std::string_view name = stage.key();
    if (is_leading(name)) {
      if (index > 0) return bad(40602, fmt::format("{} is only valid as the first stage in a pipeline.", name));
      parsed.leading = LeadingStage{std::string(name), wrap(stage)};
      own.evaluation->origin_state = EvaluationContext::OriginState::kNone;
    } else if (name == "$out" || name == "$merge") {
      if (index + 1 != count) return bad(40601, fmt::format("{} can only be the final stage in the pipeline", name));
      parsed.output = TRY(parse_output(stage, own));
    } else {
      TRY(parse_scored(stage, own, parsed.stages));
      if (name == "$match" && asks_text(stage, own)) {
        // An index answers it, and only the first stage reads by one.
        if (index > 0) return bad(17313, "$match with $text is only allowed as the first pipeline stage");
        if (own.reads_collection) own.evaluation->text_score_state = EvaluationContext::TextScore::kReadable;
      }
    }
    ++index;
  }
  return pipeline;
}

const std::optional<LeadingStage>& Pipeline::leading() const { return parsed_->leading; }
const std::optional<PipelineOutput>& Pipeline::output() const { return parsed_->output; }

std::vector<std::pair<std::string, std::string>> Pipeline::foreign_collections() const {
  std::vector<std::pair<std::string, std::string>> names;
  for (const auto& stage : parsed_->stages) stage->add_foreign(names);
  return names;
}

bool Pipeline::has_stage(std::string_view name) const {
  return std::ranges::any_of(parsed_->stages, [&](const auto& stage) { return stage->name == name; });
}

std::size_t Pipeline::stage_count() const {
  return parsed_->stages.size() + (parsed_->leading ? 1 : 0) + (parsed_->output ? 1 : 0);
}

Document Pipeline::take_leading_match() {
  auto& stages = parsed_->stages;
  std::vector<Document> filters;
  while (!stages.empty() && stages.front()->name == "$match") {
    filters.emplace_back(stages.front()->spec.view().first().document_value());
    stages.erase(stages.begin());
  }
  if (filters.empty()) return {};
  if (filters.size() == 1) return std::move(filters[0]);
  bson::Builder both;
  {
    auto list = both.open_array("$and");
    for (const Document& filter : filters) list.append(filter);
  }
  return std::move(both).finish();
}

std::optional<Document> Pipeline::leading_sort() const {
  if (parsed_->stages.empty() || parsed_->stages.front()->name != "$sort") return std::nullopt;
  return Document(parsed_->stages.front()->spec.view().first().document_value());
}

void Pipeline::drop_leading_sort() {
  if (leading_sort()) parsed_->stages.erase(parsed_->stages.begin());
}

std::optional<std::int64_t> Pipeline::leading_limit() const {
  std::int64_t skipped = 0;
  for (const auto& stage : parsed_->stages) {
    if (const auto skip = skip_of(*stage)) {
      if (__builtin_add_overflow(skipped, *skip, &skipped)) return std::nullopt;
      continue;
    }
    const auto limit = limit_of(*stage);
    std::int64_t total = 0;
    if (!limit || __builtin_add_overflow(skipped, *limit, &total)) return std::nullopt;
    return total;
  }
  return std::nullopt;
}

DocumentSourcePtr Pipeline::run(DocumentSourcePtr source) && { return run_stages(parsed_->stages, std::move(source)); }

DocumentSourcePtr make_vector_source(std::vector<Document> documents) {
  return std::make_unique<VectorSource>(std::move(documents));
}

Document concatenate_pipelines(View first, View second) {
  bson::ArrayBuilder all;
  for (const Element& stage : first) all.append(stage);
  for (const Element& stage : second) all.append(stage);
  return std::move(all).finish();
}

}  // namespace drover::sandbox::query
