#include "cli/signals.h"

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <fcntl.h>
#include <thread>
#include <unistd.h>

namespace drover::cli {
namespace {

constexpr int kInterruptedExitCode = 130;
constexpr std::chrono::seconds kPatience{2};
constexpr char kBeforeAnything[] = "\ndrover: stopped before it had begun; nothing was done\n";
constexpr char kAtOnce[] = "\ndrover: stopped at once, by the second Ctrl-C or SIGTERM; what was under way was left as it is\n";
std::atomic<int> signals_seen{0};
std::atomic<bool> line_is_open{false};  // on a terminal the cursor stands behind ^C, or behind what was being drawn
int wake_pipe[2];

// Async-signal-safe, as what calls it.
template <std::size_t N>
[[noreturn]] void end_with(const char (&line)[N]) {
  const std::size_t from = line_is_open ? 0 : 1;
  [[maybe_unused]] const auto ignored = ::write(STDERR_FILENO, line + from, N - 1 - from);
  _exit(kInterruptedExitCode);
}

void on_early_signal(int) { end_with(kBeforeAnything); }

// A stop request runs callbacks, so a thread does it.
void on_signal(int) {
  if (signals_seen.fetch_add(1) > 0) end_with(kAtOnce);
  const char byte = 0;
  [[maybe_unused]] const auto ignored = ::write(wake_pipe[1], &byte, 1);
}

void handle_with(void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction before {};
    const bool ignored = ::sigaction(number, nullptr, &before) == 0 && before.sa_handler == SIG_IGN;
    if (number != SIGHUP || !ignored) ::sigaction(number, &action, nullptr);
  }
}

// The loader calls this before the constructors of the libraries, which take most of the time until main.
void first_of_all(int, char**, char**) {
  line_is_open = ::isatty(STDERR_FILENO) != 0;
  handle_with(on_early_signal);
}
[[gnu::section(".preinit_array"), gnu::used]] void (*const call_first)(int, char**, char**) = first_of_all;

void wait_for_signal(const std::stop_source& source) {
  char byte;
  while (::read(wake_pipe[0], &byte, 1) != 1) {}
  source.request_stop();
  std::this_thread::sleep_for(kPatience);  // who stops promptly says so in its own words
  const char line[] = "\nStopping; press Ctrl-C again to stop at once.\n";
  [[maybe_unused]] const auto ignored = ::write(STDERR_FILENO, line, sizeof(line) - 1);
}

std::stop_source install() {
  std::stop_source source;
  if (::pipe2(wake_pipe, O_CLOEXEC) != 0) return source;
  handle_with(on_signal);
  std::thread(wait_for_signal, source).detach();
  return source;
}

}  // namespace

std::stop_token stop_on_signals() {
  static const std::stop_source source = install();
  return source.get_token();
}

bool interrupted() { return signals_seen.load() > 0; }

}  // namespace drover::cli
