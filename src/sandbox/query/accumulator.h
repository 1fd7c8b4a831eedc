// $group's accumulators: what each gathers over the documents of one group.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "sandbox/query/expression.h"

namespace drover::sandbox::query {

class Accumulator {
 public:
  virtual ~Accumulator() = default;
  virtual Status add(const Datum& value) = 0;
  virtual Datum result() = 0;  // once, at the end
  // The result so far: more may be added.
  virtual Datum peek() { return result(); }
  // Beyond the object itself; may grow with every add.
  virtual std::size_t bytes() const { return 0; }
};

// {$sum: expr}: parsed once, an Accumulator per group.
class AccumulatorFactory {
 public:
  static Result<AccumulatorFactory> parse(const bson::Element& op, const Scope& scope);
  std::unique_ptr<Accumulator> make(const EvaluationContext& context) const { return make_(*this, context); }
  const Expression& operand() const { return *operand_; }

 private:
  friend struct AccumulatorTable;
  using Maker = std::unique_ptr<Accumulator> (*)(const AccumulatorFactory&, const EvaluationContext&);
  ExpressionPtr operand_;
  Maker make_ = nullptr;
  std::int64_t count_ = 1;  // n of $firstN and its like
  bson::Document sort_by_;  // $top, $bottom
  std::vector<double> fractions_;  // $percentile
};

}  // namespace drover::sandbox::query
