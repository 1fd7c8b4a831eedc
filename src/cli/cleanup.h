// `drover migrate --cleanup`: the state of a migration is removed from the destination, after a look at what it is.
#pragma once

#include <functional>
#include <stop_token>
#include <string>

#include "base/error.h"
#include "base/log.h"
#include "base/runtime.h"
#include "cluster/deployment.h"

namespace drover::cli {

// What the migration was: "nothing", "begun" or "committed". kWrongState, and nothing is touched, when it is another source's,
// when a process is at it right now, or when its cutover is decided but not finished. `confirmed` is asked, with the question
// to put, before anything is removed. With `job`, the state of any other one is "nothing" (engine/job_state.h). What is to be done next is said on standard error.
Result<std::string> clean_up_migration(cluster::Deployment& source, cluster::Deployment& destination, Runtime& runtime, Log& log,
                                       const std::function<Status(const std::string& question)>& confirmed,
                                       const std::stop_token& stop, const std::string& job = {});

}  // namespace drover::cli
