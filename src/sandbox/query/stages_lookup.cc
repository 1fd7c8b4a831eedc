// $lookup.
#include <algorithm>
#include <set>
#include <utility>

#include <fmt/core.h>

#include "bson/builder.h"
#include "bson/ejson.h"
#include "sandbox/query/expression_ops.h"
#include "sandbox/query/foreign.h"
#include "sandbox/query/projection_tree.h"

namespace drover::sandbox::query {

using bson::Document;
using bson::Element;
using bson::Type;
using bson::View;
using Next = Result<std::optional<Document>>;
using Parsed = Result<std::vector<StagePtr>>;

namespace {

// {path: {$eq: v}} or {path: {$in: [...]}} for what a document holds at `local`; nothing is null.
Document join_filter(View document, const FieldPath& local, std::string_view foreign) {
  static const Document null = bson::make_document({{"", bson::Null{}}});
  auto values = joining_values(document, local);
  if (values.empty()) values.push_back(null.view().first());
  bson::Builder filter;
  if (values.size() == 1) {
    filter.open_document(foreign).append("$eq", values[0]);
    return std::move(filter).finish();
  }
  const bool any_regex = std::ranges::any_of(values, [](const Element& e) { return e.type() == Type::kRegex; });
  if (!any_regex) {
    auto predicate = filter.open_document(foreign);
    auto list = predicate.open_array("$in");
    for (const Element& value : values) list.append(value);
  } else {  // a regex in $in would match strings; here it stands for itself
    auto list = filter.open_array("$or");
    for (const Element& value : values) {
      auto branch = list.open_document();
      branch.open_document(foreign).append("$eq", value);
    }
  }
  return std::move(filter).finish();
}

struct LookupStage final : Stage {
  class Source final : public MappedSource {
   public:
    Source(std::shared_ptr<const LookupStage> stage, DocumentSourcePtr input)
        : MappedSource(std::move(input)), stage_(std::move(stage)) {}
    Next next() override {
      auto document = TRY(input_->next());
      if (!document) return std::nullopt;
      auto matches = TRY(stage_->open(document->view()));
      StageMemory memory(stage_->context.memory);
      bson::ArrayBuilder found;
      while (auto match = TRY(matches->next())) {
        found.append(*match);
        TRY(memory.hold(found.size()));
        if (found.size() > bson_limit()) {
          return bad(4568,
                     fmt::format("Total size of documents in {} matching pipeline's $lookup stage exceeds {} bytes",
                                 stage_->from.collection, bson_limit()));
        }
      }
      return with_value_at(document->view(), stage_->as, Datum::array(std::move(found)));
    }

   private:
    std::size_t bson_limit() const { return stage_->context.max_stage_bytes; }
    std::shared_ptr<const LookupStage> stage_;
  };

  DocumentSourcePtr over(DocumentSourcePtr input) const override {
    return std::make_unique<Source>(std::static_pointer_cast<const LookupStage>(shared_from_this()), std::move(input));
  }
  void add_foreign(std::vector<std::pair<std::string, std::string>>& names) const override {
    if (!from.documents) names.emplace_back(from.db, from.collection);
    for (const auto& stage : checked) stage->add_foreign(names);
  }

  Result<DocumentSourcePtr> open(View document) const {
    ForeignQuery query = from;
    if (!local.text().empty()) query.filter = join_filter(document, local, foreign);
    if (pipeline.empty() && checked.empty() && !from.documents) return open_foreign(context, std::move(query));
    PipelineContext inner = context;
    auto evaluation = std::make_shared<EvaluationContext>(*context.evaluation);
    bson::Builder variables;
    Variables outer(document, *context.evaluation);
    for (const Element& bound : context.evaluation->let) {
      if (!let_names.contains(bound.key())) variables.append_raw(bound);
    }
    for (const auto& [name, value] : let) {
      const Datum datum = TRY(value->evaluate(outer));
      if (datum.missing()) {
        variables.append(name, bson::Undefined{});
      } else {
        datum.append_to(variables, name);
      }
    }
    evaluation->let = std::move(variables).finish();
    inner.evaluation = std::move(evaluation);
    return open_pipeline(inner, query, pipeline.view());
  }

