// Runs one fiber at a time and chooses the next by seed, so that a seed replays exactly. Time is virtual: it jumps to
// the next timer when everybody waits. A process is a set of fibers that can be paused together; simulated servers'
// and users' fibers belong to none.
//
// Failures (deadlock, livelock, a broken rule of the runtime) end the seed: they are handed to `on_failure`, outside any
// fiber; it ends the process or throws out of `run`. Fibers that have not ended are then left where they are.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/runtime.h"
#include "fiber.h"
#include "random.h"

namespace drover::sim {

struct Process {
  std::string name;
  bool paused = false;  // none of its fibers is chosen
  bool dead = false;    // its calls to the outside fail without effect
  bool superseded = false;  // another owns the migration now
};

class Scheduler {
 public:
  struct Options {
    std::uint64_t seed = 1;
    std::uint64_t max_steps = 20'000'000;
    Duration max_time = std::chrono::hours(6);
    std::function<void(const std::string&)> on_failure;
    std::function<void(const std::string&)> on_trace;    // when set, every decision is printed
  };
  struct Task;  // a fiber and what it waits for

  explicit Scheduler(Options options);
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // Called once, from outside any fiber: runs `main` as a fiber until it returns. Fibers left over are a failure.
  void run(std::function<void()> main);

  // The rest is called from inside fibers.
  Task* spawn(std::string name, Process* process, std::function<void()> body);
  bool ended(const Task* task) const;
  // A point where another may go on.
  void yield();
  // Waits for `wake(channel)`, the deadline (0: none) or a stop request, whichever is first; may also return for no
  // reason. `what` is for dumps.
  void block(std::string_view what, const void* channel, Duration deadline = {}, const std::stop_token* stop = nullptr);
  void wake(const void* channel);
  void sleep_for(Duration duration) { sleep_until(now_ + duration); }
  void sleep_until(Duration time);
  [[noreturn]] void fail(const std::string& message);

  Duration now() const { return now_; }
  Random& random() { return random_; }
  Process* process() const;   // of the current fiber
  const std::string& current_name() const;
  // While `immune`, the current fiber goes on although its process is paused: a server finishes what it began.
  void set_immune(bool immune);
  int& locks_held();          // by the current fiber
  // How likely the current fiber goes on at a yield, out of 100.
  void set_stickiness(int percent) { stickiness_ = percent; }

  // Everything that happened, folded into one number.
  void record(std::uint64_t value) { hash_ = (hash_ ^ value) * 0x100000001b3ull + (hash_ >> 29); }
  void record(std::string_view text);
  std::uint64_t trace_hash() const { return hash_; }
  std::uint64_t steps() const { return steps_; }
  bool tracing() const { return static_cast<bool>(options_.on_trace); }
  void trace(const std::string& line);
  std::string dump() const;   // every fiber and what it waits for

 private:
  Task* choose();
  void collect_runnable();
  void leave_current();

  Options options_;
  Random random_;
  Duration now_{};
  std::uint64_t steps_ = 0;
  std::uint64_t hash_ = 0xcbf29ce484222325ull;
  std::uint64_t next_id_ = 1;
  int stickiness_ = 30;
  std::vector<std::unique_ptr<Task>> tasks_;
  std::vector<Task*> runnable_;
  Task* current_ = nullptr;
  bool inside_ = false;
  std::string failure_;
};

}  // namespace drover::sim
