#include "sandbox/query/window_sliding.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "bson/builder.h"
#include "bson/compare.h"
#include "sandbox/query/moving_sum.h"
#include "sandbox/query/numeric.h"

namespace drover::sandbox::query {

void HeldValues::restart(std::size_t begin) {
  values_.clear();
  bytes_ = 0;
  begin_ = begin;
}

void HeldValues::push(Datum value) {
  bytes_ += value.bytes();
  values_.push_back(std::move(value));
}

void HeldValues::pop() {
  bytes_ -= values_.front().bytes();
  values_.pop_front();
  ++begin_;
}

namespace {

class Total final : public SlidingState {
 public:
  enum class Kind { kSum, kAverage };
  explicit Total(Kind kind) : kind_(kind) {}
  void add(const HeldValues& held, std::size_t index) override { sum_.add(held.at(index)); }
  bool remove(const HeldValues& held, std::size_t index) override { return sum_.remove(held.at(index)); }
  Datum result(const HeldValues&) const override { return kind_ == Kind::kSum ? sum_.result() : sum_.average(); }

 private:
  Kind kind_;
  MovingSum sum_;
};

// The values that are the best from some document of the window on: the first of them is the window's. Of equals $min gives the first, $max the last.
class Best final : public SlidingState {
 public:
  Best(int sign, const bson::Collator* collator) : sign_(sign), collator_(collator) {}
  void add(const HeldValues& held, std::size_t index) override {
    const Datum& value = held.at(index);
    if (value.nullish()) return;
    while (!best_.empty()) {
      const int order = bson::compare_values(value.element(), held.at(best_.back()).element(), collator_) * sign_;
      if (order < 0 || (order == 0 && sign_ < 0)) break;
      best_.pop_back();
    }
    best_.push_back(index);
  }
  bool remove(const HeldValues&, std::size_t index) override {
    if (!best_.empty() && best_.front() == index) best_.pop_front();
    return true;
  }
  Datum result(const HeldValues& held) const override { return best_.empty() ? Datum::null() : held.at(best_.front()).own(); }
  std::size_t bytes() const override { return best_.size() * sizeof(std::size_t); }

 private:
  int sign_;
  const bson::Collator* collator_;
  std::deque<std::size_t> best_;
};

class All final : public SlidingState {
 public:
  void add(const HeldValues&, std::size_t) override {}
  bool remove(const HeldValues&, std::size_t) override { return true; }
  Datum result(const HeldValues& held) const override {
    bson::ArrayBuilder items;
    for (auto index = held.begin(); index < held.end(); ++index) {
      if (!held.at(index).missing()) items.append(held.at(index).element());
    }
    return Datum::array(std::move(items));
  }
};

// Welford's sums. Every value that goes leaves some error of rounding: after as many as the window has they are made anew, and when what is
// left of the squares is small beside what there was, for it might be nothing but error.
class Deviation final : public SlidingState {
 public:
  explicit Deviation(bool sample) : sample_(sample) {}
  void add(const HeldValues& held, std::size_t index) override {
    const Datum& value = held.at(index);
    if (!value.is_number()) return;
    const double number = as_double(value);
    if (!std::isfinite(number)) {
      ++not_finite_;
      return;
    }
    ++count_;
    const double delta = number - mean_;
    mean_ += delta / static_cast<double>(count_);
    squares_ += delta * (number - mean_);
    peak_ = std::max(peak_, squares_);
  }
  bool remove(const HeldValues& held, std::size_t index) override {
    const Datum& value = held.at(index);
    if (!value.is_number()) return true;
    const double number = as_double(value);
    if (!std::isfinite(number)) {
      --not_finite_;
      return true;
    }
    if (++removed_ > count_ || !std::isfinite(squares_)) return false;
    if (--count_ == 0) return false;
    const double delta = number - mean_;
    mean_ -= delta / static_cast<double>(count_);
    squares_ -= delta * (number - mean_);
    return squares_ >= peak_ * kTrusted;
  }
  Datum result(const HeldValues&) const override {
    const std::int64_t all = count_ + not_finite_, divisor = sample_ ? all - 1 : all;
    if (divisor <= 0) return Datum::null();
    if (not_finite_ > 0) return Datum::from(std::numeric_limits<double>::quiet_NaN());
    return Datum::from(std::sqrt(squares_ / static_cast<double>(divisor)));
  }

