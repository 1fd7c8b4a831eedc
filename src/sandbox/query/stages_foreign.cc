// Stages that read other collections: $lookup, $graphLookup, $unionWith.
#include <algorithm>
#include <set>
#include <utility>

#include <fmt/core.h>

#include "bson/builder.h"
#include "bson/ejson.h"
#include "bson/key_string.h"
#include "sandbox/query/expression_ops.h"
#include "sandbox/query/given_documents.h"
#include "sandbox/query/matcher.h"
#include "sandbox/query/numeric.h"
#include "sandbox/query/path.h"
#include "sandbox/query/projection_tree.h"
#include "sandbox/query/stage.h"

namespace drover::sandbox::query {

using bson::Document;
using bson::Element;
using bson::Type;
using bson::View;
using Next = Result<std::optional<Document>>;
using Parsed = Result<std::vector<StagePtr>>;

namespace {

// The caller matches the filter without this pipeline's variables, so one with $expr stays here.
bool mentions_expr(View filter) {
  for (const Element& e : filter) {
    if (e.key() == "$expr") return true;
    if (e.is_document() || e.is_array()) {
      if (mentions_expr(e.document_value())) return true;
    }
  }
  return false;
}

Result<DocumentSourcePtr> open_documents(const PipelineContext& context, const ForeignQuery& query) {
  auto documents = TRY(given_documents(query.documents->view().first(), *context.evaluation));
  const auto filter = TRY(Matcher::parse(query.filter, context.evaluation->collator, context.evaluation->version, context.evaluation));
  std::vector<Document> matching;
  for (auto& document : documents) {
    if (TRY(filter.try_matches(document))) matching.push_back(std::move(document));
  }
  return make_vector_source(std::move(matching));
}

Result<DocumentSourcePtr> open_foreign(const PipelineContext& context, ForeignQuery query) {
  if (query.documents) return open_documents(context, query);
  if (!context.open_foreign)
    return bad(code::kBadValue,
               fmt::format("reading collection {} is not possible in this pipeline", query.collection));
  return context.open_foreign(query);
}

// 5.1+: a pipeline without a collection begins with $documents, which is taken from it.
Status take_documents(std::string_view stage, ForeignQuery& from, Document& pipeline) {
  const Document given = pipeline;
  const auto first = given.empty() ? View() : given.view().first().to_document().value_or(View());
  if (first.empty() || first.first().key() != "$documents") {
    return bad(code::kFailedToParse, fmt::format("{} stage without explicit collection must have a pipeline with $documents as first stage", stage));
  }
  bson::Builder expression;
  expression.append("", first.first());
  from.documents = std::move(expression).finish();
  bson::ArrayBuilder rest;
  bool leading = true;
  for (const Element& each : given) {
    if (!std::exchange(leading, false)) rest.append(each);
  }
  pipeline = std::move(rest).finish();
  return {};
}

bool may_give_documents(const PipelineContext& context) { return context.evaluation->version >= ServerVersion{5, 1, 0}; }

// The documents of `pipeline` over another collection.
Result<DocumentSourcePtr> open_pipeline(const PipelineContext& context, const ForeignQuery& from, View pipeline) {
  ForeignQuery query = from;
  std::vector<StagePtr> stages = TRY(parse_stage_list(pipeline, context, "$lookup"));
  if (!stages.empty() && stages.front()->name == "$match") {
    const View filter = stages.front()->spec.view().first().document_value();
    if (!mentions_expr(filter) && query.filter.empty()) {
      query.filter = Document(filter);
      stages.erase(stages.begin());
    }
  }
  return run_stages(stages, TRY(open_foreign(context, std::move(query))));
}

std::vector<Element> local_values(View document, const FieldPath& path) {
  std::vector<Element> values;
  visit_path(document, path.parts(), LeafArrays::kKeep, [&](const Element& value, const Element&) {
    if (value.is_array()) {
      for (const Element& item : value.document_value()) values.push_back(item);
    } else {
      values.push_back(value);
    }
    return false;
  });
  return values;
}

// {path: {$eq: v}} or {path: {$in: [...]}} for what a document holds at `local`; missing is null.
Document join_filter(View document, const FieldPath& local, std::string_view foreign) {
  const auto values = local_values(document, local);
  bson::Builder filter;
  {
    auto predicate = filter.open_document(foreign);
    const bool one = values.size() == 1 && values[0].exists();
    const bool regex =
        std::any_of(values.begin(), values.end(), [](const Element& e) { return e.type() == Type::kRegex; });
    if (one) {
      predicate.append("$eq", values[0]);
    } else if (!regex) {
      auto list = predicate.open_array("$in");
      for (const Element& value : values) {
        if (value.exists() && value.type() != Type::kUndefined) {
          list.append(value);
        } else {
          list.append(bson::Null{});
        }
      }
      const bool nothing = values.empty() && document.at_path(local.text()).type() == Type::kEnd;
      if (nothing) list.append(bson::Null{});
    }
  }
  const bool any_regex = values.size() != 1 && std::any_of(values.begin(), values.end(),
                                                           [](const Element& e) { return e.type() == Type::kRegex; });
  if (!any_regex) return std::move(filter).finish();
  bson::Builder either;  // a regex in $in would match strings; here it stands for itself
  {
    auto list = either.open_array("$or");
    for (const Element& value : values) {
      auto branch = list.open_document();
      auto predicate = branch.open_document(foreign);
      if (value.exists()) {
        predicate.append("$eq", value);
      } else {
        predicate.append("$eq", bson::Null{});
      }
    }
  }
  return std::move(either).finish();
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

struct UnionStage final : Stage {
  class Source final : public MappedSource {
   public:
    Source(std::shared_ptr<const UnionStage> stage, DocumentSourcePtr input)
        : MappedSource(std::move(input)), stage_(std::move(stage)) {}
    Next next() override {
      if (!second_) {
        if (auto document = TRY(input_->next())) return document;
        second_ = TRY(open_pipeline(stage_->context, stage_->from, stage_->pipeline.view()));
      }
      return second_->next();
    }
    void rest() override { second_ ? second_->rest() : input_->rest(); }

   private:
    std::shared_ptr<const UnionStage> stage_;
    DocumentSourcePtr second_;
  };
  DocumentSourcePtr over(DocumentSourcePtr input) const override {
    return std::make_unique<Source>(std::static_pointer_cast<const UnionStage>(shared_from_this()), std::move(input));
  }
  void add_foreign(std::vector<std::pair<std::string, std::string>>& names) const override {
    if (!from.documents) names.emplace_back(from.db, from.collection);
  }
  PipelineContext context;
  ForeignQuery from;
  Document pipeline;
};

Parsed parse_union(const Element& argument, const PipelineContext& context) {
  auto stage = std::make_shared<UnionStage>();
  stage->name = "$unionWith";
  stage->context = context;
  bool has_pipeline = false;
  if (argument.is_string()) {
    stage->from.collection = argument.string_value();
  } else if (argument.is_document()) {
    for (const Element& e : argument.document_value()) {
      const bool mistyped = (e.key() == "coll" && !e.is_string()) || (e.key() == "pipeline" && !e.is_array());
      if (mistyped) {
        return bad(code::kTypeMismatch, fmt::format("BSON field '$unionWith.{}' is the wrong type '{}', expected type '{}'", e.key(),
                                                    bson::type_name(e.type()), e.key() == "coll" ? "string" : "array"));
      }
      if (e.key() == "coll" && e.is_string()) {
        stage->from.collection = e.string_value();
      } else if (e.key() == "pipeline" && e.is_array()) {
        stage->pipeline = Document(e.document_value());
        has_pipeline = true;
      } else {
        return bad(40415, fmt::format("BSON field '$unionWith.{}' is an unknown field.", e.key()));
      }
    }
  } else {
    return bad(code::kFailedToParse,
               fmt::format("the $unionWith stage specification must be an object or string, but found {}",
                           bson::type_name(argument.type())));
  }
  if (stage->from.collection.empty() && has_pipeline && may_give_documents(context)) {
    TRY(take_documents("$unionWith", stage->from, stage->pipeline));
    TRY(parse_expression(stage->from.documents->view().first(), Scope(*context.evaluation)));
  }
  if (stage->from.collection.empty() && !stage->from.documents) return bad(40414, "BSON field '$unionWith.coll' is missing but a required field");
  TRY(parse_stage_list(stage->pipeline.view(), context, "$unionWith"));
  return std::vector<StagePtr>{std::move(stage)};
}

struct GraphStage final : Stage {
  class Source final : public MappedSource {
   public:
    Source(std::shared_ptr<const GraphStage> stage, DocumentSourcePtr input)
        : MappedSource(std::move(input)), stage_(std::move(stage)) {}
    Next next() override {
      auto document = TRY(input_->next());
      if (!document) return std::nullopt;
      return with_value_at(document->view(), stage_->as, TRY(stage_->reach(document->view())));
    }

   private:
    std::shared_ptr<const GraphStage> stage_;
  };
  DocumentSourcePtr over(DocumentSourcePtr input) const override {
    return std::make_unique<Source>(std::static_pointer_cast<const GraphStage>(shared_from_this()), std::move(input));
  }
  void add_foreign(std::vector<std::pair<std::string, std::string>>& names) const override {
    names.emplace_back(from.db, from.collection);
  }

  // Breadth first; each document of the other collection once.
  Result<Datum> reach(View document) const {
    Variables variables(document, *context.evaluation);
    const Datum begin = TRY(start->evaluate(variables));
    std::vector<Datum> frontier;
    std::set<std::string> asked, seen;
    const auto ask = [&](const Element& value) {
      if (!value.exists()) return;
      if (asked.insert(bson::key_string(value, context.evaluation->collator.get())).second)
        frontier.push_back(Datum::copy(value));
    };
    if (begin.type() == Type::kArray) {
      for (const Element& item : begin.element().document_value()) ask(item);
    } else {
      ask(begin.element());
    }
    StageMemory memory(context.memory);
    bson::ArrayBuilder found;
    for (std::int64_t depth = 0; !frontier.empty() && (!max_depth || depth <= *max_depth); ++depth) {
      auto source = TRY(open_foreign(context, {from.db, from.collection, level_filter(frontier)}));
      frontier.clear();
      while (auto match = TRY(source->next())) {
        if (!seen.insert(bson::key_string((*match)["_id"])).second) continue;
        for (const Element& value : local_values(match->view(), connect_from)) ask(value);
        if (depth_field.empty()) {
          found.append(*match);
        } else {
          found.append(with_value_at(match->view(), depth_field, Datum::from(depth)));
        }
        TRY(memory.hold(found.size()));
        if (found.size() > context.max_stage_bytes)
          return bad(40099, "$graphLookup reached maximum memory consumption");
      }
    }
    return Datum::array(std::move(found));
  }

  Document level_filter(const std::vector<Datum>& values) const {
    bson::Builder filter;
    {
      auto list = filter.open_array("$and");
      {
        auto membership = list.open_document();
        auto predicate = membership.open_document(connect_to);
        auto items = predicate.open_array("$in");
        for (const Datum& value : values) items.append(value.element());
      }
      if (!restriction.empty()) list.append(restriction);
    }
    return std::move(filter).finish();
  }

  PipelineContext context;
  ForeignQuery from;
  ExpressionPtr start;
  FieldPath connect_from;
  std::string connect_to;
  std::vector<std::string> as, depth_field;
  std::optional<std::int64_t> max_depth;
  Document restriction;
};

Parsed parse_graph(const Element& argument, const PipelineContext& context) {
  if (!argument.is_document())
    return bad(code::kFailedToParse, fmt::format("the $graphLookup stage specification must be an object, but found {}",
                                  bson::type_name(argument.type())));
  auto stage = std::make_shared<GraphStage>();
  stage->name = "$graphLookup";
  stage->context = context;
  for (const Element& e : argument.document_value()) {
    const std::string_view name = e.key();
    if (name == "startWith") {
      stage->start = TRY(parse_expression(e, Scope(*context.evaluation)));
    } else if (name == "maxDepth") {
      if (!e.is_number())
        return bad(40100, fmt::format("maxDepth must be numeric, found type: {}", bson::type_name(e.type())));
      if (!whole_number(Datum::borrow(e))) return bad(40102, fmt::format("maxDepth could not be represented as a long long: {}", printed(e)));
      stage->max_depth = e.to_int64().value_or(-1);
      if (*stage->max_depth < 0)
        return bad(40101, fmt::format("maxDepth requires a nonnegative argument, found: {}", *stage->max_depth));
    } else if (name == "restrictSearchWithMatch") {
      if (!e.is_document())
        return bad(40185,
                   fmt::format("restrictSearchWithMatch must be an object, found {}", bson::type_name(e.type())));
      TRY(Matcher::parse(e.document_value(), context.evaluation->collator, context.evaluation->version,
                         context.evaluation));
      stage->restriction = Document(e.document_value());
    } else if (name != "from" && name != "as" && name != "connectFromField" && name != "connectToField" && name != "depthField") {
      return bad(40104, fmt::format("Unknown argument to $graphLookup: {}", name));
    } else if (!e.is_string()) {
      return bad(40103, fmt::format("expected string as argument for {}, found: {}", name, bson::to_shell(e)));
    } else if (name == "from") {
      stage->from.collection = e.string_value();
    } else if (name == "as") {
      stage->as = split_path(e.string_value());
    } else if (name == "connectFromField") {
      stage->connect_from = FieldPath(e.string_value());
    } else if (name == "connectToField") {
      stage->connect_to = e.string_value();
    } else {
      stage->depth_field = split_path(e.string_value());
    }
    if (e.is_string() && name != "from" && name != "startWith") TRY(check_projection_path(e.string_value(), context.evaluation->version));
  }
  if (std::max(stage->as.size(), stage->depth_field.size()) > kMaxPathDepth) {
    return bad(code::kOverflow, "FieldPath is too long");
  }
  const bool complete = !stage->from.collection.empty() && !stage->as.empty() && stage->start &&
                        !stage->connect_from.text().empty() && !stage->connect_to.empty();
  if (!complete)
    return bad(
        40105,
        "$graphLookup requires 'from', 'as', 'startWith', 'connectFromField', and 'connectToField' to be specified.");
  return std::vector<StagePtr>{std::move(stage)};
}

constexpr StageRow kRows[] = {{"$lookup", parse_lookup}, {"$unionWith", parse_union}, {"$graphLookup", parse_graph}};

}  // namespace

std::span<const StageRow> foreign_stages() { return kRows; }

}  // namespace drover::sandbox::query
