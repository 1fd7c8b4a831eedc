#include "agent/engine_process.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstring>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "agent/directory.h"
#include "base/json.h"

namespace drover::agent {
namespace {

constexpr int kCannotRun = 127;
constexpr int kDescriptors = 4096;
constexpr std::size_t kLastWordsBytes = 64 << 10;
constexpr std::chrono::milliseconds kPollEvery{20};
constexpr std::string_view kFatal = "\"level\":\"fatal\"";

// A YAML string that holds anything: single quotes, doubled inside.
std::string yaml_text(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("''") : std::string(1, c);
  return out + "'";
}

std::optional<std::int64_t> number_in(const std::string& path) {
  const auto text = read_file(path, 64);
  if (!text) return std::nullopt;
  std::int64_t value = 0;
  const auto [end, failed] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (failed != std::errc() || end == text->data() || value <= 0) return std::nullopt;
  return value;
}

// 'Z' and 'X' are dead: in a container nobody may collect them.
bool is_alive(pid_t pid) {
  const auto stat = read_file(fmt::format("/proc/{}/stat", pid), 4096);
  const auto close = stat ? stat->rfind(')') : std::string::npos;
  if (close == std::string::npos || close + 2 >= stat->size()) return false;
  const char state = (*stat)[close + 2];
  return state != 'Z' && state != 'X';
}

// As decimal digits, by hand: after a fork nothing may allocate.
void write_pid(const char* path, pid_t pid) {
  char text[32];
  int at = sizeof text;
  text[--at] = '\n';
  for (; pid > 0; pid /= 10) text[--at] = static_cast<char>('0' + pid % 10);
  const int file = ::open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) _exit(kCannotRun);
  const auto size = static_cast<std::size_t>(sizeof text - static_cast<std::size_t>(at));
  if (::write(file, text + at, size) != static_cast<ssize_t>(size)) _exit(kCannotRun);
  ::fsync(file);
  ::close(file);
}

void redirect(const char* output) {
  const int nothing = ::open("/dev/null", O_RDONLY);
  const int file = ::open(output, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (nothing < 0 || file < 0) _exit(kCannotRun);
  ::dup2(nothing, STDIN_FILENO);
  ::dup2(file, STDOUT_FILENO);
  ::dup2(file, STDERR_FILENO);
  // The agent's lock and connections among them; older kernels do not know the call.
  if (::close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) == 0) return;
  for (int descriptor = 3; descriptor < kDescriptors; ++descriptor) ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
}

void default_signals() {
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int number : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGUSR1}) ::signal(number, SIG_DFL);
}

std::vector<char*> argument_list(const std::vector<std::string>& arguments) {
  std::vector<char*> list;
  for (const auto& argument : arguments) list.push_back(const_cast<char*>(argument.c_str()));
  list.push_back(nullptr);
  return list;
}

tl::unexpected<Error> system_error(std::string_view what) {
  return fail(ErrorCode::kFailure, fmt::format("{}: {}", what, std::strerror(errno)));
}

}  // namespace

std::optional<pid_t> EngineProcess::pid() const {
  const auto number = number_in(pid_path());
  if (!number) return std::nullopt;
  const auto pid = static_cast<pid_t>(*number);
  if (!is_alive(pid)) return std::nullopt;
  // Its arguments, each with a NUL at its end. A process that is about to become the engine has the agent's for a moment.
  const auto command = read_file(fmt::format("/proc/{}/cmdline", pid), 16 << 10);
  if (!command || command->find(std::string("\0", 1) + config_path() + std::string("\0", 1)) == std::string::npos) return std::nullopt;
  return pid;
}

std::optional<int> EngineProcess::port() const {
  const auto port = number_in(port_path());
  if (!port || *port > 65535) return std::nullopt;
  return static_cast<int>(*port);
}

