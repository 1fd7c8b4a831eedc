// Where the engine keeps its temporary files.
#pragma once

#include <string>

#include "base/error.h"
#include "base/log.h"

namespace drover::cli {

// $TMPDIR, else /tmp. kUsage when that is no directory that can be written to: it is looked at before anything is begun, not when it is
// needed.
Result<std::string> spool_directory();

// For a process that nobody started by hand, and whose environment may be older than the directory: /tmp, and a warning, where the other is of
// no use. Somebody who restarts it would else take the migration for one that cannot go on.
std::string spool_directory_or_tmp(Log& log);

}  // namespace drover::cli
