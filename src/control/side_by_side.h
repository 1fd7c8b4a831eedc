// Tasks side by side, on a few threads that are there only while there are tasks. Those that wait are carried out in the order in which they came. Thread-safe.
// Destruction lets those that run end, and drops the others.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "base/runtime.h"

namespace drover::control {

class SideBySide {
 public:
  using Task = std::function<void(const std::stop_token&)>;

  // `most`: threads at once.
  SideBySide(Runtime& runtime, std::string name, int most);
  ~SideBySide();
  SideBySide(const SideBySide&) = delete;
  SideBySide& operator=(const SideBySide&) = delete;

  void add(Task task);
  // Until none runs or waits.
  void await();

 private:
  struct Worker {
    bool works = false;
    std::unique_ptr<Runtime::Thread> thread;
  };
  void work(Worker& worker, const std::stop_token& stop);

  Runtime& runtime_;
  const std::string name_;
  std::unique_ptr<Runtime::Monitor> lock_;
  bool ending_ = false;
  std::deque<Task> waiting_;
  std::vector<Worker> workers_;  // of a fixed number
};

}  // namespace drover::control
