#include "fiber.h"

#include <sys/mman.h>

#include <cstdint>
#include <vector>

#include "base/check.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#define SWITCH_START(save, bottom, size) __sanitizer_start_switch_fiber(save, bottom, size)
#define SWITCH_FINISH(fake, bottom, size) __sanitizer_finish_switch_fiber(fake, bottom, size)
#else
#define SWITCH_START(save, bottom, size) (void)0
#define SWITCH_FINISH(fake, bottom, size) (void)0
#endif

namespace drover::sim {
namespace {

constexpr std::size_t kStackBytes = 1 << 20;  // reserved; only touched pages cost memory
constexpr std::size_t kGuardBytes = 4096;

// Stacks are kept for the next fiber: mapping one costs more than a whole simulated request.
std::vector<void*>& spare_stacks() {
  static std::vector<void*> stacks;
  return stacks;
}

void* take_stack() {
  auto& spare = spare_stacks();
  if (!spare.empty()) {
    void* stack = spare.back();
    spare.pop_back();
    return stack;
  }
  void* stack = mmap(nullptr, kStackBytes + kGuardBytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  CHECK(stack != MAP_FAILED, "no memory for a fiber's stack");
  CHECK(mprotect(stack, kGuardBytes, PROT_NONE) == 0, "cannot guard a fiber's stack");
  return stack;
}

}  // namespace

Fiber::Fiber(std::function<void()> body) : body_(std::move(body)), stack_(take_stack()) {
  CHECK(getcontext(&own_) == 0, "getcontext failed");
  own_.uc_stack.ss_sp = static_cast<char*>(stack_) + kGuardBytes;
  own_.uc_stack.ss_size = kStackBytes;
  own_.uc_link = nullptr;
  const auto self = reinterpret_cast<std::uintptr_t>(this);
  makecontext(&own_, reinterpret_cast<void (*)()>(&Fiber::start), 2, static_cast<unsigned>(self >> 32),
              static_cast<unsigned>(self));
}

Fiber::~Fiber() {
  // A fiber that never ended (a failed seed) still has objects on its stack: the stack is left alone.
  if (ended_) spare_stacks().push_back(stack_);
}

void Fiber::enter() {
  SWITCH_START(&fake_host_, own_.uc_stack.ss_sp, own_.uc_stack.ss_size);
  swapcontext(&host_, &own_);
  SWITCH_FINISH(fake_host_, nullptr, nullptr);
}

void Fiber::leave() {
  SWITCH_START(ended_ ? nullptr : &fake_own_, host_bottom_, host_size_);
  swapcontext(&own_, &host_);
  SWITCH_FINISH(fake_own_, &host_bottom_, &host_size_);
}

void Fiber::start(unsigned high, unsigned low) {
  auto* fiber = reinterpret_cast<Fiber*>(static_cast<std::uintptr_t>(high) << 32 | low);
  SWITCH_FINISH(nullptr, &fiber->host_bottom_, &fiber->host_size_);
  fiber->body_();
  fiber->body_ = nullptr;
  fiber->ended_ = true;
  fiber->leave();
  CHECK(false, "an ended fiber was entered");
}

}  // namespace drover::sim
