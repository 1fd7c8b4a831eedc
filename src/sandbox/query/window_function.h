// What $setWindowFields computes for every document of a partition: $group's accumulators over windows, and functions that
// only a partition in its order has ($rank, $shift, $derivative, ...).
#pragma once

#include <memory>

#include "base/error.h"
#include "sandbox/query/window.h"

namespace drover::sandbox::query {

// Of one output over one partition.
class WindowFunction {
 public:
  virtual ~WindowFunction() = default;
  // Of the partition's documents, one after the other.
  virtual Result<Datum> at(std::size_t index) = 0;
  // What it keeps beside the partition.
  virtual std::size_t bytes() const { return 0; }
};

// {$sum: "$x", window: {...}}. Immutable; outlives what it makes, as the partition does.
class WindowFunctionFactory {
 public:
  virtual ~WindowFunctionFactory() = default;
  virtual std::unique_ptr<WindowFunction> over(const Partition& partition) const = 0;
};

// `spec` is the output's value. `sort_by` is null without one, and is not kept.
Result<std::unique_ptr<const WindowFunctionFactory>> parse_window_function(const bson::Element& spec, const SortPattern* sort_by, const Scope& scope);

}  // namespace drover::sandbox::query