  PipelineContext context;
  ForeignQuery from;
  FieldPath local;
  std::string foreign;
  std::vector<std::string> as;
  std::vector<std::pair<std::string, ExpressionPtr>> let;
  std::set<std::string, std::less<>> let_names;
  Document pipeline;  // an array's bytes
  std::vector<StagePtr> checked;
};

Status check_lookup_pipeline(LookupStage& stage) {
  PipelineContext inner = stage.context;
  auto evaluation = std::make_shared<EvaluationContext>(*inner.evaluation);
  bson::Builder variables;
  variables.append_all(evaluation->let.view());
  for (const auto& [name, value] : stage.let) variables.append(name, bson::Null{});
  evaluation->let = std::move(variables).finish();
  inner.evaluation = std::move(evaluation);
  if (stage.from.documents) TRY(parse_expression(stage.from.documents->view().first(), Scope(*inner.evaluation)));
  stage.checked = TRY(parse_stage_list(stage.pipeline.view(), inner, "$lookup"));
  return {};
}

Parsed parse_lookup(const Element& argument, const PipelineContext& context) {
  if (!argument.is_document())
    return bad(code::kFailedToParse, fmt::format("the $lookup stage specification must be an object, but found {}",
                                                 bson::type_name(argument.type())));
  auto stage = std::make_shared<LookupStage>();
  stage->name = "$lookup";
  stage->context = context;
  bool has_pipeline = false, has_let = false;
  std::string as, local;
  for (const Element& e : argument.document_value()) {
    if (e.key() == "pipeline") {
      if (!e.is_array()) return bad(code::kTypeMismatch, "'pipeline' option must be specified as an array");
      stage->pipeline = Document(e.document_value());
      has_pipeline = true;
    } else if (e.key() == "let") {
      if (!e.is_document())
        return bad(code::kFailedToParse, fmt::format("$lookup argument 'let: {}' must be an object, is type {}",
                                                     bson::to_shell(e), bson::type_name(e.type())));
      has_let = true;
      for (const Element& variable : e.document_value()) {
        TRY(check_variable_name(variable.key()));
        stage->let.emplace_back(std::string(variable.key()),
                                TRY(parse_expression(variable, Scope(*context.evaluation))));
        stage->let_names.emplace(variable.key());
      }
    } else if (e.key() == "from" && e.is_document() && context.evaluation->version >= ServerVersion{5, 0, 0}) {
      if (e.document_value()["db"].to_string_view() != std::string_view("local") || e.document_value()["coll"].to_string_view() != std::string_view("oplog.rs")) {
        return bad(code::kFailedToParse, fmt::format("$lookup with syntax {{from: {{db:<>, coll:<>}},..}} is not supported for db: {} and coll: {}",
                                                     e.document_value()["db"].to_string_view().value_or(""),
                                                     e.document_value()["coll"].to_string_view().value_or("")));
      }
      stage->from.db = e.document_value()["db"].to_string_view().value_or("");
      stage->from.collection = e.document_value()["coll"].to_string_view().value_or("");
    } else if (!e.is_string()) {
      return bad(code::kFailedToParse,
                 fmt::format("$lookup argument '{}: {}' must be a string, is type {}", e.key(), bson::to_shell(e), bson::type_name(e.type())));
    } else if (e.key() == "from") {
      stage->from.collection = e.string_value();
    } else if (e.key() == "localField") {
      local = e.string_value();
    } else if (e.key() == "foreignField") {
      stage->foreign = e.string_value();
    } else if (e.key() == "as") {
      as = e.string_value();
    } else {
      return bad(code::kFailedToParse, fmt::format("unknown argument to $lookup: {}", e.key()));
    }
  }
  if (stage->from.collection.empty() && has_pipeline && may_give_documents(context)) {
    TRY(take_documents("$lookup", stage->from, stage->pipeline));
  } else if (stage->from.collection.empty()) {
    return bad(code::kFailedToParse, "must specify 'from' field for a $lookup");
  }
  if (as.empty()) return bad(code::kFailedToParse, "must specify 'as' field for a $lookup");
  TRY(check_projection_path(as, context.evaluation->version));
  stage->as = split_path(as);
  if (!local.empty()) TRY(check_projection_path(local, context.evaluation->version));
  if (!stage->foreign.empty()) TRY(check_projection_path(stage->foreign, context.evaluation->version));
  stage->local = local.empty() ? FieldPath() : FieldPath(local);
  const bool has_fields = !local.empty() || !stage->foreign.empty();
  const bool both_fields = !local.empty() && !stage->foreign.empty();
  if (has_pipeline) {
    if (has_fields && (!both_fields || context.evaluation->version < ServerVersion{5, 0, 0})) {
      return bad(code::kFailedToParse, "$lookup with 'pipeline' may not specify 'localField' or 'foreignField'");
    }
    TRY(check_lookup_pipeline(*stage));
  } else {
    if (!both_fields)
      return bad(code::kFailedToParse,
                 "$lookup requires either 'pipeline' or both 'localField' and 'foreignField' to be specified");
    if (has_let)
      return bad(code::kFailedToParse, "$lookup with a 'let' argument must also specify 'pipeline'");
  }
  return std::vector<StagePtr>{std::move(stage)};
}

constexpr StageRow kRows[] = {{"$lookup", parse_lookup}};

}  // namespace

std::span<const StageRow> lookup_stages() { return kRows; }

}  // namespace drover::sandbox::query
