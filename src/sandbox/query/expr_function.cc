// {$function: {body, args, lang}}: a client's function as an expression.
#include "sandbox/query/expr_function.h"

#include <fmt/core.h>

#include "sandbox/query/script.h"

namespace drover::sandbox::query {

using bson::Element;

namespace {

struct FunctionExpression final : Expression {
  Result<Datum> evaluate(Variables& variables) const override {
    if (*variables.context().has_where) return bad(4649200, "A single operation cannot use both JavaScript aggregation expressions and $where.");
    const Datum arguments = TRY(args->evaluate(variables));
    if (arguments.type() != bson::Type::kArray) return bad(31266, "The args field must be of type array");
    return Datum::copy(TRY(scripts->call(body, arguments.element().document_value())).view().first());
  }
  std::shared_ptr<Scripts> scripts;
  std::string body;
  ExpressionPtr args;
};

}  // namespace

Result<std::shared_ptr<Scripts>> scripts_of(const Scope& scope) {
  if (scope.context().scripts) return scope.context().scripts;
  return bad(31264, "Cannot run server-side javascript without the javascript engine enabled");
}

Result<ExpressionPtr> parse_function(const Element& argument, const Scope& scope) {
  if (scope.context().in_validator) return bad(4660800, "$function cannot be used inside a validator.");
  auto function = std::make_unique<FunctionExpression>();
  function->scripts = TRY(scripts_of(scope));
  if (!argument.is_document()) return bad(31260, fmt::format("$function requires an object as an argument, found: {}", bson::type_name(argument.type())));
  const auto object = argument.document_value();
  if (!object["body"]) return bad(31261, "The body function must be specified.");
  const auto body = TRY(parse_expression(object["body"], scope));
  if (body->constant() == nullptr) return bad(31432, "The body function must be a constant expression");
  const Element source = body->constant()->element();
  if (!source.is_string() && source.type() != bson::Type::kCode) return bad(31262, "The body function must evaluate to type string or code");
  function->body = source.string_value();
  if (!object["args"]) return bad(31263, "The args field must be specified.");
  function->args = TRY(parse_expression(object["args"], scope));
  if (!object["lang"]) return bad(31418, "The lang field must be specified.");
  if (object["lang"].to_string_view() != "js") return bad(31419, "Currently the only supported language specifier is 'js'.");
  return function;
}

}  // namespace drover::sandbox::query
