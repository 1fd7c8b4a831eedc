#pragma once

#include <stop_token>
#include <string>

#include "base/error.h"

namespace drover::cli {

// A connection string as given on the command line: itself, "@path" (the first line of that file) or "env:NAME".
// kUsage errors say which file or variable; they never repeat its content. kInterrupted: stopped while the file, a pipe, had
// no writer yet.
Result<std::string> resolve_uri_argument(const std::string& argument, const std::stop_token& stop = {});

// Overwrites the passwords of connection strings in the arguments, which anybody on this machine can read (ps). True when
// there was one. Call it once they have been parsed.
bool hide_passwords(int argc, char** argv);

}  // namespace drover::cli
