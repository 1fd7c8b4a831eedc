// One cooperative thread: a stack and a saved context. Only the Scheduler switches them.
#pragma once

#include <ucontext.h>

#include <cstddef>
#include <functional>

namespace drover::sim {

class Fiber {
 public:
  // The body runs when the fiber is first entered; when it returns the fiber has ended.
  explicit Fiber(std::function<void()> body);
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // From the host context into the fiber, until it calls `leave`.
  void enter();
  // From inside the fiber back to the host.
  void leave();
  bool ended() const { return ended_; }

 private:
  static void start(unsigned high, unsigned low);

  std::function<void()> body_;
  ucontext_t host_{};
  ucontext_t own_{};
  void* stack_ = nullptr;
  bool ended_ = false;
  // Address sanitizer's bookkeeping.
  void* fake_host_ = nullptr;
  void* fake_own_ = nullptr;
  const void* host_bottom_ = nullptr;
  std::size_t host_size_ = 0;
};

}  // namespace drover::sim
