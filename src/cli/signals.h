// Ctrl-C and SIGTERM: the end of the process before a command is at work, a stop request from then on. Each ends with one line
// and exit code 130. A SIGHUP that the caller has ignored (nohup) stays ignored. Programs that this one starts have the default
// handlers.
#pragma once

#include <stop_token>

namespace drover::cli {

// The first call makes the first SIGINT, SIGTERM or SIGHUP a stop request (and prints a hint if stopping takes long), and the
// second the end of the process at once. Until then the first ends it: from before any constructor has run (signals.cc).
std::stop_token stop_on_signals();

// Whether the stop came from a signal: an error that follows is then ErrorCode::kInterrupted, exit code 130.
bool interrupted();

}  // namespace drover::cli
