// The options of a connection string, by name. The driver logs a name that it does not know and goes on without it: a misspelt
// `tls` would then be a connection in clear.
#pragma once

#include <string_view>

#include "base/error.h"

namespace drover::cluster {

// `uri` is one that the driver has parsed. Refused (kUsage), by name: options that neither MongoDB's URI options specification
// nor the driver has, and those that say how to connect and that the driver cannot obey. Options without effect here are taken.
// `side` is for the message, which never holds a value.
Status check_option_names(std::string_view uri, std::string_view side);

}  // namespace drover::cluster
