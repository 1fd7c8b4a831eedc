// A pipeline as an update: $set/$addFields, $unset/$project, $replaceRoot/$replaceWith.
#pragma once

#include <memory>
#include <variant>
#include <vector>

#include "sandbox/query/projection_tree.h"
#include "sandbox/query/update.h"

namespace drover::sandbox::query {

class UpdatePipeline {
 public:
  static Result<UpdatePipeline> parse(bson::View stages, const UpdateOptions& options);
  Result<bson::Document> apply(bson::View document) const;

 private:
  struct NewRoot {
    ExpressionPtr expression;
    std::string stage;
  };
  using Step = std::variant<ProjectionTree, NewRoot>;
  std::shared_ptr<const EvaluationContext> context_;
  std::vector<Step> steps_;
};

// {newRoot: expr} of $replaceRoot, or the operand of $replaceWith.
Result<ExpressionPtr> parse_new_root(const bson::Element& stage, const EvaluationContext& context);
Result<bson::Document> replace_root(const Expression& new_root, bson::View document, const EvaluationContext& context,
                                    std::string_view stage);

}  // namespace drover::sandbox::query
