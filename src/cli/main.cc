#include <csignal>

#include "cli/commands.h"
#include "cli/options.h"

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a peer that goes away is an error of the call, not the end of the process
  return drover::cli::run_command_line(argc, argv, drover::cli::make_commands());
}
