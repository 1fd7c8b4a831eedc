// A `drover sandbox` of the test's own, in a fresh directory, on a port of the system's choice. DROVER names the program.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

namespace drover::testing {

class SandboxProcess {
 public:
  // `version` as --server-version takes it. Aborts the test program when it does not come up.
  explicit SandboxProcess(const std::string& version, std::vector<std::string> more = {});
  ~SandboxProcess();
  SandboxProcess(const SandboxProcess&) = delete;

  std::string uri() const;
  void kill();     // SIGKILL
  void restart();  // the same data and port
  void pause();    // SIGSTOP: connections stay open, nothing answers
  void resume();

 private:
  void start(int port);

  const std::string version_;
  const std::vector<std::string> more_;
  std::filesystem::path directory_;
  pid_t pid_ = -1;
  int port_ = 0;
};

}  // namespace drover::testing
