// Named points at every phase edge where a process may die. Tests arm one by DROVER_FAIL_POINT=name[:n] in the
// environment: the n-th time (default first) it is reached the process kills itself with SIGKILL, as a crash would.
// Nothing is done, and nothing is read from the environment again, when it is not set.
#pragma once

#include <string_view>

namespace drover {

void kill_if_armed(std::string_view name);

}  // namespace drover
