// The Runtime of one simulated process: threads are fibers of the Scheduler, time is virtual, chance comes from the seed.
// `reached` calls a hook of the harness, which may kill the process there.
//
// It also holds the engine to the Runtime's rules: a sleep or a port call while a Monitor is held fails the seed.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/runtime.h"
#include "scheduler.h"

namespace drover::sim {

class SimRuntime final : public Runtime {
 public:
  SimRuntime(Scheduler& scheduler, Process& process) : scheduler_(scheduler), process_(process) {}

  SteadyTime now() override { return scheduler_.now() - unseen; }
  std::chrono::system_clock::time_point wall_time() override;
  std::uint64_t random() override { return scheduler_.random().next(); }
  bool sleep(Duration duration, const std::stop_token& stop) override;
  std::unique_ptr<Thread> spawn(std::string name, std::function<void(std::stop_token)> body) override;
  std::unique_ptr<Monitor> make_monitor() override;
  void reached(std::string_view fail_point) override;

  // Called at every fail point of a live process.
  std::function<void(std::string_view)> on_reached;
  // How far this host's clock is off.
  std::chrono::seconds clock_error{0};
  // What its steady clock has missed, as that of a virtual machine which was suspended.
  Duration unseen{};

 private:
  Scheduler& scheduler_;
  Process& process_;
};

// The rule above, for the ports.
void check_no_lock_held(Scheduler& scheduler, std::string_view doing);

}  // namespace drover::sim
