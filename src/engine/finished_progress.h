// The figures of a migration as its state on the destination tells them: for a process that finds nothing more to copy or
// follow, because an earlier one did it, or that is not to go on yet, because it is paused.
#pragma once

#include <stop_token>

#include "bson/document.h"
#include "engine/job_state.h"
#include "engine/progress.h"
#include "engine/state_store.h"

namespace drover::engine {

LoadState load_of(StateStore& state, const std::stop_token& stop);

// Of one that nobody runs now. What cannot be read is left at nothing, and which indexes there are is not told.
Progress recorded_progress(const LoadState& load);
// Of one that has been decided.
Progress finished_progress(const LoadState& load);
// What the cutover's log adds: it is newer than the last checkpoint.
void add_cutover(const LoadState& load, Progress& progress);

// What there is to copy of a collection by these estimates: no less than is copied, and that once all is.
void expect(CollectionProgress& collection, std::int64_t documents, std::int64_t bytes);

// The comparison's outcome, as it stands in the cutover's log.
bson::Document verification_record(const VerificationProgress& verification);

}  // namespace drover::engine
