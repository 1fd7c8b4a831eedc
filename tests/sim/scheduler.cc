#include "scheduler.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "bson/hash.h"

namespace drover::sim {

struct Scheduler::Task {
  std::uint64_t id;
  std::string name;
  Process* process;
  std::unique_ptr<Fiber> fiber;
  bool waiting = false;
  bool immune = false;
  std::string what;                 // while waiting
  const void* channel = nullptr;
  Duration deadline{};              // zero: none
  const std::stop_token* stop = nullptr;
  int locks = 0;

  bool held_back() const { return process != nullptr && process->paused && !immune; }
  bool runnable(Duration now) const {
    if (fiber->ended() || held_back()) return false;
    if (!waiting) return true;
    if (stop != nullptr && stop->stop_requested()) return true;
    return deadline.count() != 0 && deadline <= now;
  }
};

Scheduler::Scheduler(Options options) : options_(std::move(options)), random_(options_.seed) {}
Scheduler::~Scheduler() = default;

void Scheduler::run(std::function<void()> main) {
  Task* first = spawn("main", nullptr, std::move(main));
  while (!first->fiber->ended()) {
    Task* next = choose();
    if (next != current_ || next->waiting) record(next->id);
    next->waiting = false;
    current_ = next;
    inside_ = true;
    next->fiber->enter();
    inside_ = false;
    if (!failure_.empty()) fail(failure_);
    if (next->fiber->ended() && next != first) {
      wake(next);
      std::erase_if(tasks_, [&](const auto& task) { return task.get() == next; });
      current_ = nullptr;
    }
  }
  current_ = nullptr;
  if (tasks_.size() > 1) fail("threads are left at the end\n" + dump());
  tasks_.clear();
}

Scheduler::Task* Scheduler::spawn(std::string name, Process* process, std::function<void()> body) {
  auto task = std::make_unique<Task>();
  task->id = next_id_++;
  task->name = std::move(name);
  task->process = process;
  task->fiber = std::make_unique<Fiber>(std::move(body));
  tasks_.push_back(std::move(task));
  return tasks_.back().get();
}

bool Scheduler::ended(const Task* task) const {
  return std::none_of(tasks_.begin(), tasks_.end(), [&](const auto& other) { return other.get() == task; });
}

void Scheduler::yield() { leave_current(); }

void Scheduler::block(std::string_view what, const void* channel, Duration deadline, const std::stop_token* stop) {
  Task& task = *current_;
  task.waiting = true;
  task.what = what;
  task.channel = channel;
  task.deadline = deadline;
  task.stop = stop;
  leave_current();
  task.stop = nullptr;
}

void Scheduler::wake(const void* channel) {
  for (const auto& task : tasks_) {
    if (task->waiting && task->channel == channel) task->waiting = false;
  }
}

void Scheduler::sleep_until(Duration time) {
  while (now_ < time) block("sleeping", nullptr, time);
}

void Scheduler::fail(const std::string& message) {
  if (inside_) {
    failure_ = message;
    for (;;) leave_current();
  }
  options_.on_failure(message);
  CHECK(false, "the failure handler returned");
  std::abort();
}

Process* Scheduler::process() const { return current_ == nullptr ? nullptr : current_->process; }
const std::string& Scheduler::current_name() const {
  static const std::string kNone = "-";
  return current_ == nullptr ? kNone : current_->name;
}
void Scheduler::set_immune(bool immune) { current_->immune = immune; }
int& Scheduler::locks_held() { return current_->locks; }

void Scheduler::record(std::string_view text) { record(bson::hash64(text)); }

void Scheduler::trace(const std::string& line) {
  if (!options_.on_trace) return;
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(now_).count();
  options_.on_trace(fmt::format("{:>12.6f} {:<28} {}", static_cast<double>(micros) / 1e6, current_name(), line));
}

std::string Scheduler::dump() const {
  std::string text;
  for (const auto& task : tasks_) {
    text += fmt::format("  {}{}: {}\n", task->name, task->held_back() ? " (process paused)" : "",
                        task->waiting ? task->what : "runnable");
  }
  return text;
}

Scheduler::Task* Scheduler::choose() {
  if (++steps_ > options_.max_steps) fail("livelock: too many steps\n" + dump());
  now_ += Duration(random_.below(5'000));
  collect_runnable();
  if (runnable_.empty()) {
    Duration next{};
    for (const auto& task : tasks_) {
      if (!task->waiting || task->held_back() || task->deadline.count() == 0) continue;
      if (next.count() == 0 || task->deadline < next) next = task->deadline;
    }
    if (next.count() == 0) fail("deadlock: every thread waits\n" + dump());
    now_ = std::max(now_, next);
    if (now_ > options_.max_time) fail("livelock: too much virtual time\n" + dump());
    collect_runnable();
  }
  if (current_ != nullptr && !current_->waiting && current_->runnable(now_) &&
      random_.below(100) < static_cast<std::uint64_t>(stickiness_)) {
    return current_;
  }
  return runnable_[random_.below(runnable_.size())];
}

void Scheduler::collect_runnable() {
  runnable_.clear();
  for (const auto& task : tasks_) {
    if (task->runnable(now_)) runnable_.push_back(task.get());
  }
}

void Scheduler::leave_current() { current_->fiber->leave(); }

}  // namespace drover::sim
