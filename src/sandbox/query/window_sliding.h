// Accumulators of windows that lose documents at their front: what goes is taken away, and only where that would not be exact is a window
// gone through anew. Facts: MongoDB's window_function_*.h.
#pragma once

#include <deque>
#include <memory>
#include <string_view>

#include "sandbox/query/window_function.h"

namespace drover::sandbox::query {

// The operand's values over a window, by the index of their document in the partition.
class HeldValues {
 public:
  std::size_t begin() const { return begin_; }
  std::size_t end() const { return begin_ + values_.size(); }
  const Datum& at(std::size_t index) const { return values_[index - begin_]; }
  void restart(std::size_t begin);
  void push(Datum value);
  void pop();
  std::size_t bytes() const { return bytes_; }

 private:
  std::deque<Datum> values_;
  std::size_t begin_ = 0, bytes_ = 0;
};

class SlidingState {
 public:
  virtual ~SlidingState() = default;
  // Of the value at `index`, the last one held.
  virtual void add(const HeldValues& held, std::size_t index) = 0;
  // Of the value at `index`, the first one held. False: the state is to be made anew from those behind it.
  virtual bool remove(const HeldValues& held, std::size_t index) = 0;
  virtual Datum result(const HeldValues& held) const = 0;
  virtual std::size_t bytes() const { return 0; }
};

// Of $sum, $count, $avg, $min, $max, $push, $stdDevPop and $stdDevSamp; null for others.
using MakeSlidingState = std::unique_ptr<SlidingState> (*)(const EvaluationContext& context);
MakeSlidingState find_sliding_state(std::string_view name);

// All three outlive it.
std::unique_ptr<WindowFunction> make_sliding(const Window& window, MakeSlidingState make, const Expression& operand, const Partition& partition);

}  // namespace drover::sandbox::query
