#include "cli/child_process.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <thread>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

namespace drover::cli {
namespace {

constexpr auto kStopPatience = std::chrono::seconds(5);
constexpr auto kPollEvery = std::chrono::milliseconds(2);
constexpr int kCannotRun = 127;

// Everything that allocates is done before the fork: other threads may hold the allocator's lock at that moment.
struct Prepared {
  std::vector<std::string> texts;
  std::vector<char*> arguments;
  std::vector<char*> environment;
};

Prepared prepare(const ChildOptions& options) {
  Prepared prepared;
  for (const auto& [name, value] : options.environment) prepared.texts.push_back(fmt::format("{}={}", name, value));
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    bool replaced = false;
    for (const auto& [name, value] : options.environment) replaced = replaced || text.starts_with(name + "=");
    if (!replaced) prepared.environment.push_back(*entry);
  }
  for (auto& text : prepared.texts) prepared.environment.push_back(text.data());
  prepared.environment.push_back(nullptr);
  for (const auto& argument : options.arguments) prepared.arguments.push_back(const_cast<char*>(argument.c_str()));
  prepared.arguments.push_back(nullptr);
  return prepared;
}

[[noreturn]] void become(const Prepared& prepared, const char* directory, int input, int output, int errors, pid_t parent) {
  for (const int number : {SIGINT, SIGTERM, SIGPIPE}) ::signal(number, SIG_DFL);  // they are not the parent's words
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) _exit(kCannotRun);  // it died before the line above
  if (*directory != '\0' && ::chdir(directory) != 0) _exit(kCannotRun);
  ::dup2(input, STDIN_FILENO);
  if (output >= 0) ::dup2(output, STDOUT_FILENO);
  if (errors >= 0) ::dup2(errors, STDERR_FILENO);
  ::execve(prepared.arguments[0], prepared.arguments.data(), prepared.environment.data());
  _exit(kCannotRun);
}

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  int get() const { return value_; }
  int release() { return std::exchange(value_, -1); }

 private:
  int value_;
};

Error system_error(std::string_view what, const std::string& path) {
  return Error{ErrorCode::kFailure, fmt::format("{} {}: {}", what, path, std::strerror(errno)), 0, {}};
}

}  // namespace

Result<ChildProcess> ChildProcess::start(const ChildOptions& options) {
  const auto prepared = prepare(options);
  int ends[2] = {-1, -1};
  if (options.pipe_input && ::pipe2(ends, O_CLOEXEC) != 0) return tl::unexpected(system_error("starting", options.arguments[0]));
  Descriptor input(options.pipe_input ? ends[0] : ::open("/dev/null", O_RDONLY | O_CLOEXEC));
  Descriptor writer(ends[1]);
  Descriptor output(options.output.empty() ? -1 : ::open(options.output.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!options.output.empty() && output.get() < 0) return tl::unexpected(system_error("writing", options.output));
  Descriptor errors(options.errors.empty() ? -1 : ::open(options.errors.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!options.errors.empty() && errors.get() < 0) return tl::unexpected(system_error("writing", options.errors));

  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return tl::unexpected(system_error("starting", options.arguments[0]));
  if (pid == 0) become(prepared, options.directory.c_str(), input.get(), output.get(), errors.get(), parent);
  ::setpgid(pid, pid);
  return ChildProcess(pid, writer.release());
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), input_(std::exchange(other.input_, -1)), status_(other.status_) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  if (this == &other) return *this;
  stop(kStopPatience);
  close_input();
  pid_ = std::exchange(other.pid_, -1);
  input_ = std::exchange(other.input_, -1);
  status_ = other.status_;
  return *this;
}

ChildProcess::~ChildProcess() {
  stop(kStopPatience);
  close_input();
}

bool ChildProcess::running() { return pid_ > 0 && !exit_code(); }

std::optional<int> ChildProcess::exit_code() {
  if (status_ || pid_ <= 0) return status_;
  int status = 0;
  const pid_t ended = ::waitpid(pid_, &status, WNOHANG);
  if (ended == pid_) status_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return status_;
}

void ChildProcess::ask_to_end() {
  if (running()) ::kill(pid_, SIGTERM);
}

void ChildProcess::kill_now() {
  if (!running()) return;
  ::kill(pid_, SIGKILL);
  while (running()) std::this_thread::sleep_for(kPollEvery);
}

void ChildProcess::stop(std::chrono::milliseconds patience) {
  if (!running()) return;
  ask_to_end();
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (running() && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(kPollEvery);
  kill_now();
}

void ChildProcess::write_line(std::string_view line) {
  if (input_ < 0) return;
  const auto text = fmt::format("{}\n", line);
  if (::write(input_, text.data(), text.size()) < 0) close_input();  // it has ended, which its owner sees by itself
}

void ChildProcess::close_input() {
  if (input_ >= 0) ::close(input_);
  input_ = -1;
}

void stop_all(std::span<ChildProcess* const> processes, std::chrono::milliseconds patience) {
  for (auto* process : processes)
    if (process != nullptr) process->ask_to_end();
  const auto deadline = std::chrono::steady_clock::now() + patience;
  for (auto* process : processes) {
    if (process == nullptr) continue;
    while (process->running() && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(kPollEvery);
    process->kill_now();
  }
}

std::string own_program() {
  std::string path(4096, '\0');
  const auto size = ::readlink("/proc/self/exe", path.data(), path.size());
  path.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return path;
}

}  // namespace drover::cli
