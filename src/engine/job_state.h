// Whose the state of a migration on a destination is, where somebody gives the engine jobs (Options::job): x_control holds the job's id from
// before anything else of it is there. Another one's state is never gone on with, and above all its commit is never this one's.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "bson/document.h"

namespace drover::engine {

using LoadState = std::function<Result<std::vector<bson::Document>>(const std::string& collection)>;

// kWrongState, with the remedy, when the destination holds a migration that is not `job`'s. An empty job takes any; and where no
// migration has begun, there is none. Reads only.
Status check_job_of_state(const LoadState& load, std::string_view job);

}  // namespace drover::engine
