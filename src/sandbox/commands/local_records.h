// What a member keeps of itself in `local`, beside the oplog: its configuration (system.replset) and its starts (startup_log).
// Neither is replicated. Facts: MongoDB's replication_coordinator_external_state_impl.cpp and mongod_main.cpp (logStartup).
#pragma once

#include "base/error.h"
#include "bson/document.h"
#include "model/namespace.h"
#include "sandbox/commands/command.h"
#include "sandbox/storage/engine.h"

namespace drover::sandbox {

Namespace configuration_namespace();  // local.system.replset
Namespace startup_log_namespace();    // local.startup_log

// As replSetGetConfig gives it, in this member's term.
bson::Document replica_set_configuration(const Reader& reader, const ServerSettings& settings, std::int64_t term);
// Puts it into local.system.replset in place of what was there: after a start, and after each election, whose term it has. Running it twice
// changes nothing more.
Status record_configuration(Services& services);
// One more document for this start. Capped: the oldest go.
Status record_start(Services& services);

}  // namespace drover::sandbox
