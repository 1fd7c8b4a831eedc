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
  // Before the first value: of the group whose _id is this, or which has none.
  virtual Status begin(const Datum&) { return {}; }
  // After the last one, before result(): for who may fail.
  virtual Status finish() { return {}; }
  virtual Status add(const Datum& value) = 0;
  virtual Datum result() = 0;  // once, at the end
  // The result so far: more may be added.
  virtual Datum peek() { return result(); }
  // Memory is short: what takes less in another form is brought into that.
  virtual Status shrink() { return {}; }
  // Beyond the object itself; may grow with every add.
  virtual std::size_t bytes() const { return 0; }
};

struct ScriptAccumulatorSpec;  // accumulator_script.h

// {$sum: expr}: parsed once, an Accumulator per group.
// n of $firstN and its like, as accumulators and as expressions. 5787902, 5787903, 5787908 when it is no whole number above zero.
Result<std::int64_t> check_n(const Datum& n);
// What their accumulators and expressions are given: {n, input}. 5787900, 5787901, 5787906, 5787907 for another form.
Status check_n_form(const bson::Element& op);

class AccumulatorFactory {
 public:
  static Result<AccumulatorFactory> parse(const bson::Element& op, const Scope& scope);
  // `group` is what n of $firstN and its like may depend on: the group's _id, where that is a document.
  Result<std::unique_ptr<Accumulator>> make(const EvaluationContext& context, bson::View group = {}) const;
  const Expression& operand() const { return *operand_; }

 private:
  friend struct AccumulatorTable;
  using Maker = std::unique_ptr<Accumulator> (*)(const AccumulatorFactory&, const EvaluationContext&, std::int64_t count);
  ExpressionPtr operand_;
  Maker make_ = nullptr;
  ExpressionPtr count_;     // n of $firstN and its like; null: 1
  bson::Document sort_by_;  // $top, $bottom
  std::vector<double> fractions_;  // $percentile
  std::shared_ptr<const ScriptAccumulatorSpec> script_;  // $accumulator
};

}  // namespace drover::sandbox::query
