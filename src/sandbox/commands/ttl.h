// Documents that a TTL index (expireAfterSeconds) has outlived are deleted, as users' deletes are, with oplog entries.
#pragma once

#include <stop_token>

#include "sandbox/commands/command.h"

namespace drover::sandbox {

// One pass over all TTL indexes. While user writes are blocked, user databases are left alone; what a transaction holds is
// left for the next pass. Running it twice deletes nothing more.
Status delete_expired(Services& services, const std::stop_token& stop);

}  // namespace drover::sandbox
