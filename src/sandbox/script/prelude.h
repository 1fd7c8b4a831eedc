// What functions find beside JavaScript's own: BSON's types, and the helpers that a server's scope has. One expression, a function that is
// called once for each global object with the intrinsics of values.h; scripts never see those.
#pragma once

#include <string_view>

namespace drover::sandbox::script {

extern const std::string_view kPrelude;

}  // namespace drover::sandbox::script
