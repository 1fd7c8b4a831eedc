#include "cli/demo_watch.h"

#include <algorithm>
#include <csignal>
#include <cstring>

#include <sys/wait.h>

#include <fmt/format.h>

#include "cli/demo_directory.h"

namespace drover::cli {
namespace {

constexpr auto kLookEvery = std::chrono::milliseconds(50);
constexpr std::size_t kMaxQuoted = 300;

// Nothing while it runs. It stays to be reaped.
std::optional<std::string> end_of(pid_t pid) {
  siginfo_t info{};
  if (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid != pid) return std::nullopt;
  if (info.si_code == CLD_EXITED) return fmt::format("has ended with exit code {}", info.si_status);
  return fmt::format("was ended by signal {} ({})", info.si_status, ::strsignal(info.si_status));
}

Error error_of(const DemoWatch::Process& process, const std::string& end) {
  auto text = fmt::format("{} {}, which the demo needs; ", process.what, end);
  auto last = last_line(process.log);
  if (!last) return {process.code, text + fmt::format("its log, \"{}\", is empty", process.log), 0, {}};
  if (last->size() > kMaxQuoted) last->resize(kMaxQuoted);
  return {process.code, text + fmt::format("its log, \"{}\", ends with: {}", process.log, *last), 0, {}};
}

}  // namespace

DemoWatch::DemoWatch(Runtime& runtime, std::stop_token outer) : runtime_(runtime), outer_(std::move(outer)) {
  thread_ = runtime_.spawn("demo.watch", [this](std::stop_token own) { look(own); });
}

void DemoWatch::add(Process process) {
  processes_.with([&](auto& all) { all.push_back(std::move(process)); });
}

void DemoWatch::dismiss(pid_t pid) {
  processes_.with([&](auto& all) { std::erase_if(all, [&](const auto& one) { return one.pid == pid; }); });
}

void DemoWatch::dismiss_all() {
  processes_.with([](auto& all) { all.clear(); });
}

void DemoWatch::look(const std::stop_token& own) {
  std::optional<SteadyTime> stopped_at;
  do {
    if (look_at_processes()) {
      stop_.request_stop();
      cut_.request_stop();
      return;
    }
    if (!stopped_at && outer_.stop_requested()) {
      stopped_at = runtime_.now();
      stop_.request_stop();
    }
    if (stopped_at && runtime_.now() - *stopped_at >= kCallPatience) cut_.request_stop();
  } while (runtime_.sleep(kLookEvery, own));
}

bool DemoWatch::look_at_processes() {
  std::string end;
  const auto ended = processes_.with([&](const auto& all) -> std::optional<Process> {
    for (const auto& process : all) {
      if (auto how = end_of(process.pid)) {
        end = std::move(*how);
        return process;
      }
    }
    return std::nullopt;
  });
  if (ended) failure_.with([&](auto& failure) { failure = error_of(*ended, end); });
  return ended.has_value();
}

}  // namespace drover::cli
