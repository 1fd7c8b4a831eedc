// The figures of a migration as its state on the destination tells them: for a process that finds nothing more to copy or
// follow, because an earlier one did it.
#pragma once

#include <stop_token>

#include "bson/document.h"
#include "engine/progress.h"
#include "engine/state_store.h"

namespace drover::engine {

// Of one that has been decided. What cannot be read is left at nothing.
Progress finished_progress(StateStore& state, const std::stop_token& stop);
// What the cutover's log adds: it is newer than the last checkpoint.
void add_cutover(StateStore& state, Progress& progress, const std::stop_token& stop);

// The comparison's outcome, as it stands in the cutover's log.
bson::Document verification_record(const VerificationProgress& verification);

}  // namespace drover::engine
