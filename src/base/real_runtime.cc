#include <pthread.h>
#include <time.h>

#include <mutex>
#include <random>
#include <thread>

#include "base/fail_point.h"
#include "base/runtime.h"

namespace drover {
namespace {

class RealMonitor final : public Runtime::Monitor {
 public:
  void lock() override { mutex_.lock(); }
  void unlock() override { mutex_.unlock(); }
  void notify_all() override { changed_.notify_all(); }
  bool wait(const std::stop_token& stop, Duration timeout, const std::function<bool()>& ready) override {
    std::unique_lock lock(mutex_, std::adopt_lock);
    bool result;
    if (timeout.count() > 0) {
      result = changed_.wait_for(lock, stop, timeout, ready);
    } else {
      result = changed_.wait(lock, stop, ready);
    }
    lock.release();
    return result;
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any changed_;
};

class RealThread final : public Runtime::Thread {
 public:
  RealThread(std::string name, std::function<void(std::stop_token)> body)
      : thread_([name = std::move(name), body = std::move(body)](std::stop_token stop) {
          pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
          body(std::move(stop));
        }) {}
  void request_stop() override { thread_.request_stop(); }
  void join() override {
    if (thread_.joinable()) thread_.join();
  }

 private:
  std::jthread thread_;
};

class RealRuntime final : public Runtime {
 public:
  // It goes on while the machine is suspended: what was true before need not be true after.
  SteadyTime now() override {
    timespec time{};
    ::clock_gettime(CLOCK_BOOTTIME, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  }
  std::chrono::system_clock::time_point wall_time() override { return std::chrono::system_clock::now(); }
  std::uint64_t random() override {
    thread_local std::mt19937_64 generator{(static_cast<std::uint64_t>(std::random_device{}()) << 32) ^
                                           std::random_device{}()};
    return generator();
  }
  bool sleep(Duration duration, const std::stop_token& stop) override {
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    never.wait_for(lock, stop, duration, [] { return false; });
    return !stop.stop_requested();
  }
  std::unique_ptr<Thread> spawn(std::string name, std::function<void(std::stop_token)> body) override {
    return std::make_unique<RealThread>(std::move(name), std::move(body));
  }
  std::unique_ptr<Monitor> make_monitor() override { return std::make_unique<RealMonitor>(); }
  void reached(std::string_view fail_point) override { kill_if_armed(fail_point); }
};

}  // namespace

std::unique_ptr<Runtime> make_real_runtime() { return std::make_unique<RealRuntime>(); }

}  // namespace drover
