#include "sandbox/script/confine.h"

#include <cerrno>
#include <cstddef>
#include <initializer_list>
#include <vector>

#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

namespace drover::sandbox::script {

namespace {

#if defined(__x86_64__)
constexpr unsigned kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr unsigned kArchitecture = AUDIT_ARCH_AARCH64;
#endif

constexpr long kAllowed[] = {
    // the socket that is open; nothing opens another, and no descriptor comes through it
    SYS_read, SYS_write, SYS_writev, SYS_recvfrom, SYS_sendto, SYS_ppoll,
    // memory
    SYS_munmap, SYS_mremap, SYS_madvise, SYS_brk,
    // threads: those that there are
    SYS_futex, SYS_sched_yield, SYS_sched_getaffinity, SYS_sched_getparam, SYS_sched_getscheduler, SYS_set_robust_list, SYS_rseq, SYS_gettid, SYS_getpid,
    SYS_set_tid_address, SYS_exit, SYS_exit_group, SYS_restart_syscall,
    // time and chance
    SYS_clock_gettime, SYS_clock_getres, SYS_clock_nanosleep, SYS_nanosleep, SYS_gettimeofday, SYS_getrandom, SYS_getrusage, SYS_sysinfo,
    // signals: the end by one's own fault
    SYS_rt_sigreturn, SYS_rt_sigprocmask, SYS_rt_sigaction, SYS_sigaltstack, SYS_getrlimit, SYS_uname,
#if defined(__x86_64__)
    SYS_poll, SYS_time,
#endif
};

class Program {
 public:
  void check_architecture() {
    load(offsetof(seccomp_data, arch));
    add(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0));
    end(SECCOMP_RET_KILL_PROCESS);
    load(offsetof(seccomp_data, nr));
  }
  void allow(long call) {
    add(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(call), 0, 1));
    end(SECCOMP_RET_ALLOW);
  }
  // Where `argument` (its lower half: those asked about are 32-bit), of its bits those of `mask`, is one of `values`.
  struct Condition {
    int argument;
    unsigned mask;
    std::initializer_list<unsigned> values;
  };
  void allow(long call, std::initializer_list<Condition> conditions) {
    const auto at = program_.size();
    add(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(call), 0, 0));  // its way past the rule is known at the end
    for (const auto& condition : conditions) {
      load(offsetof(seccomp_data, args) + 8 * static_cast<unsigned>(condition.argument));
      add(BPF_STMT(BPF_ALU | BPF_AND | BPF_K, condition.mask));
      auto left = static_cast<unsigned char>(condition.values.size());
      for (const unsigned value : condition.values) {
        add(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, left, 0));
        --left;
      }
      end(kRefused);
    }
    end(SECCOMP_RET_ALLOW);
    program_[at].jf = static_cast<unsigned char>(program_.size() - at - 1);
  }
  bool install() {
    end(kRefused);
    const sock_fprog filter{static_cast<unsigned short>(program_.size()), program_.data()};
    return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter) == 0;
  }

 private:
  static constexpr unsigned kRefused = SECCOMP_RET_ERRNO | EPERM;
  void add(sock_filter step) { program_.push_back(step); }
  void load(std::size_t offset) { add(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<unsigned>(offset))); }
  void end(unsigned verdict) { add(BPF_STMT(BPF_RET | BPF_K, verdict)); }

  std::vector<sock_filter> program_;
};

constexpr unsigned kAll = ~0U;

}  // namespace

bool drop_privileges() {
  const __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  const __user_cap_data_struct none[2] = {};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::syscall(SYS_capset, &header, none) == 0;
}

bool confine_process() {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return false;
  Program program;
  program.check_architecture();
  for (const long call : kAllowed) program.allow(call);
  // Memory of its own, as its limit counts it, that is never code.
  program.allow(SYS_mmap, {{2, PROT_EXEC, {0}}, {3, MAP_TYPE | MAP_ANONYMOUS | MAP_GROWSDOWN, {MAP_PRIVATE | MAP_ANONYMOUS}}});
  program.allow(SYS_mprotect, {{2, PROT_EXEC | PROT_GROWSDOWN | PROT_GROWSUP, {0}}});
  // abort(); nobody else's end.
  program.allow(SYS_tgkill, {{0, kAll, {static_cast<unsigned>(::getpid())}}});
  program.allow(SYS_prctl, {{0, kAll, {PR_SET_VMA, PR_SET_NAME}}});
  return program.install();
}

}  // namespace drover::sandbox::script
