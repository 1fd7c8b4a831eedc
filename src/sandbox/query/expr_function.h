// A client's functions within expressions. Private to the expression engine.
#pragma once

#include <memory>

#include "sandbox/query/expression_ops.h"

namespace drover::sandbox::query {

// 31264 where JavaScript is switched off.
Result<std::shared_ptr<Scripts>> scripts_of(const Scope& scope);
Result<ExpressionPtr> parse_function(const bson::Element& argument, const Scope& scope);

}  // namespace drover::sandbox::query
