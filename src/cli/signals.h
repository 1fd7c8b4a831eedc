// Ctrl-C and SIGTERM as a stop request.
#pragma once

#include <stop_token>

namespace drover::cli {

// The first call installs the handlers; from then on the first SIGINT, SIGTERM or SIGHUP requests a stop (and prints a hint
// if stopping takes long), and the second ends the process at once with exit code 130. Programs that this one starts have
// the default handlers.
std::stop_token stop_on_signals();

// Whether the stop came from a signal: an error that follows is then ErrorCode::kInterrupted, exit code 130.
bool interrupted();

}  // namespace drover::cli
