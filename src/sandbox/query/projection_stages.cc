// $project, $addFields and $unset from their specifications to trees.
#include <fmt/core.h>

#include "sandbox/query/errors.h"
#include "sandbox/query/projection_tree.h"

namespace drover::sandbox::query {

using bson::Element;
using bson::Type;
using bson::View;

namespace {

struct ProjectParser {
  const EvaluationContext& context;
  ProjectionTree tree;
  std::optional<bool> inclusion;
  bool id_given = false;
  bool id_included = true;

  Status leaf(const std::string& path, const Element& e) {
    TRY(check_projection_path(path));
    const bool is_flag = e.is_number() || e.type() == Type::kBool;
    if (path == "_id" && is_flag) {
      id_given = true;
      id_included = e.is_truthy();
      return {};
    }
    if (!is_flag || e.is_truthy()) {
      if (inclusion == false) {
        return is_flag ? bad(31253, fmt::format("Cannot do inclusion on field {} in exclusion projection", path))
                       : bad(31252, "Cannot use expression other than $meta in exclusion projection");
      }
      inclusion = true;
    } else {
      if (inclusion == true)
        return bad(31254, fmt::format("Cannot do exclusion on field {} in inclusion projection", path));
      inclusion = false;
    }
    auto* child = TRY(tree.root.add(path));
    if (is_flag) {
      child->listed = true;
      return {};
    }
    child->expression = TRY(parse_expression(e, Scope(context)));
    tree.root.note_computed(path);
    return {};
  }

  Status fields(const std::string& prefix, View spec) {
    for (const Element& e : spec) {
      const std::string path = prefix.empty() ? std::string(e.key()) : prefix + "." + std::string(e.key());
      if (!e.is_document()) {
        TRY(leaf(path, e));
        continue;
      }
      const View inner = e.document_value();
      if (inner.empty()) {
        return bad(51270, fmt::format("An empty sub-projection is not a valid value. Found empty object at path"));
      }
      if (inner.first().key().starts_with('$')) {
        TRY(leaf(path, e));
      } else {
        TRY(check_projection_path(path));
        TRY(fields(path, inner));
      }
    }
    return {};
  }
};

Status add_computed(ProjectionTree& tree, const std::string& path, const Element& e, const EvaluationContext& context) {
  TRY(check_projection_path(path));
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
  if (spec.empty()) return bad(51272, "projection specification must have at least one field");
  ProjectParser parser{context, {}, {}, false, true};
  TRY(parser.fields("", spec));
  const bool inclusion = parser.inclusion.value_or(parser.id_included && parser.id_given);
  parser.tree.kind = inclusion ? ProjectionTree::Kind::kInclusion : ProjectionTree::Kind::kExclusion;
  const bool list_id = inclusion ? parser.id_included : parser.id_given && !parser.id_included;
  if (list_id && !parser.tree.root.find("_id")) TRY(parser.tree.root.add("_id"))->listed = true;
  return std::move(parser.tree);
}

Result<ProjectionTree> parse_add_fields_stage(View spec, const EvaluationContext& context) {
  ProjectionTree tree;
  tree.kind = ProjectionTree::Kind::kComputed;
  if (spec.empty()) return bad(40177, "specification must have at least one field");
  for (const Element& e : spec) TRY(add_computed(tree, std::string(e.key()), e, context));
  return tree;
}

Result<ProjectionTree> parse_unset_stage(const Element& spec, std::string_view stage) {
  ProjectionTree tree;
  tree.kind = ProjectionTree::Kind::kExclusion;
  const auto add = [&](const Element& e) -> Status {
    if (!e.is_string())
      return bad(31120,
                 fmt::format("{} specification must be a string or an array containing only string values", stage));
    TRY(check_projection_path(e.string_value()));
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
