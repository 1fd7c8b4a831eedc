// A live migration as one line for people, and where it stands. Pure.
#pragma once

#include <string>

#include "base/json.h"

namespace drover::remote {

// "WORKING  collection copy  45 %  1.2 GB of 2.7 GB  lag 3 s  ETA 40 s"
std::string migration_line(const Json& migration);
// What must change for a line to be told again at once: "WORKING/COLLECTION_COPY/not ready".
std::string migration_stage(const Json& migration);

bool has_ended(const Json& migration);
bool is_ready(const Json& migration);
// For who has waited for it: what was done, what is to be done now, and what it has left as it is. Empty unless it is COMPLETE.
std::string what_is_next(const Json& migration);
// 0 COMPLETE, 1 FAILED, 4 cancelled, 8 EXPIRED.
int exit_of(const Json& migration);

}  // namespace drover::remote
