#include "sandbox_process.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace drover::testing {
namespace {

constexpr int kStartAttempts = 600;
constexpr useconds_t kStartPause = 50'000;

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "the sandbox of this test: %s\n", why.c_str());
  std::abort();
}

}  // namespace

SandboxProcess::SandboxProcess(const std::string& version, std::vector<std::string> more)
    : version_(version), more_(std::move(more)) {
  std::string name = (std::filesystem::temp_directory_path() / "drover-cluster-test-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) give_up("no temporary directory");
  directory_ = name;
  start(0);
}

SandboxProcess::~SandboxProcess() {
  kill();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void SandboxProcess::start(int port) {
  const char* program = std::getenv("DROVER");
  if (program == nullptr) give_up("DROVER does not name the program");
  const auto port_file = directory_ / "port";
  std::filesystem::remove(port_file);
  std::vector<std::string> arguments = {program,       "sandbox",         "--dbpath",         (directory_ / "data").string(),
                                        "--port",      std::to_string(port), "--port-file",   port_file.string(),
                                        "--server-version", version_,     "--log",            (directory_ / "log").string()};
  arguments.insert(arguments.end(), more_.begin(), more_.end());
  std::vector<char*> argv;
  for (auto& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  if (posix_spawn(&pid_, program, nullptr, nullptr, argv.data(), environ) != 0) give_up("cannot be started");
  for (int i = 0; i < kStartAttempts; ++i) {
    if (std::ifstream file(port_file); file >> port_) return;
    if (waitpid(pid_, nullptr, WNOHANG) == pid_) give_up("ended at once");
    usleep(kStartPause);
  }
  give_up("does not accept connections");
}

std::string SandboxProcess::uri() const { return "mongodb://127.0.0.1:" + std::to_string(port_) + "/"; }

void SandboxProcess::kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void SandboxProcess::restart() {
  kill();
  start(port_);
}

// Until all of its threads have stopped: one that is awake may still answer.
void SandboxProcess::pause() {
  ::kill(pid_, SIGSTOP);
  int status = 0;
  while (::waitpid(pid_, &status, WUNTRACED) == pid_ && !WIFSTOPPED(status)) {
  }
}
void SandboxProcess::resume() { ::kill(pid_, SIGCONT); }

}  // namespace drover::testing
