// Whose the state of a migration on a destination is, where somebody gives the engine jobs (Options::job): x_control holds the job's id from
// before anything else of it is there. Another one's state is never gone on with, and above all its commit is never this one's.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "preflight/removal.h"

namespace drover::engine {

using LoadState = preflight::LoadState;

// Whether a migration may begin, or go on, on what the destination holds. kWrongState, with the remedy, when that is a migration that is not
// `job`'s; an empty job takes any. By what a kill -9 leaves:
//   nothing, x_owner, x_control of whichever job   nothing was begun: it begins. The take-over has shut out whoever was about to
//   x_migration without x_control                  another front's, or an older version's: refused to a job
//   x_migration and x_control                      x_control's
//   a removal that was interrupted                 refused, with or without a job (preflight/removal.h): what is left of it would be taken for what this
//                                                  one has copied
// Reads only.
Status check_job_of_state(const LoadState& load, std::string_view job);

// For a clean-up: whether what there is is `job`'s to remove, half removed as it may be. Only what x_control, or the removal, says is his, or what
// nobody has begun (an x_owner alone); an empty job's is any.
Result<bool> is_state_of_job(const LoadState& load, std::string_view job);

}  // namespace drover::engine
