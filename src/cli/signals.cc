#include "cli/signals.h"

#include <atomic>
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <thread>
#include <unistd.h>

namespace drover::cli {
namespace {

constexpr int kInterruptedExitCode = 130;
constexpr std::chrono::seconds kPatience{2};
std::atomic<int> signals_seen{0};
int wake_pipe[2];

// Async-signal-safe: a stop request runs callbacks, so a thread does it.
void on_signal(int) {
  if (signals_seen.fetch_add(1) > 0) _exit(kInterruptedExitCode);
  const char byte = 0;
  [[maybe_unused]] const auto ignored = ::write(wake_pipe[1], &byte, 1);
}

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
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) ::sigaction(number, &action, nullptr);
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
