// `drover migrate --cleanup`: the state of a migration is removed from the destination, after a look at what it is.
#pragma once

#include <functional>
#include <stop_token>
#include <string>

#include "base/error.h"
#include "base/log.h"
#include "base/runtime.h"
#include "cluster/deployment.h"
#include "engine/clean_up.h"

namespace drover::cli {

// What there was to remove. kDecided: the cutover is decided but not finished, and nothing is touched; kCommitStays: it was committed, which was not to be
// removed. kWrongState, and nothing is touched, when it is another source's (of a commit alone, CleanUp::Only::kCommitted, the source does not matter), when it
// is not the commit that was to be removed, when a process is at it right now, and when it has changed since it was looked at. `confirmed` is
// asked, with the question to put, before anything is removed. With `job`, the state of any other one is kNothing (engine/job_state.h). What is to be done
// next is said on standard error, but for kDecided.
enum class Cleaned { kNothing, kBegun, kRemnant, kCommitted, kCommitStays, kDecided };
inline constexpr const char* kDecidedNotFinished = "the cutover of this migration is decided but not finished; run the same migrate command without --cleanup to "
                                                   "finish it first. Nothing was removed";
Result<Cleaned> clean_up_migration(cluster::Deployment& source, cluster::Deployment& destination, Runtime& runtime, Log& log,
                                   const std::function<Status(const std::string& question)>& confirmed,
                                   const std::stop_token& stop, const std::string& job = {}, engine::CleanUp::Only only = engine::CleanUp::Only::kAny);

}  // namespace drover::cli
