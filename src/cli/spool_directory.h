// Where the engine keeps its temporary files.
#pragma once

#include <string>

#include "base/error.h"

namespace drover::cli {

// $TMPDIR, else /tmp. kUsage when that is no directory: it is looked at before anything is begun, not when it is needed.
Result<std::string> spool_directory();

}  // namespace drover::cli
