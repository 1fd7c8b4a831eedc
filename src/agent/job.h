// One thing that the site wants of this host (docs/design/control-plane.md, protocol 2): what kind, which state it is to be
// in, and what is needed for it. `text` is the item as it came, which is kept in the agent's directory.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/runtime.h"
#include "model/migration_platform.h"

namespace drover::agent {

enum class JobKind { kValidation, kMigration };
enum class Desired { kRun, kCutover, kStop, kForget };
const char* name_of(Desired desired);  // "RUN"

struct Job {
  std::string id;
  JobKind kind = JobKind::kMigration;
  std::int64_t revision = 0;
  Desired desired = Desired::kRun;
  MigrationPath path = MigrationPath::kSync;
  std::string source_uri;       // with the credentials; empty once it is to be forgotten
  std::string destination_uri;
  std::string ca_path;          // on this host; empty: none was given
  // Which request for the cutover CUTOVER means: one that was given up is not carried out again. None: an older site, which knows of no other request and of nothing
  // that was given up; it is tried again.
  std::optional<std::int64_t> cutover_request;
  bool drop_destination = false;
  bool sharding = false;        // shard keys are asked for
  std::string text;
  SteadyTime confirmed{};       // when the site last said so to this process; never: it is known from the agent's directory alone
};

// What cannot be done as it is asked for is an error that names it; it never quotes what may be secret. The id, where the
// item has one, is answered in any case, so that the refusal can be reported.
struct ParsedJob {
  std::string id;
  Result<Job> job;
};
ParsedJob parse_job(const Json& item);
bool is_job_id(std::string_view id);  // 24 hexadecimal digits: it names a directory

// A report's state (protocol 1).
enum class JobState { kAccepted, kRunning, kCommitting, kDone, kCommitted, kStopped, kFailed, kForgotten };
const char* name_of(JobState state);
bool is_final(JobState state);

struct Check {
  std::string id;      // "credentials"
  std::string status;  // PASSED, WARNING, FAILED, SKIPPED
  std::string title;   // of what is not PASSED: what the operator reads
  std::string detail;
};

// The engine has ended a request for the cutover for what only the operator can mend, and follows the source again.
struct GivenUpCutover {
  std::optional<std::int64_t> request;  // none: it had no number
  std::string because;
};

struct Report {
  JobState state = JobState::kAccepted;
  std::string error;
  std::string phase;   // INITIALIZING, COLLECTION_COPY, CHANGE_EVENT_APPLICATION, COMMITTING; empty: none yet
  bool can_commit = false;
  std::string cannot_commit_because;  // empty: it can, or nobody says
  std::optional<std::int64_t> lag_seconds, copied_bytes, total_bytes, applied_events, eta_seconds;
  std::vector<std::string> warnings;
  std::optional<GivenUpCutover> cutover_given_up;  // the last one
  std::optional<std::int64_t> engine_silent_since;  // it runs, and has not answered since then, by this host's clock (milliseconds since 1970)
  bool engine_paused = false;                       // by somebody on this host
  std::vector<Check> checks;
};
// Without sequence, revision, log and the session's fields, which the sender adds.
Json::Object report_fields(const Report& report);

}  // namespace drover::agent
