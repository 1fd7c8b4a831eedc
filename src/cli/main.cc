#include <csignal>
#include <cstdio>

#include <poll.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "sandbox/script/host_main.h"

namespace {

// What could not be written was told to nobody: a result that a script reads, a secret that is shown once. A reader that went
// away has seen enough.
bool output_was_written() {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return true;
  pollfd output{STDOUT_FILENO, POLLOUT, 0};
  if (::poll(&output, 1, 0) == 1 && (output.revents & POLLERR) != 0) return true;
  std::fputs("drover: standard output could not be written (is the disk full?); what this command had to say is lost\n", stderr);
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  if (drover::sandbox::script::is_script_host(argc, argv)) return drover::sandbox::script::run_script_host(argc, argv);
  std::signal(SIGPIPE, SIG_IGN);  // a peer that goes away is an error of the call, not the end of the process
  const int code = drover::cli::run_command_line(argc, argv, drover::cli::make_commands());
  return output_was_written() || code != 0 ? code : 1;
}
