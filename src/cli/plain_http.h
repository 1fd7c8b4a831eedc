// Who listens without TLS does so on loopback, unless somebody has said that it may be otherwise.
#pragma once

#include <string_view>

#include "base/error.h"

namespace drover::cli {

// kUsage when one of the addresses, with commas between them, is not loopback. `option` is how they were given ("--bind-ip"), `why` says what could
// happen and what to do instead.
Status check_loopback(std::string_view option, std::string_view addresses, std::string_view why);

}  // namespace drover::cli
