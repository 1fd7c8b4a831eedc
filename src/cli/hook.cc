#include "cli/hook.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <fmt/format.h>

extern char** environ;

namespace drover::cli {

namespace {

constexpr std::chrono::milliseconds kPoll{20};

// The wait status. The command is the leader of a process group of its own, so that what it started ends with it.
int wait_for(pid_t child, const std::stop_token& stop) {
  int status = 0;
  auto waited = std::chrono::milliseconds(0);  // since the stop request
  for (;;) {
    const pid_t ended = ::waitpid(child, &status, WNOHANG);
    if (ended == child || (ended < 0 && errno != EINTR)) break;
    if (stop.stop_requested()) {
      if (waited.count() == 0) ::kill(-child, SIGTERM);
      if (waited >= kHookPatience) ::kill(-child, SIGKILL);
      waited += kPoll;
    }
    std::this_thread::sleep_for(kPoll);
  }
  if (stop.stop_requested()) ::kill(-child, SIGKILL);
  return status;
}

}  // namespace

Status run_hook(const std::string& command, const Facts& facts, const std::stop_token& stop) {
  std::vector<std::string> texts;
  for (const auto& [name, value] : facts) texts.push_back("DROVER_" + name + "=" + value);
  std::vector<char*> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) environment.push_back(*entry);
  for (auto& text : texts) environment.push_back(text.data());
  environment.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
  // What is typed here is for us; and a group of its own would be stopped for reading the terminal.
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t defaults;
  sigemptyset(&defaults);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) sigaddset(&defaults, signal);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);

  std::string shell = "/bin/sh", option = "-c", text = command;
  char* arguments[] = {shell.data(), option.data(), text.data(), nullptr};
  pid_t child = 0;
  const int error = posix_spawn(&child, shell.c_str(), &actions, &attributes, arguments, environment.data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) {
    return fail(ErrorCode::kFailure, fmt::format("starting the command '{}': {}", command, std::strerror(error)));
  }
  const int status = wait_for(child, stop);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return fail(ErrorCode::kFailure,
              WIFEXITED(status)
                  ? fmt::format("the command '{}' ended with exit status {}", command, WEXITSTATUS(status))
                  : fmt::format("the command '{}' was ended by signal {}", command, WTERMSIG(status)));
}

}  // namespace drover::cli
