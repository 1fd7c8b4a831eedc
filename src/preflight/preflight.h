// Every known limitation and risk of a migration as a typed check, before anything is written (spec/engine.md 11 and 12).
// Reads only. Used by `drover migrate` at its start, and by `drover check`.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "cluster/deployment.h"
#include "model/namespace_filter.h"

namespace drover::preflight {

enum class Severity {
  kWarn,    // a person should know
  kRefuse,  // the migration must not begin
};

struct Finding {
  std::string id;       // stable, for scripts: "source.standalone", "catalog.capped", ...
  Severity severity = Severity::kRefuse;
  ErrorCode code = ErrorCode::kUnsupported;  // of the refusal (blueprint, exit codes)
  std::string what;     // what was found, on what
  std::string remedy;   // what to do
};

struct Report {
  std::vector<Finding> findings;  // refusals first

  // Success, or one error that lists every refusal with its remedy; its code is the first refusal's.
  Status verdict() const;
};

struct Options {
  NamespaceFilter filter;  // what is filtered out is not considered
};

// An error is a check that could not be made (unreachable, wrong password): nothing is known then. A destination that holds
// the state of the same migration is fine: it is continued.
Result<Report> check(cluster::Deployment& source, cluster::Deployment& destination, const Options& options);

}  // namespace drover::preflight
