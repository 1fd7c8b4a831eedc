// The versioned ("stable") API, 5.0+: what a command that declares apiVersion may be and contain.
// Facts: MongoDB's src/mongo/db/initialize_api_parameters.cpp and the `stability` of fields in its IDL files.
#pragma once

#include "base/error.h"
#include "bson/document.h"
#include "sandbox/commands/api_parameters.h"
#include "sandbox/commands/command.h"

namespace drover::sandbox {

// What is declared: nothing before 5.0. 322 APIVersionError, 323 APIStrictError, 324 APIDeprecationError, 4886600 when the options come without a version.
Result<ApiParameters> check_api_version(const Command& command, bson::View body, const ServerSettings& settings);

// testVersion2 and testDeprecation, by which drivers' tests try the errors.
void add_api_test_commands(CommandTable& table);

}  // namespace drover::sandbox
