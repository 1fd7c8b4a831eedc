// What the definitions of hashed, 2d, 2dsphere, text and wildcard indexes must be like beyond what holds for all (index_rules.h).
#pragma once

#include "sandbox/commands/support.h"

namespace drover::sandbox {

// `plugin` as index_plugin gives it. 67 CannotCreateIndex mostly.
Status check_index_kind(const CommandContext& context, bson::View spec, std::string_view plugin);

}  // namespace drover::sandbox
