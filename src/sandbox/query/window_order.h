// Functions that stand on the order of a partition: $first, $last, $rank, $denseRank, $documentNumber, $shift, $derivative, $linearFill.
// What is passed by reference outlives the function.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "sandbox/query/window_function.h"

namespace drover::sandbox::query {

enum class WindowEnd { kFirst, kLast };
std::unique_ptr<WindowFunction> make_endpoint(const Window& window, WindowEnd end, const Expression& operand, const Partition& partition);

enum class RankKind { kRank, kDense, kNumber };
std::unique_ptr<WindowFunction> make_rank(RankKind kind, const Partition& partition);

// The value of the document `by` places behind this one, or `otherwise`.
std::unique_ptr<WindowFunction> make_shift(std::int64_t by, const Datum& otherwise, const Expression& operand, const Partition& partition);

// How fast the operand grows along the sort field, from a window's first document to its last; in units of time when that is a date.
std::unique_ptr<WindowFunction> make_derivative(const Window& window, std::optional<DateUnit> unit, const Expression& operand, const Partition& partition);

// Between the last value and the next, in proportion to the sort field.
std::unique_ptr<WindowFunction> make_linear_fill(const Expression& operand, const Partition& partition);

}  // namespace drover::sandbox::query
