// The operator's commands around the cutover (--before-cutover, --after-cutover): run by the shell, with the facts in
// environment variables and nothing on standard output that would mix with --json.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/error.h"

namespace drover::cli {

using Facts = std::vector<std::pair<std::string, std::string>>;  // name without the DROVER_ prefix → value

// Waits for its end. An exit status other than 0 is a kFailure error that names the command and the status. The command's
// standard output goes to this process's standard error.
Status run_hook(const std::string& command, const Facts& facts);

}  // namespace drover::cli
