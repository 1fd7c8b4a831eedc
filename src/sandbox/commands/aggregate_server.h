// First stages that read the server's own state: $collStats, $indexStats, $currentOp, $listSessions, $listLocalSessions,
// $listCatalog, $documents, $planCacheStats.
#pragma once

#include "base/error.h"
#include "sandbox/commands/command.h"
#include "sandbox/query/pipeline.h"
#include "sandbox/storage/engine.h"

namespace drover::sandbox {

Result<query::DocumentSourcePtr> open_server_source(CommandContext& context, const Namespace& ns, const Reader& reader,
                                                    const query::LeadingStage& stage);

}  // namespace drover::sandbox
