// {$where: function or expression}: a client's function as a predicate over the whole document.
#include "sandbox/query/errors.h"
#include "sandbox/query/expression.h"
#include "sandbox/query/match_node.h"
#include "sandbox/query/script.h"

namespace drover::sandbox::query {

bool WhereNode::matches(bson::View document, MatchState state) const {
  if (state.failure && state.failure->error) return false;  // one failure is enough
  auto result = context->scripts->test(source, document);
  if (result) return *result;
  if (state.failure) state.failure->error = std::move(result).error();
  return false;
}

Result<MatchNodePtr> make_where_node(const bson::Element& function, const MatchParser& parser) {
  if (!function.is_string() && function.type() != bson::Type::kCode) return bad(code::kBadValue, "$where got bad type");
  if (!parser.context || !parser.context->scripts) return bad(code::kBadValue, "no globalScriptEngine in $where parsing");
  const auto source = function.string_value();
  TRY(parser.context->scripts->check_predicate(source));
  *parser.context->has_where = true;
  return std::make_unique<WhereNode>(source, parser.context);
}

}  // namespace drover::sandbox::query
