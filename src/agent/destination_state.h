// What a destination holds before a job begins there: nothing, what this job itself has begun (this host's files may be lost), or what another
// migration left. Another one's commit says nothing of this job, and its data is dropped only where that is asked for.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/job.h"
#include "cluster/deployment.h"

namespace drover::agent {

enum class Holds { kNothing, kOurs, kCommitted, kUnfinished };  // the last two are another migration's

struct DestinationState {
  Holds holds = Holds::kNothing;
  std::string owner;  // the job whose state it is; empty: not one of an agent's
  bool half_removed = false;  // preflight/removal.h
};

Result<DestinationState> look_at_destination(cluster::Deployment& destination, const std::string& job);
// Why a job that drops nothing is not begun on such a destination, and what to do.
std::string refusal_of(const DestinationState& state, bool drop_was_given);

// What is refused whatever the destination holds: asked before anything is removed there, for then it would be lost for nothing. It may even be the
// source. What an unfinished migration (`holds`) has blocked is unblocked by its removal. Reads only. An error: a side does not answer.
Result<std::optional<Error>> refusal_before_dropping(cluster::Deployment& source, cluster::Deployment& destination, Holds holds);

// No collection outside of the server's own databases and the migration's.
Result<bool> is_empty(cluster::Deployment& destination);
// Every database but those. Twice is as once. The names of those that were there.
Result<std::vector<std::string>> drop_databases(cluster::Deployment& destination);

}  // namespace drover::agent
