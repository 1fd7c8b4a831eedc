#include "sandbox/query/update_pipeline.h"

#include <fmt/core.h>

#include "bson/ejson.h"
#include "sandbox/query/errors.h"
#include "sandbox/query/pipeline.h"

namespace drover::sandbox::query {

using bson::Document;
using bson::Element;
using bson::Type;
using bson::View;

Result<ExpressionPtr> parse_new_root(const Element& stage, const EvaluationContext& context) {
  const Scope scope(context);
  if (stage.key() == "$replaceWith") return parse_expression(stage, scope);
  if (!stage.is_document()) {
    return bad(40229, fmt::format("expected an object as specification for $replaceRoot stage, got {}",
                                  bson::type_name(stage.type())));
  }
  for (const Element& e : stage.document_value()) {
    if (e.key() != "newRoot") return bad(40415, fmt::format("BSON field '$replaceRoot.{}' is an unknown field.", e.key()));
  }
  const Element root = stage.document_value()["newRoot"];
  if (!root) return bad(40414, "BSON field '$replaceRoot.newRoot' is missing but a required field");
  return parse_expression(root, scope);
}

Result<Document> replace_root(const Expression& new_root, View document, const EvaluationContext& context, std::string_view stage) {
  Variables variables(document, context);
  const Datum value = TRY(new_root.evaluate(variables));
  if (value.type() != Type::kDocument) {
    return bad(40228, fmt::format("{} must evaluate to an object, but resulting value was: {}. Type "
                                  "of resulting value: '{}'. Input document: {}",
                                  stage == "$replaceWith" ? "'replacement document' " : "'newRoot' expression ",
                                  printed(value), bson::type_name(value.type()), printed(document)));
  }
  return Document(value.element().document_value());
}

Result<UpdatePipeline> UpdatePipeline::parse(View stages, const UpdateOptions& options) {
  UpdatePipeline pipeline;
  auto context =
      options.context ? std::make_shared<EvaluationContext>(*options.context) : std::make_shared<EvaluationContext>();
  context->version = options.version;
  context->collator = options.collator;
  if (options.constants) {  // values, whatever they look like
    bson::Builder let;
    let.append_all(context->let).append_all(*options.constants);
    context->let = std::move(let).finish();
  }
  pipeline.context_ = context;
  for (const Element& item : stages) {
    if (!item.is_document()) return bad(code::kTypeMismatch, "Each element of the 'pipeline' array must be an object");
    if (item.document_value().field_count() != 1) {
      return bad(40323, "A pipeline stage specification object must contain exactly one field.");
    }
    const Element stage = item.document_value().first();
    const std::string_view name = stage.key();
    if (name == "$set" || name == "$addFields" || name == "$project") {
      if (!stage.is_document()) {
        const int wrong = name == "$project" ? 15969 : 40272;
        return bad(wrong, fmt::format("{} specification stage must be an object, got {}", name,
                                      bson::type_name(stage.type())));
      }
      auto tree = name == "$project" ? parse_project_stage(stage.document_value(), *context)
                                     : parse_add_fields_stage(stage.document_value(), *context);
      if (!tree)
        return tl::unexpected(std::move(tree).error().with_context(fmt::format("Invalid {} :: caused by :", name)));
      pipeline.steps_.emplace_back(std::move(*tree));
    } else if (name == "$unset") {
      pipeline.steps_.emplace_back(TRY(parse_unset_stage(stage, name, context->version)));
    } else if (name == "$replaceRoot" || name == "$replaceWith") {
      pipeline.steps_.emplace_back(NewRoot{TRY(parse_new_root(stage, *context)), std::string(name)});
    } else if (is_pipeline_stage(name, context->version)) {
      return bad(code::kInvalidOptions, fmt::format("{} is not allowed to be used within an update", name));
    } else {
      return bad(40324, fmt::format("Unrecognized pipeline stage name: '{}'", name));
    }
  }
  return pipeline;
}

Result<Document> UpdatePipeline::apply(View document) const {
  Document current(document);
  for (const Step& step : steps_) {
    if (const auto* tree = std::get_if<ProjectionTree>(&step)) {
      current = TRY(tree->apply(current.view(), *context_));
    } else {
      const auto& root = std::get<NewRoot>(step);
      current = TRY(replace_root(*root.expression, current.view(), *context_, root.stage));
    }
  }
  return current;
}

}  // namespace drover::sandbox::query
