// A collection's options in the order in which the server gives them, whatever the order of the command was.
#pragma once

#include "bson/document.h"

namespace drover::sandbox {

bson::Document canonical_options(bson::View options);

}  // namespace drover::sandbox
