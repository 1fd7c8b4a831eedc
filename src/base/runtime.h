// Time, chance, threads and waiting, injected. The real runtime uses the machine's; the simulator's (tests/sim) runs one
// thread at a time and chooses the next by seed, so that a seed replays exactly. Engine code touches none of these but
// through here: no std::thread, std::mutex with waiting, sleep, clock or random device of its own.
//
// Rules that make simulation possible: never call a cluster port or sleep while holding a Monitor; never spin.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>

namespace drover {

using SteadyTime = std::chrono::nanoseconds;  // since an arbitrary start
using Duration = std::chrono::nanoseconds;

class Runtime {
 public:
  // A mutex with one condition. Locks are leaves. `wait` releases the lock while waiting.
  class Monitor {
   public:
    virtual ~Monitor() = default;
    virtual void lock() = 0;
    virtual void unlock() = 0;
    virtual void notify_all() = 0;
    // Waits until `ready()`, a stop request, or the timeout (0: none). Lock held on entry and on return. Returns ready().
    virtual bool wait(const std::stop_token& stop, Duration timeout, const std::function<bool()>& ready) = 0;
  };
  // Joins on destruction, after requesting a stop.
  class Thread {
   public:
    virtual ~Thread() = default;
    virtual void request_stop() = 0;
    virtual void join() = 0;
  };

  virtual ~Runtime() = default;
  virtual SteadyTime now() = 0;
  virtual std::chrono::system_clock::time_point wall_time() = 0;
  virtual std::uint64_t random() = 0;
  // False when stopped early.
  virtual bool sleep(Duration duration, const std::stop_token& stop) = 0;
  virtual std::unique_ptr<Thread> spawn(std::string name, std::function<void(std::stop_token)> body) = 0;
  virtual std::unique_ptr<Monitor> make_monitor() = 0;
  // Called at named points (fail_point.h). The simulator switches threads or kills the process here.
  virtual void reached(std::string_view fail_point) = 0;
};

// The machine's own. One per process, made in main.
std::unique_ptr<Runtime> make_real_runtime();

// std::lock_guard works on Monitor.
using MonitorLock = std::lock_guard<Runtime::Monitor>;

}  // namespace drover
