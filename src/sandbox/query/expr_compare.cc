// Comparison and logic that needs all operands. Missing sorts below everything but MinKey, as in documents.
#include "bson/compare.h"
#include "sandbox/query/expression_ops.h"

namespace drover::sandbox::query {

using Operands = std::span<const Datum>;

namespace {

int order(Operands operands, const Variables& variables) {
  return bson::compare_values(operands[0].element(), operands[1].element(), variables.context().collator.get());
}

Result<Datum> compare(Operands o, Variables& v) {
  const int result = order(o, v);
  return Datum::from(std::int32_t{result < 0 ? -1 : result > 0 ? 1 : 0});
}
Result<Datum> equal(Operands o, Variables& v) { return Datum::from(order(o, v) == 0); }
Result<Datum> not_equal(Operands o, Variables& v) { return Datum::from(order(o, v) != 0); }
Result<Datum> less(Operands o, Variables& v) { return Datum::from(order(o, v) < 0); }
Result<Datum> less_or_equal(Operands o, Variables& v) { return Datum::from(order(o, v) <= 0); }
Result<Datum> greater(Operands o, Variables& v) { return Datum::from(order(o, v) > 0); }
Result<Datum> greater_or_equal(Operands o, Variables& v) { return Datum::from(order(o, v) >= 0); }
Result<Datum> negate(Operands o, Variables&) { return Datum::from(!o[0].truthy()); }

constexpr Operator kOperators[] = {
    {"$cmp", 2, 2, compare},       {"$eq", 2, 2, equal},   {"$ne", 2, 2, not_equal},         {"$lt", 2, 2, less},
    {"$lte", 2, 2, less_or_equal}, {"$gt", 2, 2, greater}, {"$gte", 2, 2, greater_or_equal}, {"$not", 1, 1, negate},
};

}  // namespace

std::span<const Operator> comparison_operators() { return kOperators; }

}  // namespace drover::sandbox::query
