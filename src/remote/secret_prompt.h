// A secret that somebody types.
#pragma once

#include <stop_token>
#include <string>
#include <string_view>

#include "base/error.h"

namespace drover::remote {

// Asks on the terminal of standard input, twice and without showing it. `what`: "the user's password". kUsage without a terminal,
// when the two differ, or when there is nothing; kInterrupted after a stop request. The terminal is left as it was.
Result<std::string> ask_new_secret(std::string_view what, const std::stop_token& stop);

}  // namespace drover::remote
