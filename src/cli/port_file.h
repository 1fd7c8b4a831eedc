// For whoever starts a server with port 0 and waits for it: the file is there whole or not at all.
#pragma once

#include <string>

#include "base/error.h"

namespace drover::cli {

// An empty path writes nothing. `option` names it in errors.
Status write_port_file(const std::string& path, int port, std::string_view option);

}  // namespace drover::cli