Status EngineProcess::start(const std::string& job) const {
  ::unlink(port_path().c_str());
  ::unlink(pid_path().c_str());
  TRY(write_file(config_path(), fmt::format("cluster0: {}\ncluster1: {}\nport: 0\nlogPath: {}\nverbosity: DEBUG\nacceptDisclaimer: true\n",
                                            yaml_text(settings_.source_uri), yaml_text(settings_.destination_uri),
                                            yaml_text(settings_.directory + "/log"))));
  std::vector<std::string> arguments{settings_.program, "sync", "--config", config_path(), "--portFile", port_path()};
  if (!job.empty()) arguments.insert(arguments.end(), {"--job", job});
  if (settings_.lifeline >= 0) arguments.insert(arguments.end(), {"--lifeline", std::to_string(settings_.lifeline)});
  auto list = argument_list(arguments);
  const auto pid_file = pid_path();
  const auto output = settings_.directory + "/output";
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return system_error("starting the engine");
  const pid_t middle = ::fork();
  if (middle < 0) {
    ::close(ends[0]);
    ::close(ends[1]);
    return system_error("starting the engine");
  }
  if (middle == 0) {
    ::setsid();
    if (::fork() != 0) _exit(0);  // the engine belongs to init, not to the agent
    default_signals();
    write_pid(pid_file.c_str(), ::getpid());
    redirect(output.c_str());
    if (settings_.lifeline >= 0) ::fcntl(settings_.lifeline, F_SETFD, 0);
    ::execv(list[0], list.data());
    _exit(kCannotRun);
  }
  ::close(ends[1]);
  ::waitpid(middle, nullptr, 0);
  char nothing;
  // Closed when it has become the engine, or could not: from here on running() tells the truth.
  while (::read(ends[0], &nothing, 1) < 0 && errno == EINTR) {}
  ::close(ends[0]);
  if (!read_file(pid_path(), 64)) return fail(ErrorCode::kFailure, fmt::format("starting the engine: {} cannot be written", pid_path()));
  return {};
}

void EngineProcess::ask_to_end() const {
  if (const auto running = pid()) ::kill(*running, SIGTERM);
}

void EngineProcess::kill() const {
  if (const auto running = pid()) ::kill(*running, SIGKILL);
}

std::optional<EngineProcess::LastWords> EngineProcess::last_words() const {
  const int file = ::open(log_path().c_str(), O_RDONLY | O_CLOEXEC);
  std::string tail;
  if (file >= 0) {
    const auto size = ::lseek(file, 0, SEEK_END);
    tail.resize(kLastWordsBytes);
    const auto got = ::pread(file, tail.data(), tail.size(), std::max<off_t>(0, size - static_cast<off_t>(kLastWordsBytes)));
    ::close(file);
    tail.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  }
  LastWords words;
  if (const auto at = tail.rfind(kFatal); at != std::string::npos) {
    const auto begin = tail.rfind('\n', at);
    const auto line = std::string_view(tail).substr(begin == std::string::npos ? 0 : begin + 1);
    const auto json = Json::parse(line.substr(0, line.find('\n')));
    if (json) {
      if (const auto* error = json->find("error"); error && error->as_string()) words.error = *error->as_string();
      const auto number = [&](const char* key) {
        const auto* code = json->find(key);
        return code && code->as_int() ? static_cast<int>(*code->as_int()) : 0;
      };
      words.exit_code = number("exitCode");
      words.server_code = number("serverCode");
      const auto* disk = json->find("localDisk");
      words.local_disk = disk && disk->as_bool() && *disk->as_bool();
      return words;
    }
  }
  // It did not come as far as its log.
  auto output = read_file(settings_.directory + "/output", 4096);
  while (output && (output->ends_with('\n') || output->ends_with('\r'))) output->pop_back();
  if (!output || output->empty()) return std::nullopt;
  words.error = *output;
  return words;
}

Result<int> run_to_end(const std::vector<std::string>& arguments, std::chrono::seconds limit, const std::string& output, const std::stop_token& stop) {
  auto list = argument_list(arguments);
  const pid_t pid = ::fork();
  if (pid < 0) return system_error("starting " + arguments.front());
  if (pid == 0) {
    default_signals();
    redirect(output.c_str());
    ::execv(list[0], list.data());
    _exit(kCannotRun);
  }
  int status = 0;
  auto deadline = std::chrono::steady_clock::now() + limit;
  bool asked = false;
  while (::waitpid(pid, &status, WNOHANG) == 0) {
    if (!asked && stop.stop_requested()) {
      asked = true;
      ::kill(pid, SIGTERM);
      deadline = std::min(deadline, std::chrono::steady_clock::now() + kProgramFarewell);
    }
    if (std::chrono::steady_clock::now() > deadline) {
      ::kill(pid, SIGKILL);
      ::waitpid(pid, &status, 0);
      if (asked) return fail(ErrorCode::kInterrupted, fmt::format("{} was stopped before its end", arguments[1]));
      return fail(ErrorCode::kTemporary, fmt::format("{} took longer than {} s", arguments[1], limit.count()));
    }
    std::this_thread::sleep_for(kPollEvery);
  }
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  const bool stopped = asked && (WIFSIGNALED(status) || code == exit_code(ErrorCode::kInterrupted));
  if (stopped) return fail(ErrorCode::kInterrupted, fmt::format("{} was stopped before its end", arguments[1]));
  return code;
}

}  // namespace drover::agent
