// What writes of clients wait for while fsync has locked them (Engine::lock_writes).
#pragma once

#include "base/error.h"
#include "sandbox/commands/command.h"

namespace drover::sandbox {

// Until nothing is locked. Its place is free meanwhile, so that reads go on; 50, 11601 as of any wait. The engine looks once more.
Status wait_for_unlock(CommandContext& context);

}  // namespace drover::sandbox
