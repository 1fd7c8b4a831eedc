// What explain shows of a command: for the explain command, and for aggregate with `explain: true`.
#pragma once

#include "base/error.h"
#include "sandbox/commands/command.h"

namespace drover::sandbox {

// The plan; what finding the documents took; what it took for every plan that was tried, of which there is but one here.
enum class ExplainVerbosity { kPlan, kExecution, kAllPlans };
// Nothing is written.
Result<bson::Document> explain_command(CommandContext& context, bson::View command, ExplainVerbosity verbosity);

}  // namespace drover::sandbox
