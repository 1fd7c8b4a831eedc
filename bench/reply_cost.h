// What it costs to look at a reply before it is read (cluster/reply_frame.h), in this thread's CPU: no server, no connection.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"

namespace drover::bench {

struct ReplyCost {
  std::string shape;
  double core_seconds_per_gb = 0;
};

// Batches of a find, of each shape and of small documents.
Result<std::vector<ReplyCost>> measure_replies();

}  // namespace drover::bench
