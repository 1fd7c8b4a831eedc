// Forms that evaluate only some of their operands, or bind variables: $and, $or, $cond, $ifNull, $switch, $let, $literal.
#include <cctype>

#include <fmt/core.h>

#include "sandbox/query/expr_function.h"
#include "sandbox/query/expression_ops.h"

namespace drover::sandbox::query {

using bson::Element;

namespace {

struct LogicExpression final : Expression {
  explicit LogicExpression(bool stop) : stops_at(stop) {}
  Result<Datum> evaluate(Variables& variables) const override {
    for (const auto& operand : operands) {
      if (TRY(operand->evaluate(variables)).truthy() == stops_at) return Datum::from(stops_at);
    }
    return Datum::from(!stops_at);
  }
  bool stops_at;
  std::vector<ExpressionPtr> operands;
};

Result<ExpressionPtr> parse_logic(const Element& argument, const Scope& scope) {
  auto logic = std::make_unique<LogicExpression>(argument.key() == "$or");
  logic->operands = TRY(parse_operands(argument, scope));
  return logic;
}

struct CondExpression final : Expression {
  Result<Datum> evaluate(Variables& variables) const override {
    const bool holds = TRY(condition->evaluate(variables)).truthy();
    return (holds ? then : otherwise)->evaluate(variables);
  }
  ExpressionPtr condition, then, otherwise;
};

ExpressionPtr folded(std::unique_ptr<CondExpression> cond, const Scope& scope) {
  const bool literals = cond->condition->is_literal() && cond->then->is_literal() && cond->otherwise->is_literal();
  return fold(std::move(cond), literals, scope);
}

Result<ExpressionPtr> parse_cond(const Element& argument, const Scope& scope) {
  auto cond = std::make_unique<CondExpression>();
  if (!argument.is_document()) {
    auto operands = TRY(parse_operands(argument, scope));
    if (operands.size() != 3) {
      return bad(16020, fmt::format("Expression $cond takes exactly 3 arguments. {} were passed in.", operands.size()));
    }
    cond->condition = std::move(operands[0]);
    cond->then = std::move(operands[1]);
    cond->otherwise = std::move(operands[2]);
    return folded(std::move(cond), scope);
  }
  for (const Element& e : argument.document_value()) {
    if (e.key() == "if") {
      cond->condition = TRY(parse_expression(e, scope));
    } else if (e.key() == "then") {
      cond->then = TRY(parse_expression(e, scope));
    } else if (e.key() == "else") {
      cond->otherwise = TRY(parse_expression(e, scope));
    } else {
      return bad(17083, fmt::format("Unrecognized parameter to $cond: {}", e.key()));
    }
  }
  if (!cond->condition) return bad(17080, "Missing 'if' parameter to $cond");
  if (!cond->then) return bad(17081, "Missing 'then' parameter to $cond");
  if (!cond->otherwise) return bad(17082, "Missing 'else' parameter to $cond");
  return folded(std::move(cond), scope);
}

struct IfNullExpression final : Expression {
  Result<Datum> evaluate(Variables& variables) const override {
    for (std::size_t i = 0; i + 1 < operands.size(); ++i) {
      Datum value = TRY(operands[i]->evaluate(variables));
      if (!value.nullish()) return value;
    }
    return operands.back()->evaluate(variables);
  }
  std::vector<ExpressionPtr> operands;
};

Result<ExpressionPtr> parse_if_null(const Element& argument, const Scope& scope) {
  auto expression = std::make_unique<IfNullExpression>();
  expression->operands = TRY(parse_operands(argument, scope));
  const std::size_t count = expression->operands.size();
  if (scope.context().version < ServerVersion{5, 0, 0} ? count != 2 : count < 2) {
    if (scope.context().version < ServerVersion{5, 0, 0}) {
      return bad(16020, fmt::format("Expression $ifNull takes exactly 2 arguments. {} were passed in.", count));
    }
    return bad(1257300, fmt::format("$ifNull needs at least two arguments, had: {}", count));
  }
  const bool literals = are_literals(expression->operands);
  return fold(std::move(expression), literals, scope);
}

struct SwitchExpression final : Expression {
  Result<Datum> evaluate(Variables& variables) const override {
    for (const auto& [condition, result] : branches) {
      if (TRY(condition->evaluate(variables)).truthy()) return result->evaluate(variables);
    }
    if (!otherwise) {
      return bad(40066, "$switch could not find a matching branch for an input, and no default was specified.");
    }
    return otherwise->evaluate(variables);
  }
  std::vector<std::pair<ExpressionPtr, ExpressionPtr>> branches;
  ExpressionPtr otherwise;
};

Status add_branch(SwitchExpression& expression, const Element& branch, const Scope& scope) {
  if (!branch.is_document()) {
    return bad(40062,
               fmt::format("$switch expected each branch to be an object, found: {}", bson::type_name(branch.type())));
  }
  ExpressionPtr condition, result;
  for (const Element& e : branch.document_value()) {
    if (e.key() == "case") {
      condition = TRY(parse_expression(e, scope));
    } else if (e.key() == "then") {
      result = TRY(parse_expression(e, scope));
    } else {
      return bad(40063, fmt::format("$switch found an unknown argument to a branch: {}", e.key()));
    }
  }
  if (!condition) return bad(40064, "$switch requires each branch have a 'case' expression");
  if (!result) return bad(40065, "$switch requires each branch have a 'then' expression.");
  expression.branches.emplace_back(std::move(condition), std::move(result));
  return {};
}

Result<ExpressionPtr> parse_switch(const Element& argument, const Scope& scope) {
  if (!argument.is_document()) {
    return bad(40060,
               fmt::format("$switch requires an object as an argument, found: {}", bson::type_name(argument.type())));
  }
  auto expression = std::make_unique<SwitchExpression>();
  for (const Element& e : argument.document_value()) {
    if (e.key() == "branches") {
      if (!e.is_array()) {
        return bad(40061,
                   fmt::format("$switch expected an array for 'branches', found: {}", bson::type_name(e.type())));
      }
      for (const Element& branch : e.document_value()) TRY(add_branch(*expression, branch, scope));
    } else if (e.key() == "default") {
      expression->otherwise = TRY(parse_expression(e, scope));
    } else {
      return bad(40067, fmt::format("$switch found an unknown argument: {}", e.key()));
    }
  }
  if (expression->branches.empty()) return bad(40068, "$switch requires at least one branch.");
  return expression;
}

struct LetExpression final : Expression {
  Result<Datum> evaluate(Variables& variables) const override {
    for (const auto& [slot, value] : bindings) variables.set_slot(slot, TRY(value->evaluate(variables)));
    return body->evaluate(variables);
  }
  std::vector<std::pair<std::size_t, ExpressionPtr>> bindings;
  ExpressionPtr body;
};

}  // namespace

Status check_variable_name(std::string_view name) {
  if (name.empty()) return bad(16866, "empty variable names are not allowed");
  const auto first = static_cast<unsigned char>(name[0]);
  if (!std::islower(first) && first < 0x80 && name != "CURRENT") {
    return bad(16867, fmt::format("'{}' starts with an invalid character for a user variable name", name));
  }
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (!std::isalnum(byte) && c != '_' && byte < 0x80) {
      return bad(16868, fmt::format("'{}' contains an invalid character for a variable name: '{}'", name, c));
    }
  }
  return {};
}