 private:
  static constexpr double kTrusted = 1.0 / (1 << 16);

  bool sample_;
  std::int64_t count_ = 0, not_finite_ = 0, removed_ = 0;
  double mean_ = 0, squares_ = 0, peak_ = 0;
};

class Sliding final : public WindowFunction {
 public:
  Sliding(const Window& window, MakeSlidingState make, const Expression& operand, const Partition& partition)
      : make_(make), operand_(operand), partition_(partition), frames_(window, partition), state_(make(*partition.context)) {}

  Result<Datum> at(std::size_t index) override {
    const auto frame = TRY(frames_.at(index));
    if (!frame) return make_(*partition_.context)->result(HeldValues());
    if (frame->begin == held_.begin() && frame->end == held_.end() && known_) return *known_;
    if (frame->begin < held_.begin() || frame->begin >= held_.end() || frame->end < held_.end()) begin_anew(frame->begin);
    while (held_.end() < frame->end) {
      TRY(look());
      Variables variables(partition_.documents[held_.end()], *partition_.context);
      held_.push(TRY(operand_.evaluate(variables)));
      state_->add(held_, held_.end() - 1);
    }
    TRY(drop_until(frame->begin));
    known_ = state_->result(held_);
    return *known_;
  }
  std::size_t bytes() const override { return held_.bytes() + state_->bytes() + (known_ ? known_->bytes() : 0); }

 private:
  void begin_anew(std::size_t begin) {
    held_.restart(begin);
    state_ = make_(*partition_.context);
  }
  // What is left is added anew once, however many go.
  Status drop_until(std::size_t begin) {
    bool exact = true;
    while (held_.begin() < begin) {
      exact = exact && state_->remove(held_, held_.begin());
      held_.pop();
    }
    if (exact) return {};
    state_ = make_(*partition_.context);
    for (auto index = held_.begin(); index < held_.end(); ++index) {
      TRY(look());
      state_->add(held_, index);
    }
    return {};
  }
  Status look() const { return partition_.interrupted && *partition_.interrupted ? (*partition_.interrupted)() : Status(); }

  const MakeSlidingState make_;
  const Expression& operand_;
  const Partition& partition_;
  Frames frames_;
  HeldValues held_;
  std::unique_ptr<SlidingState> state_;
  std::optional<Datum> known_;
};

struct Row {
  std::string_view name;
  MakeSlidingState make;
};
template <typename State, auto... kArguments>
std::unique_ptr<SlidingState> plain(const EvaluationContext&) {
  return std::make_unique<State>(kArguments...);
}
template <int kSign>
std::unique_ptr<SlidingState> best(const EvaluationContext& context) {
  return std::make_unique<Best>(kSign, context.collator.get());
}
constexpr Row kRows[] = {
    {"$sum", plain<Total, Total::Kind::kSum>}, {"$count", plain<Total, Total::Kind::kSum>}, {"$avg", plain<Total, Total::Kind::kAverage>},
    {"$min", best<-1>},                        {"$max", best<1>},                           {"$push", plain<All>},
    {"$stdDevPop", plain<Deviation, false>},   {"$stdDevSamp", plain<Deviation, true>},
};

}  // namespace

MakeSlidingState find_sliding_state(std::string_view name) {
  const auto row = std::ranges::find(kRows, name, &Row::name);
  return row == std::end(kRows) ? nullptr : row->make;
}

std::unique_ptr<WindowFunction> make_sliding(const Window& window, MakeSlidingState make, const Expression& operand, const Partition& partition) {
  return std::make_unique<Sliding>(window, make, operand, partition);
}

}  // namespace drover::sandbox::query
