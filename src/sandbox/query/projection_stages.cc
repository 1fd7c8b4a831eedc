// $project, $addFields and $unset from their specifications to trees.
#include <fmt/core.h>

#include "sandbox/query/errors.h"
#include "sandbox/query/projection_parser.h"

namespace drover::sandbox::query {

using bson::Element;
using bson::Type;
using bson::View;

namespace {

Status add_computed(ProjectionTree& tree, const std::string& path, const Element& e, const EvaluationContext& context) {
  TRY(check_projection_path(path, context.version));
  const bool nested =
      e.is_document() && !e.document_value().empty() && !e.document_value().first().key().starts_with('$');
  if (nested) {
    for (const Element& inner : e.document_value()) {
      TRY(add_computed(tree, path + "." + std::string(inner.key()), inner, context));
    }
    return {};
  }
  auto* child = TRY(tree.root.add(path));
  child->expression = TRY(parse_expression(e, Scope(context)));
  tree.root.note_computed(path);
  return {};
}

}  // namespace

Result<ProjectionTree> parse_project_stage(View spec, const EvaluationContext& context) {
  return std::move(TRY(parse_projection_spec(spec, ProjectionFor::kStage, context)).tree);
}

Result<ProjectionTree> parse_add_fields_stage(View spec, const EvaluationContext& context) {
  ProjectionTree tree;
  tree.kind = ProjectionTree::Kind::kComputed;
  if (spec.empty()) return bad(40177, "specification must have at least one field");
  for (const Element& e : spec) TRY(add_computed(tree, std::string(e.key()), e, context));
  return tree;
}

Result<ProjectionTree> parse_unset_stage(const Element& spec, std::string_view stage, ServerVersion version) {
  ProjectionTree tree;
  tree.kind = ProjectionTree::Kind::kExclusion;
  const auto add = [&](const Element& e) -> Status {
    if (!e.is_string())
      return bad(31120,
                 fmt::format("{} specification must be a string or an array containing only string values", stage));
    TRY(check_projection_path(e.string_value(), version));
    TRY(tree.root.add(e.string_value()))->listed = true;
    return {};
  };
  if (spec.is_string()) {
    TRY(add(spec));
  } else if (spec.is_array()) {
    if (spec.document_value().empty())
      return bad(31119, fmt::format("{} specification must be a string or an array with at least one field", stage));
    for (const Element& e : spec.document_value()) TRY(add(e));
  } else {
    return bad(31002, fmt::format("{} specification must be a string or an array", stage));
  }
  return tree;
}

}  // namespace drover::sandbox::query
