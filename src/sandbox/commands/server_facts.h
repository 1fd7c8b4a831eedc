// What the server says of itself in more than one place: buildInfo, getCmdLineOpts, hostInfo, and its record of each start in
// local.startup_log.
#pragma once

#include <string>

#include "bson/builder.h"
#include "bson/document.h"
#include "model/server_version.h"
#include "sandbox/commands/command.h"

namespace drover::sandbox {

// The fields of buildInfo, but for `storageEngines`.
void append_build_info(bson::Builder& out, ServerVersion version, bool runs_scripts);
// The options that the server was started with, as its configuration file would have them.
bson::Document parsed_options(const ServerSettings& settings);
std::string host_name();  // of the machine

}  // namespace drover::sandbox
