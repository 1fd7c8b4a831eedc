// {$expr: ...}: an aggregation expression as a predicate over the whole document.
#include "sandbox/query/expression.h"
#include "sandbox/query/match_node.h"

namespace drover::sandbox::query {

namespace {

struct ExprNode final : MatchNode {
  ExprNode(ExpressionPtr e, std::shared_ptr<const EvaluationContext> c)
      : MatchNode(MatchKind::kExpr), expression(std::move(e)), context(std::move(c)) {}

  bool matches(bson::View document, MatchState state) const override {
    Variables variables(document, *context);
    auto value = expression->evaluate(variables);
    if (value) return value->truthy();
    if (state.failure && !state.failure->error) state.failure->error = std::move(value).error();
    return false;
  }
  bool matches_single(const bson::Element&, MatchState) const override { return false; }

  ExpressionPtr expression;
  std::shared_ptr<const EvaluationContext> context;
};

}  // namespace

Result<MatchNodePtr> make_expr_node(const bson::Element& expression, const MatchParser& parser) {
  auto context = parser.context;
  if (!context) {
    auto made = std::make_shared<EvaluationContext>();
    made->version = parser.version;
    context = std::move(made);
  }
  const bool failed_before = context->literal_failure.has_value();
  auto parsed = TRY(parse_expression(expression, Scope(*context)));
  // Since 5.0 it is said what was done when it failed.
  if (!failed_before && context->literal_failure && parser.version >= ServerVersion{5, 0, 0}) {
    context->literal_failure->message.insert(0, "Failed to optimize expression :: caused by :: ");
  }
  return std::make_unique<ExprNode>(std::move(parsed), context);
}

}  // namespace drover::sandbox::query
