// The label of an Error that this machine's own disk has made: it is full, or cannot be written. Nothing is wrong with the deployments, and the
// same start goes on once there is room, so nobody takes it for a reason to give a migration up.
#pragma once

#include <string_view>

namespace drover {

inline constexpr std::string_view kLocalDisk = "LocalDisk";

}  // namespace drover
