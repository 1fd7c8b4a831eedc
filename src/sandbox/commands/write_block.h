// setUserWriteBlockMode (6.0+): refuses writes to user databases by everybody who may not bypass it. Durable: a document in
// config.user_writes_critical_sections, as the server keeps it.
#pragma once

#include "base/error.h"
#include "sandbox/storage/engine.h"

namespace drover::sandbox {

inline constexpr int kUserWritesBlocked = 371;

// In the state that is read. Asked inside the write unit, so that no write commits after the block was acknowledged.
Result<bool> user_writes_blocked(const Reader& reader);

}  // namespace drover::sandbox