namespace {

Result<ExpressionPtr> parse_let(const Element& argument, const Scope& scope) {
  if (!argument.is_document()) return bad(16874, "$let only supports an object as its argument");
  const bson::View object = argument.document_value();
  for (const Element& e : object) {
    if (e.key() != "vars" && e.key() != "in")
      return bad(16875, fmt::format("Unrecognized parameter to $let: {}", e.key()));
  }
  if (!object["vars"]) return bad(16876, "Missing 'vars' parameter to $let");
  if (!object["in"]) return bad(16877, "Missing 'in' parameter to $let");
  if (!object["vars"].is_document()) return bad(10065, "invalid parameter: expected an object (vars)");
  auto let = std::make_unique<LetExpression>();
  Scope inner = scope;
  for (const Element& e : object["vars"].document_value()) {
    TRY(check_variable_name(e.key()));
    auto value = TRY(parse_expression(e, scope));
    std::size_t slot = 0;
    inner = inner.with(e.key(), &slot);
    let->bindings.emplace_back(slot, std::move(value));
  }
  let->body = TRY(parse_expression(object["in"], inner));
  return let;
}

Result<ExpressionPtr> parse_literal(const Element& argument, const Scope&) {
  return make_constant(Datum::copy(argument));
}

constexpr SpecialForm kForms[] = {
    {"$and", parse_logic},     {"$or", parse_logic}, {"$cond", parse_cond},       {"$ifNull", parse_if_null},
    {"$switch", parse_switch}, {"$let", parse_let},  {"$literal", parse_literal}, {"$const", parse_literal},
    {"$function", parse_function},
};

}  // namespace

std::span<const SpecialForm> control_forms() { return kForms; }

}  // namespace drover::sandbox::query
