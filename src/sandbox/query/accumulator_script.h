// $accumulator: {init, initArgs?, accumulate, accumulateArgs, merge, finalize?, lang}, functions of a client's.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "sandbox/query/accumulator.h"

namespace drover::sandbox::query {

struct ScriptAccumulatorSpec {
  static Result<std::shared_ptr<const ScriptAccumulatorSpec>> parse(const bson::Element& op, const Scope& scope);

  std::shared_ptr<Scripts> scripts;
  std::string init, accumulate;
  std::optional<std::string> finalize;
  ExpressionPtr init_args;        // once per group, over its _id; null: none
  ExpressionPtr accumulate_args;  // once per document
};

// The expression whose values the accumulator is given.
ExpressionPtr make_script_operand(std::shared_ptr<const ScriptAccumulatorSpec> spec);
std::unique_ptr<Accumulator> make_script_accumulator(std::shared_ptr<const ScriptAccumulatorSpec> spec, const EvaluationContext& context);

}  // namespace drover::sandbox::query
