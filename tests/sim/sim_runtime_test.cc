#include "sim_runtime.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "base/bounded_queue.h"

namespace drover::sim {
namespace {

using std::chrono::milliseconds;

// Runs `body` in a scheduler of its own and answers the failure, or nothing.
std::string run(std::uint64_t seed, const std::function<void(Scheduler&, SimRuntime&)>& body,
                std::uint64_t* hash = nullptr) {
  Scheduler::Options options;
  options.seed = seed;
  options.max_steps = 100'000;
  options.max_time = std::chrono::hours(1);
  options.on_failure = [](const std::string& message) { throw std::runtime_error(message); };
  Scheduler scheduler(options);
  Process process{"p"};
  SimRuntime runtime(scheduler, process);
  try {
    scheduler.run([&] { body(scheduler, runtime); });
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  if (hash != nullptr) *hash = scheduler.trace_hash();
  return "";
}

std::uint64_t hash_of_a_queue(std::uint64_t seed) {
  std::uint64_t hash = 0;
  const auto failure = run(seed, [](Scheduler& scheduler, SimRuntime& runtime) {
    BoundedQueue<int> queue(runtime, 2);
    std::vector<int> seen;
    {
      auto consumer = runtime.spawn("consumer", [&](std::stop_token stop) {
        while (auto item = queue.pop(stop)) seen.push_back(*item);
      });
      std::vector<std::unique_ptr<Runtime::Thread>> producers;
      for (int p = 0; p < 3; ++p) {
        producers.push_back(runtime.spawn("producer", [&, p](std::stop_token stop) {
          for (int i = 0; i < 10; ++i) {
            queue.push(p * 100 + i, stop);
            runtime.sleep(milliseconds(runtime.random() % 5), stop);
          }
        }));
      }
      for (auto& producer : producers) producer->join();
      queue.close();
      consumer->join();
    }
    EXPECT_EQ(seen.size(), 30u);
    for (const int item : seen) scheduler.record(static_cast<std::uint64_t>(item));
  }, &hash);
  EXPECT_EQ(failure, "");
  return hash;
}

TEST(SimRuntime, SameSeedSameTrace) {
  EXPECT_EQ(hash_of_a_queue(7), hash_of_a_queue(7));
  EXPECT_NE(hash_of_a_queue(7), hash_of_a_queue(8));
}

TEST(SimRuntime, TimeJumpsToTheNextTimer) {
  EXPECT_EQ(run(1, [](Scheduler&, SimRuntime& runtime) {
              const auto begun = runtime.now();
              EXPECT_TRUE(runtime.sleep(std::chrono::minutes(10), {}));
              EXPECT_GE(runtime.now() - begun, std::chrono::minutes(10));
              EXPECT_LT(runtime.now() - begun, std::chrono::minutes(11));
            }),
            "");
}

TEST(SimRuntime, StopWakesSleepersAndWaiters) {
  EXPECT_EQ(run(2, [](Scheduler&, SimRuntime& runtime) {
              auto monitor = runtime.make_monitor();
              auto waiter = runtime.spawn("waiter", [&](std::stop_token stop) {
                MonitorLock lock(*monitor);
                EXPECT_FALSE(monitor->wait(stop, {}, [] { return false; }));
              });
              auto sleeper = runtime.spawn("sleeper", [&](std::stop_token stop) {
                EXPECT_FALSE(runtime.sleep(std::chrono::minutes(30), stop));
              });
            }),
            "");
}

TEST(SimRuntime, WaitEndsAtItsTimeout) {
  EXPECT_EQ(run(3, [](Scheduler&, SimRuntime& runtime) {
              auto monitor = runtime.make_monitor();
              MonitorLock lock(*monitor);
              EXPECT_FALSE(monitor->wait({}, milliseconds(5), [] { return false; }));
            }),
            "");
}

TEST(SimRuntime, DeadlockIsFoundAndNamed) {
  const auto failure = run(4, [](Scheduler&, SimRuntime& runtime) {
    auto monitor = runtime.make_monitor();
    MonitorLock lock(*monitor);
    monitor->wait({}, {}, [] { return false; });
  });
  EXPECT_NE(failure.find("deadlock"), std::string::npos) << failure;
  EXPECT_NE(failure.find("main: waiting on a monitor"), std::string::npos) << failure;
}

TEST(SimRuntime, LivelockIsFound) {
  const auto failure = run(5, [](Scheduler& scheduler, SimRuntime&) {
    for (;;) scheduler.yield();
  });
  EXPECT_NE(failure.find("too many steps"), std::string::npos) << failure;
}

TEST(SimRuntime, SleepingWithALockIsAFault) {
  const auto failure = run(6, [](Scheduler&, SimRuntime& runtime) {
    auto monitor = runtime.make_monitor();
    MonitorLock lock(*monitor);
    runtime.sleep(milliseconds(1), {});
  });
  EXPECT_NE(failure.find("while it holds a monitor"), std::string::npos) << failure;
}

TEST(SimRuntime, APausedProcessStandsStill) {
  Process frozen{"frozen"};
  EXPECT_EQ(run(7, [&](Scheduler& scheduler, SimRuntime&) {
              SimRuntime theirs(scheduler, frozen);
              int count = 0;
              auto thread = theirs.spawn("counter", [&](std::stop_token stop) {
                while (theirs.sleep(milliseconds(1), stop)) ++count;
              });
              scheduler.sleep_for(milliseconds(50));
              EXPECT_GT(count, 0);
              frozen.paused = true;
              const int before = count;
              scheduler.sleep_for(milliseconds(500));
              EXPECT_EQ(count, before);
              frozen.paused = false;
              scheduler.sleep_for(milliseconds(50));
              EXPECT_GT(count, before);
            }),
            "");
}

}  // namespace
}  // namespace drover::sim
