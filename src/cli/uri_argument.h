#pragma once

#include <string>

#include "base/error.h"

namespace drover::cli {

// A connection string as given on the command line: itself, "@path" (the first line of that file) or "env:NAME".
// kUsage errors say which file or variable; they never repeat its content.
Result<std::string> resolve_uri_argument(const std::string& argument);

}  // namespace drover::cli
