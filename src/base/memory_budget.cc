#include "base/memory_budget.h"

#include <algorithm>

namespace drover {

namespace {

using Clock = std::chrono::steady_clock;

// How long a wait sleeps at most where it is told of everything.
constexpr std::chrono::minutes kLongSleep{1};

Clock::time_point end_of(std::chrono::nanoseconds timeout) {
  return timeout == kNoTimeout ? Clock::time_point::max() : Clock::now() + timeout;
}

// Looks at `ready` whenever it is notified, and at least once in every `step`.
template <typename Ready>
bool wait_in_steps(std::condition_variable_any& changed, std::unique_lock<std::mutex>& lock, const std::stop_token& stop, std::chrono::nanoseconds step,
                   std::chrono::nanoseconds timeout, Ready&& ready) {
  const auto end = end_of(timeout);
  while (true) {
    const auto left = std::max<std::chrono::nanoseconds>(end - Clock::now(), std::chrono::nanoseconds::zero());
    if (changed.wait_for(lock, stop, std::min(left, step), ready)) return true;
    if (stop.stop_requested() || left == std::chrono::nanoseconds::zero()) return false;
  }
}

}  // namespace

std::size_t MemoryBudget::used() const {
  std::lock_guard lock(mutex_);
  return used_;
}

bool MemoryBudget::is_short() const {
  std::lock_guard lock(mutex_);
  return !queue_.empty() || waiting_to_grow_ > 0;
}

bool MemoryBudget::try_take(std::size_t more) {
  if (!is_free(more)) return false;
  if (process_ != nullptr && used_ == 0) process_->grant(more);
  else if (process_ != nullptr && !process_->has_room(more)) return false;
  used_ += more;
  return true;
}

template <typename Ready>
bool MemoryBudget::wait(std::unique_lock<std::mutex>& lock, const std::stop_token& stop, std::chrono::nanoseconds timeout, Ready&& ready) {
  return wait_in_steps(changed_, lock, stop, process_ == nullptr ? std::chrono::nanoseconds(kLongSleep) : kLookForRoom, timeout, ready);
}

MemoryShare& MemoryShare::operator=(MemoryShare&& other) noexcept {
  if (this == &other) return *this;
  release();
  budget_ = other.budget_;
  bytes_ = std::exchange(other.bytes_, 0);
  overdrawn_ = std::exchange(other.overdrawn_, false);
  return *this;
}

bool MemoryShare::try_grow_to(std::size_t bytes) {
  if (bytes <= bytes_) return true;
  if (budget_ != nullptr) {
    std::lock_guard lock(budget_->mutex_);
    if (overdrawn_) {
      budget_->used_ += bytes - bytes_;
    } else if (!budget_->queue_.empty() || !budget_->try_take(bytes - bytes_)) {
      return false;
    }
  }
  bytes_ = bytes;
  return true;
}

bool MemoryShare::take(std::size_t bytes, const std::stop_token& stop, std::chrono::nanoseconds timeout) {
  release();
  if (budget_ == nullptr) return true;
  auto& budget = *budget_;
  bytes = std::min(bytes, budget.limit_);
  std::unique_lock lock(budget.mutex_);
  const auto turn = budget.next_turn_++;
  budget.queue_.insert(turn);
  const bool granted = budget.wait(lock, stop, timeout, [&] { return *budget.queue_.begin() == turn && budget.try_take(bytes); });
  budget.queue_.erase(turn);
  if (granted) bytes_ = bytes;
  if (!budget.queue_.empty()) budget.changed_.notify_all();
  return granted;
}

bool MemoryShare::grow_to(std::size_t bytes, const std::stop_token& stop, std::chrono::nanoseconds timeout) {
  if (try_grow_to(bytes)) return true;
  auto& budget = *budget_;
  std::unique_lock lock(budget.mutex_);
  const auto more = bytes - bytes_;
  ++budget.waiting_to_grow_;
  const bool granted = budget.wait(lock, stop, timeout, [&] {
    if (budget.try_take(more)) return true;
    if (budget.overdrawn_) return false;
    overdrawn_ = budget.overdrawn_ = true;
    budget.used_ += more;
    return true;
  });
  --budget.waiting_to_grow_;
  if (!granted) return false;
  bytes_ = bytes;
  return true;
}

void MemoryShare::release() {
  if (bytes_ == 0 && !overdrawn_) return;
  if (budget_ != nullptr) {
    std::lock_guard lock(budget_->mutex_);
    budget_->used_ -= bytes_;
    if (overdrawn_) budget_->overdrawn_ = false;
    budget_->changed_.notify_all();
  }
  bytes_ = 0;
  overdrawn_ = false;
}

bool Admission::enter(const std::stop_token& stop, std::chrono::nanoseconds timeout) {
  std::unique_lock lock(mutex_);
  const auto may_enter = [&] { return free_ > 0 && (process_ == nullptr || inside_ == 0 || process_->has_room(0)); };
  if (!wait_in_steps(changed_, lock, stop, kLookForRoom, timeout, may_enter)) return false;
  --free_;
  ++inside_;
  return true;
}

void Admission::leave() {
  std::lock_guard lock(mutex_);
  ++free_;
  --inside_;
  changed_.notify_one();
}

}  // namespace drover
