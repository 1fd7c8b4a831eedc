// Change streams: aggregate with a first stage $changeStream, as a cursor over the oplog that waits for more.
#pragma once

#include <memory>

#include "base/error.h"
#include "bson/document.h"
#include "sandbox/commands/command.h"

namespace drover::sandbox::changestream {

// `pipeline` is the command's array, $changeStream first. Set it as Services::open_change_stream.
Result<std::unique_ptr<CommandCursor>> open_change_stream(CommandContext& context, const Namespace& ns, bson::View pipeline);

}  // namespace drover::sandbox::changestream
