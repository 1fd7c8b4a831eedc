// A collection's options: what create and collMod share.
#pragma once

#include <string_view>

#include "base/error.h"
#include "bson/document.h"
#include "sandbox/commands/command.h"

namespace drover::sandbox {

// In the order in which the server gives them, whatever the order of the command was.
bson::Document canonical_options(bson::View options);
// changeStreamPreAndPostImages as `create` or `collMod` has it: {enabled: <bool>}, and not in the server's own databases.
Status check_image_option(const CommandContext& context, const bson::Element& option);

}  // namespace drover::sandbox
