// What writes wait for while fsync has locked them (Engine::lock_writes): those of clients here, the server's own for another time.
#pragma once

#include "base/error.h"
#include "sandbox/commands/command.h"
#include "sandbox/storage/engine.h"
#include "sandbox/storage/write_unit.h"

namespace drover::sandbox {

// Until nothing is locked. Its place is free meanwhile, so that reads go on; 50, 11601 as of any wait. The engine looks once more.
Status wait_for_unlock(CommandContext& context);
// A unit of what the server does by itself. Null while fsync has locked: it is done another time. While the unit lives nobody locks.
std::unique_ptr<WriteUnit> begin_own_unit(Engine& engine);

}  // namespace drover::sandbox
