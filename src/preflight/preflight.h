// Every known limitation as a typed check, before anything is written. Reads both deployments and judges; changes nothing.
//
// A refusal's exit code says who has to act: 3 (kUnsupported) for what this version does not carry or run against, 5 and 6
// (kSource, kDestination) for missing privileges and for a destination that is not empty, 4 (kWrongState) for a destination
// that holds another migration. A deployment that does not answer is an error of check() itself, with its side's code.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "cluster/deployment.h"
#include "model/namespace_filter.h"
#include "preflight/found_migration.h"

namespace drover::preflight {

enum class Side { kSource, kDestination };
enum class Severity { kRefuse, kWarn };

struct Finding {
  std::string id;  // stable: "source-standalone", "destination-not-empty", ...; docs/operations/checks.md
  Side side = Side::kSource;
  Severity severity = Severity::kRefuse;
  ErrorCode code = ErrorCode::kUnsupported;
  std::string what;    // a sentence that names the thing
  std::string remedy;  // what the operator can do
};

struct Report {
  std::vector<Finding> findings;
  MigrationPhase found = MigrationPhase::kNone;  // of a migration of this source that the destination holds
  bool source_blocks = false;                    // it can block writes itself, with effect
  bson::Document source;                         // identity_of it, for engine::Options
  std::string destination_user;                  // user_of it, for engine::Options
  bool users_checked = true;                     // false: what the deployments are is refused before anybody asks who has logged in there, and what he may

  bool resuming() const { return found >= MigrationPhase::kBegun; }

  bool refused() const;
  // Nothing, or one error that lists every refusal with its remedy; its code is the first one's.
  Status verdict() const;
};

// Who stops the application's writes at the cutover, where the source cannot block them itself.
enum class Writers {
  kStopped,  // a hook, or somebody who will be asked or has said so
  kUnknown,  // it is not known how the migration will be started
  kNobody,   // refused: the cutover could never be proven
};

struct Options {
  NamespaceFilter filter;
  Writers writers = Writers::kStopped;
};

Result<Report> check(cluster::Deployment& source, cluster::Deployment& destination, const Options& options);

// The finding of check() that nobody is logged in where the deployment asks for a login ("source-login"); nothing: somebody is, or need not be.
Result<std::optional<Finding>> missing_login(Side side, cluster::Deployment& deployment);

// An error when the deployment asks for a login and nobody is logged in.
Status check_login(Side side, cluster::Deployment& deployment);

// As whom the destination is written: its server keeps sessions apart by that. Empty where nobody has to log in.
Result<std::string> user_of(cluster::Deployment& deployment, const cluster::Facts& facts);

const char* side_name(Side side);

}  // namespace drover::preflight
