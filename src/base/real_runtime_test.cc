// The steady clock goes on while the machine is suspended. A suspension cannot be staged; a time namespace, in which the clock
// that counts it is ahead of the one that does not, can.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>

#include "base/runtime.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

namespace drover {
namespace {

constexpr int kSuspendedSeconds = 100'000;
enum Verdict { kGoesOn = 0, kStandsStill = 1, kNoNamespace = 2 };

Duration clock_now(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

// In a child of a child: a process keeps its own time, its children get the new one.
int judge() {
  if (::unshare(CLONE_NEWUSER | CLONE_NEWTIME) != 0 && ::unshare(CLONE_NEWTIME) != 0) return kNoNamespace;
  auto* offsets = std::fopen("/proc/self/timens_offsets", "w");
  if (offsets == nullptr) return kNoNamespace;
  std::fprintf(offsets, "boottime %d 0\n", kSuspendedSeconds);
  if (std::fclose(offsets) != 0) return kNoNamespace;
  const pid_t child = ::fork();
  if (child == 0) {
    const auto ahead = make_real_runtime()->now() - clock_now(CLOCK_MONOTONIC);
    ::_exit(ahead > std::chrono::seconds(kSuspendedSeconds / 2) ? kGoesOn : kStandsStill);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : kStandsStill;
}

TEST(RealRuntime, TimeGoesOnWhileTheMachineIsSuspended) {
  const auto before = clock_now(CLOCK_BOOTTIME);
  const auto now = make_real_runtime()->now();
  EXPECT_LE(before, now);
  EXPECT_LE(now, clock_now(CLOCK_BOOTTIME));

  const pid_t child = ::fork();
  if (child == 0) ::_exit(judge());
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == kNoNamespace) GTEST_SKIP() << "this host permits no time namespace";
  EXPECT_EQ(WEXITSTATUS(status), kGoesOn);
}

}  // namespace
}  // namespace drover
