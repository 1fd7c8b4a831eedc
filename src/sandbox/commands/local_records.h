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
// Puts it into local.system.replset in place of the set's document there, or of the first one: after a start, and after each election, whose term
// it has. What else clients have put there is not looked at, as in the server. Running it twice changes nothing more. False: writes are locked, it
// is for another time.
Result<bool> record_configuration(Services& services);
// One more document for this start. Capped: the oldest go. 166 where a view has its place.
Status record_start(Services& services);

}  // namespace drover::sandbox
