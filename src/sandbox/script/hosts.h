// The processes that run scripts: how many there may be at once, and those that wait for the next operation. Started when first needed;
// one that has been idle for a while is ended. A process that has worked for one owner never works for another: who could break it would see
// what the next one's functions see. Thread-safe.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/process_memory.h"
#include "base/runtime.h"
#include "sandbox/script/host_process.h"

namespace drover {
class Log;
}

namespace drover::sandbox::script {

// What one process takes at most: the heap of its scripts, and itself.
inline constexpr std::size_t kHeapBytes = 96 << 20;
inline constexpr std::size_t kHostBytes = kHeapBytes + (8 << 20);

class Hosts {
 public:
  struct Options {
    std::size_t most = 2;
    std::string program = "/proc/self/exe";
    ResidentLimit* process = nullptr;  // whose room they take
    Log* log = nullptr;                // of processes that fail
  };
  Hosts(Options options, Runtime& runtime) : options_(std::move(options)), runtime_(runtime) {}
  ~Hosts();

  // One operation's, given back when it is destroyed.
  class Lease {
   public:
    Lease() = default;
    Lease(Lease&& other) noexcept : hosts_(other.hosts_), owner_(std::move(other.owner_)), process_(std::move(other.process_)) {}
    Lease& operator=(Lease&&) = delete;
    ~Lease();
    HostProcess& operator*() const { return *process_; }
    explicit operator bool() const { return process_ != nullptr; }

   private:
    friend class Hosts;
    Lease(Hosts* hosts, std::string owner, std::unique_ptr<HostProcess> process) : hosts_(hosts), owner_(std::move(owner)), process_(std::move(process)) {}
    Hosts* hosts_ = nullptr;
    std::string owner_;
    std::unique_ptr<HostProcess> process_;
  };
  // Nothing: all are in use.
  Result<std::optional<Lease>> try_take(const std::string& owner);
  // Waits while all are in use, and asks `check` meanwhile; 146 after kPatience.
  Result<Lease> take(const std::string& owner, const HostProcess::Check& check);
  // Now and then: ends those that nobody has used for a while.
  void expire();
  std::size_t running() const;

 private:
  struct Idle {
    std::unique_ptr<HostProcess> process;
    std::string owner;
    SteadyTime since;
  };
  // With mutex_ held.
  bool try_count();
  void ended();
  std::unique_ptr<HostProcess> idle_of(const std::string& owner);

  void give_back(std::unique_ptr<HostProcess> process, std::string owner);

  const Options options_;
  Runtime& runtime_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Idle> idle_;
  std::size_t running_ = 0;  // idle ones among them
};

}  // namespace drover::sandbox::script
