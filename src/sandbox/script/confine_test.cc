// The calls themselves, from a process that has confined itself: through the interpreter none of them can be reached.
#include "sandbox/script/confine.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <string>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace drover::sandbox::script {
namespace {

constexpr std::size_t kPage = 4096;

template <typename... Arguments>
bool refused(long call, Arguments... arguments) {
  return ::syscall(call, arguments...) == -1 && errno == EPERM;
}

// What `ask` returns in a process that is confined: up to 255, and nothing that needs other calls.
template <typename Ask>
int confined(const Ask& ask) {
  const auto parent = ::getpid();
  const auto child = ::fork();
  if (child == 0) {
    if (!drop_privileges() || !confine_process()) ::_exit(255);
    ::_exit(ask(parent));
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

TEST(Confine, NothingIsOpenedNorMade) {
  // The number of the first call that was not refused.
  EXPECT_EQ(confined([](pid_t) {
    int number = 0;
    for (const bool is : {refused(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY, 0), refused(SYS_socket, AF_INET, SOCK_STREAM, 0), refused(SYS_execve, "/bin/sh", nullptr, nullptr),
                          refused(SYS_clone, SIGCHLD, 0, 0, 0, 0), refused(SYS_sendmsg, 3, nullptr, 0), refused(SYS_recvmsg, 3, nullptr, 0), refused(SYS_close, 0),
                          refused(SYS_dup, 0), refused(SYS_ptrace, 0, 0, 0, 0), refused(SYS_setuid, 0), refused(SYS_connect, 3, nullptr, 0)}) {
      ++number;
      if (!is) return number;
    }
    return 0;
  }), 0);
}

TEST(Confine, NobodyElseIsSignalled) {
  EXPECT_EQ(confined([](pid_t parent) {
    int number = 0;
    for (const bool is : {refused(SYS_tgkill, parent, parent, 0), refused(SYS_tgkill, -1, parent, 0), refused(SYS_kill, parent, 0), refused(SYS_tkill, parent, 0),
                          refused(SYS_rt_sigqueueinfo, parent, 0, nullptr)}) {
      ++number;
      if (!is) return number;
    }
    return 0;
  }), 0);
  EXPECT_EQ(confined([](pid_t) { return static_cast<int>(::syscall(SYS_tgkill, ::getpid(), ::syscall(SYS_gettid), SIGTERM)); }), 1000 + SIGTERM);
}

TEST(Confine, MemoryIsPrivateAndNoCode) {
  const auto map = [](int protection, int flags) { return ::mmap(nullptr, kPage, protection, flags, -1, 0); };
  constexpr int kRead = PROT_READ | PROT_WRITE, kPrivate = MAP_PRIVATE | MAP_ANONYMOUS;
  EXPECT_EQ(confined([&](pid_t) { return map(kRead, kPrivate) == MAP_FAILED ? 1 : 0; }), 0);
  EXPECT_EQ(confined([&](pid_t) { return ::mprotect(map(PROT_NONE, kPrivate | MAP_NORESERVE), kPage, kRead); }), 0);
  EXPECT_EQ(confined([&](pid_t) { return map(kRead, MAP_SHARED | MAP_ANONYMOUS) == MAP_FAILED ? 0 : 1; }), 0);
  EXPECT_EQ(confined([&](pid_t) { return map(kRead, MAP_SHARED_VALIDATE | MAP_ANONYMOUS) == MAP_FAILED && errno == EPERM ? 0 : 1; }), 0);
  EXPECT_EQ(confined([&](pid_t) { return map(kRead, kPrivate | MAP_GROWSDOWN) == MAP_FAILED ? 0 : 1; }), 0);
  EXPECT_EQ(confined([&](pid_t) { return map(kRead | PROT_EXEC, kPrivate) == MAP_FAILED ? 0 : 1; }), 0);
  EXPECT_EQ(confined([&](pid_t) { return ::mprotect(map(kRead, kPrivate), kPage, PROT_READ | PROT_EXEC) == -1 && errno == EPERM ? 0 : 1; }), 0);
}

TEST(Confine, ItKeepsNoPrivilege) {
  EXPECT_EQ(confined([](pid_t) { return ::prctl(PR_CAPBSET_READ, 0) == -1 && errno == EPERM ? 0 : 1; }), 0);
  EXPECT_EQ(confined([](pid_t) { return ::prctl(PR_SET_NAME, "script"); }), 0);
  // Of all its capabilities none is left, as the kernel says of a child that has dropped them.
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const auto child = ::fork();
  if (child == 0) {
    char text[4096];
    if (!drop_privileges()) ::_exit(1);
    const int status = ::open("/proc/self/status", O_RDONLY);
    const auto size = ::read(status, text, sizeof text);
    ::_exit(::write(ends[1], text, static_cast<std::size_t>(size)) == size ? 0 : 1);
  }
  ::close(ends[1]);
  std::string text(4096, '\0');
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(0, ::read(ends[0], text.data(), text.size()))));
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_NE(text.find("CapEff:\t0000000000000000"), std::string::npos) << text;
  EXPECT_NE(text.find("CapPrm:\t0000000000000000"), std::string::npos) << text;
  EXPECT_NE(text.find("NoNewPrivs:\t1"), std::string::npos) << text;
}

}  // namespace
}  // namespace drover::sandbox::script
