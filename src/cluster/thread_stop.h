// Every call to a deployment that this thread makes while one of these lives ends as interrupted soon after `stop` is
// requested, whatever it waits for. The server may still carry out what it has received. They nest: the inner one counts.
#pragma once

#include <stop_token>
#include <utility>

namespace drover::cluster {

class ThreadStop {
 public:
  explicit ThreadStop(std::stop_token stop) : stop_(std::move(stop)), outer_(current_) { current_ = this; }
  ~ThreadStop() { current_ = outer_; }
  ThreadStop(const ThreadStop&) = delete;
  ThreadStop& operator=(const ThreadStop&) = delete;

  // This thread's.
  static bool requested() { return current_ != nullptr && current_->stop_.stop_requested(); }

 private:
  const std::stop_token stop_;
  const ThreadStop* const outer_;
  static inline thread_local const ThreadStop* current_ = nullptr;
};

}  // namespace drover::cluster
