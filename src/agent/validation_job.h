// The checks of a validation, run for real from this host (spec/control-plane.md 2.9): it connects to both sides as the
// migration would, reads, and changes nothing. Each check has a result, whatever the others say.
#pragma once

#include <stop_token>
#include <vector>

#include "agent/host.h"
#include "agent/job.h"
#include "cluster/deployment.h"
#include "preflight/preflight.h"

namespace drover::agent {

// DONE, with every check; kInterrupted's report is ACCEPTED.
Report validate(Host& host, const Job& job, const std::stop_token& stop);

// Pure parts.
Check check_ca_file(const std::string& path);
// What a failure to reach a deployment means: "source-reachable" or "credentials" for the source, "destination-reachable" or
// "destination-privileges" for the destination.
Check check_of_failure(preflight::Side side, const Error& error);
// The findings of preflight as checks: "privileges", "destination-privileges", "engine"; "credentials" where the source asks for a login and nobody has logged in.
std::vector<Check> checks_of(const preflight::Report& report, bool drop_destination);
// `free_bytes`: of the destination, when it says so.
// A SCRAM user must have the credentials of both mechanisms (spec/control-plane.md 5.6). Empty: it is not known.
Check check_mechanisms(const std::vector<std::string>& mechanisms);
Check check_disk_space(std::int64_t needed_bytes, std::optional<std::int64_t> free_bytes);

}  // namespace drover::agent
