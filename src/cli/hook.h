// The operator's commands around the cutover (--before-cutover, --after-cutover): run by the shell, with the facts in
// environment variables, nothing to read, and nothing on standard output that would mix with --json.
#pragma once

#include <chrono>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"

namespace drover::cli {

using Facts = std::vector<std::pair<std::string, std::string>>;  // name without the DROVER_ prefix → value

inline constexpr std::chrono::seconds kHookPatience{5};  // from SIGTERM to SIGKILL

// Waits for its end. An exit status other than 0 is a kFailure error that names the command and the status. The command's
// standard output goes to this process's standard error. A stop request ends the command with everything that it started.
Status run_hook(const std::string& command, const Facts& facts, const std::stop_token& stop);

}  // namespace drover::cli
