// $median and $percentile (7.0): of numbers, the least that enough of them do not exceed.
#pragma once

#include <memory>
#include <vector>

#include "sandbox/query/accumulator.h"
#include "sandbox/query/expression_ops.h"

namespace drover::sandbox::query {

struct PercentileSpec {
  ExpressionPtr input;
  std::vector<double> fractions;  // of $median: none
};

// {input: ..., p: [...], method: "approximate"}; $median has no p. `not_object` is the code when it is no object.
Result<PercentileSpec> parse_percentile(const bson::Element& op, const Scope& scope, int not_object);
std::unique_ptr<Accumulator> make_percentile(std::vector<double> fractions);

std::span<const SpecialForm> percentile_forms();

}  // namespace drover::sandbox::query
