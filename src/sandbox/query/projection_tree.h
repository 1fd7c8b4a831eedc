// The tree behind find's projections, $project, $addFields and $unset: which fields stay, which go, which are computed.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "bson/builder.h"
#include "bson/document.h"
#include "sandbox/query/expression.h"

namespace drover::sandbox::query {

struct ProjectionNode {
  struct Child {
    std::string name;
    bool listed = false;       // a leaf: included or excluded, by the tree's kind
    ExpressionPtr expression;  // a leaf: computed
    std::unique_ptr<ProjectionNode> node;
  };

  std::vector<Child> children;  // in the order of the specification
  bool computes = false;        // somewhere below

  const Child* find(std::string_view name) const;
  // The leaf for `path`. 31249, 31250 when it collides with another.
  Result<Child*> add(std::string_view path);
  void note_computed(std::string_view path);
};

// Only what is listed, then (arrays: each document in them).
void project_inclusion(const ProjectionNode& node, bson::View source, bson::Builder& out);
// All but what is listed.
void project_exclusion(const ProjectionNode& node, bson::View source, bson::Builder& out);
// `source` with the computed fields set: existing ones in place, new ones at the end; a missing value removes.
Status project_computed(const ProjectionNode& node, bson::View source, Variables& variables, bson::Builder& out);

// Applied one after the other to a document.
struct ProjectionTree {
  enum class Kind { kInclusion, kExclusion, kComputed };
  Kind kind = Kind::kInclusion;
  ProjectionNode root;
  // Replaces the fields of a pattern by the path, for messages such as "Path collision at a.b".
  Result<bson::Document> apply(bson::View document, const EvaluationContext& context) const;
};

// $project ({a: 1, b: {c: "$x"}, _id: 0}) and $addFields ({a: expr, "b.c": expr}) as the pipeline takes them.
Result<ProjectionTree> parse_project_stage(bson::View spec, const EvaluationContext& context);
Result<ProjectionTree> parse_add_fields_stage(bson::View spec, const EvaluationContext& context);
Result<ProjectionTree> parse_unset_stage(const bson::Element& spec, std::string_view stage, ServerVersion version);

Status check_projection_path(std::string_view path, ServerVersion version);

}  // namespace drover::sandbox::query
