#include "sim_runtime.h"

#include <fmt/format.h>

namespace drover::sim {
namespace {

class SimMonitor final : public Runtime::Monitor {
 public:
  explicit SimMonitor(Scheduler& scheduler) : scheduler_(scheduler) {}

  void lock() override {
    scheduler_.yield();
    acquire();
  }
  void unlock() override {
    release();
    scheduler_.yield();
  }
  void notify_all() override { scheduler_.wake(&changed_); }

  bool wait(const std::stop_token& stop, Duration timeout, const std::function<bool()>& ready) override {
    const Duration deadline = timeout.count() > 0 ? scheduler_.now() + timeout : Duration{};
    for (;;) {
      if (ready()) return true;
      if (stop.stop_requested() || (deadline.count() != 0 && scheduler_.now() >= deadline)) return false;
      release();
      scheduler_.block("waiting on a monitor", &changed_, deadline, &stop);
      acquire();
    }
  }

 private:
  void acquire() {
    while (held_) scheduler_.block("waiting for a lock", &held_);
    held_ = true;
    ++scheduler_.locks_held();
  }
  void release() {
    if (!held_) scheduler_.fail("a monitor is unlocked that was not locked");
    held_ = false;
    --scheduler_.locks_held();
    scheduler_.wake(&held_);
  }

  Scheduler& scheduler_;
  bool held_ = false;
  char changed_ = 0;  // its address is the channel
};

class SimThread final : public Runtime::Thread {
 public:
  SimThread(Scheduler& scheduler, Process& process, std::string name, std::function<void(std::stop_token)> body)
      : scheduler_(scheduler) {
    task_ = scheduler_.spawn(process.name + "/" + name, &process,
                             [body = std::move(body), token = stop_.get_token(), done = done_]() mutable {
                               body(std::move(token));
                               *done = true;
                             });
  }
  ~SimThread() override {
    stop_.request_stop();
    join();
  }
  void request_stop() override { stop_.request_stop(); }
  void join() override {
    while (!*done_) scheduler_.block("joining a thread", task_);
  }

 private:
  Scheduler& scheduler_;
  std::stop_source stop_;
  std::shared_ptr<bool> done_ = std::make_shared<bool>(false);
  Scheduler::Task* task_ = nullptr;
};

}  // namespace

std::chrono::system_clock::time_point SimRuntime::wall_time() {
  // 2026-01-01, in virtual time, as this host sees it.
  return std::chrono::system_clock::time_point(std::chrono::seconds(1767225600) + clock_error) +
         std::chrono::duration_cast<std::chrono::system_clock::duration>(scheduler_.now());
}

bool SimRuntime::sleep(Duration duration, const std::stop_token& stop) {
  check_no_lock_held(scheduler_, "sleeps");
  const Duration end = scheduler_.now() + duration;
  while (!stop.stop_requested() && scheduler_.now() < end) scheduler_.block("sleeping", nullptr, end, &stop);
  scheduler_.yield();
  return !stop.stop_requested();
}

std::unique_ptr<Runtime::Thread> SimRuntime::spawn(std::string name, std::function<void(std::stop_token)> body) {
  auto thread = std::make_unique<SimThread>(scheduler_, process_, std::move(name), std::move(body));
  scheduler_.yield();
  return thread;
}

std::unique_ptr<Runtime::Monitor> SimRuntime::make_monitor() { return std::make_unique<SimMonitor>(scheduler_); }

void SimRuntime::reached(std::string_view fail_point) {
  scheduler_.record(fail_point);
  if (on_reached && !process_.dead) on_reached(fail_point);
  if (scheduler_.locks_held() == 0) scheduler_.yield();
}

void check_no_lock_held(Scheduler& scheduler, std::string_view doing) {
  if (scheduler.locks_held() > 0) {
    scheduler.fail(fmt::format("{} {} while it holds a monitor", scheduler.current_name(), doing));
  }
}

}  // namespace drover::sim
