// $out and $merge: where a pipeline's documents go.
#pragma once

#include "base/error.h"
#include "sandbox/commands/command.h"
#include "sandbox/query/pipeline.h"

namespace drover::sandbox {

// Privileges, and what may not be a target. Before anything is read.
Status check_output(CommandContext& context, const Namespace& source, const query::PipelineOutput& output);
// Pulls everything. $out replaces its target at once, by renaming a temporary collection over it: run twice, the result is
// the same. $merge writes document by document: after a failure those before it stay. It looks for what is there already with the
// aggregation's `collator`; 51183 where `on` was given and the target has no unique index of these fields with that collation.
Status write_output(CommandContext& context, const Namespace& source, const query::PipelineOutput& output, query::DocumentSource& documents,
                    std::shared_ptr<const bson::Collator> collator);

}  // namespace drover::sandbox
