// What explain shows of a command: for the explain command, and for aggregate with `explain: true`.
#pragma once

#include "base/error.h"
#include "sandbox/commands/command.h"

namespace drover::sandbox {

// `execute`: also what it takes to find the documents. Nothing is written.
Result<bson::Document> explain_command(CommandContext& context, bson::View command, bool execute);

}  // namespace drover::sandbox
