// What the jobs of one agent share.
#pragma once

#include <chrono>
#include <string>

#include "agent/directory.h"
#include "agent/site.h"
#include "base/guarded.h"
#include "base/log.h"
#include "base/runtime.h"
#include "model/migration_platform.h"

namespace drover::agent {

// The migration that this host carries out, one at a time; empty: none. Validations are not counted. One that is leaving is to be ended, so that
// another one waits for it; for one that goes on nobody waits.
struct Turn {
  std::string job;
  bool leaving = false;
};

struct Host {
  Runtime& runtime;
  Log& log;
  Site& site;
  Directory& directory;
  std::string program;          // this one's path: the engine is one of its subcommands
  HostPlatform platform;
  std::chrono::seconds server_selection_timeout;
  int lifeline = -1;            // what an engine that is not to outlive the agent hangs on (lifeline.h); -1: it outlives it
  Guarded<Turn> turn = Guarded<Turn>();
};

}  // namespace drover::agent
